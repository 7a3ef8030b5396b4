using CloudArchive.Format.Access;

namespace CloudArchive.Format.Wire;

/// <summary><c>GET /v1/access</c> and <c>GET /v1/clinics/{clinic}/access</c>: everyone and everything that can act, and what no longer can.</summary>
/// <param name="Scope">The clinic's id, or <c>$system</c> for all.</param>
/// <param name="At">When the list was made.</param>
/// <param name="Fingerprint">To send with an attestation: it says which list was seen.</param>
/// <param name="Principals">Staff first, each by id.</param>
public sealed record AccessListResponse(string Scope, DateTimeOffset At, Sha256Digest Fingerprint, IReadOnlyList<AccessPrincipal> Principals);

/// <summary><c>POST .../access/reviews</c>, by an admin who went through the list.</summary>
/// <param name="Fingerprint">Of the list that was seen; another one that there is by now is <c>access-list-changed</c>.</param>
public sealed record AttestAccessRequest(Sha256Digest Fingerprint);

/// <summary>An attested list: <c>POST .../access/reviews</c> and <c>GET .../access/reviews/{review}</c>.</summary>
/// <param name="Review">Its id.</param>
/// <param name="Document">The bytes of <c>review.json</c>.</param>
/// <param name="Signature">The text of <c>review.jws</c>.</param>
public sealed record AccessReviewResponse(string Review, byte[] Document, string Signature);

/// <summary><c>POST /v1/access/block</c> and <c>unblock</c>. In the body: who somebody is has no place in a URL.</summary>
/// <param name="Subject">The person, as the access list has them, or their object id.</param>
public sealed record StaffSubjectRequest(string Subject);

/// <summary>The answer: the person as they stand now.</summary>
public sealed record StaffAccessResponse(AccessPrincipal Principal);
