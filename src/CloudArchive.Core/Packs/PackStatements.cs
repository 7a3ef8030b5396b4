using CloudArchive.Core.Keys;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Sealing;

namespace CloudArchive.Core.Packs;

/// <summary>What the archive has written down of a pack: its receipt, its sidecar, and the last wrap of its content key.</summary>
/// <param name="receipts">Where receipts are.</param>
/// <param name="stored">Where sidecars are.</param>
/// <param name="rewraps">Where rewraps are; null for packs that have none, ever: canaries.</param>
public sealed class PackStatements(ReceiptIssuer receipts, StoredPacks stored, RewrapRecords? rewraps = null)
{
    private const int MostSidecarBytes = 16 * 1024 * 1024;

    /// <summary>What a pack's receipt says.</summary>
    /// <exception cref="IntegrityException">It does not verify.</exception>
    public Task<Receipt> VerifyAsync(string jws, PackId pack, CancellationToken cancellationToken) => receipts.VerifyAsync(jws, pack.ToString(), cancellationToken);

    /// <summary>The sidecar as it lies beside the pack, or null.</summary>
    /// <exception cref="PackException">It is none.</exception>
    public async Task<Sidecar?> FindSidecarAsync(ClinicId clinic, PackId pack, CancellationToken cancellationToken) =>
        await stored.ReadAsync(BlobName.Sidecar(clinic, pack), MostSidecarBytes, cancellationToken) is { } there ? Sidecars.Parse(there.Content) : null;

    /// <summary>The last wrap of a pack's content key since its commit, verified; null where it was never wrapped again.</summary>
    /// <exception cref="IntegrityException">It is not the archive's.</exception>
    public async Task<WrappedContentKey?> FindRewrapAsync(ClinicId clinic, PackId pack, CancellationToken cancellationToken) =>
        rewraps is null ? null : (await rewraps.FindLastAsync(clinic, pack, cancellationToken))?.ContentKey;

    /// <summary>The receipt, verified, or null.</summary>
    public Task<(string Jws, Receipt Receipt)?> FindReceiptAsync(ClinicId clinic, PackId pack, CancellationToken cancellationToken) =>
        receipts.FindAsync(BlobName.Receipt(clinic, pack), cancellationToken);

    /// <summary>The last wrap that verifies as the archive's own. A rewrap that does not is told of, and the sidecar's wrap, which still opens the pack, stands.</summary>
    public async Task<(WrappedContentKey Wrapped, IntegrityException? Damage)> FindWrapAsync(Sidecar sidecar, CancellationToken cancellationToken)
    {
        try
        {
            return (await FindRewrapAsync(sidecar.Clinic, sidecar.Pack, cancellationToken) ?? sidecar.Encryption.WrappedContentKey, null);
        }
        catch (IntegrityException e)
        {
            return (sidecar.Encryption.WrappedContentKey, e);
        }
    }
}
