using System.Net;
using System.Security.Cryptography;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Sealing;
using CloudArchive.Format.Signing;
using CloudArchive.Format.Wire;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace CloudArchive.Api.Tests.Support;

/// <summary>An agent that speaks nothing but HTTP.</summary>
internal sealed class ApiAgent(ApiHost host, EnrollResponse enrolled, ECDsa key, IdentifierSecret secret)
{
    private static readonly RSA _escrow = RSA.Create(2048);
    private static readonly HttpClient _http = new();
    private static int _number;

    public static RSA Escrow => _escrow;

    public EnrollResponse Enrolled => enrolled;

    public ECDsa Key => key;

    public IdentifierSecret Secret => secret;

    public string Packs => $"/v1/clinics/{enrolled.Clinic}/packs";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static ClinicId NewClinicId() => ClinicId.Parse("a-" + Guid.NewGuid().ToString("N"));

    public static Uid NewStudy() => Uid.Parse($"1.2.826.0.1.3680043.8.498.{Interlocked.Increment(ref _number)}.{RandomNumberGenerator.GetInt32(1, int.MaxValue)}");

    /// <summary>A new clinic with its first agent.</summary>
    public static async Task<ApiAgent> CreateAsync(ApiHost host, bool requireApproval = true, ApiHost? enrollAt = null, string? token = null)
    {
        ClinicId clinic = NewClinicId();
        (await host.PostAsync("/v1/clinics", token ?? host.Staff("admin"), new CreateClinicRequest(clinic, "Musterpraxis", 10, requireApproval))).As<ClinicResponse>();
        return await EnrollAsync(host, clinic, enrollAt, token);
    }

    public static async Task<ApiAgent> EnrollAsync(ApiHost host, ClinicId clinic, ApiHost? enrollAt = null, string? token = null)
    {
        string code = (await host.PostAsync($"/v1/clinics/{clinic}/enrollments", token ?? host.Staff("admin"))).As<EnrollmentCodeResponse>().Code;
        ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        Answer answer = await (enrollAt ?? host).PostAsync("/v1/enrollments", null, new EnrollRequest(code, "reception", JwkKeys.FromEcdsa(key), JwkKeys.FromRsa(_escrow)));
        EnrollResponse enrolled = answer.As<EnrollResponse>();
        return new ApiAgent(enrollAt ?? host, enrolled, key, IdentifierSecret.Open(enrolled.SealedIdentifierSecret, code));
    }

    /// <summary>A client assertion; every part can be made wrong.</summary>
    public string Assertion(string? jti = null, string? audience = null, TimeSpan? lifetime = null, ECDsa? signedBy = null, string? issuer = null, string? subject = null, string algorithm = SecurityAlgorithms.EcdsaSha256, bool withJti = true)
    {
        DateTimeOffset now = host.Clock.GetUtcNow();
        Dictionary<string, object> claims = new() { ["sub"] = subject ?? enrolled.AgentId };
        if (withJti)
        {
            claims["jti"] = jti ?? Guid.NewGuid().ToString("N");
        }

        SecurityKey signingKey = algorithm == SecurityAlgorithms.HmacSha256
            ? new SymmetricSecurityKey((signedBy ?? key).ExportSubjectPublicKeyInfo())
            : new ECDsaSecurityKey(signedBy ?? key);
        return new JsonWebTokenHandler { SetDefaultTimesOnTokenCreation = false }.CreateToken(new SecurityTokenDescriptor
        {
            Issuer = issuer ?? enrolled.AgentId,
            Audience = audience ?? enrolled.Audience,
            IssuedAt = now.UtcDateTime,
            Expires = (now + (lifetime ?? TimeSpan.FromMinutes(2))).UtcDateTime,
            SigningCredentials = new SigningCredentials(signingKey, algorithm),
            Claims = claims,
        });
    }

    public Task<Answer> AskTokenAsync(string assertion) => host.SendAsync("POST", "/v1/token", null, raw: Form(assertion), contentType: "application/x-www-form-urlencoded");

    public static string Form(string assertion) =>
        $"grant_type=client_credentials&client_assertion_type={Uri.EscapeDataString("urn:ietf:params:oauth:client-assertion-type:jwt-bearer")}&client_assertion={assertion}";

    public async Task<string> TokenAsync() => (await AskTokenAsync(Assertion())).As<TokenResponse>().AccessToken;

