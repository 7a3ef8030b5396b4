using CloudArchive.Api.Portal;
using CloudArchive.Core;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Routing.Template;

namespace CloudArchive.Api;

/// <summary>
/// What the host of the other role serves, where the two have addresses of their own: whoever asks the wrong one is told the right one.
/// Nothing of it is an endpoint here.
/// </summary>
internal sealed class OtherHost(CloudArchiveOptions options)
{
    private readonly List<(string[] Methods, TemplateMatcher Route)> _routes = [];

    /// <summary>The other host's address; null where there is no other.</summary>
    private Uri? Address => options.Role == ArchiveRole.Both || options.StaffUrl == options.PublicUrl ? null
        : options.Role == ArchiveRole.Ingest ? options.StaffUrl : options.PublicUrl;

    /// <summary>Takes note of an endpoint that is not mapped here.</summary>
    public void Add(string[] methods, string path) => _routes.Add((methods, new TemplateMatcher(TemplateParser.Parse(path), new RouteValueDictionary())));

    /// <summary>
    /// Where a person with a browser finds the portal who asked for nothing but the service's address, or for the portal where it is not; null for every other request.
    /// </summary>
    public string? PortalFor(HttpRequest request)
    {
        bool front = request.Path == "/" && HttpMethods.IsGet(request.Method);
        if (options.Role != ArchiveRole.Ingest)
        {
            return front ? PortalTable.Root : null;
        }

        if (Address is not { } address || !(front || request.Path.StartsWithSegments(PortalTable.Root)))
        {
            return null;
        }

        // The path alone is taken along, below our own address: nobody can have people sent elsewhere. A form's address may take no GET.
        string path = !front && HttpMethods.IsGet(request.Method) ? request.Path.ToUriComponent() + request.QueryString.ToUriComponent() : PortalTable.Root;
        return new Uri(address, path).AbsoluteUri;
    }

    /// <summary>What to answer to a request that fits no endpoint here; null where it fits none there either.</summary>
    public Problem? ProblemFor(HttpRequest request) => Address is { } address
        && _routes.Any(route => route.Methods.Contains(request.Method, StringComparer.OrdinalIgnoreCase) && route.Route.TryMatch(request.Path, new RouteValueDictionary()))
            ? Problems.OfOtherHost(address, options.Role)
            : null;
}
