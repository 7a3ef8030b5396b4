using NCrontab;

namespace CloudArchive.LocalHost.Lifecycle;

/// <summary>Runs the lifecycle rules once a day, as storage itself does on Azure.</summary>
internal sealed partial class LifecycleTimer(LifecycleEngine engine, TimeProvider clock, ILogger<LifecycleTimer> logger) : BackgroundService
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        CrontabSchedule times = CrontabSchedule.Parse("0 5 * * *");
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                DateTimeOffset now = clock.GetUtcNow();
                await Task.Delay(new DateTimeOffset(times.GetNextOccurrence(now.UtcDateTime), TimeSpan.Zero) - now, clock, stoppingToken);
                await engine.RunAsync(stoppingToken);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                LogFailed(logger, e);
            }
        }
    }

    [LoggerMessage(404, LogLevel.Error, "The lifecycle rules failed; they run again tomorrow.")]
    private static partial void LogFailed(ILogger logger, Exception exception);
}
