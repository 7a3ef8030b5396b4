using System.Buffers.Binary;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Packs.Pixels;
using CloudArchive.Format.Sealing;
using CloudArchive.Testing;

namespace CloudArchive.Format.Tests.Packs;

/// <summary>Packs with filtered entries: what comes back, and what hostile ones end in.</summary>
public sealed class FilteredPackTests
{
    private const int Side = 300;

    private static readonly PixelLayout Layout = new(200, Side * Side * 2, Side, Side, 1, 16, 0, false);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_filtered_file_comes_back_and_takes_less_room_than_deflated()
    {
        byte[] image = Image(noise: 20);
        SamplePack filtered = await SamplePack.CreateAsync([Filtered("Müller/CT.dcm", image, Layout), SamplePack.File("plain.dcm", image, deflate: true)]);
        using ZipArchive zip = new(new MemoryStream(filtered.Plaintext()), ZipArchiveMode.Read);

        Assert.Equal(["Müller/CT.dcm.f1", "plain.dcm", "manifest.json"], zip.Entries.Select(entry => entry.FullName));
        Assert.InRange(zip.Entries[0].CompressedLength, 1, zip.Entries[1].CompressedLength * 8 / 10);
        Assert.All(await filtered.ReadAsync(filtered.Ciphertext, filtered.Identity), content => Assert.True(image.AsSpan().SequenceEqual(content)));
    }

    /// <summary>No lock-in: the script of docs/formats.md, with a copy of the blob, its sidecar and the escrow key, and nothing of ours.</summary>
    [Fact]
    public async Task The_published_script_opens_it_with_the_escrow_key_alone()
    {
        byte[] image = Image(noise: 20), text = new byte[5000];
        SamplePack pack = await SamplePack.CreateAsync([Filtered("Müller/CT.dcm", image, Layout), SamplePack.File("Müller/plain.dcm", text, deflate: true)]);
        using TemporaryFolder folder = new();
        await File.WriteAllBytesAsync(folder["pack"], pack.Ciphertext, Cancellation);
        await File.WriteAllBytesAsync(folder["sidecar"], Sidecars.Serialize(pack.Sidecar), Cancellation);
        await File.WriteAllTextAsync(folder["key.pem"], SamplePack.EscrowKey.ExportPkcs8PrivateKeyPem(), Cancellation);
        string docs = await File.ReadAllTextAsync(Path.Combine(Repository.Root, "docs", "formats.md"), Cancellation);
        string published = docs[(docs.IndexOf("```python", docs.IndexOf("nothing of Azure", StringComparison.Ordinal), StringComparison.Ordinal) + 9)..].Split("```")[0];
        string guard = "import sys\ntry:\n    import cryptography\nexcept ImportError:\n    print('no cryptography'); sys.exit()\n";
        await File.WriteAllTextAsync(folder["open.py"], guard + Vectors.PixelVectorTests.Script() + published, Cancellation);
        string said = await Vectors.PixelVectorTests.RunPythonAsync(folder["open.py"], folder["pack"], folder["sidecar"], folder["key.pem"], folder["out"]);

        Assert.SkipWhen(said.StartsWith("no cryptography", StringComparison.Ordinal), "Python's cryptography package is not installed.");
        Assert.Equal(image, await File.ReadAllBytesAsync(Path.Combine(folder["out"], "Müller", "CT.dcm"), Cancellation));
        Assert.Equal(text, await File.ReadAllBytesAsync(Path.Combine(folder["out"], "Müller", "plain.dcm"), Cancellation));
    }

    /// <summary>What repeats itself, as drawings and screenshots do, a predictor does not see, and deflate does.</summary>
    [Fact]
    public async Task Where_deflate_makes_less_of_the_pixels_they_are_deflated()
    {
        // Grays of eight bits, which the filter would shorten well, and which come again after somewhat more than two rows.
        byte[] screen = Image(noise: 0), tile = new byte[((2 * Side) + 7) * 2];
        Random random = new(6);
        for (int i = 0; i < tile.Length; i += 2)
        {
            tile[i] = (byte)random.Next(256);
        }

        for (int at = 200; at + tile.Length <= 200 + Layout.Length; at += tile.Length)
        {
            tile.CopyTo(screen, at);
        }

        SamplePack pack = await SamplePack.CreateAsync([Filtered("screen.dcm", screen, Layout)]);
        using ZipArchive zip = new(new MemoryStream(pack.Plaintext()), ZipArchiveMode.Read);

        Assert.InRange(zip.Entries[0].CompressedLength, 1, screen.Length / 20);
        Assert.Equal(screen, Assert.Single(await pack.ReadAsync(pack.Ciphertext, pack.Identity)));
    }

