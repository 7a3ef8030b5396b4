using CloudArchive.Core.Alerts;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Verdicts;
using CloudArchive.Format.Verdicts;
using CloudArchive.Testing.Verdicts;
using static CloudArchive.Core.Alerts.AlertCause;
using static CloudArchive.Format.Verdicts.VerdictCause;

namespace CloudArchive.Core.Tests.Verdicts;

/// <summary>The table of situations, as the service sees it: the clinic's verdict has the same causes, and the alerts that are open are those written here.</summary>
public sealed class VerdictAlertsTests
{
    /// <summary>By hand, and not by the code under test: which alert a cause is told as.</summary>
    private static readonly Dictionary<VerdictCause, AlertCause> Told = new()
    {
        [NeverBackedUp] = AlertCause.NoCompleteBackup,
        [NothingFound] = AlertCause.FolderMissing,
        [VerdictCause.FolderMissing] = AlertCause.FolderMissing,
        [FolderEmpty] = AlertCause.FolderMissing,
        [VolumeChanged] = AlertCause.FolderMissing,
        [VerdictCause.MassChange] = AlertCause.MassChange,
        [FoldersUnreadable] = FilesNotBackedUp,
        [LinksNotCovered] = FilesNotBackedUp,
        [FilesPending] = FilesNotBackedUp,
        [FilesUnreadable] = FilesNotBackedUp,
        [FilesNotArchived] = FilesNotBackedUp,
        [ChangedWithoutNewTime] = FilesNotBackedUp,
        [VerdictCause.FilesLost] = AlertCause.FilesLost,
        [VerdictCause.NoCompleteBackup] = AlertCause.NoCompleteBackup,
        [ClockWrong] = AlertCause.NoCompleteBackup,
        [LogAlarm] = LogDamaged,
    };

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task In_each_situation_the_clinic_is_as_safe_as_the_computer_says_and_exactly_its_alerts_are_open()
    {
        WatchedClinics clinics = new();
        AgentId agent = (await clinics.AddAsync("riverside", "reception"))[0];
        Assert.True(VerdictSituations.All.Count >= 25);

        // One computer that goes through all of them: what is over with the next situation is closed, what is new is open, at once.
        foreach (VerdictSituation situation in VerdictSituations.All)
        {
            clinics.Clock.Advance(TimeSpan.FromMinutes(1));
            await clinics.CheckLogAsync("riverside");
            await clinics.ReportAsync(agent, VerdictRule.For(situation.Facts));
            ClinicVerdict verdict = await clinics.VerdictAsync("riverside");
            VerdictState expected = !situation.Safe ? VerdictState.NotSafe : situation.Remarks.Count > 0 ? VerdictState.Attention : VerdictState.Safe;
            Assert.True(expected == verdict.State, $"{situation.Name}: {verdict.State}");
            Assert.Equal(situation.NotSafe.Order(), verdict.Computers[0].All.Where(finding => finding.NotSafe).Select(finding => finding.Cause).Distinct().Order());
            Assert.Equal(situation.Remarks.Order(), verdict.Computers[0].All.Where(finding => !finding.NotSafe).Select(finding => finding.Cause).Distinct().Order());
            Assert.Equal(situation.NotSafe.Select(cause => Told[cause]).Distinct().Order(), await OpenAsync());

            // And an hour later the watch, which goes by the same rule, changes nothing of it.
            await clinics.LookAsync();
            Assert.Equal(situation.NotSafe.Select(cause => Told[cause]).Distinct().Order(), await OpenAsync());
        }

        // Objectives have a rule of their own.
        async Task<IEnumerable<AlertCause>> OpenAsync() => (await clinics.OpenAsync("riverside")).Where(cause => cause != AlertCause.RecoveryPointMissed);
    }

    [Fact]
    public void Every_cause_has_a_place_among_the_alerts_or_a_reason_to_have_none() =>
        Assert.All(Enum.GetValues<VerdictCause>(), cause => Assert.True(VerdictAlerts.CauseOf(cause) is not { } told || VerdictAlerts.Own.Contains(told)));

    [Fact]
    public async Task A_mass_change_is_told_at_once_with_the_computer_and_the_folder_but_no_path()
    {
        WatchedClinics clinics = new();
        AgentId agent = (await clinics.AddAsync("riverside", "reception"))[0];
        VerdictFinding change = new(VerdictCause.MassChange, true, 4000, Since: clinics.Now);
        await clinics.ReportAsync(agent, clinics.Of(clinics.Folder("a1"), clinics.Folder("b2") with { Safe = false, Findings = [change] }));
        RaisedAlert alert = Assert.Single((await clinics.List.ListAsync("riverside", null, null, 10, Cancel)).Alerts);
        Assert.Equal((AlertCause.MassChange, agent.ToString()), (alert.Alert.Cause, alert.Alert.Subject));
        Assert.Equal($"Folder 2 of reception: {VerdictTexts.Describe(change, clinics.Now)}", alert.Alert.Message);
    }

    [Fact]
    public async Task A_computer_of_hundreds_of_folders_has_an_alert_that_can_be_read()
    {
        WatchedClinics clinics = new();
        AgentId agent = (await clinics.AddAsync("riverside", "reception"))[0];
        await clinics.ReportAsync(agent, clinics.Of([.. Enumerable.Range(0, 300).Select(i => clinics.Folder($"f{i}") with { Safe = false, Findings = [new VerdictFinding(FilesPending, true, 1)] })]));
        RaisedAlert alert = Assert.Single((await clinics.List.ListAsync("riverside", null, null, 10, Cancel)).Alerts);
        Assert.InRange(alert.Alert.Message.Length, 100, 1500);
        Assert.Contains("And 295 more", alert.Alert.Message, StringComparison.Ordinal);
    }
}
