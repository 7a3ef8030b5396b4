using System.Buffers;
using System.Net;
using System.Net.Http.Headers;
using CloudArchive.Cli.Transport;
using Microsoft.Win32.SafeHandles;

namespace CloudArchive.Cli.Restores;

/// <summary>Storage does not have what it should have, or not in the length that was committed.</summary>
public sealed class DownloadRefusedException(HttpStatusCode status) : Exception($"storage answers HTTP {(int)status}")
{
    /// <summary>The status.</summary>
    public HttpStatusCode Status { get; } = status;
}

/// <summary>Brings a blob down in ranges, side by side, into a file. What it brings is sealed and not yet trusted.</summary>
public sealed class RangedDownload(Network network)
{
    private const int RangeLength = 8 * 1024 * 1024;
    private const int AtOnce = 4;

    /// <summary>An answer that brought so much before it was cut off is no failure of which too many end a restore: it is gone on with at once.</summary>
    private const int WorthGoingOn = 64 * 1024;

    /// <summary>Downloads <paramref name="length"/> bytes into the file.</summary>
    /// <param name="url">A URL that works now; asked for again when the last one no longer does.</param>
    /// <param name="length">The blob's length, as committed.</param>
    /// <param name="file">Where to.</param>
    /// <param name="cancellationToken">Stops.</param>
    /// <exception cref="DownloadRefusedException">Storage said no.</exception>
    /// <exception cref="ServiceUnreachableException">Storage cannot be reached.</exception>
    public async Task RunAsync(Func<bool, CancellationToken, Task<Uri>> url, long length, SafeFileHandle file, CancellationToken cancellationToken)
    {
        IEnumerable<long> offsets = Enumerable.Range(0, (int)((length + RangeLength - 1) / RangeLength)).Select(i => (long)i * RangeLength);
        ParallelOptions parallel = new() { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellationToken };
        await Parallel.ForEachAsync(offsets, parallel, async (offset, cancellation) =>
        {
            DownloadRange range = new(offset, (int)Math.Min(RangeLength, length - offset));
            try
            {
                await GetAsync(refused: false, range, cancellation);
            }
            catch (DownloadRefusedException error) when (error.Status == HttpStatusCode.Forbidden)
            {
                // The SAS ran out: once, with a fresh one.
                await GetAsync(refused: true, range, cancellation);
            }
        });

        async Task GetAsync(bool refused, DownloadRange range, CancellationToken cancellation)
        {
            Uri at = await url(refused, cancellation);
            bool whole;
            do
            {
                whole = await network.ExchangeAsync(
                    Exchange.WithStorage(at),
                    async attempt => new HttpRequestMessage(HttpMethod.Get, await url(false, attempt)) { Headers = { Range = new RangeHeaderValue(range.Next, range.Last) } },
                    (answer, attempt) => ReadAsync(answer, file, range, attempt),
                    cancellation);
            }
            while (!whole);
        }
    }

    /// <returns>Whether it came to its end.</returns>
    private static async Task<bool> ReadAsync(HttpResponseMessage answer, SafeFileHandle file, DownloadRange range, CancellationToken cancellationToken)
    {
        if (answer.StatusCode is not (HttpStatusCode.PartialContent or HttpStatusCode.OK))
        {
            throw new DownloadRefusedException(answer.StatusCode);
        }

        // A blob that is shorter than it was committed says so here; the length check tells it. Fewer bytes than were announced are the network's fault.
        bool isRange = answer.StatusCode == HttpStatusCode.PartialContent;
        if (!isRange)
        {
            range.Got = 0; // all of it comes, from the beginning
        }

        int count = range.Count - range.Got;
        long announced = isRange ? Math.Min(count, (answer.Content.Headers.ContentRange?.Length ?? long.MaxValue) - range.Next) : answer.Content.Headers.ContentLength ?? count;
        if (isRange ? answer.Content.Headers.ContentRange?.From is { } from && from != range.Next : range.Offset != 0 || announced != count)
        {
            throw new DownloadRefusedException(HttpStatusCode.RequestedRangeNotSatisfiable);
        }

        await using Stream body = await answer.Content.ReadAsStreamAsync(cancellationToken);
        byte[] buffer = ArrayPool<byte>.Shared.Rent(128 * 1024);
        int got = 0;
        try
        {
            while (got < announced)
            {
                int read = await body.ReadAsync(buffer.AsMemory(0, (int)Math.Min(announced - got, buffer.Length)), cancellationToken);
                if (read == 0)
                {
                    throw new ConnectionLostException($"an answer was cut off after {got} of {announced} bytes");
                }

                await RandomAccess.WriteAsync(file, buffer.AsMemory(0, read), range.Next, cancellationToken);
                got += read;
                range.Got += read;
            }

            return true;
        }
        catch (Exception error) when (isRange && got >= WorthGoingOn && Failure.Of(error, cancellationToken) is { Passes: true })
        {
            return false;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>A range, and how much of it is in the file: an answer that is cut off is gone on with at the byte where it was.</summary>
    private sealed class DownloadRange(long offset, int count)
    {
        public long Offset => offset;

        public int Count => count;

        public int Got { get; set; }

        public long Next => offset + Got;

        public long Last => offset + count - 1;
    }
}
