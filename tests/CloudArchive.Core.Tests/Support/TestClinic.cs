using System.IO.Compression;
using System.Net;
using System.Security.Cryptography;
using System.Text.Json;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Packs;
using CloudArchive.Dicom;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Sealing;
using CloudArchive.Format.Signing;
using CloudArchive.Testing;

namespace CloudArchive.Core.Tests.Support;

/// <summary>A file of a made-up study.</summary>
internal sealed record TestFile(string Path, byte[] Content, SidecarInstance Instance)
{
    /// <summary>What the manifest says of its state; null where the agent did not look.</summary>
    public CaptureVerdict? Captured { get; init; }

    /// <summary>The folder that it was found in.</summary>
    public ManifestRoot? Root { get; init; }

    public const string SopClass = "1.2.840.10008.5.1.4.1.1.1.3";

    public static TestFile Create(Uid study, int number, int bytes = 2000, string modality = "IO")
    {
        string sop = $"{study}.{number}";
        using MemoryStream content = new();
        using (DicomWriter file = new(content, TransferSyntaxes.ExplicitVrLittleEndian))
        {
            file.Meta(SopClass, sop);
            file.Text(0x0008_0016, "UI", SopClass);
            file.Text(0x0008_0018, "UI", sop);
            file.Text(0x0008_0060, "CS", modality);
            file.Text(0x0010_0020, "LO", "PID-7");
            file.Text(0x0020_000D, "UI", study.Value);
            file.Text(0x0020_000E, "UI", $"{study}.9");
            file.Bytes(0x7FE0_0010, "OB", RandomNumberGenerator.GetBytes(bytes));
        }

        byte[] all = content.ToArray();
        SidecarInstance instance = new(Uid.Parse(sop), Uid.Parse(SopClass), Uid.Parse($"{study}.9"), modality, Uid.Parse(TransferSyntaxes.ExplicitVrLittleEndian), all.Length, Sha256Digest.Of(all));
        return new TestFile($"Muster^Anna/{number}.dcm", all, instance);
    }
}

/// <summary>What is a set's, and no study's.</summary>
internal sealed record SetFacts(SetKind Kind, SidecarSnapshot? Snapshot = null, SidecarRetention? Retention = null)
{
    /// <summary>What the manifest says instead of what a writer makes it say; null: that.</summary>
    public Func<Manifest, Manifest>? Manifest { get; init; }
}

/// <summary>A pack that was opened and sealed, as an agent has it before uploading.</summary>
internal sealed record SealedPack(OpenedPack Opened, byte[] Ciphertext, Sidecar Sidecar, IReadOnlyList<TestFile> Files);

/// <summary>A clinic with one enrolled agent, which works as the real one does: seals with public keys, uploads through the SAS.</summary>
internal sealed class TestClinic
{
    // Made once: what a key is worth is the Format tests' business.
    private static readonly RSA _escrow = RSA.Create(2048);
    private static readonly HttpClient _http = new();
    private static int _studies;

    private TestClinic(Archive archive, ClinicId id, AgentId agent, IdentifierSecret secret) => (Archive, Id, Agent, Secret) = (archive, id, agent, secret);

    public Archive Archive { get; }

    public ClinicId Id { get; }

    public AgentId Agent { get; }

    public IdentifierSecret Secret { get; }

    public static RSA Escrow => _escrow;

    public static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public Requester AsAgent => new(new AuditActor(Agent.ToString(), "agent"), new AuditOrigin("127.0.0.1", "test"));

    public static ClinicId NewId() => ClinicId.Parse("c-" + Guid.NewGuid().ToString("N"));

    public static Uid NewStudy() => Uid.Parse($"1.2.826.0.1.3680043.8.498.{Interlocked.Increment(ref _studies)}.{RandomNumberGenerator.GetInt32(1, int.MaxValue)}");

