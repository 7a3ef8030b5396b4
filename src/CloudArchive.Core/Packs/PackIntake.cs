using System.Globalization;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Keys;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Retention;
using CloudArchive.Format.Signing;

namespace CloudArchive.Core.Packs;

/// <summary>An opened pack: where to put it, what to seal it with, how long it is to be kept.</summary>
public sealed record OpenedPack(PackId Pack, BlobGrant Upload, Jwk WrappingKey, Jwk EscrowKey, RetentionPolicy Retention);

/// <summary>Opens packs for upload.</summary>
public sealed class PackIntake(ClinicDirectory clinics, IWrappingKeys keys, IBlobVault vault, PackRows packs, DailyQuotas quotas, Outbox outbox, TimeProvider clock)
{
    /// <summary>How long an upload URL works.</summary>
    public static readonly TimeSpan UploadLifetime = TimeSpan.FromHours(1);

    /// <summary>A new pack for a study.</summary>
    public async Task<OpenedPack> OpenAsync(AgentId agent, Uid study, long plannedBytes, Requester by, CancellationToken cancellationToken)
    {
        if (plannedBytes is < 0 or > SidecarRules.MostPackBytes)
        {
            throw new RefusedException(Refusal.RequestInvalid, $"plannedBytes: 0 to {SidecarRules.MostPackBytes}.");
        }

        Clinic clinic = await clinics.GetAsync(agent.Clinic, cancellationToken);

        // Before it is uploaded for nothing. What counts is counted by the commit.
        await quotas.CheckAsync(clinic, by, cancellationToken);
        Jwk wrapping = await keys.GetCurrentAsync(clinic.Id, cancellationToken);
        Jwk escrow = clinic.EscrowKey ?? throw new IntegrityException($"Clinic {clinic.Id} has an agent and no escrow key.");
        DateTimeOffset now = clock.GetUtcNow();
        InFlightPack pack = new(clinic.Id, PackId.New(clock), PackState.Open, agent, study, plannedBytes, now, wrapping.Kid!, now);
        AuditEvent entry = new(
            clinic.Id.Value,
            AuditActions.PackOpened,
            AuditOutcome.Success,
            by.Actor,
            new AuditSubject(clinic.Id.Value, study.Value, pack.Pack.ToString()),
            by.Origin,
            Details: new Dictionary<string, string> { ["plannedBytes"] = plannedBytes.ToString(CultureInfo.InvariantCulture) },
            Once: $"open:{pack.Pack}");
        await outbox.SubmitAsync(RowTable.Work, clinic.Id.Value, [PackRows.Open(pack)], entry, cancellationToken);
        return new OpenedPack(pack.Pack, await vault.GrantWriteAsync(BlobName.Pack(clinic.Id, pack.Pack), UploadLifetime, cancellationToken), wrapping, escrow, clinic.Retention);
    }

    /// <summary>Another upload URL for a pack of this agent that was not committed yet.</summary>
    public async Task<BlobGrant> RenewAsync(AgentId agent, PackId id, Requester by, CancellationToken cancellationToken)
    {
        InFlightPack pack = await packs.FindAsync(agent.Clinic, id, cancellationToken)
            ?? throw new RefusedException(Refusal.PackUnknown, $"There is no open pack {id}. It may be committed (GET .../packs/{id}) or cleared after 24 hours: open a new one.");
        if (pack.Agent != agent)
        {
            throw new RefusedException(Refusal.PackOfAnotherAgent, $"Another agent opened pack {id}. Open a pack of your own.");
        }

        if (pack.State != PackState.Open)
        {
            throw new RefusedException(Refusal.PackNotOpen, $"Pack {id} is past its upload. Commit it, or open a new one.");
        }

        AuditEvent entry = new(
            pack.Clinic.Value, AuditActions.UploadUrlGranted, AuditOutcome.Success, by.Actor, new AuditSubject(pack.Clinic.Value, pack.Study.Value, id.ToString()), by.Origin);

        // The row's change is what the entry stands for, and keeps the reconciler from clearing a pack that is being uploaded.
        await outbox.SubmitAsync(RowTable.Work, pack.Clinic.Value, [PackRows.Renew(pack, clock.GetUtcNow())], entry, cancellationToken);
        return await vault.GrantWriteAsync(BlobName.Pack(pack.Clinic, id), UploadLifetime, cancellationToken);
    }
}
