using CloudArchive.Api.Identity;
using CloudArchive.Core;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Keys;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Extensions.Primitives;

namespace CloudArchive.Api.Endpoints;

/// <summary>How a computer becomes an agent, and an agent gets its tokens.</summary>
internal static class EnrollmentEndpoints
{
    private const string AssertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    private static readonly EndpointPolicy _enroll = new(Roles.None, Reach.Anonymous, ArchiveRole.Ingest, AuditActions.AgentEnrolled, Rate: Rate.Enroll);
    private static readonly EndpointPolicy _token = new(Roles.None, Reach.Anonymous, ArchiveRole.Ingest, AuditActions.TokenIssued, Rate: Rate.Token);

    public static void Map(EndpointTable table)
    {
        table.Post("/v1/enrollments", EnrollAsync, _enroll)?.WithSummary("Uses a code up and binds the computer's key to the clinic.");
        table.Post("/v1/token", TokenAsync, _token)?.WithSummary("A token for an agent that proves its key (RFC 7523 private_key_jwt); form encoded.")
            .Accepts<TokenForm>("application/x-www-form-urlencoded");
    }

    private static async Task<Ok<EnrollResponse>> EnrollAsync(
        EnrollRequest body, Enrollments enrollments, ISigner signer, CloudArchiveOptions options, HttpContext context, CancellationToken cancellationToken)
    {
        Enrolled enrolled = await enrollments.EnrollAsync(body.Code, body.AgentName, body.AgentKey, body.EscrowKey, context.Origin(), cancellationToken);
        context.Response.Headers.CacheControl = "no-store";
        return TypedResults.Ok(new EnrollResponse(
            enrolled.Clinic.Id,
            enrolled.Clinic.Name,
            enrolled.Agent.Id.ToString(),
            options.TokenEndpoint,
            enrolled.WrappingKey,
            enrolled.Clinic.EscrowKey!,
            await signer.GetPublicKeysAsync(cancellationToken),
            enrolled.SealedIdentifierSecret));
    }

    private static async Task<Ok<TokenResponse>> TokenAsync(
        ClientAssertions assertions, BearerTokens tokens, Agents agents, IAuditLog log, HttpContext context, CancellationToken cancellationToken)
    {
        if (!context.Request.HasFormContentType)
        {
            throw new OAuthException("invalid_request", "Send application/x-www-form-urlencoded.");
        }

        IFormCollection form = await ReadFormAsync(context, cancellationToken);
        if (One(form, "grant_type") != "client_credentials")
        {
            throw new OAuthException("unsupported_grant_type", "The grant type is client_credentials.");
        }

        if (One(form, "client_assertion_type") != AssertionType || One(form, "client_assertion") is not { } assertion)
        {
            throw new OAuthException("invalid_request", $"Send client_assertion with the type {AssertionType}.");
        }

        Agent agent;
        try
        {
            agent = await assertions.VerifyAsync(assertion, cancellationToken);
        }
        catch (TokenException e)
        {
            throw new OAuthException("invalid_client", e.Message, StatusCodes.Status401Unauthorized, e);
        }

        string token = await tokens.IssueAsync(agent, cancellationToken);
        await agents.NoteSeenAsync(agent.Id, cancellationToken);
        AuditSubject subject = new(agent.Id.Clinic.Value, Other: agent.Id.ToString());
        await log.AppendAsync(
            new AuditEvent(agent.Id.Clinic.Value, AuditActions.TokenIssued, AuditOutcome.Success, new AuditActor(agent.Id.ToString(), "agent"), subject, context.Origin()), cancellationToken);
        context.Response.Headers.CacheControl = "no-store";
        return TypedResults.Ok(new TokenResponse(token, "Bearer", (int)BearerTokens.AgentLifetime.TotalSeconds));
    }

    private static async Task<IFormCollection> ReadFormAsync(HttpContext context, CancellationToken cancellationToken)
    {
        try
        {
            return await context.Request.ReadFormAsync(cancellationToken);
        }
        catch (InvalidDataException e)
        {
            throw new OAuthException("invalid_request", "The form is malformed.", inner: e);
        }
    }

    /// <summary>RFC 6749 §3.2: parameters must not be repeated.</summary>
    private static string? One(IFormCollection form, string name) => form.TryGetValue(name, out StringValues values) && values.Count == 1 ? values[0] : null;

    /// <summary>The form, for the OpenAPI document; names as RFC 6749 and RFC 7521 have them.</summary>
    private sealed record TokenForm(
        [property: System.Text.Json.Serialization.JsonPropertyName("grant_type")] string GrantType,
        [property: System.Text.Json.Serialization.JsonPropertyName("client_assertion_type")] string ClientAssertionType,
        [property: System.Text.Json.Serialization.JsonPropertyName("client_assertion")] string ClientAssertion);
}
