using CloudArchive.Cli.Backup;

namespace CloudArchive.Cli.Tests.Backup;

public class BlockBuffersTests
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
}
