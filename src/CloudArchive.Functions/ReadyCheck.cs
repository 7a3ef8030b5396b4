using CloudArchive.Core.Storage;
using Microsoft.Extensions.Hosting;

namespace CloudArchive.Functions;

/// <summary>The app does not start on storage that cannot lock versions, or whose tables it does not reach.</summary>
public sealed class ReadyCheck(IBlobVault vault, IRowStore rows) : IHostedService
{
    /// <inheritdoc/>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        await vault.EnsureReadyAsync(cancellationToken);
        await rows.EnsureReadyAsync(cancellationToken);
    }

    /// <inheritdoc/>
    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
