using CloudArchive.Api.Portal.Parts;
using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Web;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace CloudArchive.Api.Portal;

/// <summary>A page as a handler's result. It is rendered whole before the first byte goes out, so that an error is an error and no half page.</summary>
internal sealed class PortalPage : IResult
{
    private readonly Type _component;
    private readonly object? _model;
    private readonly string _title;
    private readonly int _status;
    private readonly bool _fetchesPacks;

    private PortalPage(Type component, object? model, string title, int status, bool fetchesPacks) =>
        (_component, _model, _title, _status, _fetchesPacks) = (component, model, title, status, fetchesPacks);

    /// <summary>A page of that component.</summary>
    /// <param name="title">Its title.</param>
    /// <param name="model">What it shows.</param>
    /// <param name="status">The HTTP status.</param>
    /// <param name="fetchesPacks">Whether its script fetches packs from storage.</param>
    public static PortalPage Of<TComponent, TModel>(string title, TModel model, int status = StatusCodes.Status200OK, bool fetchesPacks = false)
        where TComponent : PortalComponent<TModel> => new(typeof(TComponent), model, title, status, fetchesPacks);

    /// <summary>To a page after a form was done, so that going back and reloading do not send it again.</summary>
    public static IResult SeeOther(string path) => new Redirection(path);

    /// <inheritdoc/>
    public async Task ExecuteAsync(HttpContext httpContext)
    {
        ILoggerFactory logs = httpContext.RequestServices.GetRequiredService<ILoggerFactory>();
        await using HtmlRenderer renderer = new(httpContext.RequestServices, logs);
        Dictionary<string, object?> parameters = new()
        {
            [nameof(Document.View)] = PortalView.Of(httpContext, _title),
            [nameof(Document.Page)] = _component,
            [nameof(Document.Model)] = _model,
        };
        string html = await renderer.Dispatcher.InvokeAsync(async () => (await renderer.RenderComponentAsync<Document>(ParameterView.FromDictionary(parameters))).ToHtmlString());
        RefusedForm? refused = httpContext.Features.Get<RefusedForm>();
        if (refused is { IsShown: false })
        {
            throw new FormNotShownException(); // RefusedForm then leaves it to the page of errors
        }

        PortalHeaders.Protect(httpContext, _fetchesPacks ? httpContext.RequestServices.GetRequiredService<CloudArchiveOptions>().Portal.BlobUrl : null);
        httpContext.Response.StatusCode = refused?.Status ?? _status;
        httpContext.Response.ContentType = "text/html; charset=utf-8";
        await httpContext.Response.WriteAsync(html, httpContext.RequestAborted);
    }

    private sealed class Redirection(string path) : IResult
    {
        public Task ExecuteAsync(HttpContext httpContext)
        {
            PortalHeaders.Protect(httpContext);
            httpContext.Response.StatusCode = StatusCodes.Status303SeeOther;
            httpContext.Response.Headers.Location = path;
            return Task.CompletedTask;
        }
    }
}