    [Fact]
    public async Task A_layout_that_cannot_be_leaves_the_file_as_it_is()
    {
        byte[] image = Image(noise: 20);
        PixelLayout[] layouts =
        [
            Layout with { Rows = int.MaxValue }, Layout with { Columns = 0 }, Layout with { Offset = -1 }, Layout with { Offset = long.MaxValue }, Layout with { Length = image.Length },
            Layout with { BitsAllocated = 12 }, Layout with { SamplesPerPixel = 0 }, Layout with { PlanarConfiguration = 2 },
        ];
        SamplePack pack = await SamplePack.CreateAsync([.. layouts.Select((layout, i) => Filtered($"{i}.dcm", image, layout))]);
        using ContentKey key = pack.Unwrap();
        await using PackReader reader = await PackReader.OpenAsync(new MemoryStream(pack.Ciphertext), key, pack.Identity, Cancellation);

        Assert.All(reader.Manifest.Instances, instance => Assert.Null(instance.Filter));
        Assert.All(await pack.ReadAsync(pack.Ciphertext, pack.Identity), content => Assert.True(image.AsSpan().SequenceEqual(content)));
    }

    /// <summary>A layout that is one, and not this file's: the pixels are cut at the wrong places, and come back all the same.</summary>
    [Fact]
    public async Task A_wrong_layout_costs_room_and_nothing_else()
    {
        byte[] image = Image(noise: 20);
        PixelLayout[] layouts =
        [
            Layout with { Offset = 201 }, Layout with { Columns = Side + 1, Rows = Side - 2 }, Layout with { BigEndian = true }, Layout with { BitsAllocated = 8, SamplesPerPixel = 2 },
            Layout with { BitsAllocated = 8, Columns = Side * 2 }, Layout with { Rows = 7 }, Layout with { Rows = 1, Columns = 1 }, Layout with { SamplesPerPixel = 3, PlanarConfiguration = 1, Rows = Side / 3 },
        ];
        SamplePack pack = await SamplePack.CreateAsync([.. layouts.Select((layout, i) => Filtered($"{i}.dcm", image, layout))]);
        using ContentKey key = pack.Unwrap();
        await using PackReader reader = await PackReader.OpenAsync(new MemoryStream(pack.Ciphertext), key, pack.Identity, Cancellation);

        Assert.All(reader.Manifest.Instances, instance => Assert.NotNull(instance.Filter));
        Assert.All(await pack.ReadAsync(pack.Ciphertext, pack.Identity), content => Assert.True(image.AsSpan().SequenceEqual(content)));
    }

    [Fact]
    public async Task Names_of_filtered_entries_meet_no_others()
    {
        byte[] image = Image(noise: 3);
        string[] paths = ["a.dcm.f1", "a.dcm", "b.dcm", "b.dcm.f1", "b.dcm", new string('c', 240), "d.dcm", "d.dcm.f1/e.dcm"];
        SamplePack pack = await SamplePack.CreateAsync([.. paths.Select(path => Filtered(path, image, Layout))]);
        using ContentKey key = pack.Unwrap();
        await using PackReader reader = await PackReader.OpenAsync(new MemoryStream(pack.Ciphertext), key, pack.Identity, Cancellation);

        Assert.Equal(paths, reader.Manifest.Instances.Select(i => i.Path));
        string[] names = [.. reader.Manifest.Instances.SelectMany(i => (string[])[i.Entry, i.ZipEntry]).Distinct()];
        Assert.Equal(names.Length, names.Distinct(StringComparer.OrdinalIgnoreCase).Count());
        Assert.All(await pack.ReadAsync(pack.Ciphertext, pack.Identity), content => Assert.True(image.AsSpan().SequenceEqual(content)));
    }

