using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace CloudArchive.Testing;

/// <summary>The blob half of Azurite, on a free port of the loopback, in memory, for as long as a test class lives.</summary>
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
        ConnectionString = $"DefaultEndpointsProtocol=http;AccountName={Account};AccountKey={AccountKey};BlobEndpoint=http://127.0.0.1:{port}/{Account};";
    }

    /// <summary>For a BlobServiceClient.</summary>
    public string ConnectionString { get; }

    /// <summary>Starts it and waits until it listens.</summary>
    public static async Task<Azurite> StartAsync(CancellationToken cancellationToken = default)
    {
        string script = Path.Combine(Repository.Root, "node_modules", "azurite", "dist", "src", "blob", "main.js");
        if (!File.Exists(script))
        {
            throw new InvalidOperationException("Azurite is not installed. Run `npm ci` in the repository's root, or the tests through scripts/test.cs.");
        }

        int port = FreePort();
        ProcessStartInfo start = new("node", [script, "--blobHost", "127.0.0.1", "--blobPort", $"{port}", "--inMemoryPersistence", "--skipApiVersionCheck", "--silent", "--disableTelemetry"])
        {
            UseShellExecute = false,
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
