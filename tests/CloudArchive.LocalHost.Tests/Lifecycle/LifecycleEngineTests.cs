using Azure;
using Azure.Core;
using Azure.Core.Pipeline;
using Azure.Storage;
using Azure.Storage.Blobs;
using CloudArchive.Core.Retention;
using CloudArchive.Core.Storage;
using CloudArchive.LocalHost.Lifecycle;
using CloudArchive.LocalHost.Storage;
using CloudArchive.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace CloudArchive.LocalHost.Tests.Lifecycle;

/// <summary>Against the real emulator behind the WORM layer, with a clock that the test moves.</summary>
public sealed class LifecycleEngineTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_deployed_rules_move_packs_and_records_when_their_time_has_come_and_nothing_else_changes()
    {
        using TemporaryFolder folder = new();
        FakeTimeProvider clock = new(TimeProvider.System.GetUtcNow());
        await using LocalStorage storage = await LocalStorage.StartAsync(new LocalStorageOptions(folder.Path), clock, Cancel);
        BlobName pack = new(VaultArea.Packs, "clinic/pack");
        BlobName record = new(VaultArea.Records, "clinic/evidence/1");
        string version = await storage.Vault.WriteNewAsync(pack, "pack"u8.ToArray(), "text/plain", Cancel);
        await storage.Vault.WriteNewAsync(record, "record"u8.ToArray(), "text/plain", Cancel);
        await storage.Vault.LockAsync(pack, version, clock.GetUtcNow().AddYears(5), Cancel);
        LifecycleEngine engine = new(storage, LifecycleRules.Deployed(), clock, NullLogger<LifecycleEngine>.Instance);

        Assert.Equal(new LifecycleRun(2, 0, 0), await engine.RunAsync(Cancel));
        clock.Advance(TimeSpan.FromDays(31));
        Assert.Equal(new LifecycleRun(2, 1, 0), await engine.RunAsync(Cancel));
        Assert.Equal(("Cold", "Hot"), (await TierAsync(storage, pack), await TierAsync(storage, record)));
        Assert.Equal(new LifecycleRun(2, 0, 0), await engine.RunAsync(Cancel));
        clock.Advance(TimeSpan.FromDays(60));
        Assert.Equal(new LifecycleRun(2, 1, 0), await engine.RunAsync(Cancel));
        Assert.Equal(("Cold", "Cool"), (await TierAsync(storage, pack), await TierAsync(storage, record)));

        // The same version, still locked, with its bytes.
        BlobState state = (await storage.Vault.FindAsync(pack, version, Cancel))!;
        Assert.True(state.Locked);
        await using Stream content = await storage.Vault.OpenReadAsync(pack, version, Cancel);
        using StreamReader reader = new(content);
        Assert.Equal("pack", await reader.ReadToEndAsync(Cancel));
    }

    [Fact]
    public async Task A_pack_with_its_clinic_s_tag_goes_to_the_archive_tier_in_its_year_and_no_other_blob_does()
    {
        using TemporaryFolder folder = new();
        FakeTimeProvider clock = new(TimeProvider.System.GetUtcNow());
        await using LocalStorage storage = await LocalStorage.StartAsync(new LocalStorageOptions(folder.Path), clock, Cancel);
        BlobName pack = new(VaultArea.Packs, "clinic/pack"), sidecar = new(VaultArea.Packs, "clinic/pack.sidecar.json"), other = new(VaultArea.Packs, "other/pack");
        foreach (BlobName name in (BlobName[])[pack, sidecar, other])
        {
            string version = await storage.Vault.WriteNewAsync(name, "content"u8.ToArray(), "text/plain", Cancel);
            await storage.Vault.LockAsync(name, version, clock.GetUtcNow().AddYears(5), Cancel);
        }

        string tagged = (await storage.Vault.FindAsync(pack, Cancel))!.VersionId;
        await storage.Vault.SetTagsAsync(pack, tagged, new Dictionary<string, string> { [TieringRun.Tag] = "2" }, Cancel);
        LifecycleEngine engine = new(storage, LifecycleRules.Deployed(), clock, NullLogger<LifecycleEngine>.Instance);
        clock.Advance(TimeSpan.FromDays(729));
        await engine.RunAsync(Cancel);
        Assert.Equal(("Cold", "Cold", "Cold"), (await TierAsync(storage, pack), await TierAsync(storage, sidecar), await TierAsync(storage, other)));
        clock.Advance(TimeSpan.FromDays(40));
        Assert.Equal(new LifecycleRun(3, 1, 0), await engine.RunAsync(Cancel));
        Assert.Equal(("Archive", "Cold", "Cold"), (await TierAsync(storage, pack), await TierAsync(storage, sidecar), await TierAsync(storage, other)));
        Assert.True((await storage.Vault.FindAsync(pack, tagged, Cancel)) is { Archived: true, Locked: true });
    }

    [Fact]
    public async Task A_rule_that_deletes_deletes_nothing()
    {
        using TemporaryFolder folder = new();
        FakeTimeProvider clock = new(TimeProvider.System.GetUtcNow());
        await using LocalStorage storage = await LocalStorage.StartAsync(new LocalStorageOptions(folder.Path), clock, Cancel);
        BlobName pack = new(VaultArea.Packs, "clinic/pack");
        await storage.Vault.WriteNewAsync(pack, "pack"u8.ToArray(), "text/plain", Cancel);
        LifecycleRules rules = LifecycleRules.Parse(
            """{"rules":[{"name":"gone","type":"Lifecycle","definition":{"filters":{"blobTypes":["blockBlob"]},"actions":{"baseBlob":{"delete":{"daysAfterModificationGreaterThan":1}}}}}]}""");
        clock.Advance(TimeSpan.FromDays(2));
        Assert.Equal(new LifecycleRun(1, 0, 1), await new LifecycleEngine(storage, rules, clock, NullLogger<LifecycleEngine>.Instance).RunAsync(Cancel));
        Assert.NotNull(await storage.Vault.FindAsync(pack, Cancel));
    }

    [Fact]
    public async Task A_blob_that_storage_fails_at_keeps_no_other_where_it_is_nor_a_container_that_cannot_be_listed_the_other()
    {
        using TemporaryFolder folder = new();
        FakeTimeProvider clock = new(TimeProvider.System.GetUtcNow());
        await using LocalStorage storage = await LocalStorage.StartAsync(new LocalStorageOptions(folder.Path), clock, Cancel);
        BlobName bad = new(VaultArea.Packs, "clinic/a"), good = new(VaultArea.Packs, "clinic/b"), record = new(VaultArea.Records, "clinic/evidence/1");
        foreach (BlobName name in (BlobName[])[bad, good, record])
        {
            await storage.Vault.WriteNewAsync(name, "content"u8.ToArray(), "text/plain", Cancel);
        }

        clock.Advance(TimeSpan.FromDays(100));
        BlobClientOptions options = new() { Retry = { MaxRetries = 0 } };
        options.AddPolicy(new Refusing(request => request.Uri.ToUri().AbsolutePath.EndsWith("/clinic/a", StringComparison.Ordinal)), HttpPipelinePosition.PerCall);
        Assert.Equal(new LifecycleRun(3, 2, 0, 1), await new LifecycleEngine(storage, LifecycleRules.Deployed(), clock, NullLogger<LifecycleEngine>.Instance, options).RunAsync(Cancel));
        Assert.Equal(("Hot", "Cold", "Cool"), (await TierAsync(storage, bad), await TierAsync(storage, good), await TierAsync(storage, record)));

        options = new BlobClientOptions { Retry = { MaxRetries = 0 } };
        options.AddPolicy(new Refusing(request => request.Uri.ToUri().AbsolutePath.EndsWith("/packs", StringComparison.Ordinal)), HttpPipelinePosition.PerCall);
        Assert.Equal(new LifecycleRun(1, 0, 0, 1), await new LifecycleEngine(storage, LifecycleRules.Deployed(), clock, NullLogger<LifecycleEngine>.Instance, options).RunAsync(Cancel));
        Assert.Equal(new LifecycleRun(3, 1, 0), await new LifecycleEngine(storage, LifecycleRules.Deployed(), clock, NullLogger<LifecycleEngine>.Instance).RunAsync(Cancel));
    }

    /// <summary>Storage that answers some requests with a fault of its own.</summary>
    private sealed class Refusing(Func<Request, bool> which) : HttpPipelineSynchronousPolicy
    {
        public override void OnSendingRequest(HttpMessage message)
        {
            if (which(message.Request))
            {
                throw new RequestFailedException(500, "Storage answers HTTP 500.");
            }
        }
    }

    private static async Task<string> TierAsync(LocalStorage storage, BlobName name)
    {
        BlobServiceClient service = new(storage.BlobUrl, new StorageSharedKeyCredential(storage.Account.Name, storage.Account.Key));
        return (await service.GetBlobContainerClient(name.Area == VaultArea.Packs ? "packs" : "records").GetBlobClient(name.Path).GetPropertiesAsync(cancellationToken: Cancel)).Value.AccessTier;
    }
}
