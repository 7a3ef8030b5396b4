using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Sealing;

namespace CloudArchive.Format.Tests.Packs;

/// <summary>Authentic seals with hostile content: an agent's machine may be anyone's.</summary>
public sealed class PackReaderTests
{
    private static readonly (string Entry, byte[] Content)[] Files = [("a.dcm", ForgedPack.Ascii("first")), ("b/c.dcm", ForgedPack.Ascii("second"))];

    private static Manifest Good => ForgedPack.ManifestOf(Files);

    [Fact]
    public async Task An_honest_forgery_opens() =>
        Assert.Equal(Files.Select(file => file.Content), await ForgedPack.ReadAsync(ForgedPack.Zip(Files, Good)));

    [Theory]
    [InlineData("../a.dcm")]
    [InlineData("/a.dcm")]
    [InlineData("a/../../b")]
    [InlineData(@"..\a.dcm")]
    [InlineData("C:/a.dcm")]
    [InlineData("c:a.dcm")]
    [InlineData("//server/share/a")]
    [InlineData("NUL")]
    [InlineData("a/con.dcm")]
    [InlineData("a.dcm ")]
    [InlineData("a.dcm.")]
    [InlineData("a\0b")]
    [InlineData("a.dcm:stream")]
    [InlineData("a/")]
    [InlineData("Manifest.json")]
    [InlineData("b/C.dcm")]
    [InlineData("b")]
    public async Task A_name_that_would_leave_its_folder_or_meet_another_is_refused(string name)
    {
        (string, byte[])[] files = [("b/c.dcm", [1]), (name, name.EndsWith('/') ? [] : [2])];

        Assert.Equal(PackFault.ManifestInvalid, (await ForgedPack.FailureOfAsync(ForgedPack.Zip(files, ForgedPack.ManifestOf(files)))).Fault);
    }

    [Fact]
    public async Task Entries_that_the_manifest_does_not_list_are_refused() =>
        await AssertManifestInvalidAsync([.. Files, ("extra.exe", [1])], Good);

    [Fact]
    public async Task Entries_that_the_zip_lacks_are_refused() =>
        await AssertManifestInvalidAsync(Files[..1], Good);

    [Fact]
    public async Task Entries_in_another_order_are_refused() =>
        await AssertManifestInvalidAsync([Files[1], Files[0]], Good);

    [Fact]
    public async Task Duplicate_entries_are_refused()
    {
        (string, byte[])[] twice = [Files[0], Files[0]];

        await AssertManifestInvalidAsync(twice, ForgedPack.ManifestOf(twice));
        await AssertManifestInvalidAsync([Files[0], Files[0], Files[1]], Good);
    }

    [Fact]
    public async Task A_manifest_that_is_not_last_is_refused()
    {
        byte[] json = CanonicalJson.Serialize(Good);

        Assert.Equal(PackFault.ManifestInvalid, (await ForgedPack.FailureOfAsync(ForgedPack.Zip((Manifest.EntryName, json), Files[0], Files[1]))).Fault);
        Assert.Equal(PackFault.ManifestInvalid, (await ForgedPack.FailureOfAsync(ForgedPack.Zip(Files[0], Files[1]))).Fault);
        Assert.Equal(PackFault.ManifestInvalid, (await ForgedPack.FailureOfAsync(ForgedPack.Zip(Files[0], Files[1], (Manifest.EntryName, json), (Manifest.EntryName, json)))).Fault);
    }

    [Fact]
    public async Task A_manifest_that_lies_about_lengths_is_refused() =>
        await AssertManifestInvalidAsync(Files, With(0, instance => instance with { Length = 4 }));

    [Fact]
    public async Task A_manifest_that_lies_about_a_hash_is_refused()
    {
        PackException failure = await ForgedPack.FailureOfAsync(ForgedPack.Zip(Files, With(1, instance => instance with { Sha256 = Sha256Digest.Of("other"u8) })));

        Assert.Equal(PackFault.InstanceMismatch, failure.Fault);
    }

    [Fact]
    public async Task A_manifest_of_another_pack_is_the_wrong_blob()
    {
        Manifest other = Good with { Pack = PackId.Parse("01890a5d-ac96-774b-bcce-b302099a8058") };

        Assert.Equal(PackFault.WrongBlob, (await ForgedPack.FailureOfAsync(ForgedPack.Zip(Files, other))).Fault);
    }

