using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using CloudArchive.Cli;
using CloudArchive.Cli.Agent;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Storage;
using CloudArchive.EndToEnd.Audit;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.LocalHost;
using CloudArchive.Testing;
using Microsoft.Extensions.DependencyInjection;

[assembly: AssemblyFixture(typeof(AuditedArchive))]

namespace CloudArchive.EndToEnd.Audit;

/// <summary>An archive in this process, without timers: its logs grow and get checkpoints when a test says so.</summary>
public sealed class AuditedArchive : IAsyncLifetime
{
    private readonly TemporaryFolder _folder = new();
    private readonly SemaphoreSlim _gate = new(1, 1);
    private AuditedClinic? _shared;

    public LocalArchive Archive { get; private set; } = null!;

    public async ValueTask InitializeAsync() =>
        Archive = await LocalArchive.StartAsync(new LocalHostOptions(_folder["data"]) { Port = 0, Timers = false, LogFile = _folder["host.log"] }, TestContext.Current.CancellationToken);

    public async ValueTask DisposeAsync()
    {
        _shared?.Dispose();
        await Archive.DisposeAsync();
        _gate.Dispose();
        _folder.Dispose();
    }

    /// <summary>A clinic with some entries and a checkpoint, for tests that only look: it takes seconds to make one.</summary>
    internal async Task<AuditedClinic> SharedAsync()
    {
        await _gate.WaitAsync(TestContext.Current.CancellationToken);
        try
        {
            if (_shared is null)
            {
                _shared = await AuditedClinic.CreateAsync(this, enrolled: true);
                await _shared.AppendAsync(30);
                await _shared.CheckpointAsync();
                await _shared.Checkpoints.MakeAsync(AuditEntry.SystemLog, TestContext.Current.CancellationToken);
            }

            return _shared;
        }
        finally
        {
            _gate.Release();
        }
    }
}

/// <summary>A clinic with an enrolled computer, its log, the people who read it, and somebody who has the storage account's key.</summary>
internal sealed class AuditedClinic : IDisposable
{
    private static int s_number;
    private readonly TemporaryFolder _folder = new();

    private AuditedClinic(LocalArchive archive) => Archive = archive;

    public LocalArchive Archive { get; }

    public string Name { get; } = $"audited-{Interlocked.Increment(ref s_number):D3}";

    public IRowStore Rows => Archive.Storage.Rows;

    public Checkpoints Checkpoints => Archive.Services.GetRequiredService<Checkpoints>();

    /// <summary>A path of this test's own.</summary>
    public string this[string relative] => _folder[relative];

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>Makes the clinic; with a computer only where a test needs one, because its escrow key takes seconds to make.</summary>
    public static async Task<AuditedClinic> CreateAsync(AuditedArchive fixture, bool enrolled = false)
    {
        AuditedClinic clinic = new(fixture.Archive);
        (await clinic.RunAsync("admin", "clinic", "create", clinic.Name, "--name", "Audited")).Expect(ExitCode.Ok);
        if (enrolled)
        {
            string code = JsonDocument.Parse((await clinic.RunAsync("admin", "enrollment", "create", "--clinic", clinic.Name, "--json")).Expect(ExitCode.Ok).Output).RootElement.GetProperty("code").GetString()!;
            await File.WriteAllTextAsync(clinic["passphrase"], "correct horse battery staple", Cancel);
            (await clinic.RunAsync("agent", "enroll", "--url", fixture.Archive.Url.AbsoluteUri, "--code", code, "--escrow-out", clinic["escrow.pem"], "--escrow-passphrase-file", clinic["passphrase"])).Expect(ExitCode.Ok);
        }

        using HttpClient anyone = new() { BaseAddress = fixture.Archive.Url };
        await File.WriteAllBytesAsync(clinic["keys.json"], await anyone.GetByteArrayAsync("v1/keys", Cancel), Cancel);
        return clinic;
    }

