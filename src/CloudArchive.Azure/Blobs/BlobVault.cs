using System.Runtime.CompilerServices;
using Azure;
using Azure.Core;
using Azure.Storage;
using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;
using Azure.Storage.Blobs.Specialized;
using Azure.Storage.Sas;
using CloudArchive.Core.Doctor;
using CloudArchive.Core.Storage;

namespace CloudArchive.Azure.Blobs;

/// <summary>Azure Blob Storage with version-level immutability; and LocalHost's WORM layer, which speaks the same.</summary>
public sealed class BlobVault : IBlobVault
{
    private readonly BlobServiceClient _service;
    private readonly SasSigner _sas;
    private readonly TimeProvider _clock;

    private BlobVault(BlobServiceClient service, SasSigner sas, TimeProvider clock)
    {
        _service = service;
        _sas = sas;
        _clock = clock;
    }

    /// <summary>An account on Azure, by identity.</summary>
    /// <param name="service">The account's blob endpoint.</param>
    /// <param name="identity">Who asks.</param>
    /// <param name="clock">For how long grants are good, and what is protected still.</param>
    /// <param name="options">For tests; else null.</param>
    public static BlobVault Connect(Uri service, TokenCredential identity, TimeProvider clock, BlobClientOptions? options = null)
    {
        BlobServiceClient client = new(service, identity, options ?? new BlobClientOptions());
        return new(client, new SasSigner.Delegated(client, clock), clock);
    }

    /// <summary>An account by its key: LocalHost's.</summary>
    /// <param name="service">The account's blob endpoint.</param>
    /// <param name="account">The account's name.</param>
    /// <param name="key">Its key.</param>
    /// <param name="clock">For how long grants are good, and what is protected still.</param>
    /// <param name="options">For tests; else null.</param>
    public static BlobVault Connect(Uri service, string account, string key, TimeProvider clock, BlobClientOptions? options = null)
    {
        StorageSharedKeyCredential credential = new(account, key);
        return new(new BlobServiceClient(service, credential, options ?? new BlobClientOptions()), new SasSigner.Shared(credential), clock);
    }

    /// <summary>What this identity may do here.</summary>
    public IStorageRights Rights => new BlobRights(Container);

    /// <inheritdoc/>
    public async Task EnsureReadyAsync(CancellationToken cancellationToken)
    {
        foreach (VaultArea area in Enum.GetValues<VaultArea>())
        {
            BlobContainerProperties properties = await EnsureContainerAsync(Container(area), cancellationToken);
            if (!properties.HasImmutableStorageWithVersioning)
            {
                throw new ImmutabilityUnavailableException($"{_service.Uri.Host}/{ContainerName(area)}");
            }
        }
    }

    /// <inheritdoc/>
    public Task<BlobGrant> GrantWriteAsync(BlobName name, TimeSpan lifetime, CancellationToken cancellationToken) =>
        // Write, not create: Put Block and Put Block List ask for it. It does not include reading, deleting or the policy ('r', 'd', 'x', 'i').
        GrantAsync(name, null, BlobSasPermissions.Write, lifetime, cancellationToken);

    /// <inheritdoc/>
    public Task<BlobGrant> GrantReadAsync(BlobName name, string versionId, TimeSpan lifetime, CancellationToken cancellationToken) =>
        GrantAsync(name, versionId, BlobSasPermissions.Read, lifetime, cancellationToken);

    /// <inheritdoc/>
    public Task<BlobState?> FindAsync(BlobName name, CancellationToken cancellationToken) => StateAsync(Blob(name), cancellationToken);

    /// <inheritdoc/>
    public Task<BlobState?> FindAsync(BlobName name, string versionId, CancellationToken cancellationToken) => StateAsync(Blob(name).WithVersion(versionId), cancellationToken);

    /// <inheritdoc/>
    public async Task<Stream> OpenReadAsync(BlobName name, string versionId, CancellationToken cancellationToken)
    {
        try
        {
            Response<BlobDownloadStreamingResult> response = await Blob(name).WithVersion(versionId).DownloadStreamingAsync(new BlobDownloadOptions(), cancellationToken);
            return response.Value.Content;
        }
        catch (RequestFailedException e) when (IsMissing(e))
        {
            throw new BlobMissingException(name, e);
        }
    }

    /// <inheritdoc/>
    public Task<string> WriteNewAsync(BlobName name, ReadOnlyMemory<byte> content, string contentType, CancellationToken cancellationToken) =>
        WriteNewAsync(name, content, contentType, new Dictionary<string, string>(), cancellationToken);

