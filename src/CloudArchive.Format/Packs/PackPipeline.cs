using System.Buffers;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Threading.Channels;

namespace CloudArchive.Format.Packs;

/// <summary>
/// A pack's entries on their way: read in order by whoever adds them, packed in pieces by the thread pool, and written to the ZIP in order by one task. What
/// is read ahead is bounded. A small file is there as a whole before anything of it is written: its header says its sizes, and one that changed leaves no trace.
/// </summary>
internal sealed class PackPipeline : IAsyncDisposable
{
    /// <summary>Bytes of files that are read ahead of the seal: a few pieces, so that nobody waits for the next.</summary>
    internal const long AheadLength = 4 * 1024 * 1024;

    /// <summary>Bytes of the longest file that is in memory as a whole before its header is written.</summary>
    internal const long WholeLength = 3 * 1024 * 1024;

    // A piece that is being filtered takes five times its length in memory: as many at once as there are cores, over all packs.
    private static readonly SemaphoreSlim s_cores = new(Environment.ProcessorCount);

    private readonly ZipWriter _zip;
    private readonly Channel<Entry> _entries = Channel.CreateUnbounded<Entry>(new UnboundedChannelOptions { SingleReader = true, SingleWriter = true });
    private readonly ByteBudget _ahead = new(AheadLength);
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _writing;

    /// <param name="output">Where the ZIP goes.</param>
    public PackPipeline(Stream output)
    {
        _zip = new ZipWriter(output);
        _writing = WriteAllAsync();
    }

    /// <summary>Reads a file and has its pieces packed. It is in the ZIP when <see cref="CompleteAsync"/> has returned.</summary>
    public async Task AddAsync(string name, DateTimeOffset time, bool deflate, EntrySource source, IEnumerable<EntryPiece> pieces, CancellationToken cancellationToken)
    {
        bool isWhole = source.Length <= WholeLength;
        Entry entry = new(name, time, deflate ? ZipMethod.Deflated : ZipMethod.Stored, isWhole ? null : source.Length);
        try
        {
            if (isWhole)
            {
                await TakeAheadAsync(source.Length, cancellationToken);
            }
            else
            {
                _entries.Writer.TryWrite(entry);
            }

            foreach (EntryPiece piece in pieces)
            {
                if (!isWhole)
                {
                    await TakeAheadAsync(piece.Length, cancellationToken);
                }

                entry.Add(await ReadAsync(source, piece, cancellationToken));
            }

            await source.EndAsync(cancellationToken);
            entry.End();
        }
        catch (Exception error)
        {
            entry.End(error);
            if (isWhole)
            {
                await entry.ReleaseAsync();
            }

            throw;
        }

        if (isWhole)
        {
            _entries.Writer.TryWrite(entry);
        }
    }

    /// <summary>Waits until all is written, and ends the ZIP.</summary>
    public async Task CompleteAsync(CancellationToken cancellationToken)
    {
        _entries.Writer.TryComplete();
        await _writing.WaitAsync(cancellationToken);
        await _zip.CompleteAsync(cancellationToken);
    }

    /// <summary>Ends what is under way: nothing more is written when this has returned.</summary>
    public async ValueTask DisposeAsync()
    {
        _entries.Writer.TryComplete();
        await _stop.CancelAsync();
        await _writing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        while (_entries.Reader.TryRead(out Entry? entry))
        {
            await entry.ReleaseAsync();
        }

        _stop.Dispose();
    }

    private static async Task<Task<PackedPiece>> ReadAsync(EntrySource source, EntryPiece piece, CancellationToken cancellationToken)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(piece.Length);
        try
        {
            await source.TakeAsync(buffer.AsMemory(0, piece.Length), cancellationToken);
        }
        catch
        {
            CryptographicOperations.ZeroMemory(buffer.AsSpan(0, piece.Length));
            ArrayPool<byte>.Shared.Return(buffer);
            throw;
        }

        return PackAsync(piece, buffer);
    }

    private static async Task<PackedPiece> PackAsync(EntryPiece piece, byte[] buffer)
    {
        await s_cores.WaitAsync(CancellationToken.None);
        try
        {
            return await Task.Run(() => piece.Pack(buffer, piece.Length), CancellationToken.None);
        }
        finally
        {
            s_cores.Release();
        }
    }

    /// <summary>Waits for room. What made the writing fail is this entry's failure too: nothing will be written any more.</summary>
    private async Task TakeAheadAsync(long length, CancellationToken cancellationToken)
    {
        Task room = _ahead.TakeAsync(length, cancellationToken);
        await Task.WhenAny(room, _writing);
        await (_writing.IsCompleted ? _writing : room);
    }

    private async Task WriteAllAsync()
    {
        await foreach (Entry entry in _entries.Reader.ReadAllAsync(_stop.Token))
        {
            try
            {
                if (entry.StreamedLength is { } length)
                {
                    // Each chunk of a filter has a header of its own.
                    await _zip.WriteAsync(entry.Name, entry.Time, entry.Method, length + (length / 1024), StreamAsync(entry, _stop.Token), _stop.Token);
                }
                else
                {
                    await WriteWholeAsync(entry);
                }
            }
            finally
            {
                await entry.ReleaseAsync();
            }
        }
    }

    private async Task WriteWholeAsync(Entry entry)
    {
        List<PackedPiece> pieces = [];
        try
        {
            await foreach (Task<PackedPiece> piece in entry.Pieces.ReadAllAsync(_stop.Token))
            {
                pieces.Add(await piece);
            }

            await _zip.WriteAsync(entry.Name, entry.Time, [.. pieces.Select(piece => piece.Piece)], _stop.Token);
        }
        finally
        {
            foreach (PackedPiece piece in pieces)
            {
                Release(piece);
            }
        }
    }

    private async IAsyncEnumerable<ZipPiece> StreamAsync(Entry entry, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (Task<PackedPiece> task in entry.Pieces.ReadAllAsync(cancellationToken))
        {
            PackedPiece piece = await task;
            try
            {
                yield return piece.Piece;
            }
            finally
            {
                Release(piece);
            }
        }
    }

    private void Release(PackedPiece piece)
    {
        piece.Release();
        _ahead.Give(piece.SourceLength);
    }

    /// <summary>An entry, and the pieces of it that were read.</summary>
    private sealed class Entry(string name, DateTimeOffset time, ZipMethod method, long? streamedLength)
    {
        private readonly Channel<Task<PackedPiece>> _pieces = Channel.CreateUnbounded<Task<PackedPiece>>(new UnboundedChannelOptions { SingleWriter = true });

        public string Name => name;

        public DateTimeOffset Time => time;

        public ZipMethod Method => method;

        /// <summary>How long it is where it is written while it is read.</summary>
        public long? StreamedLength => streamedLength;

        public ChannelReader<Task<PackedPiece>> Pieces => _pieces.Reader;

        public void Add(Task<PackedPiece> piece) => _pieces.Writer.TryWrite(piece);

        public void End(Exception? error = null) => _pieces.Writer.TryComplete(error);

        /// <summary>Gives back the memory of the pieces that nobody took.</summary>
        public async Task ReleaseAsync()
        {
            while (_pieces.Reader.TryRead(out Task<PackedPiece>? piece))
            {
                await ((Task)piece).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                if (piece.IsCompletedSuccessfully)
                {
                    (await piece).Release();
                }
            }
        }
    }
}
