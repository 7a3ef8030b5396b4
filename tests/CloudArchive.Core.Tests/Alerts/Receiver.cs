using System.Collections.Concurrent;
using CloudArchive.Core.Alerts;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace CloudArchive.Core.Tests.Alerts;

/// <summary>What a webhook's receiver got.</summary>
internal sealed record Received(string Path, string Id, string Timestamp, string Signature, string? ContentType, byte[] Body);

/// <summary>The operator's end of a webhook, on the loopback.</summary>
internal sealed class Receiver : IAsyncDisposable
{
    /// <summary>Of the scheme's own example (standard-webhooks, "test_sign_function").</summary>
    public const string Secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    private readonly WebApplication _app;

    private Receiver(WebApplication app) => _app = app;

    public ConcurrentQueue<Received> Got { get; } = new();

    public Func<HttpContext, Task> Answer { get; set; } = _ => Task.CompletedTask;

    public WebhookTarget Target => WebhookTarget.Parse(_app.Urls.Single() + "/hook", Secret);

    public static async Task<Receiver> StartAsync()
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        WebApplication app = builder.Build();
        Receiver receiver = new(app);
        app.Run(receiver.TakeAsync);
        await app.StartAsync(TestContext.Current.CancellationToken);
        return receiver;
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private async Task TakeAsync(HttpContext context)
    {
        using MemoryStream body = new();
        await context.Request.Body.CopyToAsync(body);
        string Header(string name) => context.Request.Headers[name].ToString();
        Got.Enqueue(new Received(context.Request.Path, Header("webhook-id"), Header("webhook-timestamp"), Header("webhook-signature"), context.Request.ContentType, body.ToArray()));
        await Answer(context);
    }
}
