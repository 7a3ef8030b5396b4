using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Headers;
using System.Text.Json.Nodes;
using CloudArchive.Testing;

namespace CloudArchive.EndToEnd;

/// <summary>CloudArchive.LocalHost as a person starts it: a process of its own, with its Azurite.</summary>
public sealed class ArchiveProcess : IAsyncDisposable
{
    private readonly Process _process;
    private readonly JsonObject _ready;

    // Below the ports that systems give out by themselves and above those of known services: an archive that is started again gets its own back.
    private const int FirstPort = 20_000;
    private const int LastPort = 30_000;

    private ArchiveProcess(Process process, JsonObject ready, string data) => (_process, _ready, Data) = (process, ready, data);

    /// <summary>Its data folder: what survives a stop.</summary>
    public string Data { get; }

    public string Url => (string)_ready["url"]!;

    public string PortalUrl => (string)_ready["portalUrl"]!;

    public string BlobUrl => (string)_ready["blobUrl"]!;

    public string TableUrl => (string)_ready["tableUrl"]!;

    public string AdminToken => (string)_ready["tokens"]!["admin"]!;

    public string SecondAdminToken => (string)_ready["tokens"]!["admin2"]!;

    public string ComplianceToken => (string)_ready["tokens"]!["compliance"]!;

    /// <summary>Starts one, on the port that this folder had before, or on one that no other archive of these tests is likely to take while this one is down.</summary>
    public static async Task<ArchiveProcess> StartAsync(string data)
    {
        Directory.CreateDirectory(data);
        string port = File.Exists(Path.Combine(data, "port")) ? File.ReadAllText(Path.Combine(data, "port")) : Random.Shared.Next(FirstPort, LastPort).ToString(CultureInfo.InvariantCulture);
        string readyFile = Path.Combine(data, "..", $"ready-{Path.GetFileName(data)}.json");
        File.Delete(readyFile);
        ProcessStartInfo info = new("dotnet",
        [
            AssemblyOf("src/CloudArchive.LocalHost", "CloudArchive.LocalHost"),
            "--data", data, "--port", port, "--ready-file", readyFile, "--log-file", Path.Combine(data, "..", $"{Path.GetFileName(data)}.log"), "--stop-with-stdin",
        ])
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardError = true,
            WorkingDirectory = Repository.Root,
        };
        Process process = Process.Start(info)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        for (Stopwatch watch = Stopwatch.StartNew(); !File.Exists(readyFile); await Task.Delay(50))
        {
            if (process.HasExited || watch.Elapsed > TimeSpan.FromMinutes(5))
            {
                process.Kill(entireProcessTree: true);
                throw new InvalidOperationException("LocalHost did not start: " + await errors);
            }
        }

        return new ArchiveProcess(process, JsonNode.Parse(await File.ReadAllTextAsync(readyFile))!.AsObject(), data);
    }

    /// <summary>A client with a bearer token.</summary>
    public HttpClient Client(string token)
    {
        HttpClient client = new() { BaseAddress = new Uri(Url) };
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        return client;
    }

    /// <summary>Its process, and the three of Azurite: blobs, tables, the queue.</summary>
    public IReadOnlyList<int> ProcessIds => [.. _ready["processIds"]!.AsArray().Select(id => (int)id!)];

    /// <summary>SIGKILL, to it alone: its Azurite is left to find that out by itself.</summary>
    public async Task KillAsync()
    {
        _process.Kill(entireProcessTree: false);
        await _process.WaitForExitAsync();
    }

    /// <summary>Waits until it has ended by itself.</summary>
    public async Task WaitForEndAsync()
    {
        using CancellationTokenSource patience = new(TimeSpan.FromMinutes(2));
        await _process.WaitForExitAsync(patience.Token);
    }

    /// <summary>Stops it as a person would, and waits until nothing of it runs.</summary>
    public async Task StopAsync()
    {
        if (!_process.HasExited)
        {
            _process.StandardInput.Close();
            using CancellationTokenSource patience = new(TimeSpan.FromSeconds(30));
            await _process.WaitForExitAsync(patience.Token);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _process.Dispose();
    }

    /// <summary>What the build made of a project.</summary>
    public static string AssemblyOf(string project, string name)
    {
        // The tests' own folder says which configuration was built: .../bin/Debug/net10.0
        string framework = Path.GetFileName(AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar));
        string configuration = Path.GetFileName(Path.GetDirectoryName(AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar)))!;
        return Path.Combine(Repository.Root, project, "bin", configuration, framework, name + ".dll");
    }
}

