using System.Net.Sockets;
using CloudArchive.Api.Mail;
using CloudArchive.Core.Alerts;
using MimeKit;

namespace CloudArchive.Api.Tests.Mail;

/// <summary>Mail over a socket, to a server that does what servers do.</summary>
public sealed class SmtpMailerTests : IAsyncLifetime
{
    private static readonly DateTimeOffset At = new(2026, 11, 26, 9, 0, 0, TimeSpan.Zero);
    private static readonly Core.Alerts.Mail Letter = new("anna@praxis.example", "[CloudArchive] Praxis Grün: NOT SAFE", "Dateien fehlen.\n.\n..Punkte am Anfang\nZuletzt: heute.\n", "riverside.20261126-9f.mail-clinic", At);

    private SmtpStandIn _server = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public ValueTask InitializeAsync()
    {
        _server = new SmtpStandIn();
        return ValueTask.CompletedTask;
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task A_mail_arrives_over_TLS_as_it_was_written()
    {
        Assert.Equal(SendOutcome.Sent, await Mailer().SendAsync(Letter, Cancel));
        GotMail got = Assert.Single(_server.Got);
        Assert.Equal(("archive@example.org", "anna@praxis.example", true), (got.From, Assert.Single(got.To), got.Secure));
        MimeMessage message = await ReadAsync(got);
        Assert.Equal(Letter.Subject, message.Subject);
        Assert.Equal(Letter.Text, message.TextBody!.ReplaceLineEndings("\n"));
        Assert.Equal((At, "riverside.20261126-9f.mail-clinic@example.org", "auto-generated"), (message.Date, message.MessageId, message.Headers[HeaderId.AutoSubmitted]));
        Assert.All(got.Data.Split("\r\n"), line => Assert.True(line.Length <= 998 && line.All(char.IsAscii), line));

        // A repetition is known by its id.
        Assert.Equal(SendOutcome.Sent, await Mailer().SendAsync(Letter, Cancel));
        Assert.Single((await Task.WhenAll(_server.Got.Select(ReadAsync))).Select(one => one.MessageId).Distinct());

        // Nobody learns what this machine is called.
        Assert.Equal("EHLO example.org", _server.Lines.First());
    }

    [Fact]
    public async Task No_header_can_be_begun_by_what_somebody_typed()
    {
        Core.Alerts.Mail mail = Letter with { Subject = "Praxis\r\nBcc: all@elsewhere.example\r\n\r\nHello" };
        Assert.Equal(SendOutcome.Sent, await Mailer().SendAsync(mail, Cancel));
        GotMail got = Assert.Single(_server.Got);
        Assert.Equal(["anna@praxis.example"], got.To);
        MimeMessage message = await ReadAsync(got);
        Assert.Empty(message.Bcc);
        Assert.Equal("Praxis  Bcc: all@elsewhere.example    Hello", message.Subject);
        Assert.Equal(Letter.Text, message.TextBody!.ReplaceLineEndings("\n"));
    }

    [Fact]
    public async Task TLS_from_the_first_byte_and_a_sign_in_work_and_the_password_is_in_no_text_of_ours()
    {
        await using SmtpStandIn server = new() { ImplicitTls = true, Password = "s€cret-4711" };
        MailServer right = MailServer.Parse($"smtps://archive%40example.org@localhost:{server.Port}", "s€cret-4711", "archive@example.org", "ops@example.org");
        Assert.Equal(SendOutcome.Sent, await new SmtpMailer(right, new Uri("https://portal.example/"), TimeSpan.FromSeconds(20), server.Trust).SendAsync(Letter, Cancel));
        Assert.Equal(("archive@example.org", "s€cret-4711", true), (server.Got.Single().User, server.Got.Single().Password, server.Got.Single().Secure));

        MailServer wrong = MailServer.Parse($"smtps://archive@localhost:{server.Port}", "guessed-4711", "archive@example.org", "ops@example.org");
        SendOutcome outcome = await new SmtpMailer(wrong, new Uri("https://portal.example/"), TimeSpan.FromSeconds(20), server.Trust).SendAsync(Letter, Cancel);
        Assert.Equal(SendOutcome.Failed("The mail server did not accept the user name and the password."), outcome);
        Assert.DoesNotContain("4711", right + " " + wrong + outcome, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("RCPT", "550 5.1.1 anna@praxis.example: no such user", "Refused The mail server does not take mail for that address (550).")]
    [InlineData("RCPT", "451 4.7.1 greylisted", "Failed The mail server asks to try again later (451).")]
    [InlineData("MAIL", "553 5.7.1 not your domain", "Failed The mail server does not take mail from the configured sender (553).")]
    [InlineData("DATA", "554 5.6.0 no", "Failed The mail server does not serve this sender (554).")]
    [InlineData("DOT", "552 5.2.2 mailbox full", "Refused The mail server refused the mail (552).")]
    [InlineData("DOT", "421 4.3.2 shutting down", "Failed The mail server asks to try again later (421).")]
    [InlineData("CONNECT", "554 go away", "Failed The mail server does not serve this sender (554).")]
    [InlineData("EHLO", "421 busy", "Failed The mail server asks to try again later (421).")]
    public async Task What_a_server_says_no_to_is_told_by_its_number_alone(string verb, string answer, string expected)
    {
        _server.Answers[verb] = answer;
        SendOutcome outcome = await Mailer().SendAsync(Letter, Cancel);
        Assert.Equal(expected, $"{outcome.Result} {outcome.Error}");
        Assert.Equal(verb == "DOT" ? 1 : 0, _server.Got.Count);
    }

    [Theory]
    [InlineData("CONNECT")]
    [InlineData("EHLO")]
    [InlineData("MAIL")]
    [InlineData("RCPT")]
    [InlineData("DATA")]
    [InlineData("DOT")]
    public async Task A_server_that_goes_silent_costs_a_bounded_time(string verb)
    {
        _server.Answers[verb] = "";
        Assert.Equal(SendOutcome.Failed("The mail server did not answer within 5 seconds."), await Mailer(TimeSpan.FromSeconds(5)).SendAsync(Letter, Cancel));
    }

    [Theory]
    [InlineData("EHLO")]
    [InlineData("MAIL")]
    [InlineData("RCPT")]
    public async Task A_server_that_hangs_up_is_a_failure_that_is_tried_again(string verb)
    {
        _server.CutAfter = verb;
        SendOutcome outcome = await Mailer().SendAsync(Letter, Cancel);
        Assert.Equal(SendResult.Failed, outcome.Result);
    }

    [Fact]
    public async Task Once_the_server_has_it_a_goodbye_that_fails_does_not_send_it_again()
    {
        _server.Answers["QUIT"] = "500 what?";
        Assert.Equal(SendOutcome.Sent, await Mailer().SendAsync(Letter, Cancel));
        _server.Answers["QUIT"] = "";
        Assert.Equal(SendOutcome.Sent, await Mailer(TimeSpan.FromSeconds(2)).SendAsync(Letter, Cancel));
        Assert.Equal(2, _server.Got.Count);
    }

    [Fact]
    public async Task A_certificate_that_nobody_vouches_for_gets_no_mail_and_no_password()
    {
        _server.Password = "s3cret";
        MailServer server = MailServer.Parse($"smtp://archive@localhost:{_server.Port}", "s3cret", "archive@example.org", "ops@example.org");
        SendOutcome outcome = await new SmtpMailer(server, new Uri("https://portal.example/")).SendAsync(Letter, Cancel);
        Assert.Equal((SendResult.Failed, true), (outcome.Result, outcome.Error!.Contains("certificate", StringComparison.Ordinal)));
        Assert.Empty(_server.Got);
        Assert.DoesNotContain(_server.Lines, line => line.StartsWith("AUTH", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_server_elsewhere_must_offer_TLS_and_one_on_this_machine_need_not()
    {
        _server.OffersStartTls = false;
        Assert.Equal(SendOutcome.Sent, await Mailer().SendAsync(Letter, Cancel));
        Assert.False(Assert.Single(_server.Got).Secure);

        // The same server under a name that is not this machine's: what "elsewhere" is goes by the configured name.
        MailServer elsewhere = MailServer.Parse($"smtp://{System.Net.Dns.GetHostName()}:{_server.Port}", null, "archive@example.org", "ops@example.org");
        Assert.False(elsewhere.MayBePlain);
    }

    [Fact]
    public async Task Nobody_there_and_something_that_is_no_mail_server_are_told_apart_from_a_refusal()
    {
        TcpListener free = new(System.Net.IPAddress.Loopback, 0);
        free.Start();
        int port = ((System.Net.IPEndPoint)free.LocalEndpoint).Port;
        free.Stop();
        MailServer nobody = MailServer.Parse($"smtp://localhost:{port}", null, "archive@example.org", "ops@example.org");
        Assert.Equal(SendOutcome.Failed("The mail server could not be reached (ConnectionRefused)."), await new SmtpMailer(nobody, new Uri("https://portal.example/")).SendAsync(Letter, Cancel));
        await using SmtpStandIn ssh = new() { Gibberish = true };
        MailServer other = MailServer.Parse($"smtp://localhost:{ssh.Port}", null, "archive@example.org", "ops@example.org");
        Assert.Equal(SendResult.Failed, (await new SmtpMailer(other, new Uri("https://portal.example/")).SendAsync(Letter, Cancel)).Result);
    }

    [Fact]
    public async Task Who_stops_waiting_is_not_told_that_the_server_is_slow()
    {
        _server.Answers["DOT"] = "";
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        Task<SendOutcome> sending = Mailer(TimeSpan.FromSeconds(60)).SendAsync(Letter, stop.Token);
        while (_server.Got.IsEmpty)
        {
            await Task.Delay(10, Cancel);
        }

        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => sending);
    }

    [Theory]
    [InlineData("http://mail.example", null)]
    [InlineData("smtp://", null)]
    [InlineData("smtp://mail.example/box", null)]
    [InlineData("smtp://user:s3cret@mail.example", "s3cret")]
    [InlineData("smtp://user@mail.example", null)]
    [InlineData("smtp://mail.example", "s3cret")]
    [InlineData("mail.example", null)]
    public void A_server_that_is_none_is_refused_without_repeating_a_secret(string server, string? password)
    {
        FormatException e = Assert.Throws<FormatException>(() => MailServer.Parse(server, password, "a@example.org", "b@example.org"));
        Assert.DoesNotContain("s3cret", e.Message, StringComparison.Ordinal);
    }

    private SmtpMailer Mailer(TimeSpan? timeout = null) => new(
        MailServer.Parse($"smtp://localhost:{_server.Port}", null, "archive@example.org", "ops@example.org"), new Uri("https://portal.example/"), timeout ?? TimeSpan.FromSeconds(30), _server.Trust);

    private static Task<MimeMessage> ReadAsync(GotMail got) => MimeMessage.LoadAsync(new MemoryStream(System.Text.Encoding.UTF8.GetBytes(got.Data)), Cancel);
}
