using System.Buffers;

namespace CloudArchive.Dicom;

/// <summary>
/// The next bytes of a stream, in a buffer of fixed size: the whole of what a reader keeps of a file. Nothing is allocated by a length
/// that a file declares.
/// </summary>
internal sealed class DicomWindow : IDisposable
{
    private readonly Stream _stream;
    private readonly bool _seek;
    private readonly byte[] _buffer;
    private int _start;
    private int _end;

    /// <param name="stream">Read from where it stands; left open.</param>
    /// <param name="size">Bytes to keep, and to read at a time.</param>
    /// <param name="seek">Skip by seeking, where the stream can.</param>
    public DicomWindow(Stream stream, int size, bool seek)
    {
        _stream = stream;
        _seek = seek && stream.CanSeek;
        Length = stream.CanSeek ? Math.Max(0, stream.Length - stream.Position) : null;
        _buffer = ArrayPool<byte>.Shared.Rent(size);
    }

    /// <summary>How many bytes there are from where reading began, where the stream can tell.</summary>
    public long? Length { get; }

    /// <summary>Bytes consumed so far.</summary>
    public long Position { get; private set; }

    /// <summary>Whether the stream has no more bytes than <see cref="Bytes"/>.</summary>
    public bool Ended { get; private set; }

    /// <summary>What is at hand.</summary>
    public ReadOnlySpan<byte> Bytes => _buffer.AsSpan(_start, _end - _start);

    public void Consume(int count)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, _end - _start);
        _start += count;
        Position += count;
    }

    /// <summary>Reads on until <paramref name="count"/> bytes are at hand; false when the stream ends before.</summary>
    public async ValueTask<bool> FillAsync(int count, CancellationToken cancellationToken)
    {
        if (_end - _start >= count)
        {
            return true;
        }

        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, _buffer.Length);
        _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
        (_start, _end) = (0, _end - _start);
        while (_end < count && !Ended)
        {
            int read = await _stream.ReadAsync(_buffer.AsMemory(_end), cancellationToken);
            _end += read;
            Ended = read == 0;
        }

        return _end >= count;
    }

    /// <summary>Consumes <paramref name="count"/> bytes without looking at them; false when the stream ends before.</summary>
    public async ValueTask<bool> SkipAsync(long count, CancellationToken cancellationToken)
    {
        while (true)
        {
            int here = (int)Math.Min(count, _end - _start);
            Consume(here);
            count -= here;
            if (count == 0)
            {
                return true;
            }

            if (_seek && count <= Length - Position)
            {
                _stream.Seek(count, SeekOrigin.Current);
                Position += count;
                return true;
            }

            if (!await FillAsync(1, cancellationToken))
            {
                return false;
            }
        }
    }

    /// <summary>The buffer held PHI: it goes back to the pool empty.</summary>
    public void Dispose() => ArrayPool<byte>.Shared.Return(_buffer, clearArray: true);
}

/// <summary>What is left of a window, as a stream for an inflater.</summary>
internal sealed class WindowStream(DicomWindow window) : Stream
{
    /// <summary>Whether somebody wanted to read past the end: the inflater, when the deflated bytes are cut off.</summary>
    public bool HitEnd { get; private set; }

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => window.Position; set => throw new NotSupportedException(); }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        HitEnd |= !await window.FillAsync(1, cancellationToken);
        int count = Math.Min(buffer.Length, window.Bytes.Length);
        window.Bytes[..count].CopyTo(buffer.Span);
        window.Consume(count);
        return count;
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException("Asynchronous only.");

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
