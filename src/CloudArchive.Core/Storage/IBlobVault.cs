using CloudArchive.Format;

namespace CloudArchive.Core.Storage;

/// <summary>The two containers. Both have version-level immutability.</summary>
public enum VaultArea
{
    /// <summary><c>packs</c>: <c>{clinic}/{packId}</c>, its <c>.sidecar.json</c> and its <c>.receipt.jws</c>.</summary>
    Packs,

    /// <summary><c>records</c>: <c>{clinic}/checkpoints/...</c>, <c>{clinic}/evidence/...</c>, <c>$system/...</c>.</summary>
    Records,
}

/// <summary>A blob's container and name.</summary>
public readonly record struct BlobName(VaultArea Area, string Path)
{
    /// <summary>A pack's blob.</summary>
    public static BlobName Pack(ClinicId clinic, PackId pack) => new(VaultArea.Packs, $"{clinic}/{pack}");

    /// <summary>A pack's sidecar.</summary>
    public static BlobName Sidecar(ClinicId clinic, PackId pack) => new(VaultArea.Packs, $"{clinic}/{pack}.sidecar.json");

    /// <summary>A pack's receipt.</summary>
    public static BlobName Receipt(ClinicId clinic, PackId pack) => new(VaultArea.Packs, $"{clinic}/{pack}.receipt.jws");

    /// <inheritdoc/>
    public override string ToString() => $"{Area}/{Path}";
}

/// <summary>A version of a blob, as storage describes it.</summary>
/// <param name="VersionId">The version: what is read, locked and deleted.</param>
/// <param name="Length">Bytes.</param>
/// <param name="CreatedAt">When storage took it.</param>
/// <param name="ImmutableUntil">The policy's date, where there is one.</param>
/// <param name="Locked">Whether that policy is locked; an unlocked one protects too, and whoever may set it may take it off again.</param>
/// <param name="LegalHold">Whether a legal hold is on this version.</param>
/// <param name="Metadata">As stored; names are case-insensitive.</param>
/// <param name="Archived">Whether it lies in the archive tier, or is still on its way back from there: it cannot be read.</param>
public sealed record BlobState(
    string VersionId,
    long Length,
    DateTimeOffset CreatedAt,
    DateTimeOffset? ImmutableUntil,
    bool Locked,
    bool LegalHold,
    IReadOnlyDictionary<string, string> Metadata,
    bool Archived = false);

/// <summary>A listed blob.</summary>
public sealed record ListedBlob(BlobName Name, string VersionId, long Length);

/// <summary>A listed snapshot of a blob. The archive makes none; whoever may write a blob may.</summary>
/// <param name="Name">The blob's name.</param>
/// <param name="Snapshot">Which: a time, as storage spells it.</param>
public sealed record ListedSnapshot(BlobName Name, string Snapshot);

/// <summary>A URL that opens one blob for a while.</summary>
public sealed record BlobGrant(Uri Url, DateTimeOffset ExpiresAt);

/// <summary>
/// Blob storage with version-level immutability. Every call is durable on return. Nothing here decides: what may be deleted is
/// decided in one place (docs/design.md, invariant 2), and storage itself refuses what is locked.
/// </summary>
/// <exception cref="BlobMissingException">Thrown by every member that names a blob or version that is not there, unless it says otherwise.</exception>
public interface IBlobVault
{
    /// <summary>Makes the containers where missing, and fails with <see cref="ImmutabilityUnavailableException"/> where storage cannot lock versions.</summary>
    Task EnsureReadyAsync(CancellationToken cancellationToken);

    /// <summary>A SAS with which this one blob can be written, and neither read, deleted nor locked.</summary>
    Task<BlobGrant> GrantWriteAsync(BlobName name, TimeSpan lifetime, CancellationToken cancellationToken);

    /// <summary>A SAS with which this one version can be read.</summary>
    Task<BlobGrant> GrantReadAsync(BlobName name, string versionId, TimeSpan lifetime, CancellationToken cancellationToken);

    /// <summary>The current version, or null where there is no blob.</summary>
    Task<BlobState?> FindAsync(BlobName name, CancellationToken cancellationToken);

    /// <summary>One version, or null where it is not there.</summary>
    Task<BlobState?> FindAsync(BlobName name, string versionId, CancellationToken cancellationToken);

