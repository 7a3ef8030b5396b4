using CloudArchive.Core.Keys;
using CloudArchive.Core.Storage;
using CloudArchive.Format.Signing;

namespace CloudArchive.LocalHost.Tests.Audit;

/// <summary>A vault as a process sees it that dies at its n-th call, before storage hears of it or after storage did it.</summary>
internal sealed class DyingVault(IBlobVault inner, int fatal, bool after) : IBlobVault
{
    private int _calls;

    public bool Dead { get; private set; }

    public Task EnsureReadyAsync(CancellationToken cancellationToken) => inner.EnsureReadyAsync(cancellationToken);

    public Task<BlobGrant> GrantWriteAsync(BlobName name, TimeSpan lifetime, CancellationToken cancellationToken) => inner.GrantWriteAsync(name, lifetime, cancellationToken);

    public Task<BlobGrant> GrantReadAsync(BlobName name, string versionId, TimeSpan lifetime, CancellationToken cancellationToken) => inner.GrantReadAsync(name, versionId, lifetime, cancellationToken);

    public Task<BlobState?> FindAsync(BlobName name, CancellationToken cancellationToken) => CallAsync(() => inner.FindAsync(name, cancellationToken));

    public Task<BlobState?> FindAsync(BlobName name, string versionId, CancellationToken cancellationToken) => CallAsync(() => inner.FindAsync(name, versionId, cancellationToken));

    public Task<Stream> OpenReadAsync(BlobName name, string versionId, CancellationToken cancellationToken) => CallAsync(() => inner.OpenReadAsync(name, versionId, cancellationToken));

    public Task<string> WriteNewAsync(BlobName name, ReadOnlyMemory<byte> content, string contentType, CancellationToken cancellationToken) =>
        CallAsync(() => inner.WriteNewAsync(name, content, contentType, cancellationToken));

    public Task<string> WriteNewAsync(BlobName name, ReadOnlyMemory<byte> content, string contentType, IReadOnlyDictionary<string, string> metadata, CancellationToken cancellationToken) =>
        CallAsync(() => inner.WriteNewAsync(name, content, contentType, metadata, cancellationToken));

    public Task RehydrateAsync(BlobName name, string versionId, CancellationToken cancellationToken) => inner.RehydrateAsync(name, versionId, cancellationToken);

    public Task SetTagsAsync(BlobName name, string versionId, IReadOnlyDictionary<string, string> tags, CancellationToken cancellationToken) => inner.SetTagsAsync(name, versionId, tags, cancellationToken);

    public Task LockAsync(BlobName name, string versionId, DateTimeOffset until, CancellationToken cancellationToken) => CallAsync(async () =>
    {
        await inner.LockAsync(name, versionId, until, cancellationToken);
        return true;
    });

    public Task SetLegalHoldAsync(BlobName name, string versionId, bool hold, CancellationToken cancellationToken) => inner.SetLegalHoldAsync(name, versionId, hold, cancellationToken);

    public Task DeleteAsync(BlobName name, string versionId, CancellationToken cancellationToken) => inner.DeleteAsync(name, versionId, cancellationToken);

    public IAsyncEnumerable<ListedBlob> ListVersionsAsync(VaultArea area, string prefix, CancellationToken cancellationToken) => inner.ListVersionsAsync(area, prefix, cancellationToken);

    public IAsyncEnumerable<ListedSnapshot> ListSnapshotsAsync(VaultArea area, string prefix, CancellationToken cancellationToken) => inner.ListSnapshotsAsync(area, prefix, cancellationToken);

    public Task DeleteSnapshotAsync(BlobName name, string snapshot, CancellationToken cancellationToken) => inner.DeleteSnapshotAsync(name, snapshot, cancellationToken);

    public IAsyncEnumerable<ListedBlob> ListAsync(VaultArea area, string prefix, string? after, CancellationToken cancellationToken) =>
        Dead ? throw new IOException("This process is dead.") : inner.ListAsync(area, prefix, after, cancellationToken);

    private async Task<T> CallAsync<T>(Func<Task<T>> call)
    {
        if (Dead || (++_calls == fatal && !after))
        {
            Dead = true;
            throw new IOException("This process is dead.");
        }

        T answer = await call();
        if (_calls == fatal)
        {
            Dead = true;
            throw new IOException("This process died before it heard the answer.");
        }

        return answer;
    }
}

/// <summary>A store in which only some partitions can be found by listing.</summary>
internal sealed class OnlyThese(IRowStore inner, IReadOnlyList<string> partitions) : IRowStore
{
    public Task EnsureReadyAsync(CancellationToken cancellationToken) => inner.EnsureReadyAsync(cancellationToken);

    public Task<Row?> FindAsync(RowTable table, string partition, string key, CancellationToken cancellationToken) => inner.FindAsync(table, partition, key, cancellationToken);

    public Task<IReadOnlyList<Row>> QueryAsync(RowTable table, string partition, string from, string to, int take, CancellationToken cancellationToken) =>
        inner.QueryAsync(table, partition, from, to, take, cancellationToken);

    public IAsyncEnumerable<string> PartitionsAsync(RowTable table, CancellationToken cancellationToken) =>
        inner.PartitionsAsync(table, cancellationToken).Where(partition => partitions.Contains(partition));

    public Task<IReadOnlyList<string>> SubmitAsync(RowTable table, string partition, IReadOnlyList<RowWrite> writes, CancellationToken cancellationToken) =>
        inner.SubmitAsync(table, partition, writes, cancellationToken);
}

/// <summary>Signs with one and knows the public keys of both.</summary>
internal sealed class KeysOfTwo(ISigner one, ISigner other) : ISigner
{
    public Task<string> GetCurrentKeyIdAsync(CancellationToken cancellationToken) => one.GetCurrentKeyIdAsync(cancellationToken);

    public Task<byte[]> SignAsync(string keyId, ReadOnlyMemory<byte> data, CancellationToken cancellationToken) => one.SignAsync(keyId, data, cancellationToken);

    public async Task<JwkSet> GetPublicKeysAsync(CancellationToken cancellationToken) =>
        new([.. (await one.GetPublicKeysAsync(cancellationToken)).Keys, .. (await other.GetPublicKeysAsync(cancellationToken)).Keys]);

    public Task<IReadOnlyList<string>> GetDisabledAsync(CancellationToken cancellationToken) => one.GetDisabledAsync(cancellationToken);
}
