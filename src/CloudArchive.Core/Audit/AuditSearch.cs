using System.Runtime.CompilerServices;
using System.Text;
using CloudArchive.Format;
using CloudArchive.Format.Audit;

namespace CloudArchive.Core.Audit;

/// <summary>Which entries are wanted. Null: any.</summary>
/// <param name="From">Not before.</param>
/// <param name="To">Before.</param>
/// <param name="Action">The action; or its beginning, where it ends in '/'.</param>
/// <param name="Actor">The actor's id; or a person's object id alone, as entries before <see cref="Access.StaffId"/> have it.</param>
public sealed record AuditFilter(DateTimeOffset? From = null, DateTimeOffset? To = null, string? Action = null, string? Actor = null)
{
    internal bool Fits(AuditEntry entry) =>
        (From is null || entry.Time >= From)
        && (Action is null || (Action.EndsWith('/') ? entry.Action.StartsWith(Action, StringComparison.Ordinal) : entry.Action == Action))
        && (Actor is null || entry.Actor.Id == Actor || entry.Actor.Id.StartsWith(Actor + "@", StringComparison.Ordinal));
}

/// <summary>Finds entries. A log is ordered by time, so a time is found by halving; all else is read through, in portions.</summary>
public sealed class AuditSearch(AuditReader reader)
{
    /// <summary>How many entries a call reads at most; one that has not enough by then says where to go on.</summary>
    private const int LargestScan = 5 * AuditReader.LargestRead;

    /// <summary>
    /// Up to <paramref name="take"/> entries after the index <paramref name="after"/>, and the index to go on after, or null at the end. What cannot be
    /// read as an entry is always among them: whoever searches is to see it.
    /// </summary>
    public async Task<(IReadOnlyList<StoredEntry> Entries, long? Next)> FindAsync(string log, AuditFilter filter, long? after, int take, CancellationToken cancellationToken)
    {
        long next = after is { } last ? last + 1 : filter.From is { } from ? await FirstAtOrAfterAsync(log, from, cancellationToken) : 0;
        List<StoredEntry> found = [];
        for (int scanned = 0; scanned < LargestScan;)
        {
            IReadOnlyList<StoredEntry> page = await reader.ReadAsync(log, next, AuditReader.LargestRead, cancellationToken);
            foreach (StoredEntry stored in page)
            {
                AuditEntry? entry = stored.TryRead();
                if (entry is not null && filter.To is { } to && entry.Time >= to)
                {
                    return (found, null);
                }

                if (entry is null || filter.Fits(entry))
                {
                    found.Add(stored);
                    if (found.Count == take)
                    {
                        return (found, stored.Index);
                    }
                }

                next = stored.Index + 1;
            }

            if (page.Count < AuditReader.LargestRead)
            {
                return (found, null);
            }

            scanned += page.Count;
        }

        return (found, next - 1);
    }

    /// <summary>Every entry of a time, <paramref name="from"/> included and <paramref name="to"/> not, as far as the log goes now; for who reads to the end, checked against the log's tree.</summary>
    /// <exception cref="AuditLogDamagedException">
    /// One is missing, cannot be read, or (at the end) is not the one that the tree was made of: whoever adds up is not to be given other than there was.
    /// </exception>
    public async IAsyncEnumerable<AuditEntry> ReadAsync(string log, DateTimeOffset from, DateTimeOffset to, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        long size = (await reader.GetHeadAsync(log, cancellationToken)).Size, first = await FirstAtOrAfterAsync(log, from, cancellationToken);
        CompactRange tree = await reader.RangeAtAsync(log, first, cancellationToken);
        for (bool more = true; more && tree.Size < size;)
        {
            IReadOnlyList<StoredEntry> page = await reader.ReadAsync(log, tree.Size, (int)Math.Min(size - tree.Size, AuditReader.LargestRead), cancellationToken);
            if (page.Count == 0)
            {
                throw new AuditLogDamagedException(log, $"entry {tree.Size} is missing");
            }

            foreach (StoredEntry stored in page)
            {
                AuditEntry entry = (stored.Index == tree.Size ? stored.TryRead() : throw new AuditLogDamagedException(log, $"entry {tree.Size} is missing"))
                    ?? throw new AuditLogDamagedException(log, $"entry {tree.Size} cannot be read");
                if (entry.Time >= to)
                {
                    more = false;
                    break;
                }

                yield return entry;
                tree.Append(Merkle.LeafHash(Encoding.UTF8.GetBytes(stored.Json)));
            }
        }

        if (tree.Root != await reader.RootAtAsync(log, tree.Size, cancellationToken))
        {
            throw new AuditLogDamagedException(log, $"of the entries {first} to {tree.Size - 1} one is not what was appended");
        }
    }

    private async Task<long> FirstAtOrAfterAsync(string log, DateTimeOffset time, CancellationToken cancellationToken)
    {
        long low = 0, high = (await reader.GetHeadAsync(log, cancellationToken)).Size;
        while (low < high)
        {
            long middle = low + ((high - low) / 2);
            IReadOnlyList<StoredEntry> at = await reader.ReadAsync(log, middle, 1, cancellationToken);
            if (at.Count == 0 || (at[0].TryRead()?.Time ?? DateTimeOffset.MaxValue) >= time)
            {
                high = middle;
            }
            else
            {
                low = middle + 1;
            }
        }

        return low;
    }
}
