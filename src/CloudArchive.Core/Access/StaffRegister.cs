using CloudArchive.Core.Audit;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Audit;

namespace CloudArchive.Core.Access;

/// <summary>
/// Which people were let in, and which must not be any more. Whoever leaves is removed at the staff issuer; a token that was issued before
/// lives on for an hour or so, and a block ends that at once: the row is read with every request, on every instance.
/// </summary>
public sealed class StaffRegister(IRowStore rows, Outbox outbox, TimeProvider clock)
{
    /// <summary>How exact <see cref="StaffMember.LastAcceptedAt"/> is: a person at work costs one write in that time.</summary>
    public static readonly TimeSpan Resolution = TimeSpan.FromMinutes(5);

    private const int MostSubjectCharacters = 200;

    /// <summary>Notes that a request of a person is let in; false where it must not be. What it notes gives way to a block.</summary>
    /// <param name="subject">The id in the token.</param>
    /// <param name="roles">The token's roles.</param>
    /// <param name="clinics">The clinics that it reaches; null for all.</param>
    /// <param name="cancellationToken">Stops.</param>
    public async Task<bool> AcceptAsync(string subject, IEnumerable<string> roles, IReadOnlyList<ClinicId>? clinics, CancellationToken cancellationToken)
    {
        string[] sortedRoles = [.. roles.Order(StringComparer.Ordinal)];
        ClinicId[]? sortedClinics = clinics is null ? null : [.. clinics.Distinct().OrderBy(clinic => clinic.Value, StringComparer.Ordinal)];
        while (true)
        {
            DateTimeOffset now = clock.GetUtcNow();
            StaffMember? member = await FindAsync(subject, cancellationToken);
            if (member?.BlockedAt is not null)
            {
                return false;
            }

            if (member?.LastAcceptedAt is { } last && now - last < Resolution && member.Roles.SequenceEqual(sortedRoles) && SameClinics(member.Clinics, sortedClinics))
            {
                return true;
            }

            StaffMember seen = new(subject, sortedRoles, sortedClinics, member?.FirstAcceptedAt ?? now, now, null, null, "");
            RowWrite write = member is null
                ? new RowWrite.Insert(StaffRows.Key(subject), StaffRows.Values(seen))
                : new RowWrite.Replace(StaffRows.Key(subject), StaffRows.Values(seen), member.ETag);
            try
            {
                await rows.SubmitAsync(RowTable.Clinics, StaffRows.Partition, [write], cancellationToken);
                return true;
            }
            catch (RowConflictException)
            {
                // Seen by another request, or blocked, which must stand: look at it anew.
            }
        }
    }

    /// <summary>The person, or null where they were neither seen nor blocked.</summary>
    public async Task<StaffMember?> FindAsync(string subject, CancellationToken cancellationToken) =>
        await rows.FindAsync(RowTable.Clinics, StaffRows.Partition, StaffRows.Key(subject), cancellationToken) is { } row ? StaffRows.Read(row) : null;

    /// <summary>Everyone whose row can be read, sorted by id; <paramref name="damaged"/> takes the other rows.</summary>
    public async Task<IReadOnlyList<StaffMember>> ListAsync(Action<Row> damaged, CancellationToken cancellationToken)
    {
        List<StaffMember> all = [];
        await foreach (Row row in rows.ReadAllAsync(RowTable.Clinics, StaffRows.Partition, RowRange.Prefix(StaffRows.Prefix), cancellationToken))
        {
            all.AddRange(DamagedRow.ReadEach([row], StaffRows.Read, damaged));
        }

        return [.. all.OrderBy(member => member.Subject, StringComparer.Ordinal)];
    }

    /// <summary>Ends a person's access, seen before or not. Repeating it changes nothing.</summary>
    public Task<StaffMember> BlockAsync(string subject, Requester by, CancellationToken cancellationToken) => subject == by.Actor.Id
        ? throw new RefusedException(Refusal.AccessOfSelf, "Nobody blocks themselves. Another admin has to.")
        : ChangeAsync(subject, by, AuditActions.SubjectBlocked, member => member.BlockedAt is null ? member with { BlockedAt = clock.GetUtcNow(), BlockedBy = by.Actor.Id } : null, cancellationToken);

    /// <summary>Lets a person in again whose tokens the issuer still vouches for. Repeating it changes nothing.</summary>
    public Task<StaffMember> UnblockAsync(string subject, Requester by, CancellationToken cancellationToken) =>
        ChangeAsync(subject, by, AuditActions.SubjectUnblocked, member => member.BlockedAt is null ? null : member with { BlockedAt = null, BlockedBy = null }, cancellationToken);

    private async Task<StaffMember> ChangeAsync(string subject, Requester by, string action, Func<StaffMember, StaffMember?> change, CancellationToken cancellationToken)
    {
        if (string.IsNullOrWhiteSpace(subject) || subject.Length > MostSubjectCharacters || subject.Any(char.IsControl))
        {
            throw new RefusedException(Refusal.RequestInvalid, $"subject: 1 to {MostSubjectCharacters} characters.");
        }

        while (true)
        {
            StaffMember? known = await FindAsync(subject, cancellationToken);
            StaffMember before = known ?? new StaffMember(subject, [], [], null, null, null, null, "");
            if (change(before) is not { } after)
            {
                return before;
            }

            RowWrite write = known is null
                ? new RowWrite.Insert(StaffRows.Key(subject), StaffRows.Values(after))
                : new RowWrite.Replace(StaffRows.Key(subject), StaffRows.Values(after), known.ETag);
            AuditEvent entry = new(AuditEntry.SystemLog, action, AuditOutcome.Success, by.Actor, new AuditSubject(Other: subject), by.Origin);
            try
            {
                await outbox.SubmitAsync(RowTable.Clinics, StaffRows.Partition, [write], entry, cancellationToken);
                return after;
            }
            catch (RowConflictException)
            {
                // Seen by a request since it was read: look at it anew.
            }
        }
    }

    private static bool SameClinics(IReadOnlyList<ClinicId>? one, IReadOnlyList<ClinicId>? other) =>
        one is null ? other is null : other is not null && one.SequenceEqual(other);
}
