using System.Globalization;
using System.Net;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using CloudArchive.Cli;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.LocalHost;
using CloudArchive.Testing;

namespace CloudArchive.EndToEnd.RestoreTests;

/// <summary>
/// An archive with one clinic that a test stops, changes on the disk and starts again. What it does there is what a failing disk, or somebody
/// who has the machine, can do: the service and its WORM layer are not asked.
/// </summary>
internal sealed partial class TamperedArchive : IAsyncDisposable
{
    public const string Clinic = "tampered-with";

    // Many times what the slowest takes: a command that waits for what never comes is a failed test and not a run that hangs.
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(5);

    private readonly TemporaryFolder _folder = new();
    private LocalArchive? _archive;
    private TimeProvider _clock = TimeProvider.System;
    private int _agents;
    private int _port;

    public ClinicId Id { get; } = ClinicId.Parse(Clinic);

    /// <summary>The tables, while it runs.</summary>
    public IRowStore Rows => Running.Storage.Rows;

    /// <summary>Everything that the running host registered.</summary>
    public IServiceProvider Services => Running.Services;

    private LocalArchive Running => _archive ?? throw new InvalidOperationException("The archive is stopped.");

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>A path of this test's own.</summary>
    public string this[string relative] => _folder[relative];

    public static async Task<TamperedArchive> CreateAsync(int retentionYears = 10)
    {
        TamperedArchive archive = new();
        await archive.StartAsync(TimeSpan.Zero);
        (await archive.RunAsync("admin", "clinic", "create", Clinic, "--name", "Tampered With", "--retention-years", retentionYears.ToString(CultureInfo.InvariantCulture))).Expect(ExitCode.Ok);
        await archive.EnrollAsync();
        return archive;
    }

    /// <summary>Starts the service on what is there, some time later; whoever asks it has the same clock.</summary>
    public async Task StartAsync(TimeSpan later)
    {
        _clock = new Ahead(later);
        _archive = await LocalArchive.StartAsync(new LocalHostOptions(_folder["data"]) { Port = _port, Timers = false, LogFile = _folder["host.log"], Clock = _clock }, Cancel);
        _port = _archive.Url.Port; // agents keep the address under which they enrolled
    }

    /// <summary>Stops the service, and opens what it keeps.</summary>
    public async Task<TamperedStorage> StopAsync()
    {
        await Running.DisposeAsync();
        _archive = null;
        return await TamperedStorage.OpenAsync(_folder["data"], Id, Cancel);
    }

    /// <summary>Makes a new version of the clinic's key, and enrolls a new computer that pins it.</summary>
    public async Task RotateKeyAsync()
    {
        await Running.Keys.RotateAsync(Id, Cancel);
        await EnrollAsync();
    }

    /// <summary>Backs up so many made-up studies, a pack each. Returns their packs.</summary>
    public async Task<IReadOnlyList<PackId>> BackUpAsync(string folder, int studies)
    {
        for (int i = 0; i < studies; i++)
        {
            SampleStudies.WriteOne(Path.Combine(_folder[folder], $"{i:D3}.dcm"), $"{folder} {i}");
        }

        return await BackUpAsync(folder);
    }

    /// <summary>Backs up a folder. Returns its packs.</summary>
    public async Task<IReadOnlyList<PackId>> BackUpAsync(string folder)
    {
        HashSet<PackId> before = [.. await PacksAsync()];
        (await RunAsync($"agent-{_agents}", "backup", _folder[folder])).Expect(ExitCode.Ok);
        return [.. (await PacksAsync()).Where(pack => !before.Contains(pack))];
    }

    /// <summary>The command line of the computer that enrolled last.</summary>
    public Task<Ran> RunAgentAsync(params string[] arguments) => RunAsync($"agent-{_agents}", arguments);

    /// <summary>A command of an admin's that asks for a restore and waits: a second admin approves it meanwhile.</summary>
    public async Task<Ran> RunApprovedAsync(params string[] arguments)
    {
        Task<Ran> asked = RunAsync("admin", arguments);
        while (!asked.IsCompleted)
        {
            await Task.WhenAny(asked, Task.Delay(TimeSpan.FromMilliseconds(200), Cancel));
            JsonArray pending = JsonNode.Parse((await RunAsync("second admin", "restores", "list", "--clinic", Clinic, "--json")).Expect(ExitCode.Ok).Output)!.AsArray();
            foreach (JsonNode? restore in pending.Where(restore => (string?)restore!["status"] == "pending-approval"))
            {
                (await RunAsync("second admin", "restores", "approve", (string)restore!["id"]!, "--clinic", Clinic)).Expect(ExitCode.Ok);
            }
        }

        return await asked;
    }

