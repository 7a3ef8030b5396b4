using System.Net;
using CloudArchive.Api.Portal;

namespace CloudArchive.LocalHost.Identity;

/// <summary>What a person sees of the issuer, in the portal's clothes. No script.</summary>
internal static class LocalSignInPage
{
    private static readonly string[] s_own = ["code", "identity", "answer", "user_code"];

    /// <summary>Asks for the sign-in code and for whom to sign in.</summary>
    /// <param name="context">The request.</param>
    /// <param name="identities">Whom there is.</param>
    /// <param name="form">What the command asked for, which goes along, and what was typed.</param>
    /// <param name="secondFactor">Whether the command asks for a second factor.</param>
    /// <param name="wrong">Whether what was typed is not right.</param>
    /// <param name="redirect">Where the answer goes; null for a device, whose code is asked for as well.</param>
    public static Task AskAsync(HttpContext context, IReadOnlyList<PortalIdentity> identities, LocalSignIn.Form form, bool secondFactor, bool wrong, Uri? redirect)
    {
        string chosen = form["identity"].Length > 0 ? form["identity"] : form["login_hint"];
        string choices = string.Concat(identities.Select((identity, i) =>
            $"""<label><input type="radio" name="identity" value="{Text(identity.Subject)}"{(identity.Subject == chosen || (i == 0 && identities.All(one => one.Subject != chosen)) ? " checked" : "")}> {Text(identity.Name)}</label>"""));
        string hidden = redirect is null ? "" : string.Concat(form.All.Where(pair => !s_own.Contains(pair.Key)).Select(pair => $"""<input type="hidden" name="{Text(pair.Key)}" value="{Text(pair.Value)}">"""));
        string device = redirect is not null ? "" :
            $"""<div class="field"><label for="user_code">Code that the command line shows</label><input id="user_code" name="user_code" type="text" value="{Text(form["user_code"])}" autocomplete="off" required></div>""";
        string error = !wrong ? "" : $"""<p class="error" id="code-error">{(redirect is null ? "One of the two codes is not right, or the command line's has run out." : "The sign-in code is not right.")}</p>""";
        string body =
            $"""
            <p class="lead">{(redirect is null ? "A command line asks to act for you. Go on only if the code below is the one that it shows you." : "A command on this computer asks to act for you.")}</p>
            {(secondFactor ? """<div class="note warn" role="status"><p>The archive asks for a second factor. LocalHost has none: signing in here states one, so that it can be tried out.</p></div>""" : "")}
            <div class="card"><form method="post" class="stack">
            {device}
            <div class="field"><label for="code">Sign-in code</label><input id="code" name="code" type="password" autocomplete="off" required{(wrong ? " aria-invalid=\"true\" aria-describedby=\"code-error code-hint\"" : " aria-describedby=\"code-hint\"")}>{error}
            <p class="hint" id="code-hint">LocalHost prints it when it starts. It is also in the portal's link in the ready file.</p></div>
            <fieldset class="choices"><legend>As whom</legend>{choices}</fieldset>
            <button type="submit" name="answer" value="yes" class="primary">{(secondFactor ? "Sign in with a second factor" : "Sign in")}</button>
            <button type="submit" name="answer" value="no" formnovalidate>Decline</button>
            {hidden}</form></div>
            """;
        return WriteAsync(context, "Sign in for the command line", body, wrong ? StatusCodes.Status401Unauthorized : StatusCodes.Status200OK, redirect);
    }

    /// <summary>Writes a page.</summary>
    public static Task WriteAsync(HttpContext context, string title, string body, int status = StatusCodes.Status200OK, Uri? redirect = null)
    {
        IHeaderDictionary headers = context.Response.Headers;
        // Browsers hold a form's redirection to form-action as well.
        headers.ContentSecurityPolicy = $"default-src 'none'; style-src 'self'; form-action 'self'{(redirect is null ? "" : $" {redirect.GetLeftPart(UriPartial.Authority)}")}; base-uri 'none'; frame-ancestors 'none'";
        headers.CacheControl = "no-store";
        headers["Referrer-Policy"] = "no-referrer";
        headers.XContentTypeOptions = "nosniff";
        context.Response.StatusCode = status;
        context.Response.ContentType = "text/html; charset=utf-8";
        return context.Response.WriteAsync(
            $"""
            <!DOCTYPE html>
            <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark"><title>{Text(title)} - CloudArchive</title>
            <link rel="stylesheet" href="/portal/assets/portal.css"></head>
            <body><main><div class="signin"><h1>{Text(title)}</h1>{body}</div></main></body></html>
            """,
            context.RequestAborted);
    }

    private static string Text(string text) => WebUtility.HtmlEncode(text);
}
