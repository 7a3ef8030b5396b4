using CloudArchive.Api;
using CloudArchive.Core;
using CloudArchive.Core.RestoreTests;
using Microsoft.Azure.Functions.Worker;

namespace CloudArchive.Functions.Timers;

/// <summary>Finds clinics whose restore tests do not run. In the ingest app: it sees also that the recovery app is down.</summary>
public sealed class RestoreTestWatchFunction(AppSettings settings, RestoreTestWatch watch)
{
    /// <summary>Every hour.</summary>
    [Function("RestoreTestWatch")]
    public Task RunAsync([TimerTrigger("0 30 * * * *")] TimerInfo timer, FunctionContext context, CancellationToken cancellationToken)
    {
        settings.Require(ArchiveRole.Ingest);
        return watch.RunAsync(Requester.System("restore-test-watch", context.InvocationId), cancellationToken);
    }
}
