using CloudArchive.Testing;

namespace CloudArchive.Dicom.Tests;

public sealed class HostileTests
{
    public static TheoryData<string> Syntaxes => new(Files.Syntaxes);

    /// <summary>
    /// A file that is cut off is found out, but for cuts between two outermost elements: nothing says that there were more. Of those, the ones
    /// between geometry and pixel data show as <see cref="DicomOddityKind.NoPixelData"/>; a receipt's hash finds all of them.
    /// </summary>
    [Theory]
    [MemberData(nameof(Syntaxes))]
    public async Task A_file_cut_off_anywhere_is_truncated_or_ends_between_two_elements(string syntax)
    {
        byte[] file = Files.Whole(syntax);
        List<int> tolerated = [];
        for (int length = 0; length < file.Length; length++)
        {
            foreach (bool seekable in (bool[])[true, false])
            {
                using MemoryStream cut = new(file, 0, length);
                try
                {
                    DicomSummary summary = await DicomReader.WalkAsync(seekable ? cut : new Trickle(cut), TestContext.Current.CancellationToken);
                    Assert.Equal(length, summary.Length);
                    tolerated.Add(length);
                }
                catch (DicomException e)
                {
                    Assert.Contains(e.Fault, length < 136 ? [DicomFault.NotDicom, DicomFault.Truncated] : new[] { DicomFault.Truncated });
                }
            }
        }

        if (syntax == TransferSyntaxes.DeflatedExplicitVrLittleEndian)
        {
            Assert.Empty(tolerated);
            return;
        }

        // Before the first element there is no data set: truncated.
        int dataSet = 132 + 12 + file[140];
        int[] boundaries = [.. (await BoundariesAsync(file, syntax)).Where(length => length > dataSet)];
        Assert.Equal(boundaries, tolerated.Distinct());
        Assert.Equal(tolerated.Count, 2 * boundaries.Length);
    }

    [Fact]
    public async Task A_sample_cut_off_anywhere_is_never_anything_but_truncated_or_shorter()
    {
        foreach (string name in (string[])["nested_priv_SQ", "UN_sequence", "chrFren", "SC_rgb_rle_2frame", "image_dfl"])
        {
            byte[] file = SampleFileTests.Sample(name);
            for (int length = 0; length < file.Length; length += name == "image_dfl" ? 37 : 1)
            {
                try
                {
                    DicomSummary summary = await Files.WalkAsync(file[..length]);
                    Assert.Equal(length, summary.Length);
                    Assert.NotEqual("image_dfl", name);
                }
                catch (DicomException e)
                {
                    Assert.Contains(e.Fault, new[] { DicomFault.Truncated, DicomFault.NotDicom });
                }
            }
        }
    }

