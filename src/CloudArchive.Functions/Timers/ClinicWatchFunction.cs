using CloudArchive.Api;
using CloudArchive.Core.Verdicts;
using Microsoft.Azure.Functions.Worker;

namespace CloudArchive.Functions.Timers;

/// <summary>Looks at every clinic for what no report tells: computers and clinics that are not heard of any more. Each is an alert.</summary>
public sealed class ClinicWatchFunction(AppSettings settings, ClinicWatch watch)
{
    /// <summary>Every hour.</summary>
    [Function("ClinicWatch")]
    public async Task RunAsync([TimerTrigger("0 50 * * * *")] TimerInfo timer, CancellationToken cancellationToken)
    {
        settings.Require(ArchiveRole.Ingest);
        WatchResult result = await watch.RunAsync(cancellationToken);
        if (result.Failed.Count > 0)
        {
            throw new TimerFailedException($"{result.Failed.Count} clinics could not be looked at whole; the log names each, and the next run looks again.");
        }
    }
}
