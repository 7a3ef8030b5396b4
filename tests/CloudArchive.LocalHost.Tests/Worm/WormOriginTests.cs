using Azure.Storage;
using Azure.Storage.Blobs;
using Azure.Storage.Sas;
using CloudArchive.LocalHost.Storage;
using CloudArchive.Testing;

namespace CloudArchive.LocalHost.Tests.Worm;

/// <summary>Pages of the portal may read a blob that they have a signature for: CORS, as infra/modules/archive.bicep sets it on Azure.</summary>
public sealed class WormOriginTests
{
    private const string Allowed = "Access-Control-Allow-Origin";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Pages_of_the_portal_read_with_a_signature_and_no_others_and_nothing_else()
    {
        using TemporaryFolder folder = new();
        await using LocalStorage storage = await LocalStorage.StartAsync(new LocalStorageOptions(folder["data"], Portal: new Uri("http://127.0.0.1:21000/")), TimeProvider.System, Cancel);
        BlobClient blob = new BlobServiceClient(storage.BlobUrl, new StorageSharedKeyCredential(storage.Account.Name, storage.Account.Key)).GetBlobContainerClient("packs").GetBlobClient("clinic/pack");
        await blob.UploadAsync(BinaryData.FromString("content"), Cancel);
        Uri read = blob.GenerateSasUri(BlobSasPermissions.Read, TimeProvider.System.GetUtcNow().AddHours(1));

        Assert.Equal((200, "http://127.0.0.1:21000"), await SendAsync(HttpMethod.Get, read, "http://127.0.0.1:21000"));
        Assert.Equal((200, null), await SendAsync(HttpMethod.Get, read, "http://127.0.0.1:21001"));
        Assert.Equal((200, null), await SendAsync(HttpMethod.Get, read, null));

        // A page can tell a refusal from a cable that is out.
        Assert.Equal((403, "http://127.0.0.1:21000"), await SendAsync(HttpMethod.Get, new Uri(read.AbsoluteUri.Replace("sig=", "sig=A", StringComparison.Ordinal)), "http://127.0.0.1:21000"));
        Assert.Equal((401, "http://127.0.0.1:21000"), await SendAsync(HttpMethod.Get, blob.Uri, "http://127.0.0.1:21000"));

        // Nothing that changes anything, and no question of what would be allowed.
        foreach (HttpMethod method in new[] { HttpMethod.Put, HttpMethod.Delete, HttpMethod.Options })
        {
            (int status, string? origin) = await SendAsync(method, read, "http://127.0.0.1:21000");
            Assert.InRange(status, 400, 599);
            Assert.Null(origin);
        }
    }

    private static async Task<(int, string?)> SendAsync(HttpMethod method, Uri url, string? origin)
    {
        using HttpClient client = new();
        using HttpRequestMessage request = new(method, url);
        if (origin is not null)
        {
            request.Headers.Add("Origin", origin);
        }

        using HttpResponseMessage answer = await client.SendAsync(request, Cancel);
        return ((int)answer.StatusCode, answer.Headers.TryGetValues(Allowed, out IEnumerable<string>? values) ? Assert.Single(values) : null);
    }
}
