using System.Security.Cryptography;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Audit;

namespace CloudArchive.Core.Audit;

/// <summary>
/// Appends entries under a log's head. Entries, head and the tiles that they complete are one transaction under the head's ETag, so there
/// is no state in between and no fork, however many processes append. Appends that arrive while a transaction is under way go together into
/// the next one: the head is one hot row, and a transaction holds 100. Nothing is remembered between bursts.
/// </summary>
public sealed class AuditLog(IRowStore rows, TimeProvider clock) : IAuditLog
{
    /// <summary>An entry's canonical JSON may have as many bytes.</summary>
    public const int LargestEntry = 16 * 1024;

    private const int RowsPerTransaction = 100;

    /// <summary>JSON inside of JSON grows up to sixfold, and a transaction may have 4 MiB.</summary>
    private const int BytesPerTransaction = 512 * 1024;

    /// <summary>Others may win the head this many times in a row.</summary>
    private const int Attempts = 200;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, Queue<Pending>> _queues = [];

    /// <inheritdoc/>
    /// <remarks>An append that is cancelled may have been written all the same.</remarks>
    public Task<AuditPlace> AppendAsync(AuditEvent entry, CancellationToken cancellationToken)
    {
        string partition = AuditRows.Partition(entry.Log);
        Pending pending = new(entry, cancellationToken);
        lock (_gate)
        {
            if (_queues.TryGetValue(partition, out Queue<Pending>? queue))
            {
                queue.Enqueue(pending);
            }
            else
            {
                _queues[partition] = new Queue<Pending>([pending]);
                _ = Task.Run(() => DrainAsync(entry.Log, partition), CancellationToken.None);
            }
        }

        return pending.Place.WaitAsync(cancellationToken);
    }

    /// <summary>Writes the queue's appends, group after group, until there are none left.</summary>
    private async Task DrainAsync(string log, string partition)
    {
        List<Pending> waiting = [];
        AuditHead? head = null;
        while (TakeAll(partition, waiting))
        {
            try
            {
                head = await AppendGroupAsync(log, partition, head, waiting);
            }
            catch (Exception e)
            {
                // Whatever failed, failed for everyone who waits; what storage holds now is read anew.
                waiting.ForEach(pending => pending.Fail(e));
                head = null;
            }

            waiting.RemoveAll(pending => pending.Place.IsCompleted);
        }
    }

    /// <summary>False, and the queue is gone, where nobody waits any more.</summary>
    private bool TakeAll(string partition, List<Pending> waiting)
    {
        lock (_gate)
        {
            Queue<Pending> queue = _queues[partition];
            while (queue.TryDequeue(out Pending? next))
            {
                if (!next.Abandoned)
                {
                    waiting.Add(next);
                }
            }

            return waiting.Count > 0 || !_queues.Remove(partition);
        }
    }

    /// <summary>Writes as many of the first of <paramref name="waiting"/> as one transaction takes and tells them their places. Returns the new head.</summary>
    private async Task<AuditHead> AppendGroupAsync(string log, string partition, AuditHead? known, List<Pending> waiting)
    {
        AuditHead head = known ?? await ReadHeadAsync(log, partition);
        for (int lost = 0; lost < Attempts;)
        {
            Group group = Compose(log, head, waiting);
            if (group.Places.Count == 0)
            {
                return head;
            }

            try
            {
                IReadOnlyList<string> etags = await rows.SubmitAsync(RowTable.Audit, partition, group.Writes, CancellationToken.None);
                group.Head.ETag = etags[0];
                group.Complete(log);
                return group.Head;
            }
            catch (RowConflictException conflict)
            {
                if (await IsWrittenAsync(partition, head.Size, group.Id))
                {
                    // The client repeated a transaction whose answer got lost, and met its own first try.
                    group.Complete(log);
                    return await ReadHeadAsync(log, partition);
                }

                bool repeated = await CompleteRepeatedAsync(log, partition, group);
                waiting.RemoveAll(pending => pending.Place.IsCompleted);
                AuditHead fresh = await ReadHeadAsync(log, partition);
                if (fresh.ETag != head.ETag)
                {
                    await BackOffAsync(lost++);
                }
                else if (!repeated)
                {
                    throw new AuditLogDamagedException(log, $"row {conflict.Key ?? AuditRows.EntryKey(head.Size)} stands where the next entry belongs, and the head knows nothing of it", conflict);
                }

                head = fresh;
            }
        }

        throw new AuditLogContendedException(log);
    }

