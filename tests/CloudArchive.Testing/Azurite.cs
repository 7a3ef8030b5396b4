using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace CloudArchive.Testing;

/// <summary>The blob half of Azurite, on a free port of the loopback, for as long as a test class lives: in memory, or on disk as LocalHost runs it.</summary>
/// <remarks>As an xunit class fixture: <c>IAsyncLifetime</c> is the test project's; see SdkInteropTests.</remarks>
public sealed class Azurite : IAsyncDisposable
{
    // Azurite's own well-known account; it is no secret (https://learn.microsoft.com/azure/storage/common/storage-use-azurite).
    private const string Account = "devstoreaccount1";
    private const string AccountKey = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

    private readonly Process _process;

    private Azurite(Process process, int port)
    {
        _process = process;
        Port = port;
        ConnectionString = ConnectionStringAt(port);
    }

    /// <summary>For a BlobServiceClient.</summary>
    public string ConnectionString { get; }

    /// <summary>Where it listens.</summary>
    public int Port { get; }

    /// <summary>Its process.</summary>
    public int ProcessId => _process.Id;

    /// <summary>For a BlobServiceClient that talks to it through something else on the loopback, or to the storage of a LocalHost.</summary>
    public static string ConnectionStringAt(int port) =>
        $"DefaultEndpointsProtocol=http;AccountName={Account};AccountKey={AccountKey};BlobEndpoint=http://127.0.0.1:{port}/{Account};";

    /// <summary>Starts it and waits until it listens.</summary>
    public static async Task<Azurite> StartAsync(CancellationToken cancellationToken = default)
    {
        int port = FreePort();
        return await StartAsync([Script(), "--blobHost", "127.0.0.1", "--blobPort", $"{port}", "--inMemoryPersistence", "--skipApiVersionCheck", "--silent", "--disableTelemetry"], port, cancellationToken);
    }

    /// <summary>Starts it on a folder, with the flags and the modules (journal, end with the parent) that LocalHost's has.</summary>
    public static async Task<Azurite> StartAsync(string location, CancellationToken cancellationToken)
    {
        int port = FreePort();
        Directory.CreateDirectory(location);
        string modules = Path.Combine(Repository.Root, "src", "CloudArchive.LocalHost", "Storage");
        return await StartAsync(
            [
                "--import", Path.Combine(modules, "azurite-child.mjs"), "--import", Path.Combine(modules, "azurite-journal.mjs"), Script(),
                "--blobHost", "127.0.0.1", "--blobPort", $"{port}", "--location", location, "--silent", "--skipApiVersionCheck", "--disableTelemetry", "--disableProductStyleUrl",
            ],
            port,
            cancellationToken);
    }

    /// <summary>Ends the process that was started, and no other.</summary>
    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
            await _process.WaitForExitAsync();
        }

        _process.Dispose();
    }

    private static string Script()
    {
        string script = Path.Combine(Repository.Root, "node_modules", "azurite", "dist", "src", "blob", "main.js");
        return File.Exists(script) ? script : throw new InvalidOperationException("Azurite is not installed. Run `npm ci` in the repository's root, or the tests through scripts/test.cs.");
    }

    private static async Task<Azurite> StartAsync(IReadOnlyList<string> arguments, int port, CancellationToken cancellationToken)
    {
        ProcessStartInfo start = new("node", arguments)
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        Process process = Process.Start(start)!;
        process.OutputDataReceived += (_, _) => { };
        process.ErrorDataReceived += (_, _) => { };
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        Azurite azurite = new(process, port);
        try
        {
            await azurite.WaitUntilItListensAsync(port, cancellationToken);
            return azurite;
        }
        catch
        {
            await azurite.DisposeAsync();
            throw;
        }
    }

    private static int FreePort()
    {
        using TcpListener listener = new(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private async Task WaitUntilItListensAsync(int port, CancellationToken cancellationToken)
    {
        using CancellationTokenSource patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(TimeSpan.FromSeconds(60));
        while (true)
        {
            using TcpClient client = new();
            try
            {
                await client.ConnectAsync(IPAddress.Loopback, port, patience.Token);
                return;
            }
            catch (SocketException) when (!_process.HasExited)
            {
                await Task.Delay(50, patience.Token);
            }
        }
    }
}