    public static TheoryData<string, string> BadFilters => new()
    {
        { "\"name\":\"f1\"", "\"name\":\"f2\"" },
        { "\"rows\":300", "\"rows\":2147483647" },
        { "\"rows\":300", "\"rows\":0" },
        { "\"offset\":200", "\"offset\":-1" },
        { "\"offset\":200", "\"offset\":9223372036854775807" },
        { "\"length\":180000,\"offset\"", "\"length\":9223372036854775807,\"offset\"" },
        { "\"bitsAllocated\":16", "\"bitsAllocated\":64" },
        { "\"bitsAllocated\":16,", "" },
        { Manifest.CurrentFormat, Manifest.FormatWithoutFilters },
        { "\"entry\":\"CT.dcm\"", "\"entry\":\"CT.dcm.f1\"" },
    };

    [Theory]
    [MemberData(nameof(BadFilters))]
    public async Task A_manifest_whose_filter_cannot_be_is_refused(string good, string bad)
    {
        (string json, byte[] entry) = await PartsAsync();
        Assert.Contains(good, json, StringComparison.Ordinal);
        PackException refused = await ForgedPack.FailureOfAsync(ForgedPack.Zip(("CT.dcm.f1", entry), (Manifest.EntryName, Encoding.UTF8.GetBytes(json.Replace(good, bad, StringComparison.Ordinal)))));

        Assert.Equal(PackFault.ManifestInvalid, refused.Fault);
    }

    [Fact]
    public async Task Filtered_bytes_that_are_not_the_files_are_refused()
    {
        (string json, byte[] entry) = await PartsAsync();
        byte[] Pack(byte[] bytes) => ForgedPack.Zip(("CT.dcm.f1", bytes), (Manifest.EntryName, Encoding.UTF8.GetBytes(json)));
        Assert.Single(await ForgedPack.ReadAsync(Pack(entry)));
        Random random = new(4);
        List<byte[]> bad = [[], entry[..^1], [.. entry, 0], entry[..300], RandomNumberGenerator.GetBytes(entry.Length)];
        for (int i = 0; i < 200; i++)
        {
            byte[] flipped = [.. entry];
            flipped[random.Next(flipped.Length)] ^= (byte)(1 << random.Next(8));
            bad.Add(flipped);
        }

        foreach (byte[] bytes in bad)
        {
            PackException refused = await ForgedPack.FailureOfAsync(Pack(bytes));
            Assert.True(refused.Fault is PackFault.InstanceMismatch or PackFault.ZipInvalid, refused.ToString());
        }
    }

    /// <summary>A manifest and the filtered bytes that it is of.</summary>
    private static async Task<(string Manifest, byte[] Entry)> PartsAsync()
    {
        SamplePack pack = await SamplePack.CreateAsync([Filtered("CT.dcm", Image(noise: 20), Layout)]);
        using ZipArchive zip = new(new MemoryStream(pack.Plaintext()), ZipArchiveMode.Read);
        byte[][] contents = [.. zip.Entries.Select(entry =>
        {
            using MemoryStream content = new();
            using Stream source = entry.Open();
            source.CopyTo(content);
            return content.ToArray();
        })];
        return (Encoding.UTF8.GetString(contents[1]), contents[0]);
    }

    private static (PackEntry Entry, byte[] Content) Filtered(string path, byte[] content, PixelLayout layout)
    {
        (PackEntry entry, byte[] _) = SamplePack.File(path, content, deflate: true);
        return (entry with { FindPixels = _ => layout }, content);
    }

    private static byte[] Image(int noise)
    {
        Random random = new(3);
        byte[] image = new byte[200 + (Side * Side * 2) + 33];
        for (int i = 0; i < Side * Side; i++)
        {
            BinaryPrimitives.WriteInt16LittleEndian(image.AsSpan(200 + (i * 2)), (short)((i % Side * 2) + (i / Side) + random.Next(noise + 1)));
        }

        return image;
    }
}
