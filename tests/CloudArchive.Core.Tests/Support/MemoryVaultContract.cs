using CloudArchive.Contracts;
using CloudArchive.Core.Storage;

namespace CloudArchive.Core.Tests.Support;

public sealed class MemoryVaultContract : StoredBlobContract
{
    private readonly MemoryVault _vault = new(TimeProvider.System);

    protected override IBlobVault Vault => _vault;

    protected override Task LeaseAsync(BlobName name)
    {
        _vault.Lease(name);
        return Task.CompletedTask;
    }

    protected override Task SnapshotAsync(BlobName name)
    {
        _vault.Snapshot(name);
        return Task.CompletedTask;
    }

    [Fact]
    public async Task A_blob_that_was_written_again_has_two_versions_and_each_is_deleted_by_itself()
    {
        BlobName name = Name("pack");
        string first = await WriteAsync(name, "first"), second = _vault.Overwrite(name, Bytes("second"));
        Assert.Equal((second, "first", "second"), ((await Vault.FindAsync(name, Cancel))!.VersionId, await ReadAsync(name, first), await ReadAsync(name, second)));
        await Vault.LockAsync(name, first, InDays(1), Cancel);
        await Vault.DeleteAsync(name, second, Cancel);
        Assert.Equal([first], await Vault.ListVersionsAsync(VaultArea.Packs, name.Path, Cancel).Select(version => version.VersionId).ToListAsync(Cancel));
    }
}
