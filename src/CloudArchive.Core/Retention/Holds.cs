using System.Globalization;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Catalog;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Retention;

/// <summary>
/// Legal holds. One counts from the moment it is set: plans, destructions and commits ask here. Storage follows with the next
/// <see cref="RetentionRun"/>, because the host that takes requests has no right to change packs.
/// </summary>
public sealed class Holds(IRowStore rows, ClinicDirectory clinics, Outbox outbox, TimeProvider clock)
{
    /// <summary>How long a request to clear a hold waits for approval.</summary>
    public static readonly TimeSpan ClearLifetime = TimeSpan.FromHours(72);

    private const int MostReasonCharacters = 500;

    /// <summary>
    /// Sets a hold on a study, archived already or not, or on a patient, by all that the catalogue may know the patient by. Repeating it answers the hold that is there.
    /// </summary>
    public async Task<Hold> SetAsync(
        ClinicId id, Uid? study, IReadOnlyList<Sha256Digest>? patients, string reason, Requester by, CancellationToken cancellationToken, IdentifierMatch match = IdentifierMatch.Exact, Sha256Digest? form = null)
    {
        await clinics.GetAsync(id, cancellationToken);
        if ((study is null) == (patients is null))
        {
            throw new RefusedException(Refusal.RequestInvalid, "Give either study or patientId.");
        }

        if (string.IsNullOrWhiteSpace(reason) || reason.Length > MostReasonCharacters || reason.Any(char.IsControl))
        {
            throw new RefusedException(Refusal.RequestInvalid, $"reason: 1 to {MostReasonCharacters} characters.");
        }

        if ((await ActiveAsync(id, cancellationToken)).FirstOrDefault(hold => hold.Study == study && Same(hold.Patients, patients) && hold.Form == form && hold.Reason == reason) is { } there)
        {
            return there;
        }

        byte[] salt = RandomNumberGenerator.GetBytes(16);
        Sha256Digest statement = Sha256Digest.Of([.. salt, .. Encoding.UTF8.GetBytes(reason)]);
        Hold hold = new(WorkId.New(clock), id, study, patients, reason, statement, salt, HoldStatus.Active, by.Actor.Id, clock.GetUtcNow())
        {
            Form = form,
            Match = match,
        };
        AuditEvent entry = Entry(hold, AuditActions.HoldSet, by, $"hold-set:{hold.Id}");
        await outbox.SubmitAsync(RowTable.Clinics, id.Value, [new RowWrite.Insert(HoldRows.Prefix + hold.Id, HoldRows.Values(hold))], entry, cancellationToken);
        return await GetAsync(id, hold.Id, cancellationToken);
    }

    /// <summary>The hold; <see cref="Refusal.HoldUnknown"/> where there is none.</summary>
    public async Task<Hold> GetAsync(ClinicId clinic, WorkId id, CancellationToken cancellationToken) =>
        await rows.FindAsync(RowTable.Clinics, clinic.Value, HoldRows.Prefix + id, cancellationToken) is { } row
            ? HoldRows.Read(row) is { Unreadable: false } hold ? hold : throw new IntegrityException($"Hold {id} of clinic {clinic} cannot be read: its row was changed past the service.")
            : throw new RefusedException(Refusal.HoldUnknown, $"Clinic {clinic} has no hold {id}. GET .../holds lists those there are.");

    /// <summary>A clinic's holds, oldest first, the cleared ones too.</summary>
    public async Task<IReadOnlyList<Hold>> ListAsync(ClinicId clinic, WorkId? after, int take, CancellationToken cancellationToken) =>
        [.. (await rows.QueryAsync(RowTable.Clinics, clinic.Value, RowRange.After(HoldRows.Prefix, after?.ToString()), take, cancellationToken)).Select(HoldRows.Read)];

    /// <summary>Those that are on, and those that were cleared and that storage has not let go of yet.</summary>
    public async Task<IReadOnlyList<Hold>> UnsettledAsync(ClinicId clinic, CancellationToken cancellationToken) => await AllAsync(clinic, cancellationToken)
        .Where(hold => hold.IsOn || hold.LiftedAt is null)
        .ToListAsync(cancellationToken);

    /// <summary>Those that are on.</summary>
    public async Task<IReadOnlyList<Hold>> ActiveAsync(ClinicId clinic, CancellationToken cancellationToken) => await AllAsync(clinic, cancellationToken).Where(hold => hold.IsOn).ToListAsync(cancellationToken);

    /// <summary>Whether a hold keeps the study: one that names it or the patient, or one that cannot be read.</summary>
    public async Task<bool> IsHeldAsync(ClinicId clinic, Uid study, Sha256Digest? patient, CancellationToken cancellationToken) =>
        (await ActiveAsync(clinic, cancellationToken)).Any(hold => hold.Keeps(study, patient));

    /// <summary>Whether a hold names the study or the patient, as far as holds can be read.</summary>
    public async Task<bool> IsNamedAsync(ClinicId clinic, Uid study, Sha256Digest? patient, CancellationToken cancellationToken) =>
        (await ActiveAsync(clinic, cancellationToken)).Any(hold => !hold.Unreadable && hold.Keeps(study, patient));

    /// <summary>
    /// Whether storage must hold a pack by now: a hold names it whose enforcement was finished, and the pack was there by then.
    /// A commit that came later sets the hold itself.
    /// </summary>
    public async Task<bool> IsHeldInStorageAsync(ClinicId clinic, Uid study, Sha256Digest? patient, CancellationToken cancellationToken) =>
        (await ActiveAsync(clinic, cancellationToken)).Any(hold => !hold.Unreadable && hold.EnforcedAt is not null && hold.Keeps(study, patient));