    public static async Task<TestClinic> CreateAsync(Archive archive, bool requireApproval = true)
    {
        ClinicId id = NewId();
        await archive.Clinics.CreateAsync(id, "Musterpraxis", 10, requireApproval, Archive.Admin, Cancel);
        (AgentId agent, IdentifierSecret secret) = await EnrollAsync(archive, id);
        return new TestClinic(archive, id, agent, secret);
    }

    public static async Task<(AgentId Agent, IdentifierSecret Secret)> EnrollAsync(Archive archive, ClinicId id)
    {
        IssuedCode issued = await archive.Enrollments.CreateCodeAsync(id, Archive.Admin, Cancel);
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        Enrolled enrolled = await archive.Enrollments.EnrollAsync(issued.Code.Reveal(), "reception", JwkKeys.FromEcdsa(key), JwkKeys.FromRsa(_escrow), new AuditOrigin(null, "test"), Cancel);
        return (enrolled.Agent.Id, IdentifierSecret.Open(enrolled.SealedIdentifierSecret, issued.Code.Reveal()));
    }

    /// <summary>The same clinic and agent on other seams.</summary>
    public TestClinic On(Archive archive) => new(archive, Id, Agent, Secret);

    public async Task<SealedPack> SealAsync(Uid? study = null, int files = 2, string? studyDate = "20260102", string? patientId = "PID-7", string modality = "IO")
    {
        Uid uid = study ?? NewStudy();
        TestFile[] all = [.. Enumerable.Range(1, files).Select(number => TestFile.Create(uid, number, modality: modality))];

        // So that packs sort in the order in which they were opened.
        Archive.Clock.Advance(TimeSpan.FromMilliseconds(1));
        OpenedPack opened = await Archive.Intake.OpenAsync(Agent, uid, all.Sum(file => (long)file.Content.Length), AsAgent, Cancel);
        return await SealAsync(opened, uid, all, studyDate, patientId);
    }

    public async Task<SealedPack> SealAsync(OpenedPack opened, Uid study, IReadOnlyList<TestFile> files, string? studyDate = "20260102", string? patientId = "PID-7", SetFacts? set = null)
    {
        ContentKey key = ContentKey.Create();
        PackHeader header = new(Id, opened.Pack, study, Archive.Clock.GetUtcNow(), set?.Kind);
        using MemoryStream output = new();
        PackSummary summary;
        await using (PackWriter writer = new(output, header, key))
        {
            foreach (TestFile file in files)
            {
                await writer.AddAsync(new PackEntry(file.Path, Archive.Clock.GetUtcNow(), file.Instance, Deflate: false, Root: file.Root), new MemoryStream(file.Content), file.Captured is { } verdict ? () => Task.FromResult(verdict) : null, Cancel);
            }

            summary = await writer.CompleteAsync(Cancel);
        }

        byte[] ciphertext = output.ToArray();
        if (set?.Manifest is { } says)
        {
            (ciphertext, summary, key) = await WithManifestAsync(ciphertext, summary, key, says);
        }

        using ContentKey owned = key;
        Sidecar sidecar = Sidecars.For(header, summary, KeyWrapping.Wrap(key, opened.WrappingKey), KeyWrapping.Wrap(key, opened.EscrowKey), set?.Retention);
        sidecar = set is not null
            ? sidecar with { Snapshot = set.Snapshot }
            : sidecar with { StudyDate = studyDate, PatientHmac = Secret.Hmac(patientId), AccessionHmac = Secret.Hmac("ACC-" + study), PatientForms = Secret.Forms(patientId), AccessionForms = Secret.Forms("ACC-" + study) };
        return new SealedPack(opened, ciphertext, sidecar, files);
    }