    /// <summary>A command line of somebody's: <c>admin</c>, <c>second admin</c>, or an agent. One that has not ended after <see cref="s_limit"/> is interrupted.</summary>
    public async Task<Ran> RunAsync(string who, params string[] arguments)
    {
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        limit.CancelAfter(s_limit);
        using StringWriter output = new(), error = new();
        CliEnvironment environment = new()
        {
            Out = output,
            Error = error,
            In = TextReader.Null,
            Clock = _clock,
            Variable = name => name switch
            {
                "CLOUDARCHIVE_HOME" => _folder[who],
                "CLOUDARCHIVE_URL" => Running.Url.AbsoluteUri,
                "CLOUDARCHIVE_TOKEN" => who switch { "admin" => Token("admin-1"), "second admin" => Token("admin-2"), _ => null },
                _ => null,
            },
        };
        int code = await CloudArchiveCli.RunAsync(arguments, environment, limit.Token);
        return new Ran((ExitCode)code, output.ToString(), error.ToString());
    }

    /// <summary>What an admin reads on one of the clinic's pages of the portal.</summary>
    public async Task<string> ReadPageAsync(string page = "")
    {
        using HttpClient browser = new(new SocketsHttpHandler { CookieContainer = new CookieContainer() }) { BaseAddress = Running.Url };
        using FormUrlEncodedContent form = new([KeyValuePair.Create("code", Token("admin-1"))]);
        using HttpResponseMessage signedIn = await browser.PostAsync(new Uri("/portal/sign-in", UriKind.Relative), form, Cancel);
        signedIn.EnsureSuccessStatusCode();
        return WebUtility.HtmlDecode(Tags().Replace(await browser.GetStringAsync(new Uri($"/portal/clinics/{Clinic}{page}", UriKind.Relative), Cancel), ""));
    }

    /// <summary>The clinic's catalogue rows whose keys begin so; all of them where nothing is given.</summary>
    public async Task<IReadOnlyList<Row>> CatalogueAsync(string prefix = "")
    {
        List<Row> found = [];
        await foreach (Row row in Rows.ReadAllAsync(RowTable.Catalog, Clinic, prefix.Length == 0 ? new RowRange("", "~") : RowRange.Prefix(prefix), Cancel)) found.Add(row);
        return found;
    }

    /// <summary>Changes the catalogue behind the service's back.</summary>
    public Task WriteCatalogueAsync(RowWrite write) => Rows.SubmitAsync(RowTable.Catalog, Clinic, [write], Cancel);

    public async ValueTask DisposeAsync()
    {
        if (_archive is not null) await _archive.DisposeAsync();
        _folder.Dispose();
    }

    private string Token(string who) => Running.Issuer.Issue(who, "admin", TimeSpan.FromHours(1));

    /// <summary>Packs of snapshots.</summary>
    public async Task<IReadOnlyList<PackId>> SnapshotsAsync() => [.. (await CatalogueAsync("p:")).Where(row => row.Text("set") == "Snapshot").Select(row => PackId.Parse(row.Key[2..]))];

    /// <summary>Packs with files: none of a snapshot.</summary>
    private async Task<IReadOnlyList<PackId>> PacksAsync() => [.. (await CatalogueAsync("p:")).Where(row => row.Text("set") != "Snapshot").Select(row => PackId.Parse(row.Key[2..]))];

    private async Task EnrollAsync()
    {
        string code = (string)(await RunAsync("admin", "enrollment", "create", "--clinic", Clinic, "--json")).Expect(ExitCode.Ok).Json["code"]!;
        await File.WriteAllTextAsync(_folder["passphrase"], "correct horse battery staple", Cancel);
        string[] escrow = _agents == 0 ? ["--escrow-out", _folder["escrow.pem"], "--escrow-passphrase-file", _folder["passphrase"]] : [];
        (await RunAsync($"agent-{++_agents}", ["enroll", "--url", Running.Url.AbsoluteUri, "--code", code, .. escrow])).Expect(ExitCode.Ok);
    }

    [GeneratedRegex("<[^>]*>", RegexOptions.None, matchTimeoutMilliseconds: 5000)]
    private static partial Regex Tags();

    /// <summary>How a command ended.</summary>
    internal sealed record Ran(ExitCode Code, string Output, string Error)
    {
        public JsonObject Json => JsonNode.Parse(Output)!.AsObject();

        public Ran Expect(ExitCode code) => Code == code ? this : throw new InvalidOperationException($"Exit code {Code}, not {code}.\n{Output}\n{Error}");
    }

    private sealed class Ahead(TimeSpan by) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => System.GetUtcNow() + by;
    }
}
