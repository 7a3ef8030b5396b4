using CloudArchive.Format.Packs;
using CloudArchive.Format.Retention;

namespace CloudArchive.Format.Wire;

/// <summary><c>PUT /v1/clinics/{clinic}/retention</c>, by an admin: a new version. What is locked already is only ever extended.</summary>
/// <param name="Years">After <paramref name="From"/>, 1 to 100.</param>
/// <param name="MinimumYears">After archiving, whatever the study's date is, 1 to 100.</param>
/// <param name="From">From when <paramref name="Years"/> count.</param>
/// <param name="MinorsUntilAge">Studies of who was younger are kept until that age and <paramref name="MinorYears"/> more; null: no rule for minors.</param>
/// <param name="MinorYears">After <paramref name="MinorsUntilAge"/>.</param>
/// <param name="ArchiveAfterYears">Packs go to the archive tier so many years after archiving: 1, 2, 3 or 5; null: they stay online.</param>
public sealed record RetentionPolicyRequest(
    int Years, int MinimumYears, RetentionBasis From = RetentionBasis.StudyDate, int? MinorsUntilAge = null, int MinorYears = 0, int? ArchiveAfterYears = null);

/// <summary>A version of a policy.</summary>
public sealed record RetentionVersionResponse(RetentionPolicy Policy, DateTimeOffset ChangedAt, string ChangedBy);

/// <summary><c>GET /v1/clinics/{clinic}/retention</c>: the policy that stands, and all that there were.</summary>
public sealed record RetentionResponse(RetentionPolicy Policy, IReadOnlyList<RetentionVersionResponse> Versions);

/// <summary>A study, a folder's plain files or a computer's snapshots in <c>GET /v1/clinics/{clinic}/retention/plan</c>.</summary>
/// <param name="Study">The study.</param>
/// <param name="Action"><c>keep</c>, <c>extend</c> or <c>destroy</c>.</param>
/// <param name="Reason">Why.</param>
/// <param name="KeepUntil">Until when it is kept.</param>
/// <param name="LockedUntil">Until when all of it is locked now.</param>
/// <param name="Hold">The hold that keeps it, where one does.</param>
/// <param name="Packs">How many packs it has.</param>
/// <param name="Set">What kind of set it is; null: a study.</param>
public sealed record RetentionLineResponse(Uid Study, string Action, string Reason, DateTimeOffset KeepUntil, DateTimeOffset LockedUntil, string? Hold, int Packs, SetKind? Set = null);

/// <summary>Where a hold stands.</summary>
public enum HoldStatus
{
    /// <summary>It is on.</summary>
    Active,

    /// <summary>It is on, and waits for a second admin to clear it.</summary>
    ClearRequested,

    /// <summary>It is off, for good. Set another one where it is needed again.</summary>
    Cleared,
}

/// <summary><c>POST /v1/clinics/{clinic}/holds</c>, by an admin. Either of <paramref name="Study"/> and <paramref name="PatientId"/>; in the body, because URLs end up in logs.</summary>
/// <param name="Reason">Why, for people: a case, a request. Not in the audit log.</param>
/// <param name="Study">The study, archived already or not.</param>
/// <param name="PatientId">Patient ID (0010,0020) as it stands in the images.</param>
public sealed record HoldRequest(string Reason, Uid? Study = null, string? PatientId = null);

/// <summary>A hold.</summary>
/// <param name="Hold">Its id.</param>
/// <param name="Clinic">Whose.</param>
/// <param name="Study">The study that it names; null where it names a patient.</param>
/// <param name="OfPatient">Whether it names a patient, who is not told here.</param>
/// <param name="Reason">Why.</param>
/// <param name="Status">Where it stands.</param>
/// <param name="SetBy">Who set it.</param>
/// <param name="SetAt">When. It counts from then on.</param>
/// <param name="EnforcedAt">Since when storage holds every pack that was there; null: it is about to.</param>
/// <param name="Packs">How many packs that were.</param>
/// <param name="ClearRequestedBy">Who asked to clear it.</param>
/// <param name="ClearRequestedAt">When; for 72 hours.</param>
/// <param name="ClearedBy">Who cleared it, or approved that.</param>
/// <param name="ClearedAt">When.</param>
/// <param name="Studies">How many studies of the archive it keeps; in the answer to setting it alone.</param>
public sealed record HoldResponse(
    string Hold,
    ClinicId Clinic,
    Uid? Study,
    bool OfPatient,
    string Reason,
    HoldStatus Status,
    string SetBy,
    DateTimeOffset SetAt,
    DateTimeOffset? EnforcedAt,
    int Packs,
    string? ClearRequestedBy,
    DateTimeOffset? ClearRequestedAt,
    string? ClearedBy,
    DateTimeOffset? ClearedAt,
    int? Studies = null)
{
    /// <summary>Which spellings of the patient's ID it takes for the same, as the clinic had chosen when it was set: it keeps what any of them names.</summary>
    public IdentifierMatch IdentifierMatch { get; init; }
}

/// <summary>Where a destruction stands.</summary>
public enum DestructionStatus
{
    /// <summary>Waits for an admin.</summary>
    PendingApproval,

    /// <summary>The next run destroys the study.</summary>
    Approved,

    /// <summary>Under way: what is gone is gone, and the rest follows.</summary>
    Destroying,

    /// <summary>The study is gone; the certificate says so.</summary>
    Destroyed,

    /// <summary>An admin said no, or the study had to be kept after all.</summary>
    Rejected,
}

/// <summary><c>POST /v1/clinics/{clinic}/destructions</c>, by an admin: what the plan asks for by itself as well.</summary>
/// <param name="Study">A study whose time is over.</param>
public sealed record DestructionRequest(Uid Study);

/// <summary>A destruction of a study whose time is over.</summary>
/// <param name="Destruction">Its id.</param>
/// <param name="Clinic">Whose study.</param>
/// <param name="Study">The study.</param>
/// <param name="Status">Where it stands.</param>
/// <param name="KeptUntil">Until when it had to be kept.</param>
/// <param name="Policy">The version of the policy that said so.</param>
/// <param name="Packs">How many packs.</param>
/// <param name="Instances">How many instances.</param>
/// <param name="Bytes">Bytes of ciphertext.</param>
/// <param name="RequestedBy">The plan's run, or an admin.</param>
/// <param name="RequestedAt">When.</param>
/// <param name="DecidedBy">Who approved or rejected.</param>
/// <param name="DecidedAt">When.</param>
/// <param name="Why">Of a rejection: <c>by-admin</c>, or what kept the study after all.</param>
/// <param name="DestroyedAt">When it was seen to be gone.</param>
/// <param name="Set">What kind of set it is; null: a study.</param>
public sealed record DestructionResponse(
    string Destruction,
    ClinicId Clinic,
    Uid Study,
    DestructionStatus Status,
    DateTimeOffset KeptUntil,
    int Policy,
    int Packs,
    int Instances,
    long Bytes,
    string RequestedBy,
    DateTimeOffset RequestedAt,
    string? DecidedBy,
    DateTimeOffset? DecidedAt,
    string? Why,
    DateTimeOffset? DestroyedAt,
    SetKind? Set = null);

/// <summary><c>GET .../destructions/{id}/certificate</c>: the certificate's bytes as text, and its detached JWS.</summary>
/// <param name="Certificate">Canonical JSON: sign and hash it as it came.</param>
/// <param name="Signature">Detached JWS (RFC 7515 appendix F) over the UTF-8 of <paramref name="Certificate"/>.</param>
public sealed record CertificateResponse(string Certificate, string Signature);
