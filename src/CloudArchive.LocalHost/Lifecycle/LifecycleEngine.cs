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
/// <param name="Failed">Blobs, and containers, that storage fails at; the next run tries again.</param>
internal sealed record LifecycleRun(int Seen, int Moved, int NotDeleted, int Failed = 0);

/// <summary>Applies a lifecycle policy once a day, as the Blob service does on Azure: by this host's clock, through the WORM layer, with no right that others have not.</summary>
internal sealed partial class LifecycleEngine(LocalStorage storage, LifecycleRules rules, TimeProvider clock, ILogger<LifecycleEngine> logger, BlobClientOptions? options = null)
{
    private static readonly string[] s_containers = ["packs", "records"];

    /// <summary>One run over everything.</summary>
    public async Task<LifecycleRun> RunAsync(CancellationToken cancellationToken)
    {
        BlobServiceClient service = new(storage.BlobUrl, new StorageSharedKeyCredential(storage.Account.Name, storage.Account.Key), options);
        LifecycleRun all = new(0, 0, 0);
        foreach (string container in s_containers)
        {
            try
            {
                all = await RunAsync(service.GetBlobContainerClient(container), all, cancellationToken);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                // That one cannot be listed to its end keeps the other from its turn no longer than that.
                LogNotListed(logger, e, container);
                all = all with { Failed = all.Failed + 1 };
            }
        }

        return all;
    }

    private async Task<LifecycleRun> RunAsync(BlobContainerClient blobs, LifecycleRun all, CancellationToken cancellationToken)
    {
        await foreach (Page<BlobItem> page in blobs.GetBlobsAsync(BlobTraits.Tags, BlobStates.None, null, cancellationToken).AsPages())
        {
            all = all with { Seen = all.Seen + page.Values.Count };
            foreach (LifecycleStep step in LifecyclePlan.For(rules, page.Values.Select(item => Read(blobs.Name, item)), clock.GetUtcNow()))
            {
                if (step.To is not { } tier)
                {
                    LogNotDeleted(logger, step.Rule, blobs.Name);
                    all = all with { NotDeleted = all.NotDeleted + 1 };
                    continue;
                }

                try
                {
                    await blobs.GetBlobClient(step.Path[(blobs.Name.Length + 1)..]).SetAccessTierAsync(new AccessTier(tier.ToString()), cancellationToken: cancellationToken);
                    all = all with { Moved = all.Moved + 1 };
                }
                catch (Exception e) when (e is not OperationCanceledException)
                {
                    // One blob that storage fails at keeps no other where it is.
                    LogNotMoved(logger, e, step.Path, tier);
                    all = all with { Failed = all.Failed + 1 };
                }
            }
        }

        return all;
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

    [LoggerMessage(432, LogLevel.Error, "{Blob} could not be moved to the tier {Tier}; the next run tries again.")]
    private static partial void LogNotMoved(ILogger logger, Exception exception, string blob, BlobTier tier);

    [LoggerMessage(433, LogLevel.Error, "The container {Container} could not be listed to its end; the next run tries again.")]
    private static partial void LogNotListed(ILogger logger, Exception exception, string container);
}
