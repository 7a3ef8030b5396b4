using CloudArchive.Api.Identity;
using CloudArchive.Api.Portal.Session;
using CloudArchive.Core;
using CloudArchive.Core.Audit;
using CloudArchive.Format.Audit;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;

namespace CloudArchive.Api.Portal.Pages;

/// <summary>In, out, and staying in.</summary>
internal static class SignInPages
{
    private const string PlatformSignIn = "/.auth/login/aad?post_login_redirect_uri=";
    private const string PlatformSignOut = "/.auth/logout?post_logout_redirect_uri=/portal/sign-in%3Freason%3Dsigned-out";
    private static readonly EndpointPolicy _anyone = new(Roles.None, Reach.Anonymous, ArchiveRole.Recovery, AuditActions.PortalSignedIn, MostBytes: 32 * 1024);
    private static readonly EndpointPolicy _signIn = _anyone with { Rate = Rate.Token };
    private static readonly EndpointPolicy _staff = new(Roles.Admin | Roles.Compliance, Reach.Own, ArchiveRole.Recovery, AuditActions.PortalSignedOut);

    public static void Map(PortalTable table)
    {
        table.Page("/sign-in", Show, _anyone);
        table.Page("/sign-in/platform", FromPlatformAsync, _signIn);
        table.Form("/sign-in", SignInAsync, _signIn);
        table.Form("/sign-out", SignOutAsync, _staff);
        table.Form("/stay", Stay, _staff);
    }

    private static PortalPage Show(string? reason, string? next, string? code, CloudArchiveOptions options) =>
        Page(options, reason ?? "", Local(next), code ?? "");

    private static async Task<IResult> FromPlatformAsync(string? next, PortalSessions sessions, IAuditLog log, HttpContext context, CancellationToken cancellationToken)
    {
        await BeginAsync(context, null, sessions, log, cancellationToken);
        return PortalPage.SeeOther(Local(next));
    }

    private static async Task<IResult> SignInAsync(PortalSessions sessions, CloudArchiveOptions options, IAuditLog log, HttpContext context, CancellationToken cancellationToken)
    {
        IPortalDoor door = options.Portal.Door ?? throw new DeniedException(Problems.NotFound());
        string code = context.Field("code") ?? "";

        // A staff token will do too: it says itself whom it is for.
        string? token = code.Contains('.', StringComparison.Ordinal) ? code : door.Open(code, context.Field("identity") ?? "");
        await BeginAsync(context, token ?? "", sessions, log, cancellationToken);
        return PortalPage.SeeOther(Local(context.Field("next")));
    }

    private static async Task<IResult> SignOutAsync(PortalSessions sessions, CloudArchiveOptions options, IAuditLog log, HttpContext context, CancellationToken cancellationToken)
    {
        sessions.End(context);
        await RecordAsync(context, AuditActions.PortalSignedOut, log, cancellationToken);
        if (!options.Portal.PlatformSignIn)
        {
            return PortalPage.SeeOther(PortalTable.Root + "/sign-in?reason=signed-out");
        }

        // Not a redirect: a form may not lead to the platform's own pages (form-action), and the platform's session has to end too.
        context.Response.Headers["Refresh"] = "0; url=" + PlatformSignOut;
        context.Features.Set<PortalSession>(null);
        return Page(options, "signed-out", PortalTable.Root, "");
    }

    /// <summary>The gate has renewed the session already, where it was old enough.</summary>
    private static NoContent Stay(HttpContext context)
    {
        PortalHeaders.Protect(context);
        return TypedResults.NoContent();
    }

    private static async Task BeginAsync(HttpContext context, string? token, PortalSessions sessions, IAuditLog log, CancellationToken cancellationToken)
    {
        try
        {
            Caller caller = await sessions.BeginAsync(context, token, cancellationToken);
            RequestInfo info = context.Info();
            info.Caller = caller;
            info.ActingAs = caller.Roles.HasFlag(Roles.Admin) ? Roles.Admin : Roles.Compliance;
        }
        catch (TokenException e)
        {
            throw new DeniedException(Problems.Unauthenticated(context.Request.Method == HttpMethods.Post
                ? "code: the code or token is not right, or no longer good. LocalHost prints the code at its start and keeps it in its ready file."
                : e.Message));
        }

        await RecordAsync(context, AuditActions.PortalSignedIn, log, cancellationToken);
    }

    private static async Task RecordAsync(HttpContext context, string action, IAuditLog log, CancellationToken cancellationToken)
    {
        Core.Requester by = context.Requester();
        await log.AppendAsync(new AuditEvent(AuditEntry.SystemLog, action, AuditOutcome.Success, by.Actor, new AuditSubject(), by.Origin), cancellationToken);
    }

    private static PortalPage Page(CloudArchiveOptions options, string reason, string next, string code) => PortalPage.Of<SignInPage, SignInModel>("Sign in", new SignInModel(
        reason,
        next,
        code,
        options.Portal.Door?.Identities ?? [],
        options.Portal.PlatformSignIn ? PlatformSignIn + Uri.EscapeDataString($"{PortalTable.Root}/sign-in/platform?next={Uri.EscapeDataString(next)}") : null));

    /// <summary>Only to a page of ours: never where a link wants to have people sent.</summary>
    private static string Local(string? next) =>
        next is { Length: <= 500 } && (next == PortalTable.Root || next.StartsWith(PortalTable.Root + "/", StringComparison.Ordinal)) && !next.Contains("sign-in", StringComparison.Ordinal) && next.All(c => c is > ' ' and < (char)127 and not '\\')
            ? next
            : PortalTable.Root;
}

/// <summary>How one signs in here.</summary>
/// <param name="Reason">Why one has to.</param>
/// <param name="Next">The page to go to.</param>
/// <param name="Code">The code that the link brought.</param>
/// <param name="Identities">Whom the host can sign in.</param>
/// <param name="Platform">Where the platform signs people in.</param>
public sealed record SignInModel(string Reason, string Next, string Code, IReadOnlyList<PortalIdentity> Identities, string? Platform);
