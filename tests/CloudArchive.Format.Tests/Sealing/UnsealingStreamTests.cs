using System.Security.Cryptography;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Sealing;

namespace CloudArchive.Format.Tests.Sealing;

public sealed class UnsealingStreamTests
{
    private static readonly byte[] Plaintext = RandomNumberGenerator.GetBytes(RegionSealer.ThreeRegions);
    private static readonly ContentKey Key = ContentKey.Create();
    private static readonly byte[] Ciphertext = RegionSealer.Seal(RegionSealer.BytesOf(Key), Plaintext);

    [Fact]
    public void Any_part_can_be_read_in_any_order()
    {
        using UnsealingStream stream = new(new MemoryStream(Ciphertext), Key);
        (long At, int Count)[] reads = [(Plaintext.Length - 22, 22), (0, 30), (Regions.DataLength - 5, 10), ((2 * Regions.DataLength) - 1, 778), (5, Regions.DataLength), (0, Plaintext.Length)];
        foreach ((long at, int count) in reads)
        {
            byte[] buffer = new byte[count];
            stream.Seek(at, SeekOrigin.Begin);
            stream.ReadExactly(buffer);
            Assert.True(Plaintext.AsSpan((int)at, count).SequenceEqual(buffer));
            Assert.Equal(at + count, stream.Position);
        }

        Assert.Equal(Plaintext.Length, stream.Length);
        Assert.Equal(0, stream.Read(new byte[1]));
        Assert.Equal(Plaintext.Length - 1, stream.Seek(-1, SeekOrigin.End));
        Assert.Equal(Plaintext[^1], stream.ReadByte());
        Assert.Throws<IOException>(() => stream.Seek(-1, SeekOrigin.Begin));
        Assert.Throws<ArgumentOutOfRangeException>(() => stream.Position = -1);
    }

    [Fact]
    public async Task What_the_python_sdk_counts_from_zero_big_endian_is_read_too()
    {
        byte[] ciphertext = RegionSealer.Seal(RegionSealer.BytesOf(Key), Plaintext, RegionSealer.PythonNonce);

        Assert.Equal(Plaintext, await ReadAllAsync(ciphertext));
    }

    [Fact]
    public async Task A_missing_first_region_is_named()
    {
        byte[][] regions = RegionSealer.Split(Ciphertext);

        await AssertFaultAsync(PackFault.FirstRegionMissing, RegionSealer.Join(regions[1], regions[2]));
        await AssertFaultAsync(PackFault.FirstRegionMissing, regions[2]);
    }

    [Fact]
    public async Task A_missing_first_region_is_named_for_pythons_counting_too()
    {
        byte[][] regions = RegionSealer.Split(RegionSealer.Seal(RegionSealer.BytesOf(Key), Plaintext, RegionSealer.PythonNonce));

        await AssertFaultAsync(PackFault.FirstRegionMissing, RegionSealer.Join(regions[1], regions[2]));
    }

    [Fact]
    public async Task Regions_in_another_order_repeated_or_left_out_are_named()
    {
        byte[][] regions = RegionSealer.Split(Ciphertext);

        await AssertFaultAsync(PackFault.RegionsReordered, RegionSealer.Join(regions[1], regions[0], regions[2]));
        await AssertFaultAsync(PackFault.RegionsReordered, RegionSealer.Join(regions[0], regions[0], regions[2]));
        await AssertFaultAsync(PackFault.RegionsReordered, RegionSealer.Join(regions[0], regions[1], regions[1], regions[2]));
        await AssertFaultAsync(PackFault.RegionsReordered, RegionSealer.Join(regions[0], regions[2]));
    }

    [Fact]
    public async Task A_missing_first_region_is_seen_from_the_end_too()
    {
        byte[][] regions = RegionSealer.Split(Ciphertext);
        await using UnsealingStream stream = new(new MemoryStream(RegionSealer.Join(regions[1], regions[2])), Key);
        stream.Seek(-1, SeekOrigin.End);

        Assert.Equal(PackFault.FirstRegionMissing, Assert.Throws<PackException>(() => stream.ReadByte()).Fault);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(28)]
    [InlineData(Regions.SealedDataLength + 13)]
    public void A_region_without_a_byte_of_content_is_cut_off(int length) =>
        Assert.Equal(PackFault.Truncated, Assert.Throws<PackException>(() => new UnsealingStream(new MemoryStream(Ciphertext, 0, length), Key)).Fault);

