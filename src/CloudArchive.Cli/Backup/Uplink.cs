using System.Globalization;

namespace CloudArchive.Cli.Backup;

/// <summary>
/// Measures the way out, to decide whether compressing pays. Time counts while at least one block is under way, so that waiting for
/// the disk or for the compressor does not make the uplink look slow.
/// </summary>
public sealed class Uplink(TimeProvider clock, double? remembered)
{
    /// <summary>
    /// Bytes a second that the compressor turns out at the least, on one core of an ordinary computer (Optimal: 40 MB/s in, 21 MB/s out
    /// at 1.9x). A slower uplink waits for the compressor never, and has about half as much to carry; a faster one would wait for it.
    /// </summary>
    public const double CompressorBytesPerSecond = 20_000_000;

    private const long EnoughBytes = 16L * 1024 * 1024;
    private readonly Lock _gate = new();
    private int _underWay;
    private long _busySince;
    private TimeSpan _busy;
    private long _bytes;

    /// <summary>Bytes a second, where enough was sent or an earlier run remembers it.</summary>
    public double? BytesPerSecond
    {
        get
        {
            lock (_gate)
            {
                TimeSpan busy = _underWay > 0 ? _busy + clock.GetElapsedTime(_busySince) : _busy;
                return _bytes >= EnoughBytes && busy > TimeSpan.Zero ? _bytes / busy.TotalSeconds : remembered;
            }
        }
    }

    /// <summary>Whether to deflate what is not compressed. Where nothing is known yet, yes: clinics' uplinks carry 1 to 10 MB/s.</summary>
    public bool CompressionPays => BytesPerSecond is not { } rate || rate < CompressorBytesPerSecond;

    /// <summary>What an earlier run wrote down.</summary>
    public static double? Parse(string? text) => double.TryParse(text, CultureInfo.InvariantCulture, out double rate) && rate > 0 ? rate : null;

    /// <summary>Counts a block that is sent.</summary>
    public async Task<T> MeasureAsync<T>(long bytes, Func<Task<T>> send)
    {
        lock (_gate)
        {
            if (_underWay++ == 0) _busySince = clock.GetTimestamp();
        }

        bool sent = false;
        try
        {
            T result = await send();
            sent = true;
            return result;
        }
        finally
        {
            lock (_gate)
            {
                if (sent) _bytes += bytes;
                if (--_underWay == 0) _busy += clock.GetElapsedTime(_busySince);
            }
        }
    }
}
