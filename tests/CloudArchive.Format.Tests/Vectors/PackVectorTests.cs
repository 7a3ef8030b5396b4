using System.Diagnostics;
using System.IO.Compression;
using System.Security.Cryptography;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Sealing;
using CloudArchive.Format.Signing;
using CloudArchive.Format.Tests.Sealing;

namespace CloudArchive.Format.Tests.Vectors;

/// <summary>What was once written still opens, and is still written that way.</summary>
public sealed class PackVectorTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_pack_opens_with_the_clinics_key_and_its_receipt()
    {
        JwkSet keys = System.Text.Json.JsonSerializer.Deserialize<JwkSet>(PackVectors.Read("jwks.json"), FormatJson.Options)!;
        Receipt receipt = Receipts.Verify(PackVectors.ReadText("receipt.jws"), keys);
        using RSA clinicKey = PackVectors.ReadRsa("clinic-key.pem");
        using ContentKey key = KeyWrapping.Unwrap(BlobEncryption.Parse(PackVectors.ReadText("encryptiondata.json")).WrappedContentKey, clinicKey);

        await AssertOpensAsync("pack.sealed", key, PackIdentity.Of(receipt));
    }

    [Fact]
    public async Task The_pack_opens_with_the_escrow_key_and_its_sidecar()
    {
        Sidecar sidecar = Sidecars.Parse(PackVectors.Read("sidecar.json"));
        using RSA escrowKey = PackVectors.ReadRsa("escrow-key.pem");
        using ContentKey key = KeyWrapping.Unwrap(sidecar.Escrow, escrowKey);
        using ContentKey fromMetadata = KeyWrapping.Unwrap(BlobEncryption.Parse(PackVectors.ReadText("cloudarchive_escrow.json")).WrappedContentKey, escrowKey);

        await AssertOpensAsync("pack.sealed", key, PackIdentity.Of(sidecar));
        Assert.Equal(key.ToWrapInput(), fromMetadata.ToWrapInput());
    }

    [Fact]
    public async Task The_pack_as_the_python_sdk_numbers_its_regions_opens()
    {
        using ContentKey key = ContentKey.ForVectors(PackVectors.ContentKeyBytes);

        await AssertOpensAsync("pack-python.sealed", key, new PackIdentity(PackVectors.Header.Clinic, PackVectors.Header.Pack));
    }

    [Fact]
    public async Task The_plaintext_seals_to_the_same_bytes()
    {
        using ContentKey key = ContentKey.ForVectors(PackVectors.ContentKeyBytes);
        using MemoryStream output = new();
        await using SealingStream sealing = new(output, key, leaveOpen: true);
        await sealing.WriteAsync(PackVectors.Read("plaintext.zip"), Cancellation);
        SealedBytes made = await sealing.CompleteAsync(Cancellation);

        Assert.Equal(PackVectors.Read("pack.sealed"), output.ToArray());
        Assert.Equal(Sidecars.Parse(PackVectors.Read("sidecar.json")).Sha256, made.Sha256);
        Assert.Equal(PackVectors.ReadText("content-key.hex"), Convert.ToHexStringLower(PackVectors.ContentKeyBytes));
        Assert.Equal(PackVectors.Read("pack.sealed"), RegionSealer.Seal(PackVectors.ContentKeyBytes, PackVectors.Read("plaintext.zip")));
    }

    /// <summary>The ZIP's own bytes are the runtime's (its deflate); everything that the archive decides is the same, but for the version, which is another by now.</summary>
    [Fact]
    public async Task The_same_files_make_the_same_manifest_and_the_same_root()
    {
        using ContentKey key = ContentKey.Create();
        using MemoryStream output = new();
        await using PackWriter writer = new(output, PackVectors.Header, key);
        foreach ((PackEntry entry, byte[] content) in PackVectors.Files)
        {
            await writer.AddAsync(entry, new MemoryStream(content), Cancellation);
        }

        PackSummary summary = await writer.CompleteAsync(Cancellation);
        await using UnsealingStream unsealing = new(output, key);
        string made = System.Text.Encoding.UTF8.GetString(ManifestIn(unsealing));

        Assert.Equal(PackVectors.ReadText("manifest.json"), made.Replace(Manifest.CurrentFormat, Manifest.FormatWithoutFilters, StringComparison.Ordinal));
        Assert.Equal(PackVectors.Read("manifest.json"), ManifestIn(new MemoryStream(PackVectors.Read("plaintext.zip"))));
        Assert.Equal(Sidecars.Parse(PackVectors.Read("sidecar.json")).InstancesRoot, summary.InstancesRoot);
    }

    [Fact]
    public void What_is_canonical_is_written_to_the_byte_again()
    {
        Assert.Equal(PackVectors.Read("sidecar.json"), Sidecars.Serialize(Sidecars.Parse(PackVectors.Read("sidecar.json"))));
        Assert.Equal(PackVectors.Read("../sidecar-2/sidecar.json"), Sidecars.Serialize(Sidecars.Parse(PackVectors.Read("../sidecar-2/sidecar.json"))));
        Assert.Equal(PackVectors.Read("../sidecar-2/sidecar-forms.json"), Sidecars.Serialize(Sidecars.Parse(PackVectors.Read("../sidecar-2/sidecar-forms.json"))));
        using (IdentifierSecret secret = IdentifierSecret.FromBytes(PackVectors.IdentifierSecretBytes))
        {
            Assert.Equal(secret.Forms(PackVectors.Identifier), Sidecars.Parse(PackVectors.Read("../sidecar-2/sidecar-forms.json")).PatientForms);
        }

        Assert.Null(Sidecars.Parse(PackVectors.Read("sidecar.json")).Retention);
        Assert.Equal(new SidecarRetention(3, new DateTimeOffset(2046, 1, 1, 0, 0, 0, TimeSpan.Zero), 2020), Sidecars.Parse(PackVectors.Read("../sidecar-2/sidecar.json")).Retention);
        Assert.Equal(PackVectors.Read("receipt.json"), Receipts.Serialize(Receipts.Parse(PackVectors.Read("receipt.json"))));
        Assert.Equal(PackVectors.ReadText("encryptiondata.json"), BlobEncryption.ToMetadata(BlobEncryption.Parse(PackVectors.ReadText("encryptiondata.json"))));
        Assert.Equal(PackVectors.ReadText("cloudarchive_escrow.json"), BlobEncryption.ToMetadata(BlobEncryption.Parse(PackVectors.ReadText("cloudarchive_escrow.json"))));
    }

    [Fact]
    public void The_receipts_payload_is_the_receipt() =>
        Assert.Equal(PackVectors.ReadText("receipt.json"), System.Text.Encoding.UTF8.GetString(System.Buffers.Text.Base64Url.DecodeFromChars(PackVectors.ReadText("receipt.jws").Split('.')[1])));

    [Fact]
    public void The_identifier_secret_opens_with_its_code()
    {
        using IdentifierSecret secret = IdentifierSecret.Open(PackVectors.Read("identifier-secret.sealed"), PackVectors.EnrollmentCode);

        Assert.Equal(PackVectors.IdentifierSecretBytes, secret.ToBytes());
        Assert.Equal(Sidecars.Parse(PackVectors.Read("sidecar.json")).PatientHmac, secret.Hmac(PackVectors.Identifier));
    }

    [Fact]
    public async Task Another_implementation_reads_all_of_them()
    {
        using Process node = Process.Start(new ProcessStartInfo("node", [PackVectors.PathOf("verify.mjs")]) { UseShellExecute = false, RedirectStandardError = true, RedirectStandardOutput = true })!;
        Task<string> output = node.StandardOutput.ReadToEndAsync(Cancellation);
        string errors = await node.StandardError.ReadToEndAsync(Cancellation);
        await node.WaitForExitAsync(Cancellation);

        Assert.Equal((0, "pack-1: all vectors hold\n", ""), (node.ExitCode, await output, errors));
    }

    private static async Task AssertOpensAsync(string name, ContentKey key, PackIdentity identity)
    {
        await using PackReader reader = await PackReader.OpenAsync(new MemoryStream(PackVectors.Read(name)), key, identity, Cancellation);

        Assert.Equal(PackVectors.Read("manifest.json"), CanonicalJson.Serialize(reader.Manifest));
        Assert.Equal(["Müller, Hans/IMG 1.dcm", "Müller, Hans/_NUL"], reader.Manifest.Instances.Select(i => i.Entry));
        foreach ((ManifestInstance instance, (PackEntry entry, byte[] content)) in reader.Manifest.Instances.Zip(PackVectors.Files))
        {
            using MemoryStream restored = new();
            await reader.ExtractAsync(instance, restored, Cancellation);
            Assert.Equal(content, restored.ToArray());
            Assert.Equal(entry.Path, instance.Path);
        }
    }

    private static byte[] ManifestIn(Stream plaintext)
    {
        using ZipArchive zip = new(plaintext, ZipArchiveMode.Read);
        using MemoryStream manifest = new();
        using Stream entry = zip.GetEntry(Manifest.EntryName)!.Open();
        entry.CopyTo(manifest);
        return manifest.ToArray();
    }
}