    /// <inheritdoc/>
    public async Task<string> WriteNewAsync(BlobName name, ReadOnlyMemory<byte> content, string contentType, IReadOnlyDictionary<string, string> metadata, CancellationToken cancellationToken)
    {
        BlobUploadOptions options = new()
        {
            Conditions = new BlobRequestConditions { IfNoneMatch = ETag.All },
            HttpHeaders = new BlobHttpHeaders { ContentType = contentType },
            Metadata = new Dictionary<string, string>(metadata),

            // One Put Blob, whatever the length (the SDK stages blocks from this length on). Blocks would be staged under the same ids by
            // everybody who writes this name, and the one that commits first would commit what another staged.
            TransferOptions = new StorageTransferOptions { InitialTransferSize = content.Length + 1L },
        };
        try
        {
            using Stream stream = BinaryData.FromBytes(content).ToStream();
            Response<BlobContentInfo> response = await Blob(name).UploadAsync(stream, options, cancellationToken);
            return response.Value.VersionId;
        }
        catch (RequestFailedException e) when (e.Status == 412 || e.ErrorCode == BlobErrorCode.BlobAlreadyExists || IsProtected(e))
        {
            throw new BlobExistsException(name, e);
        }
        catch (RequestFailedException e) when (e.Status == 403 && e.ErrorCode != BlobErrorCode.AuthenticationFailed)
        {
            // An identity that may only add is refused what would overwrite before the condition is looked at (UnauthorizedBlobOverwrite,
            // AuthorizationPermissionMismatch): also where the SDK repeats a write whose answer was lost. So look.
            if (await FindAsync(name, cancellationToken) is not null)
            {
                throw new BlobExistsException(name, e);
            }

            throw;
        }
    }

    /// <inheritdoc/>
    public async Task LockAsync(BlobName name, string versionId, DateTimeOffset until, CancellationToken cancellationToken)
    {
        // The date travels as RFC 1123, in whole seconds: round up, so that what is locked is never shorter than what was asked for.
        DateTimeOffset date = new(until.UtcTicks + ((TimeSpan.TicksPerSecond - (until.UtcTicks % TimeSpan.TicksPerSecond)) % TimeSpan.TicksPerSecond), TimeSpan.Zero);
        BlobBaseClient version = Blob(name).WithVersion(versionId);
        const int attempts = 5;
        for (int attempt = 1; ; attempt++)
        {
            BlobState state = await StateAsync(version, cancellationToken) ?? throw new BlobMissingException(name);
            if (state.Locked && state.ImmutableUntil >= date)
            {
                return;
            }

            DateTimeOffset target = state.ImmutableUntil is { } existing && existing > date ? existing : date;
            try
            {
                if (!state.Locked)
                {
                    await version.SetImmutabilityPolicyAsync(new BlobImmutabilityPolicy { ExpiresOn = target, PolicyMode = BlobImmutabilityPolicyMode.Unlocked }, cancellationToken: cancellationToken);
                }

                await version.SetImmutabilityPolicyAsync(new BlobImmutabilityPolicy { ExpiresOn = target, PolicyMode = BlobImmutabilityPolicyMode.Locked }, cancellationToken: cancellationToken);
                return;
            }
            catch (RequestFailedException e) when (IsMissing(e))
            {
                throw new BlobMissingException(name, e);
            }
            catch (RequestFailedException e) when (e.Status == 409 && attempt < attempts)
            {
                // Another caller locked it between our look and our write. Storage refuses to shorten; look again.
            }
        }
    }

    /// <inheritdoc/>
    public async Task SetLegalHoldAsync(BlobName name, string versionId, bool hold, CancellationToken cancellationToken)
    {
        try
        {
            await Blob(name).WithVersion(versionId).SetLegalHoldAsync(hold, cancellationToken);
        }
        catch (RequestFailedException e) when (IsMissing(e))
        {
            throw new BlobMissingException(name, e);
        }
    }

    /// <inheritdoc/>
    public async Task RehydrateAsync(BlobName name, string versionId, CancellationToken cancellationToken)
    {
        BlobBaseClient version = Blob(name).WithVersion(versionId);
        try
        {
            BlobProperties properties = await version.GetPropertiesAsync(cancellationToken: cancellationToken);
            if (IsArchived(properties) && string.IsNullOrEmpty(properties.ArchiveStatus))
            {
                // Hot: to cool it again early costs nothing, and lifecycle does so.
                await version.SetAccessTierAsync(AccessTier.Hot, rehydratePriority: RehydratePriority.Standard, cancellationToken: cancellationToken);
            }
        }
        catch (RequestFailedException e) when (IsMissing(e))
        {
            throw new BlobMissingException(name, e);
        }
    }

