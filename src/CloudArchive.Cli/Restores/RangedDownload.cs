using System.Net;
using System.Net.Http.Headers;
using Microsoft.Win32.SafeHandles;
using Polly;
using Polly.Retry;
using Polly.Timeout;

namespace CloudArchive.Cli.Restores;

/// <summary>Storage does not have what it should have, or not in the length that was committed.</summary>
public sealed class DownloadRefusedException(HttpStatusCode status) : Exception($"storage answers HTTP {(int)status}")
{
    /// <summary>The status.</summary>
    public HttpStatusCode Status { get; } = status;
}

/// <summary>Brings a blob down in ranges, side by side, into a file. What it brings is sealed and not yet trusted.</summary>
public sealed class RangedDownload : IDisposable
{
    private const int RangeLength = 8 * 1024 * 1024;
    private const int AtOnce = 4;
    private readonly HttpClient _http;
    private readonly ResiliencePipeline _retries;

    /// <param name="environment">The way out.</param>
    public RangedDownload(CliEnvironment environment)
    {
        _http = new HttpClient(environment.HttpHandler()) { Timeout = Timeout.InfiniteTimeSpan };
        _retries = new ResiliencePipelineBuilder { TimeProvider = environment.Clock }
            .AddRetry(new RetryStrategyOptions
            {
                ShouldHandle = static attempt => ValueTask.FromResult(attempt.Outcome.Exception is HttpRequestException or TimeoutRejectedException or HttpIOException
                    or DownloadRefusedException { Status: HttpStatusCode.RequestTimeout or HttpStatusCode.TooManyRequests or >= HttpStatusCode.InternalServerError }),
                MaxRetryAttempts = 7,
                Delay = TimeSpan.FromMilliseconds(500),
                MaxDelay = TimeSpan.FromSeconds(30),
                BackoffType = DelayBackoffType.Exponential,
                UseJitter = true,
            })
            .AddTimeout(TimeSpan.FromMinutes(5))
            .Build();
    }

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
            Uri at = await url(false, cancellation);
            try
            {
                await GetAsync(at, file, offset, count, cancellation);
            }
            catch (DownloadRefusedException error) when (error.Status == HttpStatusCode.Forbidden)
            {
                // The SAS ran out: once, with a fresh one.
                await GetAsync(await url(true, cancellation), file, offset, count, cancellation);
            }
        });
    }

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    private async Task GetAsync(Uri url, SafeFileHandle file, long offset, int count, CancellationToken cancellationToken)
    {
        try
        {
            await _retries.ExecuteAsync(
                async cancellation =>
                {
                    using HttpRequestMessage request = new(HttpMethod.Get, url) { Headers = { Range = new RangeHeaderValue(offset, offset + count - 1) } };
                    using HttpResponseMessage answer = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellation);
                    if (answer.StatusCode is not (HttpStatusCode.PartialContent or HttpStatusCode.OK)) throw new DownloadRefusedException(answer.StatusCode);
                    if (answer.StatusCode == HttpStatusCode.OK && (offset != 0 || answer.Content.Headers.ContentLength != count)) throw new DownloadRefusedException(HttpStatusCode.RequestedRangeNotSatisfiable);
                    await using Stream body = await answer.Content.ReadAsStreamAsync(cancellation);
                    await CopyAsync(body, file, offset, count, cancellation);
                },
                cancellationToken);
        }
        catch (Exception error) when (error is HttpRequestException or HttpIOException or TimeoutRejectedException)
        {
            // Never the URL: its signature opens the blob.
            throw new ServiceUnreachableException($"Storage at {url.Authority}", error.GetBaseException().Message, error);
        }
    }

    private static async Task CopyAsync(Stream body, SafeFileHandle file, long offset, int count, CancellationToken cancellationToken)
    {
        byte[] buffer = System.Buffers.ArrayPool<byte>.Shared.Rent(128 * 1024);
        try
        {
            int left = count;
            while (left > 0)
            {
                int read = await body.ReadAsync(buffer.AsMemory(0, Math.Min(left, buffer.Length)), cancellationToken);
                if (read == 0) break; // a shorter blob: the length check says so
                await RandomAccess.WriteAsync(file, buffer.AsMemory(0, read), offset + count - left, cancellationToken);
                left -= read;
            }
        }
        finally
        {
            System.Buffers.ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
