using CloudArchive.LocalHost.Hosting;
using CloudArchive.LocalHost.Storage;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace CloudArchive.LocalHost.Worm;

/// <summary>The WORM layer on a loopback port of its own.</summary>
internal sealed class WormServer : IAsyncDisposable
{
    private readonly WebApplication _app;

    private WormServer(WebApplication app, Uri url)
    {
        _app = app;
        Url = url;
    }

    /// <summary>The account's URL: <c>http://127.0.0.1:{port}/{account}</c>.</summary>
    public Uri Url { get; }

    /// <param name="account">The account that clients see.</param>
    /// <param name="listening">The port to listen on.</param>
    /// <param name="policies">What is protected.</param>
    /// <param name="upstream">What is behind.</param>
    /// <param name="portal">Whose pages may read blobs.</param>
    /// <param name="clock">The time.</param>
    /// <param name="cancellationToken">Stops the start.</param>
    public static async Task<WormServer> StartAsync(StorageAccount account, LoopbackPort listening, PolicyStore policies, Upstream upstream, Uri? portal, TimeProvider clock, CancellationToken cancellationToken)
    {
        try
        {
            WebApplicationBuilder builder = listening.CreateBuilder();

            // An instance has up to some gigabytes.
            builder.WebHost.ConfigureKestrel(kestrel => kestrel.Limits.MaxRequestBodySize = null);
            builder.Services.Replace(ServiceDescriptor.Singleton<IMemoryPoolFactory<byte>>(new LargeBlocks()));
            WebApplication app = builder.Build();
            WormLayer layer = new(new WormAuthorization(account, clock), policies, upstream, portal, clock, account.Name);
            app.Run(layer.HandleAsync);
            await app.StartAsync(cancellationToken);
            return new WormServer(app, new Uri(listening.Url, account.Name));
        }
        catch
        {
            listening.Dispose();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync(CancellationToken.None);
        await _app.DisposeAsync();
    }
}
