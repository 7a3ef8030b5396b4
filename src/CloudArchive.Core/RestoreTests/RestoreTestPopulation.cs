using CloudArchive.Core.Catalog;
using CloudArchive.Core.Losses;
using CloudArchive.Core.Packs;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Evidence;
using CloudArchive.Format.Packs;

namespace CloudArchive.Core.RestoreTests;

/// <summary>
/// Every pack of a clinic under the archive's promise: those in the catalogue with a receipt, those whose receipt lies in storage
/// though the catalogue does not know them, and those that only the audit log knows. A pack that somebody took out of the catalogue, or of
/// which every trace was removed, is tested, and found. One that was lost stays, and fails, until all that it held lies in other packs.
/// </summary>
public sealed class RestoreTestPopulation(
    IRowStore rows, CatalogReader catalog, IBlobVault vault, ReceiptIssuer receipts, LoggedPacks log, PackLosses losses, TimeProvider clock)
{
    private const string Extension = ".receipt.jws";

    // A commit writes the receipt a moment before the catalogue has it; the reconciler finishes what a crash kept from it.
    private static readonly TimeSpan s_settled = TimeSpan.FromHours(1);

    /// <summary>The packs, ascending by id.</summary>
    public async Task<IReadOnlyList<PopulationPack>> ReadAsync(ClinicId clinic, CancellationToken cancellationToken)
    {
        IReadOnlyDictionary<PackId, DateTimeOffset> tested = await LastTestedAsync(clinic, cancellationToken);
        Dictionary<PackId, PopulationPack> packs = [];
        await foreach ((PackId id, CatalogPack? pack) in catalog.ReadKnownPacksAsync(clinic, cancellationToken))
        {
            // A row with nonsense in it must not keep all the others from being tested.
            if (pack is not { Length: > 0 and <= SidecarRules.MostPackBytes })
            {
                (long bytes, DateTimeOffset issuedAt) = await DescribeAsync(BlobName.Receipt(clinic, id), id, cancellationToken);
                packs[id] = new PopulationPack(id, bytes, issuedAt, LastTested(id));
            }
            else if (pack.Receipt is not null)
            {
                packs[id] = new PopulationPack(id, pack.Length, pack.CommittedAt.ToUniversalTime(), LastTested(id));
            }
        }

        await foreach (ListedBlob blob in vault.ListAsync(VaultArea.Packs, $"{clinic}/", null, cancellationToken))
        {
            string name = blob.Name.Path[(clinic.Value.Length + 1)..];
            if (name.EndsWith(Extension, StringComparison.Ordinal) && PackId.TryParse(name[..^Extension.Length], null, out PackId pack) && !packs.ContainsKey(pack))
            {
                (long bytes, DateTimeOffset issuedAt) = await DescribeAsync(blob.Name, pack, cancellationToken);
                if (issuedAt < clock.GetUtcNow() - s_settled)
                {
                    packs[pack] = new PopulationPack(pack, bytes, issuedAt, LastTested(pack));
                }
            }
        }

        foreach (LoggedPack pack in await log.ReadAsync(clinic, cancellationToken))
        {
            if (!packs.ContainsKey(pack.Pack) && pack.CommittedAt < clock.GetUtcNow() - s_settled)
            {
                packs[pack.Pack] = new PopulationPack(pack.Pack, pack.Bytes, pack.CommittedAt.ToUniversalTime(), LastTested(pack.Pack));
            }
        }

        foreach (LostPack lost in (await losses.NoteReplacedAsync(clinic, null, cancellationToken)).Values.Where(lost => lost.ReplacedAt is not null))
        {
            packs.Remove(lost.Pack);
        }

        return [.. packs.Values.OrderBy(pack => pack.Pack.ToString(), StringComparer.Ordinal)];

        DateTimeOffset? LastTested(PackId pack) => tested.TryGetValue(pack, out DateTimeOffset at) ? at.ToUniversalTime() : null;
    }

    /// <summary>When each of a clinic's packs was last tested.</summary>
    public async Task<IReadOnlyDictionary<PackId, DateTimeOffset>> LastTestedAsync(ClinicId clinic, CancellationToken cancellationToken)
    {
        Dictionary<PackId, DateTimeOffset> tested = [];
        await foreach (Row row in rows.ReadAllAsync(RowTable.Work, clinic.Value, RowRange.Prefix(RestoreTestRows.Tested), cancellationToken))
        {
            tested[PackId.Parse(row.Key[RestoreTestRows.Tested.Length..])] = row.Time("at")!.Value;
        }

        return tested;
    }

    /// <summary>Size and age of a pack that only its receipt knows; of one whose receipt is broken too, what its id says.</summary>
    private async Task<(long Bytes, DateTimeOffset IssuedAt)> DescribeAsync(BlobName name, PackId pack, CancellationToken cancellationToken)
    {
        try
        {
            Receipt? receipt = (await receipts.FindAsync(name, cancellationToken))?.Receipt;
            return receipt is null ? (0, pack.CreatedAt) : (receipt.Length, receipt.IssuedAt.ToUniversalTime());
        }
        catch (IntegrityException)
        {
            return (0, pack.CreatedAt);
        }
    }
}
