using System.Buffers.Binary;
using CloudArchive.Format.Packs.Pixels;

namespace CloudArchive.Format.Tests.Packs.Pixels;

/// <summary>Made-up pixels.</summary>
internal static class Images
{
    public enum Kind
    {
        Zeros,
        Same,
        Noise,
        Extremes,
        Smooth,
        Smooth12Bit,
        Colour,
        Steps,
        Stripes,
        RepeatedNoise,
        RepeatedWithNoise,
        SignedAroundZero,
        Sparse,
        HighBitsSet,
    }

    public static void Fill(Kind kind, PixelLayout layout, Span<byte> pixels, Random random)
    {
        int bytes = layout.BitsAllocated / 8;
        int rowSamples = layout.Columns * (layout.PlanarConfiguration == 0 ? layout.SamplesPerPixel : 1);
        int max = (1 << layout.BitsAllocated) - 1;
        int frame = layout.Rows * layout.Columns * layout.SamplesPerPixel;
        int[] noise = [.. Enumerable.Range(0, Math.Min(frame, 4096)).Select(_ => random.Next(max / 3))];
        for (int i = 0; i < pixels.Length / bytes; i++)
        {
            (int x, int y) = (i % rowSamples, i / rowSamples);
            int value = kind switch
            {
                Kind.Zeros => 0,
                Kind.Same => 77,
                Kind.Noise => random.Next(max + 1),
                Kind.Extremes => (x + y) % 2 == 0 ? 0 : max,
                Kind.Smooth => (int)(max / 4 * (1.5 + Math.Sin(x / 9.0) + Math.Cos(y / 7.0))),
                Kind.Smooth12Bit => (int)(900 * (2 + Math.Sin(x / 9.0) + Math.Cos(y / 7.0))) + random.Next(60),
                // What the samples of a pixel share is theirs in both planar configurations.
                Kind.Colour => noise[Pixel(i, layout) % noise.Length] + (20 * Sample(i, layout)) + random.Next(3),
                Kind.Steps => (x / 7 * 300) + (y / 5 * 200) + random.Next(2),
                Kind.Stripes => noise[y % noise.Length] + random.Next(2),
                Kind.RepeatedNoise => noise[i % frame % noise.Length] + random.Next(100),
                Kind.RepeatedWithNoise => (noise[i % frame % noise.Length] / 256) + 500 + random.Next(60),
                Kind.SignedAroundZero => (int)(10 * Math.Sin(x / 9.0)) + random.Next(-8, 9),
                Kind.Sparse => random.Next(200) == 0 ? random.Next(max + 1) : 0,
                _ => (max & ~0xF) | random.Next(16),
            };
            if (bytes == 1)
            {
                pixels[i] = (byte)value;
            }
            else if (layout.BigEndian)
            {
                BinaryPrimitives.WriteUInt16BigEndian(pixels[(2 * i)..], (ushort)value);
            }
            else
            {
                BinaryPrimitives.WriteUInt16LittleEndian(pixels[(2 * i)..], (ushort)value);
            }
        }
    }

    private static int Pixel(int at, PixelLayout layout) => layout.PlanarConfiguration == 0 ? at / layout.SamplesPerPixel : at % (layout.Rows * layout.Columns);

    private static int Sample(int at, PixelLayout layout) =>
        layout.PlanarConfiguration == 0 ? at % layout.SamplesPerPixel : at / (layout.Rows * layout.Columns) % layout.SamplesPerPixel;
}

/// <summary>A filtered file, as a pack's writer makes it.</summary>
internal static class Filtered
{
    public static byte[] Bytes(PixelLayout layout, ReadOnlySpan<byte> file)
    {
        PixelChunks chunks = PixelFilter.Plan(layout, file.Length);
        using MemoryStream filtered = new();
        filtered.Write(file[..(int)chunks.PrefixLength]);
        long at = chunks.PrefixLength;
        for (int i = 0; i < chunks.Count; i++)
        {
            PixelChunk chunk = chunks[i];
            Assert.Equal(at, chunk.Offset);
            at += chunk.Length;
            byte[] record = new byte[PixelFilter.MaxEncodedLength(chunk.Length)];
            ReadOnlySpan<byte> source = file.Slice((int)chunk.Offset, chunk.Length);
            int length = PixelFilter.Encode(layout, source, record);
            byte[] back = new byte[chunk.Length];
            PixelFilter.Decode(layout, record.AsSpan(0, length), back);
            Assert.True(source.SequenceEqual(back), $"Chunk {i} of {layout} does not come back (mode {record[0]:X2}).");
            filtered.Write(record.AsSpan(0, length));
        }

        Assert.Equal(chunks.SuffixOffset, at);
        Assert.Equal(file.Length, chunks.SuffixOffset + chunks.SuffixLength);
        filtered.Write(file[(int)chunks.SuffixOffset..]);
        return filtered.ToArray();
    }

    public static async Task<byte[]> BackAsync(PixelLayout layout, long fileLength, byte[] filtered)
    {
        await using UnfilterStream stream = new(new MemoryStream(filtered), layout, fileLength);
        using MemoryStream file = new();
        await stream.CopyToAsync(file, TestContext.Current.CancellationToken);
        return file.ToArray();
    }
}
