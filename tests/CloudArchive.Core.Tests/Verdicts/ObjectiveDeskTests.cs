using CloudArchive.Core.Alerts;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Clinics;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Verdicts;

namespace CloudArchive.Core.Tests.Verdicts;

public sealed class ObjectiveDeskTests
{
    private static readonly Requester _ada = new(new AuditActor("ada", "admin"), new AuditOrigin("127.0.0.1", "test"));

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_log_says_once_a_day_and_on_each_change_whether_the_objectives_are_met()
    {
        WatchedClinics clinics = new();
        AgentId agent = (await clinics.AddAsync("riverside", "reception"))[0];
        await clinics.ReportAsync(agent, clinics.Good());
        await clinics.LookAsync();
        await clinics.LookAsync();
        AuditEntry first = Assert.Single(await MeasuredAsync(clinics));
        Assert.Equal(("not-checked", "met", "not-checked", "72", "24"), (first.Details!["recoveryTime"], first.Details["recoveryPoint"], first.Details["recoveryPointBefore"], first.Details["rtoHours"], first.Details["rpoHours"]));

        clinics.Clock.Advance(TimeSpan.FromHours(19)); // the next day
        await clinics.LookAsync();
        AuditEntry second = (await MeasuredAsync(clinics))[1];
        Assert.Equal(("met", "met"), (second.Details!["recoveryPoint"], second.Details["recoveryPointBefore"]));

        clinics.Clock.Advance(TimeSpan.FromHours(6)); // silent for 25 hours: nobody knows
        await clinics.LookAsync();
        AuditEntry third = (await MeasuredAsync(clinics))[2];
        Assert.Equal(("not-checked", "met"), (third.Details!["recoveryPoint"], third.Details["recoveryPointBefore"]));
        Assert.DoesNotContain(AlertCause.RecoveryPointMissed, await clinics.OpenAsync("riverside"));
    }

    [Fact]
    public async Task A_backup_that_is_older_than_it_may_be_is_an_alert_until_it_is_not()
    {
        WatchedClinics clinics = new();
        AgentId agent = (await clinics.AddAsync("riverside", "reception"))[0];
        await clinics.ReportAsync(agent, clinics.Good());
        clinics.Clock.Advance(TimeSpan.FromHours(13));
        await clinics.ReportAsync(agent, Old(clinics, 13));
        await clinics.LookAsync();
        Assert.Empty(await clinics.OpenAsync("riverside"));

        // The same with a stricter objective: now it is missed.
        await clinics.Clinics.ChangeAsync(ClinicId.Parse("riverside"), null, null, _ada, Cancel, rpoHours: 12);
        await clinics.LookAsync();
        await clinics.LookAsync();
        Assert.Equal([AlertCause.RecoveryPointMissed], await clinics.OpenAsync("riverside"));
        RaisedAlert raised = Assert.Single((await clinics.List.ListAsync("riverside", null, null, 100, Cancel)).Alerts);
        Assert.Equal("the last complete backup of reception is 13 h old. At most 12 hours of work may be lost. See docs/operations.md, \"An objective is missed\".", raised.Alert.Message);

        // What nobody knows does not end it; a complete backup does.
        clinics.Clock.Advance(TimeSpan.FromHours(1));
        await clinics.ReportAsync(agent, clinics.Of(clinics.Folder() with { LastCompleteAt = clinics.Now.AddDays(1) }));
        await clinics.LookAsync();
        Assert.Contains(AlertCause.RecoveryPointMissed, await clinics.OpenAsync("riverside"));
        await clinics.ReportAsync(agent, clinics.Good());
        await clinics.LookAsync();
        Assert.Empty(await clinics.OpenAsync("riverside"));
    }

    [Fact]
    public async Task Of_a_computer_that_was_revoked_nobody_waits_for_a_backup()
    {
        WatchedClinics clinics = new();
        AgentId agent = (await clinics.AddAsync("riverside", "reception"))[0];
        await clinics.ReportAsync(agent, Old(clinics, 30));
        await clinics.LookAsync();
        Assert.Contains(AlertCause.RecoveryPointMissed, await clinics.OpenAsync("riverside"));
        await clinics.Agents.RevokeAsync(agent, _ada, Cancel);
        await clinics.LookAsync();
        Assert.DoesNotContain(AlertCause.RecoveryPointMissed, await clinics.OpenAsync("riverside"));
    }

    [Fact]
    public async Task What_makes_no_sense_is_refused()
    {
        WatchedClinics clinics = new();
        await clinics.AddAsync("riverside");
        foreach ((int? rto, int? rpo) in ((int?, int?)[])[(0, null), (null, -1), (8761, null)])
        {
            RefusedException refused = await Assert.ThrowsAsync<RefusedException>(() => clinics.Clinics.ChangeAsync(ClinicId.Parse("riverside"), null, null, _ada, Cancel, rtoHours: rto, rpoHours: rpo));
            Assert.Equal(Refusal.RequestInvalid, refused.Refusal);
        }

        Assert.Equal(RecoveryObjectives.Default, (await clinics.Clinics.GetAsync(ClinicId.Parse("riverside"), Cancel)).Objectives);
    }

    private static AgentVerdict Old(WatchedClinics clinics, int hours) => clinics.Of(clinics.Folder() with { LastCompleteAt = clinics.Now.AddHours(-hours) });

    private static async Task<List<AuditEntry>> MeasuredAsync(WatchedClinics clinics) => [.. (await clinics.LogAsync("riverside")).Where(entry => entry.Action == AuditActions.ObjectivesMeasured)];
}