    [Fact]
    public async Task A_region_that_is_cut_short_is_not_authentic() =>
        await AssertFaultAsync(PackFault.Altered, Ciphertext[..^1]);

    [Fact]
    public async Task A_file_that_shrinks_while_it_is_read_is_truncated()
    {
        using MemoryStream shrinking = new();
        shrinking.Write(Ciphertext);
        await using UnsealingStream stream = new(shrinking, Key);
        shrinking.SetLength(1000);

        Assert.Equal(PackFault.Truncated, (await Assert.ThrowsAsync<PackException>(() => stream.ReadAsync(new byte[1], TestContext.Current.CancellationToken).AsTask())).Fault);
    }

    [Fact]
    public async Task AnotherKey_reads_nothing()
    {
        using ContentKey other = ContentKey.Create();
        await using UnsealingStream stream = new(new MemoryStream(Ciphertext), other);
        byte[] buffer = new byte[100];

        Assert.Equal(PackFault.Altered, Assert.Throws<PackException>(() => stream.Read(buffer)).Fault);
        Assert.Equal(new byte[100], buffer);
    }

    /// <summary>Every bit of a small region; first and last bits, and some sixty between, of two regions.</summary>
    [Fact]
    public async Task One_flipped_bit_anywhere_is_noticed()
    {
        byte[] small = RegionSealer.Seal(RegionSealer.BytesOf(Key), Plaintext[..200]);
        for (int bit = 0; bit < small.Length * 8; bit++)
        {
            await AssertFlippedBitIsNoticedAsync(small, bit);
        }

        byte[] big = RegionSealer.Seal(RegionSealer.BytesOf(Key), Plaintext[..(Regions.DataLength + 50)]);
        long step = (big.Length * 8L / 60) | 1;
        for (long bit = 0; bit < big.Length * 8L; bit += step)
        {
            await AssertFlippedBitIsNoticedAsync(big, bit);
        }
    }

    [Fact]
    public async Task A_region_that_failed_stays_closed_and_spoils_no_other()
    {
        byte[] altered = [.. Ciphertext];
        altered[^1] ^= 1;
        await using UnsealingStream stream = new(new MemoryStream(altered), Key);
        byte[] buffer = new byte[10];
        foreach (long good in (long[])[0, Regions.DataLength, 0, Regions.DataLength])
        {
            // Both places in memory are taken: the region that fails takes one of them.
            stream.Position = Regions.DataLength - good;
            stream.ReadExactly(buffer);
            stream.Position = good;
            stream.ReadExactly(buffer);
            Assert.True(Plaintext.AsSpan((int)good, 10).SequenceEqual(buffer));

            stream.Seek(-10, SeekOrigin.End);
            Assert.Equal(PackFault.Altered, Assert.Throws<PackException>(() => stream.Read(buffer)).Fault);
            Assert.True(Plaintext.AsSpan((int)good, 10).SequenceEqual(buffer));
        }
    }

    private static async Task AssertFlippedBitIsNoticedAsync(byte[] ciphertext, long bit)
    {
        ciphertext[bit / 8] ^= (byte)(1 << (int)(bit % 8));
        await AssertFaultAsync(PackFault.Altered, ciphertext);
        ciphertext[bit / 8] ^= (byte)(1 << (int)(bit % 8));
    }

    private static async Task AssertFaultAsync(PackFault fault, byte[] ciphertext) =>
        Assert.Equal(fault, (await Assert.ThrowsAsync<PackException>(() => ReadAllAsync(ciphertext))).Fault);

    private static async Task<byte[]> ReadAllAsync(byte[] ciphertext)
    {
        await using UnsealingStream stream = new(new MemoryStream(ciphertext), Key);
        byte[] plaintext = new byte[stream.Length];
        await stream.ReadExactlyAsync(plaintext, TestContext.Current.CancellationToken);
        return plaintext;
    }
}
