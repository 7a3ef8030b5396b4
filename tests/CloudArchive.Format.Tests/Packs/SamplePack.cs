using System.Security.Cryptography;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Sealing;
using CloudArchive.Format.Signing;

namespace CloudArchive.Format.Tests.Packs;

/// <summary>A small pack, as an agent makes it.</summary>
internal sealed record SamplePack(byte[] Ciphertext, Sidecar Sidecar, WrappedContentKey Wrapped, RSA PrivateKey, IReadOnlyList<(PackEntry Entry, byte[] Content)> Files)
{
    private static readonly RSA SharedKey = RSA.Create(2048);

    public static PackHeader Header { get; } = new(
        ClinicId.Parse("musterpraxis"), PackId.Parse("01890a5d-ac96-774b-bcce-b302099a8057"), Uid.Parse("1.2.826.0.1.3680043.10.1"), new DateTimeOffset(2026, 3, 4, 5, 6, 7, TimeSpan.Zero));

    /// <summary>Two small files, one stored and one deflated, and an empty-handed reader's worst case: a name with a space and an umlaut.</summary>
    public static (PackEntry Entry, byte[] Content)[] TwoFiles() =>
    [
        File("Müller Hans/IMG 1.dcm", RandomNumberGenerator.GetBytes(1500), deflate: false),
        File("Müller Hans/IMG 2.dcm", new byte[3000], deflate: true),
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
        await using PackWriter writer = new(output, header, key);
        foreach ((PackEntry entry, byte[] content) in files)
        {
            await writer.AddAsync(entry, new MemoryStream(content), TestContext.Current.CancellationToken);
        }

        PackSummary summary = await writer.CompleteAsync(TestContext.Current.CancellationToken);
        WrappedContentKey wrapped = KeyWrapping.Wrap(key, JwkKeys.FromRsa(SharedKey));
        return new SamplePack(output.ToArray(), Sidecars.For(header, summary, wrapped, wrapped), wrapped, SharedKey, files);
    }
}
