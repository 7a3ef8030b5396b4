using Azure;
using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;
using Azure.Storage.Blobs.Specialized;
using CloudArchive.Testing;

namespace CloudArchive.EndToEnd;

/// <summary>What storage itself refuses, to a client that holds the account's key and goes past the service.</summary>
public sealed class ProtectionTests
{
    [Fact]
    public async Task A_locked_pack_its_sidecar_and_its_receipt_can_be_neither_deleted_nor_overwritten_with_the_account_key()
    {
        CancellationToken cancellationToken = TestContext.Current.CancellationToken;
        await using Practice practice = await Practice.OpenAsync();
        SampleStudies.WriteOne(Path.Combine(practice["clinic"], "a.dcm"), "one");
        await practice.BackUpAsync(practice["clinic"]);
        BlobContainerClient packs = StoredArchive.Service(practice.Archive.BlobUrl).GetBlobContainerClient("packs");
        string[] names = [.. packs.GetBlobs(cancellationToken: cancellationToken).Select(b => b.Name)];
        Assert.Equal(6, names.Length); // of the study and of the snapshot

        foreach (string name in names)
        {
            BlockBlobClient blob = packs.GetBlockBlobClient(name);
            byte[] before = (await blob.DownloadContentAsync(cancellationToken)).Value.Content.ToArray();
            BlobProperties properties = await blob.GetPropertiesAsync(cancellationToken: cancellationToken);
            Assert.Equal(BlobImmutabilityPolicyMode.Locked, properties.ImmutabilityPolicy.PolicyMode);

            await RefusedAsync(() => blob.DeleteAsync(cancellationToken: cancellationToken));
            await RefusedAsync(() => blob.DeleteAsync(DeleteSnapshotsOption.IncludeSnapshots, cancellationToken: cancellationToken));
            await RefusedAsync(() => packs.GetBlobClient(name).UploadAsync(BinaryData.FromString("ransomware"), overwrite: true, cancellationToken));
            await RefusedAsync(async () =>
            {
                string block = Convert.ToBase64String("00000001"u8);
                await blob.StageBlockAsync(block, new MemoryStream("ransomware"u8.ToArray()), cancellationToken: cancellationToken);
                await blob.CommitBlockListAsync([block], cancellationToken: cancellationToken);
            });
            await RefusedAsync(() => blob.SetMetadataAsync(new Dictionary<string, string> { ["encryptiondata"] = "gone" }, cancellationToken: cancellationToken));
            await RefusedAsync(() => blob.DeleteImmutabilityPolicyAsync(cancellationToken));
            await RefusedAsync(() => blob.SetImmutabilityPolicyAsync(
                new BlobImmutabilityPolicy { ExpiresOn = properties.ImmutabilityPolicy.ExpiresOn!.Value.AddYears(-1), PolicyMode = BlobImmutabilityPolicyMode.Locked }, cancellationToken: cancellationToken));
            await RefusedAsync(() => packs.DeleteAsync(cancellationToken: cancellationToken));

            Assert.Equal(before, (await blob.DownloadContentAsync(cancellationToken)).Value.Content.ToArray());
        }
    }

    private static async Task RefusedAsync(Func<Task> attempt)
    {
        RequestFailedException refused = await Assert.ThrowsAsync<RequestFailedException>(attempt);
        Assert.Equal(409, refused.Status);
    }
}
