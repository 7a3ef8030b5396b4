using System.Buffers.Binary;

namespace CloudArchive.Format.Packs;

/// <summary>What <see cref="System.IO.Compression.ZipArchive"/> leaves unchecked (APPNOTE 6.3.10).</summary>
internal static class ZipChecks
{
    private const int EndLength = 22;
    private const int Locator64Length = 20;
    private const int End64Length = 56;
    private static readonly uint[] CrcTable = MakeCrcTable();

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

    /// <summary>CRC-32 as ZIP has it (APPNOTE §4.4.7). Start with 0.</summary>
    public static uint Crc32(uint crc, ReadOnlySpan<byte> data)
    {
        crc = ~crc;
        foreach (byte b in data)
        {
            crc = CrcTable[(byte)(crc ^ b)] ^ (crc >> 8);
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

    private static uint[] MakeCrcTable()
    {
        uint[] table = new uint[256];
        for (uint i = 0; i < table.Length; i++)
        {
            uint value = i;
            for (int bit = 0; bit < 8; bit++)
            {
                value = (value & 1) != 0 ? 0xEDB88320 ^ (value >> 1) : value >> 1;
            }

            table[i] = value;
        }

        return table;
    }
}
