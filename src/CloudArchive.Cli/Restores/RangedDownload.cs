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
            int count = (int)Math.Min(RangeLength, length - offset);
            try
            {
                await GetAsync(refused: false, offset, count, cancellation);
            }
            catch (DownloadRefusedException error) when (error.Status == HttpStatusCode.Forbidden)
            {
                // The SAS ran out: once, with a fresh one.
                await GetAsync(refused: true, offset, count, cancellation);
            }
        });

        async Task GetAsync(bool refused, long offset, int count, CancellationToken cancellation)
        {
            Uri at = await url(refused, cancellation);
            await network.ExchangeAsync(
                Exchange.WithStorage(at),
                async attempt => new HttpRequestMessage(HttpMethod.Get, await url(false, attempt)) { Headers = { Range = new RangeHeaderValue(offset, offset + count - 1) } },
                (answer, attempt) => ReadAsync(answer, file, offset, count, attempt),
                cancellation);
        }
    }

    private static async Task<bool> ReadAsync(HttpResponseMessage answer, SafeFileHandle file, long offset, int count, CancellationToken cancellationToken)
    {
        if (answer.StatusCode is not (HttpStatusCode.PartialContent or HttpStatusCode.OK))
        {
            throw new DownloadRefusedException(answer.StatusCode);
        }

        // A blob that is shorter than it was committed says so here; the length check tells it. Fewer bytes than were announced are the network's fault.
        bool isRange = answer.StatusCode == HttpStatusCode.PartialContent;
        long announced = isRange ? Math.Min(count, (answer.Content.Headers.ContentRange?.Length ?? long.MaxValue) - offset) : answer.Content.Headers.ContentLength ?? count;
        if (!isRange && (offset != 0 || announced != count))
        {
            throw new DownloadRefusedException(HttpStatusCode.RequestedRangeNotSatisfiable);
        }

        await using Stream body = await answer.Content.ReadAsStreamAsync(cancellationToken);
        byte[] buffer = ArrayPool<byte>.Shared.Rent(128 * 1024);
        try
        {
            int got = 0;
            while (got < announced)
            {
                int read = await body.ReadAsync(buffer.AsMemory(0, (int)Math.Min(announced - got, buffer.Length)), cancellationToken);
                if (read == 0)
                {
                    throw new ConnectionLostException($"an answer was cut off after {got} of {announced} bytes");
                }

                await RandomAccess.WriteAsync(file, buffer.AsMemory(0, read), offset + got, cancellationToken);
                got += read;
            }

            return true;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
