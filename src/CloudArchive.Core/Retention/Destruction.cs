using CloudArchive.Core.Catalog;
using CloudArchive.Core.Storage;
using CloudArchive.Format;

namespace CloudArchive.Core.Retention;

/// <summary>
/// The one place that deletes blobs (docs/design.md, invariant 2; a test looks for any other). It asks for receipt, catalogue, lock and
/// hold before it does, and storage refuses what it overlooked. The caller writes the audit entry, in the transaction that changes its state.
/// </summary>
public sealed class Destruction(IBlobVault vault, CatalogReader catalog, Holds holds, TimeProvider clock)
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

        if (Protects(state))
        {
            throw new RefusedException(Refusal.Protected, $"The blob of pack {pack} is locked or held.");
        }

        await vault.DeleteAsync(name, state.VersionId, cancellationToken);
        return true;
    }

    /// <summary>
    /// Removes a pack of a study whose time is over: every version of its blob, its receipt and its sidecar, and sees that nothing is left.
    /// Repeating it finishes what stopped anywhere. <see cref="Refusal.Protected"/>, and nothing is removed, where a hold or a lock is on any of it.
    /// </summary>
    public async Task RemoveAsync(ClinicId clinic, Uid study, PackId pack, Sha256Digest? patient, CancellationToken cancellationToken)
    {
        if (await holds.IsHeldAsync(clinic, study, patient, cancellationToken))
        {
            throw new RefusedException(Refusal.Protected, $"A legal hold keeps pack {pack}.");
        }

        IReadOnlyList<ListedBlob> versions = await VersionsAsync(clinic, pack, cancellationToken);
        foreach (ListedBlob version in versions)
        {
            if (await vault.FindAsync(version.Name, version.VersionId, cancellationToken) is { } state && Protects(state))
            {
                throw new RefusedException(Refusal.Protected, $"A blob of pack {pack} is locked or held.");
            }
        }

        // In the order of their names the pack comes first and its sidecar last, which tells of it as long as anything is there.
        foreach (ListedBlob version in versions)
        {
            await vault.DeleteAsync(version.Name, version.VersionId, cancellationToken);
        }

        // A delete of a current version may have made it a previous one; and somebody may have written in between.
        if (await VersionsAsync(clinic, pack, cancellationToken) is { Count: > 0 } left)
        {
            throw new IntegrityException($"Storage deleted pack {pack} and still lists {left[0].Name}. See docs/operations.md.");
        }
    }

    private async Task<IReadOnlyList<ListedBlob>> VersionsAsync(ClinicId clinic, PackId pack, CancellationToken cancellationToken) =>
        await vault.ListVersionsAsync(VaultArea.Packs, BlobName.Pack(clinic, pack).Path, cancellationToken).ToListAsync(cancellationToken);

    private bool Protects(BlobState state) => state.LegalHold || (state.Locked && state.ImmutableUntil > clock.GetUtcNow());
}
