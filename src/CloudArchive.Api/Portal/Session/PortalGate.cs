using CloudArchive.Api.Identity;
using Microsoft.AspNetCore.Http;

namespace CloudArchive.Api.Portal.Session;

/// <summary>What <see cref="Gate"/> asks of requests to the portal where it asks others for a bearer token.</summary>
internal static class PortalGate
{
    /// <summary>The hidden field of every form.</summary>
    public const string FormToken = "formToken";

    /// <summary>Who is calling.</summary>
    public static async Task<Caller> AuthenticateAsync(HttpContext context, PortalSessions sessions)
    {
        try
        {
            return await sessions.ReadAsync(context, context.RequestAborted);
        }
        catch (SignInNeededException e) when (e.Reason == SignInReason.None && !HttpMethods.IsGet(context.Request.Method))
        {
            throw new DeniedException(Problems.Unauthenticated("Sign in to the portal first."));
        }
        catch (TokenException e)
        {
            sessions.End(context);
            throw new DeniedException(Problems.Unauthenticated(e.Message));
        }
    }

    /// <summary>That a form comes from a page of ours, and of this session. Runs when the body is bounded.</summary>
    public static async Task CheckFormAsync(HttpContext context)
    {
        if (!HttpMethods.IsPost(context.Request.Method))
        {
            return;
        }

        // Every browser of the day says where a request comes from, and no page can make it lie.
        string? site = context.Request.Headers["Sec-Fetch-Site"];
        if (site is not (null or "same-origin"))
        {
            throw new DeniedException(Problems.FormForeign());
        }

        if (!context.Request.HasFormContentType)
        {
            throw new BadHttpRequestException("No form", StatusCodes.Status415UnsupportedMediaType);
        }

        try
        {
            await context.Request.ReadFormAsync(context.RequestAborted);
        }
        catch (InvalidDataException e)
        {
            throw new BadHttpRequestException("No form", e);
        }

        if (context.Session() is { } session && !PortalSessions.Fits(session, context.Field(FormToken)))
        {
            throw new DeniedException(Problems.FormForeign());
        }
    }
}
