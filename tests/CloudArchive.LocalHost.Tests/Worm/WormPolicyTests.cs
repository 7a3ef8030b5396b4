using System.Globalization;
using System.Security.Cryptography;
using Azure;
using Azure.Storage;
using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;
using Azure.Storage.Blobs.Specialized;
using CloudArchive.LocalHost.Storage;
using CloudArchive.LocalHost.Tests.Storage;

namespace CloudArchive.LocalHost.Tests.Worm;

/// <summary>Policies, holds and versions, through the stock SDK with the account's key: as they are on Azure, where docs/localhost.md does not say otherwise.</summary>
public sealed class WormPolicyTests(SharedStorage shared)
{
    private static int s_blobs;

    private readonly LocalStorage _storage = shared.Storage;

    private readonly BlockBlobClient _blob = new BlobServiceClient(shared.Storage.BlobUrl, new StorageSharedKeyCredential(shared.Storage.Account.Name, shared.Storage.Account.Key))
        .GetBlobContainerClient("packs").GetBlockBlobClient(string.Create(CultureInfo.InvariantCulture, $"policy-{Interlocked.Increment(ref s_blobs)}"));

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static DateTimeOffset InDays(int days) => new(TimeProvider.System.GetUtcNow().UtcDateTime.Date.AddDays(days), TimeSpan.Zero);

    private static BlobImmutabilityPolicy Policy(int days, BlobImmutabilityPolicyMode mode) => new() { ExpiresOn = InDays(days), PolicyMode = mode };

    private async Task<BlobBaseClient> UploadAsync(string content = "content")
    {
        BlobContentInfo info = await _blob.UploadAsync(BinaryData.FromString(content).ToStream(), new BlobUploadOptions { TransferOptions = new StorageTransferOptions { InitialTransferSize = 1 << 20 } }, Cancel);
        return _blob.WithVersion(info.VersionId);
    }

    private async Task<BlobProperties> PropertiesAsync() => await _blob.GetPropertiesAsync(cancellationToken: Cancel);

    private static async Task RefusedAsync(int status, string code, params Func<Task>[] calls)
    {
        foreach (Func<Task> call in calls)
        {
            RequestFailedException e = await Assert.ThrowsAsync<RequestFailedException>(call);
            Assert.Equal((status, code), (e.Status, e.ErrorCode));
        }
    }

    private async Task AssertProtectedAsync(BlobBaseClient version, string code)
    {
        string id = Convert.ToBase64String([1]);
        await RefusedAsync(
            409,
            code,
            () => version.DeleteAsync(cancellationToken: Cancel),
            () => _blob.DeleteAsync(cancellationToken: Cancel),
            () => UploadAsync("other"),
            () => _blob.StageBlockAsync(id, new MemoryStream([1]), cancellationToken: Cancel),
            () => _blob.CommitBlockListAsync([], cancellationToken: Cancel),
            () => _blob.SetMetadataAsync(new Dictionary<string, string> { ["a"] = "b" }, cancellationToken: Cancel),
            () => _blob.SetHttpHeadersAsync(new BlobHttpHeaders { ContentType = "text/other" }, cancellationToken: Cancel));
        Assert.Equal("content", (await _blob.DownloadContentAsync(Cancel)).Value.Content.ToString());
    }

    [Fact]
    public async Task A_policy_is_set_locked_extended_and_read_back()
    {
        BlobBaseClient version = await UploadAsync();
        ETag etag = (await PropertiesAsync()).ETag;
        BlobImmutabilityPolicy set = await version.SetImmutabilityPolicyAsync(Policy(3, BlobImmutabilityPolicyMode.Unlocked), cancellationToken: Cancel);
        Assert.Equal((InDays(3), BlobImmutabilityPolicyMode.Unlocked), (set.ExpiresOn!.Value, set.PolicyMode!.Value));
        Assert.Equal(BlobImmutabilityPolicyMode.Unlocked, (await PropertiesAsync()).ImmutabilityPolicy.PolicyMode);
        await version.SetImmutabilityPolicyAsync(Policy(3, BlobImmutabilityPolicyMode.Locked), cancellationToken: Cancel);
        await version.SetImmutabilityPolicyAsync(Policy(4, BlobImmutabilityPolicyMode.Locked), cancellationToken: Cancel);
        BlobProperties properties = await PropertiesAsync();
        Assert.Equal((InDays(4), BlobImmutabilityPolicyMode.Locked), (properties.ImmutabilityPolicy.ExpiresOn!.Value, properties.ImmutabilityPolicy.PolicyMode!.Value));
        Assert.Equal(etag, properties.ETag);
        BlobDownloadDetails download = (await version.DownloadContentAsync(Cancel)).Value.Details;
        Assert.Equal((InDays(4), BlobImmutabilityPolicyMode.Locked), (download.ImmutabilityPolicy.ExpiresOn!.Value, download.ImmutabilityPolicy.PolicyMode!.Value));
    }