    public static TheoryData<string> BadManifests => new(
        "", "null", "[]", "{}", "{", "true",
        Json(Good with { Format = "cloudarchive/manifest/3" }),
        Json(Good).Replace("\"format\"", "\"format\":\"x\",\"format\""),
        Json(Good).Replace("\"clinic\":\"musterpraxis\"", "\"clinic\":\"X\""),
        Json(Good).Replace("\"clinic\":\"musterpraxis\",", ""),
        Json(Good).Replace("\"instances\":[", "\"instances\":[null,"),
        Json(Good with { Instances = [] }),
        Json(Good).Replace("\"length\":5", "\"length\":-5"),
        Json(Good).Replace("\"length\":5", "\"length\":5.5"),
        Json(Good).Replace("\"length\":5", "\"length\":\"5\""),
        Json(Good).Replace("\"length\":5", "\"length\":99999999999999999999"),
        Json(Good).Replace("\"a.dcm\"", "\"\\ud800\""),
        new string('[', 10_000));

    [Theory]
    [MemberData(nameof(BadManifests))]
    public async Task A_manifest_that_is_none_is_refused(string json) =>
        Assert.Equal(PackFault.ManifestInvalid, (await ForgedPack.FailureOfAsync(ForgedPack.Zip([.. Files, (Manifest.EntryName, Encoding.UTF8.GetBytes(json))]))).Fault);

    /// <summary>The ZIP and the manifest agree on 5 bytes, and megabytes would come out.</summary>
    [Theory]
    [InlineData(CompressionLevel.Optimal)]
    [InlineData(CompressionLevel.NoCompression)]
    public async Task A_zip_bomb_stops_at_the_length_in_the_manifest(CompressionLevel level)
    {
        byte[] manifest = CanonicalJson.Serialize(ForgedPack.ManifestOf(("bomb.dcm", ForgedPack.Ascii("12345"))));
        byte[] honest = ForgedPack.Zip(level, ("bomb.dcm", new byte[3 * 1024 * 1024]), (Manifest.EntryName, manifest));
        byte[] ciphertext = ForgedPack.Seal(PatchCentralDirectory(honest, 0, offset: 24, BitConverter.GetBytes(5)), out byte[] keyBytes);
        using ContentKey key = ContentKey.ForVectors(keyBytes);
        await using PackReader reader = await PackReader.OpenAsync(new MemoryStream(ciphertext), key, null, TestContext.Current.CancellationToken);
        using MemoryStream restored = new();

        PackException failure = await Assert.ThrowsAsync<PackException>(() => reader.ExtractAsync(reader.Manifest.Instances[0], restored, TestContext.Current.CancellationToken));

        Assert.Equal(PackFault.InstanceMismatch, failure.Fault);
        Assert.InRange(restored.Length, 0, 5);
    }

    /// <summary>What inflates to 8 MB and more claims the length of a manifest.</summary>
    [Fact]
    public async Task A_manifest_that_is_a_zip_bomb_stops_at_its_length()
    {
        byte[] huge = Encoding.ASCII.GetBytes(Json(Good) + new string(' ', 8 * 1024 * 1024));
        byte[] honest = ForgedPack.Zip([.. Files, (Manifest.EntryName, huge)]);
        byte[] bomb = PatchCentralDirectory(honest, 2, offset: 24, BitConverter.GetBytes(Json(Good).Length));

        PackException failure = await ForgedPack.FailureOfAsync(bomb);

        Assert.True(failure.Fault is PackFault.ManifestInvalid or PackFault.ZipInvalid, $"{failure.Fault}");
    }

    [Fact]
    public async Task A_manifest_beyond_the_limit_is_not_even_read()
    {
        byte[] huge = PatchCentralDirectory(ForgedPack.Zip(Files, Good), 2, offset: 24, BitConverter.GetBytes(PackLimits.ManifestLength + 1));

        Assert.Equal(PackFault.ManifestInvalid, (await ForgedPack.FailureOfAsync(huge)).Fault);
    }

    [Fact]
    public async Task A_directory_beyond_the_limit_is_not_even_read()
    {
        (string, byte[])[] many = [.. Enumerable.Range(0, 20_000).Select(i => ($"{i}".PadLeft(1000, 'x'), Array.Empty<byte>()))];

        PackException failure = await ForgedPack.FailureOfAsync(ForgedPack.Zip(many));

        Assert.Equal(PackFault.ZipInvalid, failure.Fault);
        Assert.Null(failure.InnerException); // refused before the ZIP was opened
    }

    [Fact]
    public async Task More_instances_than_the_limit_are_refused()
    {
        (string, byte[])[] many = [.. Enumerable.Range(0, PackLimits.Instances + 1).Select(i => ($"{i}", Array.Empty<byte>()))];

        await AssertManifestInvalidAsync(many, ForgedPack.ManifestOf(many));
    }

