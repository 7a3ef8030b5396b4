using CloudArchive.Core.Audit;
using CloudArchive.Core.Keys;
using CloudArchive.Core.Packs;
using CloudArchive.Core.Storage;
using CloudArchive.Format.Signing;

namespace CloudArchive.Core.Records;

/// <summary>
/// What the archive itself states and must be able to show for years: evidence, certificates of destruction, attested access reviews.
/// A record lies among <see cref="VaultArea.Records"/> as <c>{clinic or $system}/{kind}/{id}/{file}</c>. There is one of a name: whoever
/// writes first wins, and everyone gets what stands. Locked on return, the lock read back.
/// </summary>
public sealed class RecordStore(IBlobVault vault, StoredPacks stored, ISigner signer, TimeProvider clock)
{
    /// <summary>The largest file of a record: evidence of a clinic with 100,000 packs has room.</summary>
    public const int MostBytes = 64 * 1024 * 1024;

    /// <summary>How long a record is locked at least: 45 CFR 164.316(b)(2) asks for six years.</summary>
    public static readonly TimeSpan Kept = Checkpoints.Kept;

    /// <summary>A file of a record.</summary>
    /// <param name="log">The clinic's id, or <see cref="Format.Audit.AuditEntry.SystemLog"/>.</param>
    /// <param name="kind">Such as <c>evidence</c>; lower case.</param>
    /// <param name="id">The record's id; sorts as records of its kind should.</param>
    /// <param name="file">The file's name.</param>
    public static BlobName Name(string log, string kind, string id, string file) => new(VaultArea.Records, $"{log}/{kind}/{id}/{file}");

    /// <summary>A detached JWS (RFC 7515 appendix F) by the archive's current signing key.</summary>
    public async Task<string> SignAsync(string jwsType, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        string keyId = await signer.GetCurrentKeyIdAsync(cancellationToken);
        return await Jws.SignDetachedAsync(jwsType, content, keyId, (data, ct) => signer.SignAsync(keyId, data, ct), cancellationToken);
    }

    /// <summary>Writes a file where there is none of its name, locks it, and returns the bytes that stand there: the first ones.</summary>
    /// <exception cref="IntegrityException">Storage accepted the lock and does not state it.</exception>
    public async Task<byte[]> WriteAsync(BlobName name, byte[] content, string contentType, CancellationToken cancellationToken)
    {
        (string versionId, byte[] first) = await stored.WriteFirstAsync(name, content, contentType, MostBytes, cancellationToken);
        DateTimeOffset until = clock.GetUtcNow() + Kept;
        await stored.LockAsync(name, versionId, until.AddTicks(-(until.Ticks % TimeSpan.TicksPerSecond)), cancellationToken);
        return first;
    }

    /// <summary>A file's bytes, or null where there is none.</summary>
    public async Task<byte[]?> ReadAsync(BlobName name, CancellationToken cancellationToken) => (await stored.ReadAsync(name, MostBytes, cancellationToken))?.Content;

    /// <summary>The ids of a log's records of a kind, ascending, from the first after <paramref name="after"/>: at most <paramref name="take"/>.</summary>
    public async Task<IReadOnlyList<string>> ListAsync(string log, string kind, string? after, int take, CancellationToken cancellationToken)
    {
        string folder = $"{log}/{kind}/";
        List<string> ids = [];

        // '0' sorts right behind '/': nothing of the record `after` itself is listed again.
        await foreach (ListedBlob blob in vault.ListAsync(VaultArea.Records, folder, after is null ? null : folder + after + "0", cancellationToken))
        {
            string id = blob.Name.Path[folder.Length..].Split('/')[0];
            if (ids.Count > 0 && ids[^1] == id)
            {
                continue;
            }

            if (ids.Count == take)
            {
                break;
            }

            ids.Add(id);
        }

        return ids;
    }
}
