using CloudArchive.Cli.Transport;
using Microsoft.Extensions.Time.Testing;

namespace CloudArchive.Cli.Tests.Transport;

public sealed class UplinkTests
{
    private readonly FakeTimeProvider _clock = new();

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("rubbish")]
    [InlineData("-1")]
    [InlineData("NaN")]
    [InlineData("Infinity")]
    public void A_damaged_memory_is_none(string? text) => Assert.Null(Uplink.Parse(text));

    [Theory]
    [InlineData(50_000, 256, 1)]
    [InlineData(150_000, 256, 2)]
    [InlineData(1_000_000, 512, 4)]
    [InlineData(5_000_000, 4096, 3)]
    [InlineData(10_000_000, 8192, 3)]
    [InlineData(100_000_000, 8192, 8)]
    public async Task Blocks_and_their_number_follow_the_link(double rate, int kilobytes, int inFlight)
    {
        Uplink uplink = new(_clock, null);
        await SendAsync(uplink, (long)rate * 10, 10);
        Assert.Equal((kilobytes * 1024, inFlight), (uplink.BlockLength(64 << 20), uplink.InFlight));
    }

    [Theory]
    [InlineData(50_000, 256, 1)]
    [InlineData(100_000_000, 512, 2)]
    public async Task What_is_remembered_of_a_link_stakes_no_more_than_it_takes_to_measure_this_one(double remembered, int kilobytes, int inFlight)
    {
        Uplink uplink = new(_clock, remembered);
        Assert.Equal((kilobytes * 1024, inFlight), (uplink.BlockLength(64 << 20), uplink.InFlight));
        await SendAsync(uplink, 100_000_000, 1);
        Assert.Equal((8192 * 1024, 8), (uplink.BlockLength(64 << 20), uplink.InFlight));
    }

    [Fact]
    public void A_pack_of_16_GiB_fits_into_storages_50_000_blocks_even_on_a_slow_link()
    {
        const long most = 16L << 30;
        Assert.InRange(most / new Uplink(_clock, 50_000).BlockLength(most), 1, 50_000);
    }

    [Theory]
    [InlineData(20)]
    [InlineData(1)]
    public async Task The_uplink_is_measured_while_something_is_under_way_and_not_while_it_is_idle(int seconds)
    {
        Uplink uplink = new(_clock, null);
        for (int i = 0; i < 2; i++)
        {
            await SendAsync(uplink, 32L << 20, seconds);
            _clock.Advance(TimeSpan.FromHours(1)); // the disk, or lunch
        }

        Assert.Equal((double)(32L << 20) / seconds, uplink.BytesPerSecond!.Value, 1.0);
    }

    [Fact]
    public async Task Blocks_that_are_sent_side_by_side_count_their_time_once()
    {
        Uplink uplink = new(_clock, null);
        TaskCompletionSource<bool> first = new(), second = new();
        Task a = uplink.MeasureAsync(16L << 20, () => first.Task);
        Task b = uplink.MeasureAsync(16L << 20, () => second.Task);
        _clock.Advance(TimeSpan.FromSeconds(1));
        first.SetResult(true);
        second.SetResult(true);
        await Task.WhenAll(a, b);
        Assert.Equal(32L << 20, uplink.BytesPerSecond!.Value, 1.0);
    }

    [Fact]
    public async Task A_link_that_becomes_slow_or_fast_is_noticed_within_a_minute()
    {
        Uplink uplink = new(_clock, null);
        for (int i = 0; i < 100; i++)
        {
            await SendAsync(uplink, 10_000_000, 1);
        }

        for (int i = 0; i < 16; i++)
        {
            await SendAsync(uplink, 262_144, 5);
        }

        Assert.InRange(uplink.BytesPerSecond!.Value, 50_000, 400_000);
        for (int i = 0; i < 30; i++)
        {
            await SendAsync(uplink, 4 << 20, 1);
        }

        Assert.InRange(uplink.BytesPerSecond!.Value, 2_000_000, 4 << 20);
    }

    [Fact]
    public async Task What_failed_was_not_sent()
    {
        Uplink uplink = new(_clock, 5);
        await Assert.ThrowsAsync<IOException>(() => uplink.MeasureAsync<bool>(1L << 30, () =>
        {
            _clock.Advance(TimeSpan.FromSeconds(1));
            throw new IOException();
        }));
        Assert.Equal(5, uplink.BytesPerSecond);
    }

    [Fact]
    public async Task A_failure_takes_the_link_for_half_as_fast()
    {
        Uplink uplink = new(_clock, null);
        await SendAsync(uplink, 10_000_000, 1);
        await Assert.ThrowsAsync<IOException>(() => uplink.MeasureAsync<bool>(1, () => throw new IOException()));
        Assert.Equal(5_000_000, uplink.BytesPerSecond!.Value, 1.0);
    }

    [Fact]
    public async Task No_more_blocks_are_under_way_than_the_link_takes_and_whoever_waits_can_be_stopped()
    {
        Uplink uplink = new(_clock, 50_000);
        TaskCompletionSource<bool> first = new();
        Task<bool> sending = uplink.EnterAsync(() => first.Task, TestContext.Current.CancellationToken);
        Task<bool> waiting = uplink.EnterAsync(() => Task.FromResult(true), TestContext.Current.CancellationToken);
        using CancellationTokenSource stop = new();
        Task<bool> stopped = uplink.EnterAsync(() => Task.FromResult(true), stop.Token);
        Assert.False(waiting.IsCompleted);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => stopped);
        first.SetResult(true);
        Assert.True(await sending);
        Assert.True(await waiting);
        Assert.True(await uplink.EnterAsync(() => Task.FromResult(true), TestContext.Current.CancellationToken));
    }

    private Task<bool> SendAsync(Uplink uplink, long bytes, int seconds) => uplink.MeasureAsync(bytes, () =>
    {
        _clock.Advance(TimeSpan.FromSeconds(seconds));
        return Task.FromResult(true);
    });
}
