using System.Globalization;
using System.Text;
using System.Text.Json;
using CloudArchive.Api.Identity;
using CloudArchive.Core;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Keys;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using Microsoft.AspNetCore.Http;

namespace CloudArchive.Api;

/// <summary>An error as RFC 9457 has it. <paramref name="Slug"/> makes the type, which never changes its meaning.</summary>
/// <param name="Status">The HTTP status.</param>
/// <param name="Slug">The end of <c>type</c>.</param>
/// <param name="Title">What kind of error; the same for all of a type.</param>
/// <param name="Detail">What to do. Never PHI.</param>
/// <param name="RetryAfter">After how long the same request may be granted, where that is known.</param>
public sealed record Problem(int Status, string Slug, string Title, string Detail, TimeSpan? RetryAfter = null)
{
    /// <summary>Whether the request was refused, which the audit log must know; otherwise it failed.</summary>
    public bool IsRefusal => Status is 401 or 403 or 409 or 422;

    /// <summary>What <c>WWW-Authenticate</c> says of a 401.</summary>
    public string Challenge { get; init; } = "Bearer";
}

/// <summary>A caller that the endpoint's policy does not let in.</summary>
public sealed class DeniedException(Problem problem) : Exception(problem.Detail)
{
    /// <summary>What it is told.</summary>
    public Problem Problem { get; } = problem;
}

/// <summary>An error of the token endpoint, which has a form of its own (RFC 6749 §5.2).</summary>
public sealed class OAuthException(string error, string description, int status = 400, Exception? inner = null) : Exception(description, inner)
{
    /// <summary>The error code.</summary>
    public string Error { get; } = error;

    /// <summary>The HTTP status.</summary>
    public int Status { get; } = status;
}

/// <summary>The one place where errors become responses.</summary>
public static class Problems
{
    /// <summary>What every type begins with.</summary>
    public const string TypeBase = "https://cloudarchive.example/problems/";

    /// <summary>The slug of what must wake somebody.</summary>
    internal const string IntegrityFailed = "integrity-failed";

    /// <summary>Status, slug and title of each refusal.</summary>
    internal static readonly IReadOnlyDictionary<Refusal, (int Status, string Slug, string Title)> Refusals = new Dictionary<Refusal, (int, string, string)>
    {
        [Refusal.RequestInvalid] = (400, "request-invalid", "The request breaks a rule"),
        [Refusal.ClinicUnknown] = (404, "clinic-unknown", "No such clinic"),
        [Refusal.ClinicExists] = (409, "clinic-exists", "The clinic exists with other settings"),
        [Refusal.RetentionLowered] = (422, "retention-lowered", "Retention is only ever extended"),
        [Refusal.CodeInvalid] = (403, "enrollment-code-invalid", "The enrollment code is not valid"),
        [Refusal.EscrowKeyMissing] = (422, "escrow-key-missing", "The first agent must bring the escrow key"),
        [Refusal.KeyInvalid] = (422, "key-invalid", "The key is not valid"),
        [Refusal.AgentUnknown] = (404, "agent-unknown", "No such agent"),
        [Refusal.KeyProofInvalid] = (403, "key-proof-invalid", "The new key is not proven"),
        [Refusal.AccessOfSelf] = (403, "access-of-self", "Nobody ends their own access"),
        [Refusal.AccessListChanged] = (409, "access-list-changed", "The list is not what it was"),
        [Refusal.AccessReviewUnknown] = (404, "access-review-unknown", "No such access review"),
        [Refusal.PackUnknown] = (404, "pack-unknown", "No such pack"),
        [Refusal.PackOfAnotherAgent] = (403, "pack-of-another-agent", "Another agent opened the pack"),
        [Refusal.PackNotOpen] = (409, "pack-not-open", "The pack cannot be uploaded any more"),
        [Refusal.PackNotUploaded] = (409, "pack-not-uploaded", "There is no blob to commit"),
        [Refusal.PackMismatch] = (422, "pack-mismatch", "The stored pack is not what the sidecar says"),
        [Refusal.SidecarInvalid] = (422, "sidecar-invalid", "The sidecar breaks a rule"),
        [Refusal.CommitDiffers] = (409, "commit-differs", "The pack is committed with another sidecar"),
        [Refusal.QuotaUsedUp] = (403, "quota-used-up", "The clinic's daily quota is used up"),
        [Refusal.StudyUnknown] = (404, "study-unknown", "No such study or folder"),
        [Refusal.RestoreUnknown] = (404, "restore-unknown", "No such restore"),
        [Refusal.NothingToRestore] = (422, "nothing-to-restore", "Nothing in the archive fits the request"),
        [Refusal.CatalogueIncomplete] = (409, "catalogue-incomplete", "Packs are missing from the catalogue"),
        [Refusal.ApprovalMissing] = (409, "approval-missing", "A second admin has to approve first"),
        [Refusal.PacksArchived] = (409, "packs-archived", "Packs are on their way back from the archive tier"),
        [Refusal.ApprovalByRequester] = (403, "approval-by-requester", "Nobody approves their own request"),
        [Refusal.ApprovalNotNeeded] = (409, "approval-not-needed", "There is nothing to approve"),
        [Refusal.RestoreOfAnother] = (403, "restore-of-another", "Only who asked for a restore gets its result"),
        [Refusal.RestoreOver] = (409, "restore-over", "The restore is over"),
        [Refusal.RestoreTestUnknown] = (404, "restore-test-unknown", "No such restore test"),
        [Refusal.EvidenceUnknown] = (404, "evidence-unknown", "No such evidence"),
        [Refusal.ReportUnknown] = (404, "report-unknown", "No such report"),
        [Refusal.AlertUnknown] = (404, "alert-unknown", "No such alert"),
        [Refusal.AlertDelivered] = (409, "alert-delivered", "The alert was delivered"),
        [Refusal.CheckpointUnknown] = (404, "checkpoint-unknown", "The log has no checkpoint yet"),
        [Refusal.Protected] = (409, "protected", "A lock, a hold or a receipt keeps the blob"),
        [Refusal.HoldUnknown] = (404, "hold-unknown", "No such hold"),
        [Refusal.HoldNotPending] = (409, "hold-not-pending", "Nobody asked to clear the hold"),
        [Refusal.DestructionUnknown] = (404, "destruction-unknown", "No such destruction"),
        [Refusal.DestructionOver] = (409, "destruction-over", "The destruction was decided on"),
        [Refusal.NotDue] = (409, "not-due", "It must be kept"),
        [Refusal.RecoveryOnly] = (409, "recovery-only", "This host has no right to do that"),
    };

