using CloudArchive.Core.Catalog;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Retention;
using CloudArchive.Core.Storage;
using CloudArchive.Format.Packs;

namespace CloudArchive.Core.Packs;

/// <summary>
/// Brings a pack whose commit was recorded to its receipt or to its rejection, from wherever a crash left it. Safe to run at the same
/// time by several: the row's ETag decides between receipt and rejection, and every later step can be repeated.
/// </summary>
public sealed class PackCompletion(ClinicDirectory clinics, PackRows packs, IBlobVault vault, PackFinish finish, PackRemoval removal, TimeProvider clock)
{
    private const string Overwritten = "Overwritten";
    private readonly StoredPacks _stored = new(vault);

    /// <summary>Completes a pack. Null where another completed it and its rows are gone: then the catalogue has it.</summary>
    /// <exception cref="RefusedException"><see cref="Refusal.PackMismatch"/>, <see cref="Refusal.PackNotUploaded"/> or <see cref="Refusal.PackNotOpen"/>.</exception>
    /// <param name="recorded">The pack.</param>
    /// <param name="sidecar">Its sidecar.</param>
    /// <param name="by">Who asked.</param>
    /// <param name="found">Its blob, where that was just looked at.</param>
    /// <param name="cancellationToken">Stops.</param>
    public async Task<CatalogPack?> RunAsync(InFlightPack recorded, Sidecar sidecar, Requester by, BlobState? found, CancellationToken cancellationToken)
    {
        InFlightPack? pack = recorded;
        while (pack is not null)
        {
            switch (pack.State)
            {
                case PackState.Committing:
                    pack = await VerifyAsync(pack, sidecar, by, found, cancellationToken) ?? await packs.FindAsync(recorded.Clinic, recorded.Pack, cancellationToken);
                    found = null;
                    break;

                case PackState.Verified:
                    if (await FinishAsync(pack, sidecar, by, cancellationToken) is { } done)
                    {
                        await clinics.NoteCommitAsync(pack.Clinic, cancellationToken);
                        await packs.RemoveAsync(pack, cancellationToken);
                        ArchiveMetrics.PacksCommitted.Add(1);
                        ArchiveMetrics.BytesCommitted.Add(sidecar.Length);
                        return done;
                    }

                    pack = await packs.FindAsync(recorded.Clinic, recorded.Pack, cancellationToken);
                    break;

                case PackState.Rejected or PackState.Cleared:
                    throw Mismatch(pack, audited: false);

                default:
                    throw new RefusedException(Refusal.PackNotOpen, $"Pack {pack.Pack} was not committed in time. Open a new one.");
            }
        }

        return null;
    }

    /// <summary>The refusal for a pack that is not what the agent said.</summary>
    public static RefusedException Mismatch(InFlightPack pack, bool audited) => new(
        Refusal.PackMismatch, $"What lies in storage for pack {pack.Pack} is not what the sidecar says ({pack.Fault}); the blob was removed. Seal its files into a new pack.", audited);

    /// <summary>
    /// Locks and so on. Null where the pack has changed since it was read. The version that was verified may be gone: where storage keeps
    /// no versions of what is not locked yet, an agent that uploads again in this very moment overwrites it. Then there is nothing to lock.
    /// </summary>
    private async Task<CatalogPack?> FinishAsync(InFlightPack pack, Sidecar sidecar, Requester by, CancellationToken cancellationToken)
    {
        try
        {
            return await finish.RunAsync(sidecar, pack.VersionId!, pack.LockUntil!.Value, by, cancellationToken);
        }
        catch (BlobMissingException e) when (e.Name == BlobName.Pack(pack.Clinic, pack.Pack))
        {
            if (await vault.FindAsync(BlobName.Sidecar(pack.Clinic, pack.Pack), cancellationToken) is not null)
            {
                throw new IntegrityException($"The locked blob of pack {pack.Pack} is gone.", e);
            }

            return await removal.RejectAsync(pack, Overwritten, by, cancellationToken) ? throw Mismatch(pack with { Fault = Overwritten }, audited: true) : null;
        }
    }

    /// <summary>Reads the blob back. Returns the pack as verified, or null where it has changed since it was read.</summary>
    private async Task<InFlightPack?> VerifyAsync(InFlightPack pack, Sidecar sidecar, Requester by, BlobState? found, CancellationToken cancellationToken)
    {
        BlobState current = found ?? await vault.FindAsync(BlobName.Pack(pack.Clinic, pack.Pack), cancellationToken)
            ?? throw new RefusedException(Refusal.PackNotUploaded, $"There is no blob for pack {pack.Pack}. Upload it, then commit.");
        try
        {
            await _stored.VerifyAsync(sidecar, current, cancellationToken);
        }
        catch (PackException e)
        {
            string fault = e.Fault.ToString();
            return await removal.RejectAsync(pack, fault, by, cancellationToken) ? throw Mismatch(pack with { Fault = fault }, audited: true) : null;
        }

        // Fixed here, once: a repeat after a crash locks until the same date.
        Clinic clinic = await clinics.GetAsync(pack.Clinic, cancellationToken);
        DateTimeOffset until = PackRetention.Until(sidecar, clinic.Retention, clock.GetUtcNow());
        return await packs.AdvanceAsync(pack with { State = PackState.Verified, VersionId = current.VersionId, LockUntil = until }, cancellationToken);
    }
}
