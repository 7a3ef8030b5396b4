using CloudArchive.Core.Alerts;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Verdicts;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Verdicts;
using Microsoft.Extensions.Logging.Abstractions;

namespace CloudArchive.Core.Tests.Verdicts;

public sealed class WeeklyLettersTests
{
    private static readonly Requester Ada = new(new AuditActor("ada", "admin"), new AuditOrigin("127.0.0.1", "test"));
    private readonly WatchedClinics _clinics = new();
    private readonly Post _post = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Each_clinic_gets_its_own_and_the_operator_one_about_all()
    {
        AgentId safe = (await _clinics.AddAsync("safe", "reception"))[0], other = (await _clinics.AddAsync("other", "reception"))[0];
        await _clinics.AddAsync("nobodys");
        await ContactAsync("safe", "anna@safe.example");
        await ContactAsync("other", "otto@other.example");
        await _clinics.ReportAsync(safe, _clinics.Good());
        await _clinics.ReportAsync(other, _clinics.Good(new VerdictFinding(VerdictCause.FilesUnreadable, true, 7)));
        await SendAsync();
        _post.Got.Clear(); // what was alerted

        Assert.Equal(3, await _clinics.WriteLettersAsync(_post));
        await SendAsync();
        Assert.Equal(["anna@safe.example", "ops@archive.example", "otto@other.example"], _post.Got.Select(mail => mail.To).Order(StringComparer.Ordinal));
        Mail fine = _post.Got.Single(mail => mail.To == "anna@safe.example");
        Assert.Equal("[CloudArchive] Clinic safe: All safe", fine.Subject);
        Assert.Contains("Every file that was found is in the archive, or was excluded on purpose.", fine.Text, StringComparison.Ordinal);
        Assert.Contains("90 files are in the archive", fine.Text, StringComparison.Ordinal);
        Assert.Contains("https://portal.example/portal/clinics/safe", fine.Text, StringComparison.Ordinal);

        Mail bad = _post.Got.Single(mail => mail.To == "otto@other.example");
        Assert.Equal("[CloudArchive] Clinic other: NOT SAFE", bad.Subject);
        Assert.Contains($"Folder 1 of reception: {VerdictTexts.Describe(new VerdictFinding(VerdictCause.FilesUnreadable, true, 7), _clinics.Now)}", bad.Text, StringComparison.Ordinal);

        Mail all = _post.Got.Single(mail => mail.To == "ops@archive.example");
        Assert.Equal("[CloudArchive] the archive: 2 of 3 clinics want a look", all.Subject);
        Assert.Contains("1 clinics are safe", all.Text, StringComparison.Ordinal);
        Assert.Contains("Not safe: Clinic nobodys (nobodys). No computer backs up for this clinic.", all.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("Clinic safe (safe)", all.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_timer_that_fires_twice_writes_one_and_the_next_week_has_another()
    {
        AgentId agent = (await _clinics.AddAsync("safe", "reception"))[0];
        await ContactAsync("safe", "anna@safe.example");
        await _clinics.ReportAsync(agent, _clinics.Good());
        Assert.Equal(2, await _clinics.WriteLettersAsync(_post));
        Assert.Equal(0, await _clinics.WriteLettersAsync(_post));
        await SendAsync();
        Assert.Equal(0, await _clinics.WriteLettersAsync(_post));
        await SendAsync();
        Assert.Equal(2, _post.Got.Count);
        _clinics.Clock.Advance(TimeSpan.FromDays(7));
        Assert.Equal(2, await _clinics.WriteLettersAsync(_post));
    }

    [Fact]
    public async Task The_operator_is_told_of_clinics_that_were_not_looked_at()
    {
        AgentId agent = (await _clinics.AddAsync("safe", "reception"))[0];
        await _clinics.ReportAsync(agent, _clinics.Good());
        Assert.Equal(1, await _clinics.WriteLettersAsync(_post));
        _clinics.Clock.Advance(TimeSpan.FromDays(7));
        Assert.True(await new WeeklySummary(_clinics.Rows, _clinics.Clinics, _clinics.Clock, _post).RunAsync(Cancel)); // what was found last week says nothing of this one
        await SendAsync();
        Assert.Contains("Not checked: safe. The service's log says why.", _post.Got[^1].Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_a_mail_server_nothing_is_written()
    {
        await _clinics.AddAsync("safe", "reception");
        Assert.Equal(0, await _clinics.WriteLettersAsync(null));
        Assert.Empty(await _clinics.Rows.QueryAsync(RowTable.Work, "$system", RowRange.Prefix("letter"), 10, Cancel));
    }

    [Fact]
    public async Task A_clinics_contact_gets_its_alerts_and_no_other_clinics_and_the_operator_gets_all()
    {
        AgentId one = (await _clinics.AddAsync("one", "reception"))[0], two = (await _clinics.AddAsync("two", "x-ray"))[0];
        await ContactAsync("one", "anna@one.example");
        await _clinics.ReportAsync(one, _clinics.Good(new VerdictFinding(VerdictCause.MassChange, true, 40)));
        await _clinics.ReportAsync(two, _clinics.Good(new VerdictFinding(VerdictCause.FolderMissing, true, 1)));
        await _clinics.Alerts.RaiseAsync(new Alert(null, AlertCause.LogDamaged, "one", "The log of one does not verify."), Ada, Cancel);
        await SendAsync();
        Assert.Equal(["[CloudArchive] Clinic one: Mass change"], _post.To("anna@one.example"));
        Assert.Equal(
            ["[CloudArchive] Clinic one: Mass change", "[CloudArchive] Clinic two: Folder missing", "[CloudArchive] the archive: Log damaged"],
            _post.To("ops@archive.example"));

        // What is over is told to whom it was told.
        await _clinics.ReportAsync(one, _clinics.Good());
        await SendAsync();
        Assert.Equal(["[CloudArchive] Clinic one: Mass change", "[CloudArchive] Clinic one: Over: mass change"], _post.To("anna@one.example"));
    }

    [Fact]
    public async Task That_the_contacts_address_takes_no_mail_is_told_to_the_operator_and_not_to_that_address()
    {
        AgentId one = (await _clinics.AddAsync("one", "reception"))[0];
        await ContactAsync("one", "gone@one.example");
        _post.Refuse = "gone@one.example";
        await _clinics.ReportAsync(one, _clinics.Good(new VerdictFinding(VerdictCause.MassChange, true, 40)));
        await SendAsync();
        await SendAsync();
        Assert.Equal(["[CloudArchive] Clinic one: Mail undeliverable", "[CloudArchive] Clinic one: Mass change"], _post.To("ops@archive.example"));
        Assert.Equal(["[CloudArchive] Clinic one: Mass change"], _post.To("gone@one.example"));
        Assert.Contains(AlertCause.MailUndeliverable, await _clinics.OpenAsync("one"));
    }

    [Theory]
    [InlineData("anna@practice.example", true)]
    [InlineData("a.b+c@x", true)]
    [InlineData("", true)] // none
    [InlineData("anna", false)]
    [InlineData("Anna <anna@practice.example>", false)]
    [InlineData("anna@practice.example, otto@practice.example", false)]
    [InlineData("anna@practice.example\nBcc: all@elsewhere.example", false)]
    [InlineData("anna@practice.example\n", true)] // trimmed
    [InlineData("anna@-practice.example", false)]
    [InlineData("@practice.example", false)]
    [InlineData("anna@@practice.example", false)]
    [InlineData("änna@practice.example", false)]
    public async Task A_contact_is_one_plain_address(string typed, bool taken)
    {
        await _clinics.AddAsync("one");
        Task<Clinic> change = _clinics.Clinics.ChangeContactAsync(ClinicId.Parse("one"), typed, Ada, Cancel);
        if (taken)
        {
            Assert.Equal(typed.Trim().Length == 0 ? null : typed.Trim(), (await change).Contact);
        }
        else
        {
            Assert.Equal(Refusal.RequestInvalid, (await Assert.ThrowsAsync<RefusedException>(() => change)).Refusal);
        }
    }

    private Task ContactAsync(string clinic, string address) => _clinics.Clinics.ChangeContactAsync(ClinicId.Parse(clinic), address, Ada, Cancel);

    private Task SendAsync() => new AlertDelivery(
        _clinics.Rows, _clinics.Outbox, _clinics.Alerts, [new OperatorMail(_post, _clinics.Clinics), new ClinicMail(_post, _clinics.Clinics)], _clinics.Clock, NullLogger<AlertDelivery>.Instance).RunAsync(Ada, Cancel);

    /// <summary>A server that takes everything but for one address. The real one is in CloudArchive.Api.Tests.</summary>
    private sealed class Post : IMailer
    {
        public string Operator => "ops@archive.example";

        public Uri Portal { get; } = new("https://portal.example/");

        public string? Refuse { get; set; }

        public List<Mail> Got { get; } = [];

        public string[] To(string address) => [.. Got.Where(mail => mail.To == address).Select(mail => mail.Subject).Order(StringComparer.Ordinal)];

        public Task<SendOutcome> SendAsync(Mail mail, CancellationToken cancellationToken)
        {
            Got.Add(mail);
            return Task.FromResult(mail.To == Refuse ? SendOutcome.Refused("The mail server does not take mail for that address (550).") : SendOutcome.Sent);
        }
    }
}
