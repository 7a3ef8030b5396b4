using System.Buffers.Binary;
using System.Text;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Packs.Pixels;
using CloudArchive.Format.Sealing;
using CloudArchive.Format.Tests.Sealing;
using CloudArchive.Testing;

namespace CloudArchive.Format.Tests.Vectors;

/// <summary>tests/vectors/pack-2: a ZIP and a manifest of version 2, with an entry that is filtered. The seal and all around it are those of pack-1.</summary>
public sealed class Pack2VectorTests
{
    private const int Rows = 48, Columns = 64;

    private static readonly byte[] Prefix = Encoding.ASCII.GetBytes(new string('.', 128) + "DICM and what stands before the pixels");

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task It_opens_and_the_files_come_back()
    {
        byte[] sealedPack = RegionSealer.Seal(PackVectors.ContentKeyBytes, Read("plaintext.zip"));
        using ContentKey key = ContentKey.ForVectors(PackVectors.ContentKeyBytes);
        await using PackReader reader = await PackReader.OpenAsync(new MemoryStream(sealedPack), key, new PackIdentity(PackVectors.Header.Clinic, PackVectors.Header.Pack), Cancellation);

        Assert.Equal(Read("manifest.json"), CanonicalJson.Serialize(reader.Manifest));
        Assert.Equal(["Müller, Hans/CT 1.dcm", "Müller, Hans/CT 2.dcm"], reader.Manifest.Instances.Select(i => i.Entry));
        Assert.Equal(["Müller, Hans/CT 1.dcm.f1", "Müller, Hans/CT 2.dcm"], reader.Manifest.Instances.Select(i => i.ZipEntry));
        foreach ((ManifestInstance instance, (PackEntry _, byte[] content)) in reader.Manifest.Instances.Zip(Files()))
        {
            using MemoryStream restored = new();
            await reader.ExtractAsync(instance, restored, Cancellation);
            Assert.Equal(content, restored.ToArray());
        }
    }

    /// <summary>The deflated bytes are the runtime's; everything that the archive decides is the same.</summary>
    [Fact]
    public async Task The_same_files_make_the_same_manifest() => Assert.Equal(Read("manifest.json"), (await MakeAsync()).Manifest);

    /// <summary>No lock-in: who has the ZIP gets the files with Python's standard library and the forty lines of docs/formats.md.</summary>
    [Fact]
    public async Task Python_alone_gets_the_files_out_of_the_zip()
    {
        using TemporaryFolder folder = new();
        await File.WriteAllTextAsync(folder["restore.py"], PixelVectorTests.Script() + $"""

            import hashlib, json, zipfile
            pack = zipfile.ZipFile({System.Text.Json.JsonSerializer.Serialize(PathOf("plaintext.zip"))})
            for file in json.loads(pack.read("manifest.json"))["instances"]:
                bytes_ = unfilter(pack.read(file["entry"] + ".f1"), file["filter"]["pixels"]) if "filter" in file else pack.read(file["entry"])
                print(hashlib.sha256(bytes_).hexdigest() == file["instance"]["sha256"])
            """, Cancellation);

        Assert.Equal(["True", "True"], (await PixelVectorTests.RunPythonAsync(folder["restore.py"])).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Trim()));
    }

    [Fact(Explicit = true)]
    public async Task Make_the_vectors()
    {
        Assert.False(File.Exists(PathOf("plaintext.zip")), "These vectors are committed: a new version gets a folder of its own.");
        (byte[] plaintext, byte[] manifest) = await MakeAsync();
        await File.WriteAllBytesAsync(PathOf("plaintext.zip"), plaintext, Cancellation);
        await File.WriteAllBytesAsync(PathOf("manifest.json"), manifest, Cancellation);
    }

    private static async Task<(byte[] Plaintext, byte[] Manifest)> MakeAsync()
    {
        using ContentKey key = ContentKey.Create();
        using MemoryStream output = new();
        await using PackWriter writer = new(output, PackVectors.Header, key);
        foreach ((PackEntry entry, byte[] content) in Files())
        {
            await writer.AddAsync(entry, new MemoryStream(content), entry.FindPixels is null ? null : () => Task.FromResult(CaptureVerdict.Whole), Cancellation);
        }

        await writer.CompleteAsync(Cancellation);
        using UnsealingStream unsealing = new(output, key);
        byte[] plaintext = new byte[unsealing.Length];
        await unsealing.ReadExactlyAsync(plaintext, Cancellation);
        await using PackReader reader = await PackReader.OpenAsync(output, key, null, Cancellation);
        return (plaintext, CanonicalJson.Serialize(reader.Manifest));
    }

    private static (PackEntry Entry, byte[] Content)[] Files() => [Sample("Müller, Hans/CT 1.dcm", Image(), isFiltered: true), Sample("Müller, Hans/CT 2.dcm", Image()[..2000], isFiltered: false)];

    private static (PackEntry Entry, byte[] Content) Sample(string path, byte[] content, bool isFiltered)
    {
        SidecarInstance instance = new(
            Uid.Parse($"1.2.826.0.1.3680043.10.1.2.{content.Length}"), Uid.Parse("1.2.840.10008.5.1.4.1.1.2"), null, "CT", Uid.Parse("1.2.840.10008.1.2.1"), content.Length, Sha256Digest.Of(content));
        PixelLayout layout = new(Prefix.Length, Rows * Columns * 2, Rows, Columns, 1, 16, 0, false);
        return (new PackEntry(path, new DateTimeOffset(2025, 12, 31, 23, 59, 59, TimeSpan.Zero), instance, Deflate: true, isFiltered ? _ => layout : null), content);
    }

    /// <summary>A disc with noise in air, signed words, and a few bytes after them.</summary>
    private static byte[] Image()
    {
        byte[] pixels = new byte[Rows * Columns * 2];
        uint noise = 1;
        for (int i = 0; i < Rows * Columns; i++)
        {
            noise = (noise * 1_664_525) + 1_013_904_223;
            int x = (i % Columns) - (Columns / 2), y = (i / Columns) - (Rows / 2);
            BinaryPrimitives.WriteInt16LittleEndian(pixels.AsSpan(i * 2), (short)((x * x) + (y * y) < 400 ? 40 + x + (noise >> 28) : -1000));
        }

        return [.. Prefix, .. pixels, .. "after the pixels"u8];
    }

    private static byte[] Read(string name) => File.ReadAllBytes(PathOf(name));

    private static string PathOf(string name) => Path.Combine(Repository.Vectors, "pack-2", name);
}
