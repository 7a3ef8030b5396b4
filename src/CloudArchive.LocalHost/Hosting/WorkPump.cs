using CloudArchive.Core;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Work;
using NCrontab;

namespace CloudArchive.LocalHost.Hosting;

/// <summary>Whether scheduled work is begun at its times. What somebody asked for is done in any case.</summary>
internal sealed record WorkSchedule(bool IsOn);

/// <summary>What the Functions host is on Azure: ticks, and hands the queue's messages to <see cref="JobRunner"/>, a few at a time.</summary>
internal sealed partial class WorkPump(JobTimer timer, JobRunner runner, IWorkQueue queue, WorkSchedule schedule, TimeProvider clock, ILogger<WorkPump> logger) : BackgroundService
{
    private const int InParallel = 2;

    // A message of a process that died comes back after that; while it is worked on, it is hidden anew twice as often.
    private static readonly TimeSpan s_hidden = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan s_idle = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan s_trouble = TimeSpan.FromSeconds(10);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        // A machine that died may have taken messages with it: what was not ended goes on. A message too many finds that its slice is over.
        _ = await TryAsync(() => schedule.IsOn ? timer.ResumeAsync(stoppingToken) : Task.CompletedTask, stoppingToken);
        await Task.WhenAll([TickAsync(stoppingToken), .. Enumerable.Range(0, InParallel).Select(_ => PumpAsync(stoppingToken))]);
    }

    private async Task TickAsync(CancellationToken stopping)
    {
        CrontabSchedule times = CrontabSchedule.Parse(JobTimer.Ncrontab, new CrontabSchedule.ParseOptions { IncludingSeconds = true });
        while (schedule.IsOn && !stopping.IsCancellationRequested)
        {
            // Somebody's computer, which is switched off at night: what was due meanwhile is due now, and no alert.
            _ = await TryAsync(() => timer.TickAsync(ArchiveRole.Both, isToBeUp: false, stopping), stopping);
            DateTimeOffset now = clock.GetUtcNow();
            await WaitAsync(new DateTimeOffset(times.GetNextOccurrence(now.UtcDateTime), TimeSpan.Zero) - now, clock, stopping);
        }
    }

    private async Task PumpAsync(CancellationToken stopping)
    {
        while (!stopping.IsCancellationRequested)
        {
            bool idle = true;
            bool well = await TryAsync(
                async () =>
                {
                    foreach (QueuedMessage message in await queue.ReceiveAsync(1, s_hidden, stopping))
                    {
                        idle = false;
                        await RunAsync(message, stopping);
                    }
                },
                stopping);
            if (idle || !well)
            {
                await WaitAsync(well ? s_idle : s_trouble, TimeProvider.System, stopping);
            }
        }
    }

    private async Task RunAsync(QueuedMessage message, CancellationToken stopping)
    {
        using CancellationTokenSource over = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        Task<QueuedMessage> kept = KeepAsync(message, over.Token);
        bool done = false;
        try
        {
            await (message.Attempts > JobRunner.Attempts ? runner.GiveUpAsync(ArchiveRole.Both, message.Text, stopping) : runner.RunAsync(ArchiveRole.Both, message.Text, stopping));
            done = true;
        }
        catch (FormatException)
        {
            await runner.GiveUpAsync(ArchiveRole.Both, message.Text, stopping);
            done = true;
        }
        finally
        {
            await over.CancelAsync();
            QueuedMessage last = await kept;
            if (done)
            {
                await queue.DeleteAsync(last, CancellationToken.None);
            }
        }
    }

    /// <summary>Hides a message as long as it is worked on.</summary>
    private async Task<QueuedMessage> KeepAsync(QueuedMessage message, CancellationToken over)
    {
        while (true)
        {
            await WaitAsync(s_hidden / 2, TimeProvider.System, over);
            if (over.IsCancellationRequested)
            {
                return message;
            }

            try
            {
                message = await queue.HideAsync(message, s_hidden, CancellationToken.None) ?? message;
            }
            catch (Exception e)
            {
                LogFailed(logger, e); // its lease keeps others from it, should it come again
            }
        }
    }

    /// <summary>One failure is logged, and the next turn is like any other.</summary>
    private async Task<bool> TryAsync(Func<Task> work, CancellationToken stopping)
    {
        try
        {
            await work();
            return true;
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            return false;
        }
        catch (Exception e)
        {
            LogFailed(logger, e);
            return false;
        }
    }

    private static async Task WaitAsync(TimeSpan time, TimeProvider clock, CancellationToken stopping) =>
        await Task.Delay(time, clock, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

    [LoggerMessage(401, LogLevel.Error, "Scheduled work failed; it is tried again.")]
    private static partial void LogFailed(ILogger logger, Exception exception);
}
