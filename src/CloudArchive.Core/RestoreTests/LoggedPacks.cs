using System.Globalization;
using System.Runtime.CompilerServices;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Retention;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.RestoreTests;

/// <summary>A pack as the entry of its commit has it.</summary>
public sealed record LoggedPack(PackId Pack, Uid Study, long Bytes, DateTimeOffset CommittedAt, int Instances = 1);

/// <summary>
/// What the audit log says is in the archive. Catalogue and storage can lose a pack without a trace; the log, which every clinic witnesses, cannot.
/// </summary>
public sealed class LoggedPacks(AuditReader reader, AuditSearch search, DestructionDesk destructions)
{
    // Hosts' clocks differ, and an entry may be older than the run that it is compared with.
    private static readonly TimeSpan s_skew = TimeSpan.FromHours(1);

    /// <summary>Every pack of a clinic that was committed, and whose study was not destroyed after that. Reads the log whole.</summary>
    public async Task<IReadOnlyCollection<LoggedPack>> ReadAsync(ClinicId clinic, CancellationToken cancellationToken)
    {
        Dictionary<Uid, Dictionary<PackId, LoggedPack>> studies = [];
        await foreach ((LoggedPack? pack, Uid? destroyed) in ReadEntriesAsync(clinic, cancellationToken))
        {
            if (pack is not null)
            {
                (studies.TryGetValue(pack.Study, out Dictionary<PackId, LoggedPack>? packs) ? packs : studies[pack.Study] = []).TryAdd(pack.Pack, pack);
            }
            else if (destroyed is { } study)
            {
                studies.Remove(study);
            }
        }

        return [.. studies.Values.SelectMany(packs => packs.Values)];
    }

    /// <summary>Of some packs, what the first entries of their commits say, be they destroyed since or not. Reads the log as far as it has to.</summary>
    public async Task<IReadOnlyDictionary<PackId, LoggedPack>> FindAsync(ClinicId clinic, IReadOnlySet<PackId> packs, CancellationToken cancellationToken)
    {
        Dictionary<PackId, LoggedPack> found = [];
        await foreach ((LoggedPack? pack, _) in ReadEntriesAsync(clinic, cancellationToken))
        {
            if (pack is not null && packs.Contains(pack.Pack) && found.TryAdd(pack.Pack, pack) && found.Count == packs.Count)
            {
                break;
            }
        }

        return found;
    }

    /// <summary>Whether a pack's study was destroyed since <paramref name="since"/>, or is being destroyed.</summary>
    public async Task<bool> IsDestroyedAsync(ClinicId clinic, PackId pack, DateTimeOffset since, CancellationToken cancellationToken)
    {
        AuditFilter destroyed = new(From: since - s_skew, Action: AuditActions.StudyDestroyed);
        HashSet<Uid> gone = [.. (await FindAsync(clinic, destroyed, cancellationToken).Select(Destroyed).ToListAsync(cancellationToken)).OfType<Uid>()];
        gone.UnionWith((await destructions.OpenAsync(clinic, cancellationToken)).Where(order => order.Status == DestructionStatus.Destroying).Select(order => order.Study));

        // The study of a pack whose every trace is gone: in the entry of its commit, which is not long after its id was made; or, where the log lost that one, in
        // the one that it was entered again by, whenever that was.
        return gone.Count > 0
            && await FindAsync(clinic, new AuditFilter(From: pack.CreatedAt - s_skew), cancellationToken)
                .Select(stored => stored.TryRead() is { } entry ? Committed(entry) : null)
                .FirstOrDefaultAsync(committed => committed?.Pack == pack, cancellationToken) is { } found
            && gone.Contains(found.Study);
    }

    /// <summary>The packs that came and the studies that were destroyed, in the log's order. One that cannot be read is passed over: the log's check tells of it.</summary>
    private async IAsyncEnumerable<(LoggedPack? Pack, Uid? Destroyed)> ReadEntriesAsync(ClinicId clinic, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        IReadOnlyList<StoredEntry> page;
        long next = 0;
        do
        {
            page = await reader.ReadAsync(clinic.Value, next, AuditReader.LargestRead, cancellationToken);
            foreach (StoredEntry stored in page)
            {
                next = stored.Index + 1;

                // Most entries are about something else: not parsed.
                if (AuditActions.BringsPack(stored.Json) && stored.TryRead() is { } entry && Committed(entry) is { } pack)
                {
                    yield return (pack, null);
                }
                else if (stored.Json.Contains(AuditActions.StudyDestroyed, StringComparison.Ordinal) && Destroyed(stored) is { } study)
                {
                    yield return (null, study);
                }
            }
        }
        while (page.Count == AuditReader.LargestRead);
    }

    private async IAsyncEnumerable<StoredEntry> FindAsync(ClinicId clinic, AuditFilter filter, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        long? after = null;
        do
        {
            (IReadOnlyList<StoredEntry> entries, after) = await search.FindAsync(clinic.Value, filter, after, AuditReader.LargestRead, cancellationToken);
            foreach (StoredEntry entry in entries)
            {
                yield return entry;
            }
        }
        while (after is not null);
    }

    private static Uid? Destroyed(StoredEntry stored) =>
        stored.TryRead() is { Action: AuditActions.StudyDestroyed, Outcome: AuditOutcome.Success, Subject.Study: { } uid } && Uid.TryParse(uid, null, out Uid study) ? study : null;

    private static LoggedPack? Committed(AuditEntry entry) =>
        entry is { Action: AuditActions.PackCommitted or AuditActions.PackReentered, Outcome: AuditOutcome.Success, Subject: { Pack: { } id, Study: { } uid } }
        && PackId.TryParse(id, null, out PackId pack)
        && Uid.TryParse(uid, null, out Uid study)
            ? new LoggedPack(pack, study, Number(entry, "bytes") ?? 0, entry.Time, (int)(Number(entry, "instances") ?? 1))
            : null;

    private static long? Number(AuditEntry entry, string detail) =>
        entry.Details is { } details && details.TryGetValue(detail, out string? text) && long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long number) ? number : null;
}
