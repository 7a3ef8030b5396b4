using System.Diagnostics;
using System.Text.Json.Nodes;
using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;
using Azure.Storage.Sas;
using CloudArchive.Testing;

namespace CloudArchive.Benchmarks.Tools;

/// <summary>A way to back a folder up, with new storage of its own on this machine, in a work folder of its own.</summary>
internal abstract class BackupTool(string work) : IAsyncDisposable
{
    private static readonly Dictionary<int, int> s_direct = [];

    public static IReadOnlyList<string> Names { get; } = ["raw", "ours", "restic", "rclone crypt"];

    protected string Work { get; } = work;

    /// <summary>What serves beside Azurite; empty but for ours.</summary>
    protected virtual IReadOnlyList<int> ServerIds => [];

    protected abstract IReadOnlyList<int> AzuriteIds { get; }

    /// <summary>Ports that the tool talks to.</summary>
    protected abstract IReadOnlyList<int> Ports { get; }

    protected abstract int BlobPort { get; }

    protected abstract IReadOnlyList<string> Containers { get; }

    /// <summary>Whether it can tell that nothing changed: a plain client sends all of it again.</summary>
    public virtual bool LooksForChanges => true;

    /// <summary>Starts the storage of a tool, and makes what is made once: an enrolled agent, a repository. That is not measured.</summary>
    /// <param name="name">The tool.</param>
    /// <param name="work">A folder of its own.</param>
    /// <param name="published">Where ours is as releases have it; null: as it was built.</param>
    /// <param name="cancellationToken">Stops.</param>
    public static async Task<BackupTool> StartAsync(string name, string work, string? published, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(work);
        if (name == "ours")
        {
            return await Ours.StartAsync(work, published, cancellationToken);
        }

        Azurite azurite = await Azurite.StartAsync(Path.Combine(work, "azurite"), cancellationToken);
        AzuriteTool tool = name switch
        {
            "raw" => new Raw(work, azurite),
            "restic" => new Restic(work, azurite),
            _ => new RcloneCrypt(work, azurite),
        };
        try
        {
            await tool.PrepareAsync(cancellationToken);
            return tool;
        }
        catch
        {
            await tool.DisposeAsync();
            throw;
        }
    }

    public Task<Measured> BackUpAsync(string folder, CancellationToken cancellationToken) => MeasureAsync(() => BackUpAsync(folder, s_direct, cancellationToken));

    public Task<Measured> RestoreAsync(string target, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(target);
        return MeasureAsync(() => RestoreToAsync(target, cancellationToken));
    }

    /// <summary>The same as <see cref="BackUpAsync(string, CancellationToken)"/>, with all that is sent going through a proxy that counts requests, and lets so many bytes a second out.</summary>
    public async Task<(Measured Use, long Requests, long BytesUp)> BackUpThroughAsync(string folder, int? upBytesPerSecond, CancellationToken cancellationToken)
    {
        Dictionary<int, BadNetwork> lines = Ports.ToDictionary(port => port, port => new BadNetwork(port));
        try
        {
            foreach (BadNetwork line in lines.Values)
            {
                line.Set(new NetworkFaults { UpBytesPerSecond = upBytesPerSecond });
            }

            Measured use = await MeasureAsync(() => BackUpAsync(folder, lines.ToDictionary(line => line.Key, line => line.Value.Port), cancellationToken));
            return (use, lines.Values.Sum(line => line.Requests), lines.Values.Sum(line => line.BytesUp));
        }
        finally
        {
            foreach (BadNetwork line in lines.Values)
            {
                await line.DisposeAsync();
            }
        }
    }

    /// <summary>Bytes of all blobs. Rows of tables, which ours has too, are not among them.</summary>
    public async Task<long> StoredBytesAsync(CancellationToken cancellationToken)
    {
        BlobServiceClient service = new(Azurite.ConnectionStringAt(BlobPort));
        long bytes = 0;
        foreach (string container in Containers)
        {
            await foreach (BlobItem blob in service.GetBlobContainerClient(container).GetBlobsAsync(cancellationToken: cancellationToken))
            {
                bytes += blob.Properties.ContentLength ?? 0;
            }
        }

        return bytes;
    }

