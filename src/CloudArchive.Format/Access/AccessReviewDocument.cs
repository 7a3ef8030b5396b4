using System.Text.Json;
using CloudArchive.Format.Signing;

namespace CloudArchive.Format.Access;

/// <summary>What can act in the archive.</summary>
public enum PrincipalKind
{
    /// <summary>A person, as far as the service has seen them.</summary>
    Staff,

    /// <summary>A clinic's computer.</summary>
    Agent,
}

/// <summary>Someone or something that can act, or could until <paramref name="EndedAt"/>. Ids only: no name.</summary>
/// <param name="Kind">A person or a computer.</param>
/// <param name="Id">The id in its tokens.</param>
/// <param name="Roles">The roles in the last token that was accepted.</param>
/// <param name="Clinics">The clinics in its reach; null for all.</param>
/// <param name="Since">A person's first accepted request; a computer's enrollment. Null for a person who was blocked and never seen.</param>
/// <param name="LastAcceptedAt">A person's last accepted request, to within five minutes; a computer's last token, each good for ten.</param>
/// <param name="EndedAt">When it was blocked or revoked; from then on nothing of it is accepted.</param>
/// <param name="EndedBy">Who ended it.</param>
public sealed record AccessPrincipal(
    PrincipalKind Kind,
    string Id,
    IReadOnlyList<string> Roles,
    IReadOnlyList<ClinicId>? Clinics,
    DateTimeOffset? Since,
    DateTimeOffset? LastAcceptedAt,
    DateTimeOffset? EndedAt,
    string? EndedBy);

/// <summary>A signed statement that an admin went through everyone who can act, and found it right. docs/formats.md, "Access review".</summary>
/// <param name="Format"><see cref="CurrentFormat"/>.</param>
/// <param name="Review">Its id.</param>
/// <param name="Scope">The clinic's id, or <c>$system</c> for all.</param>
/// <param name="ReviewedAt">When.</param>
/// <param name="ReviewedBy">Which admin.</param>
/// <param name="Fingerprint">Of the principals: <see cref="FingerprintOf"/>. It is what the admin sent, and so what they saw.</param>
/// <param name="Principals">The list, staff first, each by id.</param>
public sealed record AccessReviewDocument(
    string Format, string Review, string Scope, DateTimeOffset ReviewedAt, string ReviewedBy, Sha256Digest Fingerprint, IReadOnlyList<AccessPrincipal> Principals)
{
    /// <summary>The value of <see cref="Format"/>.</summary>
    public const string CurrentFormat = "cloudarchive/access-review/1";

    /// <summary>The <c>typ</c> of the detached JWS beside it.</summary>
    public const string JwsType = "cloudarchive-access-review+jws";

    /// <summary>The document's file.</summary>
    public const string File = "review.json";

    /// <summary>The signature's file.</summary>
    public const string SignatureFile = "review.jws";

    /// <summary>SHA-256 of who may do what, and who may not any more: all of a list but its times, which change while somebody reads it.</summary>
    public static Sha256Digest FingerprintOf(IEnumerable<AccessPrincipal> principals) => Sha256Digest.Of(CanonicalJson.Serialize(
        Sorted(principals).Select(p => new { p.Kind, p.Id, p.Roles, p.Clinics, ended = p.EndedAt is not null })));

    /// <summary>The order of a list.</summary>
    public static IEnumerable<AccessPrincipal> Sorted(IEnumerable<AccessPrincipal> principals) => principals.OrderBy(p => p.Kind).ThenBy(p => p.Id, StringComparer.Ordinal);

    /// <summary>Verifies a review offline: what does not hold, each in a sentence; none where everything does.</summary>
    public static (AccessReviewDocument? Document, IReadOnlyList<string> Findings) Verify(ReadOnlySpan<byte> json, string signature, JwkSet keys)
    {
        List<string> findings = [];
        try
        {
            Jws.VerifyDetached(signature.Trim(), json, JwsType, keys);
        }
        catch (JwsException e)
        {
            findings.Add($"{SignatureFile}: {e.Message}");
        }

        AccessReviewDocument document;
        try
        {
            document = JsonSerializer.Deserialize<AccessReviewDocument>(json, FormatJson.Options) ?? throw new JsonException("null");
        }
        catch (JsonException e)
        {
            return (null, [.. findings, $"{File}: it is no access review: {e.Message}"]);
        }

        if (document.Format != CurrentFormat)
        {
            return (null, [.. findings, $"{File}: this is {document.Format}; this program reads {CurrentFormat}."]);
        }

        if (!json.SequenceEqual(CanonicalJson.Serialize(document)))
        {
            findings.Add($"{File}: it is not canonical JSON (RFC 8785), or has members that are not the format's.");
        }

        if (document.Fingerprint != FingerprintOf(document.Principals))
        {
            findings.Add($"{File}: the fingerprint is not that of the list.");
        }

        return (document, findings);
    }
}
