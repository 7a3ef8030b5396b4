using NCrontab;

namespace CloudArchive.LocalHost.Hosting;

/// <summary>Scheduled work, as a timer-triggered function is on Azure.</summary>
/// <param name="Name">For the log.</param>
/// <param name="Schedule">NCRONTAB with six fields, in UTC.</param>
/// <param name="RunAsync">The work.</param>
internal sealed record ScheduledWork(string Name, string Schedule, Func<IServiceProvider, CancellationToken, Task> RunAsync);

/// <summary>Runs each piece of work at its times: one run at a time of each, a failed one is logged and has its next time like any other.</summary>
internal sealed partial class Timers(IServiceProvider services, IReadOnlyList<ScheduledWork> work, TimeProvider clock, ILogger<Timers> logger) : BackgroundService
{
    protected override Task ExecuteAsync(CancellationToken stoppingToken) => Task.WhenAll(work.Select(item => RunAsync(item, stoppingToken)));

    private async Task RunAsync(ScheduledWork item, CancellationToken stopping)
    {
        CrontabSchedule schedule = CrontabSchedule.Parse(item.Schedule, new CrontabSchedule.ParseOptions { IncludingSeconds = true });
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                DateTimeOffset now = clock.GetUtcNow();
                DateTimeOffset next = new(schedule.GetNextOccurrence(now.UtcDateTime), TimeSpan.Zero);
                await Task.Delay(next - now, clock, stopping);
                await item.RunAsync(services, stopping);
            }
            catch (OperationCanceledException) when (stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                LogFailed(logger, e, item.Name);
            }
        }
    }

    [LoggerMessage(401, LogLevel.Error, "Scheduled work '{Name}' failed; it runs again at its next time.")]
    private static partial void LogFailed(ILogger logger, Exception exception, string name);
}
