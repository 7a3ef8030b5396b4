using System.Buffers.Binary;
using System.Text;

namespace CloudArchive.Reports;

/// <summary>An ICC profile (ICC.1:2001-04) that says what the colours of a report are: sRGB. PDF/A wants one in the file.</summary>
internal static class IccProfile
{
    /// <summary>sRGB as primaries, white and a gamma of 2.2.</summary>
    public static byte[] Srgb { get; } = Make();

    private static byte[] Make()
    {
        byte[] gamma = [.. Tag("curv"), 0, 0, 0, 1, 0x02, 0x33, 0, 0]; // one value: u8Fixed8, 2.2; padded to four bytes
        byte[] name = Encoding.ASCII.GetBytes("sRGB IEC61966-2.1\0");
        byte[] description = [.. Tag("desc"), 0, 0, 0, (byte)name.Length, .. name, .. new byte[4 + 4 + 2 + 1 + 67]];
        (string Signature, byte[] Data)[] tags =
        [
            ("desc", description),
            ("cprt", [.. Tag("text"), .. "No copyright\0"u8]),
            ("wtpt", Xyz(0.9505, 1, 1.0891)),
            ("rXYZ", Xyz(0.43607, 0.22249, 0.01392)), // adapted to D50, the profile connection space
            ("gXYZ", Xyz(0.38515, 0.71687, 0.09708)),
            ("bXYZ", Xyz(0.14307, 0.06061, 0.71410)),
            ("rTRC", gamma),
            ("gTRC", gamma),
            ("bTRC", gamma),
        ];
        int at = 128 + 4 + (12 * tags.Length);
        using MemoryStream table = new(), data = new();
        table.Write(U32(tags.Length));
        foreach ((string signature, byte[] content) in tags)
        {
            table.Write([.. Encoding.ASCII.GetBytes(signature), .. U32(at + (int)data.Length), .. U32(content.Length)]);
            data.Write(content);
            data.Write(new byte[-content.Length & 3]);
        }

        byte[] header = new byte[128];
        BinaryPrimitives.WriteInt32BigEndian(header, at + (int)data.Length);
        header[8] = 2;
        header[9] = 0x40;
        "mntrRGB XYZ "u8.CopyTo(header.AsSpan(12));
        ((ReadOnlySpan<byte>)[0x07, 0xD1, 0, 4, 0, 1]).CopyTo(header.AsSpan(24)); // dated as the specification: the same bytes always
        "acsp"u8.CopyTo(header.AsSpan(36));
        Xyz(0.9642, 1, 0.8249).AsSpan(8).CopyTo(header.AsSpan(68));
        return [.. header, .. table.ToArray(), .. data.ToArray()];
    }

    private static byte[] Tag(string type) => [.. Encoding.ASCII.GetBytes(type), 0, 0, 0, 0];

    private static byte[] Xyz(double x, double y, double z) => [.. Tag("XYZ "), .. Fixed(x), .. Fixed(y), .. Fixed(z)];

    private static byte[] Fixed(double value) => U32((int)Math.Round(value * 65536)); // s15Fixed16

    private static byte[] U32(int value)
    {
        byte[] bytes = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(bytes, value);
        return bytes;
    }
}
