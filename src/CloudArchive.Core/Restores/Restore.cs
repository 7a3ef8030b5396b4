using CloudArchive.Format;
using CloudArchive.Format.Signing;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Restores;

/// <summary>An authorised, recorded act of bringing instances back.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Clinic">Whose images.</param>
/// <param name="Status">As stored; <see cref="StatusAt"/> also knows what the clock says.</param>
/// <param name="PublicKey">To which content keys are wrapped.</param>
/// <param name="Purpose">Why; may name people, so it is in this row and nowhere else.</param>
/// <param name="Recipient">Who gets the images; the same.</param>
/// <param name="Statement">
/// SHA-256 of a random salt, the purpose and the recipient; in the audit entry too. So the log proves what was stated and does not tell it.
/// </param>
/// <param name="Salt">The salt.</param>
/// <param name="RequestedBy">Who asked, and alone gets the result.</param>
/// <param name="RequestedAt">When.</param>
/// <param name="ExpiresAt">Until when it can be approved, and from then until when its result can be fetched; each page that is read moves it.</param>
/// <param name="Totals">How much it is.</param>
/// <param name="ApprovedBy">The second admin.</param>
/// <param name="Report">What the caller got.</param>
/// <param name="Progress">What the caller has got so far.</param>
/// <param name="CatalogueOnly">Whether the plan is of the catalogue alone, because log or storage could not be read to their end.</param>
/// <param name="ETag">Of the row.</param>
/// <param name="Snapshot">The snapshot that was asked for, where one was.</param>
/// <param name="DeclinedBy">Who ended it before it was approved: a second admin, or who had asked.</param>
public sealed record Restore(
    WorkId Id,
    ClinicId Clinic,
    RestoreStatus Status,
    Jwk PublicKey,
    string Purpose,
    string Recipient,
    Sha256Digest Statement,
    byte[] Salt,
    string RequestedBy,
    DateTimeOffset RequestedAt,
    DateTimeOffset ExpiresAt,
    RestoreTotals Totals,
    string? ApprovedBy = null,
    RestoreReport? Report = null,
    RestoreReport? Progress = null,
    bool CatalogueOnly = false,
    string ETag = "",
    PackId? Snapshot = null,
    string? DeclinedBy = null)
{
    /// <summary>Where it stands at a time.</summary>
    public RestoreStatus StatusAt(DateTimeOffset now) =>
        Status is RestoreStatus.PendingApproval or RestoreStatus.Ready && ExpiresAt <= now ? RestoreStatus.Expired : Status;

    /// <summary>As the API answers it.</summary>
    public RestoreResponse ToResponse(DateTimeOffset now) => new(
        Id.ToString(), Clinic, StatusAt(now), Purpose, Recipient, RequestedBy, RequestedAt, ExpiresAt, Totals.Studies, Totals.Packs, Totals.Instances, Totals.Bytes, ApprovedBy, Report, Progress, CatalogueOnly, Snapshot, DeclinedBy);
}

/// <summary>How much a restore is: bytes of ciphertext for whole packs, of files where single instances are wanted.</summary>
public sealed record RestoreTotals(int Studies, int Packs, int Instances, long Bytes);
