using System.Globalization;
using Azure;
using Azure.Storage;
using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;
using Azure.Storage.Blobs.Specialized;
using Azure.Storage.Sas;
using CloudArchive.LocalHost.Storage;
using CloudArchive.LocalHost.Tests.Storage;

namespace CloudArchive.LocalHost.Tests.Worm;

/// <summary>Who is let in: the layer does not leave that to the emulator.</summary>
public sealed class WormGrantTests(SharedStorage shared)
{
    private static int s_blobs;

    private readonly LocalStorage _storage = shared.Storage;
    private readonly StorageSharedKeyCredential _key = new(shared.Storage.Account.Name, shared.Storage.Account.Key);
    private readonly string _name = string.Create(CultureInfo.InvariantCulture, $"grants-{Interlocked.Increment(ref s_blobs)}");

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static DateTimeOffset Now => TimeProvider.System.GetUtcNow();

    private BlobContainerClient Packs => new BlobServiceClient(_storage.BlobUrl, _key).GetBlobContainerClient("packs");

    private BlockBlobClient Blob => Packs.GetBlockBlobClient(_name);

    private BlockBlobClient With(SasQueryParameters sas) => new(new Uri($"{Blob.Uri}?{sas}"));

    private BlobSasBuilder Grant(BlobSasPermissions permissions) => new(permissions, Now.AddHours(1)) { BlobContainerName = "packs", BlobName = _name, Resource = "b" };

    private async Task UploadAsync() => await Packs.GetBlobClient(_name).UploadAsync(BinaryData.FromString("content"), Cancel);

    private static async Task RefusedAsync(Func<Task> call, string? code = null)
    {
        RequestFailedException e = await Assert.ThrowsAsync<RequestFailedException>(call);
        Assert.Equal(403, e.Status);
        if (code is not null)
        {
            Assert.Equal(code, e.ErrorCode);
        }
    }

    [Fact]
    public async Task Each_permission_of_a_sas_allows_what_it_names_and_no_more()
    {
        Dictionary<string, (BlobSasPermissions Permission, Func<BlockBlobClient, Task> Call)> calls = new()
        {
            ["read"] = (BlobSasPermissions.Read, blob => blob.DownloadContentAsync(Cancel)),
            ["properties"] = (BlobSasPermissions.Read, blob => blob.GetPropertiesAsync(cancellationToken: Cancel)),
            ["tags"] = (BlobSasPermissions.Tag, blob => blob.SetTagsAsync(new Dictionary<string, string> { ["a"] = "b" }, cancellationToken: Cancel)),
            ["stage"] = (BlobSasPermissions.Write, blob => blob.StageBlockAsync("AAAA", new MemoryStream([1]), cancellationToken: Cancel)),
            ["tier"] = (BlobSasPermissions.Write, blob => blob.SetAccessTierAsync(AccessTier.Cool, cancellationToken: Cancel)),
            ["policy"] = (BlobSasPermissions.SetImmutabilityPolicy, blob => blob.SetImmutabilityPolicyAsync(new BlobImmutabilityPolicy { ExpiresOn = Now.AddDays(1), PolicyMode = BlobImmutabilityPolicyMode.Unlocked }, cancellationToken: Cancel)),
            ["no policy"] = (BlobSasPermissions.SetImmutabilityPolicy, blob => blob.DeleteImmutabilityPolicyAsync(Cancel)),
            ["hold"] = (BlobSasPermissions.SetImmutabilityPolicy, blob => blob.SetLegalHoldAsync(false, Cancel)),
        };
        await UploadAsync();
        foreach ((string name, (BlobSasPermissions needed, Func<BlockBlobClient, Task> call)) in calls)
        {
            foreach (BlobSasPermissions granted in calls.Values.Select(c => c.Permission).Append(BlobSasPermissions.Delete).Append(BlobSasPermissions.List).Distinct())
            {
                BlockBlobClient blob = With(Grant(granted).ToSasQueryParameters(_key));
                if (granted == needed)
                {
                    await call(blob);
                }
                else
                {
                    await RefusedAsync(() => call(blob), "AuthorizationPermissionMismatch");
                }
            }

            Assert.True(await Blob.ExistsAsync(Cancel), name);
        }

        await RefusedAsync(() => With(Grant(BlobSasPermissions.Write | BlobSasPermissions.Read).ToSasQueryParameters(_key)).DeleteAsync(cancellationToken: Cancel));
        await With(Grant(BlobSasPermissions.Delete).ToSasQueryParameters(_key)).DeleteAsync(cancellationToken: Cancel);
    }