    [Fact]
    public async Task An_unlocked_policy_protects_and_can_be_shortened_and_taken_off()
    {
        BlobBaseClient version = await UploadAsync();
        await version.SetImmutabilityPolicyAsync(Policy(3, BlobImmutabilityPolicyMode.Unlocked), cancellationToken: Cancel);
        await AssertProtectedAsync(version, "BlobImmutableDueToPolicy");
        await version.SetImmutabilityPolicyAsync(Policy(2, BlobImmutabilityPolicyMode.Unlocked), cancellationToken: Cancel);
        await version.DeleteImmutabilityPolicyAsync(Cancel);
        await version.DeleteImmutabilityPolicyAsync(Cancel);
        Assert.Null((await PropertiesAsync()).ImmutabilityPolicy?.ExpiresOn);
        await _blob.SetMetadataAsync(new Dictionary<string, string> { ["a"] = "b" }, cancellationToken: Cancel);
        await _blob.DeleteAsync(cancellationToken: Cancel);
    }

    [Fact]
    public async Task A_locked_policy_cannot_be_shortened_unlocked_or_taken_off()
    {
        BlobBaseClient version = await UploadAsync();
        await version.SetImmutabilityPolicyAsync(Policy(3, BlobImmutabilityPolicyMode.Locked), cancellationToken: Cancel);
        await RefusedAsync(
            409,
            "BlobImmutableDueToPolicy",
            () => version.SetImmutabilityPolicyAsync(Policy(2, BlobImmutabilityPolicyMode.Locked), cancellationToken: Cancel),
            () => version.SetImmutabilityPolicyAsync(Policy(3, BlobImmutabilityPolicyMode.Unlocked), cancellationToken: Cancel),
            () => version.SetImmutabilityPolicyAsync(Policy(9, BlobImmutabilityPolicyMode.Unlocked), cancellationToken: Cancel));
        await RefusedAsync(409, "ImmutabilityPolicyDeleteOnLockedPolicy", () => version.DeleteImmutabilityPolicyAsync(Cancel), () => _blob.DeleteImmutabilityPolicyAsync(Cancel));
        await AssertProtectedAsync(version, "BlobImmutableDueToPolicy");
    }

    [Fact]
    public async Task A_legal_hold_protects_without_a_policy_and_after_one_is_set()
    {
        BlobBaseClient version = await UploadAsync();
        await version.SetLegalHoldAsync(true, Cancel);
        Assert.True((await PropertiesAsync()).HasLegalHold);
        await AssertProtectedAsync(version, "BlobImmutableDueToLegalHold");
        await version.SetImmutabilityPolicyAsync(Policy(3, BlobImmutabilityPolicyMode.Unlocked), cancellationToken: Cancel);
        await version.DeleteImmutabilityPolicyAsync(Cancel);
        Assert.True((await PropertiesAsync()).HasLegalHold);
        await AssertProtectedAsync(version, "BlobImmutableDueToLegalHold");
        await version.SetLegalHoldAsync(false, Cancel);
        await _blob.DeleteAsync(cancellationToken: Cancel);
    }

    [Fact]
    public async Task Tier_and_tags_stay_changeable_under_a_lock_and_change_nothing_else()
    {
        BlobBaseClient version = await UploadAsync();
        await version.SetImmutabilityPolicyAsync(Policy(3, BlobImmutabilityPolicyMode.Locked), cancellationToken: Cancel);
        await _blob.SetAccessTierAsync(AccessTier.Cool, cancellationToken: Cancel);
        await version.SetAccessTierAsync(AccessTier.Cold, cancellationToken: Cancel);
        await _blob.SetTagsAsync(new Dictionary<string, string> { ["state"] = "tested" }, cancellationToken: Cancel);
        BlobProperties properties = await PropertiesAsync();
        Assert.Equal(("Cold", BlobImmutabilityPolicyMode.Locked), (properties.AccessTier, properties.ImmutabilityPolicy.PolicyMode!.Value));
        Assert.Equal("tested", (await _blob.GetTagsAsync(cancellationToken: Cancel)).Value.Tags["state"]);
        await AssertProtectedAsync(version, "BlobImmutableDueToPolicy");
    }

