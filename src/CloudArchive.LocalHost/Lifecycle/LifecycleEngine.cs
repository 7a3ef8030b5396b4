using Azure;
using Azure.Storage;
using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;
using CloudArchive.LocalHost.Storage;

namespace CloudArchive.LocalHost.Lifecycle;

/// <summary>What a run did.</summary>
/// <param name="Seen">Blobs that were looked at.</param>
/// <param name="Moved">Blobs that are in another tier now.</param>
/// <param name="NotDeleted">Blobs that a rule would delete: ignored, as on Azure.</param>
internal sealed record LifecycleRun(int Seen, int Moved, int NotDeleted);

/// <summary>Applies a lifecycle policy once a day, as the Blob service does on Azure: by this host's clock, through the WORM layer, with no right that others have not.</summary>
internal sealed partial class LifecycleEngine(LocalStorage storage, LifecycleRules rules, TimeProvider clock, ILogger<LifecycleEngine> logger)
{
    private static readonly string[] s_containers = ["packs", "records"];

    /// <summary>One run over everything.</summary>
    public async Task<LifecycleRun> RunAsync(CancellationToken cancellationToken)
    {
        BlobServiceClient service = new(storage.BlobUrl, new StorageSharedKeyCredential(storage.Account.Name, storage.Account.Key));
        int seen = 0;
        int moved = 0;
        int kept = 0;
        foreach (string container in s_containers)
        {
            BlobContainerClient blobs = service.GetBlobContainerClient(container);
            await foreach (Page<BlobItem> page in blobs.GetBlobsAsync(BlobTraits.Tags, BlobStates.None, null, cancellationToken).AsPages())
            {
                seen += page.Values.Count;
                foreach (LifecycleStep step in LifecyclePlan.For(rules, page.Values.Select(item => Read(container, item)), clock.GetUtcNow()))
                {
                    if (step.To is { } tier)
                    {
                        await blobs.GetBlobClient(step.Path[(container.Length + 1)..]).SetAccessTierAsync(new AccessTier(tier.ToString()), cancellationToken: cancellationToken);
                        moved++;
                    }
                    else
                    {
                        LogNotDeleted(logger, step.Rule, container);
                        kept++;
                    }
                }
            }
        }

        return new LifecycleRun(seen, moved, kept);
    }

    private static LifecycleBlob Read(string container, BlobItem item) => new(
        $"{container}/{item.Name}",
        item.Properties.AccessTier is { } tier && Enum.TryParse(tier.ToString(), ignoreCase: true, out BlobTier known) ? known : BlobTier.Hot,
        item.Properties.CreatedOn ?? item.Properties.LastModified!.Value,
        item.Properties.LastModified!.Value,
        item.Properties.AccessTierChangedOn,
        item.Tags?.AsReadOnly());

    [LoggerMessage(431, LogLevel.Warning, "Lifecycle rule {Rule} would delete a blob in {Container}. Deletion is ignored where versions are immutable, here as on Azure; retention deletes.")]
    private static partial void LogNotDeleted(ILogger logger, string rule, string container);
}
