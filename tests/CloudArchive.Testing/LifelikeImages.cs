using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using CloudArchive.Dicom;

namespace CloudArchive.Testing;

/// <summary>
/// Images that compress about as real ones do: smooth anatomy with soft edges, and noise as a detector and a reconstruction leave it, a little of it the neighbour's.
/// Nobody in them is real. The same bytes every time on a machine; no two files, and no two frames, have the same pixels.
/// </summary>
public static class LifelikeImages
{
    private const string Ct = "1.2.840.10008.5.1.4.1.1.2";
    private const string EnhancedCt = "1.2.840.10008.5.1.4.1.1.2.1";
    private const string IntraOral = "1.2.840.10008.5.1.4.1.1.1.3";
    private const string Photograph = "1.2.840.10008.5.1.4.1.1.77.1.4";
    private const int Highest12Bits = 4095;

    /// <summary>One CT slice, 12 bits in 16, 512 x 512 for 525 KB: body, lungs and spine with a noise of 10 to 20 HU, noisy air around it, and nothing beyond the circle that was reconstructed.</summary>
    public static void WriteCtSlice(string path, string study, int slice, int side = 512) => Write(path, Ct, "CT", study, slice, file =>
    {
        Pixels(file, side, side, 1, 12, "MONOCHROME2");
        file.Text(0x0028_1052, "DS", "-1024");
        file.Text(0x0028_1053, "DS", "1");
        file.PixelData("OW", (uint)(side * side * 2), output => WriteFrame(output, side, Phase(study), slice, 150.0, 14, new Noise($"ct {study} {slice}"), 1024, Highest12Bits));
    });

    /// <summary>A CBCT volume of one file, 16 bits, 420 frames of 512 x 512 for 220 MB: each frame much like the one before but for its noise, which is more than a CT's.</summary>
    public static void WriteCbct(string path, string study, int frames = 420, int side = 512) => Write(path, EnhancedCt, "CT", study, 0, file =>
    {
        Pixels(file, side, side, frames, 16, "MONOCHROME2");
        file.PixelData("OW", checked((uint)(side * side * 2 * (long)frames)), output =>
        {
            Noise noise = new("cbct " + study);
            for (int frame = 0; frame < frames; frame++)
            {
                WriteFrame(output, side, Phase(study), frame, 400.0, 38, noise, 4096, ushort.MaxValue);
            }
        });
    });

    /// <summary>An intraoral radiograph, 12 bits in 16, 1344 x 944 for 2.5 MB: teeth in bone, with the noise of the X-rays that arrived.</summary>
    public static void WriteIntraOral(string path, string study, int image, int columns = 1344, int rows = 944) => Write(path, IntraOral, "IO", study, image, file =>
    {
        Pixels(file, columns, rows, 1, 12, "MONOCHROME2");
        file.PixelData("OW", (uint)(columns * rows * 2), output =>
        {
            Noise noise = new($"io {study} {image}");
            double phase = Phase($"{study} {image}");
            ushort[] line = new ushort[columns];
            for (int y = 0; y < rows; y++)
            {
                double v = y / (double)rows;
                noise.NextLine(columns);
                for (int x = 0; x < columns; x++)
                {
                    double u = x / (double)columns;
                    double tooth = (u * 4) + (0.1 * Math.Sin((v * 3) + phase)), inTooth = (tooth - Math.Floor(tooth)) * 2 - 1;
                    double half = v < 0.5 ? 0.85 - (0.2 * v) : 0.85 - (1.2 * (v - 0.42)); // a crown, and a root that narrows
                    double body = Soft((half - Math.Abs(inTooth)) * 9), enamel = v < 0.3 ? Soft((0.16 - Math.Abs(half - 0.15 - Math.Abs(inTooth))) * 20) : 0;
                    double pulp = Soft((0.14 - Math.Abs(inTooth)) * 22) * Soft((v - 0.2) * 20);
                    double bone = Soft((v - 0.42) * 16) * (1 + (0.16 * Math.Sin((u * 92) + (9 * Math.Sin((v * 21) + phase))) * Math.Sin((v * 71) + phase)));
                    double signal = 420 + (260 * u) + (700 * bone) + (1150 * body) + (680 * enamel) - (420 * pulp);
                    line[x] = (ushort)Math.Clamp((int)(signal + (noise[x] * (5 + (0.35 * Math.Sqrt(signal)))) + 0.5), 0, Highest12Bits);
                }

                output.Write(MemoryMarshal.AsBytes(line.AsSpan()));
            }
        });
    });

