using CloudArchive.Format;

namespace CloudArchive.Core.Access;

/// <summary>A person, as the service has seen them: what their tokens said, never who they are. The directory of people is the staff issuer's.</summary>
/// <param name="Subject">The id in their tokens.</param>
/// <param name="Roles">The roles of the last token that was accepted, sorted; empty for who was blocked and never seen.</param>
/// <param name="Clinics">The clinics that it reached, sorted; null for all.</param>
/// <param name="FirstAcceptedAt">The first request that was let in.</param>
/// <param name="LastAcceptedAt">The last one, as exact as <see cref="StaffRegister.Resolution"/>.</param>
/// <param name="BlockedAt">When access was ended here; null where it was not.</param>
/// <param name="BlockedBy">Who ended it.</param>
/// <param name="ETag">Of the row.</param>
public sealed record StaffMember(
    string Subject,
    IReadOnlyList<string> Roles,
    IReadOnlyList<ClinicId>? Clinics,
    DateTimeOffset? FirstAcceptedAt,
    DateTimeOffset? LastAcceptedAt,
    DateTimeOffset? BlockedAt,
    string? BlockedBy,
    string ETag)
{
    /// <summary>Whether the clinic is in reach.</summary>
    public bool Reaches(ClinicId clinic) => Clinics is null || Clinics.Contains(clinic);
}
