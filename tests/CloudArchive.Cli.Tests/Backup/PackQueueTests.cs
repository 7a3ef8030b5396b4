using CloudArchive.Cli.Backup;
using CloudArchive.Format;

namespace CloudArchive.Cli.Tests.Backup;

public class PackQueueTests
{
    [Fact]
    public async Task What_has_just_come_goes_before_the_backlog()
    {
        using PackQueue queue = new(room: 5);
        await queue.AddAsync(Pack(1), TestContext.Current.CancellationToken);
        await queue.AddAsync(Pack(2), TestContext.Current.CancellationToken);
        Assert.True(queue.AddUrgent(Pack(100)));
        queue.Complete();
        long[] taken = await TakeAllAsync(queue);
        Assert.Equal([100, 1, 2], taken);
        Assert.False(queue.AddUrgent(Pack(101)));
    }

    [Fact]
    public async Task The_backlog_waits_for_room_and_what_has_just_come_does_not()
    {
        using PackQueue queue = new(room: 1);
        await queue.AddAsync(Pack(1), TestContext.Current.CancellationToken);
        Task<bool> second = queue.AddAsync(Pack(2), TestContext.Current.CancellationToken);
        queue.AddUrgent(Pack(100));
        queue.AddUrgent(Pack(101));
        Assert.False(second.IsCompleted);
        await using IAsyncEnumerator<QueuedPack> packs = queue.TakeAllAsync(TestContext.Current.CancellationToken).GetAsyncEnumerator(TestContext.Current.CancellationToken);
        List<long> taken = [];
        for (int i = 0; i < 4 && await packs.MoveNextAsync(); i++) taken.Add(packs.Current.Planned!.Bytes);
        Assert.True(await second);
        Assert.Equal([100, 101, 1, 2], taken);
    }

    [Fact]
    public async Task Where_more_may_come_the_queue_ends_only_when_nothing_is_under_way()
    {
        using PackQueue queue = new(room: 5) { IsOpenWhileBusy = true };
        await queue.AddAsync(Pack(1), TestContext.Current.CancellationToken);
        queue.Complete();
        await using IAsyncEnumerator<QueuedPack> packs = queue.TakeAllAsync(TestContext.Current.CancellationToken).GetAsyncEnumerator(TestContext.Current.CancellationToken);
        Assert.True(await packs.MoveNextAsync());
        Task<bool> next = packs.MoveNextAsync().AsTask();
        Assert.False(queue.IsOver);
        Assert.True(queue.AddUrgent(Pack(100)));
        Assert.True(await next);
        next = packs.MoveNextAsync().AsTask();
        queue.Done();
        Assert.False(next.IsCompleted);
        queue.Done();
        Assert.False(await next);
        Assert.True(queue.IsOver);
    }

    [Theory]
    [InlineData(false, new long[] { 100, 0, 1 })]
    [InlineData(true, new long[] { 100, 1, 0 })]
    public async Task What_an_earlier_run_began_delays_nothing_that_has_just_come(bool begunLast, long[] expected)
    {
        using PackQueue queue = new(room: 5) { Begun = [new BegunPack(null!, [])], BegunLast = begunLast };
        await queue.AddAsync(Pack(1), TestContext.Current.CancellationToken);
        Assert.True(queue.AddUrgent(Pack(100)));
        Assert.False(queue.IsOver);
        queue.Complete();
        Assert.Equal(expected, await TakeAllAsync(queue));
        Assert.True(queue.IsOver);
    }

    [Fact]
    public async Task Whoever_waits_for_room_learns_that_nobody_takes_any_more()
    {
        using PackQueue queue = new(room: 1);
        await queue.AddAsync(Pack(1), TestContext.Current.CancellationToken);
        Task<bool> waiting = queue.AddAsync(Pack(2), TestContext.Current.CancellationToken);
        queue.Close();
        Assert.False(await waiting);
        Assert.True(queue.IsOver);
    }

    private static PlannedPack Pack(long n) => new(new StudyKey(Uid.Parse("1.2"), null, null, null), [], n, PackReason.EndOfStudy);

    private static async Task<long[]> TakeAllAsync(PackQueue queue)
    {
        List<long> taken = [];
        await foreach (QueuedPack pack in queue.TakeAllAsync(TestContext.Current.CancellationToken))
        {
            taken.Add(pack.Planned?.Bytes ?? -pack.Begun!.Files.Count);
            queue.Done();
        }

        return [.. taken];
    }
}