    [Fact]
    public async Task A_sas_that_is_over_or_not_begun_is_refused()
    {
        await UploadAsync();
        BlobSasBuilder over = Grant(BlobSasPermissions.Read);
        over.ExpiresOn = Now.AddSeconds(-1);
        BlobSasBuilder early = Grant(BlobSasPermissions.Read);
        early.StartsOn = Now.AddMinutes(10);
        BlobSasBuilder begun = Grant(BlobSasPermissions.Read);
        begun.StartsOn = Now.AddMinutes(-10);
        await RefusedAsync(() => With(over.ToSasQueryParameters(_key)).DownloadContentAsync(Cancel), "AuthorizationFailure");
        await RefusedAsync(() => With(early.ToSasQueryParameters(_key)).DownloadContentAsync(Cancel), "AuthorizationFailure");
        await With(begun.ToSasQueryParameters(_key)).DownloadContentAsync(Cancel);
    }

    [Fact]
    public async Task A_sas_for_https_is_no_use_over_http()
    {
        await UploadAsync();
        BlobSasBuilder sas = Grant(BlobSasPermissions.Read);
        sas.Protocol = SasProtocol.Https;
        RequestFailedException e = await Assert.ThrowsAsync<RequestFailedException>(() => new BlobClient(new Uri($"{Blob.Uri}?{sas.ToSasQueryParameters(_key)}")).DownloadContentAsync(Cancel));
        Assert.Equal(403, e.Status);
    }

    [Fact]
    public async Task Wider_sas_than_the_archive_issues_are_refused()
    {
        await UploadAsync();
        AccountSasBuilder account = new(AccountSasPermissions.All, Now.AddHours(1), AccountSasServices.All, AccountSasResourceTypes.All);
        BlobSasBuilder address = Grant(BlobSasPermissions.All);
        address.IPRange = SasIPRange.Parse("127.0.0.1");
        BlobSasBuilder stored = Grant(BlobSasPermissions.All);
        stored.Identifier = "policy";
        BlobSasBuilder answer = Grant(BlobSasPermissions.All);
        answer.ContentType = "text/html";
        foreach (SasQueryParameters sas in (SasQueryParameters[])[account.ToSasQueryParameters(_key), address.ToSasQueryParameters(_key), stored.ToSasQueryParameters(_key), answer.ToSasQueryParameters(_key)])
        {
            RequestFailedException e = await Assert.ThrowsAsync<RequestFailedException>(() => With(sas).DownloadContentAsync(Cancel));
            Assert.InRange(e.Status, 400, 403);
        }
    }

    [Fact]
    public async Task A_sas_for_the_container_reads_and_lists_and_does_nothing_else_whatever_it_states()
    {
        await UploadAsync();
        SasQueryParameters all = new BlobSasBuilder(BlobContainerSasPermissions.All, Now.AddHours(1)) { BlobContainerName = Blob.BlobContainerName, Resource = "c" }.ToSasQueryParameters(_key);
        BlobContainerClient opened = new(new Uri($"{Blob.GetParentBlobContainerClient().Uri}?{all}"));
        Assert.Contains(opened.GetBlobs(cancellationToken: Cancel), b => b.Name == Blob.Name);
        Assert.Equal("content", (await With(all).DownloadContentAsync(Cancel)).Value.Content.ToString());
        await RefusedAsync(() => With(all).DeleteAsync(cancellationToken: Cancel));
        await RefusedAsync(() => With(all).UploadAsync(new MemoryStream("other"u8.ToArray()), cancellationToken: Cancel));
        await RefusedAsync(() => With(all).SetMetadataAsync(new Dictionary<string, string>(), cancellationToken: Cancel));
        await RefusedAsync(() => opened.DeleteAsync(cancellationToken: Cancel));

        SasQueryParameters list = new BlobSasBuilder(BlobContainerSasPermissions.List, Now.AddHours(1)) { BlobContainerName = Blob.BlobContainerName, Resource = "c" }.ToSasQueryParameters(_key);
        await RefusedAsync(() => With(list).DownloadContentAsync(Cancel));
    }

