using System.Buffers.Binary;
using CloudArchive.Format.Packs.Pixels;

namespace CloudArchive.Format.Tests.Packs.Pixels;

/// <summary>Filtered bytes and layouts that somebody made up: an <see cref="InvalidDataException"/>, or bytes that no SHA-256 will confirm; in bounded memory.</summary>
public sealed class HostilePixelTests
{
    private const int MaxPooled = (3 * PixelChunks.MaxLength) + (1 << 20);

    private static readonly PixelLayout s_layout = new(10, 2 * 60 * 50 * 3, 50, 60, 1, 16, 0, false);

    public static TheoryData<string> Layouts => [.. MadeUp.Keys];

    private static IReadOnlyDictionary<string, PixelLayout> MadeUp { get; } = new Dictionary<string, PixelLayout>
    {
        ["rows beyond 16 bits"] = s_layout with { Rows = int.MaxValue },
        ["rows and columns that overflow"] = s_layout with { Rows = int.MaxValue, Columns = int.MaxValue, SamplesPerPixel = int.MaxValue },
        ["no rows"] = s_layout with { Rows = 0 },
        ["negative columns"] = s_layout with { Columns = -60 },
        ["no samples"] = s_layout with { SamplesPerPixel = 0 },
        ["five samples"] = s_layout with { SamplesPerPixel = 5 },
        ["one bit"] = s_layout with { BitsAllocated = 1 },
        ["no bits"] = s_layout with { BitsAllocated = 0 },
        ["32 bits"] = s_layout with { BitsAllocated = 32 },
        ["a third planar configuration"] = s_layout with { PlanarConfiguration = 2 },
        ["planes of one sample"] = s_layout with { PlanarConfiguration = 1 },
        ["a negative offset"] = s_layout with { Offset = -1 },
        ["an offset behind the end"] = s_layout with { Offset = 1 << 20 },
        ["an offset that overflows"] = s_layout with { Offset = long.MaxValue },
        ["a length that overflows"] = s_layout with { Length = long.MaxValue },
        ["offset and length that overflow"] = s_layout with { Offset = long.MaxValue, Length = long.MaxValue },
        ["a negative length"] = s_layout with { Length = long.MinValue },
        ["no length"] = s_layout with { Length = 0 },
        ["less than a frame"] = s_layout with { Rows = 65535, Columns = 65535 },
    };

    [Theory]
    [MemberData(nameof(Layouts))]
    public void A_layout_that_makes_no_sense_is_refused(string name)
    {
        Assert.False(PixelFilter.CanFilter(MadeUp[name], 1 << 16));
        Assert.Throws<InvalidDataException>(() => PixelFilter.Plan(MadeUp[name], 1 << 16));
        Assert.Throws<InvalidDataException>(() => new UnfilterStream(Stream.Null, MadeUp[name], 1 << 16));
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(long.MinValue)]
    [InlineData(0)]
    [InlineData(9 + (2 * 60 * 50 * 3))]
    public void A_file_that_is_too_short_for_its_pixels_is_refused(long fileLength) => Assert.False(PixelFilter.CanFilter(s_layout, fileLength));

    [Fact]
    public void The_largest_layouts_are_cut_into_small_chunks_without_a_list()
    {
        const long Length = 16L << 30;
        foreach (PixelLayout layout in (PixelLayout[])
        [
            new(0, Length, 1, 1, 1, 8, 0, false), new(0, Length, 65535, 1, 1, 8, 0, false), new(0, Length, 1, 65535, 4, 16, 0, true),
            new(0, Length, 65535, 65535, 2, 16, 0, false), new(0, Length, 2000, 1048, 1, 8, 0, false), new(0, Length, 4, 65535, 4, 16, 1, true),
        ])
        {
            PixelChunks chunks = PixelFilter.Plan(layout, Length);

            Assert.InRange(chunks.Count, Length / PixelChunks.MaxLength, Length / (PixelChunks.BandLength / 4));
            long at = 0;
            for (int i = 0; i < chunks.Count; i++)
            {
                PixelChunk chunk = chunks[i];
                Assert.Equal(at, chunk.Offset);
                Assert.InRange(chunk.Length, 1, PixelChunks.MaxLength);
                at += chunk.Length;
            }

            Assert.Equal(chunks.SuffixOffset, at);
            Assert.InRange(chunks.SuffixLength, 0, layout.FrameLength - 1);
        }
    }

    [Fact]
    public async Task Cut_off_anywhere_and_longer_by_a_byte_it_is_refused()
    {
        foreach (Images.Kind kind in (Images.Kind[])[Images.Kind.SignedAroundZero, Images.Kind.Noise, Images.Kind.Zeros])
        {
            (byte[] file, byte[] filtered) = Make(kind);
            for (int length = 0; length < filtered.Length; length += filtered.Length > 4000 ? 97 : 1)
            {
                await Assert.ThrowsAsync<InvalidDataException>(() => Filtered.BackAsync(s_layout, file.Length, filtered[..length]));
            }

            await Assert.ThrowsAsync<InvalidDataException>(() => Filtered.BackAsync(s_layout, file.Length, [.. filtered, 0]));
        }
    }

