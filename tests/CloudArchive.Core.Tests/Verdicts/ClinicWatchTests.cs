using CloudArchive.Core.Alerts;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Losses;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Verdicts;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Verdicts;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Tests.Verdicts;

public sealed class ClinicWatchTests
{
    private static readonly Requester Ada = new(new AuditActor("ada", "admin"), new AuditOrigin("127.0.0.1", "test"));

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_clinic_whose_last_report_was_a_year_ago_is_not_safe_whatever_it_said()
    {
        WatchedClinics clinics = new();
        AgentId agent = (await clinics.AddAsync("riverside", "reception"))[0];
        await clinics.ReportAsync(agent, clinics.Good());
        Assert.Equal(VerdictState.Safe, (await clinics.VerdictAsync("riverside")).State);

        clinics.Clock.Advance(TimeSpan.FromHours(25));
        await clinics.CheckLogAsync("riverside");
        Assert.Equal(VerdictState.Safe, (await clinics.VerdictAsync("riverside")).State);
        clinics.Clock.Advance(TimeSpan.FromHours(2));
        ClinicVerdict quiet = await clinics.VerdictAsync("riverside");
        Assert.Equal((VerdictState.Attention, VerdictCause.NoReport), (quiet.State, Assert.Single(quiet.Computers[0].Findings).Cause));

        clinics.Clock.Advance(TimeSpan.FromDays(365));
        ClinicVerdict silent = await clinics.VerdictAsync("riverside");
        Assert.Equal(VerdictState.NotSafe, silent.State);
        Assert.Contains(silent.Computers[0].Findings, finding => finding is { Cause: VerdictCause.NoReport, NotSafe: true });
        Assert.Contains(silent.Computers[0].Folders[0].Findings, finding => finding is { Cause: VerdictCause.NoCompleteBackup, NotSafe: true });
    }

    [Fact]
    public async Task A_clinic_is_silent_when_nothing_was_heard_of_its_computers_for_more_than_four_days_and_that_is_one_alert_a_day()
    {
        WatchedClinics clinics = new();
        AgentId[] quiet = await clinics.AddAsync("quiet", "one", "two"), loud = await clinics.AddAsync("loud", "one", "two");
        foreach (AgentId agent in (AgentId[])[.. quiet, .. loud])
        {
            await clinics.ReportAsync(agent, clinics.Good());
        }

        clinics.Clock.Advance(TimeSpan.FromDays(4));
        await clinics.ReportAsync(loud[0], clinics.Good());
        Assert.Empty((await clinics.LookAsync()).Silent);
        clinics.Clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(["quiet"], (await clinics.LookAsync()).Silent.Select(clinic => clinic.Value));
        Assert.Equal(["quiet"], (await clinics.LookAsync()).Silent.Select(clinic => clinic.Value));
        Assert.Equal([AlertCause.ClinicSilent], await AlertsAsync(clinics, "quiet"));

        // Of the other clinic one computer has gone: that is said of this one.
        Assert.Equal([AlertCause.NoCompleteBackup, AlertCause.RecoveryPointMissed], (await AlertsAsync(clinics, "loud")).Order());
        Assert.Equal(loud[1].ToString(), (await clinics.Alerts.ListOpenAsync("loud", Cancel)).Single(one => one.Cause == AlertCause.NoCompleteBackup).Subject);
        clinics.Clock.Advance(TimeSpan.FromDays(1));
        await clinics.LookAsync();
        Assert.Equal(2, (await AlertsAsync(clinics, "quiet")).Count(cause => cause == AlertCause.ClinicSilent));

        // Heard again: safe again, and the log has it.
        await clinics.ReportAsync(quiet[0], clinics.Good());
        await clinics.ReportAsync(quiet[1], clinics.Good());
        await clinics.CheckLogAsync("quiet");
        await clinics.LookAsync();
        Assert.Empty(await clinics.OpenAsync("quiet"));
        Assert.Equal(VerdictState.Safe, (await clinics.VerdictAsync("quiet")).State);
        Assert.Contains(await clinics.LogAsync("quiet"), entry => entry.Action == AuditActions.AlertClosed && entry.Details!["cause"] == "clinic-silent");
    }

    [Fact]
    public async Task What_a_silent_clinic_said_last_stays_open()
    {
        WatchedClinics clinics = new();
        AgentId agent = (await clinics.AddAsync("quiet", "reception"))[0];
        await clinics.ReportAsync(agent, clinics.Good(new VerdictFinding(VerdictCause.MassChange, true, 50)));
        clinics.Clock.Advance(TimeSpan.FromDays(5));
        await clinics.CheckLogAsync("quiet");
        await clinics.LookAsync();
        Assert.Equal([AlertCause.ClinicSilent, AlertCause.MassChange], (await clinics.OpenAsync("quiet")).Order());
    }

