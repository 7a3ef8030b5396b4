using System.IO.Compression;
using System.Security.Cryptography;
using Azure.Security.KeyVault.Keys;
using Azure.Security.KeyVault.Keys.Cryptography;
using Azure.Storage;
using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;
using Azure.Storage.Blobs.Specialized;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Sealing;
using CloudArchive.Format.Signing;
using CloudArchive.Format.Tests.Packs;
using CloudArchive.Testing;

namespace CloudArchive.Format.Tests.Sealing;

/// <summary>No lock-in: what we write opens with Azure.Storage.Blobs alone, and we open what it wrote.</summary>
public sealed class SdkInteropTests(AzuriteFixture azurite) : IClassFixture<AzuriteFixture>
{
    private static readonly RSA ClinicKey = RSA.Create(2048);
    private static readonly RSA EscrowKey = RSA.Create(2048);
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_stock_sdk_opens_a_pack_and_unzip_does_the_rest()
    {
        // More than one region, so that region order and counting are the SDK's too.
        (PackEntry Entry, byte[] Content)[] files = [.. SamplePack.TwoFiles(), SamplePack.File("volume.dcm", RandomNumberGenerator.GetBytes((2 * Regions.DataLength) + 12345), deflate: false)];
        BlobClient blob = await UploadPackAsync(files, BlobEncryption.MetadataName);

        using MemoryStream plaintext = new();
        await StockClient(blob, ClinicKey).DownloadToAsync(plaintext, Cancellation);

        await AssertZipHasAsync(files, plaintext);
    }

    [Fact]
    public async Task The_escrow_key_opens_a_pack_without_the_clinics_key()
    {
        (PackEntry Entry, byte[] Content)[] files = SamplePack.TwoFiles();
        BlobClient blob = await UploadPackAsync(files, BlobEncryption.MetadataName);

        // docs/formats.md: give the blob's copy the escrow metadata in place of encryptiondata; every tool opens it then.
        BlobProperties properties = await blob.GetPropertiesAsync(cancellationToken: Cancellation);
        await blob.SetMetadataAsync(new Dictionary<string, string> { [BlobEncryption.MetadataName] = properties.Metadata[BlobEncryption.EscrowMetadataName] }, cancellationToken: Cancellation);
        using MemoryStream plaintext = new();
        await StockClient(blob, EscrowKey).DownloadToAsync(plaintext, Cancellation);

        await AssertZipHasAsync(files, plaintext);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(Regions.DataLength)]
    [InlineData((2 * Regions.DataLength) + 1)]
    public async Task We_open_what_the_stock_sdk_sealed(int length)
    {
        byte[] content = RandomNumberGenerator.GetBytes(length);
        BlobClient blob = await NewBlobAsync();
        await StockClient(blob, ClinicKey).UploadAsync(BinaryData.FromBytes(content), Cancellation);

        BlobDownloadResult stored = await blob.DownloadContentAsync(Cancellation);
        EncryptionData data = BlobEncryption.Parse(stored.Details.Metadata[BlobEncryption.MetadataName]);
        using ContentKey key = KeyWrapping.Unwrap(data.WrappedContentKey, ClinicKey);
        await using UnsealingStream unsealing = new(stored.Content.ToStream(), key);
        using MemoryStream plaintext = new();
        await unsealing.CopyToAsync(plaintext, Cancellation);

        Assert.Equal(content, plaintext.ToArray());
    }

    [Fact]
    public async Task Our_metadata_differs_from_the_sdks_in_the_librarys_name_alone()
    {
        BlobClient blob = await NewBlobAsync();
        await StockClient(blob, ClinicKey).UploadAsync(BinaryData.FromString("x"), Cancellation);
        BlobProperties properties = await blob.GetPropertiesAsync(cancellationToken: Cancellation);
        string theirs = properties.Metadata[BlobEncryption.MetadataName];

        EncryptionData data = BlobEncryption.Parse(theirs);
        string ours = BlobEncryption.ToMetadata(BlobEncryption.For(data.WrappedContentKey));

        // The SDK escapes a '+' of the base64; that is the same JSON.
        string expected = theirs.Replace("\\u002B", "+").Replace(data.KeyWrappingMetadata["EncryptionLibrary"], "CloudArchive 1");
        Assert.Equal(expected, ours);
    }

