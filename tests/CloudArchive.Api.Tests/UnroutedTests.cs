using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace CloudArchive.Api.Tests;

/// <summary>What routing itself answers is a problem like any other, and not a failure of the archive's.</summary>
public sealed class UnroutedTests
{
    [Theory]
    [InlineData("DELETE", "/v1/health", null, 405, "method-not-allowed")]
    [InlineData("HEAD", "/v1/health", null, 405, "method-not-allowed")]
    [InlineData("POST", "/v1/enrollments", "text/plain", 415, "media-type-unsupported")]
    [InlineData("GET", "/nowhere", null, 404, "not-found")]
    public async Task A_request_that_fits_no_endpoint_is_told_why(string method, string path, string? mediaType, int status, string slug)
    {
        DefaultHttpContext context = new();
        context.Request.Method = method;
        context.Request.Path = path;
        context.Request.ContentType = mediaType;
        DeniedException denied = await Assert.ThrowsAsync<DeniedException>(() => Pipeline()(context));
        Assert.Equal((status, slug), (denied.Problem.Status, denied.Problem.Slug));
        if (status == 405)
        {
            Assert.Equal("GET", context.Response.Headers.Allow);
        }
    }

    private static RequestDelegate Pipeline()
    {
        IServiceProvider services = WebApplication.CreateEmptyBuilder(new WebApplicationOptions()).Services.AddRouting().AddLogging().BuildServiceProvider();
        ApplicationBuilder app = new(services);
        app.UseRouting();

        // None of these requests gets as far as a token or a policy.
        app.Use(next => new Gate(next, null!, null!, null!, new CloudArchiveOptions(), new OtherHost(new CloudArchiveOptions())).InvokeAsync);
        app.UseEndpoints(routes =>
        {
            routes.MapMethods("/v1/health", [HttpMethods.Get], () => "ok");
            routes.MapMethods("/v1/enrollments", [HttpMethods.Post], () => "ok").Accepts<object>("application/json");
        });
        return app.Build();
    }
}
