using System.Collections.Concurrent;
using System.Security.Cryptography;

namespace CloudArchive.Format.Sealing;

/// <summary>What sealing made.</summary>
/// <param name="Length">Bytes of ciphertext.</param>
/// <param name="Sha256">SHA-256 of the ciphertext. The v2 format binds neither its regions' number nor its name; this does.</param>
/// <param name="PlaintextLength">Bytes that were written.</param>
public sealed record SealedBytes(long Length, Sha256Digest Sha256, long PlaintextLength);

/// <summary>
/// Seals what is written to it, in one pass and with one region's buffer: Azure Storage client-side encryption v2. Only
/// <see cref="CompleteAsync"/> writes the last region: a stream that is disposed before, or whose output failed, leaves bytes that no reader accepts.
/// </summary>
public sealed class SealingStream : Stream
{
    // Of exactly a region's length: the shared pool has powers of two, and would take twice the memory. As many as were ever in use at once.
    private static readonly ConcurrentBag<byte[]> s_regions = [];

    private readonly Stream _output;
    private readonly bool _leaveOpen;
    private readonly AesGcm _cipher;
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private byte[]? _region;
    private int _filled;
    private long _regions;
    private long _plaintextLength;

    /// <param name="output">Where the ciphertext goes; need not seek.</param>
    /// <param name="key">A fresh key: it can seal nothing else after this.</param>
    /// <param name="leaveOpen">Whether <paramref name="output"/> outlives this stream.</param>
    public SealingStream(Stream output, ContentKey key, bool leaveOpen)
    {
        _output = output;
        _leaveOpen = leaveOpen;
        _cipher = key.CreateSealingCipher();
        _region = s_regions.TryTake(out byte[]? used) ? used : GC.AllocateUninitializedArray<byte>(Regions.SealedDataLength);
    }

    /// <inheritdoc/>
    public override bool CanRead => false;

    /// <inheritdoc/>
    public override bool CanSeek => false;

    /// <inheritdoc/>
    public override bool CanWrite => _region is not null;

    /// <inheritdoc/>
    public override long Length => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Position { get => _plaintextLength; set => throw new NotSupportedException(); }

    /// <summary>Writes the last region and flushes the output. Nothing can be written after.</summary>
    public async Task<SealedBytes> CompleteAsync(CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_region is null, this);
        if (_plaintextLength == 0)
        {
            throw new InvalidOperationException("Nothing was written: the format has no form for nothing.");
        }

        if (_filled > 0)
        {
            await WriteRegionAsync(cancellationToken);
        }

        await _output.FlushAsync(cancellationToken);
        ReturnBuffer();
        return new SealedBytes(Regions.SealedLength(_plaintextLength), Sha256Digest.FromBytes(_hash.GetCurrentHash()), _plaintextLength);
    }

    /// <inheritdoc/>
    public override void Write(ReadOnlySpan<byte> buffer)
    {
        while (!buffer.IsEmpty)
        {
            buffer = buffer[Take(buffer)..];
            if (_filled == Regions.DataLength)
            {
                WriteRegion();
            }
        }
    }

    /// <inheritdoc/>
    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (!buffer.IsEmpty)
        {
            buffer = buffer[Take(buffer.Span)..];
            if (_filled == Regions.DataLength)
            {
                await WriteRegionAsync(cancellationToken);
            }
        }
    }

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    /// <inheritdoc/>
    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <summary>Does nothing: a region goes out when it is full.</summary>
    public override void Flush()
    {
    }

    /// <inheritdoc/>
    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            ReturnBuffer();
            _cipher.Dispose();
            _hash.Dispose();
            if (!_leaveOpen)
            {
                _output.Dispose();
            }
        }

        base.Dispose(disposing);
    }

    private void ReturnBuffer()
    {
        if (_region is { } region)
        {
            // What was begun is plaintext; what lies behind it is ciphertext of an earlier region.
            CryptographicOperations.ZeroMemory(region.AsSpan(Regions.NonceLength, _filled));
            _region = null;
            s_regions.Add(region);
        }

        _filled = 0;
    }

    private int Take(ReadOnlySpan<byte> buffer)
    {
        ObjectDisposedException.ThrowIf(_region is null, this);
        int count = Math.Min(buffer.Length, Regions.DataLength - _filled);
        buffer[..count].CopyTo(_region.AsSpan(Regions.NonceLength + _filled));
        _filled += count;
        _plaintextLength += count;
        return count;
    }

    private void WriteRegion()
    {
        try
        {
            _output.Write(SealRegion().Span);
        }
        catch
        {
            ReturnBuffer(); // a region is lost: nothing after it may go out
            throw;
        }
    }

    private async ValueTask WriteRegionAsync(CancellationToken cancellationToken)
    {
        try
        {
            await _output.WriteAsync(SealRegion(), cancellationToken);
        }
        catch
        {
            ReturnBuffer();
            throw;
        }
    }

    /// <summary>Encrypts the buffered plaintext where it lies; the answer is good until the next write.</summary>
    private ReadOnlyMemory<byte> SealRegion()
    {
        ObjectDisposedException.ThrowIf(_region is null, this);
        Memory<byte> whole = _region.AsMemory(0, Regions.NonceLength + _filled + Regions.TagLength);
        Span<byte> nonce = whole.Span[..Regions.NonceLength];
        Span<byte> data = whole.Span.Slice(Regions.NonceLength, _filled);
        Regions.WriteNonce(nonce, _regions++);
        _cipher.Encrypt(nonce, data, data, whole.Span[^Regions.TagLength..]);
        _hash.AppendData(whole.Span);
        _filled = 0;
        return whole;
    }
}
