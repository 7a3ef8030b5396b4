using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;

namespace CloudArchive.Benchmarks.Tools;

/// <summary>What a plain program around the storage SDK does: each file a blob, eight at a time, nothing sealed, nothing compressed, nothing proven. A process of its own, as the tools are.</summary>
internal static class RawClient
{
    private const int AtOnce = 8;

    public static async Task<int> RunAsync(string what, string connection, string name, string folder)
    {
        BlobContainerClient container = new(connection, name);
        ParallelOptions options = new() { MaxDegreeOfParallelism = AtOnce };
        if (what == "upload")
        {
            await container.CreateIfNotExistsAsync();
            await Parallel.ForEachAsync(Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories), options, async (file, cancellationToken) =>
                await container.GetBlobClient(Path.GetRelativePath(folder, file)).UploadAsync(file, new BlobUploadOptions(), cancellationToken));
            return 0;
        }

        await Parallel.ForEachAsync(container.GetBlobsAsync(), options, async (blob, cancellationToken) =>
        {
            string target = Path.Combine(folder, blob.Name);
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            await container.GetBlobClient(blob.Name).DownloadToAsync(target, cancellationToken);
        });
        return 0;
    }
}