    private Group Compose(string log, AuditHead head, List<Pending> waiting)
    {
        AuditHead next = head.Copy();
        DateTimeOffset now = ToMilliseconds(clock.GetUtcNow());

        // A log's time never runs backwards, whosever clock does.
        DateTimeOffset time = now > head.Time ? now : head.Time;
        string id = RandomNumberGenerator.GetHexString(16, lowercase: true);
        List<RowWrite> writes = [];
        List<(Pending Pending, long Index)> places = [];
        Dictionary<string, long> once = [];
        int bytes = 0;
        foreach (Pending pending in waiting)
        {
            string? onceKey = pending.Event.Once is { } value ? AuditRows.OnceKey(value) : null;
            if (onceKey is not null && once.TryGetValue(onceKey, out long first))
            {
                places.Add((pending, first));
                continue;
            }

            byte[] json = ToEntry(pending.Event, next.Size, time);
            if (json.Length > LargestEntry)
            {
                pending.Fail(new AuditEntryTooLargeException(log, LargestEntry));
                continue;
            }

            int needed = 1 + (onceKey is null ? 0 : 1) + next.TilesCompletedByNext;
            if (1 + writes.Count + needed > RowsPerTransaction || bytes + json.Length > BytesPerTransaction)
            {
                break;
            }

            long index = next.Size;
            bytes += json.Length;
            places.Add((pending, index));
            writes.Add(new RowWrite.Insert(AuditRows.EntryKey(index), new Dictionary<string, object>
            {
                [AuditRows.Json] = System.Text.Encoding.UTF8.GetString(json),
                [AuditRows.Group] = id,
            }));
            if (onceKey is not null)
            {
                once.Add(onceKey, index);
                writes.Add(new RowWrite.Insert(onceKey, new Dictionary<string, object> { [AuditRows.Index] = index }));
            }

            foreach (Tile tile in next.Append(Merkle.LeafHash(json), time))
            {
                writes.Add(new RowWrite.Insert(AuditRows.TileKey(tile.Name), new Dictionary<string, object> { [AuditRows.Hashes] = AuditRows.Join(tile.Hashes) }));
            }
        }

        writes.Insert(0, head.ETag is null ? new RowWrite.Insert(AuditRows.HeadKey, next.ToValues()) : new RowWrite.Replace(AuditRows.HeadKey, next.ToValues(), head.ETag));
        return new Group(id, next, writes, places);
    }

    /// <summary>What the log's times are cut to: finer ones would say nothing.</summary>
    public static DateTimeOffset ToMilliseconds(DateTimeOffset time) => new(time.UtcTicks - (time.UtcTicks % TimeSpan.TicksPerMillisecond), TimeSpan.Zero);

    private static byte[] ToEntry(AuditEvent e, long index, DateTimeOffset time) =>
        CanonicalJson.Serialize(new AuditEntry(AuditEntry.CurrentFormat, e.Log, index, time, e.Action, e.Outcome, e.Actor, e.Subject, e.Origin, e.Reason, e.Details));

    private async Task<AuditHead> ReadHeadAsync(string log, string partition) =>
        AuditHead.From(log, await rows.FindAsync(RowTable.Audit, partition, AuditRows.HeadKey, CancellationToken.None));

    private async Task<bool> IsWrittenAsync(string partition, long firstIndex, string group) =>
        await rows.FindAsync(RowTable.Audit, partition, AuditRows.EntryKey(firstIndex), CancellationToken.None) is { } row && row.Text(AuditRows.Group) == group;

    /// <summary>Tells those of the group their place whose <see cref="AuditEvent.Once"/> has an entry already.</summary>
    private async Task<bool> CompleteRepeatedAsync(string log, string partition, Group group)
    {
        ILookup<string, Pending> once = group.Places.Select(place => place.Pending).Where(pending => pending.Event.Once is not null).ToLookup(pending => AuditRows.OnceKey(pending.Event.Once!));
        Row?[] found = await Task.WhenAll(once.Select(same => rows.FindAsync(RowTable.Audit, partition, same.Key, CancellationToken.None)));
        foreach (Row row in found.OfType<Row>())
        {
            foreach (Pending pending in once[row.Key])
            {
                pending.Complete(new AuditPlace(log, row.Number(AuditRows.Index)!.Value));
            }
        }

        return found.Any(row => row is not null);
    }

    /// <summary>Up to 2, 4, 8 ... 256 ms, so that writers who met once do not meet again.</summary>
    private static Task BackOffAsync(int attempt)
    {
#pragma warning disable MA0166 // Not the time that is handed in: how long writers step aside is no part of what they write, and a test's clock stands still.
        return Task.Delay(RandomNumberGenerator.GetInt32(2 << Math.Min(attempt, 7)), CancellationToken.None);
#pragma warning restore MA0166
    }

    /// <summary>One transaction's worth of appends.</summary>
    private sealed record Group(string Id, AuditHead Head, IReadOnlyList<RowWrite> Writes, IReadOnlyList<(Pending Pending, long Index)> Places)
    {
        public void Complete(string log)
        {
            foreach ((Pending pending, long index) in Places)
            {
                pending.Complete(new AuditPlace(log, index));
            }
        }
    }

    /// <summary>An append that waits.</summary>
    private sealed class Pending(AuditEvent entry, CancellationToken cancellation)
    {
        private readonly TaskCompletionSource<AuditPlace> _place = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public AuditEvent Event => entry;

        public Task<AuditPlace> Place => _place.Task;

        public bool Abandoned => cancellation.IsCancellationRequested;

        public void Complete(AuditPlace place) => _place.TrySetResult(place);

        public void Fail(Exception e) => _place.TrySetException(e);
    }
}

/// <summary>What lies in storage is no log that this service wrote. Appending to it stops: docs/audit.md says what to do.</summary>
public sealed class AuditLogDamagedException(string log, string what, Exception? inner = null)
    : Exception($"The audit log of {log} was changed in storage: {what}. See \"When a log is damaged\" in docs/audit.md.", inner)
{
    /// <summary>The log.</summary>
    public string Log { get; } = log;
}

/// <summary>Other writers won the head too many times in a row. Nothing was written; try again.</summary>
public sealed class AuditLogContendedException(string log) : Exception($"Too many writers append to the audit log of {log} at once. Try again.");

/// <summary>The entry was not written: the reason or the details are too long. Limit them where they enter.</summary>
public sealed class AuditEntryTooLargeException(string log, int most) : Exception($"An entry of the audit log of {log} has more than {most} bytes. Limit its reason and its details where they enter.");