    [Fact]
    public async Task What_is_no_zip_is_refused()
    {
        byte[] zip = ForgedPack.Zip(Files, Good);
        byte[] withComment = [.. zip[..^2], 3, 0, .. "abc"u8];
        byte[] farAway = [.. zip];
        BinaryPrimitives.WriteUInt32LittleEndian(farAway.AsSpan(zip.Length - 6), 0x7FFFFFFF);

        foreach (byte[] plaintext in (byte[][])[[1], new byte[22], new byte[1000], ForgedPack.Ascii("PK\x05\x06"), zip[..^1], [.. zip, 0], withComment, farAway, [0, .. zip]])
        {
            Assert.Equal(PackFault.ZipInvalid, (await ForgedPack.FailureOfAsync(plaintext)).Fault);
        }
    }

    [Fact]
    public async Task A_wrong_crc_is_refused_although_the_hash_is_right()
    {
        byte[] zip = PatchCentralDirectory(ForgedPack.Zip(Files, Good), 0, offset: 16, [1, 2, 3, 4]);

        Assert.Equal(PackFault.ZipInvalid, (await ForgedPack.FailureOfAsync(zip)).Fault);
    }

    [Theory]
    [InlineData(10, 12)] // bzip2
    [InlineData(10, 99)] // AES
    public async Task An_unknown_compression_is_refused(int offset, byte value)
    {
        byte[] zip = PatchCentralDirectory(ForgedPack.Zip(Files, Good), 0, offset, [value]);

        Assert.Equal(PackFault.ZipInvalid, (await ForgedPack.FailureOfAsync(zip)).Fault);
    }

    /// <summary>Any byte of the ZIP changed before sealing: the files come out right, or a PackException does; nothing else, ever.</summary>
    [Fact]
    public async Task No_damage_to_the_zip_leads_to_other_bytes_or_another_exception()
    {
        byte[] zip = ForgedPack.Zip(Files, Good);
        Random random = new(20260305);
        for (int i = 0; i < zip.Length; i++)
        {
            foreach (byte value in (byte[])[0, 0xFF, (byte)random.Next(256)])
            {
                byte[] damaged = [.. zip];
                damaged[i] = value;
                try
                {
                    List<byte[]> contents = await ForgedPack.ReadAsync(damaged);
                    Assert.Equal(Files.Select(file => file.Content), contents);
                }
                catch (PackException e)
                {
                    Assert.True(e.Fault is PackFault.ZipInvalid or PackFault.ManifestInvalid or PackFault.InstanceMismatch or PackFault.WrongBlob, $"byte {i}: {e.Fault}");
                }
            }
        }
    }

    [Fact]
    public async Task A_failure_names_no_path()
    {
        (string, byte[])[] files = [("Müller Hans.dcm", [1])];
        Manifest lie = ForgedPack.ManifestOf(files);
        lie = lie with { Instances = [lie.Instances[0] with { Instance = lie.Instances[0].Instance with { Sha256 = Sha256Digest.Of([2]) } }] };

        Assert.DoesNotContain("ller", (await ForgedPack.FailureOfAsync(ForgedPack.Zip(files, lie))).ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("ller", (await ForgedPack.FailureOfAsync(ForgedPack.Zip([("Müller", [])], Good))).ToString(), StringComparison.Ordinal);
    }

    private static string Json(Manifest manifest) => Encoding.UTF8.GetString(CanonicalJson.Serialize(manifest));

    private static Manifest With(int index, Func<SidecarInstance, SidecarInstance> change) =>
        Good with { Instances = [.. Good.Instances.Select((m, i) => i == index ? m with { Instance = change(m.Instance) } : m)] };

    private static async Task AssertManifestInvalidAsync((string, byte[])[] files, Manifest manifest) =>
        Assert.Equal(PackFault.ManifestInvalid, (await ForgedPack.FailureOfAsync(ForgedPack.Zip(files, manifest))).Fault);

    /// <summary>Overwrites bytes of an entry's record in the central directory (APPNOTE §4.3.12): 10 method, 16 CRC, 24 uncompressed size.</summary>
    private static byte[] PatchCentralDirectory(byte[] zip, int entry, int offset, byte[] bytes)
    {
        byte[] patched = [.. zip];
        int at = BinaryPrimitives.ReadInt32LittleEndian(zip.AsSpan(zip.Length - 6));
        for (int i = 0; i < entry; i++)
        {
            at += 46 + BinaryPrimitives.ReadUInt16LittleEndian(zip.AsSpan(at + 28)) + BinaryPrimitives.ReadUInt16LittleEndian(zip.AsSpan(at + 30)) + BinaryPrimitives.ReadUInt16LittleEndian(zip.AsSpan(at + 32));
        }

        Assert.Equal("PK\x01\x02"u8, zip.AsSpan(at, 4));
        bytes.CopyTo(patched, at + offset);
        return patched;
    }
}
