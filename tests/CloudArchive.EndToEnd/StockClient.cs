using System.Diagnostics.CodeAnalysis;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Azure.Core.Cryptography;
using Azure.Security.KeyVault.Keys;
using Azure.Security.KeyVault.Keys.Cryptography;
using Azure.Storage;
using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;
using Azure.Storage.Blobs.Specialized;
using CloudArchive.LocalHost.Storage;
using CloudArchive.Testing;

namespace CloudArchive.EndToEnd;

/// <summary>Whoever has a copy of the container, the escrow key, the Azure SDK and unzip, and nothing of ours: docs/formats.md, "Opening a pack without CloudArchive".</summary>
internal sealed class StockClient : IAsyncDisposable
{
    private readonly LocalStorage _storage;
    private readonly Azurite _elsewhere;
    private readonly TemporaryFolder _folder = new();
    private readonly RSA _key;

    private StockClient(LocalStorage storage, Azurite elsewhere, RSA key)
    {
        (_storage, _elsewhere, _key) = (storage, elsewhere, key);
        Packs = StoredArchive.Service(storage.BlobUrl.ToString()).GetBlobContainerClient("packs");
    }

    /// <summary>The stored packs, with what lies beside them.</summary>
    public BlobContainerClient Packs { get; }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>Opens what a practice's archive has stored. The archive must have stopped.</summary>
    [SuppressMessage("Reliability", "CA2000", Justification = "The client owns them from its first line on.")]
    public static async Task<StockClient> OpenAsync(Practice practice)
    {
        string pem = await File.ReadAllTextAsync(practice.EscrowKey, Cancel), passphrase = await File.ReadAllTextAsync(practice.PassphraseFile, Cancel);
        RSA rsa = RSA.Create();
        rsa.ImportFromEncryptedPem(pem, passphrase);
        StockClient client = new(await practice.StorageAloneAsync(), await Azurite.StartAsync(Cancel), rsa);
        await client.Copies().CreateAsync(cancellationToken: Cancel);
        return client;
    }

    /// <summary>The names of the packs.</summary>
    public IReadOnlyList<string> Names() =>
        [.. Packs.GetBlobs(cancellationToken: Cancel).Select(blob => blob.Name).Where(name => !name.EndsWith(".json", StringComparison.Ordinal) && !name.EndsWith(".jws", StringComparison.Ordinal))];

    /// <summary>What lies beside a pack, outside its seal.</summary>
    public async Task<JsonNode> SidecarAsync(string name) => JsonNode.Parse((await Packs.GetBlobClient(name + ".sidecar.json").DownloadContentAsync(Cancel)).Value.Content)!;

    /// <summary>A pack's ZIP: a copy of the blob whose metadata names the escrow's wrap, three lines of JSON; and the SDK's own decryption.</summary>
    public async Task<byte[]> OpenAsync(string name)
    {
        BlobClient source = Packs.GetBlobClient(name);
        BlobProperties properties = await source.GetPropertiesAsync(cancellationToken: Cancel);
        JsonObject encryption = JsonNode.Parse(properties.Metadata["encryptiondata"])!.AsObject();
        JsonObject escrow = JsonNode.Parse(properties.Metadata["cloudarchive_escrow"])!.AsObject();
        encryption["WrappedContentKey"] = (escrow["WrappedContentKey"] ?? escrow).DeepClone();
        BinaryData sealedPack = (await source.DownloadContentAsync(Cancel)).Value.Content;
        await Copies().GetBlobClient(name).UploadAsync(sealedPack, new BlobUploadOptions { Metadata = new Dictionary<string, string> { ["encryptiondata"] = encryption.ToJsonString() } }, Cancel);
        SpecializedBlobClientOptions options = new()
        {
            ClientSideEncryption = new ClientSideEncryptionOptions(ClientSideEncryptionVersion.V2_0)
            {
                KeyResolver = new EscrowResolver(new JsonWebKey(_key, includePrivateParameters: true) { Id = (string)encryption["WrappedContentKey"]!["KeyId"]! }),
                KeyWrapAlgorithm = "RSA-OAEP-256",
            },
        };
        return (await new BlobServiceClient(_elsewhere.ConnectionString, options).GetBlobContainerClient("copies").GetBlobClient(name).DownloadContentAsync(Cancel)).Value.Content.ToArray();
    }

    /// <summary>Opens and unzips a pack; the folder that it then lies in.</summary>
    public async Task<string> UnzipAsync(string name)
    {
        string folder = Directory.CreateDirectory(_folder[name]).FullName, zip = folder + ".zip";
        await File.WriteAllBytesAsync(zip, await OpenAsync(name), Cancel);
        if (Programs.Has("unzip"))
        {
            (int exit, string output, string errors) = await Programs.RunAsync("unzip", ["-q", zip, "-d", folder], Cancel);
            Assert.True(exit == 0, output + errors);
        }
        else
        {
            await ZipFile.ExtractToDirectoryAsync(zip, folder, Cancel);
        }

        return folder;
    }

    public async ValueTask DisposeAsync()
    {
        _key.Dispose();
        await _elsewhere.DisposeAsync();
        await _storage.DisposeAsync();
        _folder.Dispose();
    }

    private BlobContainerClient Copies() => new(_elsewhere.ConnectionString, "copies");

    private sealed class EscrowResolver(JsonWebKey key) : IKeyEncryptionKeyResolver
    {
        public IKeyEncryptionKey Resolve(string keyId, CancellationToken cancellationToken = default) => new CryptographyClient(key);

        public Task<IKeyEncryptionKey> ResolveAsync(string keyId, CancellationToken cancellationToken = default) => Task.FromResult(Resolve(keyId, cancellationToken));
    }
}
