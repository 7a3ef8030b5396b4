using CloudArchive.Api;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace CloudArchive.Functions.Http;

/// <summary>Api's one endpoint table, as a pipeline of its own behind the worker's.</summary>
public sealed class ApiPipeline
{
    private readonly RequestDelegate _pipeline;

    /// <summary>Builds the pipeline once.</summary>
    public ApiPipeline(IServiceProvider services, AppSettings settings)
    {
        ApplicationBuilder app = new(services);
        CallerAddress.Use(app, settings.TrustedProxies);
        app.UseRouting();
        app.UseCloudArchive();
        app.UseEndpoints(routes => routes.MapCloudArchive());
        _pipeline = app.Build();
    }

    /// <summary>Answers a request. Nothing leaves it but a response.</summary>
    public async Task AnswerAsync(HttpContext context)
    {
        // The worker's own routing has chosen this function as the endpoint: ours would take it for a choice that is made.
        context.SetEndpoint(null);
        context.Request.RouteValues.Clear();
        await _pipeline(context);
    }
}
