using CloudArchive.Core.Alerts;
using CloudArchive.Core.Catalog;
using CloudArchive.Core.Clinics;
using CloudArchive.Format;
using CloudArchive.Format.Evidence;
using Microsoft.Extensions.Logging;

namespace CloudArchive.Core.RestoreTests;

/// <summary>What the timer did.</summary>
/// <param name="Started">Clinics that have a run now.</param>
/// <param name="Failed">Clinics of which no run could be started; the log names each.</param>
public sealed record ScheduledStarts(int Started, int Failed);

/// <summary>The daily restore tests: a run for every clinic that has packs, with its budget.</summary>
public sealed partial class RestoreTestSchedule(ClinicDirectory clinics, RestoreTestDesk desk, RestoreTestBudgets budgets, AlertDesk alerts, ILogger<RestoreTestSchedule> logger)
{
    /// <summary>When, as NCRONTAB with six fields, UTC: every day at 03:00.</summary>
    public const string Ncrontab = "0 0 3 * * *";

    /// <summary>What an alert about it is about.</summary>
    internal const string Subject = "restore-tests";

    /// <summary>Starts them; <see cref="RestoreTestRunner"/> works them off. A clinic whose last run is still under way is passed over.</summary>
    /// <param name="isPastDue">Whether the timer says that it was due some time ago.</param>
    /// <param name="by">The timer.</param>
    /// <param name="cancellationToken">Stops it; clinics that have a run keep it.</param>
    public async Task<ScheduledStarts> StartAsync(bool isPastDue, Requester by, CancellationToken cancellationToken)
    {
        if (isPastDue)
        {
            const string message = "The daily restore tests did not start at their time and were started late: the host was down. See docs/operations.md, \"A scheduled restore test was missed\".";
            try
            {
                await alerts.RaiseAsync(new Alert(null, AlertCause.ScheduleMissed, Subject, message), by, cancellationToken);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                // That it cannot be said (the system's log may be damaged) must not keep every clinic from its test.
                LogNotRaised(logger, e);
            }
        }

        int started = 0, failed = 0;
        await foreach (ClinicId clinic in clinics.ReadAllAsync(cancellationToken))
        {
            try
            {
                if (await desk.IsRunningAsync(clinic, cancellationToken))
                {
                    LogStillRunning(logger, clinic);
                    continue;
                }

                await desk.StartAsync(clinic, await budgets.GetAsync(clinic, cancellationToken), new RunTrigger(RunTriggerKind.Scheduled, Ncrontab), by, cancellationToken);
                started++;
            }
            catch (RefusedException e) when (e.Refusal == Refusal.NothingToRestore)
            {
                // No pack yet.
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                // One clinic's trouble must not keep the others from their tests.
                failed++;
                LogNotStarted(logger, e, clinic);
            }
        }

        return new ScheduledStarts(started, failed);
    }

    [LoggerMessage(304, LogLevel.Error, "No restore test of clinic {Clinic} was started.", EventName = "RestoreTestNotStarted")]
    private static partial void LogNotStarted(ILogger logger, Exception exception, ClinicId clinic);

    [LoggerMessage(306, LogLevel.Error, "The alert that the daily restore tests began late could not be raised.")]
    private static partial void LogNotRaised(ILogger logger, Exception exception);

    [LoggerMessage(305, LogLevel.Warning, "The last restore test of clinic {Clinic} is still under way; none is started.")]
    private static partial void LogStillRunning(ILogger logger, ClinicId clinic);
}

/// <summary>
/// Finds clinics of which no restore test has ended for too long. On Azure the ingest app runs it, so that it is noticed also where the
/// recovery app, which tests, is down.
/// </summary>
public sealed partial class RestoreTestWatch(
    ClinicDirectory clinics, RestoreTestDesk desk, CatalogReader catalog, AlertDesk alerts, TimeProvider clock, ILogger<RestoreTestWatch> logger)
{
    /// <summary>Two days: one missed run and the next.</summary>
    public static readonly TimeSpan Longest = TimeSpan.FromHours(48);

    /// <summary>Raises an alert for each, and closes those of clinics that were tested since; returns them. One clinic's trouble keeps no other from being looked at.</summary>
    public async Task<IReadOnlyList<ClinicId>> RunAsync(Requester by, CancellationToken cancellationToken)
    {
        List<ClinicId> missed = [];
        await foreach (ClinicId clinic in clinics.ReadAllAsync(cancellationToken))
        {
            try
            {
                DateTimeOffset? since = await desk.LastFinishedAsync(clinic, cancellationToken) ?? await FirstCommitAsync(clinic, cancellationToken);
                if (since is not { } last || clock.GetUtcNow() - last <= Longest)
                {
                    await alerts.EndAsync(clinic, AlertCause.ScheduleMissed, RestoreTestSchedule.Subject, by, cancellationToken);
                    continue;
                }

                missed.Add(clinic);
                string message = $"No restore test of clinic {clinic} has ended for {(int)(clock.GetUtcNow() - last).TotalHours} hours. See docs/operations.md, \"A scheduled restore test was missed\".";
                await alerts.RaiseAsync(new Alert(clinic, AlertCause.ScheduleMissed, RestoreTestSchedule.Subject, message), by, cancellationToken);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                LogFailed(logger, e, clinic);
            }
        }

        return missed;
    }

    [LoggerMessage(307, LogLevel.Error, "Whether clinic {Clinic} has its restore tests could not be looked at, or not be told; the next look does it.")]
    private static partial void LogFailed(ILogger logger, Exception exception, ClinicId clinic);

    /// <summary>When the clinic's first pack was committed; null where there is none, and nothing to test.</summary>
    private async Task<DateTimeOffset?> FirstCommitAsync(ClinicId clinic, CancellationToken cancellationToken) =>
        (await catalog.ListPacksAsync(clinic, null, 1, cancellationToken)).Packs is [var first, ..] ? first.CommittedAt : null;
}
