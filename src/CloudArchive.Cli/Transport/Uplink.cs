using System.Globalization;

namespace CloudArchive.Cli.Transport;

/// <summary>
/// Measures the way out, and decides by it how large blocks are and how many are under way: a block must be through in seconds, or a slow link
/// never gets one through before something breaks, and a fast one must not wait between two. Time counts while at least one block is under
/// way, so that waiting for the disk or the compressor does not make the link look slow.
/// </summary>
public sealed class Uplink(TimeProvider clock, double? remembered)
{
    /// <summary>The smallest block, but for a pack's last.</summary>
    public const int ShortestBlock = 256 * 1024;

    /// <summary>The largest block.</summary>
    public const int LongestBlock = 8 * 1024 * 1024;

    /// <summary>The most blocks under way at once.</summary>
    public const int MostInFlight = 8;

    // Storage takes 50,000 blocks for a blob; a pack's length is known only as planned.
    private const int MostBlocks = 32_000;
    private const double Unmeasured = 250_000;
    private const double EnoughBytes = 1024 * 1024;
    private static readonly TimeSpan EnoughTime = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Window = TimeSpan.FromSeconds(20);
    // What is under way is lost when the computer goes off: so much of it, and no more.
    private static readonly TimeSpan UnderWay = TimeSpan.FromSeconds(2);
    private readonly Lock _gate = new();
    private readonly Queue<TaskCompletionSource> _waiting = new();
    private int _entered;
    private int _underWay;
    private long _busySince;
    private TimeSpan _busy;
    private double _bytes;

    /// <summary>Bytes a second of late, where enough was sent or an earlier run remembers it.</summary>
    public double? BytesPerSecond
    {
        get
        {
            lock (_gate)
            {
                return Rate();
            }
        }
    }

    /// <summary>How many blocks may be under way.</summary>
    public int InFlight
    {
        get
        {
            lock (_gate)
            {
                return InFlightNow();
            }
        }
    }

    /// <summary>What an earlier run wrote down.</summary>
    public static double? Parse(string? text) => double.TryParse(text, CultureInfo.InvariantCulture, out double rate) && rate > 0 && double.IsFinite(rate) ? rate : null;

    /// <summary>How long the next block of a pack is to be.</summary>
    /// <param name="packLength">Bytes of the whole pack, about: its blocks are counted, too.</param>
    public int BlockLength(long packLength)
    {
        lock (_gate)
        {
            return Math.Max(BlockNow(), PowerOfTwo(packLength / MostBlocks * 2));
        }
    }

    /// <summary>Sends a block as soon as there is room for it on the way.</summary>
    public async Task<T> EnterAsync<T>(Func<Task<T>> send, CancellationToken cancellationToken)
    {
        await WaitAsync(cancellationToken);
        try
        {
            return await send();
        }
        finally
        {
            lock (_gate)
            {
                _entered--;
                WakeNext();
            }
        }
    }

    /// <summary>Counts one attempt at sending. What failed was not sent, and the link is taken for half as fast: fewer bytes are at stake in the next.</summary>
    public async Task<T> MeasureAsync<T>(long bytes, Func<Task<T>> send, Func<T, bool>? isSent = null)
    {
        lock (_gate)
        {
            if (_underWay++ == 0)
            {
                _busySince = clock.GetTimestamp();
            }
        }

        bool sent = false;
        try
        {
            T result = await send();
            sent = isSent?.Invoke(result) ?? true;
            return result;
        }
        finally
        {
            lock (_gate)
            {
                long now = clock.GetTimestamp();
                _busy += clock.GetElapsedTime(_busySince, now);
                _busySince = now;
                _underWay--;
                _bytes = sent ? _bytes + bytes : _bytes / 2;
                while (_busy > Window)
                {
                    (_busy, _bytes) = (_busy / 2, _bytes / 2);
                }

                WakeNext();
            }
        }
    }

    private Task WaitAsync(CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            if (_entered < InFlightNow())
            {
                _entered++;
                return Task.CompletedTask;
            }

            TaskCompletionSource turn = new(TaskCreationOptions.RunContinuationsAsynchronously);
            _waiting.Enqueue(turn);
            return WaitAsync(turn, cancellationToken);
        }
    }

    private static async Task WaitAsync(TaskCompletionSource turn, CancellationToken cancellationToken)
    {
        await using CancellationTokenRegistration stop = cancellationToken.Register(() => turn.TrySetCanceled(cancellationToken));
        await turn.Task;
    }

    private void WakeNext()
    {
        while (_entered < InFlightNow() && _waiting.TryDequeue(out TaskCompletionSource? turn))
        {
            _entered += turn.TrySetResult() ? 1 : 0;
        }
    }

    private double? Rate() => Measured() ?? remembered;

    private double? Measured()
    {
        TimeSpan busy = _underWay > 0 ? _busy + clock.GetElapsedTime(_busySince) : _busy;
        return busy > TimeSpan.Zero && (_bytes >= EnoughBytes || busy >= EnoughTime) ? _bytes / busy.TotalSeconds : null;
    }

    /// <summary>What an earlier run remembers was another day's link, or another network's: no more is staked on it than it takes to measure this one.</summary>
    private double BytesUnderWay() => Measured() is { } rate ? rate * UnderWay.TotalSeconds : Math.Min((remembered ?? Unmeasured) * UnderWay.TotalSeconds, EnoughBytes);

    private int BlockNow() => PowerOfTwo((long)(BytesUnderWay() / 2));

    private int InFlightNow() => (int)Math.Clamp(Math.Ceiling(BytesUnderWay() / BlockNow()), 1, MostInFlight);

    /// <summary>The largest power of two that is not larger, within the bounds.</summary>
    private static int PowerOfTwo(long length) => (int)Math.Clamp(1L << System.Numerics.BitOperations.Log2((ulong)Math.Max(1, length)), ShortestBlock, LongestBlock);
}