    [Fact]
    public async Task An_overwritten_version_is_gone_and_only_the_current_one_can_be_named()
    {
        BlobBaseClient first = await UploadAsync();
        BlobBaseClient second = await UploadAsync("second");
        Assert.NotEqual(first.Uri, second.Uri);
        await RefusedAsync(
            404,
            "BlobNotFound",
            () => first.DownloadContentAsync(Cancel),
            () => first.GetPropertiesAsync(cancellationToken: Cancel),
            () => first.SetImmutabilityPolicyAsync(Policy(1, BlobImmutabilityPolicyMode.Locked), cancellationToken: Cancel),
            () => first.SetLegalHoldAsync(true, Cancel),
            () => first.DeleteImmutabilityPolicyAsync(Cancel),
            () => first.DeleteAsync(cancellationToken: Cancel));
        Assert.Equal("second", (await second.DownloadContentAsync(Cancel)).Value.Content.ToString());

        // As on Azure, where the current version is deleted by deleting the blob.
        await RefusedAsync(403, "OperationNotAllowedOnRootBlob", () => second.DeleteAsync(cancellationToken: Cancel));
    }

    [Fact]
    public async Task Metadata_makes_a_new_version_and_properties_do_not()
    {
        BlobBaseClient first = await UploadAsync();
        string version = (await PropertiesAsync()).VersionId;
        await _blob.SetHttpHeadersAsync(new BlobHttpHeaders { ContentType = "text/other" }, cancellationToken: Cancel);
        Assert.Equal(version, (await PropertiesAsync()).VersionId);
        await _blob.SetMetadataAsync(new Dictionary<string, string> { ["a_b"] = "c", ["A1"] = "d" }, cancellationToken: Cancel);
        BlobProperties properties = await PropertiesAsync();
        Assert.NotEqual(version, properties.VersionId);
        Assert.Equal("text/other", properties.ContentType);
        Assert.Equal([("A1", "d"), ("a_b", "c")], properties.Metadata.Select(m => (m.Key, m.Value)).Order());
    }

    [Fact]
    public async Task A_listing_shows_versions_and_the_client_s_own_metadata_only()
    {
        await UploadAsync();
        await _blob.SetMetadataAsync(new Dictionary<string, string> { ["a"] = "b" }, cancellationToken: Cancel);
        BlobContainerClient container = _blob.GetParentBlobContainerClient();
        BlobItem item = await container.GetBlobsAsync(BlobTraits.Metadata, BlobStates.Version, _blob.Name, Cancel).SingleAsync(Cancel);
        Assert.Equal(((await PropertiesAsync()).VersionId, true), (item.VersionId, item.IsLatestVersion));
        Assert.Equal([("a", "b")], item.Metadata.Select(m => (m.Key, m.Value)));
        item = await container.GetBlobsAsync(BlobTraits.None, BlobStates.None, _blob.Name, Cancel).SingleAsync(Cancel);
        Assert.Null(item.VersionId);
        Assert.Empty(item.Metadata ?? new Dictionary<string, string>());
    }

    [Fact]
    public async Task A_listing_goes_page_by_page()
    {
        BlobContainerClient container = _blob.GetParentBlobContainerClient();
        foreach (int i in Enumerable.Range(0, 5))
        {
            await container.UploadBlobAsync($"{_blob.Name}/page/{i}", BinaryData.FromString("x"), Cancel);
        }

        List<int> pages = [];
        await foreach (Page<BlobItem> page in container.GetBlobsAsync(BlobTraits.None, BlobStates.Version, _blob.Name + "/page/", Cancel).AsPages(pageSizeHint: 2))
        {
            Assert.All(page.Values, item => Assert.NotNull(item.VersionId));
            pages.Add(page.Values.Count);
        }

        Assert.Equal([2, 2, 1], pages);
        List<BlobHierarchyItem> folders = await container.GetBlobsByHierarchyAsync(BlobTraits.None, BlobStates.None, "/", _blob.Name + "/", Cancel).ToListAsync(Cancel);
        Assert.Equal([_blob.Name + "/page/"], folders.Select(f => f.Prefix));
    }

