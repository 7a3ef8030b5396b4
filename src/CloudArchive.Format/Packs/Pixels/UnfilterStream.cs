using System.Buffers;

namespace CloudArchive.Format.Packs.Pixels;

/// <summary>
/// The original file, read from its filtered bytes. Forward only; holds one chunk and its record. Whatever is wrong with the filtered bytes, also
/// that there are more of them, is an <see cref="InvalidDataException"/>. That the bytes are those that were archived, the file's SHA-256 says.
/// </summary>
public sealed class UnfilterStream : Stream
{
    private readonly Stream _source;
    private readonly PixelLayout _layout;
    private readonly PixelChunks _chunks;
    private readonly bool _leaveOpen;
    private readonly byte[] _header = new byte[PixelFilter.RecordHeader];
    private byte[]? _chunk;
    private byte[]? _record;
    private int _index;
    private int _at;
    private int _length;
    private long _position;
    private bool _ended;

    /// <param name="source">The filtered bytes, from their first.</param>
    /// <param name="layout">As the manifest has it.</param>
    /// <param name="fileLength">Bytes of the original file.</param>
    /// <param name="leaveOpen">Whether <paramref name="source"/> stays open.</param>
    /// <exception cref="InvalidDataException">The layout describes no pixels in such a file.</exception>
    public UnfilterStream(Stream source, PixelLayout layout, long fileLength, bool leaveOpen = false)
    {
        _chunks = PixelFilter.Plan(layout, fileLength);
        (_source, _layout, _leaveOpen) = (source, layout, leaveOpen);
    }

    /// <inheritdoc/>
    public override bool CanRead => true;

    /// <inheritdoc/>
    public override bool CanSeek => false;

    /// <inheritdoc/>
    public override bool CanWrite => false;

    /// <inheritdoc/>
    public override long Length => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    private long LiteralLength => _position < _chunks.PrefixLength ? _chunks.PrefixLength - _position
        : _position >= _chunks.SuffixOffset ? _chunks.FileLength - _position
        : 0;

    /// <inheritdoc/>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (buffer.IsEmpty)
        {
            return 0;
        }

        if (_at == _length && LiteralLength == 0 && _index < _chunks.Count)
        {
            await ReadRecordAsync(cancellationToken);
        }

        if (_at < _length)
        {
            return TakeDecoded(buffer.Span);
        }

        if (LiteralLength is > 0 and long literal)
        {
            int read = await _source.ReadAsync(buffer[..(int)Math.Min(buffer.Length, literal)], cancellationToken);
            return Took(read);
        }

        if (!_ended && await _source.ReadAsync(_header.AsMemory(0, 1), cancellationToken) != 0)
        {
            throw TooLong();
        }

        _ended = true;
        return 0;
    }

    /// <inheritdoc/>
    public override int Read(Span<byte> buffer)
    {
        if (buffer.IsEmpty)
        {
            return 0;
        }

        if (_at == _length && LiteralLength == 0 && _index < _chunks.Count)
        {
            int chunk = Rent();
            Check(_source.ReadAtLeast(_header, _header.Length, throwOnEndOfStream: false) == _header.Length);
            Memory<byte> payload = Payload(chunk);
            Check(_source.ReadAtLeast(payload.Span, payload.Length, throwOnEndOfStream: false) == payload.Length);
            Decode(payload.Length, chunk);
        }

        if (_at < _length)
        {
            return TakeDecoded(buffer);
        }

        if (LiteralLength is > 0 and long literal)
        {
            return Took(_source.Read(buffer[..(int)Math.Min(buffer.Length, literal)]));
        }

        if (!_ended && _source.Read(_header.AsSpan(0, 1)) != 0)
        {
            throw TooLong();
        }

        _ended = true;
        return 0;
    }

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    /// <inheritdoc/>
    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <inheritdoc/>
    public override void Flush()
    {
    }

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            Release();
            if (!_leaveOpen)
            {
                _source.Dispose();
            }
        }

        base.Dispose(disposing);
    }

    /// <inheritdoc/>
    public override async ValueTask DisposeAsync()
    {
        Release();
        if (!_leaveOpen)
        {
            await _source.DisposeAsync();
        }

        await base.DisposeAsync();
    }

    private async ValueTask ReadRecordAsync(CancellationToken cancellationToken)
    {
        int chunk = Rent();
        Check(await _source.ReadAtLeastAsync(_header, _header.Length, throwOnEndOfStream: false, cancellationToken) == _header.Length);
        Memory<byte> payload = Payload(chunk);
        Check(await _source.ReadAtLeastAsync(payload, payload.Length, throwOnEndOfStream: false, cancellationToken) == payload.Length);
        Decode(payload.Length, chunk);
    }

    private int Rent()
    {
        int chunk = _chunks[_index].Length;
        if (_chunk is null || _chunk.Length < chunk)
        {
            Release();
            _chunk = ArrayPool<byte>.Shared.Rent(chunk);
            _record = ArrayPool<byte>.Shared.Rent(PixelFilter.MaxEncodedLength(chunk));
        }

        return chunk;
    }

    private Memory<byte> Payload(int chunk)
    {
        _header.CopyTo(_record!, 0);
        return _record.AsMemory(PixelFilter.RecordHeader, PixelFilter.PayloadLength(_header, chunk));
    }

    private void Decode(int payload, int chunk)
    {
        PixelFilter.Decode(_layout, _record.AsSpan(0, PixelFilter.RecordHeader + payload), _chunk.AsSpan(0, chunk));
        _index++;
        (_at, _length) = (0, chunk);
    }

    private int TakeDecoded(Span<byte> buffer)
    {
        int count = Math.Min(buffer.Length, _length - _at);
        _chunk.AsSpan(_at, count).CopyTo(buffer);
        _at += count;
        _position += count;
        return count;
    }

    private int Took(int read)
    {
        Check(read > 0);
        _position += read;
        return read;
    }

    private static void Check(bool enough)
    {
        if (!enough)
        {
            throw new InvalidDataException("The filtered bytes end too early.");
        }
    }

    private static InvalidDataException TooLong() => new("There are filtered bytes behind the end of the file.");

    /// <summary>The buffers held PHI: they go back to the pool empty.</summary>
    private void Release()
    {
        if (_chunk is not null)
        {
            ArrayPool<byte>.Shared.Return(_chunk, clearArray: true);
            ArrayPool<byte>.Shared.Return(_record!, clearArray: true);
            (_chunk, _record) = (null, null);
        }
    }
}
