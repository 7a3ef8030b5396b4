using CloudArchive.Core.Audit;
using CloudArchive.Core.Catalog;
using CloudArchive.Core.Packs;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Packs;

namespace CloudArchive.Core.Losses;

/// <summary>A receipt that names an entry of the log which is not its pack's.</summary>
/// <param name="Pack">The pack.</param>
/// <param name="Index">The entry that the receipt names.</param>
/// <param name="Other">Whose commit stands there; null where it is none, or the log ends before.</param>
public sealed record MissingEntry(PackId Pack, long Index, PackId? Other);

/// <summary>
/// Compares receipts with the log. Each names the entry of its commit; a log that lost its last entries and went on (a table store that died before it
/// wrote to the disk, or was put back from a copy) verifies like any other, but then has others there. The receipts, in immutable storage and with the
/// agents, still say what was.
/// </summary>
public sealed class CommitEntries(AuditReader reader, CatalogReader catalog, IBlobVault vault, ReceiptIssuer receipts)
{
    private const string Extension = ".receipt.jws";

    /// <summary>The clinic's receipts that name entries which are not theirs, and were not entered again since. Reads the log whole.</summary>
    /// <exception cref="IntegrityException">None is known to, and of some it cannot be told: their receipts are there and cannot be read.</exception>
    public async Task<IReadOnlyList<MissingEntry>> FindMissingAsync(ClinicId clinic, CancellationToken cancellationToken)
    {
        // The receipts first: an entry is there before its receipt is.
        Dictionary<PackId, long> named = [];
        List<PackId> untold = [];
        await foreach ((PackId id, CatalogPack? pack) in catalog.ReadKnownPacksAsync(clinic, cancellationToken))
        {
            if (pack is { Receipt: not null, AuditIndex: { } index })
            {
                named[id] = index;
            }
        }

        await foreach (ListedBlob blob in vault.ListAsync(VaultArea.Packs, $"{clinic}/", null, cancellationToken))
        {
            string name = blob.Name.Path[(clinic.Value.Length + 1)..];
            if (!name.EndsWith(Extension, StringComparison.Ordinal) || !PackId.TryParse(name[..^Extension.Length], null, out PackId pack) || named.ContainsKey(pack))
            {
                continue;
            }

            if (await IndexAsync(clinic, pack, cancellationToken) is { } index)
            {
                named[pack] = index;
            }
            else
            {
                untold.Add(pack);
            }
        }

        Dictionary<long, PackId> committed = [];
        HashSet<PackId> again = [];
        for (long next = 0; ;)
        {
            IReadOnlyList<StoredEntry> page = await reader.ReadAsync(clinic.Value, next, AuditReader.LargestRead, cancellationToken);
            foreach (StoredEntry stored in page)
            {
                next = stored.Index + 1;
                if (Committed(stored) is { } pack)
                {
                    committed[stored.Index] = pack;
                }
                else if (stored.Json.Contains(AuditActions.PackReentered, StringComparison.Ordinal) && stored.TryRead() is { Action: AuditActions.PackReentered } entry && PackId.TryParse(entry.Subject.Pack, null, out PackId reentered))
                {
                    again.Add(reentered);
                }
            }

            if (page.Count < AuditReader.LargestRead)
            {
                break;
            }
        }

        List<MissingEntry> missing = [];
        foreach ((PackId pack, _) in named.Where(named => !again.Contains(named.Key) && !(committed.TryGetValue(named.Value, out PackId there) && there == named.Key)))
        {
            // A row of the catalogue that was changed is the restore tests' to find: here it is the receipt that counts.
            if (await IndexAsync(clinic, pack, cancellationToken) is not { } stated)
            {
                untold.Add(pack);
            }
            else if (!(committed.TryGetValue(stated, out PackId at) && at == pack))
            {
                missing.Add(new MissingEntry(pack, stated, committed.TryGetValue(stated, out PackId other) ? other : null));
            }
        }

        // One that cannot be read says neither that the log lost its entry nor that it did not: "not checked", unless it is known of another.
        return missing.Count > 0 || untold.Count == 0
            ? [.. missing.OrderBy(entry => entry.Index)]
            : throw new IntegrityException($"Receipts of {untold.Count} packs of clinic {clinic} cannot be read, the first is of pack {untold[0]}: whether the log lost their entries is not known.");
    }

    /// <summary>Whether the entry that a receipt names is the entry of its pack.</summary>
    public async Task<bool> IsThereAsync(Receipt receipt, CancellationToken cancellationToken) =>
        await reader.ReadAsync(receipt.Clinic.Value, receipt.AuditIndex, 1, cancellationToken) is [var stored] && stored.Index == receipt.AuditIndex && Committed(stored) == receipt.Pack;

    private static PackId? Committed(StoredEntry stored) =>
        stored.Json.Contains(AuditActions.PackCommitted, StringComparison.Ordinal)
        && stored.TryRead() is { Action: AuditActions.PackCommitted, Outcome: AuditOutcome.Success, Subject.Pack: { } id } && PackId.TryParse(id, null, out PackId pack) ? pack : null;

    private async Task<long?> IndexAsync(ClinicId clinic, PackId pack, CancellationToken cancellationToken)
    {
        try
        {
            return (await receipts.FindAsync(BlobName.Receipt(clinic, pack), cancellationToken))?.Receipt.AuditIndex;
        }
        catch (Exception e) when (e is IntegrityException or BlobMissingException)
        {
            return null; // No answer. Whoever asked counts it as one that was not given.
        }
    }
}
