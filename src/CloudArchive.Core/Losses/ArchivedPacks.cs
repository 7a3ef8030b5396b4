using CloudArchive.Core.Catalog;
using CloudArchive.Core.Packs;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Losses;

/// <summary>A committed pack with its receipt and its instances: from the catalogue, or where that lost it from what lies beside the pack.</summary>
public sealed class ArchivedPacks(CatalogReader catalog, PackStatements statements, StoredPacks stored)
{
    private const int MostSidecarBytes = 16 * 1024 * 1024;

    /// <summary>The pack; null where it has no receipt, or nothing says what is in it.</summary>
    public async Task<ArchivedPack?> FindAsync(ClinicId clinic, PackId pack, CancellationToken cancellationToken)
    {
        try
        {
            if (await catalog.TryFindPackAsync(clinic, pack, cancellationToken) is { Receipt: { } receipt } known
                && await catalog.InstancesOfAsync(clinic, known.Study, pack, cancellationToken) is var instances
                && instances.Count == known.Instances && InstancesRoot.Of(instances) == known.InstancesRoot)
            {
                return new ArchivedPack(receipt, instances);
            }
        }
        catch (IntegrityException)
        {
            // A row that was changed past the service: what lies beside the pack knows better.
        }

        try
        {
            return await statements.FindReceiptAsync(clinic, pack, cancellationToken) is { } issued
                && await stored.ReadAsync(BlobName.Sidecar(clinic, pack), MostSidecarBytes, cancellationToken) is { } sidecar
                && Sidecars.Parse(sidecar.Content) is var read && read.InstancesRoot == issued.Receipt.InstancesRoot
                    ? new ArchivedPack(issued.Jws, read.Instances)
                    : null;
        }
        catch (Exception e) when (e is IntegrityException or PackException or BlobMissingException)
        {
            return null;
        }
    }
}
