using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using CloudArchive.Dicom;

namespace CloudArchive.Testing;

/// <summary>
/// Slices like a CT scanner's: 16 bits, air that is all the same, a body whose noise keeps its lowest bits from deflating. They deflate to about
/// two thirds, as real ones do, which neither random bytes nor zeros would show. Made-up patients; the same bytes every time.
/// </summary>
public static class CtSeries
{
    private const string Ct = "1.2.840.10008.5.1.4.1.1.2";
    private const short Air = -1000;

    /// <summary>Of each of the two: even, and less than the 4 GB that a value can have.</summary>
    private const uint SparseValue = 2_600_000_000;

    /// <summary>Writes a study's slices; each file has <paramref name="side"/> x <paramref name="side"/> x 2 bytes and a header.</summary>
    /// <param name="folder">Made where it is missing.</param>
    /// <param name="study">Which study; its UIDs are derived from it.</param>
    /// <param name="slices">How many files.</param>
    /// <param name="side">Columns and rows: 512 gives 525 KB, 1120 gives 2.5 MB.</param>
    public static void Write(string folder, string study, int slices, int side)
    {
        Directory.CreateDirectory(folder);
        short[] body = Body(side);
        Parallel.For(0, slices, slice => WriteSlice(Path.Combine(folder, $"CT{slice:D5}.dcm"), study, slice, side, 1, body));
    }

    /// <summary>Writes one multi-frame file of <paramref name="frames"/> frames.</summary>
    public static void WriteVolume(string path, string study, int frames, int side)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        WriteSlice(path, study, 0, side, frames, Body(side));
    }

    /// <summary>
    /// Writes one file of about 5 GB, more than 32 bits can count, that takes next to no disk where holes cost nothing: two values, a private one and the
    /// pixels, each zero but for a mark in every 256 MB.
    /// </summary>
    public static void WriteSparse(string path, string study)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        using FileStream file = new(path, FileMode.Create, FileAccess.Write, FileShare.None, 0);
        using DicomWriter writer = new(file, TransferSyntaxes.ExplicitVrLittleEndian);
        WriteHeader(writer, study, 0);
        writer.Text(0x0029_0010, "LO", "MADE UP");
        writer.Header(0x0029_1010, "OB", SparseValue);
        WriteMarks(file);
        writer.PixelData("OW", SparseValue, _ => WriteMarks(file));
    }

    private static void WriteMarks(FileStream file)
    {
        long begin = file.Position;
        for (long at = 0; at < SparseValue; at += SparseValue / 10)
        {
            file.Position = begin + at;
            file.Write(SHA256.HashData(BitConverter.GetBytes(file.Position)));
        }

        file.SetLength(begin + SparseValue);
        file.Position = begin + SparseValue;
    }

    private static void WriteHeader(DicomWriter writer, string study, int slice)
    {
        string instance = SampleStudies.UidOf($"ct {study} {slice}");
        writer.Meta(Ct, instance);
        writer.Text(0x0008_0016, "UI", Ct);
        writer.Text(0x0008_0018, "UI", instance);
        writer.Text(0x0008_0020, "DA", "20260204");
        writer.Text(0x0008_0050, "SH", Short(study));
        writer.Text(0x0008_0060, "CS", "CT");
        writer.Text(0x0010_0010, "PN", "Made^Up");
        writer.Text(0x0010_0020, "LO", "CT-" + Short(study));
        writer.Text(0x0010_0030, "DA", "19660812");
        writer.Text(0x0020_000D, "UI", SampleStudies.UidOf("ct study " + study));
        writer.Text(0x0020_000E, "UI", SampleStudies.UidOf("ct series " + study));
        writer.Text(0x0020_0013, "IS", slice.ToString(CultureInfo.InvariantCulture));
    }

    private static void WriteSlice(string path, string study, int slice, int side, int frames, short[] body)
    {
        using FileStream file = new(path, FileMode.Create, FileAccess.Write, FileShare.None, 1 << 16);
        using DicomWriter writer = new(file, TransferSyntaxes.ExplicitVrLittleEndian);
        WriteHeader(writer, study, slice);
        writer.UInt16(0x0028_0002, 1);
        writer.Text(0x0028_0004, "CS", "MONOCHROME2");
        if (frames > 1)
        {
            writer.Text(0x0028_0008, "IS", frames.ToString(CultureInfo.InvariantCulture));
        }

        writer.UInt16(0x0028_0010, (ushort)side);
        writer.UInt16(0x0028_0011, (ushort)side);
        writer.UInt16(0x0028_0100, 16);
        writer.UInt16(0x0028_0101, 16);
        writer.UInt16(0x0028_0102, 15);
        writer.UInt16(0x0028_0103, 1);
        writer.PixelData("OW", checked((uint)(side * side * 2 * (long)frames)), output =>
        {
            uint noise = (uint)BinaryPrimitives.ReadInt32LittleEndian(SHA256.HashData(System.Text.Encoding.UTF8.GetBytes($"{study} {slice}"))) | 1;
            short[] frame = new short[side * side];
            for (int i = 0; i < frames; i++)
            {
                for (int at = 0; at < frame.Length; at++)
                {
                    noise ^= noise << 13;
                    noise ^= noise >> 17;
                    noise ^= noise << 5;
                    frame[at] = body[at] == Air ? Air : (short)(body[at] + (noise & 31) - 16);
                }

                output.Write(MemoryMarshal.AsBytes(frame.AsSpan()));
            }
        });
    }

    /// <summary>An oval body with a spine in it, in Hounsfield units.</summary>
    private static short[] Body(int side)
    {
        short[] image = new short[side * side];
        for (int y = 0; y < side; y++)
        {
            for (int x = 0; x < side; x++)
            {
                double dx = (x - (side / 2.0)) / side, dy = (y - (side / 2.0)) / side;
                double oval = (dx * dx / 0.16) + (dy * dy / 0.09);
                double spine = (dx * dx) + ((dy - 0.18) * (dy - 0.18));
                image[(y * side) + x] = oval > 1 ? Air : spine < 0.003 ? (short)700 : oval > 0.8 ? (short)-90 : (short)40;
            }
        }

        return image;
    }

    private static string Short(string study) => study.Length <= 12 ? study : study[..12];
}