    /// <summary>The same files under another manifest, sealed anew: what an agent with a fault of its own makes, and everything that hashes tell holds.</summary>
    private static async Task<(byte[] Ciphertext, PackSummary Summary, ContentKey Key)> WithManifestAsync(byte[] ciphertext, PackSummary summary, ContentKey key, Func<Manifest, Manifest> says)
    {
        using MemoryStream zip = new();
        using (key)
        await using (UnsealingStream plaintext = new(new MemoryStream(ciphertext), key))
        {
            await plaintext.CopyToAsync(zip, Cancel);
        }

        using (ZipArchive archive = new(zip, ZipArchiveMode.Update, leaveOpen: true))
        {
            ZipArchiveEntry entry = archive.GetEntry(Manifest.EntryName)!;
            Manifest manifest;
            await using (Stream content = await entry.OpenAsync(Cancel))
            {
                manifest = (await JsonSerializer.DeserializeAsync<Manifest>(content, FormatJson.Options, Cancel))!;
            }

            entry.Delete();
            await using Stream written = await archive.CreateEntry(Manifest.EntryName).OpenAsync(Cancel);
            await written.WriteAsync(CanonicalJson.Serialize(says(manifest)), Cancel);
        }

        ContentKey fresh = ContentKey.Create();
        using MemoryStream output = new();
        await using SealingStream sealing = new(output, fresh, leaveOpen: true);
        await sealing.WriteAsync(zip.ToArray(), Cancel);
        SealedBytes sealedBytes = await sealing.CompleteAsync(Cancel);
        return (output.ToArray(), summary with { Length = sealedBytes.Length, Sha256 = sealedBytes.Sha256, PlaintextLength = sealedBytes.PlaintextLength }, fresh);
    }

    /// <summary>Puts the blob, or other bytes in its place, with the metadata of the sidecar.</summary>
    public static async Task UploadAsync(SealedPack pack, byte[]? bytes = null, Sidecar? metadata = null) =>
        Assert.Equal(HttpStatusCode.Created, await TryUploadAsync(pack, bytes ?? pack.Ciphertext, metadata ?? pack.Sidecar));

    public static async Task<HttpStatusCode> TryUploadAsync(SealedPack pack, byte[] bytes, Sidecar metadata)
    {
        using HttpRequestMessage put = new(HttpMethod.Put, pack.Opened.Upload.Url) { Content = new ByteArrayContent(bytes) };
        put.Headers.Add("x-ms-blob-type", "BlockBlob");
        put.Headers.Add("x-ms-version", "2021-12-02");
        put.Headers.Add("x-ms-meta-" + BlobEncryption.MetadataName, BlobEncryption.ToMetadata(metadata.Encryption));
        put.Headers.Add("x-ms-meta-" + BlobEncryption.EscrowMetadataName, BlobEncryption.ToMetadata(BlobEncryption.For(metadata.Escrow)));
        using HttpResponseMessage answer = await _http.SendAsync(put, Cancel);
        return answer.StatusCode;
    }

    public Task<string> CommitAsync(SealedPack pack) => Archive.Commit.RunAsync(Agent, pack.Opened.Pack, pack.Sidecar, AsAgent, Cancel);

    /// <summary>Seals, uploads, commits.</summary>
    public async Task<(SealedPack Pack, string Receipt)> BackUpAsync(Uid? study = null, int files = 2, string? studyDate = "20260102", string? patientId = "PID-7", string modality = "IO")
    {
        SealedPack pack = await SealAsync(study, files, studyDate, patientId, modality);
        await UploadAsync(pack);
        return (pack, await CommitAsync(pack));
    }

    /// <summary>The clinic's audit log, whole.</summary>
    public Task<IReadOnlyList<AuditEntry>> LogAsync() => LogAsync(Archive, Id.Value);

    public static async Task<IReadOnlyList<AuditEntry>> LogAsync(Archive archive, string log)
    {
        List<AuditEntry> entries = [];
        TreeHead head = await archive.Reader.GetHeadAsync(log, Cancel);
        while (entries.Count < head.Size)
        {
            entries.AddRange((await archive.Reader.ReadAsync(log, entries.Count, 100, Cancel)).Select(entry => JsonSerializer.Deserialize<AuditEntry>(entry.Json, FormatJson.Options)!));
        }

        return entries;
    }
}
