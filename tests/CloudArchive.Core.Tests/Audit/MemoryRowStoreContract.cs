using CloudArchive.Contracts;
using CloudArchive.Core.Storage;

namespace CloudArchive.Core.Tests.Audit;

public sealed class MemoryRowStoreContract : RowStoreContract
{
    protected override IRowStore Rows { get; } = new MemoryRowStore();
}