    private static async Task AssertZipHasAsync((PackEntry Entry, byte[] Content)[] files, MemoryStream plaintext)
    {
        using TemporaryFolder folder = new();
        plaintext.Position = 0;
        await ZipFile.ExtractToDirectoryAsync(plaintext, folder.Path, Cancellation);
        foreach ((PackEntry entry, byte[] content) in files)
        {
            Assert.Equal(content, await File.ReadAllBytesAsync(folder[entry.Path], Cancellation));
        }

        Assert.True(File.Exists(folder[Manifest.EntryName]));
    }

    private static BlobClient StockClient(BlobClient blob, RSA privateKey)
    {
        JsonWebKey jwk = new(privateKey, includePrivateParameters: true) { Id = JwkKeys.FromRsa(privateKey).Kid };
        CryptographyClient client = new(jwk);
        return blob.WithClientSideEncryptionOptions(new ClientSideEncryptionOptions(ClientSideEncryptionVersion.V2_0)
        {
            KeyEncryptionKey = client,
            KeyResolver = new LocalKeys(client),
            KeyWrapAlgorithm = KeyWrapping.Algorithm,
        });
    }

    private async Task<BlobClient> NewBlobAsync()
    {
        BlobContainerClient container = new BlobServiceClient(azurite.ConnectionString).GetBlobContainerClient("interop");
        await container.CreateIfNotExistsAsync(cancellationToken: Cancellation);
        return container.GetBlobClient(Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8)));
    }

    private async Task<BlobClient> UploadPackAsync((PackEntry Entry, byte[] Content)[] files, string metadataName)
    {
        using ContentKey key = ContentKey.Create();
        using MemoryStream ciphertext = new();
        await using PackWriter writer = new(ciphertext, SamplePack.Header, key);
        foreach ((PackEntry entry, byte[] content) in files)
        {
            await writer.AddAsync(entry, new MemoryStream(content), Cancellation);
        }

        PackSummary summary = await writer.CompleteAsync(Cancellation);
        Assert.Equal(ciphertext.Length, summary.Length);
        BlobClient blob = await NewBlobAsync();
        Dictionary<string, string> metadata = new()
        {
            [metadataName] = BlobEncryption.ToMetadata(BlobEncryption.For(KeyWrapping.Wrap(key, JwkKeys.FromRsa(ClinicKey)))),
            [BlobEncryption.EscrowMetadataName] = BlobEncryption.ToMetadata(BlobEncryption.For(KeyWrapping.Wrap(key, JwkKeys.FromRsa(EscrowKey)))),
        };
        ciphertext.Position = 0;
        await blob.UploadAsync(ciphertext, new BlobUploadOptions { Metadata = metadata }, Cancellation);
        return blob;
    }

    private sealed class LocalKeys(CryptographyClient key) : Azure.Core.Cryptography.IKeyEncryptionKeyResolver
    {
        public Azure.Core.Cryptography.IKeyEncryptionKey Resolve(string keyId, CancellationToken cancellationToken = default) => key;

        public Task<Azure.Core.Cryptography.IKeyEncryptionKey> ResolveAsync(string keyId, CancellationToken cancellationToken = default) =>
            Task.FromResult<Azure.Core.Cryptography.IKeyEncryptionKey>(key);
    }
}

/// <summary>One Azurite for the class.</summary>
public sealed class AzuriteFixture : IAsyncLifetime
{
    private Azurite? _azurite;

    public string ConnectionString => _azurite!.ConnectionString;

    public async ValueTask InitializeAsync() => _azurite = await Azurite.StartAsync(TestContext.Current.CancellationToken);

    public ValueTask DisposeAsync() => _azurite is null ? ValueTask.CompletedTask : _azurite.DisposeAsync();
}
