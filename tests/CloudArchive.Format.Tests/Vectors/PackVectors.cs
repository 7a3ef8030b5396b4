using System.Security.Cryptography;
using System.Text;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Sealing;
using CloudArchive.Format.Tests.Sealing;
using CloudArchive.Format.Signing;
using CloudArchive.Testing;

namespace CloudArchive.Format.Tests.Vectors;

/// <summary>
/// tests/vectors/pack-1: what it was made from, and how. A change of a format makes a folder of its own (pack-2); this one stays and must
/// still open.
/// </summary>
internal static class PackVectors
{
    public const string EnrollmentCode = "4F7K-9QZ2-M3XV-T8BW-R6PD-1C5H";

    public const string Identifier = "PAT-001";

    public static PackHeader Header { get; } = new(
        ClinicId.Parse("musterpraxis"),
        PackId.Parse("019cb70e-2a18-7d3f-8a51-6f2b9c0d4e7a"),
        Uid.Parse("1.2.826.0.1.3680043.10.1"),
        new DateTimeOffset(2026, 3, 4, 5, 6, 7, TimeSpan.Zero));

    public static byte[] ContentKeyBytes { get; } = SHA256.HashData("cloudarchive golden vector: content key"u8);

    public static byte[] IdentifierSecretBytes { get; } = SHA256.HashData("cloudarchive golden vector: identifier secret"u8);

    /// <summary>Two files: bytes that do not compress, stored, and text that does, deflated.</summary>
    public static IReadOnlyList<(PackEntry Entry, byte[] Content)> Files { get; } =
    [
        File("Müller, Hans/IMG 1.dcm", [.. Enumerable.Range(0, 64).SelectMany(i => SHA256.HashData([(byte)i]))], deflate: false),
        File("Müller, Hans/NUL", Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat("all work and no play ", 200))), deflate: true),
    ];

    public static byte[] Read(string name) => System.IO.File.ReadAllBytes(PathOf(name));

    public static string ReadText(string name) => Encoding.UTF8.GetString(Read(name));

    public static RSA ReadRsa(string name)
    {
        RSA key = RSA.Create();
        key.ImportFromPem(ReadText(name));
        return key;
    }

    public static string PathOf(string name) => Path.Combine(Repository.Vectors, "pack-1", name);

    private static (PackEntry Entry, byte[] Content) File(string path, byte[] content, bool deflate)
    {
        SidecarInstance instance = new(
            Uid.Parse($"1.2.826.0.1.3680043.10.1.1.{content.Length}"),
            Uid.Parse("1.2.840.10008.5.1.4.1.1.1.3"),
            deflate ? null : Uid.Parse("1.2.826.0.1.3680043.10.1.1"),
            deflate ? null : "IO",
            Uid.Parse("1.2.840.10008.1.2.1"),
            content.Length,
            Sha256Digest.Of(content));
        return (new PackEntry(path, new DateTimeOffset(2025, 12, 31, 23, 59, 59, 500, TimeSpan.Zero), instance, deflate), content);
    }
}

/// <summary>
/// Made the committed vectors. What has randomness in it (OAEP, ECDSA, the identifier secret's nonce) comes out differently each time, so this
/// runs for a new version's folder only: <c>dotnet run --project tests/CloudArchive.Format.Tests -- --explicit only --filter-method "*Make_the_vectors*"</c>.
/// </summary>
public sealed class PackVectorGenerator
{
    [Fact(Explicit = true)]
    public async Task Make_the_vectors()
    {
        Assert.False(File.Exists(PackVectors.PathOf("pack.sealed")), "These vectors are committed: a new version gets a folder of its own.");
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        using RSA clinicKey = RSA.Create(2048);
        using RSA escrowKey = RSA.Create(2048);
        using ECDsa signingKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);

