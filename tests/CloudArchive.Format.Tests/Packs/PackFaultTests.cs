using System.Security.Cryptography;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Sealing;
using CloudArchive.Format.Tests.Sealing;

namespace CloudArchive.Format.Tests.Packs;

/// <summary>What can happen to a pack at rest or on its way: each is refused, and each under its own name.</summary>
public sealed class PackFaultTests
{
    private static readonly Lazy<Task<SamplePack>> SmallPack = new(() => SamplePack.CreateAsync([SamplePack.File("a.dcm", RandomNumberGenerator.GetBytes(40), deflate: false)]));
    private static readonly Lazy<Task<SamplePack>> BigPack = new(() => SamplePack.CreateAsync([.. SamplePack.TwoFiles(), SamplePack.File("volume.dcm", RandomNumberGenerator.GetBytes(RegionSealer.ThreeRegions), deflate: false)]));

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Truncated_at_a_regions_boundary()
    {
        SamplePack pack = await BigPack.Value;
        byte[][] regions = RegionSealer.Split(pack.Ciphertext);
        byte[] twoRegions = RegionSealer.Join(regions[0], regions[1]);

        Assert.Equal(PackFault.Truncated, await pack.FaultOfAsync(twoRegions, pack.Identity));
        Assert.Equal(PackFault.Truncated, await pack.FaultOfAsync(regions[0], pack.Identity));
        Assert.Equal(PackFault.Truncated, await pack.FaultOfAsync([], pack.Identity));
        Assert.Equal(PackFault.Truncated, await pack.FaultOfAsync(twoRegions, new PackIdentity(Length: pack.Summary.Length)));

        // Nothing is known of the pack: every region is authentic and in its place, and there is no end of a ZIP.
        Assert.Equal(PackFault.ZipInvalid, await pack.FaultOfAsync(twoRegions, null));
    }

    [Fact]
    public async Task Truncated_anywhere_else()
    {
        SamplePack pack = await BigPack.Value;
        foreach (int missing in new[] { 1, 16, 28, 100, Regions.SealedDataLength - 1, Regions.SealedDataLength + 1 })
        {
            Assert.Equal(PackFault.Truncated, await pack.FaultOfAsync(pack.Ciphertext[..^missing], pack.Identity));
        }
    }

    [Fact]
    public async Task Regions_swapped()
    {
        SamplePack pack = await BigPack.Value;
        byte[][] regions = RegionSealer.Split(pack.Ciphertext);
        byte[] swapped = RegionSealer.Join(regions[1], regions[0], regions[2]);

        Assert.Equal(PackFault.RegionsReordered, await pack.FaultOfAsync(swapped, pack.Identity));
        Assert.Equal(PackFault.RegionsReordered, await pack.FaultOfAsync(swapped, null));
    }

    [Fact]
    public async Task A_region_repeated_or_left_out()
    {
        SamplePack pack = await BigPack.Value;
        byte[][] regions = RegionSealer.Split(pack.Ciphertext);
        byte[][] rearranged = [RegionSealer.Join(regions[0], regions[0], regions[1], regions[2]), RegionSealer.Join(regions[0], regions[2]), RegionSealer.Join(regions[0], regions[0], regions[2])];

        foreach (byte[] ciphertext in rearranged)
        {
            Assert.Equal(PackFault.RegionsReordered, await pack.FaultOfAsync(ciphertext, pack.Identity));
            Assert.Equal(PackFault.RegionsReordered, await pack.FaultOfAsync(ciphertext, null));
        }
    }

    [Fact]
    public async Task First_region_missing()
    {
        SamplePack pack = await BigPack.Value;
        byte[][] regions = RegionSealer.Split(pack.Ciphertext);
        byte[] rest = RegionSealer.Join(regions[1], regions[2]);

        Assert.Equal(PackFault.FirstRegionMissing, await pack.FaultOfAsync(rest, pack.Identity));
        Assert.Equal(PackFault.FirstRegionMissing, await pack.FaultOfAsync(rest, null));
    }

    [Fact]
    public async Task One_bit_flipped_in_any_byte_of_a_small_pack()
    {
        SamplePack pack = await SmallPack.Value;
        for (int i = 0; i < pack.Ciphertext.Length; i++)
        {
            // Every byte; every bit is UnsealingStreamTests'.
            byte[] altered = Flip(pack.Ciphertext, (i * 8) + (i % 8));
            Assert.Equal(PackFault.Altered, await pack.FaultOfAsync(altered, i % 2 == 0 ? pack.Identity : null));
        }
    }

