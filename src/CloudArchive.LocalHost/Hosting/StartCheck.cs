using CloudArchive.Core;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Clinics;
using CloudArchive.Format;

namespace CloudArchive.LocalHost.Hosting;

/// <summary>
/// Once, after the start: compares each clinic's receipts with its log. A machine that died may have taken the last seconds of Azurite's tables with it
/// (docs/localhost.md); that is to be known before others take the places of what is gone.
/// </summary>
internal sealed partial class StartCheck(ClinicDirectory clinics, LogCheck logs, TimeProvider clock, ILogger<StartCheck> logger) : BackgroundService
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        Requester by = Requester.System("start-check", "start-" + Guid.CreateVersion7(clock.GetUtcNow()).ToString("N"));
        try
        {
            await foreach (ClinicId clinic in clinics.ReadAllAsync(stoppingToken))
            {
                try
                {
                    await logs.HasCommitsAsync(clinic, by, stoppingToken);
                }
                catch (Exception e) when (e is not OperationCanceledException)
                {
                    LogFailed(logger, e, clinic); // the daily check looks again
                }
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Stopped before it was through.
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            LogNoClinics(logger, e);
        }
    }

    [LoggerMessage(402, LogLevel.Error, "The receipts of clinic {Clinic} could not be compared with its audit log.")]
    private static partial void LogFailed(ILogger logger, Exception exception, ClinicId clinic);

    [LoggerMessage(403, LogLevel.Error, "The clinics could not be listed; no receipt was compared with a log.")]
    private static partial void LogNoClinics(ILogger logger, Exception exception);
}
