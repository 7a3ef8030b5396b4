using System.Text;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Sealing;

namespace CloudArchive.Format.Tests.Packs;

/// <summary>Sets that are no studies: their ids, their sidecars, what a snapshot's pack holds. The ids were worked out by a few lines of Python (docs/formats.md).</summary>
public sealed class SetsTests
{
    private static readonly IdentifierSecret s_secret = IdentifierSecret.FromBytes([.. Enumerable.Range(0, 32).Select(i => (byte)i)]);

    [Fact]
    public void Ids_are_those_that_anyone_with_the_secret_works_out()
    {
        Assert.Equal("2.25.202869651359895966663030618725043351880", Sets.FolderOf(s_secret, "reception", "/images", "2024/Zwetschgenbäume").Value);
        Assert.Equal("2.25.280672623257321050941741966564417730324", Sets.FolderOf(s_secret, "reception", "/images", "").Value);
        Assert.Equal("2.25.225029817919638175380980849737383702105", Sets.SnapshotsOf(s_secret, "reception").Value);
        Assert.Equal("2.25.302652579918965577886386472538583578916", Sets.InstanceOf(Sha256Digest.Of([])).Value);
    }

    [Theory]
    [InlineData("a", "b/c", "a/b", "c")]
    [InlineData("a", "1:b", "a1", "b")]
    [InlineData("a", "b ", "a", "b")]
    public void No_two_folders_share_one(string root, string folder, string otherRoot, string otherFolder) =>
        Assert.NotEqual(Sets.FolderOf(s_secret, "pc", root, folder), Sets.FolderOf(s_secret, "pc", otherRoot, otherFolder));

    [Theory]
    [InlineData("x.JPG", false, FileKind.Photo)]
    [InlineData("a.b/x", false, FileKind.Other)]
    [InlineData("x.stl", false, FileKind.Surface)]
    [InlineData("x.jpg", true, FileKind.Dicom)]
    [InlineData("x.dcm", false, FileKind.Dicom)]
    [InlineData("report.pdf", false, FileKind.Document)]
    [InlineData("export.zip", false, FileKind.Archive)]
    [InlineData("op.mp4", false, FileKind.Video)]
    public void A_kind_is_of_the_name_unless_it_is_DICOM(string name, bool isDicom, FileKind kind) => Assert.Equal(kind, FileKinds.Of(name, isDicom));

    [Fact]
    public void A_signature_is_what_a_file_begins_as()
    {
        Assert.Equal(FileSignature.Jpeg, FileKinds.SignatureOf([0xFF, 0xD8, 0xFF, 0xE0], 4));
        Assert.Equal(FileSignature.Png, FileKinds.SignatureOf([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 0], 9));
        Assert.Equal(FileSignature.Tiff, FileKinds.SignatureOf([0x49, 0x49, 0x2A, 0x00], 4));
        Assert.Equal(FileSignature.Tiff, FileKinds.SignatureOf([0x4D, 0x4D, 0x00, 0x2A], 4));
        Assert.Equal(FileSignature.Pdf, FileKinds.SignatureOf("%PDF-1.7"u8, 8));
        Assert.Equal(FileSignature.Zip, FileKinds.SignatureOf([0x50, 0x4B, 3, 4], 4));
        Assert.Equal(FileSignature.Stl, FileKinds.SignatureOf([.. new byte[80], 2, 0, 0, 0], 184));
        Assert.Null(FileKinds.SignatureOf([.. new byte[80], 2, 0, 0, 0], 185));
        Assert.Equal(FileSignature.Dicom, FileKinds.SignatureOf([.. new byte[128], 0x44, 0x49, 0x43, 0x4D], 132));
        Assert.Null(FileKinds.SignatureOf([], 0));
    }

    [Fact]
    public async Task A_pack_of_plain_files_says_where_they_were_found_and_outside_the_seal_what_kind_they_are()
    {
        (Sidecar sidecar, Manifest manifest) = await SealAsync(SetKind.Folder, ("empty.txt", []), ("photos/smile.jpg", [0xFF, 0xD8, 0xFF, 0xE0, 1, 2, 3]));
        Assert.Equal((Sidecar.FormatOfSets, SetKind.Folder), (sidecar.Format, sidecar.Set));
        Assert.Equal((SetKind.Folder, new ManifestRoot("reception", "images")), (manifest.Set, Assert.Single(manifest.Roots!)));
        Assert.Equal([0, 0], manifest.Instances.Select(file => file.Root));
        Assert.Equal([null, FileSignature.Jpeg], manifest.Instances.Select(file => file.Signature));
        string outside = Encoding.UTF8.GetString(Sidecars.Serialize(sidecar));
        Assert.Contains("\"kind\":\"photo\"", outside, StringComparison.Ordinal);
        Assert.All((string[])["smile", "photos", "reception", "images"], secret => Assert.DoesNotContain(secret, outside.Replace("\"instances", "", StringComparison.Ordinal), StringComparison.Ordinal));
        Assert.Equal(outside, Encoding.UTF8.GetString(Sidecars.Serialize(Sidecars.Parse(Encoding.UTF8.GetBytes(outside)))));
    }

