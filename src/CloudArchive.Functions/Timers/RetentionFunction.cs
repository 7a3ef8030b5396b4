using CloudArchive.Api;
using CloudArchive.Core.Retention;
using Microsoft.Azure.Functions.Worker;

namespace CloudArchive.Functions.Timers;

/// <summary>Enforces holds, extends locks, asks for the destruction of studies whose time is over, and destroys what was approved; tags packs for lifecycle rules.</summary>
public sealed class RetentionFunction(AppSettings settings, RetentionRun run, TieringRun tiering)
{
    // A run ends well within the function's 30 minutes; the next goes on where it stopped.
    private const int StudiesPerClinic = 500;
    private const int TagsPerClinic = 5000;

    /// <summary>Every hour.</summary>
    [Function("Retention")]
    public async Task RunAsync([TimerTrigger("0 20 * * * *")] TimerInfo timer, CancellationToken cancellationToken)
    {
        settings.Require(ArchiveRole.Ingest);
        await tiering.RunAsync(TagsPerClinic, cancellationToken);
        RetentionResult result = await run.RunAsync(StudiesPerClinic, cancellationToken);
        if (result.Failed > 0)
        {
            throw new TimerFailedException($"Retention of {result.Failed} studies or clinics failed; the log names each, and the next run tries again.");
        }
    }
}