    [Fact]
    public async Task One_bit_flipped_somewhere_in_a_large_pack()
    {
        SamplePack pack = await BigPack.Value;
        long bits = pack.Ciphertext.Length * 8L;
        foreach (long bit in (long[])[0, 95, 96, Regions.SealedDataLength * 8L, bits / 3, bits / 2, bits - 128, bits - 1])
        {
            Assert.Equal(PackFault.Altered, await pack.FaultOfAsync(Flip(pack.Ciphertext, bit), pack.Identity));
        }
    }

    [Fact]
    public async Task Wrong_key()
    {
        SamplePack pack = await SmallPack.Value;
        using RSA other = RSA.Create(2048);
        byte[] otherContentKey = RandomNumberGenerator.GetBytes(32);

        // Another clinic's key does not unwrap.
        Assert.Equal(PackFault.WrongKey, Assert.Throws<PackException>(() => KeyWrapping.Unwrap(pack.Sidecar.Encryption.WrappedContentKey, other)).Fault);

        // Another pack's content key: the bytes are those that were committed, so it is the key.
        Assert.Equal(PackFault.WrongKey, (await Assert.ThrowsAsync<PackException>(() => SamplePack.ReadAsync(pack.Ciphertext, otherContentKey, pack.Identity))).Fault);

        // Without a hash to compare with nobody can tell.
        Assert.Equal(PackFault.Altered, (await Assert.ThrowsAsync<PackException>(() => SamplePack.ReadAsync(pack.Ciphertext, otherContentKey, null))).Fault);
    }

    [Fact]
    public async Task Wrong_blob_under_the_right_name()
    {
        SamplePack pack = await SmallPack.Value;
        PackHeader otherPack = SamplePack.Header with { Pack = PackId.Parse("01890a5d-ac96-774b-bcce-b302099a8058") };
        PackHeader otherClinic = SamplePack.Header with { Clinic = ClinicId.Parse("nachbarpraxis") };
        foreach (PackHeader header in new[] { otherPack, otherClinic })
        {
            // Intact, and with its own metadata: the key opens it.
            SamplePack other = await SamplePack.CreateAsync(header: header);

            Assert.Equal(PackFault.WrongBlob, await other.FaultOfAsync(other.Ciphertext, pack.Identity));
            Assert.Equal(PackFault.WrongBlob, await other.FaultOfAsync(other.Ciphertext, new PackIdentity(pack.Sidecar.Clinic, pack.Sidecar.Pack)));
        }
    }

    [Fact]
    public async Task Another_seal_of_the_same_pack_id_is_not_what_was_committed()
    {
        SamplePack committed = await SamplePack.CreateAsync();
        SamplePack other = await SamplePack.CreateAsync(); // random content of the same sizes

        Assert.Equal(PackFault.HashMismatch, await other.FaultOfAsync(other.Ciphertext, committed.Identity with { Length = other.Ciphertext.Length }));
        Assert.Equal(PackFault.ManifestInvalid, await other.FaultOfAsync(other.Ciphertext, new PackIdentity(InstancesRoot: committed.Summary.InstancesRoot)));
        Assert.Equal(PackFault.ManifestInvalid, await other.FaultOfAsync(other.Ciphertext, new PackIdentity(Study: Uid.Parse("1.2.3"))));
    }

    [Fact]
    public async Task Bytes_appended()
    {
        SamplePack pack = await SmallPack.Value;

        Assert.Equal(PackFault.LengthMismatch, await pack.FaultOfAsync([.. pack.Ciphertext, 0], pack.Identity));
        Assert.Equal(PackFault.LengthMismatch, await pack.FaultOfAsync([.. pack.Ciphertext, .. new byte[Regions.SealedDataLength]], pack.Identity));
    }

    [Fact]
    public async Task The_ciphertext_alone_can_be_checked()
    {
        SamplePack pack = await SmallPack.Value;
        byte[] bytes = pack.Ciphertext;
        (long length, Sha256Digest sha256) = (pack.Summary.Length, pack.Summary.Sha256);

        await PackVerifier.CheckCiphertextAsync(new MemoryStream(bytes), length, sha256, Cancellation);
        Assert.Equal(PackFault.LengthMismatch, await FaultAsync(bytes[..^1]));
        Assert.Equal(PackFault.LengthMismatch, await FaultAsync([.. bytes, 0]));
        Assert.Equal(PackFault.LengthMismatch, await FaultAsync([]));
        Assert.Equal(PackFault.HashMismatch, await FaultAsync(Flip(bytes, 7)));

        async Task<PackFault> FaultAsync(byte[] ciphertext) =>
            (await Assert.ThrowsAsync<PackException>(() => PackVerifier.CheckCiphertextAsync(new MemoryStream(ciphertext), length, sha256, Cancellation))).Fault;
    }

    private static byte[] Flip(byte[] bytes, long bit)
    {
        byte[] altered = [.. bytes];
        altered[bit / 8] ^= (byte)(1 << (int)(bit % 8));
        return altered;
    }
}
