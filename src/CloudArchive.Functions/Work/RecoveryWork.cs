using CloudArchive.Azure.Queues;
using CloudArchive.Core;
using Microsoft.Azure.Functions.Worker;

namespace CloudArchive.Functions.Work;

/// <summary>The recovery app's scheduled work: <see cref="Core.Work.Jobs"/> says what it is.</summary>
public sealed class RecoveryWork(RoleWork work)
{
    /// <summary>Every minute: puts what is due into the queue.</summary>
    [Function("RecoveryTimer")]
    public Task TickAsync([TimerTrigger(Core.Work.JobTimer.Ncrontab)] TimerInfo timer, CancellationToken cancellationToken) => work.TickAsync(ArchiveRole.Recovery, cancellationToken);

    /// <summary>A slice of a job.</summary>
    [Function("RecoveryWork")]
    public Task RunAsync([QueueTrigger(WorkQueue.Name)] string message, CancellationToken cancellationToken) => work.RunAsync(ArchiveRole.Recovery, message, cancellationToken);

    /// <summary>A slice that failed too often.</summary>
    [Function("RecoveryPoison")]
    public Task GiveUpAsync([QueueTrigger(WorkQueue.Poison)] string message, CancellationToken cancellationToken) => work.GiveUpAsync(ArchiveRole.Recovery, message, cancellationToken);
}