        using ContentKey key = ContentKey.ForVectors(PackVectors.ContentKeyBytes);
        using MemoryStream ciphertext = new();
        await using PackWriter writer = new(ciphertext, PackVectors.Header, key);
        foreach ((PackEntry entry, byte[] content) in PackVectors.Files)
        {
            await writer.AddAsync(entry, new MemoryStream(content), cancellation);
        }

        PackSummary summary = await writer.CompleteAsync(cancellation);
        using UnsealingStream unsealing = new(ciphertext, key);
        byte[] plaintext = new byte[unsealing.Length];
        await unsealing.ReadExactlyAsync(plaintext, cancellation);
        await using PackReader reader = await PackReader.OpenAsync(ciphertext, key, null, cancellation);

        WrappedContentKey wrapped = KeyWrapping.Wrap(key, JwkKeys.FromRsa(clinicKey, "https://vault.example/keys/clinic-musterpraxis/0123456789abcdef0123456789abcdef"));
        WrappedContentKey escrow = KeyWrapping.Wrap(key, JwkKeys.FromRsa(escrowKey));
        using IdentifierSecret secret = IdentifierSecret.FromBytes(PackVectors.IdentifierSecretBytes);
        Sidecar sidecar = Sidecars.For(PackVectors.Header, summary, wrapped, escrow) with { StudyDate = "20251231", PatientHmac = secret.Hmac(PackVectors.Identifier) };
        Receipt receipt = new(
            Receipt.CurrentFormat,
            sidecar.Clinic,
            sidecar.Pack,
            sidecar.Study,
            sidecar.Sha256,
            sidecar.Length,
            "2026-03-04T05:06:08.1234567Z",
            new DateTimeOffset(2036, 3, 4, 5, 6, 7, TimeSpan.Zero),
            sidecar.InstancesRoot,
            sidecar.Instances.Count,
            sidecar.Clinic.Value,
            17,
            new DateTimeOffset(2026, 3, 4, 5, 6, 9, 250, TimeSpan.Zero));
        Jwk publicKey = JwkKeys.FromEcdsa(signingKey);
        string jws = await Jws.SignAsync(Receipt.JwsType, Receipts.Serialize(receipt), publicKey.Kid!, (data, _) => Task.FromResult(signingKey.SignData(data.Span, HashAlgorithmName.SHA256)), cancellation);

        const string Warning = "Test key of tests/vectors: it protects nothing and must never protect anything.\n";
        Write("content-key.hex", Encoding.ASCII.GetBytes(Convert.ToHexStringLower(PackVectors.ContentKeyBytes)));
        Write("clinic-key.pem", Encoding.ASCII.GetBytes(Warning + clinicKey.ExportPkcs8PrivateKeyPem() + "\n"));
        Write("escrow-key.pem", Encoding.ASCII.GetBytes(Warning + escrowKey.ExportPkcs8PrivateKeyPem() + "\n"));
        Write("jwks.json", CanonicalJson.Serialize(new JwkSet([publicKey])));
        Write("plaintext.zip", plaintext);
        Write("pack.sealed", ciphertext.ToArray());
        Write("pack-python.sealed", RegionSealer.Seal(PackVectors.ContentKeyBytes, plaintext, RegionSealer.PythonNonce));
        Write("encryptiondata.json", Encoding.ASCII.GetBytes(BlobEncryption.ToMetadata(sidecar.Encryption)));
        Write("cloudarchive_escrow.json", Encoding.ASCII.GetBytes(BlobEncryption.ToMetadata(BlobEncryption.For(escrow))));
        Write("manifest.json", CanonicalJson.Serialize(reader.Manifest));
        Write("sidecar.json", Sidecars.Serialize(sidecar));
        Write("receipt.json", Receipts.Serialize(receipt));
        Write("receipt.jws", Encoding.ASCII.GetBytes(jws));
        Write("identifier-secret.sealed", secret.SealUnder(PackVectors.EnrollmentCode));
    }

    private static void Write(string name, byte[] content) => File.WriteAllBytes(PackVectors.PathOf(name), content);
}
