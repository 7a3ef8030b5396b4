using CloudArchive.Api;
using CloudArchive.Core;
using Microsoft.Azure.Functions.Worker;

namespace CloudArchive.Functions.Timers;

/// <summary>Ends what has expired, and goes on with runs of restore tests.</summary>
public sealed class HousekeepingFunction(AppSettings settings, Housekeeping housekeeping)
{
    // Ends well within the function's 30 minutes: a pack that was begun is finished.
    private static readonly TimeSpan s_budget = TimeSpan.FromMinutes(20);

    /// <summary>Every ten minutes; the host starts no run while one is under way.</summary>
    [Function("Housekeeping")]
    public Task RunAsync([TimerTrigger("30 2/10 * * * *")] TimerInfo timer, CancellationToken cancellationToken)
    {
        settings.Require(ArchiveRole.Recovery);
        return housekeeping.RunAsync(s_budget, cancellationToken);
    }
}
