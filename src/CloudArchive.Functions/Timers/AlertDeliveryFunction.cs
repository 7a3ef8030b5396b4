using CloudArchive.Api;
using CloudArchive.Core.Alerts;
using Microsoft.Azure.Functions.Worker;

namespace CloudArchive.Functions.Timers;

/// <summary>Sends the alerts that are due to the webhook.</summary>
public sealed class AlertDeliveryFunction(AppSettings settings, AlertDelivery delivery)
{
    /// <summary>Every five minutes.</summary>
    [Function("AlertDelivery")]
    public Task RunAsync([TimerTrigger("45 */5 * * * *")] TimerInfo timer, CancellationToken cancellationToken)
    {
        settings.Require(ArchiveRole.Recovery);
        return delivery.RunAsync(cancellationToken);
    }
}
