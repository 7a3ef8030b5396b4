using CloudArchive.Format.Evidence;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Retention;
using CloudArchive.Format.Sealing;
using CloudArchive.Format.Signing;

// The HTTP API's messages, v1. They stand beside the formats at rest because both ends share them and they carry the same nouns.
namespace CloudArchive.Format.Wire;

/// <summary>A page of a listing.</summary>
/// <param name="Items">The page.</param>
/// <param name="Next">Pass as <c>after</c> for the next page; null on the last.</param>
public sealed record Page<T>(IReadOnlyList<T> Items, string? Next = null);

/// <summary><c>POST /v1/clinics</c>, by an admin of all clinics.</summary>
/// <param name="Clinic">The slug.</param>
/// <param name="Name">What people call it.</param>
/// <param name="RetentionYears">How long a study is kept after the later of its date and its upload; 1 to 100. Later it can only be raised.</param>
/// <param name="RequireApproval">Whether a restore of more than one study needs a second admin.</param>
public sealed record CreateClinicRequest(ClinicId Clinic, string Name, int RetentionYears = 10, bool RequireApproval = true);

/// <summary><c>PUT /v1/clinics/{clinic}/settings</c>, by an admin of all clinics. Null leaves a setting as it is.</summary>
/// <param name="RetentionYears">Not below what it is now.</param>
/// <param name="RequireApproval">Whether a restore of more than one study needs a second admin.</param>
/// <param name="DailyBytes">How many bytes the clinic may archive in a day (UTC).</param>
/// <param name="DailyPacks">How many packs.</param>
/// <param name="IdentifierMatch">When two spellings of a Patient ID or accession number are one.</param>
/// <param name="RtoHours">Recovery time objective: in how many hours everything must be back. 1 to 8760.</param>
/// <param name="RpoHours">Recovery point objective: how many hours of work may be lost. 1 to 8760.</param>
public sealed record ClinicSettingsRequest(
    int? RetentionYears = null, bool? RequireApproval = null, long? DailyBytes = null, int? DailyPacks = null, IdentifierMatch? IdentifierMatch = null, int? RtoHours = null, int? RpoHours = null);

/// <summary><c>PUT /v1/clinics/{clinic}/contact</c>, by an admin of the clinic.</summary>
/// <param name="Contact">The mail address that gets the clinic's alerts and its weekly letter; absent: none.</param>
public sealed record ClinicContactRequest(string? Contact = null);

/// <summary>A clinic as an admin sees it. In a list, one that could not be read has a <paramref name="Problem"/>, and nothing else of it is true but its id.</summary>
public sealed record ClinicResponse(
    ClinicId Clinic,
    string Name,
    int RetentionYears,
    DateTimeOffset CreatedAt,
    bool HasEscrowKey,
    DateTimeOffset? LastCommitAt,
    bool RequireApproval = true,
    string? Contact = null,
    string? Problem = null)
{
    /// <summary>When two spellings of a Patient ID or Accession Number are one: in searches, holds, restores of a patient and the accounting of disclosures.</summary>
    public IdentifierMatch IdentifierMatch { get; init; }

    /// <summary>How many bytes the clinic may archive in a day (UTC).</summary>
    public long DailyBytes { get; init; }

    /// <summary>How many packs.</summary>
    public int DailyPacks { get; init; }

    /// <summary>Recovery time objective: in how many hours everything must be back.</summary>
    public int RtoHours { get; init; }

    /// <summary>Recovery point objective: how many hours of work may be lost.</summary>
    public int RpoHours { get; init; }
}

/// <summary><c>GET /v1/clinics/{clinic}/agents</c>: a page of these, for an admin. <c>POST .../agents/{id}/revoke</c> revokes one, for good.</summary>
public sealed record AgentResponse(
    string AgentId, string Name, DateTimeOffset EnrolledAt, DateTimeOffset? LastSeenAt, bool Revoked, DateTimeOffset? KeySince = null, DateTimeOffset? RevokedAt = null);

/// <summary><c>POST /v1/clinics/{clinic}/enrollments</c>, by an admin: a one-time code for one agent.</summary>
/// <param name="Code">Shown once; only its hash is kept.</param>
/// <param name="ExpiresAt">24 hours from now.</param>
/// <param name="Service">Where agents reach the archive, which may be another address than the one that issued the code.</param>
/// <param name="MakesEscrowKey">Whether no computer of the clinic is enrolled yet: the first makes the clinic's escrow key.</param>
public sealed record EnrollmentCodeResponse(ClinicId Clinic, string Code, DateTimeOffset ExpiresAt, Uri? Service = null, bool MakesEscrowKey = false);

