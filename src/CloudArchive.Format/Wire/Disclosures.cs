namespace CloudArchive.Format.Wire;

/// <summary>
/// <c>POST /v1/clinics/{clinic}/disclosures/search</c>, by an admin with a second factor: the accounting of disclosures of a patient (45 CFR
/// 164.528). The identifier travels in the body, never in a URL.
/// </summary>
/// <param name="PatientId">Patient ID (0010,0020) as it stands in the images.</param>
public sealed record DisclosureSearchRequest(string PatientId);

/// <summary>What was released of a patient's, the latest first.</summary>
/// <param name="From">How far back it was looked: six years.</param>
/// <param name="To">When it was looked.</param>
/// <param name="Items">The releases.</param>
/// <param name="Unreadable">
/// Rows of this patient's, and of what no patient is known of, that say what cannot be, as they were changed past the service: what they recorded is not among the
/// items. Where it is not 0, the list is not known to be all.
/// </param>
/// <param name="OfNobody">
/// Restores that handed out what the archive knows no patient of: plain files, snapshots, studies without a Patient ID. Some of it may be of this patient: who has
/// the files has to look.
/// </param>
public sealed record DisclosuresResponse(DateTimeOffset From, DateTimeOffset To, IReadOnlyList<DisclosureResponse> Items, int Unreadable = 0, int OfNobody = 0)
{
    /// <summary>Which spellings of the ID were taken for the same, as the clinic has chosen.</summary>
    public IdentifierMatch IdentifierMatch { get; init; }
}

/// <summary>A restore as far as it released something of the patient's.</summary>
/// <param name="Restore">The restore.</param>
/// <param name="ReleasedAt">When the first of it was handed out.</param>
/// <param name="Recipient">To whom, as was stated when it was asked for.</param>
/// <param name="Purpose">Why, as was stated when it was asked for.</param>
/// <param name="RequestedBy">Who asked, and alone could fetch it.</param>
/// <param name="ApprovedBy">The second admin, where one was needed.</param>
/// <param name="Studies">What was handed out.</param>
/// <param name="Report">What the caller reported to have got, over all patients of the restore; null where nothing was reported.</param>
/// <param name="Snapshot">The snapshot that the restore was of, where it was of one: all folders of a computer as they were.</param>
public sealed record DisclosureResponse(
    string Restore,
    DateTimeOffset ReleasedAt,
    string Recipient,
    string Purpose,
    string RequestedBy,
    string? ApprovedBy,
    IReadOnlyList<DisclosedStudy> Studies,
    RestoreReport? Report = null,
    PackId? Snapshot = null);

/// <summary>A study of which something was handed out.</summary>
/// <param name="Study">The study.</param>
/// <param name="Packs">How many packs.</param>
/// <param name="Instances">How many instances.</param>
public sealed record DisclosedStudy(Uid Study, int Packs, int Instances);
