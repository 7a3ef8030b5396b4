using System.Globalization;
using System.Text;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Records;
using CloudArchive.Format;
using CloudArchive.Format.Access;
using CloudArchive.Format.Audit;
using Microsoft.Extensions.Logging;

namespace CloudArchive.Core.Access;

/// <summary>A review as it is kept.</summary>
public sealed record StoredReview(string Id, byte[] Document, string Signature);

/// <summary>Who can act, and admins' attestations that they went through it (45 CFR 164.308(a)(4), 164.308(a)(3)(ii)(C)).</summary>
public sealed partial class AccessReviews(StaffRegister staff, ClinicDirectory clinics, Agents agents, RecordStore records, IAuditLog log, TimeProvider clock, ILogger<AccessReviews> logger)
{
    /// <summary>The kind of these records.</summary>
    public const string Kind = "access-reviews";

    /// <summary>Stands where roles do of whom or what could not be read.</summary>
    public const string UnreadRole = "could not be read";

    private const int MostClinics = 500;

    /// <summary>Everyone and everything that can act in a clinic, or anywhere.</summary>
    public async Task<IReadOnlyList<AccessPrincipal>> ListAsync(ClinicId? clinic, CancellationToken cancellationToken)
    {
        List<AccessPrincipal> all = [];
        IReadOnlyList<StaffMember> members = await staff.ListAsync(row => all.Add(Unread(PrincipalKind.Staff, row.Key, null)), cancellationToken);
        all.AddRange(members.Where(member => clinic is not { } id || member.Reaches(id)).Select(Principal));
        if (clinic is { } one)
        {
            await AddAgentsAsync((await clinics.GetAsync(one, cancellationToken)).Id, all, cancellationToken);
        }
        else
        {
            IReadOnlyList<ClinicId> ids = await clinics.ListAsync(null, MostClinics + 1, cancellationToken);
            if (ids.Count > MostClinics)
            {
                throw new RefusedException(Refusal.RequestInvalid, $"There are more than {MostClinics} clinics: review access clinic by clinic.");
            }

            foreach (ClinicId id in ids)
            {
                try
                {
                    await AddAgentsAsync(id, all, cancellationToken);
                }
                catch (Exception e) when (e is not OperationCanceledException)
                {
                    // One clinic's trouble must not hide who can act in the others.
                    LogUnreadable(logger, e, id);
                    all.Add(Unread(PrincipalKind.Agent, $"{id}: all its computers", id));
                }
            }
        }

        return [.. AccessReviewDocument.Sorted(all)];
    }

    /// <summary>A person as a list has them.</summary>
    public static AccessPrincipal Principal(StaffMember member) => new(
        PrincipalKind.Staff, member.Subject, member.Roles, member.Clinics, member.FirstAcceptedAt, member.LastAcceptedAt, member.BlockedAt, member.BlockedBy);

    /// <summary>Attests the list that has this fingerprint, for good. <see cref="Refusal.AccessListChanged"/> where there is another by now.</summary>
    public async Task<StoredReview> AttestAsync(ClinicId? clinic, Sha256Digest seen, Requester by, CancellationToken cancellationToken)
    {
        IReadOnlyList<AccessPrincipal> principals = await ListAsync(clinic, cancellationToken);
        if (principals.FirstOrDefault(IsUnread) is { } unread)
        {
            throw new RefusedException(Refusal.RequestInvalid, $"{unread.Id} could not be read: nobody can attest what nobody can see. docs/operations.md, integrity, says what to do; meanwhile review access clinic by clinic.");
        }

        if (AccessReviewDocument.FingerprintOf(principals) != seen)
        {
            throw new RefusedException(Refusal.AccessListChanged, "Somebody was added, changed or ended since the list was read. Read it again, then attest that one.");
        }

        string scope = Log(clinic), id = WorkId.New(clock).ToString();
        AccessReviewDocument document = new(AccessReviewDocument.CurrentFormat, id, scope, clock.GetUtcNow(), by.Actor.Id, seen, principals);
        byte[] json = CanonicalJson.Serialize(document);
        string signature = await records.SignAsync(AccessReviewDocument.JwsType, json, cancellationToken);

        // The signature last: a review without one is none, and is not listed.
        await records.WriteAsync(RecordStore.Name(scope, Kind, id, AccessReviewDocument.File), json, "application/json", cancellationToken);
        await records.WriteAsync(RecordStore.Name(scope, Kind, id, AccessReviewDocument.SignatureFile), Encoding.ASCII.GetBytes(signature), "application/jose", cancellationToken);
        Dictionary<string, string> details = new()
        {
            ["document"] = Sha256Digest.Of(json).Hex,
            ["principals"] = principals.Count.ToString(CultureInfo.InvariantCulture),
        };
        AuditEvent entry = new(
            scope, AuditActions.AccessReviewed, AuditOutcome.Success, by.Actor, new AuditSubject(clinic?.Value, Other: id), by.Origin, Details: details, Once: $"access-review:{id}");
        await log.AppendAsync(entry, cancellationToken);
        return new StoredReview(id, json, signature);
    }

    /// <summary>The ids of a scope's reviews, the oldest first.</summary>
    public Task<IReadOnlyList<string>> ListReviewsAsync(ClinicId? clinic, WorkId? after, int take, CancellationToken cancellationToken) =>
        records.ListAsync(Log(clinic), Kind, after?.ToString(), take, cancellationToken);

    /// <summary>A review.</summary>
    public async Task<StoredReview> GetAsync(ClinicId? clinic, WorkId id, CancellationToken cancellationToken)
    {
        byte[]? document = await records.ReadAsync(RecordStore.Name(Log(clinic), Kind, id.ToString(), AccessReviewDocument.File), cancellationToken);
        byte[]? signature = await records.ReadAsync(RecordStore.Name(Log(clinic), Kind, id.ToString(), AccessReviewDocument.SignatureFile), cancellationToken);
        return document is not null && signature is not null
            ? new StoredReview(id.ToString(), document, Encoding.ASCII.GetString(signature))
            : throw new RefusedException(Refusal.AccessReviewUnknown, $"There is no access review {id} here.");
    }

    private static string Log(ClinicId? clinic) => clinic?.Value ?? AuditEntry.SystemLog;

    private async Task AddAgentsAsync(ClinicId clinic, List<AccessPrincipal> all, CancellationToken cancellationToken)
    {
        List<AccessPrincipal> found = [];
        foreach (Agent agent in await agents.ReadEachAsync(clinic, row => found.Add(Unread(PrincipalKind.Agent, row.Key, clinic)), cancellationToken))
        {
            // An agent that was revoked before the time was kept has none: the audit log has it.
            DateTimeOffset? ended = agent.Revoked ? agent.RevokedAt ?? agent.LastSeenAt ?? agent.EnrolledAt : null;
            found.Add(new AccessPrincipal(PrincipalKind.Agent, agent.Id.ToString(), ["agent"], [clinic], agent.EnrolledAt, agent.LastSeenAt, ended, agent.RevokedBy));
        }

        all.AddRange(found);
    }

    /// <summary>Something that can act, or could, and of which nothing can be read.</summary>
    private static AccessPrincipal Unread(PrincipalKind kind, string what, ClinicId? clinic) => new(kind, what, [UnreadRole], clinic is { } id ? [id] : null, null, null, null, null);

    private static bool IsUnread(AccessPrincipal principal) => principal.Roles is [UnreadRole];

    [LoggerMessage(317, LogLevel.Error, "The agents of clinic {Clinic} could not be read for the list of who can act.")]
    private static partial void LogUnreadable(ILogger logger, Exception exception, ClinicId clinic);
}
