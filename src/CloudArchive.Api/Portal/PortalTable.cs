using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace CloudArchive.Api.Portal;

/// <summary>Marks an endpoint as the portal's: <see cref="Gate"/> asks for a session and not for a bearer token, and errors are pages.</summary>
internal sealed class PortalSurface
{
    public static PortalSurface Instance { get; } = new();
}

/// <summary>The portal's part of the one endpoint table.</summary>
internal sealed class PortalTable(EndpointTable table)
{
    /// <summary>Where everything of the portal is.</summary>
    public const string Root = "/portal";

    /// <summary>A page.</summary>
    public RouteHandlerBuilder? Page(string path, Delegate handler, EndpointPolicy policy) => Mark(table.Get(Root + path, handler, policy));

    /// <summary>What a form does. The gate checks the form's token before the handler runs.</summary>
    public RouteHandlerBuilder? Form(string path, Delegate handler, EndpointPolicy policy) => Mark(table.Post(Root + path, handler, policy));

    private static RouteHandlerBuilder? Mark(RouteHandlerBuilder? endpoint) => endpoint?.WithMetadata(PortalSurface.Instance).ExcludeFromDescription();
}

/// <summary>Shorthands for the portal's handlers.</summary>
internal static class PortalContext
{
    /// <summary>Whether the request is for the portal, be there a page or not.</summary>
    public static bool IsPortal(this HttpContext context) =>
        context.GetEndpoint()?.Metadata.GetMetadata<PortalSurface>() is not null || context.Request.Path.StartsWithSegments(PortalTable.Root);

    /// <summary>A field of the form that the gate has read: trimmed, and null where it is empty or there more than once.</summary>
    public static string? Field(this HttpContext context, string name) =>
        context.Request.Form.TryGetValue(name, out var values) && values.Count == 1 && values[0]!.Trim() is { Length: > 0 } value ? value : null;

    /// <summary>The session of the request, where it has one.</summary>
    public static Session.PortalSession? Session(this HttpContext context) => context.Features.Get<Session.PortalSession>();
}
