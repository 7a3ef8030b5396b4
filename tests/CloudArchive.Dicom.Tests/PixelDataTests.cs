using CloudArchive.Format.Packs.Pixels;
using CloudArchive.Testing;

namespace CloudArchive.Dicom.Tests;

/// <summary>Where native pixel data lies: found for certain, or not at all.</summary>
public sealed class PixelDataTests
{
    /// <summary>File; offset, length, rows, columns, samples, bits, planar configuration, frames, big endian. As dcmdump shows them.</summary>
    public static TheoryData<string, string> Samples => new()
    {
        { "CT_small", "6300 32768 128 128 1 16 0 1 False" },
        { "MR_small", "1500 8192 64 64 1 16 0 1 False" },
        { "MR_small_bigendian", "1516 8192 64 64 1 16 0 1 True" },
        { "MR_small_implicit", "1510 8192 64 64 1 16 0 1 False" },
        { "no_meta", "5965 32768 128 128 1 16 0 1 False" },
        { "badVR", "" },
        { "liver_1frame", "" },
        { "MR_small_RLE", "" },
        { "MR_small_jp2klossless", "" },
        { "SC_rgb_jpeg_dcmtk", "" },
        { "image_dfl", "" },
        { "MR_truncated", "" },
        { "waveform_ecg", "" },
        { "test-SR", "" },
    };

    [Theory]
    [MemberData(nameof(Samples))]
    public void Of_a_sample_it_is_found_where_it_lies(string name, string expected) => Assert.Equal(expected, Text(Find(SampleFileTests.Sample(name))));

    [Fact]
    public void In_every_native_syntax_behind_sequences_and_private_elements_it_is_found()
    {
        foreach (string syntax in Files.Syntaxes)
        {
            byte[] file = Files.Whole(syntax);
            PixelDataLayout? found = Find(file);
            if (syntax is TransferSyntaxes.DeflatedExplicitVrLittleEndian or TransferSyntaxes.RleLossless)
            {
                Assert.Null(found);
                continue;
            }

            bool big = syntax == TransferSyntaxes.ExplicitVrBigEndian;
            Assert.Equal(new PixelDataLayout(file.Length - 48, 48, 4, 6, 1, 16, 0, 1, big), found);
            Assert.Equal(found! with { Offset = found.Offset - 132 }, Find(file[132..]));
            // Every cut before the value: in doubt, and so not found.
            for (int head = 0; head < found.Offset - 12; head += 3)
            {
                Assert.Null(Find(file, head));
            }

            Assert.Equal(found, Find(file, (int)found.Offset));
        }
    }

    [Fact]
    public void An_icon_in_a_sequence_is_not_the_image()
    {
        foreach (bool undefined in (bool[])[false, true])
        {
            byte[] file = Image(writer => writer.Sequence(0x0088_0200, undefined, icon =>
            {
                Describe(icon, 8, 8, 1, 8);
                icon.Bytes(0x7FE0_0010, "OB", new byte[64]);
            }), 16, 20, 3, 8, 960);

            Assert.Equal(new PixelDataLayout(file.Length - 960, 960, 16, 20, 3, 8, 0, 1, false), Find(file));
            Assert.Null(Find(file[..^974]));
        }
    }

    [Fact]
    public void Frames_planes_and_the_byte_of_padding_are_counted()
    {
        byte[] frames = Image(writer => writer.Text(0x0028_0008, "IS", "3"), 5, 7, 1, 16, 210);
        byte[] planes = Image(writer => writer.UInt16(0x0028_0006, 1), 5, 7, 3, 8, 106);

        Assert.Equal((3, 210L), (Find(frames)!.NumberOfFrames, Find(frames)!.Length));
        Assert.Equal((1, 106L), (Find(planes)!.PlanarConfiguration, Find(planes)!.Length));
    }

