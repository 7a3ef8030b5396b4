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
        Smooth12Bit,
        SignedAroundZero,
        Sparse,
        HighBitsSet,
    }

    public static void Fill(Kind kind, PixelLayout layout, Span<byte> pixels, Random random)
    {
        int bytes = layout.BitsAllocated / 8;
        int rowSamples = layout.Columns * (layout.PlanarConfiguration == 0 ? layout.SamplesPerPixel : 1);
        int max = (1 << layout.BitsAllocated) - 1;
        for (int i = 0; i < pixels.Length / bytes; i++)
        {
            (int x, int y) = (i % rowSamples, i / rowSamples);
            int value = kind switch
            {
                Kind.Zeros => 0,
                Kind.Same => 77,
                Kind.Noise => random.Next(max + 1),
                Kind.Extremes => (x + y) % 2 == 0 ? 0 : max,
                Kind.Smooth12Bit => (int)((max / 32) * (1 + Math.Sin(x / 40.0) + Math.Cos(y / 30.0))) + random.Next(4),
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
            int length = PixelFilter.Encode(layout, i, source, record);
            byte[] back = new byte[chunk.Length];
            PixelFilter.Decode(layout, i, record.AsSpan(0, length), back);
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