    [Fact]
    public async Task A_new_blob_on_a_protected_name_is_told_that_the_blob_exists()
    {
        BlobBaseClient version = await UploadAsync();
        await version.SetImmutabilityPolicyAsync(Policy(3, BlobImmutabilityPolicyMode.Locked), cancellationToken: Cancel);
        await RefusedAsync(409, "BlobAlreadyExists", () => _blob.CommitBlockListAsync([], new CommitBlockListOptions { Conditions = new BlobRequestConditions { IfNoneMatch = ETag.All } }, Cancel));
    }

    [Fact]
    public async Task Of_a_lock_and_an_overwrite_that_race_one_wins_and_the_other_is_told()
    {
        for (int round = 0; round < 20; round++)
        {
            BlockBlobClient blob = _blob.GetParentBlobContainerClient().GetBlockBlobClient($"{_blob.Name}-race-{round}");
            string version = (await blob.UploadAsync(BinaryData.FromString("first").ToStream(), cancellationToken: Cancel)).Value.VersionId;
            Task<bool> locking = SucceedsAsync(() => blob.WithVersion(version).SetImmutabilityPolicyAsync(Policy(3, BlobImmutabilityPolicyMode.Locked), cancellationToken: Cancel));
            Task<bool> overwriting = SucceedsAsync(() => blob.SetMetadataAsync(new Dictionary<string, string> { ["a"] = "b" }, cancellationToken: Cancel));
            Task<bool> deleting = SucceedsAsync(() => blob.DeleteAsync(cancellationToken: Cancel));
            bool locked = await locking;
            bool changed = await overwriting | await deleting;
            Assert.NotEqual(locked, changed);
            if (locked)
            {
                BlobProperties properties = await blob.GetPropertiesAsync(cancellationToken: Cancel);
                Assert.Equal((version, 0), (properties.VersionId, properties.Metadata.Count));
            }
        }
    }

    [Fact]
    public async Task What_streams_through_arrives_whole_in_both_directions()
    {
        byte[] content = RandomNumberGenerator.GetBytes(40 * 1024 * 1024);
        string[] ids = [.. content.Chunk(8 * 1024 * 1024).Select((_, i) => Convert.ToBase64String([(byte)i]))];
        await Task.WhenAll(content.Chunk(8 * 1024 * 1024).Select((block, i) => _blob.StageBlockAsync(ids[i], new MemoryStream(block), cancellationToken: Cancel)));
        await _blob.CommitBlockListAsync(ids, cancellationToken: Cancel);
        BlobDownloadStreamingResult download = await _blob.DownloadStreamingAsync(cancellationToken: Cancel);
        Assert.Equal(SHA256.HashData(content), await SHA256.HashDataAsync(download.Content, Cancel));
    }

    [Fact]
    public async Task An_upload_that_breaks_off_leaves_no_blob()
    {
        Uri url = new BlobUriBuilder(_blob.Uri).ToUri();
        RawStorage raw = new(_storage.BlobUrl, _storage.Account);
        await raw.SendAsync("PUT", url.AbsolutePath, new Dictionary<string, string> { ["x-ms-blob-type"] = "BlockBlob" }, "0123456789").ContinueWith(_ => { }, TaskScheduler.Default);
        string version = (await PropertiesAsync()).VersionId;
        using (System.Net.Sockets.TcpClient client = new())
        {
            // Half a body, and gone.
            await client.ConnectAsync(url.Host, url.Port, Cancel);
            Uri grant = (await _storage.Vault.GrantWriteAsync(new(Core.Storage.VaultArea.Packs, _blob.Name), TimeSpan.FromHours(1), Cancel)).Url;
            byte[] half = System.Text.Encoding.ASCII.GetBytes($"PUT {grant.PathAndQuery} HTTP/1.1\r\nHost: x\r\nx-ms-blob-type: BlockBlob\r\nContent-Length: 1000\r\n\r\nhalf");
            await client.GetStream().WriteAsync(half, Cancel);
        }

        // The next write waits for its turn: when it is through, the broken one is over.
        await _blob.SetHttpHeadersAsync(new BlobHttpHeaders { ContentType = "text/plain" }, cancellationToken: Cancel);
        Assert.Equal(version, (await PropertiesAsync()).VersionId);
        Assert.Equal("0123456789", (await _blob.DownloadContentAsync(Cancel)).Value.Content.ToString());
    }

    private static async Task<bool> SucceedsAsync(Func<Task> call)
    {
        try
        {
            await call();
            return true;
        }
        catch (RequestFailedException e) when (e.Status is 404 or 409)
        {
            return false;
        }
    }
}