    public async Task AppendAsync(int count)
    {
        IAuditLog log = Archive.Services.GetRequiredService<IAuditLog>();
        await Task.WhenAll(Enumerable.Range(0, count).Select(i => log.AppendAsync(
            new AuditEvent(
                Name, AuditActions.PackCommitted, AuditOutcome.Success, new AuditActor("agent-" + (i % 3), "agent"), new AuditSubject(Name, "1.2.3." + i), new AuditOrigin("192.0.2.7", "c-" + i),
                Reason: "Grüße \" \\ \u0001 😀"),
            Cancel)));
    }

    public async Task<SignedCheckpoint> CheckpointAsync() => await Checkpoints.MakeAsync(Name, Cancel);

    /// <summary>A command line of somebody's: <c>admin</c>, <c>compliance</c> or <c>agent</c>.</summary>
    public async Task<Ran> RunAsync(string who, params string[] arguments)
    {
        using StringWriter output = new(), error = new();
        int code = await CloudArchiveCli.RunAsync(arguments, Environment(who, output, error), Cancel);
        return new Ran((ExitCode)code, output.ToString(), error.ToString());
    }

    /// <summary>The enrolled computer at work.</summary>
    public AgentSession OpenAgent() => AgentSession.Open(Environment("agent", TextWriter.Null, TextWriter.Null));

    public HttpClient Client(string who)
    {
        HttpClient client = new() { BaseAddress = Archive.Url };
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", Token(who));
        return client;
    }

    public async Task<T> GetAsync<T>(string who, string path)
    {
        using HttpClient client = Client(who);
        return (await client.GetFromJsonAsync<T>($"v1/clinics/{Name}/audit/{path}", FormatJson.Options, Cancel))!;
    }

    public async Task<string> ExportAsync(string folder)
    {
        (await RunAsync("compliance", "audit", "export", this[folder], "--clinic", Name)).Expect(ExitCode.Ok);
        return this[folder];
    }

    public async Task ChangeAsync(long index, Func<string, string> change)
    {
        string key = $"e_{index:D16}";
        Row row = (await Rows.FindAsync(RowTable.Audit, Name, key, Cancel))!;
        string changed = change(row.Text("json")!);
        Assert.NotEqual(changed, row.Text("json"));
        await Rows.SubmitAsync(RowTable.Audit, Name, [new RowWrite.Upsert(key, new Dictionary<string, object>(row.Values) { ["json"] = changed })], Cancel);
    }

    public async Task<IReadOnlyList<Row>> RowsAsync() => await Rows.QueryAsync(RowTable.Audit, Name, "", "~", int.MaxValue, Cancel);

    public async Task RollBackAsync(IReadOnlyList<Row> then)
    {
        HashSet<string> kept = [.. then.Select(row => row.Key)];
        RowWrite[] writes = [
            .. then.Select(row => new RowWrite.Upsert(row.Key, row.Values)),
            .. (await RowsAsync()).Where(row => !kept.Contains(row.Key)).Select(row => new RowWrite.Delete(row.Key, row.ETag!))];
        foreach (RowWrite[] some in writes.Chunk(100))
        {
            await Rows.SubmitAsync(RowTable.Audit, Name, some, Cancel);
        }
    }

    public void Dispose() => _folder.Dispose();

    private CliEnvironment Environment(string who, TextWriter output, TextWriter error) => new()
    {
        Out = output,
        Error = error,
        In = TextReader.Null,
        Variable = name => name switch
        {
            "CLOUDARCHIVE_HOME" => _folder[who],
            "CLOUDARCHIVE_URL" => Archive.Url.AbsoluteUri,
            "CLOUDARCHIVE_TOKEN" => who == "agent" ? null : Token(who),
            _ => null,
        },
    };

    private string Token(string who) => Archive.Issuer.Issue(who + "-1", who, TimeSpan.FromHours(1));

    /// <summary>How a command ended.</summary>
    internal sealed record Ran(ExitCode Code, string Output, string Error)
    {
        public Ran Expect(ExitCode code) => Code == code ? this : throw new InvalidOperationException($"Exit code {Code}, not {code}.\n{Output}\n{Error}");
    }
}
