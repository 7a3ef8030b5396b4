using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace CloudArchive.Api.Portal;

/// <summary>What browsers are told not to do with what the portal answers.</summary>
internal static class PortalHeaders
{
    /// <summary>Nothing but our own style sheet and scripts, from files; nobody's frame; forms to us alone.</summary>
    public const string ContentSecurityPolicy =
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

    /// <summary>For pages and downloads: what is on them is for this reader and this moment.</summary>
    /// <param name="context">The request.</param>
    /// <param name="connect">Another address that the page's script may fetch from; null as a rule.</param>
    public static void Protect(HttpContext context, Uri? connect = null)
    {
        IHeaderDictionary headers = context.Response.Headers;
        headers.ContentSecurityPolicy = connect is null ? ContentSecurityPolicy
            : ContentSecurityPolicy.Replace("connect-src 'self'", $"connect-src 'self' {connect.GetLeftPart(UriPartial.Authority)}", StringComparison.Ordinal);
        headers.CacheControl = "no-store";
        headers["Referrer-Policy"] = "no-referrer";
        headers.XContentTypeOptions = "nosniff";
        headers.XFrameOptions = "DENY";
        headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=(), payment=(), usb=()";
        headers["Cross-Origin-Opener-Policy"] = "same-origin";
        headers["Cross-Origin-Resource-Policy"] = "same-origin";
        if (context.RequestServices.GetRequiredService<CloudArchiveOptions>().Portal.Secure)
        {
            headers.StrictTransportSecurity = "max-age=31536000";
        }
    }
}
