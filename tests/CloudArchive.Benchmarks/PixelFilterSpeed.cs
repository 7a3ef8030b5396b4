using System.Diagnostics;
using System.Globalization;
using System.IO.Compression;
using System.Runtime.InteropServices;
using CloudArchive.Dicom;
using CloudArchive.Format.Packs.Pixels;
using CloudArchive.Testing;

namespace CloudArchive.Benchmarks;

/// <summary>
/// The pixel filter f1 beside deflate, alone and behind the same prediction (median, zigzag, byte planes): size, and MB of original a second of CPU time of one thread.
/// CPU time, so that a machine that does other things too shows nearly the same.
/// </summary>
internal static class PixelFilterSpeed
{
    // As long as the longest chunk; made once, as a pack's writer does.
    private static readonly byte[] s_chunk = new byte[4 << 20];
    private static readonly byte[] s_record = new byte[PixelFilter.MaxEncodedLength(4 << 20)];

    private sealed record Image(string Name, PixelLayout Layout, byte[] Pixels);

    public static int Run()
    {
        Console.WriteLine("| pixels | MB | f1 | median + planes + deflate 1 | deflate 1 | deflate 6 | f1 encode | f1 decode | planes + deflate 1 | deflate 1 | inflate |");
        Console.WriteLine("|---|---|---|---|---|---|---|---|---|---|---|");
        Image[] images = [.. Images()];
        // The runtime compiles what is used much a second time: not while it is timed.
        foreach (Image image in images)
        {
            Encode(image);
        }

        foreach (Image image in images)
        {
            byte[][] records = Encode(image);
            int filtered = records.Sum(record => record.Length);
            byte[] planes = Planes(image);
            byte[] deflated = Deflate(image.Pixels, CompressionLevel.Fastest);
            double encode = Seconds(() => Encode(image));
            double decode = Seconds(() => Decode(image, records));
            double planesAlone = Seconds(() => Deflate(Planes(image), CompressionLevel.Fastest));
            double deflate = Seconds(() => Deflate(image.Pixels, CompressionLevel.Fastest));
            double inflate = Seconds(() => new DeflateStream(new MemoryStream(deflated), CompressionMode.Decompress).CopyTo(Stream.Null));
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"| {image.Name} | {image.Pixels.Length / 1e6:F1} | {Share(filtered)} | {Share(Deflate(planes, CompressionLevel.Fastest).Length)} | {Share(deflated.Length)} | {Share(Deflate(image.Pixels, CompressionLevel.Optimal).Length)} | {Speed(encode)} | {Speed(decode)} | {Speed(planesAlone)} | {Speed(deflate)} | {Speed(inflate)} |"));

