using System.Diagnostics;
using CloudArchive.Api.Identity;
using CloudArchive.Api.Portal;
using CloudArchive.Api.Portal.Session;
using CloudArchive.Core.Access;
using CloudArchive.Format;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;

namespace CloudArchive.Api;

/// <summary>
/// Lets a request pass to its endpoint, or does not: token, role, clinic and size, in the one place where they are checked
/// (docs/design.md, invariant 5).
/// </summary>
internal sealed class Gate(RequestDelegate next, BearerTokens tokens, StaffRegister staff, PortalSessions sessions, CloudArchiveOptions options, OtherHost otherHost)
{
    private const string Scheme = "Bearer ";

    /// <summary>Runs behind routing.</summary>
    public async Task InvokeAsync(HttpContext context)
    {
        if (context.GetEndpoint() is not RouteEndpoint endpoint)
        {
            if (otherHost.PortalFor(context.Request) is { } portalAt)
            {
                context.Response.StatusCode = StatusCodes.Status303SeeOther;
                context.Response.Headers.Location = portalAt;
                return;
            }

            if (otherHost.ProblemFor(context.Request) is { } there)
            {
                throw new DeniedException(there);
            }

            if (context.GetEndpoint() is null)
            {
                throw new DeniedException(Problems.NotFound());
            }

            // Routing's own answer: no endpoint of the path takes the method, or the media type. There is nothing behind it.
            await next(context);
            throw new DeniedException(Problems.Unrouted(context.Response.StatusCode));
        }

        // Fails closed: an endpoint that somebody mapped past the table is not reachable.
        EndpointPolicy policy = endpoint.Metadata.GetMetadata<EndpointPolicy>() ?? throw new UnreachableException($"{endpoint.DisplayName} has no policy.");
        bool portal = endpoint.Metadata.GetMetadata<PortalSurface>() is not null;
        RequestInfo info = context.Info();
        if (policy.Reach == Reach.Anonymous)
        {
            info.Caller = Caller.Anonymous;
        }
        else
        {
            info.Caller = portal ? await PortalGate.AuthenticateAsync(context, sessions) : await AuthenticateAsync(context);
            info.ActingAs = Authorize(context, info.Caller, policy, options);
            await AdmitAsync(info.Caller, context.RequestAborted);
        }

        BoundBody(context, policy.MostBytes);
        if (portal)
        {
            await PortalGate.CheckFormAsync(context);
        }

        await next(context);
    }

    private async Task<Caller> AuthenticateAsync(HttpContext context)
    {
        string? header = context.Request.Headers.Authorization;
        if (header is null || !header.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase))
        {
            throw new DeniedException(Problems.Unauthenticated("Send a bearer token: agents get theirs at POST /v1/token."));
        }

        try
        {
            return await tokens.ReadAsync(header[Scheme.Length..].Trim(), context.RequestAborted);
        }
        catch (TokenException e)
        {
            throw new DeniedException(Problems.Unauthenticated(e.Message));
        }
    }

    /// <summary>The role in which the caller may; <see cref="DeniedException"/> where none may.</summary>
    internal static Roles Authorize(HttpContext context, Caller caller, EndpointPolicy policy, CloudArchiveOptions options)
    {
        // One role at a time, the strongest: what a person with two may do is what that one role may.
        Roles role = new[] { Roles.Admin, Roles.Compliance, Roles.Agent }.FirstOrDefault(r => (caller.Roles & policy.Roles & r) != default);
        if (role == Roles.None)
        {
            context.Info().ActingAs = new[] { Roles.Admin, Roles.Compliance, Roles.Agent }.FirstOrDefault(r => (caller.Roles & r) != default);
            throw new DeniedException(Problems.Forbidden($"This needs the role {policy.Roles}."));
        }

        context.Info().ActingAs = role;
        bool reaches = policy.Reach switch
        {
            Reach.AllClinics => caller.Clinics is null,
            Reach.Own => true,
            _ => context.ClinicInPath() is { } clinic && caller.Reaches(clinic),
        };
        return !reaches ? throw new DeniedException(Problems.Forbidden("The token does not reach that clinic."))
            : policy.Mfa && options.RequireMfa && !caller.Mfa ? throw new DeniedException(Problems.MfaNeeded(context.IsPortal() ? null : options.Staff?.SecondFactorClaims))
            : role;
    }

    // Asked on every request, as for agents: who was blocked is out at once, not when the token ends.
    private async Task AdmitAsync(Caller caller, CancellationToken cancellationToken)
    {
        if (caller.Staff is { } person && !await staff.AcceptAsync(person, caller.Formerly, caller.RoleNames, caller.Clinics, cancellationToken))
        {
            throw new DeniedException(Problems.Unauthenticated("Access was ended. Another admin of the archive can say why."));
        }
    }

    private static void BoundBody(HttpContext context, long most)
    {
        if (context.Request.ContentLength > most)
        {
            throw BoundedBody.TooLarge();
        }

        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size)
        {
            // The server would end the body in an error of its own kind: see BoundedBody.
            size.MaxRequestBodySize = null;
        }

        context.Request.Body = new BoundedBody(context.Request.Body, most);
    }
}
