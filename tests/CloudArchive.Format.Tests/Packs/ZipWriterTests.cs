using System.IO.Compression;
using System.Security.Cryptography;
using CloudArchive.Format.Packs;
using CloudArchive.Testing;

namespace CloudArchive.Format.Tests.Packs;

/// <summary>The ZIP inside a pack is an ordinary one: unzip, Python, 7-Zip and .NET read it, whatever was deflated, stored, or written while it was read.</summary>
public sealed class ZipWriterTests
{
    private static readonly int Streamed = (int)PackPipeline.WholeLength + 70_001;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Dotnet_reads_it()
    {
        SamplePack sample = await SamplePack.CreateAsync(Files());
        using ZipArchive zip = new(new MemoryStream(sample.Plaintext()), ZipArchiveMode.Read);

        foreach ((PackEntry file, byte[] content) in sample.Files)
        {
            ZipArchiveEntry entry = zip.GetEntry(file.Path)!;
            using MemoryStream read = new();
            await using Stream source = await entry.OpenAsync(Cancellation);
            await source.CopyToAsync(read, Cancellation);
            Assert.True(content.AsSpan().SequenceEqual(read.ToArray()), file.Path);
            Assert.Equal((content.Length, ZipChecks.Crc32(0, content)), (entry.Length, entry.Crc32));
            Assert.Equal(new DateTime(2025, 12, 31, 22, 59, 58), entry.LastWriteTime.DateTime); // two seconds is all that ZIP knows
        }

        Dictionary<string, long> packed = zip.Entries.ToDictionary(entry => entry.FullName, entry => entry.CompressedLength);
        Assert.Equal(1000, packed["noise"]); // nothing of it shrinks: stored
        Assert.InRange(packed["zeros"], 1, 50);
        Assert.InRange(packed["long noise"], Streamed, Streamed + (Streamed / 10_000)); // decided before it was read: stored blocks
        Assert.InRange(packed["long zeros"], 1, Streamed / 500);
        Assert.Equal(Streamed, packed["long stored"]);
    }

    /// <summary>Readers that go from the front, as streams are read, find sizes and CRC in the header of what is small.</summary>
    [Fact]
    public async Task Local_headers_of_what_is_small_say_what_follows()
    {
        (PackEntry entry, byte[] content) = SamplePack.File("a.dcm", RandomNumberGenerator.GetBytes(1000), deflate: true);
        byte[] zip = (await SamplePack.CreateAsync([(entry, content)])).Plaintext();

        Assert.Equal(0, BitConverter.ToUInt16(zip, 6) & 8); // no descriptor
        Assert.Equal((0, ZipChecks.Crc32(0, content), 1000u, 1000u), (BitConverter.ToUInt16(zip, 8), BitConverter.ToUInt32(zip, 14), BitConverter.ToUInt32(zip, 18), BitConverter.ToUInt32(zip, 22)));
    }

    [Theory]
    [InlineData("unzip", "-q", "-o", "{zip}", "-d", "{out}")]
    [InlineData("7z", "x", "-y", "-bd", "-o{out}", "{zip}")]
    [InlineData("python3", "-c", "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; z.extractall(sys.argv[2])", "{zip}", "{out}")]
    public async Task Other_programs_read_it(string program, params string[] arguments)
    {
        Assert.SkipUnless(Programs.Has(program), $"There is no {program} on the PATH.");
        using TemporaryFolder folder = new();
        SamplePack sample = await SamplePack.CreateAsync(Files());
        await File.WriteAllBytesAsync(folder["pack.zip"], sample.Plaintext(), Cancellation);
        Directory.CreateDirectory(folder["out"]);
        string[] given = [.. arguments.Select(argument => argument.Replace("{zip}", folder["pack.zip"], StringComparison.Ordinal).Replace("{out}", folder["out"], StringComparison.Ordinal))];
        (int exit, string output, string errors) = await Programs.RunAsync(program, given, Cancellation);

        Assert.True(exit == 0, $"{program} ended with {exit}: {output}{errors}");
        foreach ((PackEntry file, byte[] content) in sample.Files)
        {
            byte[] read = await File.ReadAllBytesAsync(Path.Combine(folder["out"], file.Path), Cancellation);
            Assert.True(content.AsSpan().SequenceEqual(read), file.Path);
        }
    }

    private static (PackEntry Entry, byte[] Content)[] Files()
    {
        byte[] half = new byte[Streamed];
        new Random(5).NextBytes(half.AsSpan(half.Length / 2)); // the first pieces shrink, the last ones do not
        return
        [
            SamplePack.File("Müller Hans/歯科.dcm", "DICM"u8.ToArray(), deflate: true),
            SamplePack.File("empty", [], deflate: true),
            SamplePack.File("noise", RandomNumberGenerator.GetBytes(1000), deflate: true),
            SamplePack.File("zeros", new byte[1000], deflate: true),
            SamplePack.File("stored", new byte[1000], deflate: false),
            SamplePack.File("two pieces", half[..(1024 * 1024 * 3 / 2)], deflate: true),
            SamplePack.File("long noise", RandomNumberGenerator.GetBytes(Streamed), deflate: true),
            SamplePack.File("long zeros", new byte[Streamed], deflate: true),
            SamplePack.File("long halves", half, deflate: true),
            SamplePack.File("long stored", RandomNumberGenerator.GetBytes(Streamed), deflate: false),
        ];
    }
}
