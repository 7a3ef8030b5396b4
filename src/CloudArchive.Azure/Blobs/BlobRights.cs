using Azure;
using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;
using Azure.Storage.Blobs.Specialized;
using CloudArchive.Core.Doctor;
using CloudArchive.Core.Storage;

namespace CloudArchive.Azure.Blobs;

/// <summary>Asks the Blob service, which decides on rights before it looks whether there is anything (403 before 404 and 412).</summary>
internal sealed class BlobRights(Func<VaultArea, BlobContainerClient> container) : IStorageRights
{
    // No clinic's id begins like this.
    private const string Nothing = "_doctor/nothing";
    private const string NoVersion = "2000-01-01T00:00:00.0000000Z";
    private static readonly ETag s_none = new("\"0x0\"");

    /// <inheritdoc/>
    public async Task<bool> MayDeleteAsync(VaultArea area, CancellationToken cancellationToken)
    {
        // Deleting a blob and deleting a version are two rights (.../blobs/delete and .../blobs/deleteBlobVersion/action).
        BlockBlobClient blob = container(area).GetBlockBlobClient(Nothing);
        return await IsAllowedAsync(() => blob.DeleteAsync(conditions: new BlobRequestConditions { IfMatch = s_none }, cancellationToken: cancellationToken))
            || await IsAllowedAsync(() => blob.WithVersion(NoVersion).DeleteAsync(cancellationToken: cancellationToken));
    }

    /// <inheritdoc/>
    public Task<bool> MayOverwriteAsync(VaultArea area, CancellationToken cancellationToken) => IsAllowedAsync(() => container(area).GetBlockBlobClient(Nothing)
        .UploadAsync(Stream.Null, new BlobUploadOptions { Conditions = new BlobRequestConditions { IfMatch = s_none } }, cancellationToken));

    /// <inheritdoc/>
    public async Task<DateTimeOffset> GetTimeAsync(CancellationToken cancellationToken)
    {
        using Response response = (await container(VaultArea.Records).GetPropertiesAsync(cancellationToken: cancellationToken)).GetRawResponse();
        return response.Headers.Date ?? throw new RequestFailedException("Storage told no time.");
    }

    private static async Task<bool> IsAllowedAsync(Func<Task> ask)
    {
        using IDisposable marked = DoctorProbe.Begin();
        try
        {
            await ask();
            return true;
        }
        catch (RequestFailedException e) when (e.Status is 404 or 412)
        {
            return true;
        }
        catch (RequestFailedException e) when (e.ErrorCode == BlobErrorCode.AuthorizationPermissionMismatch || e.ErrorCode == BlobErrorCode.InsufficientAccountPermissions
            || e.ErrorCode == "UnauthorizedBlobOverwrite")
        {
            return false;
        }
    }
}
