using System.Buffers;
using System.Net;

namespace CloudArchive.Cli.Transport;

/// <summary>
/// Ends an exchange that stands still: no byte sent or received for a while. However long a whole exchange takes is no matter. HttpClient's own
/// timeout is one of the total, and would never let a slow link finish.
/// </summary>
internal sealed class IdleHandler(HttpMessageHandler inner, NetworkOptions options, TimeProvider clock) : DelegatingHandler(inner)
{
    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        IdleWatch watch = new(options, clock, cancellationToken);
        try
        {
            if (request.Content is { } content)
            {
                request.Content = new WatchedContent(content, watch, request.Options.TryGetValue(RateLimit.Option, out RateLimit? limit) ? limit : null);
            }

            watch.ExpectAnswer();
            HttpResponseMessage answer = await base.SendAsync(request, watch.Token);
            Stream body = await answer.Content.ReadAsStreamAsync(cancellationToken);
            StreamContent watched = new(new WatchedStream(body, watch));
            foreach ((string name, IEnumerable<string> values) in answer.Content.Headers)
            {
                watched.Headers.TryAddWithoutValidation(name, values);
            }

            answer.Content = watched;
            watch.Rest();
            return answer;
        }
        catch (Exception error)
        {
            bool stalled = watch.Stalled;
            watch.Dispose();
            if (stalled && !cancellationToken.IsCancellationRequested)
            {
                throw new ConnectionLostException(watch.Why, error);
            }

            throw;
        }
    }

    /// <summary>One exchange's clock, wound up again at each byte.</summary>
    private sealed class IdleWatch : IDisposable
    {
        private readonly NetworkOptions _options;
        private readonly CancellationTokenSource _idle;
        private readonly CancellationTokenSource _either;
        private TimeSpan _limit;

        public IdleWatch(NetworkOptions options, TimeProvider clock, CancellationToken caller)
        {
            _options = options;
            _idle = new CancellationTokenSource(Timeout.InfiniteTimeSpan, clock);
            _either = CancellationTokenSource.CreateLinkedTokenSource(_idle.Token, caller);
        }

        public CancellationToken Token => _either.Token;

        public bool Stalled => _idle.IsCancellationRequested;

        public string Why => $"nothing came or went for {_limit.TotalSeconds:0.#} seconds";

        public void Progress() => Wind(_options.IdleTimeout);

        public void ExpectAnswer() => Wind(_options.AnswerTimeout);

        /// <summary>The network is not waited for: whoever reads may take its time over what it got.</summary>
        public void Rest() => Wind(Timeout.InfiniteTimeSpan);

        public void Dispose()
        {
            _either.Dispose();
            _idle.Dispose();
        }

        private void Wind(TimeSpan limit)
        {
            _limit = limit;
            _idle.CancelAfter(limit);
        }
    }

    /// <summary>A request's body, sent in pieces.</summary>
    private sealed class WatchedContent : HttpContent
    {
        private const int PieceLength = 16 * 1024;
        private readonly HttpContent _inner;
        private readonly IdleWatch _watch;
        private readonly RateLimit? _limit;

        public WatchedContent(HttpContent inner, IdleWatch watch, RateLimit? limit)
        {
            (_inner, _watch, _limit) = (inner, watch, limit);
            foreach ((string name, IEnumerable<string> values) in inner.Headers)
            {
                Headers.TryAddWithoutValidation(name, values);
            }
        }

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => SerializeToStreamAsync(stream, context, CancellationToken.None);

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
        {
            await using Stream source = await _inner.ReadAsStreamAsync(cancellationToken);
            byte[] piece = ArrayPool<byte>.Shared.Rent(PieceLength);
            try
            {
                int count;
                while ((count = await source.ReadAsync(piece.AsMemory(0, PieceLength), cancellationToken)) > 0)
                {
                    if (_limit is not null)
                    {
                        _watch.Rest(); // what is held back here does not stand still
                        await _limit.TakeAsync(count, cancellationToken);
                    }

                    _watch.Progress();
                    await stream.WriteAsync(piece.AsMemory(0, count), cancellationToken);
                }
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(piece);
            }

            _watch.ExpectAnswer();
        }

        protected override bool TryComputeLength(out long length)
        {
            length = _inner.Headers.ContentLength ?? -1;
            return length >= 0;
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                _inner.Dispose();
            }

            base.Dispose(disposing);
        }
    }

    /// <summary>An answer's body. Whatever fails here is the connection's fault, and says so by its type.</summary>
    private sealed class WatchedStream(Stream inner, IdleWatch watch) : Stream
    {
        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(watch.Token, cancellationToken);
            try
            {
                watch.Progress();
                int count = await inner.ReadAsync(buffer, either.Token);
                watch.Rest();
                return count;
            }
            catch (Exception error) when (watch.Stalled && !cancellationToken.IsCancellationRequested)
            {
                throw new ConnectionLostException(watch.Why, error);
            }
            catch (IOException error)
            {
                throw new ConnectionLostException(error.GetBaseException().Message, error);
            }
        }

        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        // A library that reads synchronously gets the same limit.
        public override int Read(byte[] buffer, int offset, int count) => ReadAsync(buffer.AsMemory(offset, count), CancellationToken.None).AsTask().GetAwaiter().GetResult();

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                inner.Dispose();
                watch.Dispose();
            }

            base.Dispose(disposing);
        }
    }
}
