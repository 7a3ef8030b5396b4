using System.Globalization;
using System.Text;
using Azure;
using Azure.Core;
using Azure.Core.Pipeline;
using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;
using Azure.Storage.Blobs.Specialized;
using CloudArchive.Format.Wire;
using Polly;
using Polly.Retry;

namespace CloudArchive.Cli.Backup;

/// <summary>
/// The one blob that a SAS opens. What is written becomes blocks that are staged side by side; nothing is a blob until
/// <see cref="CommitAsync"/>, which never overwrites. A SAS that runs out is replaced.
/// </summary>
public sealed class BlobUploadStream : Stream
{
    private static readonly TimeSpan RenewBefore = TimeSpan.FromMinutes(5);
    private readonly Func<CancellationToken, Task<UploadUrlResponse>> _renew;
    private readonly BlockBuffers _buffers;
    private readonly Uplink _uplink;
    private readonly BlobUploadContext _context;
    private readonly SemaphoreSlim _renewing = new(1, 1);
    private readonly List<Task> _underWay = [];
    private readonly List<string> _blocks = [];
    private UploadUrlResponse _url;
    private BlockBlobClient _blob;
    private byte[]? _block;
    private int _filled;

    /// <param name="url">The SAS.</param>
    /// <param name="renew">Gets another one.</param>
    /// <param name="buffers">The blocks' memory.</param>
    /// <param name="uplink">Measures.</param>
    /// <param name="context">The way out.</param>
    public BlobUploadStream(UploadUrlResponse url, Func<CancellationToken, Task<UploadUrlResponse>> renew, BlockBuffers buffers, Uplink uplink, BlobUploadContext context)
    {
        _url = url;
        _renew = renew;
        _buffers = buffers;
        _uplink = uplink;
        _context = context;
        _blob = context.Open(url);
    }

    /// <inheritdoc/>
    public override bool CanRead => false;

    /// <inheritdoc/>
    public override bool CanSeek => false;

    /// <inheritdoc/>
    public override bool CanWrite => true;

    /// <inheritdoc/>
    public override long Length => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    /// <summary>Stages what is left and makes the blob of all blocks, in the order in which they were written.</summary>
    public async Task CommitAsync(IDictionary<string, string> metadata, CancellationToken cancellationToken)
    {
        StageBlock(cancellationToken);
        await Task.WhenAll(_underWay);
        CommitBlockListOptions options = new()
        {
            Metadata = metadata,
            HttpHeaders = new BlobHttpHeaders { ContentType = "application/octet-stream" },
            Conditions = new BlobRequestConditions { IfNoneMatch = ETag.All },
        };
        await SendAsync(
            async (blob, cancellation) =>
            {
                try
                {
                    await blob.CommitBlockListAsync(_blocks, options, cancellation);
                }
                catch (RequestFailedException error) when (error.ErrorCode == BlobErrorCode.BlobAlreadyExists || error.Status is 409 or 412)
                {
                    // The SAS opens a blob that is this pack's alone: an earlier try went through and its answer got lost. The service compares length and hash.
                }

                return true;
            },
            cancellationToken);
    }

