using System.Globalization;
using CloudArchive.Contracts;
using CloudArchive.Core.Storage;
using Microsoft.Extensions.Time.Testing;

namespace CloudArchive.Core.Tests.Work;

/// <summary>A queue in memory that keeps the contract's rules by a clock that is handed in, and counts its calls.</summary>
internal sealed class MemoryWorkQueue(TimeProvider clock) : IWorkQueue
{
    private readonly Lock _gate = new();
    private readonly PriorityQueue<Entry, DateTimeOffset> _entries = new();
    private readonly Dictionary<string, Entry> _byId = [];
    private long _numbers;

    public long Calls { get; private set; }

    /// <summary>When the next message can be received; null where there is none.</summary>
    public DateTimeOffset? Next
    {
        get
        {
            lock (_gate)
            {
                return Peek()?.VisibleAt;
            }
        }
    }

    public int Count => _byId.Count;

    public Task EnsureReadyAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task SendAsync(string text, TimeSpan after, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            Calls++;
            Add(new Entry(NewNumber(), text, 0, "", clock.GetUtcNow() + (after > IWorkQueue.Longest ? IWorkQueue.Longest : after)));
            return Task.CompletedTask;
        }
    }

    public Task<IReadOnlyList<QueuedMessage>> ReceiveAsync(int most, TimeSpan hidden, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            Calls++;
            List<QueuedMessage> messages = [];
            while (messages.Count < most && Peek() is { } entry && entry.VisibleAt <= clock.GetUtcNow())
            {
                entry = entry with { Attempts = entry.Attempts + 1, Receipt = NewNumber(), VisibleAt = clock.GetUtcNow() + hidden };
                Add(entry);
                messages.Add(new QueuedMessage(entry.Text, entry.Attempts, entry.Id, entry.Receipt));
            }

            return Task.FromResult<IReadOnlyList<QueuedMessage>>(messages);
        }
    }

    public Task<QueuedMessage?> HideAsync(QueuedMessage message, TimeSpan hidden, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            Calls++;
            if (!_byId.TryGetValue(message.Id, out Entry? entry) || entry.Receipt != message.Receipt)
            {
                return Task.FromResult<QueuedMessage?>(null);
            }

            entry = entry with { Receipt = NewNumber(), VisibleAt = clock.GetUtcNow() + hidden };
            Add(entry);
            return Task.FromResult<QueuedMessage?>(message with { Receipt = entry.Receipt });
        }
    }

    public Task DeleteAsync(QueuedMessage message, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            Calls++;
            if (_byId.TryGetValue(message.Id, out Entry? entry) && entry.Receipt == message.Receipt)
            {
                _byId.Remove(message.Id);
            }

            return Task.CompletedTask;
        }
    }

    private void Add(Entry entry)
    {
        _byId[entry.Id] = entry;
        _entries.Enqueue(entry, entry.VisibleAt);
    }

    /// <summary>The first that is still so: what was hidden anew or deleted stands in the heap as it was.</summary>
    private Entry? Peek()
    {
        while (_entries.TryPeek(out Entry? entry, out _))
        {
            if (_byId.TryGetValue(entry.Id, out Entry? now) && now == entry)
            {
                return entry;
            }

            _entries.Dequeue();
        }

        return null;
    }

    private string NewNumber() => (++_numbers).ToString(CultureInfo.InvariantCulture);

    private sealed record Entry(string Id, string Text, long Attempts, string Receipt, DateTimeOffset VisibleAt);
}

public sealed class MemoryWorkQueueContract : WorkQueueContract
{
    private readonly FakeTimeProvider _clock = new(DateTimeOffset.UnixEpoch);
    private MemoryWorkQueue? _queue;

    protected override IWorkQueue Queue => _queue ??= new MemoryWorkQueue(_clock);

    protected override Task WaitAsync(TimeSpan time)
    {
        _clock.Advance(time);
        return Task.CompletedTask;
    }
}
