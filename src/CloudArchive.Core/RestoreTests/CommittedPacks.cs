using CloudArchive.Core.Catalog;
using CloudArchive.Core.Losses;
using CloudArchive.Core.Packs;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Packs;

namespace CloudArchive.Core.RestoreTests;

/// <summary>A pack under the archive's promise.</summary>
/// <param name="Pack">The pack.</param>
/// <param name="Study">Its study; null where what tells of the pack cannot be read.</param>
/// <param name="Bytes">Of ciphertext.</param>
/// <param name="Files">How many files it holds, as far as that is known.</param>
/// <param name="CommittedAt">When it was archived.</param>
/// <param name="Catalogued">As in the catalogue; null where that does not know it, or says of it what cannot be.</param>
public sealed record CommittedPack(PackId Pack, Uid? Study, long Bytes, int Files, DateTimeOffset CommittedAt, CatalogPack? Catalogued = null);

/// <summary>
/// Every pack of a clinic under the archive's promise: those in the catalogue with a receipt, those whose receipt lies in storage though the catalogue
/// does not know them, and those that only the audit log knows. Restores and restore tests are of these: what somebody took out of the catalogue, or
/// removed every trace of, is brought back or found missing. One that was lost stays, so that it is told, until all that it held lies in other packs.
/// </summary>
public sealed class CommittedPacks(CatalogReader catalog, IBlobVault vault, ReceiptIssuer receipts, LoggedPacks log, PackLosses losses, TimeProvider clock)
{
    private const string Extension = ".receipt.jws";

    /// <summary>So long a commit may be under way, or be left by a crash to the reconciler: catalogue, log and storage need not agree on it yet.</summary>
    internal static readonly TimeSpan Settled = TimeSpan.FromHours(1);

    /// <summary>The packs, ascending by id. Reads catalogue, names in storage and log whole.</summary>
    public async Task<IReadOnlyList<CommittedPack>> ReadAsync(ClinicId clinic, CancellationToken cancellationToken)
    {
        Dictionary<PackId, CommittedPack> packs = [];
        await foreach ((PackId id, CatalogPack? pack) in catalog.ReadKnownPacksAsync(clinic, cancellationToken))
        {
            // A row with nonsense in it must not keep all the others from it.
            if (pack is not { Length: > 0 and <= SidecarRules.MostPackBytes })
            {
                packs[id] = await DescribeAsync(BlobName.Receipt(clinic, id), id, cancellationToken);
            }
            else if (pack.Receipt is not null)
            {
                packs[id] = Catalogued(pack);
            }
        }

        await foreach (ListedBlob blob in vault.ListAsync(VaultArea.Packs, $"{clinic}/", null, cancellationToken))
        {
            string name = blob.Name.Path[(clinic.Value.Length + 1)..];
            if (name.EndsWith(Extension, StringComparison.Ordinal) && PackId.TryParse(name[..^Extension.Length], null, out PackId pack) && !packs.ContainsKey(pack))
            {
                // However young: a computer may have this receipt, of a commit that was cut off before the catalogue had it.
                packs[pack] = await DescribeAsync(blob.Name, pack, cancellationToken);
            }
        }

        foreach (LoggedPack pack in await log.ReadAsync(clinic, cancellationToken))
        {
            if (packs.TryGetValue(pack.Pack, out CommittedPack? known))
            {
                // What neither row nor receipt could tell, the log does.
                packs[pack.Pack] = known.Study is null ? known with { Study = pack.Study, Bytes = pack.Bytes, Files = pack.Instances } : known;
            }
            else if (pack.CommittedAt < clock.GetUtcNow() - Settled)
            {
                packs[pack.Pack] = Logged(pack); // A younger one without a receipt is promised to nobody yet.
            }
        }

        return WithoutReplaced(packs, await losses.NoteReplacedAsync(clinic, null, cancellationToken));
    }