    /// <summary>Opens and seals a pack. Its file is no DICOM: the API never looks inside.</summary>
    public async Task<(OpenPackResponse Opened, byte[] Ciphertext, Sidecar Sidecar)> SealAsync(string token, Uid? study = null, string? patientId = "PID-7")
    {
        Uid uid = study ?? NewStudy();
        OpenPackResponse opened = (await host.PostAsync(Packs, token, new OpenPackRequest(uid, 5000))).As<OpenPackResponse>();
        byte[] content = RandomNumberGenerator.GetBytes(3000);
        SidecarInstance instance = new(Uid.Parse(uid + ".1"), Uid.Parse("1.2.840.10008.5.1.4.1.1.1.3"), null, "IO", Uid.Parse("1.2.840.10008.1.2.1"), content.Length, Sha256Digest.Of(content));
        using ContentKey contentKey = ContentKey.Create();
        PackHeader header = new(enrolled.Clinic, opened.Pack, uid, host.Clock.GetUtcNow());
        using MemoryStream output = new();
        PackSummary summary;
        await using (PackWriter writer = new(output, header, contentKey))
        {
            await writer.AddAsync(new PackEntry("1.dcm", host.Clock.GetUtcNow(), instance, Deflate: false), new MemoryStream(content), Cancel);
            summary = await writer.CompleteAsync(Cancel);
        }

        Sidecar sidecar = Sidecars.For(header, summary, KeyWrapping.Wrap(contentKey, opened.WrappingKey), KeyWrapping.Wrap(contentKey, opened.EscrowKey)) with
        {
            StudyDate = "20260102",
            PatientHmac = secret.Hmac(patientId),
            AccessionHmac = secret.Hmac("ACC-" + uid),
        };
        return (opened, output.ToArray(), sidecar);
    }

    public static async Task UploadAsync(string url, byte[] ciphertext, Sidecar sidecar)
    {
        using HttpRequestMessage put = new(HttpMethod.Put, url) { Content = new ByteArrayContent(ciphertext) };
        put.Headers.Add("x-ms-blob-type", "BlockBlob");
        put.Headers.Add("x-ms-version", "2021-12-02");
        put.Headers.Add("x-ms-meta-" + BlobEncryption.MetadataName, BlobEncryption.ToMetadata(sidecar.Encryption));
        put.Headers.Add("x-ms-meta-" + BlobEncryption.EscrowMetadataName, BlobEncryption.ToMetadata(BlobEncryption.For(sidecar.Escrow)));
        using HttpResponseMessage answer = await _http.SendAsync(put, Cancel);
        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
    }

    /// <summary>A file that is no instance.</summary>
    public static (string Path, byte[] Content, FileKind Kind) Plain(string path, string content, FileKind? kind = null) => (path, System.Text.Encoding.UTF8.GetBytes(content), kind ?? FileKinds.Of(path));

    /// <summary>Opens, seals and uploads a pack of plain files.</summary>
    public async Task<Sidecar> UploadSetAsync(string token, Uid set, SetKind kind, SidecarSnapshot? snapshot, params (string Path, byte[] Content, FileKind Kind)[] files)
    {
        OpenPackResponse opened = (await host.PostAsync(Packs, token, new OpenPackRequest(set, files.Sum(file => (long)file.Content.Length)))).As<OpenPackResponse>();
        using ContentKey contentKey = ContentKey.Create();
        PackHeader header = new(enrolled.Clinic, opened.Pack, set, host.Clock.GetUtcNow(), kind);
        using MemoryStream output = new();
        PackSummary summary;
        await using (PackWriter writer = new(output, header, contentKey))
        {
            foreach ((string path, byte[] content, FileKind of) in files)
            {
                PackEntry entry = new(path, host.Clock.GetUtcNow(), SidecarInstance.Plain(of, content.Length, Sha256Digest.Of(content)), Deflate: true, Root: new ManifestRoot("Reception Lindqvist", "Lindqvist's photos"));
                await writer.AddAsync(entry, new MemoryStream(content), Cancel);
            }

            summary = await writer.CompleteAsync(Cancel);
        }

        Sidecar sidecar = Sidecars.For(header, summary, KeyWrapping.Wrap(contentKey, opened.WrappingKey), KeyWrapping.Wrap(contentKey, opened.EscrowKey)) with { Snapshot = snapshot };
        await UploadAsync(opened.UploadUrl, output.ToArray(), sidecar);
        return sidecar;
    }

    /// <summary>Commits what was uploaded.</summary>
    public Task<Answer> CommitAsync(string token, Sidecar sidecar) => host.PostAsync($"{Packs}/{sidecar.Pack}/commit", token, new CommitPackRequest(sidecar));

    /// <summary>Opens, seals, uploads, commits a pack of plain files.</summary>
    public async Task<Sidecar> BackUpSetAsync(string token, Uid set, SetKind kind, SidecarSnapshot? snapshot, params (string Path, byte[] Content, FileKind Kind)[] files)
    {
        Sidecar sidecar = await UploadSetAsync(token, set, kind, snapshot, files);
        (await CommitAsync(token, sidecar)).As<ReceiptResponse>();
        return sidecar;
    }

    /// <summary>Opens, seals, uploads, commits.</summary>
    public async Task<(Sidecar Sidecar, string Receipt)> BackUpAsync(string token, Uid? study = null, string? patientId = "PID-7")
    {
        (OpenPackResponse opened, byte[] ciphertext, Sidecar sidecar) = await SealAsync(token, study, patientId);
        await UploadAsync(opened.UploadUrl, ciphertext, sidecar);
        Answer answer = await host.PostAsync($"{Packs}/{opened.Pack}/commit", token, new CommitPackRequest(sidecar));
        return (sidecar, answer.As<ReceiptResponse>().Receipt);
    }
}