    /// <summary>Reads a version's bytes as a forward-only stream.</summary>
    Task<Stream> OpenReadAsync(BlobName name, string versionId, CancellationToken cancellationToken);

    /// <summary>Writes a new blob and returns its version. Never overwrites: <see cref="BlobExistsException"/> where one is.</summary>
    Task<string> WriteNewAsync(BlobName name, ReadOnlyMemory<byte> content, string contentType, CancellationToken cancellationToken);

    /// <summary>The same, with metadata.</summary>
    Task<string> WriteNewAsync(BlobName name, ReadOnlyMemory<byte> content, string contentType, IReadOnlyDictionary<string, string> metadata, CancellationToken cancellationToken);

    /// <summary>
    /// Sets the version's policy to <paramref name="until"/> and locks it; where it is locked already, extends it, and leaves a later date as it is.
    /// Does not read back: the caller must.
    /// </summary>
    Task LockAsync(BlobName name, string versionId, DateTimeOffset until, CancellationToken cancellationToken);

    /// <summary>Sets or clears the version's legal hold.</summary>
    Task SetLegalHoldAsync(BlobName name, string versionId, bool hold, CancellationToken cancellationToken);

    /// <summary>Asks storage to bring a version back from the archive tier, at standard priority: up to 15 hours. Nothing where it is on its way or not there. Allowed on what is locked.</summary>
    Task RehydrateAsync(BlobName name, string versionId, CancellationToken cancellationToken);

    /// <summary>Sets a version's index tags to these and no others. Allowed on what is locked. A lease of somebody's is broken.</summary>
    Task SetTagsAsync(BlobName name, string versionId, IReadOnlyDictionary<string, string> tags, CancellationToken cancellationToken);

    /// <summary>
    /// Deletes a version. <see cref="BlobProtectedException"/> where a policy or hold protects it; no error where it is gone already. A lease on the blob is
    /// broken: it protects nothing, and whoever may write a blob may take one for ever. Snapshots have to be deleted before.
    /// </summary>
    Task DeleteAsync(BlobName name, string versionId, CancellationToken cancellationToken);

    /// <summary>Current versions whose path starts with <paramref name="prefix"/>, in ordinal order, from the first after <paramref name="after"/>.</summary>
    IAsyncEnumerable<ListedBlob> ListAsync(VaultArea area, string prefix, string? after, CancellationToken cancellationToken);

    /// <summary>
    /// Every version, current or not, whose path starts with <paramref name="prefix"/>. Nothing is left of a blob that is neither here nor in
    /// <see cref="ListSnapshotsAsync"/>.
    /// </summary>
    IAsyncEnumerable<ListedBlob> ListVersionsAsync(VaultArea area, string prefix, CancellationToken cancellationToken);

    /// <summary>Every snapshot of a blob whose path starts with <paramref name="prefix"/>.</summary>
    IAsyncEnumerable<ListedSnapshot> ListSnapshotsAsync(VaultArea area, string prefix, CancellationToken cancellationToken);

    /// <summary>Deletes a snapshot. <see cref="BlobProtectedException"/> where a policy or hold of its own protects it; no error where it is gone already.</summary>
    Task DeleteSnapshotAsync(BlobName name, string snapshot, CancellationToken cancellationToken);
}

/// <summary>No such blob or version.</summary>
public sealed class BlobMissingException(BlobName name, Exception? inner = null) : Exception($"{name} is not in storage.", inner)
{
    /// <summary>The blob.</summary>
    public BlobName Name { get; } = name;
}

/// <summary>A blob of that name is there already.</summary>
public sealed class BlobExistsException(BlobName name, Exception? inner = null) : Exception($"{name} exists already.", inner);

/// <summary>Storage refused to delete or overwrite: a locked policy or a legal hold protects the version.</summary>
public sealed class BlobProtectedException(BlobName name, Exception? inner = null) : Exception($"{name} is protected by storage.", inner);

/// <summary>The storage account cannot lock versions; the archive must not start on it.</summary>
public sealed class ImmutabilityUnavailableException(string account, Exception? inner = null)
    : Exception($"Storage at {account} has no version-level immutability. Enable versioning and version-level immutability support on the account (infra/ does), then start again.", inner);
