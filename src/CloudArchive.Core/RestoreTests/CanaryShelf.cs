using CloudArchive.Core.Storage;

namespace CloudArchive.Core.RestoreTests;

/// <summary>
/// Where a clinic's canaries lie: blobs among the records as <c>{clinic}/canaries/{what a pack's blobs are called}</c>, catalogue rows in the
/// partition <c>$canaries-{clinic}</c>. The seams below put what is asked of a pack there, so that the very code that tests packs tests
/// canaries, and nothing that lists packs ever meets one. Recovery may write among the records; it has no right to write a pack.
/// </summary>
internal static class CanaryShelf
{
    /// <summary>The kind of the records.</summary>
    public const string Kind = "canaries";

    private const string Partition = "$canaries-";

    /// <summary>Blobs of packs, as canaries have them.</summary>
    public static IBlobVault Vault(IBlobVault inner) => new ShelfVault(inner);

    /// <summary>The catalogue, as canaries have it; other tables are what they are.</summary>
    public static IRowStore Rows(IRowStore inner) => new ShelfRows(inner);

    private static BlobName Place(BlobName name)
    {
        int slash = name.Path.IndexOf('/', StringComparison.Ordinal);
        return name.Area == VaultArea.Packs && slash > 0
            ? new BlobName(VaultArea.Records, $"{name.Path[..slash]}/{Kind}{name.Path[slash..]}")
            : throw new ArgumentException($"{name} is no pack's blob.", nameof(name));
    }

    private sealed class ShelfVault(IBlobVault inner) : IBlobVault
    {
        public Task EnsureReadyAsync(CancellationToken cancellationToken) => inner.EnsureReadyAsync(cancellationToken);

        public Task<BlobState?> FindAsync(BlobName name, CancellationToken cancellationToken) => inner.FindAsync(Place(name), cancellationToken);

        public Task<BlobState?> FindAsync(BlobName name, string versionId, CancellationToken cancellationToken) => inner.FindAsync(Place(name), versionId, cancellationToken);

        public Task<Stream> OpenReadAsync(BlobName name, string versionId, CancellationToken cancellationToken) => inner.OpenReadAsync(Place(name), versionId, cancellationToken);

        public Task<string> WriteNewAsync(BlobName name, ReadOnlyMemory<byte> content, string contentType, CancellationToken cancellationToken) =>
            inner.WriteNewAsync(Place(name), content, contentType, cancellationToken);

        public Task<string> WriteNewAsync(BlobName name, ReadOnlyMemory<byte> content, string contentType, IReadOnlyDictionary<string, string> metadata, CancellationToken cancellationToken) =>
            inner.WriteNewAsync(Place(name), content, contentType, metadata, cancellationToken);

        public Task LockAsync(BlobName name, string versionId, DateTimeOffset until, CancellationToken cancellationToken) => inner.LockAsync(Place(name), versionId, until, cancellationToken);

        // Nobody uploads, hands out, holds, brings back, tags, deletes or lists canaries.
        Task<BlobGrant> IBlobVault.GrantWriteAsync(BlobName name, TimeSpan lifetime, CancellationToken cancellationToken) => throw new NotSupportedException();

        Task<BlobGrant> IBlobVault.GrantReadAsync(BlobName name, string versionId, TimeSpan lifetime, CancellationToken cancellationToken) => throw new NotSupportedException();

        Task IBlobVault.SetLegalHoldAsync(BlobName name, string versionId, bool hold, CancellationToken cancellationToken) => throw new NotSupportedException();

        Task IBlobVault.RehydrateAsync(BlobName name, string versionId, CancellationToken cancellationToken) => throw new NotSupportedException();

        Task IBlobVault.SetTagsAsync(BlobName name, string versionId, IReadOnlyDictionary<string, string> tags, CancellationToken cancellationToken) => throw new NotSupportedException();

        Task IBlobVault.DeleteAsync(BlobName name, string versionId, CancellationToken cancellationToken) => throw new NotSupportedException();

        IAsyncEnumerable<ListedBlob> IBlobVault.ListVersionsAsync(VaultArea area, string prefix, CancellationToken cancellationToken) => throw new NotSupportedException();

        IAsyncEnumerable<ListedSnapshot> IBlobVault.ListSnapshotsAsync(VaultArea area, string prefix, CancellationToken cancellationToken) => throw new NotSupportedException();

        Task IBlobVault.DeleteSnapshotAsync(BlobName name, string snapshot, CancellationToken cancellationToken) => throw new NotSupportedException();

        IAsyncEnumerable<ListedBlob> IBlobVault.ListAsync(VaultArea area, string prefix, string? after, CancellationToken cancellationToken) => throw new NotSupportedException();
    }

    private sealed class ShelfRows(IRowStore inner) : IRowStore
    {
        public Task EnsureReadyAsync(CancellationToken cancellationToken) => inner.EnsureReadyAsync(cancellationToken);

        public async Task<Row?> FindAsync(RowTable table, string partition, string key, CancellationToken cancellationToken) =>
            await inner.FindAsync(table, Place(table, partition), key, cancellationToken) is { } row ? row with { Partition = partition } : null;

        public async Task<IReadOnlyList<Row>> QueryAsync(RowTable table, string partition, string from, string to, int take, CancellationToken cancellationToken) =>
            [.. (await inner.QueryAsync(table, Place(table, partition), from, to, take, cancellationToken)).Select(row => row with { Partition = partition })];

        public IAsyncEnumerable<string> PartitionsAsync(RowTable table, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task<IReadOnlyList<string>> SubmitAsync(RowTable table, string partition, IReadOnlyList<RowWrite> writes, CancellationToken cancellationToken) =>
            inner.SubmitAsync(table, Place(table, partition), writes, cancellationToken);

        private static string Place(RowTable table, string partition) => table == RowTable.Catalog ? Partition + partition : partition;
    }
}