    /// <inheritdoc/>
    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (!buffer.IsEmpty)
        {
            _block ??= await TakeAsync(cancellationToken);
            int count = Math.Min(buffer.Length, _block.Length - _filled);
            buffer[..count].CopyTo(_block.AsMemory(_filled));
            _filled += count;
            buffer = buffer[count..];
            if (_filled == _block.Length) StageBlock(cancellationToken);
        }
    }

    /// <inheritdoc/>
    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <summary>Does nothing: a block goes when it is full, or with the commit.</summary>
    public override void Flush()
    {
    }

    /// <inheritdoc/>
    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException("Blocks are sent asynchronously.");

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();

    /// <summary>Waits for what is under way, so that no buffer is in use by two, and gives the rest back. Blocks that were not committed, storage forgets.</summary>
    public override async ValueTask DisposeAsync()
    {
        await Task.WhenAll(_underWay).ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        if (_block is { } block) _buffers.Return(block);
        _block = null;
        _renewing.Dispose();
        await base.DisposeAsync();
    }

    private async ValueTask<byte[]> TakeAsync(CancellationToken cancellationToken)
    {
        // A block that failed ends the pack here rather than at its end.
        for (int i = _underWay.Count - 1; i >= 0; i--)
        {
            if (!_underWay[i].IsCompleted) continue;
            await _underWay[i];
            _underWay.RemoveAt(i);
        }

        return await _buffers.TakeAsync(cancellationToken);
    }

    private void StageBlock(CancellationToken cancellationToken)
    {
        if (_block is not { } block || _filled == 0) return;
        string id = Convert.ToBase64String(Encoding.ASCII.GetBytes(_blocks.Count.ToString("D6", CultureInfo.InvariantCulture)));
        _blocks.Add(id);
        _underWay.Add(StageAsync(id, block, _filled, cancellationToken));
        (_block, _filled) = (null, 0);
    }

    private async Task StageAsync(string id, byte[] block, int length, CancellationToken cancellationToken)
    {
        try
        {
            await SendAsync(
                (blob, cancellation) => _uplink.MeasureAsync(length, async () =>
                {
                    using MemoryStream content = new(block, 0, length, writable: false);
                    await blob.StageBlockAsync(id, content, cancellationToken: cancellation);
                    return true;
                }),
                cancellationToken);
        }
        finally
        {
            _buffers.Return(block);
        }
    }

    private async Task SendAsync(Func<BlockBlobClient, CancellationToken, Task<bool>> send, CancellationToken cancellationToken)
    {
        try
        {
            await _context.Retries.ExecuteAsync(
                async cancellation =>
                {
                    BlockBlobClient blob = await CurrentAsync(refused: null, cancellation);
                    try
                    {
                        await send(blob, cancellation);
                    }
                    catch (RequestFailedException error) when (error.Status == 403)
                    {
                        // The clocks may differ, or the computer slept: a fresh SAS, once.
                        await send(await CurrentAsync(refused: blob, cancellation), cancellation);
                    }
                },
                cancellationToken);
        }
        catch (RequestFailedException error) when (error.Status is 0 or 408 or 429 or >= 500)
        {
            throw new ServiceUnreachableException($"Storage at {_blob.Uri.Authority}", error.Status == 0 ? error.GetBaseException().Message : $"it fails with HTTP {error.Status} {error.ErrorCode}", error);
        }
        catch (OperationCanceledException error) when (!cancellationToken.IsCancellationRequested)
        {
            throw new ServiceUnreachableException($"Storage at {_blob.Uri.Authority}", "no answer in time", error);
        }
        catch (RequestFailedException error)
        {
            // The SDK's message holds the URL with its signature: only status and code are told.
            throw new ServiceRefusedException(error.Status, error.ErrorCode ?? "storage", $"Storage refused the upload: HTTP {error.Status} {error.ErrorCode}.", null);
        }
    }

    private async Task<BlockBlobClient> CurrentAsync(BlockBlobClient? refused, CancellationToken cancellationToken)
    {
        if (!IsStale(refused)) return _blob;
        await _renewing.WaitAsync(cancellationToken);
        try
        {
            if (IsStale(refused))
            {
                _url = await _renew(cancellationToken);
                _blob = _context.Open(_url);
            }

            return _blob;
        }
        finally
        {
            _renewing.Release();
        }
    }

    private bool IsStale(BlockBlobClient? refused) => ReferenceEquals(_blob, refused) || _url.UploadUrlExpiresAt - _context.Clock.GetUtcNow() < RenewBefore;
}

/// <summary>What the uploads of a run share: the way to storage, and how failures are retried.</summary>
public sealed class BlobUploadContext
{
    private readonly BlobClientOptions _options;

    /// <param name="environment">The way out.</param>
    public BlobUploadContext(CliEnvironment environment)
    {
        Clock = environment.Clock;

        // One policy retries, ours: the SDK's own would multiply with it.
        _options = new BlobClientOptions { Transport = new HttpClientTransport(Transport.Network.CreateClient(environment)), Retry = { MaxRetries = 0, NetworkTimeout = Timeout.InfiniteTimeSpan }, Diagnostics = { IsLoggingEnabled = false, IsDistributedTracingEnabled = false } };
        Retries = new ResiliencePipelineBuilder { TimeProvider = Clock }
            .AddRetry(new RetryStrategyOptions
            {
                // Staging a block and committing with If-None-Match do the same however often they are done.
                ShouldHandle = static attempt => ValueTask.FromResult(attempt.Outcome.Exception is RequestFailedException { Status: 0 or 408 or 429 or >= 500 } or IOException || (attempt.Outcome.Exception is TaskCanceledException && !attempt.Context.CancellationToken.IsCancellationRequested)),
                MaxRetryAttempts = 7,
                Delay = TimeSpan.FromMilliseconds(500),
                MaxDelay = TimeSpan.FromSeconds(30),
                BackoffType = DelayBackoffType.Exponential,
                UseJitter = true,
            })
            .Build();
    }

    /// <summary>The time.</summary>
    public TimeProvider Clock { get; }

    /// <summary>How failures are retried.</summary>
    public ResiliencePipeline Retries { get; }

    /// <summary>The blob that a SAS opens.</summary>
    public BlockBlobClient Open(UploadUrlResponse url) =>
        Uri.TryCreate(url.UploadUrl, UriKind.Absolute, out Uri? blob) && (blob.Scheme == "https" || blob.IsLoopback)
            ? new BlockBlobClient(blob, _options)
            : throw new IntegrityException("The service named an upload URL that is not https. Nothing was sent there.");
}
