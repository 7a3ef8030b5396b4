using CloudArchive.Cli.Backup;
using Microsoft.Extensions.Time.Testing;

namespace CloudArchive.Cli.Tests.Backup;

public class UploadMemoryTests
{
    [Fact]
    public async Task No_more_blocks_are_in_memory_than_were_allowed()
    {
        BlockBuffers buffers = new(2);
        byte[] first = await buffers.TakeAsync(TestContext.Current.CancellationToken);
        byte[] second = await buffers.TakeAsync(TestContext.Current.CancellationToken);
        Assert.NotSame(first, second);
        ValueTask<byte[]> third = buffers.TakeAsync(TestContext.Current.CancellationToken);
        Assert.False(third.IsCompleted);
        buffers.Return(first);
        Assert.Same(first, await third);
    }

    [Fact]
    public async Task Waiting_for_a_block_can_be_interrupted()
    {
        BlockBuffers buffers = new(1);
        await buffers.TakeAsync(TestContext.Current.CancellationToken);
        using CancellationTokenSource stop = new();
        ValueTask<byte[]> waiting = buffers.TakeAsync(stop.Token);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await waiting);
    }

    [Fact]
    public void An_uplink_that_nobody_measured_is_taken_for_slow() => Assert.True(new Uplink(TimeProvider.System, null).CompressionPays);

    [Theory]
    [InlineData(2_000_000, true)]
    [InlineData(100_000_000, false)]
    public void What_an_earlier_run_measured_is_remembered(double rate, bool pays) => Assert.Equal(pays, new Uplink(TimeProvider.System, Uplink.Parse(rate.ToString("R"))).CompressionPays);

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("rubbish")]
    [InlineData("-1")]
    public void A_damaged_memory_is_none(string? text) => Assert.Null(Uplink.Parse(text));

    [Theory]
    [InlineData(20, true)]
    [InlineData(1, false)]
    public async Task The_uplink_is_measured_while_something_is_under_way_and_not_while_it_is_idle(int seconds, bool pays)
    {
        FakeTimeProvider clock = new();
        Uplink uplink = new(clock, null);
        for (int i = 0; i < 2; i++)
        {
            await uplink.MeasureAsync(32L << 20, () =>
            {
                clock.Advance(TimeSpan.FromSeconds(seconds));
                return Task.FromResult(true);
            });
            clock.Advance(TimeSpan.FromHours(1)); // the disk, or lunch
        }

        Assert.Equal((double)(32L << 20) / seconds, uplink.BytesPerSecond!.Value, 1.0);
        Assert.Equal(pays, uplink.CompressionPays);
    }

    [Fact]
    public async Task Blocks_that_are_sent_side_by_side_count_their_time_once()
    {
        FakeTimeProvider clock = new();
        Uplink uplink = new(clock, null);
        TaskCompletionSource<bool> first = new(), second = new();
        Task a = uplink.MeasureAsync(16L << 20, () => first.Task);
        Task b = uplink.MeasureAsync(16L << 20, () => second.Task);
        clock.Advance(TimeSpan.FromSeconds(1));
        first.SetResult(true);
        second.SetResult(true);
        await Task.WhenAll(a, b);
        Assert.Equal(32L << 20, uplink.BytesPerSecond!.Value, 1.0);
    }

    [Fact]
    public async Task What_failed_was_not_sent()
    {
        FakeTimeProvider clock = new();
        Uplink uplink = new(clock, 5);
        await Assert.ThrowsAsync<IOException>(() => uplink.MeasureAsync<bool>(1L << 30, () =>
        {
            clock.Advance(TimeSpan.FromSeconds(1));
            throw new IOException();
        }));
        Assert.Equal(5, uplink.BytesPerSecond);
    }
}