            string Share(int length) => ((double)length / image.Pixels.Length).ToString("P1", CultureInfo.InvariantCulture);
            string Speed(double seconds) => (image.Pixels.Length / 1e6 / seconds).ToString("F0", CultureInfo.InvariantCulture);
        }

        return 0;
    }

    /// <summary>CPU time of one run: the median of five, each long enough to be measured.</summary>
    private static double Seconds(Action run)
    {
        using Process process = Process.GetCurrentProcess();
        List<double> runs = [];
        for (int i = 0; i < 5; i++)
        {
            int count = 0;
            TimeSpan start = process.TotalProcessorTime;
            TimeSpan spent;
            do
            {
                run();
                count++;
                process.Refresh();
                spent = process.TotalProcessorTime - start;
            }
            while (spent.TotalMilliseconds < 300);

            runs.Add(spent.TotalSeconds / count);
        }

        return runs.Order().ElementAt(2);
    }

    private static byte[][] Encode(Image image)
    {
        PixelChunks chunks = PixelFilter.Plan(image.Layout, image.Pixels.Length);
        return [.. Enumerable.Range(0, chunks.Count).Select(i => s_record[..PixelFilter.Encode(image.Layout, image.Pixels.AsSpan((int)chunks[i].Offset, chunks[i].Length), s_record)])];
    }

    private static void Decode(Image image, byte[][] records)
    {
        PixelChunks chunks = PixelFilter.Plan(image.Layout, image.Pixels.Length);
        for (int i = 0; i < records.Length; i++)
        {
            PixelFilter.Decode(image.Layout, records[i], s_chunk.AsSpan(0, chunks[i].Length));
        }
    }

    private static byte[] Deflate(byte[] bytes, CompressionLevel level)
    {
        using MemoryStream output = new();
        using (DeflateStream deflate = new(output, level, leaveOpen: true))
        {
            deflate.Write(bytes);
        }

        return output.ToArray();
    }

    /// <summary>What would be deflated instead: the median's residuals, zigzag, low bytes before high bytes. One value at a time: its time says little.</summary>
    private static byte[] Planes(Image image)
    {
        (int step, int row, bool bytes) = (image.Layout.SamplesPerPixel, image.Layout.Columns * image.Layout.SamplesPerPixel, image.Layout.BitsAllocated == 8);
        ReadOnlySpan<short> words = MemoryMarshal.Cast<byte, short>(image.Pixels);
        int samples = bytes ? image.Pixels.Length : words.Length;
        byte[] planes = new byte[image.Pixels.Length];
        for (int i = 0; i < samples; i++)
        {
            int At(ReadOnlySpan<short> from, int place) => bytes ? image.Pixels[place] : from[place];
            (bool left, bool above) = (i % row >= step, i >= row);
            int a = left ? At(words, i - step) : above ? At(words, i - row) : 0;
            int b = above ? At(words, i - row) : a;
            int c = left && above ? At(words, i - row - step) : b;
            int difference = At(words, i) - (a + b - Math.Clamp(c, Math.Min(a, b), Math.Max(a, b)));
            int residual = bytes ? (sbyte)difference : (short)difference;
            int zigzag = (residual << 1) ^ (residual >> 31);
            planes[i] = (byte)zigzag;
            if (!bytes)
            {
                planes[samples + i] = (byte)(zigzag >> 8);
            }
        }

        return planes;
    }

    private static IEnumerable<Image> Images()
    {
        using TemporaryFolder folder = new();
        LifelikeImages.WriteCtSlice(folder["ct.dcm"], "filter", 100);
        yield return FromFile("CT slice, 12 in 16 bits, 512 x 512", folder["ct.dcm"]);
        LifelikeImages.WriteIntraOral(folder["io.dcm"], "filter", 1);
        yield return FromFile("intraoral, 12 in 16 bits, 944 x 1344", folder["io.dcm"]);
        LifelikeImages.WriteCbct(folder["cbct.dcm"], "filter", 16);
        yield return FromFile("CBCT volume, 16 bits, 16 x 512 x 512", folder["cbct.dcm"]);
        LifelikeImages.WritePhotograph(folder["photograph.dcm"], "filter", 1);
        yield return FromFile("RGB photograph, 8 bits", folder["photograph.dcm"]);
        CtSeries.Write(folder.Path, "filter", 1, 512);
        yield return FromFile("slice of CtSeries: even noise in perfect air", folder["CT00000.dcm"]);
        if (Repository.DicomSamples is { } samples)
        {
            yield return FromFile("a real CT slice, 128 x 128", Path.Combine(samples, "CT_small.dcm"));
            yield return FromFile("a real MR slice, 64 x 64", Path.Combine(samples, "MR_small.dcm"));
        }

        byte[] gray = new byte[1 << 20];
        for (int i = 0, noise = 1; i < gray.Length; i++)
        {
            noise = (noise * 1_103_515_245) + 12_345;
            gray[i] = (byte)(128 + (80 * Math.Sin(i % 1024 / 90.0) * Math.Cos(i / 1024 / 70.0)) + ((noise >> 16) & 7));
        }

        yield return new("gray, 8 bits, 1024 x 1024", new(0, gray.Length, 1024, 1024, 1, 8, 0, false), gray);
        byte[] random = new byte[1 << 20];
        new Random(1).NextBytes(random);
        yield return new("16 bits of noise", new(0, random.Length, 512, 1024, 1, 16, 0, false), random);
        yield return new("air", new(0, 1 << 20, 512, 1024, 1, 16, 0, false), new byte[1 << 20]);
    }

    private static Image FromFile(string name, string path)
    {
        byte[] file = File.ReadAllBytes(path);
        PixelDataLayout found = PixelData.Find(file, file.Length)!;
        return new(name, new(0, found.Length, found.Rows, found.Columns, found.SamplesPerPixel, found.BitsAllocated, found.PlanarConfiguration, found.BigEndian), file.AsSpan((int)found.Offset, (int)found.Length).ToArray());
    }
}