    /// <summary>
    /// Clears a hold, or where the clinic wants that asks a second admin to. Repeating it changes nothing.
    /// </summary>
    public async Task<Hold> ClearAsync(ClinicId id, WorkId holdId, Requester by, CancellationToken cancellationToken)
    {
        while (true)
        {
            Clinic clinic = await clinics.GetAsync(id, cancellationToken);
            Hold hold = await GetAsync(id, holdId, cancellationToken);
            if (!hold.IsOn || (hold.Status == HoldStatus.ClearRequested && !IsStale(hold)))
            {
                return hold;
            }

            DateTimeOffset now = clock.GetUtcNow();
            Hold asked = hold with { ClearRequestedBy = by.Actor.Id, ClearRequestedAt = now };
            bool done = clinic.RequireApproval
                ? await ReplaceAsync(asked with { Status = HoldStatus.ClearRequested }, Entry(hold, AuditActions.HoldClearRequested, by, null), cancellationToken)
                : await ReplaceAsync(asked with { Status = HoldStatus.Cleared, ClearedBy = by.Actor.Id, ClearedAt = now }, Entry(hold, AuditActions.HoldCleared, by, $"hold-clear:{holdId}"), cancellationToken);
            if (done)
            {
                return await GetAsync(id, holdId, cancellationToken);
            }
        }
    }

    /// <summary>A second admin's approval, which clears the hold. Repeating it changes nothing.</summary>
    public async Task<Hold> ApproveClearAsync(ClinicId id, WorkId holdId, Requester by, CancellationToken cancellationToken)
    {
        while (true)
        {
            Hold hold = await GetAsync(id, holdId, cancellationToken);
            if (hold.Status == HoldStatus.Cleared && by.Is(hold.ClearedBy))
            {
                return hold;
            }

            if (hold.Status != HoldStatus.ClearRequested || IsStale(hold))
            {
                throw new RefusedException(Refusal.HoldNotPending, $"Nobody asked to clear hold {holdId} within the last {ClearLifetime.TotalHours:0} hours. Ask with .../clear; another admin then approves.");
            }

            if (by.MayBe(hold.ClearRequestedBy))
            {
                throw new RefusedException(Refusal.ApprovalByRequester, "Another admin than the one who asked has to approve.");
            }

            Hold cleared = hold with { Status = HoldStatus.Cleared, ClearedBy = by.Actor.Id, ClearedAt = clock.GetUtcNow() };
            if (await ReplaceAsync(cleared, Entry(hold, AuditActions.HoldCleared, by, $"hold-clear:{holdId}"), cancellationToken))
            {
                return await GetAsync(id, holdId, cancellationToken);
            }
        }
    }

    /// <summary>Notes how far storage has followed. What storage does for a hold is in the hold's own entries: no other is written.</summary>
    internal async Task NoteAsync(Hold settled, CancellationToken cancellationToken)
    {
        try
        {
            await rows.SubmitAsync(RowTable.Clinics, settled.Clinic.Value, [new RowWrite.Replace(HoldRows.Prefix + settled.Id, HoldRows.Values(settled), settled.ETag)], cancellationToken);
        }
        catch (RowConflictException)
        {
            // Changed by a request since it was read: the next run looks at it anew.
        }
    }

    private static AuditEvent Entry(Hold hold, string action, Requester by, string? once)
    {
        Dictionary<string, string> details = new()
        {
            ["of"] = hold.Study is null ? "patient" : "study",
            ["since"] = hold.SetAt.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture),
            ["statement"] = hold.Statement.Hex,
        };
        return new AuditEvent(
            hold.Clinic.Value, action, AuditOutcome.Success, by.Actor, new AuditSubject(hold.Clinic.Value, hold.Study?.Value, Other: hold.Id.ToString()), by.Origin, Details: details, Once: once);
    }

    private static bool Same(IReadOnlyList<Sha256Digest>? one, IReadOnlyList<Sha256Digest>? other) =>
        one is null || other is null ? one is null && other is null : one.SequenceEqual(other);

    private bool IsStale(Hold hold) => hold.ClearRequestedAt + ClearLifetime < clock.GetUtcNow();

    /// <summary>All that were ever set; those that count with the spellings of their patient that are archived by now.</summary>
    public async IAsyncEnumerable<Hold> AllAsync(ClinicId clinic, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (Row row in rows.ReadAllAsync(RowTable.Clinics, clinic.Value, RowRange.Prefix(HoldRows.Prefix), cancellationToken))
        {
            Hold hold = HoldRows.Read(row);
            yield return hold is { Form: { } form, LiftedAt: null }
                ? hold with { Archived = await Spellings.OfAsync(rows, clinic, form, cancellationToken) }
                : hold;
        }
    }

    private async Task<bool> ReplaceAsync(Hold next, AuditEvent entry, CancellationToken cancellationToken)
    {
        try
        {
            await outbox.SubmitAsync(RowTable.Clinics, next.Clinic.Value, [new RowWrite.Replace(HoldRows.Prefix + next.Id, HoldRows.Values(next), next.ETag)], entry, cancellationToken);
            return true;
        }
        catch (RowConflictException)
        {
            return false;
        }
    }
}
