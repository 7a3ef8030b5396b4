using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using System.Security.Cryptography;
using System.Text;
using CloudArchive.Dicom;

namespace CloudArchive.Testing;

/// <summary>
/// Made-up studies like a dental practice's, the same bytes every time. Nobody in them is real; the shapes, sizes, noise and the
/// patients' names in the paths are like real ones.
/// </summary>
public static class SampleStudies
{
    private const string IntraOral = "1.2.840.10008.5.1.4.1.1.1.3";
    private const string DigitalXRay = "1.2.840.10008.5.1.4.1.1.1.1";
    private const string EnhancedCt = "1.2.840.10008.5.1.4.1.1.2.1";
    private const string VisiblePhotograph = "1.2.840.10008.5.1.4.1.1.77.1.4";
    private const string SecondaryCapture = "1.2.840.10008.5.1.4.1.1.7";

    private sealed record Image(string SopClass, string Modality, string StudyKey, string InstanceKey, string PatientName, string PatientId, string Date, string Description);

    /// <summary>An intraoral series, a panoramic, a CBCT volume with compressible pixels and a JPEG-compressed photograph: four studies of three patients.</summary>
    /// <param name="folder">Made where it is missing.</param>
    /// <param name="cbctSide">Voxels along each side of the volume: its file has twice the cube of it bytes.</param>
    public static void WriteClinic(string folder, int cbctSide = 256)
    {
        string series = Directory.CreateDirectory(Path.Combine(folder, "Lindqvist_Anna", "2026-03-11 Zahnfilme")).FullName;
        for (int i = 0; i < 4; i++)
        {
            Image film = new(IntraOral, "IO", "io-study", "io-" + i, "Lindqvist^Anna", "P-1001", "20260311", "Bitewing");
            Write(Path.Combine(series, $"IO{i + 1:D2}.dcm"), film, TransferSyntaxes.ExplicitVrLittleEndian, w => XRay(w, 1300, 1024, i));
        }

        Image panoramic = new(DigitalXRay, "PX", "px-study", "px-0", "Lindqvist^Anna", "P-1001", "20260311", "Panoramic");
        Write(Path.Combine(folder, "Lindqvist_Anna", "PAN.dcm"), panoramic, TransferSyntaxes.ImplicitVrLittleEndian, w => XRay(w, 2440, 1280, 9));

        Image volume = new(EnhancedCt, "CT", "cbct-study", "cbct-0", "Okafor^Chidi", "P-1002", "20251002", "CBCT mandible");
        Write(Path.Combine(folder, "Okafor_Chidi", "CBCT", "volume"), volume, TransferSyntaxes.ExplicitVrLittleEndian, w => Volume(w, cbctSide));

        Image photograph = new(VisiblePhotograph, "XC", "photo-study", "photo-0", "Nakamura^Yui", "P-1003", "20240620", "Frontal");
        Write(Path.Combine(folder, "Nakamura_Yui", "front.dcm"), photograph, TransferSyntaxes.JpegBaseline, Photograph);
    }

    /// <summary>
    /// Many small instances of every kind the archive meets: each uncompressed transfer syntax, encapsulated pixels, private and nested
    /// sequences, names with and without extension, deep folders, other scripts. No two files have the same bytes.
    /// </summary>
    public static void WriteMixed(string folder, int count)
    {
        string[] syntaxes =
        [
            TransferSyntaxes.ExplicitVrLittleEndian, TransferSyntaxes.ImplicitVrLittleEndian, TransferSyntaxes.ExplicitVrBigEndian,
            TransferSyntaxes.DeflatedExplicitVrLittleEndian, TransferSyntaxes.JpegBaseline,
        ];
        for (int i = 0; i < count; i++)
        {
            // Studies of 1 to 40 instances.
            int study = (int)Math.Sqrt(i * 4);
            string syntax = syntaxes[i % syntaxes.Length];
            Image image = new(SecondaryCapture, "OT", $"mixed-study-{study}", $"mixed-{i}", $"Patient^{study}", $"M-{study / 3}", $"2025{study % 12 + 1:D2}{study % 28 + 1:D2}", "Mixed");
            string[] places =
            [
                $"export/{study}/IMG{i:D5}.dcm", $"export/{study}/{i:X8}", $"Größe & Maß/{study}/Ünïcode {i}.DCM", $"患者/{study}/画像-{i}.dcm",
                $"deep/a/b/c/d/e/f/g/{study}/{new string('x', 60)}/{i}", $"with space/study {study}/image ({i}).dcm",
            ];
            Write(Path.Combine(folder, places[i % places.Length]), image, syntax, w => Small(w, i, syntax));
        }
    }

    /// <summary>One small instance of a study and a patient of its own, for a test that needs just any.</summary>
    public static void WriteOne(string path, string key, string? study = null, string? patient = null)
    {
        Image image = new(SecondaryCapture, "OT", study ?? "study of " + key, key, "Nobody^Real", patient ?? "P-" + key, "20250101", "Single");
        Write(path, image, TransferSyntaxes.ExplicitVrLittleEndian, w => Small(w, key.Length, TransferSyntaxes.ExplicitVrLittleEndian));
    }

