using System.Text;
using Azure;
using Azure.Storage.Blobs;
using CloudArchive.Core.Storage;
using CloudArchive.LocalHost.Storage;
using CloudArchive.Testing;
using Microsoft.Extensions.Time.Testing;

namespace CloudArchive.LocalHost.Tests.Worm;

/// <summary>Storage whose clock tests may move: forward only.</summary>
public sealed class ClockedStorage : IAsyncLifetime
{
    private readonly TemporaryFolder _folder = new();

    public FakeTimeProvider Clock { get; } = new(TimeProvider.System.GetUtcNow());

    public string Folder => _folder.Path;

    public LocalStorage Storage { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Storage = await LocalStorage.StartAsync(new LocalStorageOptions(Folder), Clock, TestContext.Current.CancellationToken);

    public async ValueTask DisposeAsync()
    {
        await Storage.DisposeAsync();
        _folder.Dispose();
    }
}

public sealed class WormClockTests(ClockedStorage clocked) : IClassFixture<ClockedStorage>
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static BlobName Name(string name) => new(VaultArea.Records, name);

    private static Task<string> WriteAsync(LocalStorage storage, string name) => storage.Vault.WriteNewAsync(Name(name), Encoding.UTF8.GetBytes(name), "text/plain", Cancel);

    [Fact]
    public async Task A_policy_that_has_run_out_still_forbids_change_and_can_be_extended()
    {
        LocalStorage storage = clocked.Storage;
        string version = await WriteAsync(storage, "x");
        await storage.Vault.LockAsync(Name("x"), version, clocked.Clock.GetUtcNow().AddDays(1), Cancel);
        clocked.Clock.Advance(TimeSpan.FromDays(2));
        RawStorage raw = new(storage.BlobUrl, storage.Account);
        Assert.Equal(409, (await raw.SendAsync("PUT", "/devstoreaccount1/records/x?comp=metadata", new Dictionary<string, string> { ["x-ms-meta-a"] = "b" })).Status);
        Assert.Equal(409, (await raw.SendAsync("PUT", "/devstoreaccount1/records/x", new Dictionary<string, string> { ["x-ms-blob-type"] = "BlockBlob" }, "y")).Status);
        Assert.Equal(409, (await raw.SendAsync("DELETE", "/devstoreaccount1/records/x?comp=immutabilityPolicies")).Status);
        await storage.Vault.LockAsync(Name("x"), version, clocked.Clock.GetUtcNow().AddDays(1), Cancel);
        await Assert.ThrowsAsync<BlobProtectedException>(() => storage.Vault.DeleteAsync(Name("x"), version, Cancel));
    }

    [Fact]
    public async Task A_grant_ends_by_the_clock()
    {
        LocalStorage storage = clocked.Storage;
        BlobGrant grant = await storage.Vault.GrantWriteAsync(Name("late"), TimeSpan.FromHours(1), Cancel);
        clocked.Clock.Advance(TimeSpan.FromMinutes(61));
        RequestFailedException e = await Assert.ThrowsAsync<RequestFailedException>(() => new BlobClient(grant.Url).UploadAsync(BinaryData.FromString("late"), Cancel));
        Assert.Equal(403, e.Status);
        Assert.Null(await storage.Vault.FindAsync(Name("late"), Cancel));
    }

    [Fact]
    public async Task One_LocalHost_at_a_time_has_a_data_folder()
    {
        LocalHostException e = await Assert.ThrowsAsync<LocalHostException>(() => LocalStorage.StartAsync(clocked.Folder, Cancel));
        Assert.Contains("Another LocalHost", e.Message, StringComparison.Ordinal);
        Assert.NotEmpty(await WriteAsync(clocked.Storage, "still-served"));
    }
}
