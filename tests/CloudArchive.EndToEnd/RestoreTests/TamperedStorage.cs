using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;
using Azure.Storage.Blobs.Specialized;
using CloudArchive.Format;
using CloudArchive.LocalHost.Storage;
using Microsoft.Data.Sqlite;

namespace CloudArchive.EndToEnd.RestoreTests;

/// <summary>What a stopped LocalHost keeps: its emulator's blobs, without the WORM layer before them, its policies, its keys.</summary>
internal sealed class TamperedStorage : IAsyncDisposable
{
    private readonly string _data;
    private readonly ClinicId _clinic;
    private readonly AzuriteProcess _blobs;
    private readonly BlobContainerClient _packs;
    private readonly SqliteConnection _policies;

    private TamperedStorage(string data, ClinicId clinic, AzuriteProcess blobs)
    {
        (_data, _clinic, _blobs) = (data, clinic, blobs);
        _packs = StoredArchive.Service($"http://127.0.0.1:{blobs.Port}").GetBlobContainerClient("packs");
        _policies = new SqliteConnection($"Data Source={Path.Combine(data, "policies.db")};Pooling=False");
    }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static async Task<TamperedStorage> OpenAsync(string data, ClinicId clinic, CancellationToken cancellationToken)
    {
        AzuriteProcess blobs = await AzuriteProcess.StartAsync(AzuriteService.Blob, AzuritePackage.Find(null), Path.Combine(data, "azurite", "blob"), StorageAccount.Emulator, cancellationToken);
        TamperedStorage storage = new(data, clinic, blobs);
        await storage._policies.OpenAsync(cancellationToken);
        return storage;
    }

    /// <summary>Other bytes; version and metadata stay what they were.</summary>
    /// <param name="pack">Which.</param>
    /// <param name="extension">Empty for the pack itself, else that of its sidecar or receipt.</param>
    /// <param name="change">The new bytes from the old.</param>
    public async Task ChangeAsync(PackId pack, string extension, Func<byte[], byte[]> change)
    {
        (byte[] content, IDictionary<string, string> metadata) = await ReadAsync(pack, extension);
        await WriteAsync(pack, extension, change(content), metadata);
    }

    /// <summary>Other metadata; the bytes stay what they were.</summary>
    public async Task ChangeMetadataAsync(PackId pack, Action<IDictionary<string, string>> change)
    {
        (_, IDictionary<string, string> metadata) = await ReadAsync(pack, "");
        change(metadata);
        await Blob(pack, "").SetMetadataAsync(metadata, cancellationToken: Cancel);
    }

    /// <summary>Each gets the other's bytes, and where <paramref name="name"/> is given the other's metadata of that name.</summary>
    public async Task SwapAsync(PackId one, PackId other, string extension, string? name = null)
    {
        (byte[] first, IDictionary<string, string> firstMetadata) = await ReadAsync(one, extension);
        (byte[] second, IDictionary<string, string> secondMetadata) = await ReadAsync(other, extension);
        if (name is not null)
        {
            (firstMetadata[name], secondMetadata[name]) = (secondMetadata[name], firstMetadata[name]);
        }

        await WriteAsync(one, extension, second, firstMetadata);
        await WriteAsync(other, extension, first, secondMetadata);
    }

    public async Task DeleteAsync(PackId pack, string extension) => await Blob(pack, extension).DeleteAsync(cancellationToken: Cancel);

    /// <summary>The policy is gone, or what <paramref name="set"/> makes of it.</summary>
    public async Task ChangePolicyAsync(PackId pack, string extension, string? set)
    {
        await using SqliteCommand command = _policies.CreateCommand();
        command.CommandText = set is null ? "DELETE FROM protection WHERE blob = $blob" : $"UPDATE protection SET {set} WHERE blob = $blob";
        command.Parameters.AddWithValue("$blob", $"packs/{_clinic}/{pack}{extension}");
        Assert.Equal(1, await command.ExecuteNonQueryAsync(Cancel));
    }

    /// <summary>The oldest version of the clinic's key is gone.</summary>
    public void DeleteOldestKey() => File.Delete(Directory.GetFiles(Path.Combine(_data, "secrets", "keys", $"kek-{_clinic}"), "*.pem").Order(StringComparer.Ordinal).First());

    public async ValueTask DisposeAsync()
    {
        await _policies.DisposeAsync();
        await _blobs.DisposeAsync();
    }

    private BlockBlobClient Blob(PackId pack, string extension) => _packs.GetBlockBlobClient($"{_clinic}/{pack}{extension}");

    private async Task<(byte[] Content, IDictionary<string, string> Metadata)> ReadAsync(PackId pack, string extension)
    {
        BlobDownloadResult blob = await Blob(pack, extension).DownloadContentAsync(Cancel);
        return (blob.Content.ToArray(), blob.Details.Metadata);
    }

    private async Task WriteAsync(PackId pack, string extension, byte[] content, IDictionary<string, string> metadata)
    {
        using MemoryStream bytes = new(content);
        await Blob(pack, extension).UploadAsync(bytes, new BlobUploadOptions { Metadata = metadata }, Cancel);
    }
}