    /// <summary>Every type that there is; docs/api.md lists them, and a test holds the two together.</summary>
    internal static IEnumerable<string> Slugs =>
    [
        .. Refusals.Values.Select(value => value.Slug),
        .. new[] { Unauthenticated(""), Forbidden(""), FormForeign(), MfaNeeded(), SignInNotSetUp(), TooMany(), TooLarge(), NotFound(), OfOtherHost(new Uri("https://other.example/"), ArchiveRole.Ingest), Unrouted(405), Unrouted(415) }.Select(problem => problem.Slug),
        "busy", "issuer-unavailable", "key-unavailable", "internal", IntegrityFailed,
    ];

    /// <summary>No token, or none that is believed.</summary>
    public static Problem Unauthenticated(string detail) => new(401, "token-invalid", "A valid token is needed", detail);

    /// <summary>No right to it.</summary>
    public static Problem Forbidden(string detail) => new(403, "forbidden", "The token does not allow that", detail);

    /// <summary>A form of the portal that none of its pages made, or one of another session.</summary>
    public static Problem FormForeign() => new(403, "form-foreign", "The form is not of this session", "Open the page again, fill the form in again and send it.");

    /// <summary>More than one factor is asked for.</summary>
    /// <param name="claims">With which a login gets a token that states it: then that is the challenge, as Entra ID's clients know it. Null: no login would help.</param>
    public static Problem MfaNeeded(string? claims = null) => new(claims is null ? 403 : 401, "mfa-needed", "A second factor is needed", "Sign in again with a second factor.")
    {
        Challenge = claims is null ? "Bearer" : $"Bearer error=\"insufficient_claims\", claims=\"{Convert.ToBase64String(Encoding.UTF8.GetBytes(claims))}\"",
    };

    /// <summary>Nobody told the service with which application commands sign people in.</summary>
    public static Problem SignInNotSetUp() => new(
        404,
        "sign-in-not-set-up",
        "Commands cannot sign anybody in here",
        "The archive names no application for it: its operator registers one (docs/operations.md, Register the application). Until then give commands an access token with --token-file.");

    /// <summary>Too much.</summary>
    public static Problem TooMany(TimeSpan? wait = null) => new(429, "too-many-requests", "Too many requests", "Wait a minute, then try again.", wait ?? TimeSpan.FromMinutes(1));

    /// <summary>More bytes than the endpoint takes.</summary>
    public static Problem TooLarge() => new(413, "request-too-large", "The request is too large", "Split the request; docs/api.md states the bounds.");

