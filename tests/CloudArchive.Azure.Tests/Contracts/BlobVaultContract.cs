using Azure;
using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;
using Azure.Storage.Blobs.Specialized;
using CloudArchive.Core.Storage;

namespace CloudArchive.Contracts;

/// <summary>What every <see cref="IBlobVault"/> guarantees. Grants are used through the stock SDK, as an agent does.</summary>
public abstract class BlobVaultContract : StoredBlobContract
{
    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);

    private static async Task<RequestFailedException> RefusedAsync(Task call)
    {
        RequestFailedException e = await Assert.ThrowsAsync<RequestFailedException>(() => call);
        Assert.Equal(403, e.Status);
        return e;
    }

    protected override async Task LeaseAsync(BlobName name) =>
        await new BlobClient((await Vault.GrantWriteAsync(name, Hour, Cancel)).Url).GetBlobLeaseClient().AcquireAsync(BlobLeaseClient.InfiniteLeaseDuration, cancellationToken: Cancel);

    protected override async Task SnapshotAsync(BlobName name) => await new BlobClient((await Vault.GrantWriteAsync(name, Hour, Cancel)).Url).CreateSnapshotAsync(cancellationToken: Cancel);

    [Fact]
    public async Task An_agent_stages_blocks_and_commits_them_with_a_write_grant()
    {
        BlobName name = Name("pack");
        BlobGrant grant = await Vault.GrantWriteAsync(name, Hour, Cancel);
        Assert.InRange(grant.ExpiresAt, Clock.GetUtcNow().AddMinutes(59), Clock.GetUtcNow().AddMinutes(61));
        BlockBlobClient agent = new(grant.Url);
        string[] ids = [.. Enumerable.Range(0, 3).Select(i => Convert.ToBase64String(Bytes($"block-{i}")))];
        await Task.WhenAll(ids.Select(id => agent.StageBlockAsync(id, new MemoryStream(Bytes($"<{id}>")), cancellationToken: Cancel)));
        Assert.Null(await Vault.FindAsync(name, Cancel));
        CommitBlockListOptions options = new()
        {
            Conditions = new BlobRequestConditions { IfNoneMatch = ETag.All },
            Metadata = new Dictionary<string, string> { ["encryptiondata"] = "{\"a\":1}", ["cloudarchive_escrow"] = "x" },
        };
        string version = (await agent.CommitBlockListAsync(ids, options, Cancel)).Value.VersionId;

        BlobState state = (await Vault.FindAsync(name, Cancel))!;
        Assert.Equal(version, state.VersionId);
        Assert.Equal(string.Concat(ids.Select(id => $"<{id}>")), await ReadAsync(name, version));
        Assert.Equal(("{\"a\":1}", "x", 2), (state.Metadata["EncryptionData"], state.Metadata["cloudarchive_escrow"], state.Metadata.Count));

        RequestFailedException again = await Assert.ThrowsAsync<RequestFailedException>(() => agent.CommitBlockListAsync(ids, options, Cancel));
        Assert.Equal(409, again.Status);
    }

    [Fact]
    public async Task A_write_grant_cannot_read_delete_lock_hold_or_list()
    {
        BlobName name = Name("pack");
        string version = await WriteAsync(name);
        BlobClient agent = new((await Vault.GrantWriteAsync(name, Hour, Cancel)).Url);
        BlobBaseClient byVersion = agent.WithVersion(version);
        await RefusedAsync(agent.DownloadContentAsync(Cancel));
        await RefusedAsync(agent.GetPropertiesAsync(cancellationToken: Cancel));
        await RefusedAsync(byVersion.DownloadContentAsync(Cancel));
        await RefusedAsync(new BlockBlobClient(agent.Uri).GetBlockListAsync(cancellationToken: Cancel));
        await RefusedAsync(agent.GetTagsAsync(cancellationToken: Cancel));
        await RefusedAsync(agent.DeleteAsync(cancellationToken: Cancel));
        await RefusedAsync(byVersion.DeleteAsync(cancellationToken: Cancel));
        BlobImmutabilityPolicy policy = new() { ExpiresOn = InDays(1), PolicyMode = BlobImmutabilityPolicyMode.Unlocked };
        await RefusedAsync(agent.SetImmutabilityPolicyAsync(policy, cancellationToken: Cancel));
        await RefusedAsync(byVersion.SetImmutabilityPolicyAsync(policy, cancellationToken: Cancel));
        await RefusedAsync(agent.DeleteImmutabilityPolicyAsync(Cancel));
        await RefusedAsync(agent.SetLegalHoldAsync(true, Cancel));
        Assert.Equal("content", await ReadAsync(name, version));
        BlobState state = (await Vault.FindAsync(name, Cancel))!;
        Assert.Equal((null, false), (state.ImmutableUntil, state.LegalHold));
    }

    [Fact]
    public async Task A_grant_opens_one_blob()
    {
        BlobName name = Name("pack");
        BlobName other = Name("pack2");
        string version = await WriteAsync(other);
        Uri write = (await Vault.GrantWriteAsync(name, Hour, Cancel)).Url;
        await WriteAsync(name);
        Uri read = (await Vault.GrantReadAsync(name, (await Vault.FindAsync(name, Cancel))!.VersionId, Hour, Cancel)).Url;
        await RefusedAsync(new BlobClient(Retarget(write, name, other)).UploadAsync(BinaryData.FromString("x"), true, Cancel));
        await RefusedAsync(new BlobClient(Retarget(read, name, other)).DownloadContentAsync(Cancel));
        Assert.Equal("content", await ReadAsync(other, version));
    }

    [Fact]
    public async Task A_grant_s_terms_cannot_be_rewritten()
    {
        BlobName name = Name("pack");
        await WriteAsync(name);
        string write = (await Vault.GrantWriteAsync(name, Hour, Cancel)).Url.AbsoluteUri;
        Assert.Contains("sp=w", write, StringComparison.Ordinal);
        await RefusedAsync(new BlobClient(new Uri(write.Replace("sp=w", "sp=rw", StringComparison.Ordinal))).DownloadContentAsync(Cancel));
        await RefusedAsync(new BlobClient(new Uri(write.Replace("sp=w", "sp=dw", StringComparison.Ordinal))).DeleteAsync(cancellationToken: Cancel));
        Assert.NotNull(await Vault.FindAsync(name, Cancel));
    }

    [Fact]
    public async Task A_read_grant_reads_its_version_and_does_nothing_else()
    {
        BlobName name = Name("pack");
        string version = await WriteAsync(name, "sealed");
        BlobGrant grant = await Vault.GrantReadAsync(name, version, Hour, Cancel);
        BlobClient reader = new(grant.Url);
        Assert.Equal("sealed", (await reader.DownloadContentAsync(Cancel)).Value.Content.ToString());
        Assert.Equal("al", (await reader.DownloadContentAsync(new BlobDownloadOptions { Range = new HttpRange(2, 2) }, Cancel)).Value.Content.ToString());
        Assert.Equal(version, (await reader.GetPropertiesAsync(cancellationToken: Cancel)).Value.VersionId);
        await RefusedAsync(reader.UploadAsync(BinaryData.FromString("x"), true, Cancel));
        await RefusedAsync(new BlockBlobClient(grant.Url).StageBlockAsync("AAAA", new MemoryStream([1]), cancellationToken: Cancel));
        await RefusedAsync(reader.SetMetadataAsync(new Dictionary<string, string> { ["a"] = "b" }, cancellationToken: Cancel));
        await RefusedAsync(reader.DeleteAsync(cancellationToken: Cancel));
        await RefusedAsync(reader.SetLegalHoldAsync(true, Cancel));
        await RefusedAsync(reader.SetImmutabilityPolicyAsync(new BlobImmutabilityPolicy { ExpiresOn = InDays(1) }, cancellationToken: Cancel));
    }

    private static Uri Retarget(Uri grant, BlobName from, BlobName to) => new BlobUriBuilder(grant) { BlobName = to.Path == from.Path ? throw new ArgumentException("Same blob.", nameof(to)) : to.Path }.ToUri();
}
