using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Sealing;
using CloudArchive.Format.Signing;
using CloudArchive.Format.Tests.Sealing;

namespace CloudArchive.Format.Tests.Packs;

/// <summary>A small pack, as an agent makes it.</summary>
/// <param name="Key">The bytes of its content key, for tests that forge.</param>
internal sealed record SamplePack(byte[] Ciphertext, byte[] Key, PackSummary Summary, Sidecar Sidecar, IReadOnlyList<(PackEntry Entry, byte[] Content)> Files)
{
    public static RSA ClinicKey { get; } = RSA.Create(2048);

    public static RSA EscrowKey { get; } = RSA.Create(2048);

    public static PackHeader Header { get; } = new(
        ClinicId.Parse("musterpraxis"), PackId.Parse("01890a5d-ac96-774b-bcce-b302099a8057"), Uid.Parse("1.2.826.0.1.3680043.10.1"), new DateTimeOffset(2026, 3, 4, 5, 6, 7, TimeSpan.Zero));

    public PackIdentity Identity => PackIdentity.Of(Sidecar);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>One stored, one deflated.</summary>
    public static (PackEntry Entry, byte[] Content)[] TwoFiles() =>
    [
        File("Müller Hans/IMG 1.dcm", RandomNumberGenerator.GetBytes(150), deflate: false),
        File("Müller Hans/IMG 2.dcm", new byte[300], deflate: true),
    ];

    public static (PackEntry Entry, byte[] Content) File(string path, byte[] content, bool deflate) =>
        (new PackEntry(path, new DateTimeOffset(2025, 12, 31, 23, 59, 59, TimeSpan.FromHours(1)), Instance(content), deflate), content);

    public static SidecarInstance Instance(byte[] content) => new(
        Uid.Parse("1.2.826.0.1.3680043.10.1." + content.Length), Uid.Parse("1.2.840.10008.5.1.4.1.1.1.3"), Uid.Parse("1.2.826.0.1.3680043.10.1.1"), "IO", Uid.Parse("1.2.840.10008.1.2.1"), content.Length, Sha256Digest.Of(content));

    public static async Task<SamplePack> CreateAsync(IReadOnlyList<(PackEntry Entry, byte[] Content)>? files = null, PackHeader? header = null)
    {
        files ??= TwoFiles();
        header ??= Header;
        using ContentKey key = ContentKey.Create();
        using MemoryStream output = new();
        await using PackWriter writer = new(new ForwardOnlyStream(output), header, key);
        foreach ((PackEntry entry, byte[] content) in files)
        {
            await writer.AddAsync(entry, new MemoryStream(content), Cancellation);
        }

        PackSummary summary = await writer.CompleteAsync(Cancellation);
        Sidecar sidecar = Sidecars.For(header, summary, KeyWrapping.Wrap(key, JwkKeys.FromRsa(ClinicKey)), KeyWrapping.Wrap(key, JwkKeys.FromRsa(EscrowKey)));
        return new SamplePack(output.ToArray(), RegionSealer.BytesOf(key), summary, sidecar, files);
    }

    /// <summary>The key as a reader has it.</summary>
    public ContentKey Unwrap() => KeyWrapping.Unwrap(Sidecar.Encryption.WrappedContentKey, ClinicKey);

    /// <summary>Opens these bytes with this pack's key and reads every file; the answer is their bytes.</summary>
    public Task<List<byte[]>> ReadAsync(byte[] ciphertext, PackIdentity? expected) => ReadAsync(ciphertext, Key, expected);

    public static async Task<List<byte[]>> ReadAsync(byte[] ciphertext, byte[] key, PackIdentity? expected)
    {
        using ContentKey contentKey = ContentKey.ForVectors(key);
        await using PackReader reader = await PackReader.OpenAsync(new MemoryStream(ciphertext), contentKey, expected, Cancellation);
        List<byte[]> contents = [];
        foreach (ManifestInstance instance in reader.Manifest.Instances)
        {
            using MemoryStream content = new();
            await reader.ExtractAsync(instance, content, Cancellation);
            contents.Add(content.ToArray());
        }

        return contents;
    }

    /// <summary>The fault that opening these bytes, or reading a file of them, ends with.</summary>
    public async Task<PackFault> FaultOfAsync(byte[] ciphertext, PackIdentity? expected) =>
        (await Assert.ThrowsAsync<PackException>(() => ReadAsync(ciphertext, expected))).Fault;

    /// <summary>The ZIP inside.</summary>
    public byte[] Plaintext()
    {
        using ContentKey key = ContentKey.ForVectors(Key);
        using UnsealingStream unsealing = new(new MemoryStream(Ciphertext), key);
        byte[] plaintext = new byte[unsealing.Length];
        unsealing.ReadExactly(plaintext);
        return plaintext;
    }
}

/// <summary>A ZIP as a hostile or broken agent might seal it: the seal is authentic, the content is anything.</summary>
internal static class ForgedPack
{
    private static readonly byte[] Key = RandomNumberGenerator.GetBytes(32);

    /// <summary>A manifest that fits these files.</summary>
    public static Manifest ManifestOf(params (string Entry, byte[] Content)[] files) => new(
        Manifest.CurrentFormat,
        SamplePack.Header.Clinic,
        SamplePack.Header.Pack,
        SamplePack.Header.Study,
        SamplePack.Header.CreatedAt,
        [.. files.Select(file => new ManifestInstance(file.Entry, file.Entry, SamplePack.Header.CreatedAt, SamplePack.Instance(file.Content)))]);

    public static byte[] Zip(IEnumerable<(string Entry, byte[] Content)> files, Manifest manifest) =>
        Zip([.. files, (Manifest.EntryName, CanonicalJson.Serialize(manifest))]);

    public static byte[] Zip(params (string Entry, byte[] Content)[] entries) => Zip(CompressionLevel.Optimal, entries);

    public static byte[] Zip(CompressionLevel level, params (string Entry, byte[] Content)[] entries)
    {
        using MemoryStream output = new();
        using (ZipArchive zip = new(output, ZipArchiveMode.Create, leaveOpen: true))
        {
            foreach ((string entry, byte[] content) in entries)
            {
                using Stream stream = zip.CreateEntry(entry, level).Open();
                stream.Write(content);
            }
        }

        return output.ToArray();
    }

    public static byte[] Seal(byte[] plaintext, out byte[] key) => RegionSealer.Seal(key = Key, plaintext);

    /// <summary>Seals the plaintext and reads it as a pack, with all that its own sidecar would say of the ciphertext.</summary>
    public static Task<List<byte[]>> ReadAsync(byte[] plaintext, PackIdentity? expected = null)
    {
        byte[] ciphertext = RegionSealer.Seal(Key, plaintext);
        return SamplePack.ReadAsync(ciphertext, Key, (expected ?? new PackIdentity(SamplePack.Header.Clinic, SamplePack.Header.Pack)) with { Length = ciphertext.Length, Sha256 = Sha256Digest.Of(ciphertext) });
    }

    public static async Task<PackException> FailureOfAsync(byte[] plaintext, PackIdentity? expected = null) =>
        await Assert.ThrowsAsync<PackException>(() => ReadAsync(plaintext, expected));

    public static byte[] Ascii(string text) => Encoding.ASCII.GetBytes(text);
}
