using System.Text.Json;

namespace CloudArchive.Core.Storage;

/// <summary>
/// A row that says what cannot be: somebody changed it past the service, or storage did. It is one item's failure, and whoever reads many rows goes on
/// with the others.
/// </summary>
public static class DamagedRow
{
    /// <summary>Whether reading a row ended so because of what it says.</summary>
    public static bool Is(Exception error) =>
        error is FormatException or InvalidCastException or InvalidOperationException or IndexOutOfRangeException or ArgumentException or NullReferenceException or JsonException;

    /// <summary>What a row says.</summary>
    /// <exception cref="IntegrityException">It says what cannot be. Names the row.</exception>
    public static T Read<T>(Row row, Func<Row, T> read)
    {
        try
        {
            return read(row);
        }
        catch (Exception e) when (Is(e))
        {
            throw new IntegrityException($"Row {row.Key} of {row.Partition} says what cannot be: it was changed past the service. See docs/operations.md, integrity.", e);
        }
    }

    /// <summary>What each row says that can be read; <paramref name="damaged"/> takes the others.</summary>
    public static IEnumerable<T> ReadEach<T>(IEnumerable<Row> rows, Func<Row, T> read, Action<Row>? damaged = null)
        where T : class
    {
        foreach (Row row in rows)
        {
            T? value;
            try
            {
                value = read(row);
            }
            catch (Exception e) when (Is(e) || e is IntegrityException)
            {
                ArchiveMetrics.RowsDamaged.Add(1);
                damaged?.Invoke(row);
                continue;
            }

            yield return value;
        }
    }

    /// <summary>Up to <paramref name="take"/> of a range that can be read: fewer only where the range ends.</summary>
    public static async Task<IReadOnlyList<T>> ReadPageAsync<T>(
        this IRowStore rows, RowTable table, string partition, RowRange range, int take, Func<Row, T> read, CancellationToken cancellationToken, Action<Row>? damaged = null)
        where T : class
    {
        List<T> page = [];
        while (true)
        {
            int wanted = take - page.Count;
            IReadOnlyList<Row> some = await rows.QueryAsync(table, partition, range, wanted, cancellationToken);
            page.AddRange(ReadEach(some, read, damaged));
            if (page.Count == take || some.Count < wanted)
            {
                return page;
            }

            range = range with { From = some[^1].Key + "!" };
        }
    }
}