    /// <summary>One small instance of a named patient, in the character set that it declares.</summary>
    /// <param name="path">Where.</param>
    /// <param name="key">Of the instance and, by itself, of its study.</param>
    /// <param name="name">(0010,0010).</param>
    /// <param name="birthDate">(0010,0030).</param>
    /// <param name="patientId">(0010,0020).</param>
    /// <param name="description">(0008,1030).</param>
    /// <param name="characterSet">(0008,0005): the encoding of the texts.</param>
    /// <param name="encoding">What it is called here.</param>
    /// <param name="study">The study's key.</param>
    /// <param name="date">(0008,0020).</param>
    public static void WriteNamed(
        string path, string key, string name, string birthDate, string patientId, string description, string characterSet, Encoding encoding, string? study = null, string date = "20260311")
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        using FileStream file = new(path, FileMode.Create, FileAccess.Write);
        using DicomWriter writer = new(file, TransferSyntaxes.ExplicitVrLittleEndian);
        string instance = UidOf("instance " + key);
        writer.Meta(SecondaryCapture, instance);
        writer.Text(0x0008_0005, "CS", characterSet);
        writer.Text(0x0008_0016, "UI", SecondaryCapture);
        writer.Text(0x0008_0018, "UI", instance);
        writer.Text(0x0008_0020, "DA", date);
        writer.Text(0x0008_0050, "SH", "ACC-" + key);
        writer.Text(0x0008_0060, "CS", "OT");
        writer.Bytes(0x0008_1030, "LO", encoding.GetBytes(description));
        writer.Bytes(0x0010_0010, "PN", encoding.GetBytes(name));
        writer.Bytes(0x0010_0020, "LO", encoding.GetBytes(patientId));
        writer.Text(0x0010_0030, "DA", birthDate);
        writer.Text(0x0020_000D, "UI", UidOf("study " + (study ?? key)));
        writer.Text(0x0020_000E, "UI", UidOf("series " + (study ?? key)));
        Small(writer, key.Length, TransferSyntaxes.ExplicitVrLittleEndian);
    }

    /// <summary>One instance of about so many bytes that nothing compresses, so that what must be sent is known.</summary>
    public static void WriteNoise(string path, string key, int bytes, string? study = null)
    {
        Image image = new(SecondaryCapture, "OT", study ?? "study of " + key, key, "Nobody^Real", "P-" + key, "20250101", "Noise");
        int rows = Math.Max(1, bytes / 1024);
        Write(path, image, TransferSyntaxes.ExplicitVrLittleEndian, writer =>
        {
            Monochrome(writer, 512, rows, 1, 16);
            writer.PixelData("OW", (uint)(rows * 1024), output =>
            {
                Noise noise = new(BinaryPrimitives.ReadUInt32LittleEndian(SHA256.HashData(Encoding.UTF8.GetBytes(key))) | 1);
                byte[] line = new byte[1024];
                for (int y = 0; y < rows; y++)
                {
                    for (int x = 0; x < line.Length; x += 4)
                    {
                        BinaryPrimitives.WriteUInt32LittleEndian(line.AsSpan(x), noise.Next());
                    }

                    output.Write(line);
                }
            });
        });
    }

    /// <summary>The UID that the studies here derive from a key: <c>2.25.</c> and 128 bits (PS3.5 B.2).</summary>
    public static string UidOf(string key) =>
        "2.25." + new BigInteger(SHA256.HashData(Encoding.UTF8.GetBytes(key)).AsSpan(0, 15), isUnsigned: true).ToString(CultureInfo.InvariantCulture);

    private static void Write(string path, Image image, string transferSyntax, Action<DicomWriter> pixels)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        using FileStream file = new(path, FileMode.Create, FileAccess.Write, FileShare.None, 1 << 16);
        using DicomWriter writer = new(file, transferSyntax);
        string instance = UidOf("instance " + image.InstanceKey);
        writer.Meta(image.SopClass, instance);
        writer.Text(0x0008_0005, "CS", "ISO_IR 192");
        writer.Text(0x0008_0016, "UI", image.SopClass);
        writer.Text(0x0008_0018, "UI", instance);
        writer.Text(0x0008_0020, "DA", image.Date);
        writer.Text(0x0008_0030, "TM", "101500");
        writer.Text(0x0008_0050, "SH", "A" + image.StudyKey);
        writer.Text(0x0008_0060, "CS", image.Modality);
        writer.Text(0x0008_0070, "LO", "Made Up Imaging");
        writer.Text(0x0008_1030, "LO", image.Description);
        writer.Text(0x0010_0010, "PN", image.PatientName);
        writer.Text(0x0010_0020, "LO", image.PatientId);
        writer.Text(0x0010_0030, "DA", "19700101");
        writer.Text(0x0020_000D, "UI", UidOf("study " + image.StudyKey));
        writer.Text(0x0020_000E, "UI", UidOf("series " + image.StudyKey));
        writer.Text(0x0020_0010, "SH", image.StudyKey.Length > 16 ? image.StudyKey[..16] : image.StudyKey);
        writer.Text(0x0020_0013, "IS", "1");
        pixels(writer);
    }

    private static void Monochrome(DicomWriter writer, int columns, int rows, int frames, int bitsStored)
    {
        writer.UInt16(0x0028_0002, 1);
        writer.Text(0x0028_0004, "CS", "MONOCHROME2");
        if (frames > 1)
        {
            writer.Text(0x0028_0008, "IS", frames.ToString(CultureInfo.InvariantCulture));
        }

        writer.UInt16(0x0028_0010, (ushort)rows);
        writer.UInt16(0x0028_0011, (ushort)columns);
        writer.UInt16(0x0028_0100, (ushort)(bitsStored > 8 ? 16 : 8));
        writer.UInt16(0x0028_0101, (ushort)bitsStored);
        writer.UInt16(0x0028_0102, (ushort)(bitsStored - 1));
        writer.UInt16(0x0028_0103, 0);
    }

    /// <summary>Twelve bits: an exposure gradient, bright shapes, and the noise that keeps a radiograph from deflating well.</summary>
    private static void XRay(DicomWriter writer, int columns, int rows, int seed)
    {
        Monochrome(writer, columns, rows, 1, 12);
        writer.PixelData("OW", (uint)(columns * rows * 2), output =>
        {
            Noise noise = new((uint)(seed * 7919 + 1));
            byte[] line = new byte[columns * 2];
            for (int y = 0; y < rows; y++)
            {
                for (int x = 0; x < columns; x++)
                {
                    double tooth = Math.Abs((x * 8.0 / columns % 1) - 0.5) * 2;
                    int value = 900 + y * 1200 / rows + (y > rows / 3 && y < rows * 2 / 3 ? (int)(1500 * (1 - tooth)) : 0) + (int)(noise.Next() & 63);
                    BinaryPrimitives.WriteUInt16LittleEndian(line.AsSpan(x * 2), (ushort)Math.Min(value, 4095));
                }

                output.Write(line);
            }
        });
    }

    /// <summary>Air around a jaw: large even parts, little noise, so that it deflates as CBCT volumes do.</summary>
    private static void Volume(DicomWriter writer, int side)
    {
        Monochrome(writer, side, side, side, 16);
        writer.PixelData("OW", checked((uint)side * (uint)side * (uint)side * 2), output =>
        {
            Noise noise = new(42);
            byte[] frame = new byte[side * side * 2];
            for (int z = 0; z < side; z++)
            {
                for (int y = 0; y < side; y++)
                {
                    for (int x = 0; x < side; x++)
                    {
                        double dx = (x - side / 2.0) / side, dy = (y - side / 2.0) / side, r = dx * dx + dy * dy;
                        int value = r > 0.2 ? 24 : r > 0.12 ? 1600 + (int)(noise.Next() & 7) : 1040 + (z & 3);
                        BinaryPrimitives.WriteUInt16LittleEndian(frame.AsSpan((y * side + x) * 2), (ushort)value);
                    }
                }

                output.Write(frame);
            }
        });
    }

    private static void Photograph(DicomWriter writer)
    {
        using Stream resource = typeof(SampleStudies).Assembly.GetManifestResourceStream("photograph.jpg")!;
        using MemoryStream jpeg = new();
        resource.CopyTo(jpeg);
        Monochrome(writer, 640, 480, 1, 8);
        writer.EncapsulatedPixelData([jpeg.ToArray()]);
    }

    private static void Small(DicomWriter writer, int seed, string syntax)
    {
        writer.Sequence(0x0040_0275, seed % 2 == 0,
            item => item.Sequence(0x0040_0008, seed % 3 == 0, code => code.Text(0x0008_0104, "LO", "Nested " + seed)),
            item => item.Text(0x0040_0007, "LO", "Second"));
        writer.Text(0x0009_0010, "LO", "MADE UP 1.0");
        writer.Bytes(0x0009_1001, "UN", Encoding.ASCII.GetBytes("private " + seed));
        int columns = 16 + seed % 90, rows = 16 + seed % 70;
        Monochrome(writer, columns, rows, 1, 8);
        byte[] pixels = new byte[columns * rows + (columns * rows & 1)];
        Noise noise = new((uint)seed + 1);
        for (int i = 0; i < pixels.Length; i++)
        {
            pixels[i] = (byte)(noise.Next() >> (seed % 5));
        }

        if (syntax == TransferSyntaxes.JpegBaseline)
        {
            // Two fragments, as some devices write; what is in them is the device's business.
            writer.EncapsulatedPixelData([pixels.AsMemory(0, pixels.Length / 4 * 2), pixels.AsMemory(pixels.Length / 4 * 2)]);
        }
        else
        {
            writer.PixelData("OB", (uint)pixels.Length, output => output.Write(pixels));
        }
    }

    /// <summary>xorshift32: the same noise on every machine.</summary>
    private struct Noise(uint seed)
    {
        private uint _state = seed;

        public uint Next()
        {
            _state ^= _state << 13;
            _state ^= _state >> 17;
            return _state ^= _state << 5;
        }
    }
}