    /// <inheritdoc/>
    public async Task SetTagsAsync(BlobName name, string versionId, IReadOnlyDictionary<string, string> tags, CancellationToken cancellationToken)
    {
        const int attempts = 3;
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                await Blob(name).WithVersion(versionId).SetTagsAsync(new Dictionary<string, string>(tags), cancellationToken: cancellationToken);
                return;
            }
            catch (RequestFailedException e) when (IsMissing(e))
            {
                throw new BlobMissingException(name, e);
            }
            catch (RequestFailedException e) when (IsLeased(e) && attempt < attempts)
            {
                await BreakLeaseAsync(name, cancellationToken);
            }
        }
    }

    /// <inheritdoc/>
    public async Task DeleteAsync(BlobName name, string versionId, CancellationToken cancellationToken)
    {
        BlockBlobClient blob = Blob(name);
        BlobBaseClient version = blob.WithVersion(versionId);
        const int attempts = 5;
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                BlobProperties properties = await version.GetPropertiesAsync(cancellationToken: cancellationToken);
                if (Protects(properties))
                {
                    throw new BlobProtectedException(name);
                }

                // Azure deletes no current version by its id (OperationNotAllowedOnRootBlob). Deleting the blob makes it a previous one,
                // even where a policy protects it; so only after the look above, and only if it is still the blob's content.
                if (properties.IsLatestVersion)
                {
                    await blob.DeleteAsync(conditions: new BlobRequestConditions { IfMatch = properties.ETag }, cancellationToken: cancellationToken);
                }

                await version.DeleteAsync(cancellationToken: cancellationToken);
                return;
            }
            catch (RequestFailedException e) when (IsMissing(e))
            {
                return;
            }
            catch (RequestFailedException e) when (IsProtected(e))
            {
                throw new BlobProtectedException(name, e);
            }
            catch (RequestFailedException e) when (IsLeased(e) && attempt < attempts)
            {
                await BreakLeaseAsync(name, cancellationToken);
            }
            catch (RequestFailedException e) when ((e.Status == 412 || e.ErrorCode == "OperationNotAllowedOnRootBlob") && attempt < attempts)
            {
                // Another version became the current one, or this one did. Look again.
            }
        }
    }

    /// <inheritdoc/>
    /// <remarks>Storage cannot start a listing in the middle: what stands before <paramref name="after"/> is listed and passed over, 5,000 names a request.</remarks>
    public async IAsyncEnumerable<ListedBlob> ListAsync(VaultArea area, string prefix, string? after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        // Version ids are listed only along with all versions. Versions without a current one are of blobs that were deleted.
        await foreach (BlobItem item in Container(area).GetBlobsAsync(BlobTraits.None, BlobStates.Version, prefix, cancellationToken))
        {
            if (item.IsLatestVersion == true && string.CompareOrdinal(item.Name, after) > 0)
            {
                yield return new ListedBlob(new BlobName(area, item.Name), item.VersionId, item.Properties.ContentLength ?? 0);
            }
        }
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<ListedBlob> ListVersionsAsync(VaultArea area, string prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (BlobItem item in Container(area).GetBlobsAsync(BlobTraits.None, BlobStates.Version, prefix, cancellationToken))
        {
            yield return new ListedBlob(new BlobName(area, item.Name), item.VersionId, item.Properties.ContentLength ?? 0);
        }
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<ListedSnapshot> ListSnapshotsAsync(VaultArea area, string prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (BlobItem item in Container(area).GetBlobsAsync(BlobTraits.None, BlobStates.Snapshots, prefix, cancellationToken))
        {
            if (!string.IsNullOrEmpty(item.Snapshot))
            {
                yield return new ListedSnapshot(new BlobName(area, item.Name), item.Snapshot);
            }
        }
    }

    /// <inheritdoc/>
    public async Task DeleteSnapshotAsync(BlobName name, string snapshot, CancellationToken cancellationToken)
    {
        const int attempts = 3;
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                await Blob(name).WithSnapshot(snapshot).DeleteAsync(cancellationToken: cancellationToken);
                return;
            }
            catch (RequestFailedException e) when (IsMissing(e))
            {
                return; // gone already
            }
            catch (RequestFailedException e) when (IsProtected(e))
            {
                throw new BlobProtectedException(name, e);
            }
            catch (RequestFailedException e) when (IsLeased(e) && attempt < attempts)
            {
                await BreakLeaseAsync(name, cancellationToken);
            }
        }
    }

    private static bool IsLeased(RequestFailedException e) => e.Status == 412 && (e.ErrorCode == BlobErrorCode.LeaseIdMissing || e.ErrorCode == BlobErrorCode.LeaseIdMismatchWithBlobOperation);

    /// <summary>Ends whoever's lease at once.</summary>
    private async Task BreakLeaseAsync(BlobName name, CancellationToken cancellationToken)
    {
        try
        {
            await Blob(name).GetBlobLeaseClient().BreakAsync(TimeSpan.Zero, cancellationToken: cancellationToken);
        }
        catch (RequestFailedException e) when (IsMissing(e) || e.ErrorCode == BlobErrorCode.LeaseNotPresentWithLeaseOperation)
        {
            // Ended by itself, or gone with the blob: the caller looks again.
        }
    }

    private static bool IsArchived(BlobProperties properties) => properties.AccessTier == AccessTier.Archive.ToString();

    private static string ContainerName(VaultArea area) => area switch
    {
        VaultArea.Packs => "packs",
        VaultArea.Records => "records",
        _ => throw new ArgumentOutOfRangeException(nameof(area)),
    };

    private static bool IsMissing(RequestFailedException e) => e.Status == 404 && e.ErrorCode != BlobErrorCode.ContainerNotFound;

    private static bool IsProtected(RequestFailedException e) =>
        e.Status == 409 && (e.ErrorCode == BlobErrorCode.BlobImmutableDueToPolicy || e.ErrorCode == "BlobImmutableDueToLegalHold");

    private static async Task<BlobContainerProperties> EnsureContainerAsync(BlobContainerClient container, CancellationToken cancellationToken)
    {
        try
        {
            return await container.GetPropertiesAsync(cancellationToken: cancellationToken);
        }
        catch (RequestFailedException e) when (e.ErrorCode == BlobErrorCode.ContainerNotFound)
        {
            await container.CreateIfNotExistsAsync(cancellationToken: cancellationToken);
            return await container.GetPropertiesAsync(cancellationToken: cancellationToken);
        }
    }

    private static async Task<BlobState?> StateAsync(BlobBaseClient blob, CancellationToken cancellationToken)
    {
        try
        {
            BlobProperties properties = await blob.GetPropertiesAsync(cancellationToken: cancellationToken);
            return new BlobState(
                properties.VersionId,
                properties.ContentLength,
                properties.CreatedOn,
                properties.ImmutabilityPolicy?.ExpiresOn,
                properties.ImmutabilityPolicy?.PolicyMode == BlobImmutabilityPolicyMode.Locked,
                properties.HasLegalHold,
                new Dictionary<string, string>(properties.Metadata, StringComparer.OrdinalIgnoreCase),
                IsArchived(properties));
        }
        catch (RequestFailedException e) when (IsMissing(e))
        {
            return null;
        }
    }

    private bool Protects(BlobProperties properties) =>
        properties.HasLegalHold || properties.ImmutabilityPolicy?.ExpiresOn > _clock.GetUtcNow();

    private BlobContainerClient Container(VaultArea area) => _service.GetBlobContainerClient(ContainerName(area));

    private BlockBlobClient Blob(BlobName name) => Container(name.Area).GetBlockBlobClient(name.Path);

    private async Task<BlobGrant> GrantAsync(BlobName name, string? versionId, BlobSasPermissions permissions, TimeSpan lifetime, CancellationToken cancellationToken)
    {
        BlobSasBuilder sas = new(permissions, _clock.GetUtcNow() + lifetime)
        {
            BlobContainerName = ContainerName(name.Area),
            BlobName = name.Path,
            BlobVersionId = versionId,
            Resource = versionId is null ? "b" : "bv",
        };
        BlobSasQueryParameters signed = await _sas.SignAsync(sas, cancellationToken);

        // The SAS states whole seconds.
        DateTimeOffset expires = signed.ExpiresOn;
        return new BlobGrant(new BlobUriBuilder(Blob(name).Uri) { VersionId = versionId, Sas = signed }.ToUri(), expires);
    }
}
