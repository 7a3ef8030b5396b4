using CloudArchive.Core.Catalog;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Packs;

namespace CloudArchive.Core.Packs;

/// <summary>An agent's commit: checks the sidecar, records the intent, and completes the pack. Repeating it gives the same receipt.</summary>
public sealed class PackCommit(ClinicDirectory clinics, PackRows packs, IBlobVault vault, PackCompletion completion, CatalogReader catalog, ReceiptIssuer receipts, TimeProvider clock)
{
    /// <summary>Commits a pack and returns its receipt.</summary>
    public async Task<string> RunAsync(AgentId agent, PackId id, Sidecar sidecar, Requester by, CancellationToken cancellationToken)
    {
        while (await packs.FindAsync(agent.Clinic, id, cancellationToken) is { } pack)
        {
            BlobState? found = null;
            if (pack.Agent != agent)
            {
                throw new RefusedException(Refusal.PackOfAnotherAgent, $"Another agent opened pack {id}. Open a pack of your own.");
            }

            switch (pack.State)
            {
                case PackState.Open:
                    if (await RecordAsync(pack, sidecar, by, cancellationToken) is not { } recorded)
                    {
                        continue; // another commit, of this pack or of the clinic, came between: look at it anew
                    }

                    (pack, found) = recorded;
                    break;

                case PackState.Committing or PackState.Verified:
                    Clinic clinic = await clinics.GetAsync(pack.Clinic, cancellationToken);
                    if (SidecarRules.Violation(sidecar, pack, clinic, clock.GetUtcNow()) is not null || Sha256Digest.Of(Sidecars.Serialize(sidecar)) != pack.SidecarSha256)
                    {
                        throw Differs(id);
                    }

                    break;

                case PackState.Rejected or PackState.Cleared:
                    throw PackCompletion.Mismatch(pack, audited: false);

                default:
                    throw new RefusedException(Refusal.PackNotOpen, $"Pack {id} was not committed in time. Open a new one.");
            }

            if (await completion.RunAsync(pack, sidecar, by, found, cancellationToken) is { } done)
            {
                return done.Receipt!;
            }
        }

        return await CommittedAsync(agent.Clinic, id, sidecar, cancellationToken);
    }

    /// <summary>Records the intent. The pack, and the blob as it was seen; null where the pack has changed since it was read.</summary>
    private async Task<(InFlightPack, BlobState)?> RecordAsync(InFlightPack pack, Sidecar sidecar, Requester by, CancellationToken cancellationToken)
    {
        Clinic clinic = await clinics.GetAsync(pack.Clinic, cancellationToken);
        if (SidecarRules.Violation(sidecar, pack, clinic, clock.GetUtcNow()) is { } violation)
        {
            throw new RefusedException(Refusal.SidecarInvalid, violation);
        }

        if (Sets.IsMadeUp(sidecar.Study) && await catalog.FindSetAsync(pack.Clinic, sidecar.Study, cancellationToken) is { } kind && kind != (sidecar.Set ?? SetKind.Study))
        {
            throw new RefusedException(Refusal.SidecarInvalid, $"{sidecar.Study} is of a set of another kind, to which the archive has packs. Enroll the computer anew; if it happens again, report it.");
        }

        BlobState found = await vault.FindAsync(BlobName.Pack(pack.Clinic, pack.Pack), cancellationToken)
            ?? throw new RefusedException(Refusal.PackNotUploaded, $"There is no blob for pack {pack.Pack}. Upload it, then commit.");
        return await packs.RecordIntentAsync(pack, Sidecars.Serialize(sidecar), clinic, sidecar.Length, by, cancellationToken) is { } recorded ? (recorded, found) : null;
    }

    /// <summary>The receipt of a pack that is no longer in flight: from the catalogue, or where that was lost from beside the pack.</summary>
    private async Task<string> CommittedAsync(ClinicId clinic, PackId id, Sidecar sidecar, CancellationToken cancellationToken)
    {
        if (await catalog.FindPackAsync(clinic, id, cancellationToken) is { Receipt: { } known } pack)
        {
            return (pack.Sha256, pack.InstancesRoot) == (sidecar.Sha256, sidecar.InstancesRoot) ? known : throw Differs(id);
        }

        if (await receipts.FindAsync(BlobName.Receipt(clinic, id), cancellationToken) is { } issued)
        {
            return (issued.Receipt.Sha256, issued.Receipt.InstancesRoot) == (sidecar.Sha256, sidecar.InstancesRoot) ? issued.Jws : throw Differs(id);
        }

        throw new RefusedException(Refusal.PackUnknown, $"There is no pack {id}. It was never opened, or cleared because it was not committed within 24 hours: open a new one.");
    }

    private static RefusedException Differs(PackId id) =>
        new(Refusal.CommitDiffers, $"Pack {id} is committed with another sidecar. Send that one again for its receipt, or open a new pack.");
}
