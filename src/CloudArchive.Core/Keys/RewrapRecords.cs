using System.Globalization;
using System.Text;
using CloudArchive.Core.Catalog;
using CloudArchive.Core.Packs;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Sealing;
using CloudArchive.Format.Signing;

namespace CloudArchive.Core.Keys;

/// <summary>
/// Rewraps in immutable storage: <c>{clinic}/rewraps/{pack}/{number}.jws</c> among the records, which the recovery role may add to and
/// nobody may change. It must not write beside a pack: who can open packs can neither add nor remove one (docs/decisions, 45).
/// </summary>
public sealed class RewrapRecords(IBlobVault vault, StoredPacks stored, ISigner signer)
{
    private const int MostBytes = 16 * 1024;

    /// <summary>
    /// The wrap that was committed with the pack, and the version that carries it. The catalogue is only an index: a wrap that somebody put
    /// there must not become one that is signed and locked. The receipt is signed, and names the locked version whose metadata nobody can have changed.
    /// </summary>
    /// <exception cref="IntegrityException">Receipt or blob are not as they were left.</exception>
    public async Task<(BlobState State, WrappedContentKey Wrapped)> FindFirstAsync(CatalogPack pack, CancellationToken cancellationToken)
    {
        BlobName name = BlobName.Pack(pack.Clinic, pack.Pack);
        try
        {
            Receipt receipt = Receipts.Verify(pack.Receipt ?? "", await signer.GetPublicKeysAsync(cancellationToken));
            if (receipt.Clinic != pack.Clinic || receipt.Pack != pack.Pack)
            {
                throw new IntegrityException($"The catalogue has another pack's receipt for {pack.Pack}. Rebuild the catalogue.");
            }

            BlobState state = await vault.FindAsync(name, receipt.VersionId, cancellationToken) ?? throw new BlobMissingException(name);
            return state.Metadata.TryGetValue(BlobEncryption.MetadataName, out string? json)
                ? (state, BlobEncryption.Parse(json).WrappedContentKey)
                : throw new IntegrityException($"{name} has no {BlobEncryption.MetadataName}.");
        }
        catch (JwsException e)
        {
            throw new IntegrityException($"The receipt of pack {pack.Pack} in the catalogue does not verify. Rebuild the catalogue.", e);
        }
    }

    /// <summary>The pack's last rewrap, verified; null where it has none.</summary>
    /// <exception cref="IntegrityException">It is not signed, or is another's.</exception>
    public async Task<Rewrap?> FindLastAsync(ClinicId clinic, PackId pack, CancellationToken cancellationToken)
    {
        BlobName? last = null;
        await foreach (ListedBlob blob in vault.ListAsync(VaultArea.Records, Folder(clinic, pack), null, cancellationToken))
        {
            last = blob.Name;
        }

        return last is { } name && await stored.ReadAsync(name, MostBytes, cancellationToken) is { } there
            ? await VerifyAsync(name, clinic, pack, there.Content, cancellationToken)
            : null;
    }

    /// <summary>Signs and writes a rewrap. There is one of a number: who comes second gets the first one's. To be locked before anything is built on it.</summary>
    public async Task<Rewrap> WriteAsync(Rewrap rewrap, CancellationToken cancellationToken)
    {
        string keyId = await signer.GetCurrentKeyIdAsync(cancellationToken);
        string jws = await Jws.SignAsync(Rewrap.JwsType, rewrap.Serialize(), keyId, (data, ct) => signer.SignAsync(keyId, data, ct), cancellationToken);
        BlobName name = Name(rewrap.Clinic, rewrap.Pack, rewrap.Number);
        (_, byte[] first) = await stored.WriteFirstAsync(name, Encoding.ASCII.GetBytes(jws), "application/jose", MostBytes, cancellationToken);
        return await VerifyAsync(name, rewrap.Clinic, rewrap.Pack, first, cancellationToken);
    }

    /// <summary>Locks a rewrap that was written, or extends its lock, and reads it back.</summary>
    public async Task LockAsync(Rewrap rewrap, DateTimeOffset until, CancellationToken cancellationToken)
    {
        BlobName name = Name(rewrap.Clinic, rewrap.Pack, rewrap.Number);
        BlobState state = await vault.FindAsync(name, cancellationToken) ?? throw new BlobMissingException(name);
        await stored.LockAsync(name, state.VersionId, until, cancellationToken);
    }

    /// <summary>What the paths of a pack's rewraps begin with.</summary>
    internal static string Folder(ClinicId clinic, PackId pack) => $"{clinic}/rewraps/{pack}/";

    /// <summary>Where a pack's rewrap of that number is.</summary>
    internal static BlobName Name(ClinicId clinic, PackId pack, int number) =>
        new(VaultArea.Records, $"{Folder(clinic, pack)}{number.ToString("D6", CultureInfo.InvariantCulture)}.jws");

    private async Task<Rewrap> VerifyAsync(BlobName name, ClinicId clinic, PackId pack, byte[] jws, CancellationToken cancellationToken)
    {
        try
        {
            Rewrap rewrap = Rewrap.Verify(Encoding.ASCII.GetString(jws), await signer.GetPublicKeysAsync(cancellationToken));
            return rewrap.Clinic == clinic && rewrap.Pack == pack && Name(clinic, pack, rewrap.Number) == name
                ? rewrap
                : throw new IntegrityException($"The rewrap at {name} is of another pack or number.");
        }
        catch (Exception e) when (e is JwsException or PackException)
        {
            throw new IntegrityException($"The rewrap at {name} does not verify.", e);
        }
    }
}