    public abstract ValueTask DisposeAsync();

    protected abstract Task<ProcessUse> BackUpAsync(string folder, IReadOnlyDictionary<int, int> proxies, CancellationToken cancellationToken);

    protected abstract Task<ProcessUse> RestoreToAsync(string target, CancellationToken cancellationToken);

    private async Task<Measured> MeasureAsync(Func<Task<ProcessUse>> run)
    {
        double server = ServerIds.Sum(MeasuredProcess.CpuOf), azurite = AzuriteIds.Sum(MeasuredProcess.CpuOf);
        ProcessUse use = await run();
        return new Measured(use.Seconds, use.CpuSeconds, ServerIds.Sum(MeasuredProcess.CpuOf) - server, AzuriteIds.Sum(MeasuredProcess.CpuOf) - azurite, use.PeakBytes);
    }

    /// <summary>One that talks to an Azurite and to nothing else.</summary>
    private abstract class AzuriteTool(string work, Azurite azurite) : BackupTool(work)
    {
        protected override IReadOnlyList<int> AzuriteIds => [azurite.ProcessId];

        protected override IReadOnlyList<int> Ports => [azurite.Port];

        protected override int BlobPort => azurite.Port;

        protected override IReadOnlyList<string> Containers => [Container];

        protected string Container => "backup";

        public virtual Task PrepareAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public override ValueTask DisposeAsync() => azurite.DisposeAsync();

        protected int Through(IReadOnlyDictionary<int, int> proxies) => proxies.GetValueOrDefault(azurite.Port, azurite.Port);
    }

    private sealed class Raw(string work, Azurite azurite) : AzuriteTool(work, azurite)
    {
        public override bool LooksForChanges => false;

        protected override Task<ProcessUse> BackUpAsync(string folder, IReadOnlyDictionary<int, int> proxies, CancellationToken cancellationToken) => RunAsync("upload", proxies, folder, cancellationToken);

        protected override Task<ProcessUse> RestoreToAsync(string target, CancellationToken cancellationToken) => RunAsync("download", s_direct, target, cancellationToken);

        private Task<ProcessUse> RunAsync(string what, IReadOnlyDictionary<int, int> proxies, string folder, CancellationToken cancellationToken) =>
            MeasuredProcess.RunAsync("dotnet", [typeof(RawClient).Assembly.Location, "raw", what, Azurite.ConnectionStringAt(Through(proxies)), Container, folder], null, cancellationToken);
    }

    /// <summary>rclone's azureblob backend, by an account SAS: it is the only way that leads it to another port than Azurite's own.</summary>
    private abstract class ByRclone(string work, Azurite azurite) : AzuriteTool(work, azurite)
    {
        protected Dictionary<string, string> Remote(IReadOnlyDictionary<int, int> proxies)
        {
            BlobServiceClient service = new(Azurite.ConnectionStringAt(Through(proxies)));
            Uri sas = service.GenerateAccountSasUri(AccountSasPermissions.All, TimeProvider.System.GetUtcNow().AddDays(1), AccountSasResourceTypes.All);
            return new()
            {
                ["RCLONE_CONFIG"] = Path.Combine(Work, "no-rclone.conf"),
                ["RCLONE_CONFIG_STORE_TYPE"] = "azureblob",
                ["RCLONE_CONFIG_STORE_SAS_URL"] = sas.AbsoluteUri,
            };
        }
    }

    private sealed class RcloneCrypt(string work, Azurite azurite) : ByRclone(work, azurite)
    {
        // As many as the plain client has; its own default is four.
        private const string Transfers = "--transfers=8";
        private string _password = "";

        public override async Task PrepareAsync(CancellationToken cancellationToken) =>
            _password = (await MeasuredProcess.RunAsync("rclone", ["obscure", "correct horse battery staple"], null, cancellationToken)).Output.Trim();

        protected override Task<ProcessUse> BackUpAsync(string folder, IReadOnlyDictionary<int, int> proxies, CancellationToken cancellationToken) =>
            MeasuredProcess.RunAsync("rclone", ["copy", Transfers, folder, "sealed:"], Sealed(proxies), cancellationToken);

