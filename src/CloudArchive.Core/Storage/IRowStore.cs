namespace CloudArchive.Core.Storage;

/// <summary>The tables, each with its partitioning in docs/formats.md.</summary>
public enum RowTable
{
    /// <summary>Clinics, agents, enrollment codes.</summary>
    Clinics,

    /// <summary>Packs, studies, instances: an index, rebuilt from sidecars.</summary>
    Catalog,

    /// <summary>Logs: head, entries, tiles.</summary>
    Audit,

    /// <summary>Restores, restore tests, operations in flight.</summary>
    Work,
}

/// <summary>A row. Property values are string, long, bool, DateTimeOffset or byte[] (64 KiB at most each, 1 MiB a row).</summary>
/// <param name="Partition">No '/', '\', '#', '?' or control character.</param>
/// <param name="Key">The same; unique in its partition; rows are ordered by it, ordinally.</param>
/// <param name="Values">Names are C# identifiers; absent is null.</param>
/// <param name="ETag">As last read; null in a row that was not read.</param>
public sealed record Row(string Partition, string Key, IReadOnlyDictionary<string, object> Values, string? ETag = null)
{
    /// <summary>The string value, or null.</summary>
    public string? Text(string name) => Values.TryGetValue(name, out object? value) ? (string)value : null;

    /// <summary>The number, or null.</summary>
    public long? Number(string name) => Values.TryGetValue(name, out object? value) ? (long)value : null;

    /// <summary>The truth value; absent is false.</summary>
    public bool Flag(string name) => Values.TryGetValue(name, out object? value) && (bool)value;

    /// <summary>The time, or null.</summary>
    public DateTimeOffset? Time(string name) => Values.TryGetValue(name, out object? value) ? (DateTimeOffset)value : null;

    /// <summary>The bytes, or null.</summary>
    public byte[]? Bytes(string name) => Values.TryGetValue(name, out object? value) ? (byte[])value : null;
}

/// <summary>One write of a transaction.</summary>
public abstract record RowWrite(string Key)
{
    /// <summary>Inserts; the transaction fails with <see cref="RowConflictException"/> where the key exists.</summary>
    public sealed record Insert(string Key, IReadOnlyDictionary<string, object> Values) : RowWrite(Key);

    /// <summary>Replaces the row that had this ETag; <see cref="RowConflictException"/> where it has another or is gone.</summary>
    public sealed record Replace(string Key, IReadOnlyDictionary<string, object> Values, string ETag) : RowWrite(Key);

    /// <summary>Inserts or replaces, whatever is there. Only for rows that any writer would write the same.</summary>
    public sealed record Upsert(string Key, IReadOnlyDictionary<string, object> Values) : RowWrite(Key);

    /// <summary>Deletes the row that had this ETag; <see cref="RowConflictException"/> where it has another or is gone.</summary>
    public sealed record Delete(string Key, string ETag) : RowWrite(Key);
}

/// <summary>Table storage. Durable on return; reads see every write that returned.</summary>
public interface IRowStore
{
    /// <summary>Makes the tables where missing.</summary>
    Task EnsureReadyAsync(CancellationToken cancellationToken);

    /// <summary>One row, or null.</summary>
    Task<Row?> FindAsync(RowTable table, string partition, string key, CancellationToken cancellationToken);

    /// <summary>Up to <paramref name="take"/> rows with <paramref name="from"/> &lt;= key &lt; <paramref name="to"/>, in ordinal order of their keys. One query.</summary>
    Task<IReadOnlyList<Row>> QueryAsync(RowTable table, string partition, string from, string to, int take, CancellationToken cancellationToken);

    /// <summary>The partitions of a table, in order. Reads the table: for the scheduled functions, not for requests.</summary>
    IAsyncEnumerable<string> PartitionsAsync(RowTable table, CancellationToken cancellationToken);

    /// <summary>
    /// All of the writes or none of them (an entity group transaction): 1 to 100, one a key, 4 MiB. Returns the new ETags in order
    /// (the empty string for a delete). <see cref="RowConflictException"/> names the write that did not fit.
    /// </summary>
    Task<IReadOnlyList<string>> SubmitAsync(RowTable table, string partition, IReadOnlyList<RowWrite> writes, CancellationToken cancellationToken);
}

/// <summary>A row was there that must not be, or had changed since it was read. Nothing was written.</summary>
public sealed class RowConflictException(RowTable table, string partition, string? key, Exception? inner = null)
    : Exception($"A write to {table} conflicts with another: partition {partition}, row {key}.", inner)
{
    /// <summary>The key of the write that did not fit, where storage says which.</summary>
    public string? Key { get; } = key;
}
