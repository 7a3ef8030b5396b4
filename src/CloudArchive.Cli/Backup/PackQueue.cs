using System.Runtime.CompilerServices;

namespace CloudArchive.Cli.Backup;

/// <summary>A pack that an earlier run began.</summary>
public sealed record BegunPack(UploadPlan Plan, IReadOnlyList<PendingFile> Files);

/// <summary>A pack to be made, or one to go on with.</summary>
public sealed record QueuedPack(PlannedPack? Planned, BegunPack? Begun);

/// <summary>
/// Planned packs on their way to the uploads: a few of the backlog at a time, so that reading does not run far ahead of sending; what has just come
/// goes before them, and before those that an earlier run began. The queue ends when nobody adds any more and, where more may come at any time, when nothing is under way either.
/// </summary>
public sealed class PackQueue(int room) : IDisposable
{
    private readonly Queue<PlannedPack> _backlog = new();
    private readonly Queue<PlannedPack> _urgent = new();
    private readonly Queue<BegunPack> _begun = new();
    private readonly SemaphoreSlim _room = new(room);
    private readonly SemaphoreSlim _changed = new(0);
    private readonly Lock _gate = new();
    private bool _complete;
    private bool _closed;
    private int _underWay;

    /// <summary>Whether somebody may add urgent packs as long as others are under way.</summary>
    public bool IsOpenWhileBusy { get; init; }

    /// <summary>What an earlier run began.</summary>
    public IReadOnlyList<BegunPack> Begun
    {
        init => value.ToList().ForEach(_begun.Enqueue);
    }

    /// <summary>Whether it goes on only when the rest is through: where a run is about a few files that have just come, these are not to wait.</summary>
    public bool BegunLast { get; init; }

    /// <summary>Whether all is done, or nothing is taken any more.</summary>
    public bool IsOver
    {
        get
        {
            lock (_gate)
            {
                return _closed || (_complete && _backlog.Count == 0 && _urgent.Count == 0 && _begun.Count == 0 && _underWay == 0);
            }
        }
    }

    /// <summary>Adds a pack of the backlog, once there is room. False: nobody takes any more.</summary>
    public async Task<bool> AddAsync(PlannedPack pack, CancellationToken cancellationToken)
    {
        await _room.WaitAsync(cancellationToken);
        lock (_gate)
        {
            if (_closed)
            {
                _room.Release();
                return false;
            }

            _backlog.Enqueue(pack);
        }

        _changed.Release();
        return true;
    }

    /// <summary>Adds a pack that does not wait for the backlog. False: nobody takes any more.</summary>
    public bool AddUrgent(PlannedPack pack)
    {
        lock (_gate)
        {
            if (_closed)
            {
                return false;
            }

            _urgent.Enqueue(pack);
        }

        _changed.Release();
        return true;
    }

    /// <summary>No more of the backlog comes.</summary>
    public void Complete()
    {
        lock (_gate)
        {
            _complete = true;
        }

        _changed.Release();
    }

    /// <summary>Nothing is taken any more: whoever waits for room need not.</summary>
    public void Close()
    {
        lock (_gate)
        {
            _closed = true;
        }

        _room.Release();
        _changed.Release();
    }

    /// <summary>A pack that was taken is done, one way or another.</summary>
    public void Done()
    {
        lock (_gate)
        {
            _underWay--;
        }

        _changed.Release();
    }

    /// <summary>The packs, as they are to be taken. For one reader; each that is taken must be reported by <see cref="Done"/>.</summary>
    public async IAsyncEnumerable<QueuedPack> TakeAllAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        while (true)
        {
            PlannedPack? next;
            BegunPack? begun = null;
            lock (_gate)
            {
                if (_urgent.TryDequeue(out next) || (!BegunLast && _begun.TryDequeue(out begun)))
                {
                    _underWay++;
                }
                else if (_backlog.TryDequeue(out next))
                {
                    _underWay++;
                    _room.Release();
                }
                else if (_complete && _begun.TryDequeue(out begun))
                {
                    _underWay++;
                }
                else if (_closed || (_complete && (!IsOpenWhileBusy || _underWay == 0)))
                {
                    _closed = true;
                    yield break;
                }
            }

            if (next is null && begun is null)
            {
                await _changed.WaitAsync(cancellationToken);
            }
            else
            {
                yield return new QueuedPack(next, begun);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _room.Dispose();
        _changed.Dispose();
    }
}