/// <summary><c>POST /v1/enrollments</c>, by an agent that holds a code and no token yet.</summary>
/// <param name="Code">The code.</param>
/// <param name="AgentName">The computer's name, for people.</param>
/// <param name="AgentKey">P-256 public key, made on the clinic's machine.</param>
/// <param name="EscrowKey">RSA public key, made on the clinic's machine; needed for a clinic's first agent, ignored later.</param>
public sealed record EnrollRequest(string Code, string AgentName, Jwk AgentKey, Jwk? EscrowKey);

/// <summary>What the agent pins.</summary>
/// <param name="Audience">The <c>aud</c> of client assertions, the token endpoint's URL.</param>
/// <param name="WrappingKey">The clinic's key-encryption key, public half; <c>kid</c> is its versioned id.</param>
/// <param name="EscrowKey">The clinic's escrow key, public half.</param>
/// <param name="SigningKeys">What receipts and checkpoints verify against.</param>
/// <param name="SealedIdentifierSecret">The clinic's identifier secret under a key that only the code gives: see <c>IdentifierSecret</c>.</param>
public sealed record EnrollResponse(ClinicId Clinic, string ClinicName, string AgentId, string Audience, Jwk WrappingKey, Jwk EscrowKey, JwkSet SigningKeys, byte[] SealedIdentifierSecret);

/// <summary>The answer of <c>POST /v1/token</c> (RFC 6749 §5.1, names as there).</summary>
public sealed record TokenResponse(
    [property: System.Text.Json.Serialization.JsonPropertyName("access_token")] string AccessToken,
    [property: System.Text.Json.Serialization.JsonPropertyName("token_type")] string TokenType,
    [property: System.Text.Json.Serialization.JsonPropertyName("expires_in")] int ExpiresIn);

/// <summary><c>POST /v1/clinics/{clinic}/packs</c>, by an agent.</summary>
/// <param name="Study">What the pack will hold instances of.</param>
/// <param name="PlannedBytes">The instances' bytes before sealing, as planned.</param>
public sealed record OpenPackRequest(Uid Study, long PlannedBytes);

/// <summary>Where to put the pack and what to seal it with.</summary>
/// <param name="Pack">The new pack.</param>
/// <param name="UploadUrl">A SAS that can write this one blob, and neither read nor delete.</param>
/// <param name="UploadUrlExpiresAt">An hour from now. <c>POST .../packs/{id}/upload-url</c> answers another.</param>
/// <param name="WrappingKey">The clinic's key-encryption key, public half. The agent must refuse one that it did not pin.</param>
/// <param name="EscrowKey">The clinic's escrow key, public half. The agent must refuse one that it did not pin.</param>
/// <param name="Retention">The clinic's retention policy: the agent works out until when the study is kept. Null from an archive of before there were policies.</param>
public sealed record OpenPackResponse(PackId Pack, string UploadUrl, DateTimeOffset UploadUrlExpiresAt, Jwk WrappingKey, Jwk EscrowKey, RetentionPolicy? Retention = null);

/// <summary><c>POST .../packs/{id}/upload-url</c>: a fresh SAS for a pack that is still open.</summary>
public sealed record UploadUrlResponse(string UploadUrl, DateTimeOffset UploadUrlExpiresAt);

/// <summary><c>POST .../packs/{id}/commit</c>, by the agent that opened it. Repeating it is safe and gives the same receipt.</summary>
public sealed record CommitPackRequest(Sidecar Sidecar);

/// <summary>A pack's receipt: a compact JWS whose payload is a <see cref="Receipt"/>.</summary>
public sealed record ReceiptResponse(PackId Pack, string Receipt);

/// <summary>A set in the catalogue: a study, the plain files of a folder, or a computer's snapshots. Packs that were lost count in <paramref name="LostInstances"/> alone.</summary>
/// <param name="LostInstances">Instances of packs that are lost and whose contents are not all in other packs.</param>
/// <param name="UnreadablePacks">How many of its packs have a row in the catalogue that says what cannot be, and are not counted in what stands here. A rebuild mends them.</param>
/// <param name="Set">What kind of set it is; null: a study.</param>
/// <param name="Kinds">The kinds of its plain files; null of a study.</param>
public sealed record StudyResponse(
    Uid Study,
    string? StudyDate,
    IReadOnlyList<string> Modalities,
    Sha256Digest? PatientHmac,
    Sha256Digest? AccessionHmac,
    int Packs,
    int Instances,
    long Bytes,
    DateTimeOffset FirstArchivedAt,
    DateTimeOffset LastArchivedAt,
    DateTimeOffset ImmutableUntil,
    int LostInstances = 0,
    int UnreadablePacks = 0,
    SetKind? Set = null,
    IReadOnlyList<FileKind>? Kinds = null);