    [Fact]
    public void What_is_in_doubt_is_not_found()
    {
        Assert.NotNull(Find(Image(_ => { }, 8, 8, 1, 16, 128)));
        Assert.Null(Find(Image(_ => { }, 8, 8, 1, 16, 130)));
        Assert.Null(Find(Image(_ => { }, 8, 8, 1, 16, 64)));
        Assert.Null(Find(Image(_ => { }, 8, 8, 1, 32, 256)));
        Assert.Null(Find(Image(_ => { }, 8, 8, 1, 1, 8)));
        Assert.Null(Find(Image(_ => { }, 8, 8, 0, 16, 128)));
        Assert.Null(Find(Image(_ => { }, 0, 8, 1, 16, 128)));
        Assert.Null(Find(Image(writer => writer.Text(0x0028_0004, "CS", "YBR_FULL_422"), 8, 8, 3, 8, 128)));
        Assert.Null(Find(Image(writer => writer.Text(0x0028_0008, "IS", "2147483647"), 8, 8, 1, 16, 128)));
        Assert.Null(Find(Image(writer => writer.UInt16(0x0028_0006, 2), 8, 8, 3, 8, 192)));
        byte[] image = Image(_ => { }, 8, 8, 1, 16, 128);
        Assert.Null(PixelData.Find(image, image.Length - 1));
        Assert.Null(PixelData.Find(image, 0));
        Assert.Null(PixelData.Find(image, -1));
        Assert.Null(PixelData.Find(default, long.MaxValue));
    }

    [Fact]
    public void A_large_volume_is_found_by_its_head_alone()
    {
        byte[] head = Files.Write(TransferSyntaxes.ExplicitVrLittleEndian, writer =>
        {
            Files.Identity(writer);
            writer.Text(0x0028_0008, "IS", "400");
            Describe(writer, 1000, 1000, 1, 16);
            writer.Header(0x7FE0_0010, "OW", 800_000_000);
        });

        Assert.Equal(new PixelDataLayout(head.Length, 800_000_000, 1000, 1000, 1, 16, 0, 400, false), PixelData.Find(head, head.Length + 800_000_000L));
        Assert.Null(PixelData.Find(head, head.Length + 799_999_999L));
    }

    [Fact]
    public async Task A_sample_comes_back_through_the_filter_and_is_smaller()
    {
        foreach ((string name, double share) in ((string, double)[])[("CT_small", 0.53), ("MR_small", 0.58), ("MR_small_bigendian", 0.58), ("MR_small_implicit", 0.58), ("no_meta", 0.53)])
        {
            byte[] file = SampleFileTests.Sample(name);
            Assert.InRange(await ThroughTheFilterAsync(file, Find(file)!), 1, (int)(file.Length * share));
        }
    }

    [Fact]
    public async Task Ten_thousand_mutated_heads_give_no_layout_or_one_that_comes_back()
    {
        Random random = new(14);
        string[] names = ["CT_small", "MR_small", "MR_small_bigendian", "MR_small_implicit", "no_meta", "badVR", "liver_1frame", "nested_priv_SQ", "UN_sequence", "SC_rgb_rle_2frame"];
        byte[][] samples = [.. names.Select(SampleFileTests.Sample), Files.Whole(TransferSyntaxes.ImplicitVrLittleEndian), Image(_ => { }, 40, 50, 3, 8, 6000)];
        HashSet<(int, PixelDataLayout)> seen = [];
        (int none, int found) = (0, 0);
        for (int i = 0; i < 10_000; i++)
        {
            int which = random.Next(samples.Length);
            byte[] mutated = Mutate(samples[which], random);
            if (Find(mutated) is not { } layout)
            {
                none++;
                continue;
            }

            found++;
            if (seen.Add((which, layout)))
            {
                await ThroughTheFilterAsync(mutated, layout);
            }
        }

        // All happens, or the mutations test nothing.
        Assert.InRange(none, 1000, 9000);
        Assert.InRange(found, 1000, 9000);
        Assert.InRange(seen.Count, 20, 10_000);
    }

    internal static PixelDataLayout? Find(byte[] file, int head = 1 << 20) => PixelData.Find(file.AsMemory(0, Math.Min(head, file.Length)), file.Length);

    private static string Text(PixelDataLayout? p) =>
        p is null ? "" : $"{p.Offset} {p.Length} {p.Rows} {p.Columns} {p.SamplesPerPixel} {p.BitsAllocated} {p.PlanarConfiguration} {p.NumberOfFrames} {p.BigEndian}";

