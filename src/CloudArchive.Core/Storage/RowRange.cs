namespace CloudArchive.Core.Storage;

/// <summary>A range of row keys: <paramref name="From"/> &lt;= key &lt; <paramref name="To"/>, ordinally.</summary>
public readonly record struct RowRange(string From, string To)
{
    /// <summary>Every key.</summary>
    public static RowRange All { get; } = new("!", "~");

    /// <summary>Every key with this prefix.</summary>
    public static RowRange Prefix(string prefix) => new(prefix, End(prefix));

    /// <summary>Every key with this prefix that comes after <c>prefix + after</c> and is no longer form of it.</summary>
    /// <remarks>
    /// '!' sorts before every character that keys are made of (digits, letters, '-', '.', ':'), so the range begins right behind the
    /// key itself.
    /// </remarks>
    public static RowRange After(string prefix, string? after) => new(after is null ? prefix : prefix + after + "!", End(prefix));

    private static string End(string prefix) => prefix[..^1] + (char)(prefix[^1] + 1);
}

/// <summary>Queries over a <see cref="RowRange"/>.</summary>
public static class RowStoreExtensions
{
    /// <summary>At most this many rows come with one query of Table Storage.</summary>
    public const int MostRows = 1000;

    /// <summary>One query: see <see cref="IRowStore.QueryAsync"/>. None for a range that ends before it begins.</summary>
    public static async Task<IReadOnlyList<Row>> QueryAsync(this IRowStore rows, RowTable table, string partition, RowRange range, int take, CancellationToken cancellationToken) =>
        string.CompareOrdinal(range.From, range.To) < 0 ? await rows.QueryAsync(table, partition, range.From, range.To, take, cancellationToken) : [];

    /// <summary>All rows of a range, in order, query by query of so many rows.</summary>
    public static async IAsyncEnumerable<Row> ReadAllAsync(
        this IRowStore rows,
        RowTable table,
        string partition,
        RowRange range,
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken,
        int rowsAtOnce = MostRows)
    {
        while (string.CompareOrdinal(range.From, range.To) < 0)
        {
            IReadOnlyList<Row> page = await rows.QueryAsync(table, partition, range, rowsAtOnce, cancellationToken);
            foreach (Row row in page)
            {
                yield return row;
            }

            if (page.Count < rowsAtOnce)
            {
                yield break;
            }

            range = range with { From = page[^1].Key + "!" };
        }
    }

    /// <summary>Deletes rows that were read. False where one of them has changed since; then nothing was deleted.</summary>
    public static async Task<bool> TryDeleteAsync(this IRowStore rows, RowTable table, string partition, IReadOnlyList<Row> gone, CancellationToken cancellationToken)
    {
        if (gone.Count == 0)
        {
            return true;
        }

        try
        {
            await rows.SubmitAsync(table, partition, [.. gone.Select(row => new RowWrite.Delete(row.Key, row.ETag!))], cancellationToken);
            return true;
        }
        catch (RowConflictException)
        {
            return false;
        }
    }

    /// <summary>
    /// The same for rows on which nothing hangs: where one has changed, they stay, and whoever sweeps meets them again. Where anything hangs on their
    /// being gone, <see cref="TryDeleteAsync"/>, whose answer is not to be thrown away (a test looks).
    /// </summary>
    public static async Task DeleteUnchangedAsync(this IRowStore rows, RowTable table, string partition, IReadOnlyList<Row> gone, CancellationToken cancellationToken) =>
        _ = await rows.TryDeleteAsync(table, partition, gone, cancellationToken);
}

/// <summary>Rows have no nulls.</summary>
internal static class RowValues
{
    public static void AddUnlessNull(this Dictionary<string, object> values, string name, object? value)
    {
        if (value is not null)
        {
            values[name] = value;
        }
    }
}