/// <summary>
/// <c>POST /v1/clinics/{clinic}/studies/search</c>, by an admin: answers a page of studies. Identifiers travel in the body, never in a
/// URL; <c>GET .../studies</c> takes everything but those.
/// </summary>
/// <param name="PatientId">Patient ID (0010,0020) as it stands in the images.</param>
/// <param name="Accession">Accession Number (0008,0050).</param>
/// <param name="From">First study date, <c>yyyyMMdd</c>.</param>
/// <param name="To">Last study date, <c>yyyyMMdd</c>.</param>
/// <param name="After">The last page's <c>next</c>.</param>
/// <param name="Take">At most this many, 1 to 1000.</param>
public sealed record StudySearchRequest(string? PatientId = null, string? Accession = null, string? From = null, string? To = null, string? After = null, int? Take = null);

/// <summary>An instance in the catalogue: metadata only, which an agent may list to rebuild its state.</summary>
public sealed record InstanceResponse(
    Uid SopInstance, Sha256Digest Sha256, long Length, Uid Study, Uid? SopClass, Uid? Series, string? Modality, Uid? TransferSyntax, PackId Pack, FileKind? Kind = null);

/// <summary>A committed pack in the catalogue.</summary>
public sealed record PackResponse(PackId Pack, Uid Study, long Length, Sha256Digest Sha256, string VersionId, DateTimeOffset ImmutableUntil, int Instances, DateTimeOffset CommittedAt, SetKind? Set = null);

/// <summary><c>POST .../keys/rewrap</c>: looks at packs from where the last call stopped; call again with <paramref name="Next"/> until it is null.</summary>
/// <param name="KeyId">The key version to which everything is wrapped.</param>
/// <param name="Packs">How many packs were looked at.</param>
/// <param name="Rewrapped">How many of them were wrapped to another version.</param>
/// <param name="Problems">What could not be rewrapped, and why. It opens as before.</param>
/// <param name="Next">Where to go on.</param>
public sealed record RewrapResponse(string KeyId, int Packs, int Rewrapped, IReadOnlyList<string> Problems, string? Next);

/// <summary><c>POST .../catalog/rebuild</c>: reads sidecars from where the last call stopped; call again with <paramref name="Next"/> until it is null.</summary>
public sealed record RebuildResponse(int Packs, int Instances, IReadOnlyList<string> Problems, string? Next);

/// <summary><c>POST /v1/clinics/{clinic}/restores</c>, by an admin. One of <paramref name="Studies"/>, <paramref name="Instances"/>, <paramref name="PatientId"/>, <paramref name="Everything"/> or <paramref name="Snapshot"/>.</summary>
/// <param name="PublicKey">RSA-OAEP-256 public key of 2048 bits or more that the caller made for this restore; content keys come wrapped to it.</param>
/// <param name="Purpose">Why, for the accounting of disclosures (45 CFR 164.528).</param>
/// <param name="Recipient">Who gets the images.</param>
/// <param name="Studies">Ids of sets: studies, or folders' plain files.</param>
/// <param name="Snapshot">
/// What stood where at a time: the pack of a snapshot. The result is that pack and those that it goes on from, first, and then all packs that these need.
/// </param>
public sealed record RestoreRequest(
    Jwk PublicKey,
    string Purpose,
    string Recipient,
    IReadOnlyList<Uid>? Studies = null,
    IReadOnlyList<Uid>? Instances = null,
    string? PatientId = null,
    bool Everything = false,
    PackId? Snapshot = null);

/// <summary>Where a restore stands.</summary>
public enum RestoreStatus
{
    /// <summary>Waits for a second admin.</summary>
    PendingApproval,

    /// <summary>Its result can be fetched.</summary>
    Ready,

    /// <summary>Too late: ask anew.</summary>
    Expired,

    /// <summary>The caller reported how it ended.</summary>
    Reported,
}

/// <summary>A restore as recorded.</summary>
/// <param name="ExpiresAt">Until when it waits for approval, or for the next page of its result to be read: each read, and each report that is not the last, moves it.</param>
/// <param name="Progress">What the caller has got so far, as it last said.</param>
/// <param name="CatalogueOnly">
/// The plan is of the catalogue alone: the audit log or storage could not be read to its end, so packs may be missing that nobody knows of.
/// </param>
/// <param name="Snapshot">The snapshot that it is of, where it is of one.</param>
/// <param name="DeclinedBy">Who ended it before it was approved: a second admin, or who had asked.</param>
public sealed record RestoreResponse(
    string Id,
    ClinicId Clinic,
    RestoreStatus Status,
    string Purpose,
    string Recipient,
    string RequestedBy,
    DateTimeOffset RequestedAt,
    DateTimeOffset ExpiresAt,
    int Studies,
    int Packs,
    int Instances,
    long Bytes,
    string? ApprovedBy = null,
    RestoreReport? Report = null,
    RestoreReport? Progress = null,
    bool CatalogueOnly = false,
    PackId? Snapshot = null,
    string? DeclinedBy = null);

