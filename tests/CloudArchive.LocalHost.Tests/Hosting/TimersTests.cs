using System.Threading.Channels;
using CloudArchive.LocalHost.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace CloudArchive.LocalHost.Tests.Hosting;

public sealed class TimersTests
{
    private static readonly DateTimeOffset s_start = new(2026, 3, 1, 10, 2, 30, TimeSpan.Zero);

    private readonly Channel<DateTimeOffset> _runs = Channel.CreateUnbounded<DateTimeOffset>();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>Tells when somebody waits for it: then it can be moved.</summary>
    private sealed class WaitedForClock(DateTimeOffset start) : FakeTimeProvider(start)
    {
        private readonly Channel<bool> _timers = Channel.CreateUnbounded<bool>();

        public async Task TimerAsync() => await _timers.Reader.ReadAsync(Cancel);

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            ITimer timer = base.CreateTimer(callback, state, dueTime, period);
            _timers.Writer.TryWrite(true);
            return timer;
        }
    }

    [Fact]
    public async Task Work_runs_at_its_times_and_again_after_it_failed()
    {
        WaitedForClock clock = new(s_start);
        int count = 0;
        using ServiceProvider services = new ServiceCollection().BuildServiceProvider();
        ScheduledWork work = new("five minutes", "0 */5 * * * *", (_, _) =>
        {
            _runs.Writer.TryWrite(clock.GetUtcNow());
            return ++count == 1 ? throw new InvalidOperationException("The first run fails.") : Task.CompletedTask;
        });
        using Timers timers = new(services, [work], clock, NullLogger<Timers>.Instance);
        await timers.StartAsync(Cancel);
        for (int run = 1; run <= 3; run++)
        {
            DateTimeOffset due = new(2026, 3, 1, 10, 5 * run, 0, TimeSpan.Zero);
            await clock.TimerAsync();
            clock.SetUtcNow(due.AddSeconds(-1));
            Assert.False(_runs.Reader.TryRead(out _));
            clock.SetUtcNow(due);
            Assert.Equal(due, await _runs.Reader.ReadAsync(Cancel));
        }

        await timers.StopAsync(Cancel);
        Assert.Equal(3, count);
    }
}
