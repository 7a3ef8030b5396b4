using CloudArchive.Contracts;
using CloudArchive.Core.Storage;

namespace CloudArchive.LocalHost.Tests.Storage;

/// <summary>The queue on Azurite. One test at a time has it, emptied.</summary>
[Collection("the queue")]
public sealed class LocalWorkQueueContract(SharedStorage shared) : WorkQueueContract, IAsyncLifetime
{
    protected override IWorkQueue Queue => shared.Storage.Queue;

    public async ValueTask InitializeAsync()
    {
        while (await Queue.ReceiveAsync(32, TimeSpan.FromMinutes(1), CancellationToken.None) is { Count: > 0 } some)
        {
            foreach (QueuedMessage message in some)
            {
                await Queue.DeleteAsync(message, CancellationToken.None);
            }
        }
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