/// <summary>How a run of the CLI ended.</summary>
/// <param name="PeakBytes">The highest resident size that was seen.</param>
public sealed record CliRun(int ExitCode, string Output, string Error, long PeakBytes)
{
    public JsonObject Json => JsonNode.Parse(Output)!.AsObject();

    /// <summary>This run, if it ended with the code that the test needs; else the whole story.</summary>
    public CliRun Expect(int code) => ExitCode == code ? this : throw new InvalidOperationException($"Exit code {ExitCode}, not {code}.\n{Output}\n{Error}");
}

/// <summary>The real <c>cloudarchive</c>, as a process.</summary>
public sealed class Cli(string home, string? url = null, string? token = null)
{
    // Many times what the slowest takes (files of gigabytes): a command that waits for what never comes is a failed test and not a run that hangs.
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(20);

    public string Home => home;

    /// <summary>Runs a command to its end.</summary>
    public async Task<CliRun> RunAsync(params string[] arguments) => (await RunAsync(arguments, null))!;

    /// <summary>Runs a command and kills it (SIGKILL) after a while. Null where it was killed; else the run that was over before.</summary>
    public Task<CliRun?> RunAndKillAsync(TimeSpan after, params string[] arguments) => RunAsync(arguments, after);

    /// <summary>Starts a command that goes on until it is ended.</summary>
    public Process Start(params string[] arguments)
    {
        ProcessStartInfo info = new("dotnet", [ArchiveProcess.AssemblyOf("src/CloudArchive.Cli", "cloudarchive"), .. arguments])
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        info.Environment["CLOUDARCHIVE_HOME"] = home;
        info.Environment["CLOUDARCHIVE_URL"] = url;
        info.Environment["CLOUDARCHIVE_TOKEN"] = token;
        Process process = Process.Start(info)!;
        process.StandardInput.Close();
        return process;
    }

    private async Task<CliRun?> RunAsync(string[] arguments, TimeSpan? killAfter)
    {
        using Process process = Start(arguments);
        long started = Stopwatch.GetTimestamp();
        bool killed = false;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        long peak = 0;
        Task exit = process.WaitForExitAsync();
        while (!exit.IsCompleted)
        {
            try
            {
                process.Refresh();
                // The kernel's own high-water mark, so that sampling misses nothing but the very last moments.
                peak = Math.Max(peak, process.PeakWorkingSet64);
            }
            catch (InvalidOperationException)
            {
                // It ended between the two lines.
            }

            if (Stopwatch.GetElapsedTime(started) > s_limit)
            {
                process.Kill(entireProcessTree: true);
                throw new InvalidOperationException($"cloudarchive {string.Join(' ', arguments)} had not ended after {s_limit.TotalMinutes} minutes.\n{await output}\n{await error}");
            }

            TimeSpan left = killAfter is { } moment ? moment - Stopwatch.GetElapsedTime(started) : TimeSpan.MaxValue;
            if (left <= TimeSpan.Zero && !killed)
            {
                process.Kill();
                killed = true;
            }

            await Task.WhenAny(exit, Task.Delay(left > TimeSpan.Zero && left < TimeSpan.FromMilliseconds(25) ? left : TimeSpan.FromMilliseconds(25)));
        }

        // Who ended by itself in the very moment was not killed: then the code is its own.
        return killed && process.ExitCode is 137 or -1 ? null : new CliRun(process.ExitCode, await output, await error, peak);
    }
}
