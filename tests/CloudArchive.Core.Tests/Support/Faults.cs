using CloudArchive.Core.Audit;
using CloudArchive.Core.Keys;
using CloudArchive.Core.Storage;
using CloudArchive.Format.Signing;

namespace CloudArchive.Core.Tests.Support;

/// <summary>The process dies at one call to a seam: after it took effect and before the caller hears so. The dead stay dead.</summary>
internal sealed class Doom(int call)
{
    private int _calls;
    private volatile bool _dead;

    public int Calls => _calls;

    /// <summary>Whether the call was ever reached.</summary>
    public bool Struck => _dead;

    /// <summary>Nobody dies; calls are counted.</summary>
    public static Doom None() => new(0);

    public async Task<T> CallAsync<T>(Func<Task<T>> inner)
    {
        if (_dead)
        {
            throw new DeadException();
        }

        bool last = Interlocked.Increment(ref _calls) == call;
        T result = await inner();
        if (last)
        {
            _dead = true;
            throw new DeadException();
        }

        return result;
    }

    public Task CallAsync(Func<Task> inner) => CallAsync(async () =>
    {
        await inner();
        return true;
    });
}

internal sealed class DeadException() : IOException("The process is dead.");

internal sealed class DoomedRows(IRowStore inner, Doom doom) : IRowStore
{
    public Task EnsureReadyAsync(CancellationToken cancellationToken) => inner.EnsureReadyAsync(cancellationToken);

    public Task<Row?> FindAsync(RowTable table, string partition, string key, CancellationToken cancellationToken) =>
        doom.CallAsync(() => inner.FindAsync(table, partition, key, cancellationToken));

    public Task<IReadOnlyList<Row>> QueryAsync(RowTable table, string partition, string from, string to, int take, CancellationToken cancellationToken) =>
        doom.CallAsync(() => inner.QueryAsync(table, partition, from, to, take, cancellationToken));

    public IAsyncEnumerable<string> PartitionsAsync(RowTable table, CancellationToken cancellationToken) => inner.PartitionsAsync(table, cancellationToken);

    public Task<IReadOnlyList<string>> SubmitAsync(RowTable table, string partition, IReadOnlyList<RowWrite> writes, CancellationToken cancellationToken) =>
        doom.CallAsync(() => inner.SubmitAsync(table, partition, writes, cancellationToken));
}

internal sealed class DoomedSigner(ISigner inner, Doom doom) : ISigner
{
    public Task<string> GetCurrentKeyIdAsync(CancellationToken cancellationToken) => doom.CallAsync(() => inner.GetCurrentKeyIdAsync(cancellationToken));

    public Task<byte[]> SignAsync(string keyId, ReadOnlyMemory<byte> data, CancellationToken cancellationToken) => doom.CallAsync(() => inner.SignAsync(keyId, data, cancellationToken));

    public Task<JwkSet> GetPublicKeysAsync(CancellationToken cancellationToken) => doom.CallAsync(() => inner.GetPublicKeysAsync(cancellationToken));

    public Task<IReadOnlyList<string>> GetDisabledAsync(CancellationToken cancellationToken) => inner.GetDisabledAsync(cancellationToken);
}

/// <summary>Storage of which a test changes a call or two; the rest goes through.</summary>
internal class VaultDecorator(IBlobVault inner) : IBlobVault
{
    public virtual Task EnsureReadyAsync(CancellationToken cancellationToken) => inner.EnsureReadyAsync(cancellationToken);

    public virtual Task<BlobGrant> GrantWriteAsync(BlobName name, TimeSpan lifetime, CancellationToken cancellationToken) => inner.GrantWriteAsync(name, lifetime, cancellationToken);

    public virtual Task<BlobGrant> GrantReadAsync(BlobName name, string versionId, TimeSpan lifetime, CancellationToken cancellationToken) =>
        inner.GrantReadAsync(name, versionId, lifetime, cancellationToken);

    public virtual Task<BlobState?> FindAsync(BlobName name, CancellationToken cancellationToken) => inner.FindAsync(name, cancellationToken);

    public virtual Task<BlobState?> FindAsync(BlobName name, string versionId, CancellationToken cancellationToken) => inner.FindAsync(name, versionId, cancellationToken);

