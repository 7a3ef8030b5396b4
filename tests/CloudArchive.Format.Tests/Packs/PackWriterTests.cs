using System.IO.Compression;
using System.Security.Cryptography;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Sealing;

namespace CloudArchive.Format.Tests.Packs;

public sealed class PackWriterTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_was_packed_comes_back_byte_for_byte()
    {
        SamplePack sample = await SamplePack.CreateAsync(
        [
            .. SamplePack.TwoFiles(),
            SamplePack.File("empty.dcm", [], deflate: false),
            SamplePack.File("over regions.dcm", RandomNumberGenerator.GetBytes(Regions.DataLength + 1), deflate: false),
            SamplePack.File("over regions 2.dcm", RandomNumberGenerator.GetBytes(Regions.DataLength), deflate: true),
        ]);
        using ContentKey key = sample.Unwrap();
        await using PackReader reader = await PackReader.OpenAsync(new MemoryStream(sample.Ciphertext), key, sample.Identity, Cancellation);

        Assert.Equal(sample.Files.Select(file => file.Entry.Path), reader.Manifest.Instances.Select(i => i.Path));
        Assert.Equal(sample.Files.Select(file => file.Entry.ModifiedAt), reader.Manifest.Instances.Select(i => i.ModifiedAt));
        List<byte[]> contents = await sample.ReadAsync(sample.Ciphertext, sample.Identity);
        Assert.All(sample.Files.Zip(contents), pair => Assert.True(pair.First.Content.AsSpan().SequenceEqual(pair.Second)));
    }

    [Fact]
    public async Task The_summary_and_the_sidecar_say_what_the_bytes_are()
    {
        SamplePack sample = await SamplePack.CreateAsync();

        Assert.Equal(sample.Ciphertext.Length, sample.Summary.Length);
        Assert.Equal(Sha256Digest.Of(sample.Ciphertext), sample.Summary.Sha256);
        Assert.Equal(sample.Plaintext().Length, sample.Summary.PlaintextLength);
        Assert.Equal(sample.Files.Select(file => file.Entry.Expected), sample.Summary.Instances);
        Assert.Equal(InstancesRoot.Of(sample.Summary.Instances), sample.Summary.InstancesRoot);
        await PackVerifier.CheckCiphertextAsync(new MemoryStream(sample.Ciphertext), sample.Sidecar.Length, sample.Sidecar.Sha256, Cancellation);
    }

    [Fact]
    public async Task The_plaintext_is_an_ordinary_zip_with_the_manifest_last()
    {
        SamplePack sample = await SamplePack.CreateAsync();
        using ZipArchive zip = new(new MemoryStream(sample.Plaintext()), ZipArchiveMode.Read);

        Assert.Equal(["Müller Hans/IMG 1.dcm", "Müller Hans/IMG 2.dcm", "manifest.json"], zip.Entries.Select(entry => entry.FullName));
        Assert.Equal(zip.Entries[0].Length, zip.Entries[0].CompressedLength); // stored
        Assert.True(zip.Entries[1].CompressedLength < zip.Entries[1].Length); // deflated
        using MemoryStream manifest = new();
        await using Stream stored = await zip.Entries[2].OpenAsync(Cancellation);
        await stored.CopyToAsync(manifest, Cancellation);
        Assert.Equal(CanonicalJson.Canonicalize(manifest.ToArray()), manifest.ToArray());
    }

    [Theory]
    [InlineData(1601)]
    [InlineData(1979)]
    [InlineData(2108)]
    [InlineData(9999)]
    public async Task A_time_that_zip_cannot_hold_is_kept_in_the_manifest(int year)
    {
        DateTimeOffset time = new(year, 1, 1, 0, 0, 1, TimeSpan.Zero);
        (PackEntry entry, byte[] content) = SamplePack.File("a", [1], deflate: false);
        SamplePack sample = await SamplePack.CreateAsync([(entry with { ModifiedAt = time }, content)]);
        using ContentKey key = sample.Unwrap();
        await using PackReader reader = await PackReader.OpenAsync(new MemoryStream(sample.Ciphertext), key, sample.Identity, Cancellation);

        Assert.Equal(time, reader.Manifest.Instances[0].ModifiedAt);
    }

    [Fact]
    public async Task Unsafe_paths_get_safe_entries_and_stay_in_the_manifest_as_found()
    {
        string[] paths = ["../up.dcm", "NUL", "a.dcm", "A.dcm", "manifest.json"];
        SamplePack sample = await SamplePack.CreateAsync([.. paths.Select((path, i) => SamplePack.File(path, [(byte)i], deflate: false))]);
        using ContentKey key = sample.Unwrap();
        await using PackReader reader = await PackReader.OpenAsync(new MemoryStream(sample.Ciphertext), key, sample.Identity, Cancellation);

        Assert.Equal(paths, reader.Manifest.Instances.Select(i => i.Path));
        Assert.Equal(["._/up.dcm", "_NUL", "a.dcm", "A~2.dcm", "manifest~2.json"], reader.Manifest.Instances.Select(i => i.Entry));
    }

    public static TheoryData<byte[]> OtherBytes => new(new byte[150], new byte[149], new byte[151], [], new byte[400_000]);

    [Theory]
    [MemberData(nameof(OtherBytes))]
    public async Task A_file_that_changed_since_it_was_hashed_ends_the_pack(byte[] now)
    {
        (PackEntry entry, byte[] _) = SamplePack.TwoFiles()[0];
        using MemoryStream output = new();
        using ContentKey key = ContentKey.Create();
        await using (PackWriter writer = new(output, SamplePack.Header, key))
        {
            SourceChangedException changed = await Assert.ThrowsAsync<SourceChangedException>(() => writer.AddAsync(entry, new MemoryStream(now), Cancellation));

            Assert.Equal(entry.Expected, changed.Expected);
            Assert.DoesNotContain("Müller", changed.ToString(), StringComparison.Ordinal);
            (PackEntry next, byte[] content) = SamplePack.File("next.dcm", [1], deflate: false);
            await Assert.ThrowsAsync<InvalidOperationException>(() => writer.AddAsync(next, new MemoryStream(content), Cancellation));
            await Assert.ThrowsAsync<InvalidOperationException>(() => writer.CompleteAsync(Cancellation));
        }

        Assert.Equal(0, output.Length); // not one region went out
    }

    /// <summary>A file that is written while it is read: what went out of it before it turned out to be another opens nowhere.</summary>
    [Fact]
    public async Task A_long_file_that_changed_ends_the_pack()
    {
        (PackEntry entry, byte[] content) = SamplePack.File("a", RandomNumberGenerator.GetBytes((int)PackPipeline.AheadLength + (2 * Regions.DataLength)), deflate: false);
        content[^1]++;
        using MemoryStream output = new();
        using ContentKey key = ContentKey.Create();
        byte[] keyBytes = Sealing.RegionSealer.BytesOf(key);
        await using (PackWriter writer = new(output, SamplePack.Header, key))
        {
            await Assert.ThrowsAsync<SourceChangedException>(() => writer.AddAsync(entry, new MemoryStream(content), Cancellation));
            await Assert.ThrowsAsync<InvalidOperationException>(() => writer.CompleteAsync(Cancellation));
        }

        Assert.Equal(PackFault.ZipInvalid, (await Assert.ThrowsAsync<PackException>(() => SamplePack.ReadAsync(output.ToArray(), keyBytes, null))).Fault);
    }

    /// <summary>An upload that was cut off goes on only if the same files make the same bytes again, however the pieces were shared out.</summary>
    [Fact]
    public async Task The_same_files_seal_to_the_same_bytes()
    {
        byte[] text = new byte[(3 * 1024 * 1024) + 5], longText = new byte[(int)PackPipeline.WholeLength + 12345];
        foreach (byte[] content in (byte[][])[text, longText])
        {
            new Random(1).NextBytes(content);
            for (int i = 0; i < content.Length; i += 3)
            {
                content[i] = 7;
            }
        }

        (PackEntry, byte[])[] files = [.. SamplePack.TwoFiles(), SamplePack.File("text", text, deflate: true), SamplePack.File("long", longText, deflate: true), SamplePack.File("stored", longText, deflate: false)];
        byte[] keyBytes = RandomNumberGenerator.GetBytes(32);
        byte[][] made = [await SealAsync(files, keyBytes), await SealAsync(files, keyBytes)];

        Assert.True(made[0].AsSpan().SequenceEqual(made[1]));
        Assert.All((await SamplePack.ReadAsync(made[0], keyBytes, null)).Zip(files), pair => Assert.True(pair.First.AsSpan().SequenceEqual(pair.Second.Item2)));
    }

    private static async Task<byte[]> SealAsync(IEnumerable<(PackEntry Entry, byte[] Content)> files, byte[] keyBytes)
    {
        using MemoryStream output = new();
        using ContentKey key = ContentKey.ForVectors(keyBytes);
        await using PackWriter writer = new(output, SamplePack.Header, key);
        foreach ((PackEntry entry, byte[] content) in files)
        {
            await writer.AddAsync(entry, new MemoryStream(content), Cancellation);
        }

        await writer.CompleteAsync(Cancellation);
        return output.ToArray();
    }

    [Fact]
    public async Task A_source_that_fails_ends_the_pack()
    {
        (PackEntry entry, byte[] _) = SamplePack.File("a", new byte[100], deflate: true);
        using ContentKey key = ContentKey.Create();
        await using PackWriter writer = new(new MemoryStream(), SamplePack.Header, key);
        MemoryStream closed = new();
        await closed.DisposeAsync();

        await Assert.ThrowsAsync<ObjectDisposedException>(() => writer.AddAsync(entry, closed, Cancellation));
        await Assert.ThrowsAsync<InvalidOperationException>(() => writer.CompleteAsync(Cancellation));
    }

    [Theory]
    [InlineData(true, 0)]
    [InlineData(false, 0)]
    [InlineData(false, 1)]
    public async Task An_output_that_fails_ends_the_pack_with_its_own_exception(bool deflate, int regionsThatGoOut)
    {
        (PackEntry entry, byte[] content) = SamplePack.File("a", RandomNumberGenerator.GetBytes((3 * Regions.DataLength) + 1), deflate);
        await using FailingStream output = new(regionsThatGoOut);
        using ContentKey key = ContentKey.Create();
        await using (PackWriter writer = new(output, SamplePack.Header, key))
        {
            // Written behind the reader's back: told when the next file is added, or at the end.
            IOException failure = await Assert.ThrowsAsync<IOException>(async () =>
            {
                await writer.AddAsync(entry, new MemoryStream(content), Cancellation);
                await writer.CompleteAsync(Cancellation);
            });

            Assert.Equal("the uplink is down", failure.Message);
            await Assert.ThrowsAsync<InvalidOperationException>(() => writer.CompleteAsync(Cancellation));
        }

        Assert.Equal(regionsThatGoOut * Regions.SealedDataLength, output.Length); // and nothing after the one that was lost
    }

    [Fact]
    public async Task A_writer_that_is_dropped_leaves_no_pack_behind()
    {
        (PackEntry entry, byte[] content) = SamplePack.File("a", RandomNumberGenerator.GetBytes((int)PackPipeline.AheadLength + (2 * Regions.DataLength)), deflate: false);
        using MemoryStream output = new();
        using ContentKey key = ContentKey.Create();
        byte[] keyBytes = Sealing.RegionSealer.BytesOf(key);
        await using (PackWriter writer = new(output, SamplePack.Header, key))
        {
            await writer.AddAsync(entry, new MemoryStream(content), Cancellation);
        }

        Assert.InRange(output.Length, Regions.SealedDataLength, content.Length);
        Assert.Equal(0, output.Length % Regions.SealedDataLength); // whole regions, and none that was begun
        PackException refused = await Assert.ThrowsAsync<PackException>(() => SamplePack.ReadAsync(output.ToArray(), keyBytes, null));
        Assert.Equal(PackFault.ZipInvalid, refused.Fault);
    }

    [Fact]
    public async Task A_pack_without_an_instance_is_none()
    {
        using ContentKey key = ContentKey.Create();
        await using PackWriter writer = new(new MemoryStream(), SamplePack.Header, key);

        await Assert.ThrowsAsync<InvalidOperationException>(() => writer.CompleteAsync(Cancellation));
    }

    [Fact]
    public async Task A_complete_pack_takes_no_more()
    {
        (PackEntry entry, byte[] content) = SamplePack.File("a", [1], deflate: false);
        using ContentKey key = ContentKey.Create();
        await using PackWriter writer = new(new MemoryStream(), SamplePack.Header, key);
        await writer.AddAsync(entry, new MemoryStream(content), Cancellation);
        await writer.CompleteAsync(Cancellation);

        await Assert.ThrowsAsync<InvalidOperationException>(() => writer.AddAsync(entry, new MemoryStream(content), Cancellation));
        await Assert.ThrowsAsync<InvalidOperationException>(() => writer.CompleteAsync(Cancellation));
    }

    [Fact]
    public async Task Two_packs_never_share_a_key()
    {
        using ContentKey key = ContentKey.Create();
        await using PackWriter first = new(new MemoryStream(), SamplePack.Header, key);

        Assert.Throws<InvalidOperationException>(() => new PackWriter(new MemoryStream(), SamplePack.Header, key));
    }

    [Fact]
    public async Task A_pack_of_as_many_instances_as_allowed_opens_and_takes_no_more()
    {
        using MemoryStream output = new();
        using ContentKey key = ContentKey.Create();
        byte[] keyBytes = Sealing.RegionSealer.BytesOf(key);
        await using PackWriter writer = new(output, SamplePack.Header, key);
        (PackEntry entry, byte[] content) = SamplePack.File("x", [1], deflate: false);
        for (int i = 0; i < PackLimits.Instances; i++)
        {
            await writer.AddAsync(entry with { Path = $"{i}" }, new MemoryStream(content), Cancellation);
        }

        await Assert.ThrowsAsync<InvalidOperationException>(() => writer.AddAsync(entry, new MemoryStream(content), Cancellation));
        await writer.CompleteAsync(Cancellation);
        Assert.Equal(PackLimits.Instances, (await SamplePack.ReadAsync(output.ToArray(), keyBytes, null)).Count);
    }

    /// <summary>Takes so many writes, refuses one, and takes the next ones again, as a network does.</summary>
    private sealed class FailingStream(int good) : MemoryStream
    {
        private int _writes;

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
            _writes++ == good ? throw new IOException("the uplink is down") : base.WriteAsync(buffer, cancellationToken);

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            if (_writes++ == good)
            {
                throw new IOException("the uplink is down");
            }

            base.Write(buffer);
        }
    }
}