/// <summary>A page of a restore's result: <c>GET .../restores/{id}/result?after=</c>.</summary>
/// <param name="Items">The packs that can be fetched.</param>
/// <param name="Next">Pass as <c>after</c> for the next page; null on the last.</param>
/// <param name="Failed">The packs of the page that cannot, each with its cause; left out where there is none. They are no reason not to go on.</param>
public sealed record RestorePage(IReadOnlyList<RestorePack> Items, string? Next = null, IReadOnlyList<RestorePackFailure>? Failed = null);

/// <summary>A pack of a restore that cannot be handed out.</summary>
/// <param name="Pack">The pack.</param>
/// <param name="Study">Its study; null where nothing that tells of the pack could be read.</param>
/// <param name="Cause">Why.</param>
/// <param name="Files">How many files were wanted of it.</param>
/// <param name="Passing">Whether it may pass: storage or the key store fails for now. Read the page again later.</param>
/// <param name="Destroyed">Where it is gone because its time was over; then the cause is <c>missing</c>, and nothing is wrong.</param>
public sealed record RestorePackFailure(PackId Pack, Uid? Study, PackFailure Cause, int Files, bool Passing, PackDestruction? Destroyed = null);

/// <summary>How a pack went whose retention was over.</summary>
/// <param name="At">When; null while its study is being destroyed.</param>
/// <param name="Destruction">Which destruction: <c>GET .../destructions/{id}/certificate</c> has the certificate, of that id. Null while it is not there yet.</param>
public sealed record PackDestruction(DateTimeOffset? At, string? Destruction);

/// <summary>One pack of a restore's result.</summary>
/// <param name="Url">A SAS that can read this one blob version for an hour.</param>
/// <param name="Length">Bytes of ciphertext; check before trusting.</param>
/// <param name="Sha256">SHA-256 of the ciphertext; check before trusting.</param>
/// <param name="ContentKey">The content key, wrapped to the request's public key.</param>
/// <param name="Wanted">Which of the pack's instances were asked for: SHA-256 of each. Null: all.</param>
public sealed record RestorePack(PackId Pack, Uid Study, string Url, DateTimeOffset UrlExpiresAt, long Length, Sha256Digest Sha256, WrappedContentKey ContentKey, IReadOnlyList<Sha256Digest>? Wanted);

/// <summary><c>POST .../restores/{id}/report</c>: what the caller got, as counts; no names.</summary>
/// <param name="Restored">Files that were written.</param>
/// <param name="Skipped">Files that were there already.</param>
/// <param name="Failed">Files that did not come back.</param>
/// <param name="Bytes">Bytes that were written.</param>
/// <param name="Partial">Whether the caller goes on later: then the restore does not end, and lives on.</param>
/// <param name="Damaged">
/// Packs that storage did not have or that were not what was committed, at most <see cref="MaxDamaged"/>. The archive reads them itself; one that is lost is
/// uploaded again. Not kept with the report.
/// </param>
public sealed record RestoreReport(int Restored, int Skipped, int Failed, long Bytes, bool Partial = false, IReadOnlyList<PackId>? Damaged = null)
{
    /// <summary>So many packs are named in one report.</summary>
    public const int MaxDamaged = 100;
}

/// <summary>The public keys that verify what the archive signed: a JWKS (RFC 7517), with a member of our own.</summary>
/// <param name="Keys">Every version, the current one first.</param>
/// <param name="Disabled">The ids of those that are out of use: what they signed verifies, and they sign nothing more.</param>
public sealed record KeysResponse(IReadOnlyList<Jwk> Keys, IReadOnlyList<string> Disabled);

/// <summary><c>GET /v1/sign-in</c>.</summary>
/// <param name="Issuer">The OpenID Connect issuer of the staff's tokens.</param>
/// <param name="ClientId">The public client that signs a person in (RFC 8252).</param>
/// <param name="Scope">What its tokens are for: this service.</param>
/// <param name="SecondFactorClaims">The <c>claims</c> of a login that has the token state a second factor; null where no login does.</param>
public sealed record SignInResponse(string Issuer, string ClientId, string Scope, string? SecondFactorClaims);

/// <summary><c>GET /v1/health</c>.</summary>
public sealed record HealthResponse(string Status, string Version);
