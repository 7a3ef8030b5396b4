using System.Buffers;
using System.IO.Compression;
using System.Security.Cryptography;
using CloudArchive.Format.Packs.Pixels;

namespace CloudArchive.Format.Packs;

/// <summary>A piece of an entry, ready for the ZIP, and the memory that it lies in.</summary>
internal sealed class PackedPiece
{
    // A part of a chunk that tells whether deflate would make less of it: drawings and screenshots repeat themselves, which a predictor does not see.
    private const int ProbeLength = 16 * 1024;

    private readonly List<(byte[] Buffer, int Length)> _buffers = [];

    private PackedPiece(long sourceLength) => SourceLength = sourceLength;

    /// <summary>What goes into the ZIP.</summary>
    public ZipPiece Piece { get; private set; }

    /// <summary>Bytes of the file that are in memory until <see cref="Release"/>.</summary>
    public long SourceLength { get; }

    /// <summary>As it is.</summary>
    public static PackedPiece Store(byte[] source, int length)
    {
        PackedPiece piece = new(length);
        piece._buffers.Add((source, length));
        piece.Piece = new ZipPiece(source.AsMemory(0, length), null);
        return piece;
    }

    /// <summary>Deflated, where that pays, and well: what is stored is paid for for ten years.</summary>
    public static PackedPiece Deflate(byte[] source, int length)
    {
        PackedPiece piece = new(length);
        piece._buffers.Add((source, length));
        piece.Piece = new ZipPiece(source.AsMemory(0, length), piece.Deflated(source.AsSpan(0, length)));
        return piece;
    }

    /// <summary>A chunk of pixel data, filtered; what comes back of it is compared before it is used. A filter must never fail a backup: where anything is wrong, the chunk goes as it is.</summary>
    public static PackedPiece Filter(PixelLayout layout, byte[] source, int length)
    {
        PackedPiece piece = new(length);
        ReadOnlySpan<byte> pixels = source.AsSpan(0, length);
        byte[] record = ArrayPool<byte>.Shared.Rent(PixelFilter.MaxEncodedLength(length));
        int encoded = TryEncode(layout, pixels, record) ?? PixelFilter.CopyRaw(pixels, record);
        bool isRaw = PixelFilter.IsRaw(record);

        CryptographicOperations.ZeroMemory(source.AsSpan(0, length));
        ArrayPool<byte>.Shared.Return(source);
        if (!isRaw)
        {
            // What waits for its turn takes no more room than it needs.
            byte[] whole = record;
            record = ArrayPool<byte>.Shared.Rent(encoded);
            whole.AsSpan(0, encoded).CopyTo(record);
            CryptographicOperations.ZeroMemory(whole.AsSpan(0, encoded));
            ArrayPool<byte>.Shared.Return(whole);
        }

        piece._buffers.Add((record, encoded));
        piece.Piece = new ZipPiece(record.AsMemory(0, encoded), isRaw ? piece.Deflated(record.AsSpan(0, encoded)) : null);
        return piece;
    }

    /// <summary>Gives the memory back, with nothing left in it.</summary>
    public void Release()
    {
        foreach ((byte[] buffer, int length) in _buffers)
        {
            CryptographicOperations.ZeroMemory(buffer.AsSpan(0, length));
            ArrayPool<byte>.Shared.Return(buffer);
        }

        _buffers.Clear();
    }

    /// <summary>Null where the chunk did not come back the same, for whatever reason, or where deflate makes less of it.</summary>
    private static int? TryEncode(PixelLayout layout, ReadOnlySpan<byte> pixels, byte[] record)
    {
        byte[] back = ArrayPool<byte>.Shared.Rent(pixels.Length);
        try
        {
            int encoded = PixelFilter.Encode(layout, pixels, record);
            if (PixelFilter.IsRaw(record))
            {
                return encoded;
            }

            PixelFilter.Decode(layout, record.AsSpan(0, encoded), back.AsSpan(0, pixels.Length));
            return back.AsSpan(0, pixels.Length).SequenceEqual(pixels) && !DeflatesBetter(pixels, encoded) ? encoded : null;
        }
        catch (Exception error) when (error is not OutOfMemoryException)
        {
            return null; // a fault of the filter's: it must not keep an image from being archived
        }
        finally
        {
            CryptographicOperations.ZeroMemory(back.AsSpan(0, pixels.Length));
            ArrayPool<byte>.Shared.Return(back);
        }
    }

    private static bool DeflatesBetter(ReadOnlySpan<byte> pixels, int encoded)
    {
        ReadOnlySpan<byte> part = pixels.Slice(Math.Max(0, (pixels.Length - ProbeLength) / 2), Math.Min(ProbeLength, pixels.Length));
        if (ZipDeflate.Deflate(part, CompressionLevel.Fastest) is not { } probe)
        {
            return false;
        }

        CryptographicOperations.ZeroMemory(probe.Buffer.AsSpan(0, probe.Length));
        ArrayPool<byte>.Shared.Return(probe.Buffer);
        return (double)probe.Length / part.Length < (double)encoded / pixels.Length;
    }

    private ReadOnlyMemory<byte>? Deflated(ReadOnlySpan<byte> content)
    {
        if (ZipDeflate.Deflate(content, CompressionLevel.Optimal) is not { } deflated)
        {
            return null;
        }

        _buffers.Add(deflated);
        return deflated.Buffer.AsMemory(0, deflated.Length);
    }
}
