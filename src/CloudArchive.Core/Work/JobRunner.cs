using CloudArchive.Core.Alerts;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace CloudArchive.Core.Work;

/// <summary>
/// Does the slice that a message asks for. The next slice's message is sent before the row says that this one is over: where a host dies in between, one
/// of the two messages goes on, and the other finds that it is over. So work is done at least once, and never by two at a time.
/// </summary>
public sealed partial class JobRunner(IRowStore rows, IWorkQueue queue, AlertDesk alerts, IServiceProvider services, TimeProvider clock, ILogger<JobRunner> logger)
{
    /// <summary>So often a message is tried before <see cref="GiveUpAsync"/>; host.json tells the Functions host the same.</summary>
    public const int Attempts = 5;

    /// <summary>Hosts' clocks differ, by seconds: what is further ahead is of a clock that was wrong, or of nobody's.</summary>
    internal static readonly TimeSpan Clocks = TimeSpan.FromHours(1);

    /// <summary>A slice that has not ended so long after its begin is ended: twice its budget, and well within a function's 30 minutes.</summary>
    public static readonly TimeSpan Limit = 3 * Job.Budget;

    // As long as its predecessor may take to say that it is through.
    private static readonly TimeSpan s_next = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan s_again = TimeSpan.FromSeconds(30);

    /// <summary>Does it. Where it throws, the message is to come again.</summary>
    /// <param name="role">The host's: what it has no rights for, it does not begin.</param>
    /// <param name="message">As it came from the queue.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="FormatException">The message asks for nothing that this host does.</exception>
    public async Task RunAsync(ArchiveRole role, string message, CancellationToken cancellationToken)
    {
        (WorkMessage work, Job job) = Parse(role, message);
        Row? row = await rows.FindAsync(RowTable.Work, work.Scope, JobState.Key(job.Name), cancellationToken);
        JobState state = Read(row, work);
        DateTimeOffset now = clock.GetUtcNow();
        if (state.IsOver(work))
        {
            return;
        }

        if (state.LeasedUntil > now)
        {
            // Somebody is at it, or died at it.
            await queue.SendAsync(message, state.LeasedUntil.Value - now < s_again ? state.LeasedUntil.Value - now : s_again, cancellationToken);
            return;
        }

        state = state.Take(work, now + Limit);
        string? etag = await TrySaveAsync(job, work.Scope, state, row?.ETag, cancellationToken);
        if (etag is null)
        {
            await queue.SendAsync(message, s_again, cancellationToken);
            return;
        }

        Requester by = Requester.System(job.Name, $"{job.Name}-{Guid.CreateVersion7(now):N}");
        SliceEnd end;
        try
        {
            using CancellationTokenSource limit = new(Limit, clock);
            using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, limit.Token);
            end = await ((IWork)services.GetRequiredService(job.Work)).RunAsync(new Slice(work.Scope, work.Due, work.Number, state.Cursor, by), either.Token);
        }
        catch (RefusedException e) when (e.Refusal == Refusal.ClinicUnknown)
        {
            end = SliceEnd.Finished(); // it is only being created, or there never was one
        }
        catch (Exception e)
        {
            await NoteAsync(job, work.Scope, state with { LeasedUntil = null, Error = e.GetType().Name }, etag);
            throw;
        }

        if (end.Failed > 0)
        {
            LogIncomplete(logger, job.Name, work.Scope, end.Failed);
        }

        JobState after = end.Done
            ? state with { Done = true, Cursor = null, LeasedUntil = null, Failures = 0, Error = null }
            : state with { Number = state.Number + 1, Cursor = end.Cursor, LeasedUntil = null, Error = null };
        if (!end.Done)
        {
            await queue.SendAsync(after.Message(job.Name, work.Scope).ToString(), end.After > s_next ? end.After : s_next, cancellationToken);
        }

