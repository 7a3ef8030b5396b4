using CloudArchive.Format.Packs.Pixels;

namespace CloudArchive.Format.Tests.Packs.Pixels;

/// <summary>What goes in comes out, whatever it is.</summary>
public sealed class PixelFilterTests
{
    public static TheoryData<int, int, int, bool> Depths => new()
    {
        { 8, 1, 0, false }, { 8, 3, 0, false }, { 8, 3, 1, false }, { 8, 4, 0, false }, { 8, 2, 1, false },
        { 16, 1, 0, false }, { 16, 1, 0, true }, { 16, 3, 0, false }, { 16, 3, 1, true }, { 16, 2, 0, true },
    };

    [Theory]
    [MemberData(nameof(Depths))]
    public async Task Every_size_and_content_comes_back(int bits, int samples, int planar, bool bigEndian)
    {
        Random random = new(17);
        (int Rows, int Columns, int Frames)[] sizes = [(1, 1, 1), (1, 1, 9), (1, 700, 1), (700, 1, 1), (3, 5, 7), (17, 31, 3), (64, 64, 1), (40, 333, 2), (5, 16, 4)];
        foreach ((int rows, int columns, int frames) in sizes)
        {
            foreach (Images.Kind kind in Enum.GetValues<Images.Kind>())
            {
                int frame = rows * columns * samples * (bits / 8);
                int extra = random.Next(3) * random.Next(frame);
                PixelLayout layout = new(random.Next(300), (frame * frames) + (extra % frame), rows, columns, samples, bits, planar, bigEndian);
                byte[] file = new byte[layout.Offset + layout.Length + random.Next(50)];
                random.NextBytes(file);
                Images.Fill(kind, layout, file.AsSpan((int)layout.Offset, (int)layout.Length), random);

                byte[] filtered = Filtered.Bytes(layout, file);

                Assert.Equal(file, await Filtered.BackAsync(layout, file.Length, filtered));
                Assert.InRange(filtered.Length, 0, file.Length + (5 * PixelFilter.Plan(layout, file.Length).Count));
            }
        }
    }

    [Fact]
    public async Task Frames_and_bands_larger_than_a_chunk_come_back()
    {
        Random random = new(3);
        foreach (PixelLayout layout in (PixelLayout[])
        [
            new(100, 700 * 800 * 2 * 5, 700, 800, 1, 16, 0, false),
            new(100, (1100 * 1300 * 2) + 7, 1100, 1300, 1, 16, 0, true),
            new(100, 1000 * 900 * 3, 1000, 900, 3, 8, 0, false),
            new(100, 1000 * 900 * 3, 1000, 900, 3, 8, 1, false),
            new(100, 3 * 40_000 * 2, 3, 40_000, 1, 16, 0, false),
        ])
        {
            byte[] file = new byte[layout.Offset + layout.Length + 11];
            Images.Fill(Images.Kind.RepeatedWithNoise, layout, file.AsSpan(100, (int)layout.Length), random);
            byte[] filtered = Filtered.Bytes(layout, file);

            Assert.InRange(filtered.Length, 0, file.Length * 9 / 10);
            Assert.Equal(file, await Filtered.BackAsync(layout, file.Length, filtered));
        }
    }

    [Fact]
    public void Air_costs_a_bit_for_sixteen_pixels()
    {
        PixelLayout layout = new(0, 512 * 512 * 2, 512, 512, 1, 16, 0, false);
        byte[] record = new byte[PixelFilter.MaxEncodedLength((int)layout.Length)];

        Assert.InRange(PixelFilter.Encode(layout, new byte[layout.Length], record), 1, (512 * 512 / 16 / 8) + 32);
    }

    [Fact]
    public void The_same_chunk_makes_the_same_record_every_time()
    {
        PixelLayout layout = new(0, 200 * 200 * 2, 200, 200, 1, 16, 0, false);
        byte[] pixels = new byte[layout.Length];
        Images.Fill(Images.Kind.SignedAroundZero, layout, pixels, new Random(1));
        byte[][] records = [.. Enumerable.Range(0, 2).Select(_ =>
        {
            byte[] record = new byte[PixelFilter.MaxEncodedLength(pixels.Length)];
            return record[..PixelFilter.Encode(layout, pixels, record)];
        })];

        Assert.Equal(records[0], records[1]);
    }

    [Fact]
    public async Task The_stream_gives_the_same_in_small_reads_synchronous_or_not()
    {
        PixelLayout layout = new(33, (300 * 300 * 2) + 1, 300, 300, 1, 16, 0, false);
        byte[] file = new byte[layout.Offset + layout.Length + 77];
        new Random(8).NextBytes(file);
        Images.Fill(Images.Kind.SignedAroundZero, layout, file.AsSpan(33, (int)layout.Length), new Random(1));
        byte[] filtered = Filtered.Bytes(layout, file);
        byte[] back = new byte[file.Length];
        using (UnfilterStream stream = new(new MemoryStream(filtered), layout, file.Length))
        {
            for (int at = 0; at < back.Length;)
            {
                int read = (at & 1) == 0 ? stream.Read(back.AsSpan(at, Math.Min(777, back.Length - at))) : await stream.ReadAsync(back.AsMemory(at, Math.Min(333, back.Length - at)), TestContext.Current.CancellationToken);
                Assert.NotEqual(0, read);
                at += read;
            }

            Assert.Equal(0, stream.Read(new byte[1]));
            Assert.Equal(0, await stream.ReadAsync(new byte[1], TestContext.Current.CancellationToken));
        }

        Assert.Equal(file, back);
    }

    [Fact]
    public async Task The_layout_stands_in_a_manifest_as_it_is()
    {
        PixelLayout layout = new(1 << 20, 3L << 30, 65535, 1, 3, 8, 1, true);
        string json = System.Text.Encoding.UTF8.GetString(CanonicalJson.Serialize(layout));

        Assert.Equal("{\"bigEndian\":true,\"bitsAllocated\":8,\"columns\":1,\"length\":3221225472,\"offset\":1048576,\"planarConfiguration\":1,\"rows\":65535,\"samplesPerPixel\":3}", json);
        Assert.Equal(layout, await System.Text.Json.JsonSerializer.DeserializeAsync<PixelLayout>(new MemoryStream(System.Text.Encoding.UTF8.GetBytes(json)), FormatJson.Options, TestContext.Current.CancellationToken));
    }
}