        protected override Task<ProcessUse> RestoreToAsync(string target, CancellationToken cancellationToken) =>
            MeasuredProcess.RunAsync("rclone", ["copy", Transfers, "sealed:", target], Sealed(s_direct), cancellationToken);

        private Dictionary<string, string> Sealed(IReadOnlyDictionary<int, int> proxies) => new(Remote(proxies))
        {
            ["RCLONE_CONFIG_SEALED_TYPE"] = "crypt",
            ["RCLONE_CONFIG_SEALED_REMOTE"] = "store:" + Container,
            ["RCLONE_CONFIG_SEALED_PASSWORD"] = _password,
        };
    }

    /// <summary>restic by way of rclone: its own azure backend (0.14) knows only the addresses of Azure itself. Repository version 2, compression as it comes ("auto").</summary>
    private sealed class Restic(string work, Azurite azurite) : ByRclone(work, azurite)
    {
        public override Task PrepareAsync(CancellationToken cancellationToken) => RunAsync(s_direct, cancellationToken, "init", "--repository-version", "2");

        protected override Task<ProcessUse> BackUpAsync(string folder, IReadOnlyDictionary<int, int> proxies, CancellationToken cancellationToken) => RunAsync(proxies, cancellationToken, "backup", folder);

        protected override Task<ProcessUse> RestoreToAsync(string target, CancellationToken cancellationToken) => RunAsync(s_direct, cancellationToken, "restore", "latest", "--target", target);

        private Task<ProcessUse> RunAsync(IReadOnlyDictionary<int, int> proxies, CancellationToken cancellationToken, params string[] arguments) => MeasuredProcess.RunAsync(
            "restic",
            ["-r", "rclone:store:" + Container, .. arguments],
            new Dictionary<string, string>(Remote(proxies)) { ["RESTIC_PASSWORD"] = "correct horse battery staple", ["RESTIC_CACHE_DIR"] = Path.Combine(Work, "restic-cache") },
            cancellationToken);
    }

    /// <summary>CloudArchive: the program against a LocalHost, both as processes of their own.</summary>
    private sealed class Ours : BackupTool
    {
        private const string Clinic = "benchmark";
        private static readonly TimeSpan StartLimit = TimeSpan.FromMinutes(3);
        private static readonly TimeSpan StopLimit = TimeSpan.FromSeconds(30);
        private readonly Process _host;
        private readonly JsonObject _ready;
        private readonly string? _published;

        private Ours(string work, string? published, Process host, JsonObject ready)
            : base(work) => (_published, _host, _ready) = (published, host, ready);

        protected override IReadOnlyList<int> ServerIds => [ProcessIds[0]];

        protected override IReadOnlyList<int> AzuriteIds => [.. ProcessIds.Skip(1)];

        protected override IReadOnlyList<int> Ports => [new Uri((string)_ready["url"]!).Port, BlobPort];

        protected override int BlobPort => new Uri((string)_ready["blobUrl"]!).Port;

        // docs/design.md: packs, and everything that proves what they are.
        protected override IReadOnlyList<string> Containers => ["packs", "records"];

        private int[] ProcessIds => [.. _ready["processIds"]!.AsArray().Select(id => (int)id!)];

        private Dictionary<string, string> Agent => new() { ["CLOUDARCHIVE_HOME"] = Path.Combine(Work, "agent") };

        private Dictionary<string, string> Admin => new()
        {
            ["CLOUDARCHIVE_HOME"] = Path.Combine(Work, "admin"),
            ["CLOUDARCHIVE_URL"] = (string)_ready["url"]!,
            ["CLOUDARCHIVE_TOKEN"] = (string)_ready["tokens"]!["admin"]!,
        };

