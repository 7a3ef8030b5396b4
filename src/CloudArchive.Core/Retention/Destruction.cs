using CloudArchive.Core.Catalog;
using CloudArchive.Core.Storage;
using CloudArchive.Format;

namespace CloudArchive.Core.Retention;

/// <summary>
/// The one place that deletes blobs (docs/design.md, invariant 2; a test looks for any other). It asks for receipt, catalogue, lock and
/// hold before it does, and storage refuses what it overlooked. The caller writes the audit entry, in the transaction that changes its state.
/// </summary>
public sealed class Destruction(IBlobVault vault, CatalogReader catalog, TimeProvider clock)
{
    /// <summary>
    /// Removes the blob of a pack that never got a receipt: abandoned, or not what the agent said. Returns whether there was one.
    /// <see cref="Refusal.Protected"/> where anything speaks for keeping it.
    /// </summary>
    public async Task<bool> RemoveUncommittedAsync(ClinicId clinic, PackId pack, CancellationToken cancellationToken)
    {
        if (await catalog.FindPackAsync(clinic, pack, cancellationToken) is not null
            || await vault.FindAsync(BlobName.Receipt(clinic, pack), cancellationToken) is not null
            || await vault.FindAsync(BlobName.Sidecar(clinic, pack), cancellationToken) is not null)
        {
            throw new RefusedException(Refusal.Protected, $"Pack {pack} is in the archive.");
        }

        BlobName name = BlobName.Pack(clinic, pack);
        if (await vault.FindAsync(name, cancellationToken) is not { } state)
        {
            return false;
        }

        if (state.LegalHold || (state.Locked && state.ImmutableUntil > clock.GetUtcNow()))
        {
            throw new RefusedException(Refusal.Protected, $"The blob of pack {pack} is locked or held.");
        }

        await vault.DeleteAsync(name, state.VersionId, cancellationToken);
        return true;
    }
}
