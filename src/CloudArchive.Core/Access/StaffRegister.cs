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
    /// <param name="id">The person.</param>
    /// <param name="formerly">What rows may call them that are older than <see cref="StaffId"/>: a block under such a name stands.</param>
    /// <param name="roles">The token's roles.</param>
    /// <param name="clinics">The clinics that it reaches; null for all.</param>
    /// <param name="cancellationToken">Stops.</param>
    public async Task<bool> AcceptAsync(
        StaffId id, IReadOnlyList<string> formerly, IEnumerable<string> roles, IReadOnlyList<ClinicId>? clinics, CancellationToken cancellationToken)
    {
        string subject = id.ToString();
        string[] sortedRoles = [.. roles.Order(StringComparer.Ordinal)];
        ClinicId[]? sortedClinics = clinics is null ? null : [.. clinics.Distinct().OrderBy(clinic => clinic.Value, StringComparer.Ordinal)];
        while (true)
        {
            DateTimeOffset now = clock.GetUtcNow();
            StaffMember? member = await FindAsync(subject, cancellationToken);
            StaffMember[] former = await FindAllAsync(formerly.Where(name => name != subject), cancellationToken);
            if (member?.BlockedAt is not null || former.Any(row => row.BlockedAt is not null))
            {
                return false;
            }

            if (former is [] && member?.LastAcceptedAt is { } last && now - last < Resolution && member.Roles.SequenceEqual(sortedRoles) && SameClinics(member.Clinics, sortedClinics))
            {
                return true;
            }

            // Rows under former names go: a list of people has each once.
            DateTimeOffset? first = former.Append(member).Min(row => row?.FirstAcceptedAt);
            StaffMember seen = new(subject, sortedRoles, sortedClinics, first ?? now, now, null, null, "");
            RowWrite write = member is null
                ? new RowWrite.Insert(StaffRows.Key(subject), StaffRows.Values(seen))
                : new RowWrite.Replace(StaffRows.Key(subject), StaffRows.Values(seen), member.ETag);
            try
            {
                await rows.SubmitAsync(
                    RowTable.Clinics, StaffRows.Partition, [write, .. former.Select(row => new RowWrite.Delete(StaffRows.Key(row.Subject), row.ETag))], cancellationToken);
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
    /// <param name="subject">As the list has it, or an object id alone.</param>
    /// <param name="tenant">Whose object ids those alone are.</param>
    /// <param name="by">Who ends it.</param>
    /// <param name="cancellationToken">Stops.</param>
    public Task<StaffMember> BlockAsync(string subject, string? tenant, Requester by, CancellationToken cancellationToken) =>
        NamesOf(subject, tenant).Any(by.Is)
            ? throw new RefusedException(Refusal.AccessOfSelf, "Nobody blocks themselves. Another admin has to.")
            : ChangeAsync(
                subject, tenant, everyName: false, by, AuditActions.SubjectBlocked, member => member.BlockedAt is null ? member with { BlockedAt = clock.GetUtcNow(), BlockedBy = by.Actor.Id } : null, cancellationToken);

    /// <summary>Lets a person in again whose tokens the issuer still vouches for. Repeating it changes nothing.</summary>
    public Task<StaffMember> UnblockAsync(string subject, string? tenant, Requester by, CancellationToken cancellationToken) =>
        ChangeAsync(
            subject, tenant, everyName: true, by, AuditActions.SubjectUnblocked, member => member.BlockedAt is null ? null : member with { BlockedAt = null, BlockedBy = null }, cancellationToken);

    /// <summary>What rows may call a person: <see cref="StaffId"/>, and what was written, which a row from before it may have. The first is for a new row.</summary>
    private static string[] NamesOf(string subject, string? tenant)
    {
        if (string.IsNullOrWhiteSpace(subject) || subject.Length > MostSubjectCharacters || subject.Any(char.IsControl))
        {
            throw new RefusedException(Refusal.RequestInvalid, $"subject: 1 to {MostSubjectCharacters} characters.");
        }

        return StaffId.TryParse(subject, tenant, out StaffId id) ? [.. new[] { id.ToString(), subject, id.ObjectId }.Distinct(StringComparer.Ordinal)] : [subject];
    }

    private async Task<StaffMember[]> FindAllAsync(IEnumerable<string> names, CancellationToken cancellationToken) =>
        [.. (await Task.WhenAll(names.Distinct(StringComparer.Ordinal).Select(name => FindAsync(name, cancellationToken)))).OfType<StaffMember>()];

    /// <param name="subject">Who.</param>
    /// <param name="tenant">Of an object id alone.</param>
    /// <param name="everyName">Whether every row of that person is changed, or the one that there is.</param>
    /// <param name="by">Who changes it.</param>
    /// <param name="action">What the log calls it.</param>
    /// <param name="change">The row as it should be; null where it is.</param>
    /// <param name="cancellationToken">Stops.</param>
    private async Task<StaffMember> ChangeAsync(
        string subject, string? tenant, bool everyName, Requester by, string action, Func<StaffMember, StaffMember?> change, CancellationToken cancellationToken)
    {
        string[] names = NamesOf(subject, tenant);
        while (true)
        {
            StaffMember[] known = await FindAllAsync(names, cancellationToken);
            StaffMember[] before = known is [] ? [new StaffMember(names[0], [], [], null, null, null, null, "")] : everyName ? known : known[..1];
            StaffMember[] after = [.. before.Select(change).OfType<StaffMember>()];
            if (after is [])
            {
                return before[0];
            }

            RowWrite[] writes = [.. after.Select(member => member.ETag.Length == 0
                ? (RowWrite)new RowWrite.Insert(StaffRows.Key(member.Subject), StaffRows.Values(member))
                : new RowWrite.Replace(StaffRows.Key(member.Subject), StaffRows.Values(member), member.ETag))];
            AuditEvent entry = new(AuditEntry.SystemLog, action, AuditOutcome.Success, by.Actor, new AuditSubject(Other: after[0].Subject), by.Origin);
            try
            {
                await outbox.SubmitAsync(RowTable.Clinics, StaffRows.Partition, writes, entry, cancellationToken);
                return after[0];
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
