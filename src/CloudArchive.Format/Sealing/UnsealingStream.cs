using System.Buffers;
using System.Security.Cryptography;
using CloudArchive.Format.Packs;

namespace CloudArchive.Format.Sealing;

/// <summary>
/// The plaintext of a sealed stream: reads and seeks, holds two regions in memory, and gives out no byte of a region before that region
/// was authenticated and found in its place. What it cannot see is a missing end: compare the length with the receipt's or the sidecar's.
/// </summary>
/// <remarks>Every failure is a <see cref="PackException"/>: <see cref="PackFault.Altered"/>, <see cref="PackFault.RegionsReordered"/>,
/// <see cref="PackFault.FirstRegionMissing"/> or <see cref="PackFault.Truncated"/>. A region whose tag fails was altered, or sealed under
/// another key: AES-GCM cannot tell which.</remarks>
public sealed class UnsealingStream : Stream
{
    private readonly Stream _ciphertext;
    private readonly AesGcm _cipher;
    private readonly long _ciphertextLength;
    private readonly Region[] _cache;
    private long _position;
    private bool _disposed;

    /// <param name="ciphertext">Must read and seek; stays open.</param>
    /// <param name="key">The pack's key.</param>
    public UnsealingStream(Stream ciphertext, ContentKey key)
    {
        _ciphertext = ciphertext;
        _ciphertextLength = ciphertext.Length;
        Length = Regions.PlaintextLength(_ciphertextLength)
            ?? throw new PackException(PackFault.Truncated, "The last region is cut off.");
        _cipher = key.CreateCipher();
        int longest = (int)Math.Min(Regions.SealedDataLength, _ciphertextLength);
        _cache = [new Region(longest), new Region(longest)];
    }

    /// <inheritdoc/>
    public override bool CanRead => !_disposed;

    /// <inheritdoc/>
    public override bool CanSeek => !_disposed;

    /// <inheritdoc/>
    public override bool CanWrite => false;

    /// <summary>Bytes of plaintext.</summary>
    public override long Length { get; }

    /// <inheritdoc/>
    public override long Position
    {
        get => _position;
        set => _position = value >= 0 ? value : throw new ArgumentOutOfRangeException(nameof(value));
    }

    /// <inheritdoc/>
    public override int Read(Span<byte> buffer)
    {
        if (!TryLocate(buffer.Length, out long index, out int offset))
        {
            return 0;
        }

        if (Find(index) is not { } region)
        {
            Memory<byte> whole = MakeRoom(index, out region);
            int read = _ciphertext.ReadAtLeast(whole.Span, whole.Length, throwOnEndOfStream: false);
            Open(region, whole.Span, index, read);
        }

        return Copy(region, offset, buffer);
    }

    /// <inheritdoc/>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (!TryLocate(buffer.Length, out long index, out int offset))
        {
            return 0;
        }

        if (Find(index) is not { } region)
        {
            Memory<byte> whole = MakeRoom(index, out region);
            int read = await _ciphertext.ReadAtLeastAsync(whole, whole.Length, throwOnEndOfStream: false, cancellationToken);
            Open(region, whole.Span, index, read);
        }

