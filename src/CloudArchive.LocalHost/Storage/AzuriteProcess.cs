using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;

namespace CloudArchive.LocalHost.Storage;

/// <summary>What of Azurite a process runs.</summary>
internal enum AzuriteService
{
    Blob,
    Table,
    Queue,
}

/// <summary>
/// Azurite as a child process: one service on a loopback port of the system's choice, ready when <see cref="StartAsync"/> returns, and
/// gone with this process, however that ends: the child watches its standard input, whose other end is here.
/// </summary>
internal sealed class AzuriteProcess : IAsyncDisposable
{
    private const string PortLine = "cloudarchive-port ";
    private static readonly TimeSpan StartLimit = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan StopLimit = TimeSpan.FromSeconds(15);

    private readonly Process _process;

    private AzuriteProcess(Process process, Task<string> ended, int port)
    {
        _process = process;
        Id = process.Id;
        Ended = ended;
        Port = port;
    }

    /// <summary>Where it listens, on 127.0.0.1.</summary>
    public int Port { get; }

    public int Id { get; }

    /// <summary>Completes when the process has ended, with what there is to tell of it.</summary>
    public Task<string> Ended { get; }

    /// <param name="service">What to run.</param>
    /// <param name="package">The folder of the npm package.</param>
    /// <param name="location">The folder for its data; made where missing.</param>
    /// <param name="account">The one account that it knows, and its key.</param>
    public static async Task<AzuriteProcess> StartAsync(AzuriteService service, string package, string location, StorageAccount account, CancellationToken cancellationToken)
    {
        string name = service.ToString().ToLowerInvariant();
        Directory.CreateDirectory(location);
        ProcessStartInfo start = new(Environment.GetEnvironmentVariable("CLOUDARCHIVE_NODE") ?? "node")
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
            CreateNoWindow = true,
            ArgumentList =
            {
                "--import", Module("azurite-child.mjs"), "--import", Module("azurite-journal.mjs"), Path.Combine(package, "dist", "src", name, "main.js"),
                $"--{name}Host", "127.0.0.1", $"--{name}Port", "0", "--location", location,
                "--silent", "--skipApiVersionCheck", "--disableTelemetry", "--disableProductStyleUrl",
            },
            Environment = { ["AZURITE_ACCOUNTS"] = $"{account.Name}:{account.Key}" },
        };

        Process process;
        try
        {
            process = Process.Start(start)!;
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            throw new LocalHostException($"Node.js was not found ('{start.FileName}'). Install Node.js 20 or newer, or set CLOUDARCHIVE_NODE to its path.", e);
        }

        TaskCompletionSource<int> port = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Task<string> ended = FollowAsync(name, process, port);
        try
        {
            await Task.WhenAny(port.Task, ended).WaitAsync(StartLimit, cancellationToken);
            return port.Task.IsCompleted ? new AzuriteProcess(process, ended, await port.Task) : throw new LocalHostException(await ended);
        }
        catch (Exception e)
        {
            await StopAsync(process, TimeSpan.Zero);
            string story = await ended;
            process.Dispose();
            if (e is TimeoutException)
            {
                throw new LocalHostException($"Azurite did not start within {StartLimit.TotalSeconds} s. {story}", e);
            }

            throw;
        }
    }

    /// <summary>Asks it to write its index and end; after a while, ends it.</summary>
    public async ValueTask DisposeAsync()
    {
        await StopAsync(_process, StopLimit);
        await Ended;
        _process.Dispose();
    }

    private static string Module(string name)
    {
        using Stream source = typeof(AzuriteProcess).Assembly.GetManifestResourceStream(name)!;
        using MemoryStream copy = new();
        source.CopyTo(copy);
        return "data:text/javascript;base64," + Convert.ToBase64String(copy.GetBuffer(), 0, (int)copy.Length);
    }

    private static async Task StopAsync(Process process, TimeSpan limit)
    {
        try
        {
            // "stop" first: an end without it means that this process died.
            await process.StandardInput.WriteLineAsync("stop");
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It has ended already.
        }

        try
        {
            await process.WaitForExitAsync(CancellationToken.None).WaitAsync(limit);
        }
        catch (TimeoutException)
        {
            process.Kill(entireProcessTree: true);
            await process.WaitForExitAsync(CancellationToken.None);
        }
    }

    // Reads what it says to the end: a full pipe would stop it.
    private static async Task<string> FollowAsync(string name, Process process, TaskCompletionSource<int> port)
    {
        const int kept = 20;
        ConcurrentQueue<string> said = new();
        async Task ReadAsync(StreamReader reader)
        {
            while (await reader.ReadLineAsync(CancellationToken.None) is { } line)
            {
                if (line.StartsWith(PortLine, StringComparison.Ordinal))
                {
                    port.TrySetResult(int.Parse(line.AsSpan(PortLine.Length), NumberStyles.None, CultureInfo.InvariantCulture));
                }

                said.Enqueue(line);
                if (said.Count > kept)
                {
                    said.TryDequeue(out _);
                }
            }
        }

        await Task.WhenAll(ReadAsync(process.StandardOutput), ReadAsync(process.StandardError), process.WaitForExitAsync(CancellationToken.None));
        return $"Azurite ({name}) ended with exit code {process.ExitCode}. It said: {string.Join(' ', said)}";
    }
}
