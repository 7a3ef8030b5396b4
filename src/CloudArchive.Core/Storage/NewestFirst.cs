namespace CloudArchive.Core.Storage;

/// <summary>Lists of what has its time in its key, from the end.</summary>
public static class NewestFirst
{
    /// <summary>Before it spans do not grow any more: all that is older comes together, a page at a time. Older than any image.</summary>
    private static readonly DateTimeOffset s_beginning = new(1970, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly TimeSpan s_shortest = TimeSpan.FromDays(1);

    /// <summary>
    /// Up to <paramref name="take"/> that can be read, the newest first. Table Storage reads forward only: so this asks for one span of time after the other,
    /// backwards, each four times as long as the one behind it: an empty list takes six queries.
    /// </summary>
    /// <param name="rows">The tables.</param>
    /// <param name="table">The table.</param>
    /// <param name="partition">The partition.</param>
    /// <param name="prefix">What the keys begin with, before the time.</param>
    /// <param name="keyAt">What comes behind the prefix: a key that sorts before every one of that time and later.</param>
    /// <param name="before">The last one of the page before, without the prefix; null for the first page.</param>
    /// <param name="until">The time of <paramref name="before"/>, or now.</param>
    /// <param name="take">How many.</param>
    /// <param name="read">Reads a row.</param>
    /// <param name="cancellationToken">Stops.</param>
    /// <param name="within">Only of these keys; null: of all with the prefix.</param>
    public static async Task<IReadOnlyList<T>> ReadNewestAsync<T>(
        this IRowStore rows,
        RowTable table,
        string partition,
        string prefix,
        Func<DateTimeOffset, string> keyAt,
        string? before,
        DateTimeOffset until,
        int take,
        Func<Row, T> read,
        CancellationToken cancellationToken,
        RowRange? within = null)
        where T : class
    {
        List<T> found = [];
        RowRange rest = within ?? RowRange.Prefix(prefix);
        if (before is not null)
        {
            rest = rest with { To = prefix + before };
        }

        // A key has no more of its time than keyAt says, and clocks differ: a day more costs nothing.
        until += s_shortest;
        for (TimeSpan span = TimeSpan.FromDays(30); found.Count < take; span *= 4)
        {
            string from = until - s_beginning <= span ? rest.From : prefix + keyAt(until - span);
            bool last = string.CompareOrdinal(from, rest.From) <= 0;
            RowRange some = last ? rest : rest with { From = from };
            IReadOnlyList<Row> page = await rows.QueryAsync(table, partition, some, RowStoreExtensions.MostRows, cancellationToken);
            if (page.Count == RowStoreExtensions.MostRows && span > s_shortest)
            {
                // There are more, and they are newer than these.
                span = TimeSpan.FromTicks(Math.Max(s_shortest.Ticks, span.Ticks / 16)) / 4;
                continue;
            }

            if (page.Count == RowStoreExtensions.MostRows)
            {
                page = await rows.ReadAllAsync(table, partition, some, cancellationToken).ToListAsync(cancellationToken);
            }

            found.AddRange(DamagedRow.ReadEach(page.Reverse(), read).Take(take - found.Count));
            if (last)
            {
                break;
            }

            (rest, until) = (rest with { To = some.From }, until - span);
        }

        return found;
    }
}