    [Fact]
    public async Task A_computer_that_enrolled_and_never_reported_is_not_safe_at_once_and_an_alert_after_the_limit()
    {
        WatchedClinics clinics = new();
        await clinics.AddAsync("enrolled", "reception");
        Assert.Equal(VerdictState.NotSafe, (await clinics.VerdictAsync("enrolled")).State);
        clinics.Clock.Advance(TimeSpan.FromDays(4));
        await clinics.CheckLogAsync("enrolled");
        await clinics.LookAsync();
        Assert.Empty(await clinics.OpenAsync("enrolled"));
        clinics.Clock.Advance(TimeSpan.FromHours(1));
        Assert.Equal(["enrolled"], (await clinics.LookAsync()).Silent.Select(clinic => clinic.Value));
    }

    [Fact]
    public async Task A_clinic_without_a_computer_is_not_safe_and_says_why_but_alerts_nobody()
    {
        WatchedClinics clinics = new();
        await clinics.AddAsync("empty");
        AgentId agent = (await clinics.AddAsync("closed", "reception"))[0];
        await clinics.ReportAsync(agent, clinics.Good(new VerdictFinding(VerdictCause.FilesPending, true, 1)));
        Assert.Equal([AlertCause.FilesNotBackedUp], await clinics.OpenAsync("closed"));
        await clinics.Agents.RevokeAsync(agent, Ada, Cancel);
        WatchResult result = await clinics.LookAsync();
        Assert.Empty(result.Silent);
        Assert.Equal(["closed", "empty"], result.NotSafe.Select(clinic => clinic.Value).Order(StringComparer.Ordinal));
        Assert.Equal(VerdictCause.NoAgent, Assert.Single((await clinics.VerdictAsync("empty")).Findings).Cause);

        // Nobody waits for what a computer said that is gone.
        Assert.Empty(await clinics.OpenAsync("closed"));
        Assert.Empty(await clinics.OpenAsync("empty"));
    }

    [Fact]
    public async Task The_limit_is_the_services()
    {
        WatchedClinics clinics = new(VerdictLimits.For(TimeSpan.FromHours(12)));
        AgentId agent = (await clinics.AddAsync("quiet", "reception"))[0];
        await clinics.ReportAsync(agent, clinics.Good());
        clinics.Clock.Advance(TimeSpan.FromHours(12));
        Assert.Empty((await clinics.LookAsync()).Silent);
        clinics.Clock.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal(["quiet"], (await clinics.LookAsync()).Silent.Select(clinic => clinic.Value));
    }

    [Fact]
    public async Task Every_clinic_is_looked_at_however_many_there_are()
    {
        WatchedClinics clinics = new();
        for (int i = 0; i < 205; i++)
        {
            await clinics.AddAsync($"clinic-{i:000}", "reception");
        }

        clinics.Clock.Advance(TimeSpan.FromDays(5));
        Assert.Equal(205, (await clinics.LookAsync()).Silent.Count);

        // All of them are counted from one partition, in one query.
        using Alerts.MetricsOf metrics = new();
        int before = clinics.Memory.Reads;
        await clinics.Watch.CountAsync(Cancel);
        Assert.Equal(1, clinics.Memory.Reads - before);
        Assert.Contains("cloudarchive.clinics.silent 205", metrics.Measured);
        Assert.Contains("cloudarchive.clinics.not_safe 205", metrics.Measured);
    }

    [Fact]
    public async Task A_clinic_that_cannot_be_looked_at_or_whose_log_takes_no_entry_keeps_no_other_from_its_alert()
    {
        WatchedClinics clinics = new(rows: rows => new Broken(rows, "bad-rows"), log: log => new Deaf(log, "bad-log"));
        foreach (string clinic in new[] { "aa-first", "bad-log", "bad-rows", "zz-last" })
        {
            await clinics.AddAsync(clinic, "reception");
        }

        clinics.Clock.Advance(TimeSpan.FromDays(5));
        WatchResult result = await clinics.LookAsync();
        Assert.Equal(["bad-log", "bad-rows"], result.Failed.Select(clinic => clinic.Value));
        Assert.Contains(AlertCause.ClinicSilent, await clinics.OpenAsync("aa-first"));
        Assert.Contains(AlertCause.ClinicSilent, await clinics.OpenAsync("zz-last"));

        // The alert stands all the same where only its entry could not be written: it will be sent.
        Assert.Contains(AlertCause.ClinicSilent, await clinics.OpenAsync("bad-log"));
    }