    [Fact]
    public async Task Mutated_bytes_end_in_an_error_or_in_as_many_bytes_as_there_were()
    {
        Random random = new(4);
        (byte[] file, byte[] filtered) = Make(Images.Kind.SignedAroundZero);
        (int refused, int read) = (0, 0);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 2000; i++)
        {
            byte[] mutated = [.. filtered];
            for (int j = random.Next(1, 4); j > 0; j--)
            {
                // Half of them in the record's header and the length of its low bits.
                int at = random.Next(2) == 0 ? 10 + random.Next(9) : random.Next(mutated.Length);
                mutated[at] = random.Next(2) == 0 ? (byte)(mutated[at] ^ (1 << random.Next(8))) : (byte)random.Next(256);
            }

            try
            {
                Assert.Equal(file.Length, (await Filtered.BackAsync(s_layout, file.Length, mutated)).Length);
                read++;
            }
            catch (InvalidDataException)
            {
                refused++;
            }
        }

        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 2000L * 8 * file.Length);
        Assert.InRange(refused, 100, 1999);
        Assert.InRange(read, 1, 1900);
    }

    [Fact]
    public void Random_records_end_in_an_error_or_in_pixels()
    {
        Random random = new(5);
        byte[] chunk = new byte[2 * 60 * 20];
        PixelLayout layout = s_layout with { Rows = 10, Length = chunk.Length };
        for (int i = 0; i < 20_000; i++)
        {
            byte[] record = new byte[PixelFilter.RecordHeader + random.Next(600)];
            random.NextBytes(record);
            // As far as it goes, what is expected there: else all end at the first check.
            record[0] = random.Next(4) == 0 ? record[0] : (byte)(0x80 | random.Next(4) | (random.Next(3) << 3) | (random.Next(2) << 5));
            BinaryPrimitives.WriteInt32LittleEndian(record.AsSpan(1), record.Length - PixelFilter.RecordHeader);
            if (record.Length > 16 && random.Next(8) != 0)
            {
                BinaryPrimitives.WriteInt32LittleEndian(record.AsSpan(5), random.Next(record.Length - 9));
            }

            try
            {
                PixelFilter.Decode(layout, record, chunk);
            }
            catch (InvalidDataException)
            {
                // As it must be.
            }
        }
    }

    [Theory]
    [InlineData(1u)]
    [InlineData(0x7FFF_FFFFu)]
    [InlineData(0x8000_0000u)]
    [InlineData(uint.MaxValue)]
    public async Task A_length_that_lies_is_found_out_before_memory_is_taken_for_it(uint length)
    {
        (byte[] file, byte[] filtered) = Make(Images.Kind.SignedAroundZero);
        foreach (int at in (int[])[11, 15])
        {
            byte[] mutated = [.. filtered];
            BinaryPrimitives.WriteUInt32LittleEndian(mutated.AsSpan(at), length);
            long before = GC.GetAllocatedBytesForCurrentThread();

            await Assert.ThrowsAsync<InvalidDataException>(() => Filtered.BackAsync(s_layout, file.Length, mutated));

            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, MaxPooled);
        }
    }

    [Fact]
    public async Task A_small_entry_cannot_say_that_it_is_a_large_file_for_free()
    {
        // 16 GB of air would be 34 MB of record; what does not come with its bytes ends at the first chunk that lacks them.
        PixelLayout layout = new(0, 16L << 30, 1000, 1000, 1, 16, 0, false);
        await using UnfilterStream stream = new(new MemoryStream(new byte[100]), layout, layout.Length);

        await Assert.ThrowsAsync<InvalidDataException>(() => stream.ReadAsync(new byte[10], TestContext.Current.CancellationToken).AsTask());
    }

    [Fact]
    public void A_record_is_refused_for_a_chunk_that_is_not_whole_rows_and_for_another_layout()
    {
        byte[] chunk = new byte[2 * 60 * 50];
        byte[] record = new byte[PixelFilter.MaxEncodedLength(chunk.Length)];
        int length = PixelFilter.Encode(s_layout, chunk, record);

        Assert.Throws<InvalidDataException>(() => PixelFilter.Decode(s_layout, record.AsSpan(0, length), new byte[chunk.Length - 1]));
        Assert.Throws<InvalidDataException>(() => PixelFilter.Decode(s_layout, record.AsSpan(0, length), new byte[chunk.Length + 120]));
        Assert.Throws<InvalidDataException>(() => PixelFilter.Decode(s_layout, [], chunk));
        Assert.Throws<InvalidDataException>(() => PixelFilter.Decode(s_layout, new byte[4], chunk));
    }

    private static (byte[] File, byte[] Filtered) Make(Images.Kind kind)
    {
        Random random = new(9);
        byte[] file = new byte[s_layout.Offset + s_layout.Length + 20];
        Images.Fill(kind, s_layout, file.AsSpan((int)s_layout.Offset, (int)s_layout.Length), random);
        return (file, Filtered.Bytes(s_layout, file));
    }
}
