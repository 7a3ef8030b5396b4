using CloudArchive.Core.Audit;
using CloudArchive.Core.Retention;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Audit;

namespace CloudArchive.Core.Packs;

/// <summary>
/// Ends a pack that gets no receipt: rejected, or abandoned. Its row decides first, under its ETag, so that of a commit that verified the
/// pack and one that rejected it only one goes on; then comes the blob.
/// </summary>
public sealed class PackRemoval(PackRows packs, IAuditLog log, Destruction destruction, Outbox outbox)
{
    /// <summary>The refusal's reason in the audit log, and its problem type.</summary>
    public const string MismatchReason = "pack-mismatch";

    /// <summary>
    /// Rejects a pack whose stored bytes are not what the agent said. False where the pack has changed since it was read: then it must be
    /// looked at anew.
    /// </summary>
    public async Task<bool> RejectAsync(InFlightPack pack, string fault, Requester by, CancellationToken cancellationToken)
    {
        if (await packs.AdvanceAsync(pack with { State = PackState.Rejected, Fault = fault }, cancellationToken) is not { } rejected)
        {
            return false;
        }

        await FinishAsync(rejected, by, cancellationToken);
        return true;
    }

    /// <summary>Abandons a pack that was opened and not committed in time. False where it has changed since it was read.</summary>
    public async Task<bool> AbandonAsync(InFlightPack pack, Requester by, CancellationToken cancellationToken)
    {
        if (await packs.AdvanceAsync(pack with { State = PackState.Abandoned }, cancellationToken) is not { } abandoned)
        {
            return false;
        }

        await FinishAsync(abandoned, by, cancellationToken);
        return true;
    }

    /// <summary>
    /// Removes the row of a pack that was rejected long ago, and first whatever lies under its name again: its upload URL outlived it, and what was
    /// written then has no other row, no sidecar and no receipt, so that nobody would ever look at it.
    /// </summary>
    public async Task ForgetAsync(InFlightPack pack, CancellationToken cancellationToken)
    {
        await destruction.RemoveUncommittedAsync(pack.Clinic, pack.Pack, cancellationToken);
        await packs.RemoveAsync(pack, cancellationToken);
    }

    /// <summary>Removes a blob that no row names and that was never committed. False, and it stays, where a lock or a hold is on anything under its name.</summary>
    public async Task<bool> TryRemoveStrayAsync(ClinicId clinic, PackId pack, Requester by, CancellationToken cancellationToken)
    {
        if (await destruction.IsProtectedAsync(clinic, pack, cancellationToken))
        {
            return false;
        }

        Dictionary<string, string> details = new() { ["fault"] = "no-row" };
        AuditSubject subject = new(clinic.Value, Pack: pack.ToString());
        await log.AppendAsync(new AuditEvent(clinic.Value, AuditActions.PackAbandoned, AuditOutcome.Success, by.Actor, subject, by.Origin, Details: details, Once: OnceAbandoned(pack)), cancellationToken);
        await destruction.RemoveUncommittedAsync(clinic, pack, cancellationToken);
        return true;
    }

    /// <summary>
    /// Does what is left for a pack that was rejected or abandoned. A rejected one keeps its row, so that a repeated commit is told; the
    /// reconciler removes it later.
    /// </summary>
    public async Task FinishAsync(InFlightPack pack, Requester by, CancellationToken cancellationToken)
    {
        AuditSubject subject = new(pack.Clinic.Value, pack.Study.Value, pack.Pack.ToString());
        if (pack.State == PackState.Rejected)
        {
            Dictionary<string, string> details = new() { ["fault"] = pack.Fault! };
            await log.AppendAsync(
                new AuditEvent(pack.Clinic.Value, AuditActions.PackCommitted, AuditOutcome.Refused, by.Actor, subject, by.Origin, MismatchReason, details, $"reject:{pack.Pack}"),
                cancellationToken);
            await destruction.RemoveUncommittedAsync(pack.Clinic, pack.Pack, cancellationToken);
            await packs.AdvanceAsync(pack with { State = PackState.Cleared }, cancellationToken);
            return;
        }

        await destruction.RemoveUncommittedAsync(pack.Clinic, pack.Pack, cancellationToken);
        AuditEvent entry = new(pack.Clinic.Value, AuditActions.PackAbandoned, AuditOutcome.Success, by.Actor, subject, by.Origin, Once: OnceAbandoned(pack.Pack));
        try
        {
            await outbox.SubmitAsync(RowTable.Work, pack.Clinic.Value, await packs.RemovalAsync(pack, cancellationToken), entry, cancellationToken);
        }
        catch (RowConflictException)
        {
            // Another run of the reconciler removed the rows, and wrote the entry.
        }
    }

    private static string OnceAbandoned(PackId pack) => $"abandon:{pack}";
}