    public virtual Task<Stream> OpenReadAsync(BlobName name, string versionId, CancellationToken cancellationToken) => inner.OpenReadAsync(name, versionId, cancellationToken);

    public virtual Task<string> WriteNewAsync(BlobName name, ReadOnlyMemory<byte> content, string contentType, CancellationToken cancellationToken) =>
        inner.WriteNewAsync(name, content, contentType, cancellationToken);

    public virtual Task<string> WriteNewAsync(BlobName name, ReadOnlyMemory<byte> content, string contentType, IReadOnlyDictionary<string, string> metadata, CancellationToken cancellationToken) =>
        inner.WriteNewAsync(name, content, contentType, metadata, cancellationToken);

    public virtual Task LockAsync(BlobName name, string versionId, DateTimeOffset until, CancellationToken cancellationToken) => inner.LockAsync(name, versionId, until, cancellationToken);

    public virtual Task SetLegalHoldAsync(BlobName name, string versionId, bool hold, CancellationToken cancellationToken) => inner.SetLegalHoldAsync(name, versionId, hold, cancellationToken);

    public virtual Task RehydrateAsync(BlobName name, string versionId, CancellationToken cancellationToken) => inner.RehydrateAsync(name, versionId, cancellationToken);

    public virtual Task SetTagsAsync(BlobName name, string versionId, IReadOnlyDictionary<string, string> tags, CancellationToken cancellationToken) => inner.SetTagsAsync(name, versionId, tags, cancellationToken);

    public virtual Task DeleteAsync(BlobName name, string versionId, CancellationToken cancellationToken) => inner.DeleteAsync(name, versionId, cancellationToken);

    public virtual IAsyncEnumerable<ListedBlob> ListVersionsAsync(VaultArea area, string prefix, CancellationToken cancellationToken) => inner.ListVersionsAsync(area, prefix, cancellationToken);

    public virtual IAsyncEnumerable<ListedSnapshot> ListSnapshotsAsync(VaultArea area, string prefix, CancellationToken cancellationToken) => inner.ListSnapshotsAsync(area, prefix, cancellationToken);

    public virtual Task DeleteSnapshotAsync(BlobName name, string snapshot, CancellationToken cancellationToken) => inner.DeleteSnapshotAsync(name, snapshot, cancellationToken);

    public virtual IAsyncEnumerable<ListedBlob> ListAsync(VaultArea area, string prefix, string? after, CancellationToken cancellationToken) => inner.ListAsync(area, prefix, after, cancellationToken);
}

internal sealed class DoomedVault(IBlobVault inner, Doom doom) : VaultDecorator(inner)
{
    public override Task<BlobState?> FindAsync(BlobName name, CancellationToken cancellationToken) => doom.CallAsync(() => base.FindAsync(name, cancellationToken));

    public override Task<BlobState?> FindAsync(BlobName name, string versionId, CancellationToken cancellationToken) => doom.CallAsync(() => base.FindAsync(name, versionId, cancellationToken));

    public override Task<Stream> OpenReadAsync(BlobName name, string versionId, CancellationToken cancellationToken) => doom.CallAsync(() => base.OpenReadAsync(name, versionId, cancellationToken));

    public override Task<string> WriteNewAsync(BlobName name, ReadOnlyMemory<byte> content, string contentType, CancellationToken cancellationToken) =>
        doom.CallAsync(() => base.WriteNewAsync(name, content, contentType, cancellationToken));

    public override Task<string> WriteNewAsync(BlobName name, ReadOnlyMemory<byte> content, string contentType, IReadOnlyDictionary<string, string> metadata, CancellationToken cancellationToken) =>
        doom.CallAsync(() => base.WriteNewAsync(name, content, contentType, metadata, cancellationToken));

    public override Task LockAsync(BlobName name, string versionId, DateTimeOffset until, CancellationToken cancellationToken) =>
        doom.CallAsync(() => base.LockAsync(name, versionId, until, cancellationToken));

    public override Task SetLegalHoldAsync(BlobName name, string versionId, bool hold, CancellationToken cancellationToken) =>
        doom.CallAsync(() => base.SetLegalHoldAsync(name, versionId, hold, cancellationToken));

    public override Task DeleteAsync(BlobName name, string versionId, CancellationToken cancellationToken) => doom.CallAsync(() => base.DeleteAsync(name, versionId, cancellationToken));
}
