using CloudArchive.Azure.Queues;
using CloudArchive.Core;
using Microsoft.Azure.Functions.Worker;

namespace CloudArchive.Functions.Work;

/// <summary>The ingest app's scheduled work: <see cref="Core.Work.Jobs"/> says what it is.</summary>
public sealed class IngestWork(RoleWork work)
{
    /// <summary>Every minute: puts what is due into the queue.</summary>
    [Function("IngestTimer")]
    public Task TickAsync([TimerTrigger(Core.Work.JobTimer.Ncrontab)] TimerInfo timer, CancellationToken cancellationToken) => work.TickAsync(ArchiveRole.Ingest, cancellationToken);

    /// <summary>A slice of a job.</summary>
    [Function("IngestWork")]
    public Task RunAsync([QueueTrigger(WorkQueue.Name)] string message, CancellationToken cancellationToken) => work.RunAsync(ArchiveRole.Ingest, message, cancellationToken);

    /// <summary>A slice that failed too often.</summary>
    [Function("IngestPoison")]
    public Task GiveUpAsync([QueueTrigger(WorkQueue.Poison)] string message, CancellationToken cancellationToken) => work.GiveUpAsync(ArchiveRole.Ingest, message, cancellationToken);
}