    [Fact]
    public async Task A_sidecar_that_says_more_or_other_than_its_set_may_is_refused()
    {
        (Sidecar good, _) = await SealAsync(SetKind.Folder, ("a.txt", [1]));
        Sidecars.Check(good);
        SidecarInstance instance = good.Instances[0];
        Refused(good with { Format = Sidecar.FormatWithoutRetention });
        Refused(good with { Set = null });
        Refused(good with { Set = SetKind.Study });
        Refused(good with { Set = SetKind.Snapshot });
        Refused(good with { StudyDate = "20240101" });
        Refused(good with { PatientHmac = good.Sha256 });
        Refused(good with { Study = Uid.Parse("1.2.3") });
        Refused(With(good, instance with { Modality = "CT" }));
        Refused(With(good, instance with { Kind = null }));
        Refused(With(good, instance with { Kind = FileKind.Snapshot }));
        Refused(With(good, instance with { SopInstance = Uid.Parse("2.25.1") }));
        Refused(good with { Snapshot = new SidecarSnapshot(default, [], [], 1, 1, 1, true) });
    }

    [Fact]
    public void A_snapshots_line_that_is_none_is_refused()
    {
        Assert.Equal(new SnapshotLine(1, "a/b"), Snapshots.ParseLine("""{"root":1,"path":"a/b"}"""u8, 0));
        string[] bad = ["", "null", "[]", "{}", """{"root":1,"path":""}""", """{"root":1,"path":"a","length":1}""", """{"root":1,"path":"a","length":-1,"modifiedAt":"2026-01-01T00:00:00Z","sha256":"x","pack":0}"""];
        Assert.All(bad, line => Assert.Throws<PackException>(() => Snapshots.ParseLine(Encoding.UTF8.GetBytes(line), 1)));
        string sha256 = new('a', 64);
        string line = $"{{\"root\":1,\"path\":\"a\",\"length\":1,\"modifiedAt\":\"2026-01-01T00:00:00Z\",\"sha256\":\"{sha256}\",\"pack\":1}}";
        Assert.Equal(1, Snapshots.ParseLine(Encoding.UTF8.GetBytes(line), 2).Pack);
        Assert.Throws<PackException>(() => Snapshots.ParseLine(Encoding.UTF8.GetBytes(line), 1)); // a pack that it does not list
    }

    [Theory]
    [InlineData("1,2", null)]
    [InlineData("2,1,2", "2 folders with the number 2")]
    [InlineData("7,7,7", "3 folders with the number 7")]
    public void A_snapshot_in_which_two_folders_have_one_number_is_refused_and_says_so(string ids, string? problem)
    {
        SnapshotRoot[] roots = [.. ids.Split(',').Select((id, i) => new SnapshotRoot(long.Parse(id), $"folder {i}", $"/images/{i}"))];
        Snapshot snapshot = new(Snapshot.CurrentFormat, ClinicId.Parse("test-clinic"), "reception", DateTimeOffset.UnixEpoch, roots, [], 0, 0, true);
        byte[] json = System.Text.Json.JsonSerializer.SerializeToUtf8Bytes(snapshot, FormatJson.Options);
        if (problem is null)
        {
            Assert.Equal(roots, Snapshots.Parse(json).Roots);
            return;
        }

        PackException refused = Assert.Throws<PackException>(() => Snapshots.Parse(json));
        Assert.Equal(PackFault.ManifestInvalid, refused.Fault);
        Assert.Contains(problem, refused.Message, StringComparison.Ordinal);
    }

    private static Sidecar With(Sidecar sidecar, SidecarInstance instance) => sidecar with { Instances = [instance], InstancesRoot = InstancesRoot.Of([instance]) };

    private static void Refused(Sidecar sidecar) => Assert.Equal(PackFault.SidecarInvalid, Assert.Throws<PackException>(() => Sidecars.Check(sidecar)).Fault);

    private static async Task<(Sidecar Sidecar, Manifest Manifest)> SealAsync(SetKind set, params (string Path, byte[] Content)[] files)
    {
        using ContentKey key = ContentKey.Create();
        PackHeader header = new(ClinicId.Parse("demo-dental"), PackId.New(TimeProvider.System), Sets.FolderOf(s_secret, "reception", "/images", ""), new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero), set);
        using MemoryStream output = new();
        await using PackWriter writer = new(output, header, key);
        foreach ((string path, byte[] content) in files)
        {
            PackEntry entry = new(path, header.CreatedAt, SidecarInstance.Plain(FileKinds.Of(path), content.Length, Sha256Digest.Of(content)), Deflate: true, Root: new ManifestRoot("reception", "images"));
            await writer.AddAsync(entry, new MemoryStream(content), TestContext.Current.CancellationToken);
        }

        PackSummary summary = await writer.CompleteAsync(TestContext.Current.CancellationToken);
        using System.Security.Cryptography.RSA rsa = System.Security.Cryptography.RSA.Create(2048);
        Format.Signing.Jwk wrapping = Format.Signing.JwkKeys.FromRsa(rsa);
        Sidecar sidecar = Sidecars.For(header, summary, KeyWrapping.Wrap(key, wrapping), KeyWrapping.Wrap(key, wrapping));
        using ContentKey opens = KeyWrapping.Unwrap(sidecar.Escrow, rsa);
        await using PackReader reader = await PackReader.OpenAsync(output, opens, PackIdentity.Of(sidecar), TestContext.Current.CancellationToken);
        return (sidecar, reader.Manifest);
    }
}
