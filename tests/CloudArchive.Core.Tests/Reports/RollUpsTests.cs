using System.Security.Cryptography;
using System.Text;
using CloudArchive.Core.Access;
using CloudArchive.Core.Alerts;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Disclosures;
using CloudArchive.Core.Restores;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Tests.Support;
using CloudArchive.Core.Verdicts;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Evidence;
using CloudArchive.Format.Signing;
using CloudArchive.Format.Wire;
using CloudArchive.Reports;

namespace CloudArchive.Core.Tests.Reports;

/// <summary>Roll-ups of what the real Core did, on the real storage.</summary>
public sealed class RollUpsTests(SharedStorage shared)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_the_archive_did_in_a_month_is_in_its_report_and_in_the_quarters_and_the_years()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared), requireApproval: false);
        Archive archive = clinic.Archive;
        DateTimeOffset begin = archive.Clock.GetUtcNow();
        for (int i = 0; i < 3; i++)
        {
            await clinic.BackUpAsync();
        }

        archive.Clock.Advance(TimeSpan.FromMinutes(90));
        await archive.Tests.StartAsync(clinic.Id, new TestBudget(100, 1L << 30), new RunTrigger(RunTriggerKind.OnDemand, RequestedBy: "ada"), Archive.Admin, Cancel);
        Assert.True(await archive.TestRunner.RunAsync(clinic.Id, TimeSpan.FromMinutes(5), Archive.Admin, Cancel));
        await archive.Holds.SetAsync(clinic.Id, Uid.Parse("1.2.3"), null, "Smith versus Miller", Archive.Admin, Cancel);
        await archive.Alerts.RaiseAsync(new Alert(clinic.Id, AlertCause.ClinicSilent, "agents", "quiet"), Archive.Admin, Cancel);
        Restore restore = await RestoreAsync(clinic);
        await archive.Results.ReadAsync(clinic.Id, restore.Id, null, Archive.Admin, Cancel);
        await archive.Results.ReadAsync(clinic.Id, restore.Id, null, Archive.Admin, Cancel);
        StaffRegister staff = new(archive.Rows, archive.Outbox, archive.Clock);
        Assert.True(StaffId.TryCreate("staff.test", "leaver-" + clinic.Id, out StaffId leaver));
        Assert.True(await staff.AcceptAsync(leaver, [], ["admin"], [clinic.Id], Cancel));
        await staff.BlockAsync(leaver.ToString(), null, Archive.Admin, Cancel);
        await archive.Agents.RevokeAsync(clinic.Agent, Archive.Admin, Cancel);
        archive.Clock.Advance(TimeSpan.FromMinutes(1));
        DateTimeOffset end = archive.Clock.GetUtcNow();

        RollUps reports = Reports(archive);
        foreach (ReportPeriod period in new[] { ReportPeriod.MonthOf(end), ReportPeriod.QuarterOf(end), ReportPeriod.YearOf(end) }.Where(period => period.From <= begin))
        {
            string csv = Encoding.UTF8.GetString(await reports.MakeAsync(clinic.Id, period, ReportForm.Csv, Archive.OtherAdmin, Cancel));
            Dictionary<string, string> values = csv.Split("\r\n").Select(line => line.Split(',')).Where(fields => fields.Length == 8 && fields[1] == period.ToString()).ToDictionary(fields => fields[5], fields => fields[6], StringComparer.Ordinal);
            Assert.Equal(("1", "0", "0", "3", "3", "100"), (values["runs-passed"], values["runs-failed"], values["runs-unmatched"], values["packs-tested"], values["packs-recovered"], values["restore-success-rate"]));
            Assert.Equal(("3", "3", "100", "5400"), (values["archive-packs"], values["covered-packs"], values["coverage"], values["recovery-point"]));
            Assert.NotEqual("", values["recovery-time"]);
            Assert.Equal(("1", "0", "1", "1"), (values["holds-set"], values["holds-cleared"], values["holds-on"], values["silence-alerts"]));
            Assert.Equal(("1", "3"), (values["disclosures"], values["disclosed-packs"]));
            Assert.Equal(("1", "1", "0", "0"), (values["access-ended-people"], values["access-ended-agents"], values["access-let-in-after"], values["time-to-revoke-longest"]));
            Assert.Contains(",so-far,", csv, StringComparison.Ordinal);
            Assert.DoesNotContain("Smith", csv, StringComparison.Ordinal);
        }

        // Each look is an entry; the PDF, too.
        ReportPeriod month = ReportPeriod.MonthOf(end);
        byte[] pdf = await reports.MakeAsync(clinic.Id, month, ReportForm.Pdf, Archive.OtherAdmin, Cancel);
        Assert.StartsWith("%PDF-1.7", Encoding.ASCII.GetString(pdf, 0, 8), StringComparison.Ordinal);
        AuditEntry entry = (await EntriesAsync(archive, clinic.Id)).Last();
        Assert.Equal((AuditActions.ReportRead, AuditOutcome.Success, "bert", "pdf", month.ToString()), (entry.Action, entry.Outcome, entry.Actor.Id, entry.Details!["form"], entry.Details["period"]));
    }

    [Fact]
    public async Task A_month_that_is_over_makes_the_same_bytes_whenever_it_is_asked_for()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        ReportPeriod month = ReportPeriod.MonthOf(clinic.Archive.Clock.GetUtcNow());
        RollUps reports = Reports(clinic.Archive);
        clinic.Archive.Clock.SetUtcNow(month.To);
        byte[] csv = await reports.MakeAsync(clinic.Id, month, ReportForm.Csv, Archive.Admin, Cancel), pdf = await reports.MakeAsync(clinic.Id, month, ReportForm.Pdf, Archive.Admin, Cancel);
        Assert.Contains(",final,", Encoding.UTF8.GetString(csv), StringComparison.Ordinal);
        clinic.Archive.Clock.Advance(TimeSpan.FromDays(40));
        await clinic.Archive.Holds.SetAsync(clinic.Id, Uid.Parse("1.2.3"), null, "Later", Archive.Admin, Cancel);
        Assert.Equal(csv, await reports.MakeAsync(clinic.Id, month, ReportForm.Csv, Archive.Admin, Cancel));
        Assert.Equal(pdf, await reports.MakeAsync(clinic.Id, month, ReportForm.Pdf, Archive.Admin, Cancel));
    }

    [Fact]
    public async Task A_period_that_has_not_begun_or_was_over_before_the_clinic_was_there_is_refused_and_says_which_there_are()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        DateTimeOffset now = clinic.Archive.Clock.GetUtcNow();
        RollUps reports = Reports(clinic.Archive);
        RefusedException early = await Assert.ThrowsAsync<RefusedException>(() => reports.MakeAsync(clinic.Id, ReportPeriod.Parse("2019-Q2"), ReportForm.Csv, Archive.Admin, Cancel));
        Assert.Equal(Refusal.ReportUnknown, early.Refusal);
        Assert.Contains(ReportPeriod.MonthOf(now).ToString(), early.Message, StringComparison.Ordinal);
        RefusedException late = await Assert.ThrowsAsync<RefusedException>(() => reports.MakeAsync(clinic.Id, ReportPeriod.YearOf(now.AddYears(1)), ReportForm.Pdf, Archive.Admin, Cancel));
        Assert.Equal(Refusal.ReportUnknown, late.Refusal);

        // In the very moment in which a month begins there is nothing of it yet.
        clinic.Archive.Clock.SetUtcNow(ReportPeriod.MonthOf(now).To);
        RefusedException sharp = await Assert.ThrowsAsync<RefusedException>(() => reports.MakeAsync(clinic.Id, ReportPeriod.MonthOf(clinic.Archive.Clock.GetUtcNow()), ReportForm.Pdf, Archive.Admin, Cancel));
        Assert.Equal(Refusal.ReportUnknown, sharp.Refusal);
        Assert.Equal(Refusal.RequestInvalid, Assert.Throws<RefusedException>(() => RollUps.Period("2026-13")).Refusal);
        Assert.DoesNotContain(await EntriesAsync(clinic.Archive, clinic.Id), entry => entry.Action == AuditActions.ReportRead);
    }

    [Fact]
    public async Task An_entry_that_somebody_took_out_of_the_log_stops_the_report_and_makes_no_number_smaller()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        await clinic.Archive.Holds.SetAsync(clinic.Id, Uid.Parse("1.2.3"), null, "Kept", Archive.Admin, Cancel);
        await clinic.Archive.Holds.SetAsync(clinic.Id, Uid.Parse("1.2.4"), null, "Kept", Archive.Admin, Cancel);
        AuditEntry taken = (await EntriesAsync(clinic.Archive, clinic.Id)).First(entry => entry.Action == AuditActions.HoldSet);
        Row row = (await clinic.Archive.Rows.FindAsync(RowTable.Audit, clinic.Id.Value, $"e_{taken.Index:D16}", Cancel))!;
        await clinic.Archive.Rows.SubmitAsync(RowTable.Audit, clinic.Id.Value, [new RowWrite.Delete(row.Key, row.ETag!)], Cancel);
        AuditLogDamagedException e = await Assert.ThrowsAsync<AuditLogDamagedException>(
            () => Reports(clinic.Archive).MakeAsync(clinic.Id, ReportPeriod.MonthOf(clinic.Archive.Clock.GetUtcNow()), ReportForm.Csv, Archive.Admin, Cancel));
        Assert.Contains($"entry {taken.Index} is missing", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\"study\"", "\"other\"")]
    [InlineData("T", "t")] // no entry's text any more
    public async Task An_entry_that_somebody_changed_stops_the_report(string before, string after)
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        await clinic.Archive.Holds.SetAsync(clinic.Id, Uid.Parse("1.2.3"), null, "Kept", Archive.Admin, Cancel);
        AuditEntry changed = (await EntriesAsync(clinic.Archive, clinic.Id)).First(entry => entry.Action == AuditActions.HoldSet);
        Row row = (await clinic.Archive.Rows.FindAsync(RowTable.Audit, clinic.Id.Value, $"e_{changed.Index:D16}", Cancel))!;
        Dictionary<string, object> values = new(row.Values) { ["json"] = row.Text("json")!.Replace(before, after, StringComparison.Ordinal) };
        Assert.NotEqual(row.Text("json"), values["json"]);
        await clinic.Archive.Rows.SubmitAsync(RowTable.Audit, clinic.Id.Value, [new RowWrite.Replace(row.Key, values, row.ETag!)], Cancel);
        await Assert.ThrowsAsync<AuditLogDamagedException>(() => Reports(clinic.Archive).MakeAsync(clinic.Id, ReportPeriod.MonthOf(clinic.Archive.Clock.GetUtcNow()), ReportForm.Csv, Archive.Admin, Cancel));
    }

    [Fact]
    public async Task A_log_of_thousands_of_entries_is_read_whole_between_two_times()
    {
        Archive archive = Archive.On(shared);
        string log = "l-" + Guid.NewGuid().ToString("N");
        DateTimeOffset start = archive.Clock.GetUtcNow();
        for (int day = 0; day < 5; day++)
        {
            await Task.WhenAll(Enumerable.Range(0, 500).Select(i => archive.Log.AppendAsync(Audit.Events.Make(i, log), Cancel)));
            archive.Clock.Advance(TimeSpan.FromDays(1));
        }

        AuditSearch search = new(archive.Reader);
        Assert.Equal(Enumerable.Range(0, 2500).Select(i => (long)i), await search.ReadAsync(log, start.AddYears(-1), start.AddYears(1), Cancel).Select(entry => entry.Index).ToListAsync(Cancel));
        Assert.Equal(Enumerable.Range(500, 1500).Select(i => (long)i), await search.ReadAsync(log, start.AddHours(12), start.AddHours(84), Cancel).Select(entry => entry.Index).ToListAsync(Cancel));
        Assert.Empty(await search.ReadAsync(log, start.AddDays(9), start.AddDays(10), Cancel).ToListAsync(Cancel));
        Assert.Empty(await search.ReadAsync("none-" + log, start, start.AddDays(10), Cancel).ToListAsync(Cancel));
    }

    private static RollUps Reports(Archive archive) => new(
        new RollUpLogs(new AuditSearch(archive.Reader), archive.Reader),
        new RollUpRowReader(archive.Tests, archive.Agents, new VerdictReports(archive.Rows, archive.Outbox, archive.Clock), new StaffRegister(archive.Rows, archive.Outbox, archive.Clock), archive.Holds, new DisclosureLog(archive.Rows, archive.Identifiers, archive.Restores, archive.Log, archive.Clock)),
        archive.Clinics,
        archive.Log,
        archive.Clock);

    private static async Task<Restore> RestoreAsync(TestClinic clinic)
    {
        using RSA key = RSA.Create(2048);
        return await clinic.Archive.Restores.RequestAsync(clinic.Id, new RestoreRequest(JwkKeys.FromRsa(key), "Second opinion", "Dr. Weber", Everything: true), Archive.Admin, Cancel);
    }

    private static async Task<List<AuditEntry>> EntriesAsync(Archive archive, ClinicId clinic) =>
        await new AuditSearch(archive.Reader).ReadAsync(clinic.Value, DateTimeOffset.MinValue, DateTimeOffset.MaxValue, Cancel).ToListAsync(Cancel);
}
