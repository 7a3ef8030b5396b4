using CloudArchive.Api;
using CloudArchive.Core.Clinics;
using Microsoft.Azure.Functions.Worker;

namespace CloudArchive.Functions.Timers;

/// <summary>Looks for clinics that are not heard of any more. Each is an alert.</summary>
public sealed class SilenceWatchFunction(AppSettings settings, SilenceWatch watch)
{
    /// <summary>Every day at 06:00 UTC.</summary>
    [Function("SilenceWatch")]
    public Task RunAsync([TimerTrigger("0 0 6 * * *")] TimerInfo timer, CancellationToken cancellationToken)
    {
        settings.Require(ArchiveRole.Ingest);
        return watch.RunAsync(cancellationToken);
    }
}
