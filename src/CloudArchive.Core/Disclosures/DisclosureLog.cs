using System.Globalization;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Restores;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Disclosures;

/// <summary>That something of a pack was handed out by a restore; of whose, it does not say.</summary>
public sealed record HandedOut(WorkId Restore, DateTimeOffset At, int Instances);

/// <summary>
/// The accounting of disclosures (45 CFR 164.528): what of a patient's was handed out, when, to whom and why. Handed out is what a restore
/// gave URLs and keys for; what was only asked for, or approved and never fetched, is none.
/// </summary>
public sealed class DisclosureLog(IRowStore rows, IdentifierLookup identifiers, RestoreDesk restores, IAuditLog log, TimeProvider clock)
{
    /// <summary>45 CFR 164.528(a)(1): the six years before the request.</summary>
    private const int Years = 6;

    private const string NotReadable = "(could not be read: the row of the restore was changed past the service)";

    /// <summary>All that was ever handed out of a clinic's, whosever it was.</summary>
    /// <param name="clinic">The clinic.</param>
    /// <param name="damaged">Told of each row that says what cannot be.</param>
    /// <param name="cancellationToken">Stops.</param>
    internal IAsyncEnumerable<DisclosedPack> ReadAllAsync(ClinicId clinic, Action<Row> damaged, CancellationToken cancellationToken) =>
        rows.ReadAllAsync(RowTable.Work, clinic.Value, DisclosureRows.All, cancellationToken).SelectMany(row => DamagedRow.ReadEach([row], DisclosureRows.Read, damaged));

    /// <summary>All that was ever handed out, in numbers alone: for reports, which tell of whom to nobody.</summary>
    public IAsyncEnumerable<HandedOut> CountAsync(ClinicId clinic, Action<Row> damaged, CancellationToken cancellationToken) =>
        ReadAllAsync(clinic, damaged, cancellationToken).Select(pack => new HandedOut(pack.Restore, pack.At, pack.Instances));

    /// <summary>Looks a patient up. That somebody looked is in the log; for whom is not.</summary>
    public async Task<DisclosuresResponse> FindAsync(ClinicId clinic, string patientId, Requester by, CancellationToken cancellationToken)
    {
        (IdentifierHmacs? patient, _) = await identifiers.HmacAsync(clinic, patientId, null, cancellationToken);
        DateTimeOffset to = clock.GetUtcNow(), from = to.AddYears(-Years);
        List<DisclosedPack> packs = [];
        int unreadable = 0;
        foreach (Sha256Digest hmac in patient?.Own ?? [])
        {
            await foreach (Row row in rows.ReadAllAsync(RowTable.Work, clinic.Value, DisclosureRows.Of(hmac), cancellationToken))
            {
                packs.AddRange(DamagedRow.ReadEach([row], DisclosureRows.Read, _ => unreadable++));
            }
        }

        List<DisclosureResponse> found = [];
        foreach (IGrouping<WorkId, DisclosedPack> one in packs.Where(pack => pack.At >= from).GroupBy(pack => pack.Restore))
        {
            Restore? restore = await TryGetAsync(clinic, one.Key, cancellationToken);
            found.Add(new DisclosureResponse(
                one.Key.ToString(),
                one.Min(pack => pack.At),
                restore?.Recipient ?? NotReadable,
                restore?.Purpose ?? NotReadable,
                restore?.RequestedBy ?? NotReadable,
                restore?.ApprovedBy,
                [.. one.GroupBy(pack => pack.Study).Select(study => new DisclosedStudy(study.Key, study.Count(), study.Sum(pack => pack.Instances)))],
                restore?.Report,
                restore?.Snapshot));
        }

        HashSet<WorkId> ofNobody = [];
        await foreach (Row row in rows.ReadAllAsync(RowTable.Work, clinic.Value, DisclosureRows.OfNobody, cancellationToken))
        {
            ofNobody.UnionWith(DamagedRow.ReadEach([row], DisclosureRows.Read, _ => unreadable++).Where(pack => pack.At >= from).Select(pack => pack.Restore));
        }

        Dictionary<string, string> details = new() { ["disclosures"] = found.Count.ToString(CultureInfo.InvariantCulture) };
        await log.AppendAsync(
            new AuditEvent(clinic.Value, AuditActions.DisclosuresQueried, AuditOutcome.Success, by.Actor, new AuditSubject(clinic.Value), by.Origin, Details: details), cancellationToken);
        return new DisclosuresResponse(from, to, [.. found.OrderByDescending(one => one.ReleasedAt)], unreadable, ofNobody.Count) { IdentifierMatch = patient?.Match ?? IdentifierMatch.Exact };
    }

    /// <summary>The restore; null where its row is gone or says what cannot be: that something was handed out is told all the same.</summary>
    private async Task<Restore?> TryGetAsync(ClinicId clinic, WorkId id, CancellationToken cancellationToken)
    {
        try
        {
            return await restores.GetAsync(clinic, id, cancellationToken);
        }
        catch (Exception e) when (e is IntegrityException or RefusedException { Refusal: Refusal.RestoreUnknown })
        {
            ArchiveMetrics.RowsDamaged.Add(1);
            return null;
        }
    }
}