        if (await TrySaveAsync(job, work.Scope, after, etag, cancellationToken) is null)
        {
            LogOvertaken(logger, job.Name, work.Scope);
        }
        else if (end.Done && state.Failures > 0)
        {
            await alerts.EndAsync(ClinicOf(work), AlertCause.WorkFailed, job.Name, by, cancellationToken);
        }
    }

    /// <summary>A message failed too often: an alert, and the job waits for its next time. What it had done, it has done: its cursor stays.</summary>
    public async Task GiveUpAsync(ArchiveRole role, string message, CancellationToken cancellationToken)
    {
        WorkMessage work;
        Job job;
        try
        {
            (work, job) = Parse(role, message);
        }
        catch (FormatException e)
        {
            LogNoWork(logger, e);
            return;
        }

        Row? row = await rows.FindAsync(RowTable.Work, work.Scope, JobState.Key(job.Name), cancellationToken);
        JobState state = Read(row, work);
        if (state.IsOver(work))
        {
            return;
        }

        state = state with { Due = work.Due, Number = work.Number, Done = true, LeasedUntil = null, Failures = state.Failures + 1 };
        if (await TrySaveAsync(job, work.Scope, state, row?.ETag, cancellationToken) is null)
        {
            return; // Somebody went on with it after all.
        }

        LogGivenUp(logger, job.Name, work.Scope, state.Error ?? "unknown");
        string text = $"{job.Name} of {work.Scope} failed {Attempts} times in a row, the last time with {state.Error ?? "an error that could not be noted"}. It is tried again at its next time. The service's log says more; see docs/operations.md, \"Scheduled work fails\".";
        await alerts.RaiseAsync(new Alert(ClinicOf(work), AlertCause.WorkFailed, job.Name, text), Requester.System("job-runner", $"{job.Name}-{Guid.CreateVersion7(clock.GetUtcNow()):N}"), cancellationToken);
    }

    /// <summary>What a message asks for; <see cref="FormatException"/> where it is none of ours. One of a time to come, by which all that is due until then would seem done, is none.</summary>
    private (WorkMessage Work, Job Job) Parse(ArchiveRole role, string message)
    {
        WorkMessage work = WorkMessage.Parse(message);
        Job job = Jobs.Find(work.Job);
        return work.Due > clock.GetUtcNow() + Clocks ? throw new FormatException("A message of the work queue is of a time to come.")
            : !role.HasFlag(job.Role) ? throw new FormatException($"A message of the work queue asks {role} for {job.Name}, which {job.Role} does: this host has not the rights for it.")
            : !job.Scopes.HasFlag(ClinicOf(work) is null ? JobScopes.Archive : JobScopes.Clinics) ? throw new FormatException($"A message of the work queue asks for {job.Name} of what it is never done for.")
            : (work, job);
    }

    private static ClinicId? ClinicOf(WorkMessage work) => ClinicId.TryParse(work.Scope, null, out ClinicId clinic) ? clinic : null;

    private JobState Read(Row? row, WorkMessage work)
    {
        if (row is null)
        {
            return JobState.Begin(work);
        }

        try
        {
            // Nor does a row of a time to come, of a clock that was wrong once, keep anything from being done.
            JobState state = DamagedRow.Read(row, JobState.Read);
            return state.Due <= clock.GetUtcNow() + Clocks ? state : throw new IntegrityException($"Row {row.Key} of {row.Partition} is of a time to come.");
        }
        catch (IntegrityException e)
        {
            // It only says how far the work is: it is begun anew.
            LogRowDamaged(logger, e, work.Job, work.Scope);
            return JobState.Begin(work);
        }
    }

    /// <summary>The host may be ending: what can be noted is noted all the same, and where it cannot the lease's end says it.</summary>
    private async Task NoteAsync(Job job, string scope, JobState state, string etag)
    {
        using CancellationTokenSource patience = new(s_again);
        try
        {
            _ = await TrySaveAsync(job, scope, state, etag, patience.Token);
        }
        catch (Exception e)
        {
            LogNotNoted(logger, e, job.Name, scope);
        }
    }

    private async Task<string?> TrySaveAsync(Job job, string scope, JobState state, string? etag, CancellationToken cancellationToken)
    {
        string key = JobState.Key(job.Name);
        try
        {
            RowWrite write = etag is null ? new RowWrite.Insert(key, state.Values()) : new RowWrite.Replace(key, state.Values(), etag);
            return (await rows.SubmitAsync(RowTable.Work, scope, [write], cancellationToken))[0];
        }
        catch (RowConflictException)
        {
            return null;
        }
    }

    [LoggerMessage(502, LogLevel.Error, "{Job} of {Scope} could not do {Failed} of its items; the log names each, and its next time tries again.", EventName = "WorkIncomplete")]
    private static partial void LogIncomplete(ILogger logger, string job, string scope, int failed);

    [LoggerMessage(503, LogLevel.Error, "{Job} of {Scope} is given up until its next time. Its last error: {Error}.", EventName = "WorkGivenUp")]
    private static partial void LogGivenUp(ILogger logger, string job, string scope, string error);

    [LoggerMessage(504, LogLevel.Error, "A message of the work queue is none that this service sent, and is left out.", EventName = "WorkUnknown")]
    private static partial void LogNoWork(ILogger logger, Exception exception);

    [LoggerMessage(505, LogLevel.Warning, "Another host went on with {Job} of {Scope}: this one took longer than its lease.")]
    private static partial void LogOvertaken(ILogger logger, string job, string scope);

    [LoggerMessage(507, LogLevel.Warning, "That {Job} of {Scope} failed could not be noted.")]
    private static partial void LogNotNoted(ILogger logger, Exception exception, string job, string scope);

    [LoggerMessage(506, LogLevel.Error, "How far {Job} of {Scope} is cannot be read; it begins anew.")]
    private static partial void LogRowDamaged(ILogger logger, Exception exception, string job, string scope);
}
