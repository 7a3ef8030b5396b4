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

        // Every version: who may write a blob may write it again, and take snapshots.
        return await RemoveAllAsync(clinic, pack, cancellationToken);
    }

    /// <summary>
    /// Removes a pack of a study whose time is over: every version and snapshot of its blob, its receipt and its sidecar, and sees that nothing is left.
    /// Repeating it finishes what stopped anywhere. <see cref="Refusal.Protected"/>, and nothing is removed, where a hold or a lock is on any of it.
    /// </summary>
    public async Task RemoveAsync(ClinicId clinic, Uid study, PackId pack, Sha256Digest? patient, CancellationToken cancellationToken)
    {
        if (await holds.IsHeldAsync(clinic, study, patient, cancellationToken))
        {
            throw new RefusedException(Refusal.Protected, $"A legal hold keeps pack {pack}.");
        }

        _ = await RemoveAllAsync(clinic, pack, cancellationToken);
    }

    /// <summary>Whether a lock or a hold is on anything under a pack's name.</summary>
    public async Task<bool> IsProtectedAsync(ClinicId clinic, PackId pack, CancellationToken cancellationToken) =>
        await IsProtectedAsync((await ListAsync(clinic, pack, cancellationToken)).Versions, cancellationToken);

    private async Task<bool> IsProtectedAsync(IReadOnlyList<ListedBlob> versions, CancellationToken cancellationToken)
    {
        foreach (ListedBlob version in versions)
        {
            if (await vault.FindAsync(version.Name, version.VersionId, cancellationToken) is { } state && Protects(state))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Removes all that there is under a pack's name; false where there was nothing.</summary>
    private async Task<bool> RemoveAllAsync(ClinicId clinic, PackId pack, CancellationToken cancellationToken)
    {
        (IReadOnlyList<ListedBlob> versions, IReadOnlyList<ListedSnapshot> snapshots) = await ListAsync(clinic, pack, cancellationToken);
        if (await IsProtectedAsync(versions, cancellationToken))
        {
            throw new RefusedException(Refusal.Protected, $"A blob of pack {pack} is locked or held.");
        }

        // Snapshots first: storage deletes no blob that has some.
        foreach (ListedSnapshot snapshot in snapshots)
        {
            await vault.DeleteSnapshotAsync(snapshot.Name, snapshot.Snapshot, cancellationToken);
        }

        // In the order of their names the pack comes first and its sidecar last, which tells of it as long as anything is there.
        foreach (ListedBlob version in versions)
        {
            await vault.DeleteAsync(version.Name, version.VersionId, cancellationToken);
        }

        // A delete of a current version may have made it a previous one; and somebody may have written in between.
        (IReadOnlyList<ListedBlob> left, IReadOnlyList<ListedSnapshot> copies) = await ListAsync(clinic, pack, cancellationToken);
        return left.Count + copies.Count == 0
            ? versions.Count + snapshots.Count > 0
            : throw new IntegrityException($"Storage deleted pack {pack} and still lists {left.Count} versions and {copies.Count} snapshots under its name. See docs/operations.md.");
    }

    private async Task<(IReadOnlyList<ListedBlob> Versions, IReadOnlyList<ListedSnapshot> Snapshots)> ListAsync(ClinicId clinic, PackId pack, CancellationToken cancellationToken)
    {
        string path = BlobName.Pack(clinic, pack).Path;
        return (await vault.ListVersionsAsync(VaultArea.Packs, path, cancellationToken).ToListAsync(cancellationToken),
            await vault.ListSnapshotsAsync(VaultArea.Packs, path, cancellationToken).ToListAsync(cancellationToken));
    }

    private bool Protects(BlobState state) => state.LegalHold || (state.Locked && state.ImmutableUntil > clock.GetUtcNow());
}