    [Fact]
    public async Task A_sas_for_a_blob_does_not_open_its_versions_nor_the_other_way_round()
    {
        await UploadAsync();
        string version = (await Blob.GetPropertiesAsync(cancellationToken: Cancel)).Value.VersionId;
        SasQueryParameters forBlob = Grant(BlobSasPermissions.All).ToSasQueryParameters(_key);
        await RefusedAsync(() => new BlobClient(new Uri($"{Blob.Uri}?versionid={version}&{forBlob}")).DownloadContentAsync(Cancel));
        BlobSasBuilder one = Grant(BlobSasPermissions.Read);
        (one.BlobVersionId, one.Resource) = (version, "bv");
        SasQueryParameters forVersion = one.ToSasQueryParameters(_key);
        await RefusedAsync(() => With(forVersion).DownloadContentAsync(Cancel));
        await RefusedAsync(() => new BlobClient(new Uri($"{Blob.Uri}?versionid=2020-01-01T00:00:00.0000000Z&{forVersion}")).DownloadContentAsync(Cancel));
        Assert.Equal("content", (await new BlobClient(new Uri($"{Blob.Uri}?versionid={version}&{forVersion}")).DownloadContentAsync(Cancel)).Value.Content.ToString());
    }

    [Fact]
    public async Task Another_key_or_none_is_refused()
    {
        await UploadAsync();
        BlobClient stranger = new(Blob.Uri, new StorageSharedKeyCredential(_key.AccountName, StorageAccount.Create().Key));
        await RefusedAsync(() => stranger.DownloadContentAsync(Cancel), "AuthenticationFailed");
        await RefusedAsync(() => With(Grant(BlobSasPermissions.Read).ToSasQueryParameters(new StorageSharedKeyCredential(_key.AccountName, StorageAccount.Create().Key))).DownloadContentAsync(Cancel), "AuthenticationFailed");
        RequestFailedException e = await Assert.ThrowsAsync<RequestFailedException>(() => new BlobClient(Blob.Uri).DownloadContentAsync(Cancel));
        Assert.Equal((401, "NoAuthenticationInformation"), (e.Status, e.ErrorCode));
    }

    [Theory]
    [InlineData("Bearer abc")]
    [InlineData("SharedKeyLite devstoreaccount1:AAAA")]
    [InlineData("SharedKey devstoreaccount1:")]
    [InlineData("SharedKey devstoreaccount1:not base64")]
    [InlineData("SharedKey devstoreaccount2:AAAA")]
    [InlineData("SharedKey ")]
    public async Task An_authorization_of_another_kind_is_refused(string authorization)
    {
        RawStorage raw = new(_storage.BlobUrl, _storage.Account);
        RawAnswer answer = await raw.SendUnsignedAsync("GET", $"/devstoreaccount1/packs/{_name}", new Dictionary<string, string> { ["Authorization"] = authorization });
        Assert.Equal((403, "AuthenticationFailed"), (answer.Status, answer.Code));
    }

    [Fact]
    public async Task A_signature_covers_method_path_query_and_headers()
    {
        // A valid GET's signature, on requests that it was not made for.
        Dictionary<string, string> headers = new() { ["x-ms-date"] = Now.ToString("R", CultureInfo.InvariantCulture), ["x-ms-version"] = "2024-11-04" };
        string path = $"/devstoreaccount1/packs/{_name}";
        string toSign = $"GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:{headers["x-ms-date"]}\nx-ms-version:2024-11-04\n/devstoreaccount1{path}";
        byte[] signature = System.Security.Cryptography.HMACSHA256.HashData(Convert.FromBase64String(_storage.Account.Key), System.Text.Encoding.UTF8.GetBytes(toSign));
        headers["Authorization"] = $"SharedKey devstoreaccount1:{Convert.ToBase64String(signature)}";
        RawStorage raw = new(_storage.BlobUrl, _storage.Account);
        await UploadAsync();
        Assert.Equal(200, (await raw.SendUnsignedAsync("GET", path, headers)).Status);
        Assert.Equal(403, (await raw.SendUnsignedAsync("DELETE", path, headers)).Status);
        Assert.Equal(403, (await raw.SendUnsignedAsync("GET", path + "x", headers)).Status);
        Assert.Equal(403, (await raw.SendUnsignedAsync("GET", path + "?timeout=1", headers)).Status);
        Assert.Equal(403, (await raw.SendUnsignedAsync("GET", path, new Dictionary<string, string>(headers) { ["x-ms-client-request-id"] = "1" })).Status);
        Assert.Equal(403, (await raw.SendUnsignedAsync("GET", path, new Dictionary<string, string>(headers) { ["Range"] = "bytes=0-1" })).Status);
        Assert.Equal(403, (await raw.SendUnsignedAsync("GET", path + "?sig=AAAA", headers)).Status);
    }
}
