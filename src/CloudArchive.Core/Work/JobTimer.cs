using CloudArchive.Core.Alerts;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using Microsoft.Extensions.Logging;

namespace CloudArchive.Core.Work;

/// <summary>
/// Puts a message into the queue for each clinic and job that is due. A row remembers up to when that was done: what fell into a time when the host was
/// down is due at once, and once. Where it dies on the way the next tick sends the same again, and <see cref="JobRunner"/> knows.
/// </summary>
public sealed partial class JobTimer(IRowStore rows, ClinicDirectory clinics, IWorkQueue queue, AlertDesk alerts, TimeProvider clock, ILogger<JobTimer> logger)
{
    /// <summary>How often it ticks, as NCRONTAB with six fields.</summary>
    public const string Ncrontab = "20 * * * * *";

    /// <summary>So long without a tick is an alert where the host is to be up always: two hours, in which a clinic can miss an hourly job.</summary>
    public static readonly TimeSpan LongestGap = TimeSpan.FromHours(2);

    private const string Partition = "$jobs";
    private const int InParallel = 16;

    /// <summary>One tick: sends what has become due since the last one. Returns how many messages.</summary>
    /// <param name="role">Of the host whose queue it is.</param>
    /// <param name="isToBeUp">Whether a gap is an alert: not where the host is somebody's computer.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="AggregateException">Some could not be sent; the next tick sends all of them again.</exception>
    public async Task<int> TickAsync(ArchiveRole role, bool isToBeUp, CancellationToken cancellationToken)
    {
        DateTimeOffset now = clock.GetUtcNow();
        string key = "tick:" + role;
        DateTimeOffset last = (await rows.FindAsync(RowTable.Work, Partition, key, cancellationToken))?.Time("at") ?? now;
        last = last > now ? now : last; // of a clock that was wrong
        if (isToBeUp && now - last > LongestGap)
        {
            await AlertAsync(last, cancellationToken);
        }

        Job[] jobs = [.. Jobs.All.Where(job => role.HasFlag(job.Role))];
        List<WorkMessage> due = [.. Due(jobs, JobScopes.Archive, AuditEntry.SystemLog, last, now)];
        await foreach (ClinicId clinic in clinics.ReadAllAsync(cancellationToken))
        {
            due.AddRange(Due(jobs, JobScopes.Clinics, clinic.Value, last, now));
        }

        await Parallel.ForEachAsync(due, new ParallelOptions { MaxDegreeOfParallelism = InParallel, CancellationToken = cancellationToken }, async (message, cancellation) =>
            await queue.SendAsync(message.ToString(), TimeSpan.Zero, cancellation));
        await rows.SubmitAsync(RowTable.Work, Partition, [new RowWrite.Upsert(key, new Dictionary<string, object> { ["at"] = now })], cancellationToken);
        return due.Count;
    }

    /// <summary>Has a job done for a clinic now, out of turn.</summary>
    public async Task StartAsync(string job, ClinicId clinic, CancellationToken cancellationToken)
    {
        DateTimeOffset now = clock.GetUtcNow();
        if (await rows.FindAsync(RowTable.Work, clinic.Value, JobState.Key(job), cancellationToken) is { } row && DamagedRow.Read(row, JobState.Read).Due is var before && before >= now && before <= now + JobRunner.Clocks)
        {
            now = before.AddMilliseconds(1); // what was done at that time is done
        }

        await queue.SendAsync(new WorkMessage(job, clinic.Value, now, 1).ToString(), TimeSpan.Zero, cancellationToken);
    }

    /// <summary>Sends the next slice of every job that was not ended: for a host that may have lost its queue.</summary>
    public async Task ResumeAsync(CancellationToken cancellationToken)
    {
        await foreach (ClinicId clinic in clinics.ReadAllAsync(cancellationToken))
        {
            foreach (Row row in await rows.QueryAsync(RowTable.Work, clinic.Value, RowRange.Prefix(JobState.Key("")), RowStoreExtensions.MostRows, cancellationToken))
            {
                if (DamagedRow.ReadEach([row], JobState.Read).FirstOrDefault() is { Done: false } state)
                {
                    await queue.SendAsync(state.Message(row.Key[JobState.Key("").Length..], clinic.Value).ToString(), TimeSpan.Zero, cancellationToken);
                }
            }
        }
    }

    private static IEnumerable<WorkMessage> Due(Job[] jobs, JobScopes scopes, string scope, DateTimeOffset last, DateTimeOffset now) =>
        from job in jobs where job.Scopes.HasFlag(scopes) let due = job.LastDue(scope, now) where due > last select new WorkMessage(job.Name, scope, due, 0);

    private async Task AlertAsync(DateTimeOffset last, CancellationToken cancellationToken)
    {
        string message = $"No scheduled work was begun since {last.UtcDateTime:yyyy-MM-dd HH:mm} UTC: the host was down. It goes on now. See docs/operations.md, \"A scheduled restore test was missed\".";
        try
        {
            await alerts.RaiseAsync(new Alert(null, AlertCause.ScheduleMissed, "jobs", message), Requester.System("job-timer", $"tick-{clock.GetUtcNow():yyyyMMddHHmmss}"), cancellationToken);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // That it cannot be said (the system's log may be damaged) must not keep every clinic from its work.
            LogNotRaised(logger, e);
        }
    }

    [LoggerMessage(501, LogLevel.Error, "The alert that scheduled work began late could not be raised.")]
    private static partial void LogNotRaised(ILogger logger, Exception exception);
}
