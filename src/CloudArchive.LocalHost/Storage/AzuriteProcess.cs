using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace CloudArchive.LocalHost.Storage;

/// <summary>What of Azurite a process runs.</summary>
internal enum AzuriteService
{
    Blob,
    Table,
}

/// <summary>LocalHost cannot start; the message is one line that says what to do.</summary>
public sealed class LocalHostException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>
/// Azurite as a child process: one service on a loopback port of the system's choice, ready when <see cref="StartAsync"/> returns, and
/// gone with this process, however that ends: the child watches its standard input, whose other end is here.
/// </summary>
internal sealed class AzuriteProcess : IAsyncDisposable
{
    private const string PortLine = "cloudarchive-port ";
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan StopLimit = TimeSpan.FromSeconds(15);

    private readonly Process _process;
    private readonly Task _output;

    private AzuriteProcess(Process process, Task output, int port)
    {
        _process = process;
        _output = output;
        Port = port;
    }

    /// <summary>Where it listens, on 127.0.0.1.</summary>
    public int Port { get; }

    public int Id => _process.Id;

    /// <summary>Completes when the process has ended.</summary>
    public Task Exited => _process.WaitForExitAsync(CancellationToken.None);

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
                "--import", ChildModule(), Path.Combine(package, "dist", "src", name, "main.js"),
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
        StringBuilder said = new();
        Task output = Task.WhenAll(ReadAsync(process.StandardOutput, said, port), ReadAsync(process.StandardError, said, port));
        _ = output.ContinueWith(_ => port.TrySetException(new LocalHostException($"Azurite ({name}) ended while it started: {Said(said)}")), CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        try
        {
            return new AzuriteProcess(process, output, await port.Task.WaitAsync(StartLimit, cancellationToken));
        }
        catch (Exception e)
        {
            await StopAsync(process, TimeSpan.Zero);
            process.Dispose();
            throw e is TimeoutException ? new LocalHostException($"Azurite ({name}) did not start within {StartLimit.TotalSeconds} s: {Said(said)}", e) : e;
        }
    }

    /// <summary>Asks it to write its index and end; after a while, ends it.</summary>
    public async ValueTask DisposeAsync()
    {
        await StopAsync(_process, StopLimit);
        await _output;
        _process.Dispose();
    }

    private static string ChildModule()
    {
        using Stream source = typeof(AzuriteProcess).Assembly.GetManifestResourceStream("azurite-child.mjs")!;
        using MemoryStream copy = new();
        source.CopyTo(copy);
        return "data:text/javascript;base64," + Convert.ToBase64String(copy.GetBuffer(), 0, (int)copy.Length);
    }

    private static async Task StopAsync(Process process, TimeSpan limit)
    {
        process.StandardInput.Close();
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

    private static async Task ReadAsync(StreamReader reader, StringBuilder said, TaskCompletionSource<int> port)
    {
        // Read to the end, whatever it says: a full pipe would stop it.
        const int kept = 2000;
        while (await reader.ReadLineAsync(CancellationToken.None) is { } line)
        {
            if (line.StartsWith(PortLine, StringComparison.Ordinal))
            {
                port.TrySetResult(int.Parse(line.AsSpan(PortLine.Length), NumberStyles.None, CultureInfo.InvariantCulture));
            }

            lock (said)
            {
                if (said.Length < kept)
                {
                    said.Append(line).Append(' ');
                }
            }
        }
    }

    private static string Said(StringBuilder said)
    {
        lock (said)
        {
            return said.ToString();
        }
    }
}
