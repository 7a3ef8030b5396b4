using System.Net;
using System.Security.Cryptography;
using CloudArchive.Cli.Agent;
using CloudArchive.Cli.Backup;
using CloudArchive.Cli.State;
using CloudArchive.Cli.Terminal;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Retention;
using CloudArchive.Format.Signing;
using CloudArchive.Format.Wire;
using CloudArchive.Testing;

namespace CloudArchive.Cli.Tests;

/// <summary>
/// A computer that is enrolled, with a folder, a clock and a disk that a test may exchange. There is no archive: a test says which of the files it
/// holds; what a run would send fails.
/// </summary>
public sealed class Computers : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly Packs _packs = new();

    public Computers()
    {
        AgentHome home = new(_folder["agent"]);
        home.Create();
        Identity(_packs).Save(home);
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        ProtectedFile.Write(home.AgentKey, key.ExportPkcs8PrivateKey());
        using IdentifierSecret secret = IdentifierSecret.Create();
        ProtectedFile.Write(home.IdentifierSecret, secret.ToBytes());
        Directory.CreateDirectory(Images);
        Environment = new CliEnvironment
        {
            Out = Output,
            Error = TextWriter.Null,
            In = TextReader.Null,
            Clock = Clock,
            Variable = name => name == "CLOUDARCHIVE_HOME" ? home.Path : null,
            HttpHandler = () => new Stub(this),
            Network = TestCli.Impatient,
            VolumeOf = _ => Volume,
        };
        Session = AgentSession.Open(Environment);
    }

    public Microsoft.Extensions.Time.Testing.FakeTimeProvider Clock { get; } = new(new DateTimeOffset(2026, 3, 4, 5, 6, 7, TimeSpan.Zero)) { AutoAdvanceAmount = TimeSpan.FromMilliseconds(1) };

    public string? Volume { get; set; } = "disk-1";

    public StringWriter Output { get; } = new();

    public string Images => _folder["images"];

    public string this[string relative] => _folder[relative];

    public CliEnvironment Environment { get; }

    public AgentSession Session { get; }

    public AgentState State => Session.State;

    public FolderRecord Folder => State.FindFolder(Images)!;

    public FileCounts Counts => State.Count()[Folder.Id];

    private readonly Dictionary<string, byte[]> _blobs = [];

    /// <summary>What the archive is asked for.</summary>
    public List<(string Path, string Body)> Asked { get; } = [];

    public Func<string, HttpStatusCode> Answer { get; set; } = static _ => HttpStatusCode.NotFound;

    /// <summary>How long a quota stays used up, where the archive refuses packs for it; null: it does not.</summary>
    public TimeSpan? QuotaLeft { get; set; }

    /// <summary>What the archive says of packs after an entry; null: it does not answer that.</summary>
    public Func<long, ChangesResponse?> Changes { get; set; } = static _ => new ChangesResponse([], 0, false);

    /// <summary>What the archive says of entries of the log.</summary>
    public Func<long, IReadOnlyList<long>, IReadOnlyList<CommitEntryResponse>> Commits { get; set; } = static (_, _) => [];

    /// <summary>The log's latest checkpoint, where it has one.</summary>
    public string? Latest { get; set; }

    /// <summary>Keys and packs of its clinic.</summary>
    public Packs Sealed => _packs;

    /// <summary>What <c>enroll</c> would have pinned.</summary>
    public static AgentIdentity Identity(Packs packs) => new(
        new Uri("https://archive.example.org"), Packs.Clinic, "Demo Dental", "agent-1", "https://archive.example.org/v1/token",
        JwkKeys.FromRsa(packs.Wrapping), JwkKeys.FromRsa(packs.Escrow), packs.Keys, new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));

    /// <summary>What another run would send.</summary>
    public IReadOnlyList<PendingFile> Pending
    {
        get
        {
            State.BeginPlan();
            return [.. State.AllPending([Folder.Id])];
        }
    }

    /// <summary>Writes images of one study, with a time long enough ago.</summary>
    public void Write(params string[] names)
    {
        foreach (string name in names)
        {
            SampleStudies.WriteOne(Path(name), name);
            File.SetLastWriteTimeUtc(Path(name), Clock.GetUtcNow().UtcDateTime.AddHours(-1));
        }
    }

    /// <summary>Other bytes of the same length, at a time of their own.</summary>
    public void Rewrite(string name, TimeSpan? ago = null)
    {
        byte[] bytes = File.ReadAllBytes(Path(name));
        bytes[^1] ^= 0xff;
        File.WriteAllBytes(Path(name), bytes);
        File.SetLastWriteTimeUtc(Path(name), Clock.GetUtcNow().UtcDateTime - (ago ?? TimeSpan.FromMinutes(5)));
    }

    public string Path(string name) => System.IO.Path.Combine(Images, name.Replace('/', System.IO.Path.DirectorySeparatorChar));

    /// <summary>A run. Where it has something to send, that fails; what was scanned and read stays.</summary>
    public async Task<BackupOutcome?> RunAsync(BackupOptions? options = null, BackupScope? scope = null)
    {
        try
        {
            return await new BackupRun(Session, Environment, new QuietView(_ => { }), options ?? new BackupOptions()).RunAsync(scope ?? new BackupScope([Images]), TestContext.Current.CancellationToken);
        }
        catch (CliException error) when (error is ServiceRefusedException or ServiceUnreachableException)
        {
            return null;
        }
    }

    /// <summary>A run after which the archive has everything that can be archived.</summary>
    public async Task<BackupOutcome> BackUpAsync(BackupOptions? options = null)
    {
        await RunAsync(options);
        Archive();
        return (await RunAsync(options))!;
    }

    /// <summary>The archive has what was read and is not held back.</summary>
    public void Archive()
    {
        State.BeginPlan();
        foreach (PendingFile file in State.AllPending([.. State.FolderRecords().Select(f => f.Id)]).ToList())
        {
            Receipt receipt = new(
                Receipt.CurrentFormat, Packs.Clinic, PackId.New(Clock), file.Study.Study, file.Instance.Sha256, 1, "v", Clock.GetUtcNow().AddYears(10), file.Instance.Sha256, 1, "x", 0, Clock.GetUtcNow());
            State.StoreReceipt("jws", receipt, [file.Instance]);
        }
    }

    public void Dispose()
    {
        Session.Dispose();
        Output.Dispose();
        _packs.Dispose();
        _folder.Dispose();
    }

    /// <summary>Snapshots that the archive took, sealed, with what they hold.</summary>
    public List<(Sidecar Sidecar, byte[] Sealed)> Snapshots { get; } = [];

    /// <summary>Whether the archive refuses them.</summary>
    public bool RefusesSnapshots { get; set; }

    /// <summary>Of all packs the archive takes those of snapshots alone: to the tests here it is nothing how the others get there.</summary>
    private async Task<HttpResponseMessage?> AnswerSnapshotAsync(HttpRequestMessage request, string path, CancellationToken cancellationToken)
    {
        string snapshots = Sets.SnapshotsOf(Session.Secret, Session.Identity.Computer).Value;
        if (path.StartsWith("/blob/", StringComparison.Ordinal))
        {
            _blobs[path["/blob/".Length..]] = await request.Content!.ReadAsByteArrayAsync(cancellationToken);
            return new HttpResponseMessage(HttpStatusCode.Created) { Headers = { { "x-ms-request-id", "1" }, { "x-ms-version", "2025-11-05" } } };
        }

        string body = request.Content is null ? "" : await request.Content.ReadAsStringAsync(cancellationToken);
        if (RefusesSnapshots || !body.Contains(snapshots, StringComparison.Ordinal))
        {
            return null;
        }

        if (path.EndsWith("/packs", StringComparison.Ordinal))
        {
            PackId pack = PackId.New(Clock);
            return Ok(new OpenPackResponse(
                pack, $"https://archive.example.org/blob/{pack}?sig=x", Clock.GetUtcNow().AddHours(1), JwkKeys.FromRsa(_packs.Wrapping), JwkKeys.FromRsa(_packs.Escrow), RetentionPolicy.ForYears(10)));
        }

        Sidecar sidecar = System.Text.Json.JsonSerializer.Deserialize<CommitPackRequest>(body, FormatJson.Options)!.Sidecar;
        Sidecars.Check(sidecar);
        byte[] blob = _blobs[sidecar.Pack.ToString()];
        Assert.Equal((sidecar.Length, sidecar.Sha256), ((long)blob.Length, Sha256Digest.Of(blob)));
        Snapshots.Add((sidecar, blob));
        return Ok(new ReceiptResponse(sidecar.Pack, await _packs.SignAsync(Packs.ReceiptFor(sidecar, sidecar.Retention!.Until))));
    }

    private static HttpResponseMessage Ok<T>(T answer) =>
        new(HttpStatusCode.OK) { Content = new ByteArrayContent(System.Text.Json.JsonSerializer.SerializeToUtf8Bytes(answer, FormatJson.Options)) { Headers = { ContentType = new("application/json") } } };

    private sealed class Stub(Computers computer) : HttpMessageHandler
    {
        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            string path = request.RequestUri!.AbsolutePath;
            if (path == "/v1/token")
            {
                return new HttpResponseMessage(HttpStatusCode.OK) { Content = new StringContent("""{"access_token":"t","token_type":"Bearer","expires_in":600}""", System.Text.Encoding.UTF8, "application/json") };
            }

            System.Collections.Specialized.NameValueCollection query = System.Web.HttpUtility.ParseQueryString(request.RequestUri.Query);
            if (path.EndsWith("/changes", StringComparison.Ordinal) && computer.Changes(long.Parse(query["after"]!, System.Globalization.CultureInfo.InvariantCulture)) is { } changes)
            {
                return Ok(changes);
            }

            if (path.EndsWith("/checkpoints/latest", StringComparison.Ordinal) && computer.Latest is { } latest)
            {
                return Ok(new CheckpointResponse(latest));
            }

            if (path.EndsWith("/audit/commits", StringComparison.Ordinal))
            {
                return Ok(computer.Commits(long.Parse(query["size"]!, System.Globalization.CultureInfo.InvariantCulture), [.. query.GetValues("index")!.Select(i => long.Parse(i, System.Globalization.CultureInfo.InvariantCulture))]));
            }

            if (await computer.AnswerSnapshotAsync(request, path, cancellationToken) is { } snapshot)
            {
                return snapshot;
            }

            lock (computer.Asked)
            {
                computer.Asked.Add((path, request.Content is null ? "" : request.Content.ReadAsStringAsync(cancellationToken).GetAwaiter().GetResult()));
            }

            if (computer.QuotaLeft is { } left && path.EndsWith("/packs", StringComparison.Ordinal))
            {
                HttpResponseMessage refused = new(HttpStatusCode.Forbidden) { Content = new StringContent("""{"type":"https://x/problems/quota-used-up","title":"The clinic's daily quota is used up","detail":"It goes on at midnight.","status":403}""", System.Text.Encoding.UTF8, "application/problem+json") };
                refused.Headers.RetryAfter = new System.Net.Http.Headers.RetryConditionHeaderValue(left);
                return refused;
            }

            HttpStatusCode status = computer.Answer(path);
            return new HttpResponseMessage(status) { Content = new StringContent("""{"type":"https://x/problems/nothing-here","title":"x","status":404}""", System.Text.Encoding.UTF8, "application/problem+json") };
        }
    }
}
