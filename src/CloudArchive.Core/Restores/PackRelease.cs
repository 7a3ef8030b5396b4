using CloudArchive.Core.Catalog;
using CloudArchive.Core.Disclosures;
using CloudArchive.Core.Keys;
using CloudArchive.Core.Losses;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Sealing;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Restores;

/// <summary>A pack of a restore's plan as catalogue and storage have it.</summary>
/// <param name="Planned">What is wanted of it.</param>
/// <param name="Pack">As in the catalogue.</param>
/// <param name="Archived">Whether it lies in the archive tier, or is on its way back from there.</param>
internal sealed record FoundPack(PlannedPack Planned, CatalogPack Pack, bool Archived);

/// <summary>Releases one pack of a restore: a URL for the one version, and its content key, unwrapped and wrapped again to the key of who asked.</summary>
public sealed class PackRelease(IRowStore rows, CatalogReader catalog, IBlobVault vault, ContentKeys keys, PackLosses losses, TimeProvider clock)
{
    /// <summary>How long a URL works.</summary>
    public static readonly TimeSpan UrlLifetime = TimeSpan.FromHours(1);

    /// <summary>Where the pack is now. What storage has lost is recorded, and told by who finds nothing to download.</summary>
    internal async Task<FoundPack> FindAsync(ClinicId clinic, PlannedPack planned, Requester by, CancellationToken cancellationToken)
    {
        CatalogPack pack = await catalog.FindPackAsync(clinic, planned.Pack, cancellationToken)
            ?? throw new IntegrityException($"Pack {planned.Pack} is no longer in the catalogue. Rebuild the catalogue, then fetch this page again.");
        BlobState? state = await vault.FindAsync(BlobName.Pack(clinic, pack.Pack), pack.VersionId, cancellationToken);
        if (state is null)
        {
            await losses.RecordMissingAsync(pack, by, cancellationToken);
        }

        return new FoundPack(planned, pack, state is { Archived: true });
    }

    /// <summary>What is handed out of a pack, and its row in the accounting of disclosures; null where it is there, from when the page was read first.</summary>
    internal async Task<(RestorePack Pack, RowWrite? Disclosure)> RunAsync(Restore restore, FoundPack found, CancellationToken cancellationToken)
    {
        CatalogPack pack = found.Pack;
        WrappedContentKey key = await keys.RewrapAsync(pack.ContentKey, restore.PublicKey, cancellationToken);
        BlobGrant grant = await vault.GrantReadAsync(BlobName.Pack(restore.Clinic, pack.Pack), pack.VersionId, UrlLifetime, cancellationToken);
        RowWrite.Upsert disclosure = DisclosureRows.Write(restore.Id, pack, found.Planned, clock.GetUtcNow());
        bool known = await rows.FindAsync(RowTable.Work, restore.Clinic.Value, disclosure.Key, cancellationToken) is not null;
        return (new RestorePack(pack.Pack, pack.Study, grant.Url.AbsoluteUri, grant.ExpiresAt, pack.Length, pack.Sha256, key, found.Planned.Wanted), known ? null : disclosure);
    }
}
