using System.Buffers.Binary;
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
}
