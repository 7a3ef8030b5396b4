using Azure.Identity;
using CloudArchive.Azure.Blobs;
using CloudArchive.Contracts;
using CloudArchive.Core.Storage;

namespace CloudArchive.Azure.Tests.Blobs;

/// <summary>
/// The contract on a real account, where CLOUDARCHIVE_TEST_ACCOUNT names one: its blob endpoint, with containers that the deployment makes. It is left
/// with locked blobs below clinic-*, the last of which can be deleted after 100 days.
/// </summary>
public sealed class RealAccountContract : BlobVaultContract, IAsyncLifetime
{
    private BlobVault _vault = null!;

    protected override IBlobVault Vault => _vault;

    public async ValueTask InitializeAsync()
    {
        string? account = Environment.GetEnvironmentVariable("CLOUDARCHIVE_TEST_ACCOUNT");
        Assert.SkipWhen(string.IsNullOrEmpty(account), "CLOUDARCHIVE_TEST_ACCOUNT names no account: leases, snapshots and versions were not tried on Azure.");
        _vault = BlobVault.Connect(new Uri(account!), new DefaultAzureCredential(), TimeProvider.System);
        await _vault.EnsureReadyAsync(Cancel);
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