        return Copy(region, offset, buffer.Span);
    }

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    /// <inheritdoc/>
    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin)
    {
        long target = offset + origin switch
        {
            SeekOrigin.Begin => 0,
            SeekOrigin.Current => Position,
            SeekOrigin.End => Length,
            _ => throw new ArgumentOutOfRangeException(nameof(origin)),
        };
        return Position = target >= 0 ? target : throw new IOException("A stream has nothing before its start.");
    }

    /// <inheritdoc/>
    public override void Flush()
    {
    }

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing && !_disposed)
        {
            _disposed = true;
            _cipher.Dispose();
            foreach (Region region in _cache)
            {
                region.Return();
            }
        }

        base.Dispose(disposing);
    }

    private bool TryLocate(int wanted, out long index, out int offset)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        (index, offset) = (Position / Regions.DataLength, (int)(Position % Regions.DataLength));
        return wanted > 0 && Position < Length;
    }

    /// <summary>The region, if it is in memory; it becomes the youngest.</summary>
    private Region? Find(long index)
    {
        if (_cache[0].Index != index && _cache[1].Index == index)
        {
            (_cache[0], _cache[1]) = (_cache[1], _cache[0]);
        }

        return _cache[0].Index == index ? _cache[0] : null;
    }

    /// <summary>Gives up the older region for this one; the ciphertext stands where it begins.</summary>
    private Memory<byte> MakeRoom(long index, out Region region)
    {
        (_cache[0], _cache[1]) = (_cache[1], _cache[0]);
        region = _cache[0];
        _ciphertext.Position = index * Regions.SealedDataLength;
        return region.MakeRoom((int)Math.Min(Regions.SealedDataLength, _ciphertextLength - _ciphertext.Position));
    }

    private int Copy(Region region, int offset, Span<byte> destination)
    {
        ReadOnlySpan<byte> source = region.Data[offset..];
        int count = Math.Min(source.Length, destination.Length);
        source[..count].CopyTo(destination);
        Position += count;
        return count;
    }

    /// <summary>Decrypts a region where it lies.</summary>
    private void Open(Region region, Span<byte> whole, long index, int read)
    {
        if (read < whole.Length)
        {
            throw new PackException(PackFault.Truncated, $"Region {index} is cut off.");
        }

        Span<byte> nonce = whole[..Regions.NonceLength];
        Span<byte> data = whole[Regions.NonceLength..^Regions.TagLength];
        try
        {
            _cipher.Decrypt(nonce, data, whole[^Regions.TagLength..], data);
        }
        catch (AuthenticationTagMismatchException e)
        {
            throw new PackException(PackFault.Altered, $"Region {index} was altered, or sealed under another content key.", e);
        }

        // Only now is the nonce known to be the one that the writer gave this region.
        if (Regions.IndexOf(nonce) != index)
        {
            throw Misplaced(index);
        }

        region.Index = index;
    }

    /// <summary>An authentic region in another's place: tells a missing start from a wrong order.</summary>
    private PackException Misplaced(long index)
    {
        Span<byte> nonce = stackalloc byte[Regions.NonceLength];
        for (long at = 0; at < _ciphertextLength; at += Regions.SealedDataLength)
        {
            _ciphertext.Position = at;
            _ciphertext.ReadExactly(nonce);
            if (Regions.IndexOf(nonce) == 0)
            {
                return new PackException(PackFault.RegionsReordered, $"Region {index} is not the one that was sealed there: regions were reordered, repeated or left out.");
            }
        }

        return new PackException(PackFault.FirstRegionMissing, "The first region is missing.");
    }

    /// <summary>A region in memory, in a pooled buffer.</summary>
    private sealed class Region(int longest)
    {
        private byte[]? _buffer;
        private int _length;

        /// <summary>-1 until its plaintext is there and authentic.</summary>
        public long Index { get; set; } = -1;

        public ReadOnlySpan<byte> Data => _buffer.AsSpan(Regions.NonceLength, _length - Regions.NonceLength - Regions.TagLength);

        /// <summary>Room for a region's ciphertext. What was there is no longer valid.</summary>
        public Memory<byte> MakeRoom(int length)
        {
            Index = -1;
            _length = length;
            _buffer ??= ArrayPool<byte>.Shared.Rent(longest);
            return _buffer.AsMemory(0, length);
        }

        public void Return()
        {
            Index = -1;
            if (_buffer is { } buffer)
            {
                CryptographicOperations.ZeroMemory(buffer.AsSpan(0, longest));
                _buffer = null;
                ArrayPool<byte>.Shared.Return(buffer);
            }
        }
    }
}
