using System.Globalization;
using CloudArchive.Core.Alerts;
using CloudArchive.Core.Catalog;
using CloudArchive.Core.Work;
using CloudArchive.Format;
using CloudArchive.Format.Evidence;

namespace CloudArchive.Core.RestoreTests;

/// <summary>
/// The daily restore tests: starts a run for a clinic that has packs, with its budget, and works it off slice by slice. Where somebody asked for a run, that one is
/// worked off at once, and the day's own is due as ever.
/// </summary>
public sealed class RestoreTestSchedule(RestoreTestDesk desk, RestoreTestBudgets budgets, RestoreTestRunner runner, TimeProvider clock) : IWork
{
    /// <summary>What an alert about it is about.</summary>
    internal const string Subject = "restore-tests";

    // What a run waits for takes hours: a pack to come back from the archive tier, a host that died to lose its lease.
    private static readonly TimeSpan s_look = TimeSpan.FromMinutes(5);

    /// <inheritdoc/>
    public async Task<SliceEnd> RunAsync(Slice slice, CancellationToken cancellationToken)
    {
        ClinicId clinic = slice.Clinic!.Value;
        if (slice.Number == 0)
        {
            await StartAsync(clinic, slice.Due, slice.By, cancellationToken);
        }

        long began = clock.GetTimestamp();
        bool done = await runner.RunAsync(clinic, Job.Budget, slice.By, cancellationToken);
        return done ? SliceEnd.Finished() : SliceEnd.More(null, clock.GetElapsedTime(began) < Job.Budget ? s_look : TimeSpan.Zero);
    }

    /// <summary>Starts the run of a clinic that was due; false where one is under way, where it was started before, or where there is nothing to test.</summary>
    public async Task<bool> StartAsync(ClinicId clinic, DateTimeOffset due, Requester by, CancellationToken cancellationToken)
    {
        if (await desk.IsRunningAsync(clinic, cancellationToken) || await desk.WasScheduledAsync(clinic, due, cancellationToken))
        {
            return false;
        }

        try
        {
            await desk.StartAsync(clinic, await budgets.GetAsync(clinic, cancellationToken), new RunTrigger(RunTriggerKind.Scheduled, Ncrontab(due)), by, cancellationToken);
            return true;
        }
        catch (RefusedException e) when (e.Refusal == Refusal.NothingToRestore)
        {
            return false; // No pack yet.
        }
    }

    /// <summary>The clinic's own moment of the day, as evidence says it: NCRONTAB with six fields, UTC.</summary>
    private static string Ncrontab(DateTimeOffset due) => string.Create(CultureInfo.InvariantCulture, $"{due.UtcDateTime.Second} {due.UtcDateTime.Minute} {due.UtcDateTime.Hour} * * *");
}

/// <summary>
/// Finds clinics of which no restore test has ended for too long. On Azure the ingest app runs it, so that it is noticed also where the
/// recovery app, which tests, is down.
/// </summary>
public sealed class RestoreTestWatch(RestoreTestDesk desk, CatalogReader catalog, AlertDesk alerts, TimeProvider clock) : IWork
{
    /// <summary>Two days: one missed run and the next.</summary>
    public static readonly TimeSpan Longest = TimeSpan.FromHours(48);

    /// <inheritdoc/>
    public async Task<SliceEnd> RunAsync(Slice slice, CancellationToken cancellationToken)
    {
        await RunAsync(slice.Clinic!.Value, slice.By, cancellationToken);
        return SliceEnd.Finished();
    }

    /// <summary>Raises an alert where a clinic's tests are missed, and closes it where it was tested since. True where they are missed.</summary>
    public async Task<bool> RunAsync(ClinicId clinic, Requester by, CancellationToken cancellationToken)
    {
        DateTimeOffset? since = await desk.LastFinishedAsync(clinic, cancellationToken) ?? await FirstCommitAsync(clinic, cancellationToken);
        if (since is not { } last || clock.GetUtcNow() - last <= Longest)
        {
            await alerts.EndAsync(clinic, AlertCause.ScheduleMissed, RestoreTestSchedule.Subject, by, cancellationToken);
            return false;
        }

        string message = $"No restore test of clinic {clinic} has ended for {(int)(clock.GetUtcNow() - last).TotalHours} hours. See docs/operations.md, \"A scheduled restore test was missed\".";
        await alerts.RaiseAsync(new Alert(clinic, AlertCause.ScheduleMissed, RestoreTestSchedule.Subject, message), by, cancellationToken);
        return true;
    }

    /// <summary>When the clinic's first pack was committed; null where there is none, and nothing to test.</summary>
    private async Task<DateTimeOffset?> FirstCommitAsync(ClinicId clinic, CancellationToken cancellationToken) =>
        (await catalog.ListPacksAsync(clinic, null, 1, cancellationToken)).Packs is [var first, ..] ? first.CommittedAt : null;
}
