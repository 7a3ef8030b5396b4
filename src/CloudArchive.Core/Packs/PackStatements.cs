using CloudArchive.Core.Keys;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Sealing;

namespace CloudArchive.Core.Packs;

/// <summary>What the archive has signed about a pack: its receipt, and the last wrap of its content key.</summary>
/// <param name="receipts">Where receipts are.</param>
/// <param name="rewraps">Where rewraps are; null for packs that have none, ever: canaries.</param>
public sealed class PackStatements(ReceiptIssuer receipts, RewrapRecords? rewraps = null)
{
    /// <summary>The receipt, verified, or null.</summary>
    public Task<(string Jws, Receipt Receipt)?> FindReceiptAsync(ClinicId clinic, PackId pack, CancellationToken cancellationToken) =>
        receipts.FindAsync(BlobName.Receipt(clinic, pack), cancellationToken);

    /// <summary>The last wrap that verifies as the archive's own. A rewrap that does not is told of, and the sidecar's wrap, which still opens the pack, stands.</summary>
    public async Task<(WrappedContentKey Wrapped, IntegrityException? Damage)> FindWrapAsync(Sidecar sidecar, CancellationToken cancellationToken)
    {
        try
        {
            Rewrap? last = rewraps is null ? null : await rewraps.FindLastAsync(sidecar.Clinic, sidecar.Pack, cancellationToken);
            return (last?.ContentKey ?? sidecar.Encryption.WrappedContentKey, null);
        }
        catch (IntegrityException e)
        {
            return (sidecar.Encryption.WrappedContentKey, e);
        }
    }
}