    /// <summary>A photograph of a face or a jaw, 8-bit RGB by pixel, 1600 x 1200 for 5.8 MB: gradients, edges, and a sensor's noise, which colours share in part.</summary>
    public static void WritePhotograph(string path, string study, int image, int columns = 1600, int rows = 1200) => Write(path, Photograph, "XC", study, image, file =>
    {
        Pixels(file, columns, rows, 1, 8, "RGB");
        file.PixelData("OB", (uint)(columns * rows * 3), output =>
        {
            Noise noise = new($"photograph {study} {image}");
            double phase = Phase($"{study} {image}");
            byte[] line = new byte[columns * 3];
            for (int y = 0; y < rows; y++)
            {
                double v = y / (double)rows;
                noise.NextLine(columns * 2);
                for (int x = 0; x < columns; x++)
                {
                    double u = x / (double)columns;
                    double light = 0.75 + (0.25 * Math.Cos((u - 0.4) * 3)) + (0.1 * Math.Sin((v * 5) + phase));
                    double lips = Soft((0.12 - Math.Abs(v - 0.55 - (0.05 * Math.Cos((u * 9) + phase)))) * 60) * Soft((0.36 - Math.Abs(u - 0.5)) * 60);
                    double at = (u * 13) + phase, gap = Math.Abs(at - Math.Floor(at) - 0.5) * 2;
                    double teeth = lips * Soft((0.07 - Math.Abs(v - 0.55)) * 90) * Soft((0.97 - gap) * 60);
                    double mottle = (1 - teeth) * 9 * Math.Sin((u * 61) + (4 * Math.Sin((v * 33) + phase))) * Math.Sin((v * 47) + phase);
                    double red = mottle + (light * (168 + (26 * lips) + (24 * teeth))), green = mottle + (light * (122 - (48 * lips) + (126 * teeth))), blue = mottle + (light * (100 - (30 * lips) + (118 * teeth)));
                    double shared = noise[x] * 1.7, own = noise[columns + x] * 1.1;
                    line[x * 3] = Byte(red + shared + own);
                    line[(x * 3) + 1] = Byte(green + shared);
                    line[(x * 3) + 2] = Byte(blue + shared - own);
                }

                output.Write(line);
            }
        });
    });

    /// <summary>A photograph as a camera compresses it: in the JPEG baseline transfer syntax, with a payload that nothing makes smaller. No decoder can show it.</summary>
    public static void WriteCompressed(string path, string study, int image, int bytes = 1_000_000) => Write(path, Photograph, "XC", study, image, file =>
    {
        Pixels(file, 3000, 2000, 1, 8, "YBR_FULL_422");
        byte[] payload = new byte[bytes & ~1];
        new Noise($"compressed {study} {image}").Fill(payload);
        file.EncapsulatedPixelData([payload]);
    }, TransferSyntaxes.JpegBaseline);

    /// <summary>A small image of 2 to 6 KB, as old sensors and scanned slips are.</summary>
    public static void WriteSmall(string path, string study, int image)
    {
        int columns = 28 + (image % 7 * 4), rows = 30 + (image % 5 * 5);
        WriteIntraOral(path, study, image, columns, rows);
    }

