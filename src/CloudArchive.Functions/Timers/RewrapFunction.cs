using CloudArchive.Api;
using CloudArchive.Core.Keys;
using Microsoft.Azure.Functions.Worker;

namespace CloudArchive.Functions.Timers;

/// <summary>Wraps content keys to the newest version of their clinic's key.</summary>
public sealed class RewrapFunction(AppSettings settings, KeyRewrapRun run)
{
    // Ends well within the function's 30 minutes; the next run goes on where it stopped.
    private static readonly TimeSpan s_budget = TimeSpan.FromMinutes(20);

    /// <summary>Every day at 04:00 UTC.</summary>
    [Function("Rewrap")]
    public async Task RunAsync([TimerTrigger("0 0 4 * * *")] TimerInfo timer, CancellationToken cancellationToken)
    {
        settings.Require(ArchiveRole.Recovery);
        RewrapRunResult result = await run.RunAsync(s_budget, cancellationToken);
        if (result.Failed > 0)
        {
            throw new TimerFailedException($"Keys of {result.Failed} clinics could not be rewrapped; the log names each, and the next run tries again.");
        }
    }
}
