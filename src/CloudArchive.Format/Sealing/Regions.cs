using System.Buffers.Binary;

namespace CloudArchive.Format.Sealing;

/// <summary>
/// The layout of Azure Storage client-side encryption v2: regions of <c>nonce || ciphertext || tag</c>, each of 4 MiB of plaintext but the
/// last, which has at least one byte.
/// </summary>
public static class Regions
{
    /// <summary>Bytes of plaintext in a full region.</summary>
    public const int DataLength = 4 * 1024 * 1024;

    /// <summary>Bytes of an AES-GCM nonce.</summary>
    public const int NonceLength = 12;

    /// <summary>Bytes of an AES-GCM tag.</summary>
    public const int TagLength = 16;

    /// <summary>Bytes of a full region.</summary>
    public const int SealedDataLength = NonceLength + DataLength + TagLength;

    /// <summary>What sealing makes of so many bytes.</summary>
    public static long SealedLength(long plaintextLength) =>
        plaintextLength + ((plaintextLength + DataLength - 1) / DataLength * (NonceLength + TagLength));

    /// <summary>What so many sealed bytes hold; null where no plaintext seals to that length: the rest of the last region is missing.</summary>
    public static long? PlaintextLength(long sealedLength)
    {
        long rest = sealedLength % SealedDataLength;
        return rest is > 0 and <= NonceLength + TagLength
            ? null
            : (sealedLength / SealedDataLength * DataLength) + Math.Max(0, rest - NonceLength - TagLength);
    }

    /// <summary>
    /// The nonce of the region with this index, from 0, as this writer and the .NET SDK number them: 4 zero bytes, then index + 1 as 64 bits,
    /// little-endian. No nonce ever meets a key twice: a content key is made for one pack, seals one stream, and the counter only grows
    /// (2^64 regions of 4 MiB never come to pass).
    /// </summary>
    internal static void WriteNonce(Span<byte> nonce, long index)
    {
        nonce[..4].Clear();
        BinaryPrimitives.WriteInt64LittleEndian(nonce[4..], index + 1);
    }

    /// <summary>Which region a nonce belongs to, from 0; null where no writer that we know makes such a nonce.</summary>
    internal static long? IndexOf(ReadOnlySpan<byte> nonce)
    {
        // The Python SDK counts from 0 in 96 bits, big-endian. The two never meet below 2^56 regions: one has its low bits in bytes 4
        // and on, the other in bytes 11 and back; 2^31 regions (8 PiB) keeps well clear.
        long littleEndian = BinaryPrimitives.ReadInt64LittleEndian(nonce[4..]) - 1;
        long bigEndian = BinaryPrimitives.ReadInt64BigEndian(nonce[4..]);
        bool padded = nonce[..4].IndexOfAnyExcept((byte)0) < 0;
        return !padded ? null
            : littleEndian is >= 0 and < int.MaxValue ? littleEndian
            : bigEndian is >= 0 and < int.MaxValue ? bigEndian
            : null;
    }
}
