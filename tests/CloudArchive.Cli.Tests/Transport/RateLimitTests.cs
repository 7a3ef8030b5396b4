using CloudArchive.Cli.Transport;
using Microsoft.Extensions.Time.Testing;

namespace CloudArchive.Cli.Tests.Transport;

public sealed class RateLimitTests
{
    private readonly FakeTimeProvider _clock = new(new DateTimeOffset(2026, 11, 27, 7, 59, 50, TimeSpan.Zero));

    [Theory]
    [InlineData("2MB/s", 2_000_000)]
    [InlineData("500kB/s", 500_000)]
    [InlineData("500 KB/s", 500_000)]
    [InlineData("1.5 MB/s", 1_500_000)]
    [InlineData("20Mbit/s", 2_500_000)]
    [InlineData("800kbit/s", 100_000)]
    [InlineData("20000B/s", 20_000)]
    [InlineData("unlimited", null)]
    public void A_limit_is_read_as_people_write_it(string text, int? rate) => Assert.Equal(rate, RateLimit.ParseRate(text));

    [Theory]
    [InlineData("")]
    [InlineData("2")]
    [InlineData("2MB")]
    [InlineData("MB/s")]
    [InlineData("-2MB/s")]
    [InlineData("1kB/s")]
    [InlineData("2e9MB/s")]
    public void What_is_no_limit_is_told_with_an_example(string text) => Assert.Throws<UsageException>(() => RateLimit.ParseRate(text));

    [Theory]
    [InlineData("08:00-18:00=500kB/s", "08:00", true)]
    [InlineData("08:00-18:00=500kB/s", "18:00", false)]
    [InlineData("22:00-6:30=500kB/s", "23:59", true)]
    [InlineData("22:00-6:30=500kB/s", "06:29", true)]
    [InlineData("22:00-6:30=500kB/s", "12:00", false)]
    [InlineData("18:00-24:00=500kB/s", "23:59", true)]
    public void Hours_are_local_and_may_pass_midnight(string text, string now, bool stands) =>
        Assert.Equal(stands, RateLimit.ParseHours(text).Includes(TimeOnly.Parse(now)));

    [Theory]
    [InlineData("08:00-18:00")]
    [InlineData("8-18=500kB/s")]
    [InlineData("08:00-08:00=500kB/s")]
    [InlineData("25:00-26:00=500kB/s")]
    public void What_is_no_time_of_day_is_told(string text) => Assert.Throws<UsageException>(() => RateLimit.ParseHours(text));

    [Fact]
    public async Task Everything_that_leaves_shares_one_limit()
    {
        RateLimit limit = new(_clock, 100_000, []);
        DateTimeOffset began = _clock.GetUtcNow();
        await RunAsync(Enumerable.Range(0, 8).Select(async _ =>
        {
            for (int i = 0; i < 10; i++)
            {
                await limit.TakeAsync(16_000, TestContext.Current.CancellationToken);
            }
        }));
        Assert.InRange((_clock.GetUtcNow() - began).TotalSeconds, 12.0, 13.5); // 1.28 MB at 100 kB/s
    }

    [Fact]
    public async Task Another_hour_brings_another_limit_also_to_what_waits()
    {
        RateLimit limit = new(_clock, 10_000, [RateLimit.ParseHours("08:00-18:00=unlimited")]);
        DateTimeOffset began = _clock.GetUtcNow();
        await RunAsync([limit.TakeAsync(1_000_000, TestContext.Current.CancellationToken).AsTask()]); // a hundred seconds, at night's rate
        Assert.InRange((_clock.GetUtcNow() - began).TotalSeconds, 10, 12);
    }

    private async Task RunAsync(IEnumerable<Task> work)
    {
        Task all = Task.WhenAll(work);
        while (!all.IsCompleted)
        {
            _clock.Advance(TimeSpan.FromMilliseconds(50));
            await Task.WhenAny(all, Task.Delay(1, TestContext.Current.CancellationToken));
        }

        await all;
    }
}
