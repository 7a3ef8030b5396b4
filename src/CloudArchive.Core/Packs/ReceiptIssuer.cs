using System.Text;
using CloudArchive.Core.Keys;
using CloudArchive.Core.Storage;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Signing;

namespace CloudArchive.Core.Packs;

/// <summary>
/// Signs receipts and keeps them beside their packs. There is one for a pack: whoever writes it first wins, and everyone returns that
/// one. To be called only after the pack was read back, hashed, locked, and the lock read back (docs/design.md, invariant 1).
/// </summary>
public sealed class ReceiptIssuer(ISigner signer, StoredPacks stored)
{
    private const int MostBytes = 16 * 1024;

    /// <summary>Signs, writes and locks the pack's receipt, or returns the one that is there.</summary>
    public async Task<string> IssueAsync(Receipt receipt, CancellationToken cancellationToken)
    {
        BlobName name = BlobName.Receipt(receipt.Clinic, receipt.Pack);
        string keyId = await signer.GetCurrentKeyIdAsync(cancellationToken);
        string jws = await Jws.SignAsync(Receipt.JwsType, Receipts.Serialize(receipt), keyId, (data, ct) => signer.SignAsync(keyId, data, ct), cancellationToken);

        // As a rule there is none yet: to look first would cost every commit a request, and the repeated one a signature instead.
        (string versionId, byte[] content) = await stored.WriteFirstAsync(name, Encoding.ASCII.GetBytes(jws), "application/jose", MostBytes, cancellationToken);
        string first = Encoding.ASCII.GetString(content);
        Receipt issued = await VerifyAsync(first, receipt.Pack.ToString(), cancellationToken);
        if ((issued.Clinic, issued.Pack, issued.Sha256, issued.Length, issued.InstancesRoot) != (receipt.Clinic, receipt.Pack, receipt.Sha256, receipt.Length, receipt.InstancesRoot))
        {
            throw new IntegrityException($"The receipt that lies beside pack {receipt.Pack} is not for what was committed.");
        }

        await stored.LockAsync(name, versionId, receipt.ImmutableUntil, cancellationToken);
        return first;
    }

    /// <summary>The receipt beside a pack with what it says, verified; null where there is none.</summary>
    public async Task<(string Jws, Receipt Receipt)?> FindAsync(BlobName name, CancellationToken cancellationToken)
    {
        if (await stored.ReadAsync(name, MostBytes, cancellationToken) is not { } there)
        {
            return null;
        }

        string jws = Encoding.ASCII.GetString(there.Content);
        return (jws, await VerifyAsync(jws, name.ToString(), cancellationToken));
    }

    /// <summary>What a receipt says, verified; <paramref name="what"/> names it in the error.</summary>
    /// <exception cref="IntegrityException">It does not verify.</exception>
    internal async Task<Receipt> VerifyAsync(string jws, string what, CancellationToken cancellationToken)
    {
        try
        {
            return Receipts.Verify(jws, await signer.GetPublicKeysAsync(cancellationToken));
        }
        catch (Exception e) when (e is JwsException or PackException)
        {
            throw new IntegrityException($"The receipt of {what} does not verify.", e);
        }
    }
}
