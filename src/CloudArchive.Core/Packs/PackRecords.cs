using CloudArchive.Core.Catalog;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Sealing;

namespace CloudArchive.Core.Packs;

/// <summary>A pack as what is signed and locked has it.</summary>
/// <param name="Pack">Its identity, and who it is accounted to.</param>
/// <param name="State">Its blob; null where storage has lost it.</param>
/// <param name="Wraps">Its content key as wrapped, the newest wrap first: any of them opens it.</param>
public sealed record RecordedPack(CatalogPack Pack, BlobState? State, IReadOnlyList<WrappedContentKey> Wraps);

/// <summary>
/// Finds what must be known of a pack to bring it back. The catalogue is an index: its row is believed where the receipt in it verifies and says the
/// same. Where the row is gone or says something else, receipt and sidecar in storage tell; one of the two is enough.
/// </summary>
public sealed class PackRecords(CatalogReader catalog, PackStatements statements, IBlobVault vault)
{
    /// <summary>The pack; null where nothing in catalogue or storage tells of it.</summary>
    public async Task<RecordedPack?> FindAsync(ClinicId clinic, PackId id, CancellationToken cancellationToken)
    {
        CatalogPack? row = await catalog.TryFindPackAsync(clinic, id, cancellationToken);
        if (row is null || !await IsReceiptedAsync(row, cancellationToken))
        {
            return await FindStoredAsync(clinic, id, cancellationToken);
        }

        BlobState? state = await vault.FindAsync(BlobName.Pack(clinic, id), row.VersionId, cancellationToken);
        WrappedContentKey? committed = Committed(state);

        // The wrap that was locked with the blob, or one that the archive signed since: none that somebody put into the catalogue.
        return new RecordedPack(row, state, Same(committed, row.ContentKey) ? [row.ContentKey] : await WrapsAsync(clinic, id, committed, cancellationToken));
    }

    /// <summary>A URL that reads the very version for a while.</summary>
    public Task<BlobGrant> GrantReadAsync(RecordedPack pack, TimeSpan lifetime, CancellationToken cancellationToken) =>
        vault.GrantReadAsync(BlobName.Pack(pack.Pack.Clinic, pack.Pack.Pack), pack.State!.VersionId, lifetime, cancellationToken);

    private async Task<bool> IsReceiptedAsync(CatalogPack row, CancellationToken cancellationToken)
    {
        try
        {
            return row.Receipt is { } jws
                && await statements.VerifyAsync(jws, row.Pack, cancellationToken) is var receipt
                && (receipt.Clinic, receipt.Pack, receipt.Study, receipt.Sha256, receipt.Length, receipt.VersionId, receipt.InstanceCount)
                    == (row.Clinic, row.Pack, row.Study, row.Sha256, row.Length, row.VersionId, row.Instances);
        }
        catch (IntegrityException)
        {
            return false;
        }
    }

    private async Task<RecordedPack?> FindStoredAsync(ClinicId clinic, PackId id, CancellationToken cancellationToken)
    {
        (string Jws, Receipt Receipt)? issued = await TryAsync(() => statements.FindReceiptAsync(clinic, id, cancellationToken));
        Receipt? receipt = issued?.Receipt is { } signed && (signed.Clinic, signed.Pack) == (clinic, id) ? signed : null;
        Sidecar? sidecar = await FindSidecarAsync(clinic, id, receipt, cancellationToken);
        if (receipt is null && sidecar is null)
        {
            return null;
        }

        BlobName name = BlobName.Pack(clinic, id);
        BlobState? state = receipt is null ? await vault.FindAsync(name, cancellationToken) : await vault.FindAsync(name, receipt.VersionId, cancellationToken);
        WrappedContentKey? committed = Committed(state) ?? sidecar?.Encryption.WrappedContentKey;
        IReadOnlyList<WrappedContentKey> wraps = await WrapsAsync(clinic, id, committed, cancellationToken);
        DateTimeOffset until = state?.ImmutableUntil ?? receipt?.ImmutableUntil ?? id.CreatedAt;
        string version = receipt?.VersionId ?? state?.VersionId ?? "";
        DateTimeOffset committedAt = receipt?.IssuedAt ?? id.CreatedAt;
        WrappedContentKey wrap = wraps.Count > 0 ? wraps[0] : new WrappedContentKey("", [], KeyWrapping.Algorithm);
        CatalogPack pack = sidecar is not null
            ? CatalogPack.For(sidecar, version, until, committedAt, issued?.Jws, receipt?.AuditIndex) with { ContentKey = wrap }
            : new CatalogPack(
                clinic, id, receipt!.Study, receipt.Length, receipt.Sha256, version, until, receipt.InstanceCount, receipt.InstancesRoot, committedAt, wrap, null, [], null, null, issued!.Value.Jws, receipt.AuditIndex);
        return new RecordedPack(pack, state, wraps);
    }

    /// <summary>The sidecar, where it is the pack's and the receipt's.</summary>
    private async Task<Sidecar?> FindSidecarAsync(ClinicId clinic, PackId id, Receipt? receipt, CancellationToken cancellationToken)
    {
        Sidecar? sidecar = await TryAsync(() => statements.FindSidecarAsync(clinic, id, cancellationToken));
        return sidecar is not null
            && (sidecar.Clinic, sidecar.Pack) == (clinic, id)
            && (receipt is null || (sidecar.Study, sidecar.Sha256, sidecar.Length, sidecar.InstancesRoot) == (receipt.Study, receipt.Sha256, receipt.Length, receipt.InstancesRoot))
                ? sidecar
                : null;
    }

    private async Task<IReadOnlyList<WrappedContentKey>> WrapsAsync(ClinicId clinic, PackId id, WrappedContentKey? committed, CancellationToken cancellationToken)
    {
        WrappedContentKey? last = await TryAsync(() => statements.FindRewrapAsync(clinic, id, cancellationToken));
        return [.. new[] { last, committed }.OfType<WrappedContentKey>()];
    }

    private static WrappedContentKey? Committed(BlobState? state)
    {
        try
        {
            return state?.Metadata.FirstOrDefault(pair => string.Equals(pair.Key, BlobEncryption.MetadataName, StringComparison.OrdinalIgnoreCase)).Value is { } json
                ? BlobEncryption.Parse(json).WrappedContentKey
                : null;
        }
        catch (PackException)
        {
            return null;
        }
    }

    private static bool Same(WrappedContentKey? one, WrappedContentKey other) =>
        one is not null && (one.KeyId, one.Algorithm) == (other.KeyId, other.Algorithm) && one.EncryptedKey.AsSpan().SequenceEqual(other.EncryptedKey);

    /// <summary>A record that is not what was written is as good as none: another may do.</summary>
    private static async Task<T?> TryAsync<T>(Func<Task<T?>> read)
    {
        try
        {
            return await read();
        }
        catch (Exception e) when (e is IntegrityException or PackException or BlobMissingException)
        {
            return default;
        }
    }
}
