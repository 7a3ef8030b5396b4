using System.Globalization;
using System.Security.Cryptography;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Catalog;
using CloudArchive.Core.Records;
using CloudArchive.Core.Storage;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Sealing;
using CloudArchive.Format.Signing;

namespace CloudArchive.Core.Keys;

/// <summary>Wraps one pack's content key to the current version of its clinic's key. Any number of callers at once do no harm, and a crash none that the next call does not mend.</summary>
public sealed class PackRewrap(IRowStore rows, ContentKeys content, RewrapRecords records, Outbox outbox, TimeProvider clock)
{
    /// <summary>Does it; false where another caller had done it, or the pack left the catalogue meanwhile.</summary>
    /// <exception cref="IntegrityException">Receipt, blob or an earlier rewrap are not as they were left.</exception>
    /// <exception cref="KeyUnavailableException">The version that wraps it now cannot be used.</exception>
    public async Task<bool> RunAsync(CatalogPack pack, Jwk to, Requester by, CancellationToken cancellationToken)
    {
        (BlobState state, WrappedContentKey first) = await records.FindFirstAsync(pack, cancellationToken);
        Rewrap? last = await records.FindLastAsync(pack.Clinic, pack.Pack, cancellationToken);
        Rewrap stands = last is not null && last.ContentKey.KeyId == to.Kid ? last : await WriteAsync(pack, last, first, to, cancellationToken);

        // As long as the pack, which without it would need the old version again; and as long as any record. Also where it was found:
        // a crash may have come between writing and locking.
        DateTimeOffset until = clock.GetUtcNow() + RecordStore.Kept;
        until = until.AddTicks(-(until.Ticks % TimeSpan.TicksPerSecond));
        await records.LockAsync(stands, state.ImmutableUntil > until ? state.ImmutableUntil.Value : until, cancellationToken);
        return await CatalogueAsync(pack, stands, by, cancellationToken);
    }

    private async Task<Rewrap> WriteAsync(CatalogPack pack, Rewrap? last, WrappedContentKey first, Jwk to, CancellationToken cancellationToken)
    {
        WrappedContentKey old = last?.ContentKey ?? first;
        using ContentKey key = await content.UnwrapAsync(old, cancellationToken);
        WrappedContentKey wrapped = KeyWrapping.Wrap(key, to);
        await CheckAsync(key, wrapped, cancellationToken);
        return await records.WriteAsync(new Rewrap(Rewrap.CurrentFormat, pack.Clinic, pack.Pack, (last?.Number ?? 0) + 1, old.KeyId, wrapped, clock.GetUtcNow()), cancellationToken);
    }

    /// <summary>Nothing is written down that was not seen to open: the new version may be unusable, and nobody would know for years.</summary>
    private async Task CheckAsync(ContentKey key, WrappedContentKey wrapped, CancellationToken cancellationToken)
    {
        using ContentKey again = await content.UnwrapAsync(wrapped, cancellationToken);
        byte[] one = key.ToWrapInput();
        byte[] other = again.ToWrapInput();
        bool same = CryptographicOperations.FixedTimeEquals(one, other);
        CryptographicOperations.ZeroMemory(one);
        CryptographicOperations.ZeroMemory(other);
        if (!same)
        {
            throw new KeyUnavailableException(wrapped.KeyId, "what it unwraps is not what was wrapped for it");
        }
    }

    private async Task<bool> CatalogueAsync(CatalogPack pack, Rewrap rewrap, Requester by, CancellationToken cancellationToken)
    {
        string key = CatalogRows.Pack + pack.Pack;
        while (await rows.FindAsync(RowTable.Catalog, pack.Clinic.Value, key, cancellationToken) is { } row)
        {
            if (row.Text("keyId") == rewrap.ContentKey.KeyId && row.Bytes("wrappedKey").AsSpan().SequenceEqual(rewrap.ContentKey.EncryptedKey))
            {
                return false;
            }

            Dictionary<string, object> values = new(row.Values)
            {
                ["keyId"] = rewrap.ContentKey.KeyId,
                ["algorithm"] = rewrap.ContentKey.Algorithm,
                ["wrappedKey"] = rewrap.ContentKey.EncryptedKey,
            };
            try
            {
                await outbox.SubmitAsync(RowTable.Catalog, pack.Clinic.Value, [new RowWrite.Replace(key, values, row.ETag!)], Entry(pack, rewrap, by), cancellationToken);
                return true;
            }
            catch (RowConflictException)
            {
                // Another caller, or a rebuild of the catalogue: look again.
            }
        }

        return false;
    }

    private static AuditEvent Entry(CatalogPack pack, Rewrap rewrap, Requester by) => new(
        pack.Clinic.Value,
        AuditActions.ContentKeyRewrapped,
        AuditOutcome.Success,
        by.Actor,
        new AuditSubject(pack.Clinic.Value, pack.Study.Value, pack.Pack.ToString()),
        by.Origin,
        Details: new Dictionary<string, string>
        {
            ["from"] = rewrap.Replaces,
            ["number"] = rewrap.Number.ToString(CultureInfo.InvariantCulture),
            ["to"] = rewrap.ContentKey.KeyId,
        },
        Once: $"rewrap:{pack.Pack}:{rewrap.Number}");
}