    [Fact]
    public async Task A_pack_that_the_archive_lost_makes_the_clinic_not_safe_until_it_is_whole_again()
    {
        WatchedClinics clinics = new();
        AgentId agent = (await clinics.AddAsync("riverside", "reception"))[0];
        await clinics.ReportAsync(agent, clinics.Good());
        PackId pack = PackId.New(clinics.Clock);
        await clinics.Losses.RecordAsync(ClinicId.Parse("riverside"), pack, PackLossCause.Missing, "pack", Ada, Cancel);
        ClinicVerdict verdict = await clinics.VerdictAsync("riverside");
        Assert.Equal((VerdictState.NotSafe, VerdictCause.PacksLost, 1), (verdict.State, Assert.Single(verdict.Findings).Cause, verdict.Findings[0].Count));
        await clinics.LookAsync();
        Assert.Equal([AlertCause.PackLost], await clinics.OpenAsync("riverside"));
        await clinics.Losses.ReinstateAsync(ClinicId.Parse("riverside"), pack, Ada, Cancel);
        await clinics.LookAsync();
        Assert.Empty(await clinics.OpenAsync("riverside"));
        Assert.Equal(VerdictState.Safe, (await clinics.VerdictAsync("riverside")).State);
    }

    [Fact]
    public async Task A_log_that_nobody_checked_for_two_days_is_an_alert_until_somebody_did()
    {
        WatchedClinics clinics = new();
        AgentId agent = (await clinics.AddAsync("riverside", "reception"))[0];
        clinics.Clock.Advance(TimeSpan.FromHours(48));
        await clinics.ReportAsync(agent, clinics.Good());
        await clinics.LookAsync();
        Assert.Empty(await clinics.OpenAsync("riverside"));
        clinics.Clock.Advance(TimeSpan.FromMinutes(1));
        await clinics.LookAsync();
        Assert.Equal([AlertCause.LogUnchecked], await clinics.OpenAsync("riverside"));
        Assert.Equal(VerdictState.Attention, (await clinics.VerdictAsync("riverside")).State);
        await clinics.CheckLogAsync("riverside");
        await clinics.LookAsync();
        Assert.Empty(await clinics.OpenAsync("riverside"));

        await new LogStates(clinics.Rows, clinics.Clock).NoteDamagedAsync("riverside", Cancel);
        Assert.Contains((await clinics.VerdictAsync("riverside")).Findings, finding => finding is { Cause: VerdictCause.LogAlarm, NotSafe: true });
    }

    private static async Task<IReadOnlyList<AlertCause>> AlertsAsync(WatchedClinics clinics, string clinic) =>
        [.. (await clinics.List.ListAsync(clinic, alert => alert.Alert.Cause != AlertCause.LogUnchecked, null, 100, Cancel)).Alerts.Select(alert => alert.Alert.Cause)];

    /// <summary>A store of which one clinic's rows cannot be read.</summary>
    private sealed class Broken(IRowStore inner, string clinic) : IRowStore
    {
        public Task EnsureReadyAsync(CancellationToken cancellationToken) => inner.EnsureReadyAsync(cancellationToken);

        public Task<Row?> FindAsync(RowTable table, string partition, string key, CancellationToken cancellationToken) => inner.FindAsync(table, partition, key, cancellationToken);

        public Task<IReadOnlyList<Row>> QueryAsync(RowTable table, string partition, string from, string to, int take, CancellationToken cancellationToken) =>
            partition == clinic ? throw new IOException("Storage answers 500 for this one.") : inner.QueryAsync(table, partition, from, to, take, cancellationToken);

        public IAsyncEnumerable<string> PartitionsAsync(RowTable table, CancellationToken cancellationToken) => inner.PartitionsAsync(table, cancellationToken);

        public Task<IReadOnlyList<string>> SubmitAsync(RowTable table, string partition, IReadOnlyList<RowWrite> writes, CancellationToken cancellationToken) =>
            inner.SubmitAsync(table, partition, writes, cancellationToken);
    }

    /// <summary>A log that is damaged for one clinic.</summary>
    private sealed class Deaf(IAuditLog inner, string clinic) : IAuditLog
    {
        public Task<AuditPlace> AppendAsync(AuditEvent entry, CancellationToken cancellationToken) =>
            entry.Log == clinic ? throw new AuditLogDamagedException(clinic, "for a test") : inner.AppendAsync(entry, cancellationToken);
    }
}
