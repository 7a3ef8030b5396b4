using System.Buffers.Binary;
using System.Security.Cryptography;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Sealing;
using CloudArchive.Format.Tests.Sealing;
using CloudArchive.Testing;

namespace CloudArchive.Format.Tests.Packs;

/// <summary>Memory is counted for the whole process: nothing else may run meanwhile.</summary>
[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone;

/// <summary>A pack may hold a volume of any size: memory stays where it is.</summary>
[Collection(nameof(Alone))]
public sealed class LargePackTests
{
    private const int MegaByte = 1024 * 1024;

    // The region that is being sealed takes 8 MB of the pool, which knows powers of two; the rest is buffers and small change.
    private const long AllowedBytes = 24 * MegaByte;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Sealing_300_megabytes_allocates_a_region()
    {
        SidecarInstance volume = VolumeOf(300L * MegaByte);
        using ContentKey key = ContentKey.Create();
        await using PackWriter writer = new(Stream.Null, SamplePack.Header, key);

        long before = GC.GetTotalAllocatedBytes(precise: true);
        await writer.AddAsync(EntryOf(volume), new Volume(volume.Length), Cancellation);
        PackSummary summary = await writer.CompleteAsync(Cancellation);
        long allocated = GC.GetTotalAllocatedBytes(precise: true) - before;

        Assert.InRange(summary.PlaintextLength, 300L * MegaByte, (300L * MegaByte) + 10_000);
        Assert.InRange(allocated, 0, AllowedBytes);
    }

    [Fact]
    public async Task Opening_and_reading_100_megabytes_allocates_two_regions()
    {
        SidecarInstance volume = VolumeOf(100L * MegaByte);
        using TemporaryFolder folder = new();
        await using FileStream file = File.Create(folder["pack"]);
        using ContentKey key = ContentKey.Create();
        PackSummary summary = await WriteAsync(file, volume, key);
        PackIdentity identity = new(Length: summary.Length, Sha256: summary.Sha256, InstancesRoot: summary.InstancesRoot);

        long before = GC.GetTotalAllocatedBytes(precise: true);
        await using (PackReader reader = await PackReader.OpenAsync(file, key, identity, Cancellation))
        {
            await reader.ExtractAsync(reader.Manifest.Instances[0], Stream.Null, Cancellation);
        }

        Assert.InRange(GC.GetTotalAllocatedBytes(precise: true) - before, 0, AllowedBytes);
    }

    /// <summary>
    /// Sizes and offsets beyond 32 bits, written to a stream that cannot seek, read back from a file: every part of ZIP64. Takes 5 GB of disk
    /// and a minute: run it with <c>--explicit only</c> after every change to the pack's reader or writer, and to the runtime's version.
    /// </summary>
    [Fact(Explicit = true)]
    public async Task A_pack_beyond_4_gigabytes_opens()
    {
        SidecarInstance large = VolumeOf((4L * 1024 * MegaByte) + 12_345);
        SidecarInstance small = VolumeOf(1000);
        using TemporaryFolder folder = new();
        await using FileStream file = File.Create(folder["pack"]);
        using ContentKey key = ContentKey.Create();
        await using PackWriter writer = new(new ForwardOnlyStream(file), SamplePack.Header, key);
        foreach (SidecarInstance volume in new[] { small, large, small with { SopInstance = Uid.Parse("1.2.3") } })
        {
            await writer.AddAsync(EntryOf(volume), new Volume(volume.Length), Cancellation);
        }

        PackSummary summary = await writer.CompleteAsync(Cancellation);
        PackIdentity identity = new(Length: summary.Length, Sha256: summary.Sha256, InstancesRoot: summary.InstancesRoot);

        long before = GC.GetTotalAllocatedBytes(precise: true);
        await using PackReader reader = await PackReader.OpenAsync(file, key, identity, Cancellation);
        foreach (ManifestInstance instance in reader.Manifest.Instances)
        {
            await reader.ExtractAsync(instance, Stream.Null, Cancellation);
        }

        Assert.InRange(GC.GetTotalAllocatedBytes(precise: true) - before, 0, AllowedBytes);
    }

    /// <summary>The ends of ZIPs beyond 32 bits, of which the one above is one: their directory is bounded like any other.</summary>
    [Theory]
    [InlineData(true, 1000, true)]
    [InlineData(true, 500, true)]
    [InlineData(true, 1001, false)] // beyond the end
    [InlineData(true, -1, false)]
    [InlineData(true, long.MinValue, false)]
    [InlineData(false, 1000, false)] // a locator without its record
    public async Task The_directory_of_a_zip64_is_bounded_too(bool hasRecord, long directoryStart, bool accepted)
    {
        byte[] zip = new byte[1000 + 56 + 20 + 22];
        Span<byte> record = zip.AsSpan(1000, 56);
        (hasRecord ? "PK\x06\x06"u8 : "XXXX"u8).CopyTo(record);
        BinaryPrimitives.WriteInt64LittleEndian(record[48..], directoryStart == 1001 ? zip.Length + 1 : directoryStart);
        "PK\x06\x07"u8.CopyTo(zip.AsSpan(1056));
        "PK\x05\x06"u8.CopyTo(zip.AsSpan(1076));
        zip.AsSpan(1076 + 10, 10).Fill(0xFF);

        Exception? refusal = await Record.ExceptionAsync(() => ZipChecks.BoundDirectoryAsync(new MemoryStream(zip), Cancellation));

        Assert.Equal(accepted ? null : PackFault.ZipInvalid, (refusal as PackException)?.Fault);
        Assert.Equal(accepted, refusal is null);
    }

    [Fact]
    public void The_crc_is_zips()
    {
        Assert.Equal(0xCBF43926, ZipChecks.Crc32(0, "123456789"u8)); // the check value of CRC-32/ISO-HDLC
        Assert.Equal(0xCBF43926, ZipChecks.Crc32(ZipChecks.Crc32(0, "1"u8), "23456789"u8));
        Assert.Equal(0u, ZipChecks.Crc32(0, []));
    }

    private static PackEntry EntryOf(SidecarInstance volume) => new($"{volume.SopInstance}.dcm", SamplePack.Header.CreatedAt, volume, Deflate: false);

    private static async Task<PackSummary> WriteAsync(Stream output, SidecarInstance volume, ContentKey key)
    {
        await using PackWriter writer = new(output, SamplePack.Header, key);
        await writer.AddAsync(EntryOf(volume), new Volume(volume.Length), Cancellation);
        return await writer.CompleteAsync(Cancellation);
    }

    private static SidecarInstance VolumeOf(long length)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using Volume volume = new(length);
        byte[] buffer = new byte[64 * 1024];
        for (int read; (read = volume.Read(buffer, 0, buffer.Length)) > 0;)
        {
            hash.AppendData(buffer, 0, read);
        }

        return SamplePack.Instance([]) with { SopInstance = Uid.Parse($"1.2.826.{length}"), Length = length, Sha256 = Sha256Digest.FromBytes(hash.GetCurrentHash()) };
    }

    /// <summary>So many bytes out of nothing.</summary>
    private sealed class Volume(long length) : Stream
    {
        private static readonly byte[] Pattern = RandomNumberGenerator.GetBytes(65_521); // prime: no two regions are alike
        private long _position;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => length;

        public override long Position { get => _position; set => throw new NotSupportedException(); }

        public override int Read(byte[] buffer, int offset, int count)
        {
            int at = (int)(_position % Pattern.Length);
            int read = (int)Math.Min(Math.Min(count, Pattern.Length - at), length - _position);
            Pattern.AsSpan(at, read).CopyTo(buffer.AsSpan(offset));
            _position += read;
            return read;
        }

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
