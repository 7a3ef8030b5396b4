using CloudArchive.Api;
using CloudArchive.Api.Identity;
using Microsoft.Azure.Functions.Worker;

namespace CloudArchive.Functions.Timers;

/// <summary>Forgets the agents' client assertions that have expired: they can no longer be replayed.</summary>
public sealed class ForgetAssertionsFunction(AppSettings settings, ClientAssertions assertions)
{
    /// <summary>Every hour.</summary>
    [Function("ForgetAssertions")]
    public Task RunAsync([TimerTrigger("0 30 * * * *")] TimerInfo timer, CancellationToken cancellationToken)
    {
        settings.Require(ArchiveRole.Ingest);
        return assertions.SweepAsync(cancellationToken);
    }
}
