using System.Diagnostics;
using CloudArchive.Testing;

namespace CloudArchive.Functions.Tests.Worker;

/// <summary>The app as <c>dotnet publish</c> lays it down, and an Azure for it.</summary>
public sealed class PublishedWorker : IAsyncLifetime
{
    private readonly TemporaryFolder _folder = new();

    /// <summary>OpenSSL's way of naming a certificate is what makes the app trust the stand-ins; Flex Consumption is Linux anyway.</summary>
    public static bool CanRun => OperatingSystem.IsLinux();

    /// <summary>Azure.</summary>
    public AzureStandIn Azure { get; private set; } = null!;

    private string App => _folder["app"];

    /// <summary>Starts the app in a role, under a host.</summary>
    public Task<HostStandIn> StartAsync(string role, CancellationToken cancellationToken) => HostStandIn.StartAsync(App, Azure.Environment(role), cancellationToken);

    public async ValueTask InitializeAsync()
    {
        if (!CanRun)
        {
            return;
        }

        await PublishAsync();
        Azure = await AzureStandIn.StartAsync(_folder["azure"], CancellationToken.None);
    }

    public async ValueTask DisposeAsync()
    {
        if (Azure is not null)
        {
            await Azure.DisposeAsync();
        }

        _folder.Dispose();
    }

    // What was built with these tests, in their configuration: nothing is compiled or restored.
    private async Task PublishAsync()
    {
        string configuration = new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name;
        ProcessStartInfo publish = new("dotnet", ["publish", Path.Combine(Repository.Root, "src", "CloudArchive.Functions"), "--no-build", "--configuration", configuration, "--output", App, "-v", "quiet"])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        publish.Environment["MSBUILDDISABLENODEREUSE"] = "1";
        using Process process = Process.Start(publish)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(), errors = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.True(process.ExitCode == 0, await output + await errors);
    }
}