    /// <summary>The packs of some studies, ascending by id: those that the catalogue has, and those that only the log knows.</summary>
    public async Task<IReadOnlyList<CommittedPack>> ReadAsync(ClinicId clinic, IReadOnlySet<Uid> studies, CancellationToken cancellationToken)
    {
        Dictionary<PackId, CommittedPack> packs = await CataloguedAsync(clinic, studies, cancellationToken);
        foreach (LoggedPack pack in (await log.ReadAsync(clinic, cancellationToken)).Where(pack => studies.Contains(pack.Study) && !packs.ContainsKey(pack.Pack)))
        {
            if (await catalog.TryFindPackAsync(clinic, pack.Pack, cancellationToken) is { Receipt: not null } found)
            {
                packs[pack.Pack] = Catalogued(found); // Its study's row is gone, not its own.
            }
            else if (pack.CommittedAt < clock.GetUtcNow() - Settled || await HasReceiptAsync(clinic, pack.Pack, cancellationToken))
            {
                packs[pack.Pack] = Logged(pack);
            }
        }

        return WithoutReplaced(packs, await losses.NoteReplacedAsync(clinic, null, cancellationToken));
    }

    /// <summary>Those that the catalogue has, and no others.</summary>
    public async Task<IReadOnlyList<CommittedPack>> ReadCatalogueAsync(ClinicId clinic, IReadOnlySet<Uid>? studies, CancellationToken cancellationToken)
    {
        if (studies is not null)
        {
            return WithoutReplaced(await CataloguedAsync(clinic, studies, cancellationToken), await losses.ListAsync(clinic, cancellationToken));
        }

        Dictionary<PackId, CommittedPack> packs = [];
        await foreach ((PackId id, CatalogPack? pack) in catalog.ReadKnownPacksAsync(clinic, cancellationToken))
        {
            if (pack is not { Receipt: null })
            {
                packs[id] = pack is null ? new CommittedPack(id, null, 0, 1, id.CreatedAt) : Catalogued(pack);
            }
        }

        return WithoutReplaced(packs, await losses.ListAsync(clinic, cancellationToken));
    }

    private static IReadOnlyList<CommittedPack> WithoutReplaced(Dictionary<PackId, CommittedPack> packs, IReadOnlyDictionary<PackId, LostPack> lost) =>
        [.. packs.Values.Where(pack => lost.GetValueOrDefault(pack.Pack)?.ReplacedAt is null).OrderBy(pack => pack.Pack.ToString(), StringComparer.Ordinal)];

    private async Task<Dictionary<PackId, CommittedPack>> CataloguedAsync(ClinicId clinic, IReadOnlySet<Uid> studies, CancellationToken cancellationToken)
    {
        Dictionary<PackId, CommittedPack> packs = [];
        foreach (Uid study in studies)
        {
            foreach (PackId id in await catalog.PacksOfAsync(clinic, study, cancellationToken))
            {
                CatalogPack? pack = await catalog.TryFindPackAsync(clinic, id, cancellationToken);
                if (pack is null)
                {
                    packs[id] = new CommittedPack(id, study, 0, 1, id.CreatedAt);
                }
                else if (pack.Receipt is not null || await HasReceiptAsync(clinic, id, cancellationToken))
                {
                    packs[id] = Catalogued(pack);
                }
            }
        }

        return packs;
    }

    /// <summary>Whether a pack is promised though the catalogue has no receipt of it.</summary>
    private async Task<bool> HasReceiptAsync(ClinicId clinic, PackId pack, CancellationToken cancellationToken) =>
        await vault.FindAsync(BlobName.Receipt(clinic, pack), cancellationToken) is not null;

    private static CommittedPack Catalogued(CatalogPack pack) => new(pack.Pack, pack.Study, pack.Length, pack.Instances, pack.CommittedAt, pack);

    private static CommittedPack Logged(LoggedPack pack) => new(pack.Pack, pack.Study, pack.Bytes, pack.Instances, pack.CommittedAt);

    /// <summary>A pack that only its receipt knows; of one whose receipt is broken too, what its id says.</summary>
    private async Task<CommittedPack> DescribeAsync(BlobName name, PackId pack, CancellationToken cancellationToken)
    {
        try
        {
            Receipt? receipt = (await receipts.FindAsync(name, cancellationToken))?.Receipt;
            return receipt is null ? new CommittedPack(pack, null, 0, 1, pack.CreatedAt) : new CommittedPack(pack, receipt.Study, receipt.Length, receipt.InstanceCount, receipt.IssuedAt);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            return new CommittedPack(pack, null, 0, 1, pack.CreatedAt);
        }
    }
}
