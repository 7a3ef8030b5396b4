using CloudArchive.Api;
using CloudArchive.Core.Audit;
using Microsoft.Azure.Functions.Worker;

namespace CloudArchive.Functions.Timers;

/// <summary>Reads and verifies every audit log, once a day.</summary>
public sealed class LogCheckFunction(AppSettings settings, LogCheck check)
{
    // Ends well within the function's 30 minutes; the next run goes on where it stopped.
    private static readonly TimeSpan s_budget = TimeSpan.FromMinutes(20);

    /// <summary>Every hour; where today's pass is through, there is nothing to do.</summary>
    [Function("LogCheck")]
    public async Task RunAsync([TimerTrigger("0 20 * * * *")] TimerInfo timer, CancellationToken cancellationToken)
    {
        settings.Require(ArchiveRole.Recovery);
        LogCheckResult result = await check.RunAsync(s_budget, cancellationToken);
        if (result.Damaged.Count + result.NotChecked.Count > 0)
        {
            throw new TimerFailedException($"{result.Damaged.Count} of {result.Checked} logs do not verify, and {result.NotChecked.Count} could not be checked; the log names each.");
        }
    }
}