    /// <summary>Bytes of the filtered file.</summary>
    private static async Task<int> ThroughTheFilterAsync(byte[] file, PixelDataLayout found)
    {
        PixelLayout layout = new(found.Offset, found.Length, found.Rows, found.Columns, found.SamplesPerPixel, found.BitsAllocated, found.PlanarConfiguration, found.BigEndian);
        if (!PixelFilter.CanFilter(layout, file.Length))
        {
            Assert.True(layout.Length < 4096 || layout.SamplesPerPixel > 4, $"{layout} of a file of {file.Length} bytes cannot be filtered.");
            return 0;
        }

        PixelChunks chunks = PixelFilter.Plan(layout, file.Length);
        using MemoryStream filtered = new();
        filtered.Write(file.AsSpan(0, (int)chunks.PrefixLength));
        for (int i = 0; i < chunks.Count; i++)
        {
            byte[] record = new byte[PixelFilter.MaxEncodedLength(chunks[i].Length)];
            filtered.Write(record.AsSpan(0, PixelFilter.Encode(layout, file.AsSpan((int)chunks[i].Offset, chunks[i].Length), record)));
        }

        filtered.Write(file.AsSpan((int)chunks.SuffixOffset));
        filtered.Position = 0;
        using MemoryStream back = new();
        await using UnfilterStream stream = new(filtered, layout, file.Length, leaveOpen: true);
        await stream.CopyToAsync(back, TestContext.Current.CancellationToken);
        Assert.True(file.AsSpan().SequenceEqual(back.ToArray()), $"{layout} does not come back.");
        return (int)filtered.Length;
    }

    private static byte[] Image(Action<DicomWriter> more, ushort rows, ushort columns, ushort samples, ushort bits, int length) =>
        Files.Write(TransferSyntaxes.ExplicitVrLittleEndian, writer =>
        {
            Files.Identity(writer);
            more(writer);
            Describe(writer, rows, columns, samples, bits);
            writer.PixelData("OW", (uint)length, output => output.Write(new byte[length]));
        });

    private static void Describe(DicomWriter writer, ushort rows, ushort columns, ushort samples, ushort bits)
    {
        writer.UInt16(0x0028_0002, samples);
        writer.UInt16(0x0028_0010, rows);
        writer.UInt16(0x0028_0011, columns);
        writer.UInt16(0x0028_0100, bits);
    }

    /// <summary>Mostly where tags, VRs and lengths stand; now and then the numbers that make the layout.</summary>
    private static byte[] Mutate(byte[] sample, Random random)
    {
        List<byte> bytes = [.. sample];
        int head = Math.Min(bytes.Count, 7000);
        int group28 = sample.AsSpan().IndexOf(random.Next(2) == 0 ? [0x28, 0x00, 0x02, 0x00] : (ReadOnlySpan<byte>)[0x00, 0x28, 0x00, 0x02]);
        for (int i = random.Next(1, 4); i > 0; i--)
        {
            int at = group28 > 0 && random.Next(2) == 0 ? Math.Min(group28 + random.Next(200), bytes.Count - 1) : Math.Min(random.Next(head), bytes.Count - 1);
            switch (random.Next(6))
            {
                case 0:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 1:
                    bytes[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 2:
                    bytes.RemoveRange(at, Math.Min(random.Next(1, 20), bytes.Count - at - 1));
                    break;
                case 3:
                    bytes.InsertRange(at, bytes.GetRange(at, Math.Min(random.Next(1, 40), bytes.Count - at)));
                    break;
                case 4:
                    for (int j = 0; j < 4 && at + j < bytes.Count; j++)
                    {
                        bytes[at + j] = 0xFF;
                    }

                    break;
                default:
                    // Rows for columns: another image of the same length.
                    (bytes[at], bytes[Math.Min(at + 10, bytes.Count - 1)]) = (bytes[Math.Min(at + 10, bytes.Count - 1)], bytes[at]);
                    break;
            }
        }

        return [.. bytes];
    }
}
