using CloudArchive.Contracts;
using CloudArchive.Core.Storage;

namespace CloudArchive.Core.Tests.Support;

public sealed class MemoryVaultContract : StoredBlobContract
{
    protected override IBlobVault Vault { get; } = new MemoryVault(TimeProvider.System);
}
