using System.Net;
using CloudArchive.LocalHost.Storage;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;

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
    /// <param name="port">The port to listen on; 0 for any.</param>
    /// <param name="policies">What is protected.</param>
    /// <param name="upstream">What is behind.</param>
    public static async Task<WormServer> StartAsync(StorageAccount account, int port, PolicyStore policies, Upstream upstream, TimeProvider clock, CancellationToken cancellationToken)
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = null;
            kestrel.Listen(IPAddress.Loopback, port);
        });
        WebApplication app = builder.Build();
        WormLayer layer = new(new WormAuthorization(account, clock), policies, upstream, clock, account.Name);
        app.Run(layer.HandleAsync);
        await app.StartAsync(cancellationToken);
        string address = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single();
        return new WormServer(app, new Uri($"{address}/{account.Name}"));
    }

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync(CancellationToken.None);
        await _app.DisposeAsync();
    }
}
