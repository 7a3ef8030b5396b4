using CloudArchive.Core.Storage;

namespace CloudArchive.Contracts;

/// <summary>What every <see cref="IWorkQueue"/> guarantees.</summary>
public abstract class WorkQueueContract
{
    /// <summary>The queue under test, empty and ready, and nobody else's.</summary>
    protected abstract IWorkQueue Queue { get; }

    private static TimeSpan Hidden => TimeSpan.FromMinutes(1);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_was_sent_is_received_once_and_gone_when_it_is_deleted()
    {
        await Queue.EnsureReadyAsync(Cancel);
        string text = "{\"job\":\"log-check\",\"scope\":\"zahnarzt-łódź 歯科\"}";
        await Queue.SendAsync(text, TimeSpan.Zero, Cancel);
        QueuedMessage message = Assert.Single(await Queue.ReceiveAsync(32, Hidden, Cancel));
        Assert.Equal((text, 1L), (message.Text, message.Attempts));
        Assert.Empty(await Queue.ReceiveAsync(32, Hidden, Cancel));
        await Queue.DeleteAsync(message, Cancel);
        await Queue.DeleteAsync(message, Cancel);
        Assert.Empty(await Queue.ReceiveAsync(32, Hidden, Cancel));
    }

    [Fact]
    public async Task A_message_that_is_not_deleted_comes_back_and_says_how_often_it_came()
    {
        await Queue.EnsureReadyAsync(Cancel);
        await Queue.SendAsync("again", TimeSpan.Zero, Cancel);
        QueuedMessage first = Assert.Single(await Queue.ReceiveAsync(1, TimeSpan.FromSeconds(1), Cancel));
        QueuedMessage second = await ReceiveAsync();
        Assert.Equal(("again", 2L), (second.Text, second.Attempts));

        // Whoever had it first has it no more.
        Assert.Null(await Queue.HideAsync(first, Hidden, Cancel));
        await Queue.DeleteAsync(first, Cancel);
        QueuedMessage? hidden = await Queue.HideAsync(second, TimeSpan.FromSeconds(1), Cancel);
        QueuedMessage third = await ReceiveAsync();
        Assert.Equal(("again", 3L), (third.Text, third.Attempts));
        await Queue.DeleteAsync(hidden!, Cancel);
        await Queue.DeleteAsync(third, Cancel);
        Assert.Empty(await Queue.ReceiveAsync(32, Hidden, Cancel));
    }

    [Fact]
    public async Task A_message_waits_as_long_as_it_is_told()
    {
        await Queue.EnsureReadyAsync(Cancel);
        await Queue.SendAsync("late", TimeSpan.FromSeconds(2), Cancel);
        await Queue.SendAsync("never in this test", IWorkQueue.Longest + TimeSpan.FromDays(30), Cancel);
        Assert.Empty(await Queue.ReceiveAsync(32, Hidden, Cancel));
        QueuedMessage late = await ReceiveAsync();
        Assert.Equal("late", late.Text);
        await Queue.DeleteAsync(late, Cancel);
    }

    [Fact]
    public async Task The_longest_text_fits()
    {
        await Queue.EnsureReadyAsync(Cancel);
        string text = new('x', IWorkQueue.LongestText);
        await Queue.SendAsync(text, TimeSpan.Zero, Cancel);
        QueuedMessage message = await ReceiveAsync();
        Assert.Equal(text, message.Text);
        await Queue.DeleteAsync(message, Cancel);
    }

    /// <summary>Lets time pass.</summary>
    protected virtual Task WaitAsync(TimeSpan time) => Task.Delay(time, Cancel);

    private async Task<QueuedMessage> ReceiveAsync()
    {
        for (int i = 0; i < 100; i++)
        {
            if (await Queue.ReceiveAsync(1, Hidden, Cancel) is [var message])
            {
                return message;
            }

            await WaitAsync(TimeSpan.FromMilliseconds(200));
        }

        throw new TimeoutException("The message did not come.");
    }
}
