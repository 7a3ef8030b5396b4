using System.Buffers.Binary;
using System.Security.Cryptography;
using CloudArchive.Format.Sealing;

namespace CloudArchive.Format.Tests.Sealing;

/// <summary>Client-side encryption v2 spelled out, apart from the code under test: any nonce, any order, any key.</summary>
internal static class RegionSealer
{
    /// <summary>Two full regions and a bit.</summary>
    public const int ThreeRegions = (2 * Regions.DataLength) + 777;

    public static byte[] Nonce(long index)
    {
        byte[] nonce = new byte[12];
        BinaryPrimitives.WriteInt64LittleEndian(nonce.AsSpan(4), index + 1);
        return nonce;
    }

    /// <summary>As the Python SDK counts: 96 bits, big-endian, from 0.</summary>
    public static byte[] PythonNonce(long index)
    {
        byte[] nonce = new byte[12];
        BinaryPrimitives.WriteInt64BigEndian(nonce.AsSpan(4), index);
        return nonce;
    }

    public static byte[] Seal(ReadOnlySpan<byte> key, byte[] plaintext, Func<long, byte[]>? nonce = null)
    {
        using AesGcm cipher = new(key, 16);
        using MemoryStream output = new();
        long index = 0;
        foreach (byte[] data in plaintext.Chunk(Regions.DataLength))
        {
            byte[] ciphertext = new byte[data.Length];
            byte[] tag = new byte[16];
            byte[] n = (nonce ?? Nonce)(index++);
            cipher.Encrypt(n, data, ciphertext, tag);
            output.Write(n);
            output.Write(ciphertext);
            output.Write(tag);
        }

        return output.ToArray();
    }

    /// <summary>The key's 32 bytes.</summary>
    public static byte[] BytesOf(ContentKey key) => key.ToWrapInput()[8..];

    /// <summary>The ciphertext's regions.</summary>
    public static byte[][] Split(byte[] ciphertext) => [.. ciphertext.Chunk(Regions.SealedDataLength)];

    public static byte[] Join(params byte[][] regions)
    {
        using MemoryStream joined = new();
        foreach (byte[] region in regions)
        {
            joined.Write(region);
        }

        return joined.ToArray();
    }
}
