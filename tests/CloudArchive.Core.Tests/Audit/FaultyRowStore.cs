using CloudArchive.Core.Storage;

namespace CloudArchive.Core.Tests.Audit;

/// <summary>How a call goes wrong.</summary>
internal enum Fault
{
    None,

    /// <summary>The process dies before storage hears of the call.</summary>
    DiesBefore,

    /// <summary>The process dies after storage did it and before it hears so.</summary>
    DiesAfter,

    /// <summary>Storage does it, the answer is lost, and the client asks again.</summary>
    AnswerLost,

    /// <summary>Storage fails this once.</summary>
    Fails,
}

/// <summary>Another store, seen by a process that has bad luck. <paramref name="fault"/> is asked with the call's number, from 1. The dead stay dead.</summary>
internal sealed class FaultyRowStore(IRowStore inner, Func<int, Fault> fault) : IRowStore
{
    private int _calls;
    private volatile bool _dead;

    public int Calls => _calls;

    public bool Dead => _dead;

    public Task EnsureReadyAsync(CancellationToken cancellationToken) => inner.EnsureReadyAsync(cancellationToken);

    public Task<Row?> FindAsync(RowTable table, string partition, string key, CancellationToken cancellationToken) =>
        CallAsync(() => inner.FindAsync(table, partition, key, cancellationToken));

    public Task<IReadOnlyList<Row>> QueryAsync(RowTable table, string partition, string from, string to, int take, CancellationToken cancellationToken) =>
        CallAsync(() => inner.QueryAsync(table, partition, from, to, take, cancellationToken));

    public IAsyncEnumerable<string> PartitionsAsync(RowTable table, CancellationToken cancellationToken) => inner.PartitionsAsync(table, cancellationToken);

    public Task<IReadOnlyList<string>> SubmitAsync(RowTable table, string partition, IReadOnlyList<RowWrite> writes, CancellationToken cancellationToken) =>
        CallAsync(() => inner.SubmitAsync(table, partition, writes, cancellationToken));

    private async Task<T> CallAsync<T>(Func<Task<T>> call)
    {
        await Task.Yield();
        if (_dead)
        {
            throw new IOException("This process is dead.");
        }

        switch (fault(Interlocked.Increment(ref _calls)))
        {
            case Fault.DiesBefore:
                _dead = true;
                throw new IOException("Died before the call.");
            case Fault.DiesAfter:
                await call();
                _dead = true;
                throw new IOException("Died after the call.");
            case Fault.AnswerLost:
                await call();
                return await call();
            case Fault.Fails:
                throw new IOException("Storage is not well.");
            default:
                return await call();
        }
    }
}