    private static void Write(string path, string sopClass, string modality, string study, int image, Action<DicomWriter> pixels, string syntax = TransferSyntaxes.ExplicitVrLittleEndian)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        using FileStream stream = new(path, FileMode.Create, FileAccess.Write, FileShare.None, 1 << 16);
        using DicomWriter file = new(stream, syntax);
        string instance = SampleStudies.UidOf($"lifelike {modality} {study} {image}"), patient = SampleStudies.UidOf("patient " + study)[5..13];
        file.Meta(sopClass, instance);
        file.Text(0x0008_0016, "UI", sopClass);
        file.Text(0x0008_0018, "UI", instance);
        file.Text(0x0008_0020, "DA", "20260204");
        file.Text(0x0008_0050, "SH", "A" + patient);
        file.Text(0x0008_0060, "CS", modality);
        file.Text(0x0008_0070, "LO", "Made Up Imaging");
        file.Text(0x0010_0010, "PN", "Made^Up");
        file.Text(0x0010_0020, "LO", "L-" + patient);
        file.Text(0x0010_0030, "DA", "19660812");
        file.Text(0x0020_000D, "UI", SampleStudies.UidOf("lifelike study " + study));
        file.Text(0x0020_000E, "UI", SampleStudies.UidOf("lifelike series " + study));
        file.Text(0x0020_0013, "IS", image.ToString(CultureInfo.InvariantCulture));
        pixels(file);
    }

    private static void Pixels(DicomWriter file, int columns, int rows, int frames, int bitsStored, string photometric)
    {
        bool isColour = photometric is not "MONOCHROME2";
        file.UInt16(0x0028_0002, (ushort)(isColour ? 3 : 1));
        file.Text(0x0028_0004, "CS", photometric);
        if (isColour)
        {
            file.UInt16(0x0028_0006, 0);
        }

        if (frames > 1)
        {
            file.Text(0x0028_0008, "IS", frames.ToString(CultureInfo.InvariantCulture));
        }

        file.UInt16(0x0028_0010, (ushort)rows);
        file.UInt16(0x0028_0011, (ushort)columns);
        file.UInt16(0x0028_0100, (ushort)(bitsStored > 8 ? 16 : 8));
        file.UInt16(0x0028_0101, (ushort)bitsStored);
        file.UInt16(0x0028_0102, (ushort)(bitsStored - 1));
        file.UInt16(0x0028_0103, 0);
    }

    /// <summary>A cut through a made-up trunk at a height: HU plus an offset, clamped to what the samples can hold.</summary>
    /// <param name="slicesOfTurn">After how many slices the anatomy has gone through its changes once.</param>
    /// <param name="sigma">Noise in HU at the middle; less at the skin, and two fifths of it in air.</param>
    private static void WriteFrame(Stream output, int side, double phase, int slice, double slicesOfTurn, double sigma, Noise noise, int offset, int highest)
    {
        double z = slice / slicesOfTurn * 2 * Math.PI;
        double wide = 0.45 + (0.02 * Math.Sin(z + phase)), high = 0.34 + (0.02 * Math.Cos(z)), lung = 0.75 + (0.25 * Math.Sin((z / 2) + phase));
        // What depends on the column alone.
        double[] waves = new double[side], ripples = new double[side];
        for (int x = 0; x < side; x++)
        {
            waves[x] = 75 * Math.Sin((x * 19.0 / side) + phase + z);
            ripples[x] = 30 * Math.Sin((x * 83.0 / side) + (3 * phase) - z);
        }

        ushort[] line = new ushort[side];
        for (int y = 0; y < side; y++)
        {
            double dy = (y / (double)side) - 0.5, wave = Math.Sin((dy * 23) + phase), ripple = Math.Sin((dy * 71) + z);
            noise.NextLine(side);
            for (int x = 0; x < side; x++)
            {
                double dx = (x / (double)side) - 0.5, r = (dx * dx) + (dy * dy);
                if (r > 0.25)
                {
                    line[x] = 0; // outside of what was reconstructed
                    continue;
                }

                double oval = 1 - Math.Sqrt((dx * dx / (wide * wide)) + (dy * dy / (high * high)));
                double inside = Soft(oval * 90);
                double hounsfield = -1000 + (inside * 905); // fat, below the skin
                if (oval > 0)
                {
                    double muscle = Soft((oval - 0.12) * 60), lx = (Math.Abs(dx) - 0.17) / (0.11 * lung), ly = (dy + 0.03) / (0.15 * lung);
                    double sy = dy - 0.17, spine = Soft((0.0034 - (dx * dx) - (sy * sy)) * 2600), marrow = Soft((0.0016 - (dx * dx) - (sy * sy)) * 2600);
                    hounsfield += (muscle * (140 + (waves[x] * wave) + (ripples[x] * ripple))) - (Soft((1 - (lx * lx) - (ly * ly)) * 14) * 830) + (spine * 560) - (marrow * 330);
                }

                double grain = sigma * (0.4 + (inside * (0.3 + (0.3 * Math.Min(1, Math.Max(0, oval) * 1.4)))));
                line[x] = (ushort)Math.Clamp((int)(hounsfield + (noise[x] * grain) + offset + 0.5), 0, highest);
            }

            output.Write(MemoryMarshal.AsBytes(line.AsSpan()));
        }
    }

    private static double Phase(string key) => SHA256.HashData(Encoding.UTF8.GetBytes("phase " + key))[0] / 256.0 * 2 * Math.PI;

    /// <summary>0 well below zero, 1 well above, and a slope between.</summary>
    private static double Soft(double value)
    {
        double t = Math.Clamp((value + 1) / 2, 0, 1);
        return t * t * (3 - (2 * t));
    }

    private static byte Byte(double value) => (byte)Math.Clamp((int)(value + 0.5), 0, 255);

    /// <summary>Bell-shaped noise of a deviation of 1, line by line, in which each sample has something of its neighbours to the left and above.</summary>
    private sealed class Noise(string seed)
    {
        private const double Neighbour = 0.5;
        private static readonly float[] s_bell = Bell();
        private ulong _state = BitConverter.ToUInt64(SHA256.HashData(Encoding.UTF8.GetBytes(seed))) | 1;
        private float[] _line = [];
        private float[] _white = [];

        public float this[int place] => _line[place];

        public void NextLine(int length)
        {
            if (_line.Length != length)
            {
                (_line, _white) = (new float[length], new float[length]);
            }

            const float scale = (float)(1 / (1 + (Neighbour * Neighbour))), share = (float)Neighbour;
            float left = 0, leftAbove = 0;
            for (int i = 0; i < length; i++)
            {
                float white = s_bell[(int)(Next() >> 48)], above = _white[i];
                _line[i] = scale * (white + (share * (left + above)) + (share * share * leftAbove));
                (left, leftAbove, _white[i]) = (white, above, white);
            }
        }

        public void Fill(Span<byte> bytes)
        {
            foreach (ref ulong word in MemoryMarshal.Cast<byte, ulong>(bytes))
            {
                word = Next();
            }

            foreach (ref byte b in bytes[(bytes.Length & ~7)..])
            {
                b = (byte)(Next() >> 56);
            }
        }

        // xorshift64*
        private ulong Next()
        {
            _state ^= _state >> 12;
            _state ^= _state << 25;
            _state ^= _state >> 27;
            return _state * 0x2545F4914F6CDD1D;
        }

        /// <summary>65,536 values of the normal distribution, each as likely as the next (Box-Muller, the pairs of a 256 x 256 grid).</summary>
        private static float[] Bell()
        {
            float[] bell = new float[65_536];
            for (int i = 0; i < bell.Length; i++)
            {
                double u = ((i >> 8) + 0.5) / 256, angle = ((i & 255) + 0.5) / 256 * 2 * Math.PI;
                bell[i] = (float)(Math.Sqrt(-2 * Math.Log(u)) * Math.Cos(angle));
            }

            return bell;
        }
    }
}
