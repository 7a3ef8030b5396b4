using System.Buffers.Binary;

namespace CloudArchive.Format.Packs;

/// <summary>What <see cref="System.IO.Compression.ZipArchive"/> leaves unchecked (APPNOTE 6.3.10).</summary>
internal static class ZipChecks
{
    private const int EndLength = 22;
    private const int Locator64Length = 20;
    private const int End64Length = 56;
    private static readonly uint[][] CrcTables = MakeCrcTables();

    /// <summary>
    /// Bounds the central directory before it is read into memory: it must lie at the very end, as every pack's does, and must not be larger
    /// than the largest pack's.
    /// </summary>
    public static async Task BoundDirectoryAsync(Stream zip, CancellationToken cancellationToken)
    {
        byte[] tail = new byte[End64Length + Locator64Length + EndLength];
        int length = (int)Math.Min(tail.Length, zip.Length);
        zip.Position = zip.Length - length;
        await zip.ReadExactlyAsync(tail.AsMemory(tail.Length - length), cancellationToken);
        if (DirectoryStart(tail) is not { } start || start < 0 || start > zip.Length || zip.Length - start > PackLimits.ZipDirectoryLength)
        {
            throw new PackException(PackFault.ZipInvalid, "The seal's content does not end as a pack's ZIP does: it is no pack, or its end is missing.");
        }

        zip.Position = 0;
    }

    /// <summary>CRC-32 as ZIP has it (APPNOTE §4.4.7), eight bytes a step. Start with 0.</summary>
    public static uint Crc32(uint crc, ReadOnlySpan<byte> data)
    {
        crc = ~crc;
        uint[][] t = CrcTables;
        for (; data.Length >= 8; data = data[8..])
        {
            ulong x = BinaryPrimitives.ReadUInt64LittleEndian(data) ^ crc;
            crc = t[7][(byte)x] ^ t[6][(byte)(x >> 8)] ^ t[5][(byte)(x >> 16)] ^ t[4][(byte)(x >> 24)]
                ^ t[3][(byte)(x >> 32)] ^ t[2][(byte)(x >> 40)] ^ t[1][(byte)(x >> 48)] ^ t[0][x >> 56];
        }

        foreach (byte b in data)
        {
            crc = t[0][(byte)(crc ^ b)] ^ (crc >> 8);
        }

        return ~crc;
    }

    /// <summary>§4.3.16, or §4.3.14 and §4.3.15 where the offset takes more than 32 bits. Null: no such end here.</summary>
    private static long? DirectoryStart(ReadOnlySpan<byte> tail)
    {
        ReadOnlySpan<byte> end = tail[^EndLength..];
        if (!end.StartsWith("PK\x05\x06"u8) || end[^2..].IndexOfAnyExcept((byte)0) >= 0)
        {
            return null;
        }

        ReadOnlySpan<byte> locator = tail[^(EndLength + Locator64Length)..];
        return !locator.StartsWith("PK\x06\x07"u8) ? BinaryPrimitives.ReadUInt32LittleEndian(end[16..])
            : tail.StartsWith("PK\x06\x06"u8) ? BinaryPrimitives.ReadInt64LittleEndian(tail[48..])
            : null;
    }

    /// <summary>Table k: what a byte does to the CRC that k bytes later.</summary>
    private static uint[][] MakeCrcTables()
    {
        uint[][] tables = [.. Enumerable.Range(0, 8).Select(_ => new uint[256])];
        for (uint i = 0; i < 256; i++)
        {
            uint value = i;
            for (int k = 0; k < 8; k++)
            {
                for (int bit = 0; bit < 8; bit++)
                {
                    value = (value & 1) != 0 ? 0xEDB88320 ^ (value >> 1) : value >> 1;
                }

                tables[k][i] = value;
            }
        }

        return tables;
    }
}
