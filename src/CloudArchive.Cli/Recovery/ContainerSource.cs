using Azure;
using Azure.Core.Pipeline;
using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;
using CloudArchive.Cli.Restores;
using CloudArchive.Cli.Transport;
using CloudArchive.Format.Sealing;

namespace CloudArchive.Cli.Recovery;

/// <summary>The container itself, by a SAS that may list and read.</summary>
public sealed class ContainerSource : IRecoverySource, IDisposable
{
    private readonly Uri _container;
    private readonly BlobContainerClient _client;
    private readonly Network _network;
    private readonly RangedDownload _download;

    /// <param name="container">The container's URL with its SAS.</param>
    /// <param name="environment">The way out.</param>
    public ContainerSource(Uri container, CliEnvironment environment)
    {
        if (container.Scheme != "https" && !container.IsLoopback) throw new UsageException("A container's URL is https.");
        _container = container;
        _client = new BlobContainerClient(container, new BlobClientOptions
        {
            Transport = new HttpClientTransport(Network.CreateClient(environment)),
            Retry = { MaxRetries = 35, Delay = environment.Network.FirstDelay, MaxDelay = environment.Network.LongestDelay, NetworkTimeout = Timeout.InfiniteTimeSpan }, // half an hour
            Diagnostics = { IsLoggingEnabled = false, IsDistributedTracingEnabled = false },
        });
        _network = new Network(environment, environment.Network.RunPatience);
        _download = new RangedDownload(_network);
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<FoundPack>> ListAsync(CancellationToken cancellationToken) => TranslateAsync(async () =>
    {
        List<(string Name, string Location, long Length)> blobs = [];
        await foreach (BlobItem blob in _client.GetBlobsAsync(cancellationToken: cancellationToken)) blobs.Add((blob.Name.Split('/')[^1], blob.Name, blob.Properties.ContentLength ?? 0));
        return RecoveryNames.Group(blobs);
    });

    /// <inheritdoc/>
    public Task<byte[]> ReadSidecarAsync(FoundPack pack, CancellationToken cancellationToken) =>
        TranslateAsync(async () => (await _client.GetBlobClient(pack.SidecarName!).DownloadContentAsync(cancellationToken)).Value.Content.ToArray());

    /// <inheritdoc/>
    public Task<string?> ReadEscrowMetadataAsync(FoundPack pack, CancellationToken cancellationToken) =>
        TranslateAsync(async () => (await _client.GetBlobClient(pack.BlobName!).GetPropertiesAsync(cancellationToken: cancellationToken)).Value.Metadata.TryGetValue(BlobEncryption.EscrowMetadataName, out string? value) ? value : null);

    /// <inheritdoc/>
    public async Task<Stream> OpenAsync(FoundPack pack, TargetFolder target, CancellationToken cancellationToken)
    {
        UriBuilder url = new(_container) { Path = _container.AbsolutePath.TrimEnd('/') + "/" + string.Join('/', pack.BlobName!.Split('/').Select(Uri.EscapeDataString)) };
        FileStream file = target.CreateTemporary();
        try
        {
            await _download.RunAsync((_, _) => Task.FromResult(url.Uri), pack.Length, file.SafeFileHandle, cancellationToken);
            return file;
        }
        catch
        {
            await file.DisposeAsync();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _network.Dispose();

    private async Task<T> TranslateAsync<T>(Func<Task<T>> read)
    {
        try
        {
            return await read();
        }
        catch (RequestFailedException error) when (error.Status is 0 or >= 500)
        {
            throw new ServiceUnreachableException($"Storage at {_container.Authority}", error.Status == 0 ? error.GetBaseException().Message : $"it fails with HTTP {error.Status}", error);
        }
        catch (RequestFailedException error)
        {
            // The message holds the URL with its signature.
            throw new ServiceRefusedException(error.Status, error.ErrorCode ?? "storage", $"Storage refused: HTTP {error.Status} {error.ErrorCode}. The SAS must allow reading and listing, and still be valid.", null);
        }
    }
}
