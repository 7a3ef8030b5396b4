namespace CloudArchive.Format.Tests;

public class ByteBudgetTests
{
    private readonly ByteBudget _budget = new(100);

    [Fact]
    public async Task What_is_larger_than_all_has_all_of_it_alone()
    {
        await TakeAsync(1000);
        Task next = TakeAsync(1);
        Assert.False(next.IsCompleted);
        _budget.Give(1000);
        await next;
        Task rest = TakeAsync(99);
        await rest;
        Assert.False(TakeAsync(1).IsCompleted); // no more came back than there is
    }

    [Fact]
    public async Task Who_came_first_is_served_first_though_there_is_room_for_the_next()
    {
        await TakeAsync(60);
        Task large = TakeAsync(50);
        Task small = TakeAsync(10);
        Assert.False(small.IsCompleted);
        _budget.Give(60);
        await large;
        await small;
    }

    [Fact]
    public async Task A_wait_that_is_cancelled_takes_nothing_and_keeps_nobody_waiting()
    {
        await TakeAsync(60);
        using CancellationTokenSource stop = new();
        Task stopped = _budget.TakeAsync(50, stop.Token);
        Task behind = TakeAsync(30);
        Assert.False(behind.IsCompleted);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => stopped);
        await behind; // though nothing was given back meanwhile

        _budget.Give(60);
        _budget.Give(30);
        await TakeAsync(100); // all of it is there again
    }

    /// <summary>One that would wait for ever fails instead.</summary>
    private Task TakeAsync(long bytes) => _budget.TakeAsync(bytes, TestContext.Current.CancellationToken).WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
}
