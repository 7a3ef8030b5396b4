namespace CloudArchive.Format;

/// <summary>So many bytes at once; what is larger has all of them.</summary>
public sealed class ByteBudget(long most)
{
    private readonly Lock _gate = new();
    private readonly Queue<(long Bytes, TaskCompletionSource Turn)> _waiting = new();
    private readonly long _most = most;
    private long _left = most;

    /// <summary>Waits for room, whoever came first first. A wait that is cancelled has taken nothing.</summary>
    public async Task TakeAsync(long bytes, CancellationToken cancellationToken)
    {
        TaskCompletionSource turn = new(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            _waiting.Enqueue((Math.Min(bytes, _most), turn));
        }

        Serve();
        using CancellationTokenRegistration registration = cancellationToken.Register(() =>
        {
            turn.TrySetCanceled(cancellationToken);
            Serve(); // those behind it need not wait for what it wanted
        });
        await turn.Task;
    }

    /// <summary>Gives back what was taken.</summary>
    public void Give(long bytes)
    {
        lock (_gate)
        {
            _left += Math.Min(bytes, _most);
        }

        Serve();
    }

    private void Serve()
    {
        lock (_gate)
        {
            while (_waiting.TryPeek(out (long Bytes, TaskCompletionSource Turn) next) && (next.Turn.Task.IsCanceled || next.Bytes <= _left))
            {
                _waiting.Dequeue();
                if (next.Turn.TrySetResult())
                {
                    _left -= next.Bytes;
                }
            }
        }
    }
}
