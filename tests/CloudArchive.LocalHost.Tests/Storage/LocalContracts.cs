using CloudArchive.Contracts;
using CloudArchive.Core.Storage;

namespace CloudArchive.LocalHost.Tests.Storage;

public sealed class LocalRowStoreContract(SharedStorage shared) : RowStoreContract
{
    protected override IRowStore Rows => shared.Storage.Rows;
}

public sealed class LocalBlobVaultContract(SharedStorage shared) : BlobVaultContract
{
    protected override IBlobVault Vault => shared.Storage.Vault;
}
