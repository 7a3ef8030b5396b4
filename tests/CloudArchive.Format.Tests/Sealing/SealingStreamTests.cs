using System.Security.Cryptography;
using CloudArchive.Format.Sealing;

namespace CloudArchive.Format.Tests.Sealing;

public sealed class SealingStreamTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(1)]
    [InlineData(Regions.DataLength - 1)]
    [InlineData(Regions.DataLength)]
    [InlineData(Regions.DataLength + 1)]
    [InlineData(2 * Regions.DataLength)]
    [InlineData(RegionSealer.ThreeRegions)]
    public async Task The_ciphertext_is_the_formats_to_the_byte(int length)
    {
        byte[] plaintext = RandomNumberGenerator.GetBytes(length);
        using ContentKey key = ContentKey.Create();
        byte[] expected = RegionSealer.Seal(RegionSealer.BytesOf(key), plaintext);
        using MemoryStream output = new();
        await using SealingStream sealing = new(output, key, leaveOpen: true);

        // In pieces of all sizes, synchronous and not.
        int at = 0;
        for (int size = 1; at < length; size = (size * 3) + 1)
        {
            int count = Math.Min(size, length - at);
            if (size % 2 == 0)
            {
                await sealing.WriteAsync(plaintext.AsMemory(at, count), Cancellation);
            }
            else
            {
                sealing.Write(plaintext, at, count);
            }

            at += count;
        }

        SealedBytes made = await sealing.CompleteAsync(Cancellation);

        Assert.Equal(expected, output.ToArray());
        Assert.Equal(new SealedBytes(expected.Length, Sha256Digest.Of(expected), length), made);
        Assert.Equal(expected.Length, Regions.SealedLength(length));
        Assert.Equal(length, Regions.PlaintextLength(expected.Length));
    }

    [Theory]
    [InlineData(0, 0L)]
    [InlineData(1, null)]
    [InlineData(28, null)]
    [InlineData(29, 1L)]
    [InlineData(Regions.SealedDataLength, (long)Regions.DataLength)]
    [InlineData(Regions.SealedDataLength + 1, null)]
    [InlineData(Regions.SealedDataLength + 28, null)]
    [InlineData(Regions.SealedDataLength + 29, Regions.DataLength + 1L)]
    public void A_length_that_no_plaintext_seals_to_is_known(long sealedLength, long? plaintextLength) =>
        Assert.Equal(plaintextLength, Regions.PlaintextLength(sealedLength));

    [Fact]
    public void A_key_seals_once()
    {
        using ContentKey key = ContentKey.Create();
        using SealingStream first = new(Stream.Null, key, leaveOpen: true);

        Assert.Throws<InvalidOperationException>(() => new SealingStream(Stream.Null, key, leaveOpen: true));
    }

    [Fact]
    public void A_key_that_was_unwrapped_cannot_seal()
    {
        using ContentKey key = ContentKey.Create();
        using ContentKey unwrapped = ContentKey.FromWrapInput(key.ToWrapInput());

        Assert.Throws<InvalidOperationException>(() => new SealingStream(Stream.Null, unwrapped, leaveOpen: true));
    }

    [Fact]
    public async Task Nothing_has_no_sealed_form()
    {
        using ContentKey key = ContentKey.Create();
        await using SealingStream sealing = new(new MemoryStream(), key, leaveOpen: false);

        await Assert.ThrowsAsync<InvalidOperationException>(() => sealing.CompleteAsync(Cancellation));
    }

    [Fact]
    public async Task Without_completion_the_last_region_never_goes_out()
    {
        using MemoryStream output = new();
        using ContentKey key = ContentKey.Create();
        await using (SealingStream sealing = new(output, key, leaveOpen: true))
        {
            await sealing.WriteAsync(new byte[Regions.DataLength + 100], Cancellation);
        }

        Assert.Equal(Regions.SealedDataLength, output.Length);
    }

    [Fact]
    public async Task After_completion_nothing_can_be_written()
    {
        using ContentKey key = ContentKey.Create();
        await using SealingStream sealing = new(new MemoryStream(), key, leaveOpen: false);
        await sealing.WriteAsync(new byte[1], Cancellation);
        await sealing.CompleteAsync(Cancellation);

        Assert.Throws<ObjectDisposedException>(() => sealing.WriteByte(1));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => sealing.CompleteAsync(Cancellation));
        Assert.False(sealing.CanWrite);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task After_a_region_was_lost_nothing_can_be_written(bool synchronous)
    {
        using ContentKey key = ContentKey.Create();
        await using FullDisk disk = new();
        await using SealingStream sealing = new(disk, key, leaveOpen: true);

        await Assert.ThrowsAsync<IOException>(() => WriteAsync(new byte[Regions.DataLength]));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => WriteAsync([1]));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => sealing.CompleteAsync(Cancellation));

        async Task WriteAsync(byte[] data)
        {
            if (synchronous)
            {
                sealing.Write(data);
            }
            else
            {
                await sealing.WriteAsync(data, Cancellation);
            }
        }
    }

    private sealed class FullDisk : MemoryStream
    {
        public override void Write(ReadOnlySpan<byte> buffer) => throw new IOException("No space left.");

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) => throw new IOException("No space left.");
    }
}
