using CloudArchive.Core.Storage;
using CloudArchive.Format;

namespace CloudArchive.Core.Tests.Support;

/// <summary>A store that answers some calls with a fault of its own, for as long as a test wants.</summary>
internal sealed class TroubledRows(IRowStore inner) : IRowStore
{
    /// <summary>Whether a read of a partition, from a key on, fails.</summary>
    public Func<RowTable, string, string, bool> Fails { get; set; } = (_, _, _) => false;

    public Task EnsureReadyAsync(CancellationToken cancellationToken) => inner.EnsureReadyAsync(cancellationToken);

    public Task<Row?> FindAsync(RowTable table, string partition, string key, CancellationToken cancellationToken) =>
        Fails(table, partition, key) ? throw new IOException("Tables answer HTTP 500.") : inner.FindAsync(table, partition, key, cancellationToken);

    public Task<IReadOnlyList<Row>> QueryAsync(RowTable table, string partition, string from, string to, int take, CancellationToken cancellationToken) =>
        Fails(table, partition, from) ? throw new IOException("Tables answer HTTP 500.") : inner.QueryAsync(table, partition, from, to, take, cancellationToken);

    public IAsyncEnumerable<string> PartitionsAsync(RowTable table, CancellationToken cancellationToken) => inner.PartitionsAsync(table, cancellationToken);

    public Task<IReadOnlyList<string>> SubmitAsync(RowTable table, string partition, IReadOnlyList<RowWrite> writes, CancellationToken cancellationToken) =>
        inner.SubmitAsync(table, partition, writes, cancellationToken);
}

/// <summary>Storage that answers for some blobs with a fault of its own, or has lost them.</summary>
internal sealed class TroubledVault(IBlobVault inner) : VaultDecorator(inner)
{
    /// <summary>Blobs that storage fails at.</summary>
    public HashSet<BlobName> Failing { get; } = [];

    /// <summary>Blobs that storage has lost.</summary>
    public HashSet<BlobName> Lost { get; } = [];

    public override Task<BlobState?> FindAsync(BlobName name, CancellationToken cancellationToken) => Check(name) ? base.FindAsync(name, cancellationToken) : Task.FromResult<BlobState?>(null);

    public override Task<BlobState?> FindAsync(BlobName name, string versionId, CancellationToken cancellationToken) =>
        Check(name) ? base.FindAsync(name, versionId, cancellationToken) : Task.FromResult<BlobState?>(null);

    public override Task<Stream> OpenReadAsync(BlobName name, string versionId, CancellationToken cancellationToken) =>
        Check(name) ? base.OpenReadAsync(name, versionId, cancellationToken) : throw new BlobMissingException(name);

    public override Task SetLegalHoldAsync(BlobName name, string versionId, bool hold, CancellationToken cancellationToken)
    {
        Check(name);
        return base.SetLegalHoldAsync(name, versionId, hold, cancellationToken);
    }

    public override Task LockAsync(BlobName name, string versionId, DateTimeOffset until, CancellationToken cancellationToken)
    {
        Check(name);
        return base.LockAsync(name, versionId, until, cancellationToken);
    }

    public override Task DeleteAsync(BlobName name, string versionId, CancellationToken cancellationToken)
    {
        Check(name);
        return base.DeleteAsync(name, versionId, cancellationToken);
    }

    public override Task DeleteSnapshotAsync(BlobName name, string snapshot, CancellationToken cancellationToken)
    {
        Check(name);
        return base.DeleteSnapshotAsync(name, snapshot, cancellationToken);
    }

    public override Task SetTagsAsync(BlobName name, string versionId, IReadOnlyDictionary<string, string> tags, CancellationToken cancellationToken)
    {
        Check(name);
        return base.SetTagsAsync(name, versionId, tags, cancellationToken);
    }

    public override Task RehydrateAsync(BlobName name, string versionId, CancellationToken cancellationToken)
    {
        Check(name);
        return base.RehydrateAsync(name, versionId, cancellationToken);
    }

    public override IAsyncEnumerable<ListedBlob> ListAsync(VaultArea area, string prefix, string? after, CancellationToken cancellationToken) =>
        base.ListAsync(area, prefix, after, cancellationToken).Where(blob => !Lost.Contains(blob.Name));

    private bool Check(BlobName name) => Failing.Contains(name) ? throw new IOException("Storage answers HTTP 500.") : !Lost.Contains(name);
}

/// <summary>Changes past the service.</summary>
internal static class PastTheService
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>Has a row say something else; null takes a value away.</summary>
    public static async Task AlterAsync(this IRowStore rows, RowTable table, string partition, string key, params (string Name, object? Value)[] changes)
    {
        Row row = await rows.FindAsync(table, partition, key, Cancel) ?? throw new InvalidOperationException($"There is no row {key}.");
        Dictionary<string, object> values = new(row.Values);
        foreach ((string name, object? value) in changes)
        {
            if (value is null)
            {
                values.Remove(name);
            }
            else
            {
                values[name] = value;
            }
        }

        await rows.SubmitAsync(table, partition, [new RowWrite.Replace(key, values, row.ETag!)], Cancel);
    }

    /// <summary>Takes every row away that names the pack.</summary>
    public static async Task EraseAsync(this IRowStore rows, ClinicId clinic, PackId pack)
    {
        IReadOnlyList<Row> all = await rows.QueryAsync(RowTable.Catalog, clinic.Value, "!", "~", 10_000, Cancel);
        Row[] gone = [.. all.Where(row => row.Key.Contains(pack.ToString(), StringComparison.Ordinal))];
        Assert.NotEmpty(gone);
        Assert.True(await rows.TryDeleteAsync(RowTable.Catalog, clinic.Value, gone, Cancel));
    }
}
