using System.Globalization;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Retention;

namespace CloudArchive.Core.Retention;

/// <summary>
/// Clinics' retention policies. A change is a new version. A longer one also extends what is archived (<see cref="RetentionRun"/>); a
/// shorter one counts for what is archived from then on, and for nothing that is locked (docs/decisions/0040-shorter-policies.md).
/// </summary>
public sealed class RetentionPolicies(IRowStore rows, ClinicDirectory clinics, Outbox outbox, TimeProvider clock)
{
    /// <summary>The versions, oldest first. A clinic of before versions were kept has the current one alone.</summary>
    public async Task<IReadOnlyList<RetentionVersion>> ListAsync(ClinicId id, CancellationToken cancellationToken)
    {
        Clinic clinic = await clinics.GetAsync(id, cancellationToken);
        IReadOnlyList<Row> versions = await rows.QueryAsync(RowTable.Clinics, id.Value, RowRange.Prefix(RetentionRows.Prefix), RowStoreExtensions.MostRows, cancellationToken);
        return versions.Count == 0 ? [new RetentionVersion(clinic.Retention, clinic.CreatedAt, "")] : [.. versions.Select(RetentionRows.Read)];
    }

    /// <summary>
    /// Sets a policy; its number is the archive's to give. Setting the one that stands changes nothing.
    /// <see cref="Refusal.RequestInvalid"/> where it breaks a rule.
    /// </summary>
    public async Task<RetentionPolicy> ChangeAsync(ClinicId id, RetentionPolicy wanted, Requester by, CancellationToken cancellationToken)
    {
        if (wanted.Violation is { } violation)
        {
            throw new RefusedException(Refusal.RequestInvalid, violation);
        }

        while (true)
        {
            Clinic clinic = await clinics.GetAsync(id, cancellationToken);
            if (wanted with { Version = clinic.Retention.Version } == clinic.Retention)
            {
                return clinic.Retention;
            }

            Clinic changed = clinic with { Retention = wanted with { Version = clinic.Retention.Version + 1 } };
            AuditEvent entry = new(
                id.Value, AuditActions.RetentionPolicyChanged, AuditOutcome.Success, by.Actor, new AuditSubject(id.Value), by.Origin, Details: Details(changed.Retention));
            try
            {
                RowWrite[] writes =
                [
                    new RowWrite.Replace(ClinicRows.ClinicKey, ClinicRows.Values(changed), clinic.ETag),
                    .. RetentionRows.Change(clinic, new RetentionVersion(changed.Retention, clock.GetUtcNow(), by.Actor.Id)),
                ];
                await outbox.SubmitAsync(RowTable.Clinics, id.Value, writes, entry, cancellationToken);
                return changed.Retention;
            }
            catch (RowConflictException)
            {
                // Changed by another request since it was read: look at it anew.
            }
        }
    }

    private static Dictionary<string, string> Details(RetentionPolicy policy)
    {
        Dictionary<string, string> details = new()
        {
            ["from"] = System.Text.Json.JsonNamingPolicy.KebabCaseLower.ConvertName(policy.From.ToString()),
            ["minimumYears"] = policy.MinimumYears.ToString(CultureInfo.InvariantCulture),
            ["version"] = policy.Version.ToString(CultureInfo.InvariantCulture),
            ["years"] = policy.Years.ToString(CultureInfo.InvariantCulture),
        };
        if (policy.ArchiveAfterYears is { } archive)
        {
            details["archiveAfterYears"] = archive.ToString(CultureInfo.InvariantCulture);
        }

        if (policy.MinorsUntilAge is { } age)
        {
            details["minorsUntilAge"] = age.ToString(CultureInfo.InvariantCulture);
            details["minorYears"] = policy.MinorYears.ToString(CultureInfo.InvariantCulture);
        }

        return details;
    }
}