    /// <summary>No such route.</summary>
    public static Problem NotFound() => new(404, "not-found", "No such resource", "GET /openapi/v1.json lists what there is on this host.");

    /// <summary>A request that the host of the other role serves, at its own address (RFC 9110 §15.5.20).</summary>
    public static Problem OfOtherHost(Uri address, ArchiveRole here) => new(
        421,
        "other-host",
        "Another address of this archive serves that",
        here == ArchiveRole.Ingest
            ? $"Staff ask {address.AbsoluteUri}: the portal, restores and every command of theirs (--url). This address serves the clinics' computers."
            : $"The clinics' computers ask {address.AbsoluteUri}: setup, enroll and backup (--url). This address serves staff.");

    /// <summary>What routing answers with a status alone.</summary>
    public static Problem Unrouted(int status) => status == 415
        ? MediaTypeUnsupported()
        : new(405, "method-not-allowed", "The resource does not take that method", "The Allow header lists those that it takes; GET /openapi/v1.json describes them.");

    /// <summary>What a caller is told of an exception; never what it says of the archive's inside.</summary>
    public static Problem For(Exception exception) => exception switch
    {
        DeniedException denied => denied.Problem,
        RefusedException refused when Refusals[refused.Refusal] is var (status, slug, title) => new Problem(status, slug, title, refused.Message, refused.RetryAfter),
        BadHttpRequestException { StatusCode: 413 } => TooLarge(),
        BadHttpRequestException { StatusCode: 415 } => MediaTypeUnsupported(),
        BadHttpRequestException { InnerException: JsonException json } => new(400, "request-invalid", "The request breaks a rule", $"The body is not what the endpoint takes{At(json)}."),
        BadHttpRequestException => new(400, "request-invalid", "The request breaks a rule", "A parameter is missing or malformed. GET /openapi/v1.json describes them."),
        KeyUnavailableException => new(503, "key-unavailable", "A key cannot be used now", "Try again later. If it lasts, see docs/operations.md: keys."),
        IssuerException => new(503, "issuer-unavailable", "Sign-in cannot be checked now", "The staff's issuer does not answer. Try again later. If it lasts, see docs/operations.md: who may do what."),
        AuditLogContendedException => new(503, "busy", "The clinic's audit log is busy", "Try again in a few seconds."),
        IntegrityException or AuditLogDamagedException or PackException => new(500, IntegrityFailed, "The archive is not as it was left", "Do not repeat the request. Tell the operator, with the correlation id: docs/operations.md, integrity."),
        BlobProtectedException => new(409, "protected", "A lock, a hold or a receipt keeps the blob", "Nothing was deleted."),
        _ => new(500, "internal", "The archive failed", "Repeating the request is safe. If it fails again, tell the operator, with the correlation id."),
    };

    /// <summary>Writes a problem.</summary>
    public static Task WriteAsync(HttpContext context, Problem problem)
    {
        context.Response.StatusCode = problem.Status;
        if (problem.Status == 401)
        {
            context.Response.Headers.WWWAuthenticate = problem.Challenge;
        }

        if (problem.RetryAfter is { } wait)
        {
            context.Response.Headers.RetryAfter = ((long)Math.Ceiling(wait.TotalSeconds)).ToString(CultureInfo.InvariantCulture);
        }

        object body = new { type = TypeBase + problem.Slug, title = problem.Title, status = problem.Status, detail = problem.Detail, correlationId = context.Info().CorrelationId };
        return context.Response.WriteAsJsonAsync(body, FormatJson.Options, "application/problem+json", context.RequestAborted);
    }

    /// <summary>Writes an error of the token endpoint.</summary>
    public static Task WriteAsync(HttpContext context, OAuthException e)
    {
        context.Response.StatusCode = e.Status;
        context.Response.Headers.CacheControl = "no-store";
        return context.Response.WriteAsJsonAsync(new { error = e.Error, error_description = e.Message }, FormatJson.Options, "application/json", context.RequestAborted);
    }

    private static Problem MediaTypeUnsupported() => new(415, "media-type-unsupported", "The media type is not supported", "Send application/json.");

    // The path has names of our messages only: no message takes an object with names of the caller's choice but one, of short values.
    private static string At(JsonException e) => e.Path is { Length: > 0 and <= 100 } path && !path.Contains('[', StringComparison.Ordinal) && !path.Contains("yWrappingMetadata", StringComparison.Ordinal) ? $" at {path}" : "";
}