    [Fact]
    public async Task Mutated_files_are_read_or_refused_in_bounded_memory_and_never_read_past_their_end()
    {
        Random random = new(20260105);
        byte[][] seeds = [.. Files.Syntaxes.Select(syntax => Files.Whole(syntax)), .. Files.Syntaxes.Take(3).Select(syntax => Files.Whole(syntax, meta: false))];
        if (Repository.DicomSamples is { } samples)
        {
            seeds = [.. seeds, .. Directory.EnumerateFiles(samples).Order(StringComparer.Ordinal).Select(File.ReadAllBytes).Where(bytes => bytes.Length < 10_000)];
        }

        (int read, int refused) = (0, 0);
        for (int i = 0; i < 20_000; i++)
        {
            byte[] file = Mutate(seeds[random.Next(seeds.Length)], random);
            using MemoryStream bytes = new(file);
            Trickle counted = new(bytes);
            Stream stream = random.Next(2) == 0 ? bytes : counted;
            long before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                if (random.Next(2) == 0)
                {
                    await DicomReader.ReadHeaderAsync(stream, TestContext.Current.CancellationToken);
                }
                else
                {
                    await DicomReader.WalkAsync(stream, TestContext.Current.CancellationToken);
                }

                read++;
            }
            catch (DicomException e)
            {
                Assert.True(e.Offset >= 0);
                refused++;
            }

            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, long.MinValue, 1 << 20);
            Assert.InRange(counted.BytesRead, 0, file.Length);
        }

        // Both happen, or the mutations test nothing.
        Assert.InRange(read, 2_000, 18_000);
        Assert.InRange(refused, 2_000, 18_000);
    }

    [Fact]
    public async Task Noise_is_refused()
    {
        Random random = new(3);
        for (int i = 0; i < 2_000; i++)
        {
            byte[] noise = new byte[random.Next(2000)];
            random.NextBytes(noise);
            await Assert.ThrowsAsync<DicomException>(() => Files.WalkAsync(noise));
            await Assert.ThrowsAsync<DicomException>(() => Files.WalkAsync([.. new byte[128], .. "DICM"u8, .. noise]));
        }
    }

    [Fact]
    public async Task Memory_does_not_grow_with_the_file()
    {
        const long Pixels = 2L << 30;
        byte[] start = Files.Write(TransferSyntaxes.ExplicitVrLittleEndian, file =>
        {
            Files.Identity(file);
            file.Header(0x7FE0_0010, "OW", (uint)Pixels);
        });
        Zeros volume = new(start, Pixels);
        long before = GC.GetTotalAllocatedBytes(precise: true);

        DicomSummary summary = await DicomReader.WalkAsync(volume, TestContext.Current.CancellationToken);

        Assert.Equal(Pixels, summary.PixelDataLength);
        Assert.Equal(start.Length + Pixels, summary.Length);
        Assert.InRange(volume.Largest, 1, 128 << 10);
        // Other tests run meanwhile and allocate too; 2 GB would show all the same.
        Assert.InRange(GC.GetTotalAllocatedBytes(precise: true) - before, 0, 512L << 20);
    }

    /// <summary>Where an outermost element ends, by walking ever longer prefixes that end with an item, which may be in sequences only.</summary>
    private static async Task<List<int>> BoundariesAsync(byte[] file, string syntax)
    {
        List<int> boundaries = [];
        byte[] item = syntax == TransferSyntaxes.ExplicitVrBigEndian ? [0xFF, 0xFE, 0xE0, 0, 0, 0, 0, 0] : [0xFE, 0xFF, 0, 0xE0, 0, 0, 0, 0];
        for (int length = 1; length < file.Length; length++)
        {
            byte[] marked = [.. file.AsSpan(0, length), .. item];
            try
            {
                await Files.WalkAsync(marked);
            }
            catch (DicomException e) when (e.Fault == DicomFault.BadSequence && e.Offset == length && e.Message.Contains("In the data set", StringComparison.Ordinal))
            {
                boundaries.Add(length);
            }
            catch (DicomException)
            {
                // The prefix ends inside something.
            }
        }

        return boundaries;
    }

    private static byte[] Mutate(byte[] seed, Random random)
    {
        List<byte> bytes = [.. seed];
        for (int i = random.Next(1, 5); i > 0; i--)
        {
            int at = random.Next(bytes.Count);
            switch (random.Next(5))
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
                default:
                    for (int j = 0; j < 4 && at + j < bytes.Count; j++)
                    {
                        bytes[at + j] = 0xFF;
                    }

                    break;
            }
        }

        return [.. bytes];
    }

    /// <summary>A start, then as many zeros as wanted, without memory.</summary>
    private sealed class Zeros(byte[] start, long zeros) : Stream
    {
        private readonly long _length = start.Length + zeros;
        private long _position;

        public int Largest { get; private set; }

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => _position; set => throw new NotSupportedException(); }

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            Largest = Math.Max(Largest, buffer.Length);
            int count = (int)Math.Min(buffer.Length, _length - _position);
            for (int i = 0; i < count && _position + i < start.Length; i++)
            {
                buffer.Span[i] = start[_position + i];
            }

            _position += count;
            return ValueTask.FromResult(count);
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
