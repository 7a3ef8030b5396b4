using System.Globalization;
using System.Runtime.CompilerServices;
using CloudArchive.Azure.Tables;
using CloudArchive.Core.Storage;

namespace CloudArchive.Core.Tests.Audit;

/// <summary>A row store in memory that keeps the contract's rules (it passes the contract suite) and counts its calls. Rows can be changed behind the service's back.</summary>
internal sealed class MemoryRowStore : IRowStore
{
    private readonly Lock _gate = new();
    private readonly Dictionary<(RowTable, string), SortedList<string, Row>> _partitions = [];
    private long _version;

    /// <summary>Finds and queries so far.</summary>
    public int Reads { get; private set; }

    /// <summary>Transactions so far, the refused ones too.</summary>
    public int Submits { get; private set; }

    public Task EnsureReadyAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task<Row?> FindAsync(RowTable table, string partition, string key, CancellationToken cancellationToken)
    {
        RowRules.CheckKey(partition);
        RowRules.CheckKey(key);
        lock (_gate)
        {
            Reads++;
            return Task.FromResult(_partitions.TryGetValue((table, partition), out SortedList<string, Row>? rows) && rows.TryGetValue(key, out Row? row) ? row : null);
        }
    }

    public Task<IReadOnlyList<Row>> QueryAsync(RowTable table, string partition, string from, string to, int take, CancellationToken cancellationToken)
    {
        RowRules.CheckKey(partition);
        RowRules.CheckBound(from);
        RowRules.CheckBound(to);
        ArgumentOutOfRangeException.ThrowIfNegative(take);
        lock (_gate)
        {
            Reads++;
            List<Row> found = [];
            if (_partitions.TryGetValue((table, partition), out SortedList<string, Row>? rows))
            {
                for (int i = FirstAtOrAfter(rows.Keys, from); i < rows.Count && found.Count < take && string.CompareOrdinal(rows.Keys[i], to) < 0; i++)
                {
                    found.Add(rows.Values[i]);
                }
            }

            return Task.FromResult<IReadOnlyList<Row>>(found);
        }
    }

    public async IAsyncEnumerable<string> PartitionsAsync(RowTable table, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        List<string> names;
        lock (_gate)
        {
            names = [.. _partitions.Where(p => p.Key.Item1 == table && p.Value.Count > 0).Select(p => p.Key.Item2).Order(StringComparer.Ordinal)];
        }

        foreach (string name in names)
        {
            yield return await Task.FromResult(name);
        }
    }

    public Task<IReadOnlyList<string>> SubmitAsync(RowTable table, string partition, IReadOnlyList<RowWrite> writes, CancellationToken cancellationToken)
    {
        RowRules.CheckKey(partition);
        foreach (RowWrite write in writes)
        {
            RowRules.CheckKey(write.Key);
            foreach ((string name, object value) in ValuesOf(write) ?? new Dictionary<string, object>())
            {
                RowRules.CheckValue(name, value);
            }
        }

        if (writes.Count is 0 or > 100 || writes.DistinctBy(write => write.Key).Count() != writes.Count)
        {
            throw new ArgumentException("1 to 100 writes, one a key.", nameof(writes));
        }

        lock (_gate)
        {
            Submits++;
            if (!_partitions.TryGetValue((table, partition), out SortedList<string, Row>? rows))
            {
                _partitions[(table, partition)] = rows = new SortedList<string, Row>(StringComparer.Ordinal);
            }

            foreach (RowWrite write in writes)
            {
                string? etag = rows.TryGetValue(write.Key, out Row? row) ? row.ETag : null;
                bool fits = write switch
                {
                    RowWrite.Insert => etag is null,
                    RowWrite.Replace replace => etag == replace.ETag,
                    RowWrite.Delete delete => etag == delete.ETag,
                    _ => true,
                };
                if (!fits)
                {
                    throw new RowConflictException(table, partition, write.Key);
                }
            }

            List<string> etags = [];
            foreach (RowWrite write in writes)
            {
                string etag = (++_version).ToString(CultureInfo.InvariantCulture);
                if (ValuesOf(write) is not { } values)
                {
                    rows.Remove(write.Key);
                    etags.Add("");
                }
                else
                {
                    rows[write.Key] = new Row(partition, write.Key, new Dictionary<string, object>(values), etag);
                    etags.Add(etag);
                }
            }

            return Task.FromResult<IReadOnlyList<string>>(etags);
        }
    }

    /// <summary>What is there now, for <see cref="PutBack"/>.</summary>
    public object Copy()
    {
        lock (_gate)
        {
            return _partitions.ToDictionary(partition => partition.Key, partition => new SortedList<string, Row>(partition.Value, StringComparer.Ordinal));
        }
    }

    /// <summary>Everything as it was when it was copied: as after a store died before it wrote to the disk.</summary>
    public void PutBack(object copy)
    {
        lock (_gate)
        {
            _partitions.Clear();
            foreach (((RowTable, string) partition, SortedList<string, Row> rows) in (Dictionary<(RowTable, string), SortedList<string, Row>>)copy)
            {
                _partitions[partition] = rows;
            }
        }
    }

    /// <summary>Puts a row as somebody with the storage account's key would, or takes it away (null).</summary>
    public void Tamper(RowTable table, string partition, string key, IReadOnlyDictionary<string, object>? values)
    {
        lock (_gate)
        {
            SortedList<string, Row> rows = _partitions[(table, partition)];
            rows.Remove(key);
            if (values is not null)
            {
                rows.Add(key, new Row(partition, key, values, "tampered" + ++_version));
            }
        }
    }

    private static IReadOnlyDictionary<string, object>? ValuesOf(RowWrite write) => write switch
    {
        RowWrite.Insert insert => insert.Values,
        RowWrite.Replace replace => replace.Values,
        RowWrite.Upsert upsert => upsert.Values,
        _ => null,
    };

    private static int FirstAtOrAfter(IList<string> keys, string from)
    {
        int low = 0, high = keys.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            (low, high) = string.CompareOrdinal(keys[middle], from) < 0 ? (middle + 1, high) : (low, middle);
        }

        return low;
    }
}
