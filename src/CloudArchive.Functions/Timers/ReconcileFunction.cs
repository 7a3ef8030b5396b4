using CloudArchive.Api;
using CloudArchive.Core.Packs;
using Microsoft.Azure.Functions.Worker;

namespace CloudArchive.Functions.Timers;

/// <summary>Finishes or clears what crashes left behind.</summary>
public sealed class ReconcileFunction(AppSettings settings, Reconciler reconciler)
{
    // A run ends well within the function's 30 minutes; the next goes on where it stopped.
    private const int PacksPerRun = 500;

    /// <summary>Every ten minutes.</summary>
    [Function("Reconcile")]
    public async Task RunAsync([TimerTrigger("0 */10 * * * *")] TimerInfo timer, CancellationToken cancellationToken)
    {
        settings.Require(ArchiveRole.Ingest);
        Reconciliation run = await reconciler.RunAsync(PacksPerRun, cancellationToken);
        if (run.Failed > 0)
        {
            throw new TimerFailedException($"{run.Failed} packs or outboxes could not be reconciled; the log names each, and the next run tries again.");
        }
    }
}