        public static async Task<BackupTool> StartAsync(string work, string? published, CancellationToken cancellationToken)
        {
            string ready = Path.Combine(work, "ready.json");
            ProcessStartInfo info = new("dotnet",
            [
                published is null ? Built("CloudArchive.LocalHost") : Path.Combine(published, "localhost", "CloudArchive.LocalHost.dll"), "--data", Path.Combine(work, "archive"), "--port", "0", "--ready-file", ready, "--log-file", Path.Combine(work, "localhost.log"), "--stop-with-stdin",
            ])
            {
                UseShellExecute = false,
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                WorkingDirectory = Repository.Root,
            };
            Process host = Process.Start(info)!;
            host.OutputDataReceived += static (_, _) => { };
            host.BeginOutputReadLine();
            Task<string> errors = host.StandardError.ReadToEndAsync(CancellationToken.None);
            try
            {
                for (long start = Stopwatch.GetTimestamp(); !File.Exists(ready); await Task.Delay(50, cancellationToken))
                {
                    if (host.HasExited)
                    {
                        throw new ToolFailedException("LocalHost did not start: " + await errors);
                    }

                    if (Stopwatch.GetElapsedTime(start) > StartLimit)
                    {
                        throw new ToolFailedException($"LocalHost was not ready after {StartLimit.TotalMinutes} minutes.");
                    }
                }

                Ours ours = new(work, published, host, JsonNode.Parse(await File.ReadAllTextAsync(ready, cancellationToken))!.AsObject());
                await ours.EnrollAsync(cancellationToken);
                return ours;
            }
            catch
            {
                await StopAsync(host);
                throw;
            }
        }

        public override async ValueTask DisposeAsync() => await StopAsync(_host);

        protected override Task<ProcessUse> BackUpAsync(string folder, IReadOnlyDictionary<int, int> proxies, CancellationToken cancellationToken) => RunAsync(Agent, proxies, cancellationToken, "backup", folder, "--json");

        protected override Task<ProcessUse> RestoreToAsync(string target, CancellationToken cancellationToken) => RunAsync(
            Admin, s_direct, cancellationToken, "restore", "--clinic", Clinic, "--everything", "--out", target, "--purpose", "benchmark", "--recipient", "benchmark", "--json");

        private static string Built(string name) => Path.Combine(AppContext.BaseDirectory, name + ".dll");

        /// <summary>Through proxies it is a program of this assembly, which is not compiled ahead: there the line decides.</summary>
        private Task<ProcessUse> RunAsync(Dictionary<string, string> environment, IReadOnlyDictionary<int, int> proxies, CancellationToken cancellationToken, params string[] arguments) => proxies.Count > 0
            ? MeasuredProcess.RunAsync(
                "dotnet", [typeof(RoutedAgent).Assembly.Location, "routed", string.Join(',', proxies.Select(proxy => $"{proxy.Key}={proxy.Value}")), .. arguments], environment, cancellationToken)
            : _published is null
                ? MeasuredProcess.RunAsync("dotnet", [Built("cloudarchive"), .. arguments], environment, cancellationToken)
                : MeasuredProcess.RunAsync(Path.Combine(_published, "cli", "cloudarchive"), arguments, environment, cancellationToken);

        private async Task EnrollAsync(CancellationToken cancellationToken)
        {
            string passphrase = Path.Combine(Work, "passphrase");
            await File.WriteAllTextAsync(passphrase, "correct horse battery staple", cancellationToken);
            await RunAsync(Admin, s_direct, cancellationToken, "clinic", "create", Clinic, "--name", "Benchmark", "--no-approval");
            ProcessUse code = await RunAsync(Admin, s_direct, cancellationToken, "enrollment", "create", "--clinic", Clinic, "--json");
            await RunAsync(
                Agent, s_direct, cancellationToken, "enroll", "--url", (string)_ready["url"]!, "--code", (string)JsonNode.Parse(code.Output)!["code"]!, "--name", "benchmark",
                "--escrow-out", Path.Combine(Work, "escrow.pem"), "--escrow-passphrase-file", passphrase);
        }

        private static async Task StopAsync(Process host)
        {
            if (!host.HasExited)
            {
                host.StandardInput.Close();
                try
                {
                    await host.WaitForExitAsync(CancellationToken.None).WaitAsync(StopLimit);
                }
                catch (TimeoutException)
                {
                    host.Kill(entireProcessTree: true);
                    await host.WaitForExitAsync(CancellationToken.None);
                }
            }

            host.Dispose();
        }
    }
}
