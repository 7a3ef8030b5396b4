using CloudArchive.Core.Losses;
using CloudArchive.Core.Packs;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Wire;
using Microsoft.Extensions.Logging;

namespace CloudArchive.Core.Restores;

/// <summary>
/// What a restore's report says of damaged packs. Nobody's word makes a receipt worthless: each is read here, and only one that is not what was committed is
/// recorded as lost, so that the clinic's computers upload it again. What is not looked at here, the restore tests find.
/// </summary>
public sealed partial class ReportedDamage(RestoreDesk desk, IRowStore rows, PackRecords records, IBlobVault vault, PackLosses losses, ILogger<ReportedDamage> logger)
{
    /// <summary>So many bytes are read for one report: it is answered within a host's limit for requests.</summary>
    public const long MostBytes = 2L * 1024 * 1024 * 1024;

    /// <summary>Looks at the packs. One that cannot be looked at keeps neither the others nor the report from their ends.</summary>
    /// <returns>Those that are lost.</returns>
    public async Task<IReadOnlyList<PackId>> CheckAsync(ClinicId clinic, WorkId id, IReadOnlyList<PackId>? damaged, Requester by, CancellationToken cancellationToken)
    {
        if (damaged is null or [])
        {
            return [];
        }

        if (damaged.Count > RestoreReport.MaxDamaged)
        {
            throw new RefusedException(Refusal.RequestInvalid, $"damaged: {RestoreReport.MaxDamaged} packs at most.");
        }

        RestoreDesk.CheckRequester(await desk.GetAsync(clinic, id, cancellationToken), by);
        List<PackId> lost = [];
        long left = MostBytes;
        foreach (PackId pack in damaged.Distinct())
        {
            try
            {
                // Only what the restore was of: a report is no way to have others read.
                if (await RestoreRows.FindPackAsync(rows, clinic, id, pack, cancellationToken) is null
                    || await records.FindAsync(clinic, pack, cancellationToken) is not { } recorded)
                {
                    continue;
                }

                if (await LossAsync(recorded, left, cancellationToken) is { } cause && await losses.RecordAsync(clinic, pack, cause, "restore", by, cancellationToken))
                {
                    lost.Add(pack);
                }

                left -= recorded.Pack.Length;
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                LogNotChecked(logger, e, pack, clinic);
            }
        }

        return lost;
    }

    /// <summary>What is the matter with a pack; null where it is whole, or is not looked at.</summary>
    private async Task<PackLossCause?> LossAsync(RecordedPack recorded, long most, CancellationToken cancellationToken)
    {
        if (recorded.State is not { } state)
        {
            return PackLossCause.Missing;
        }

        if (state.Archived || recorded.Pack.Length > most)
        {
            return null;
        }

        try
        {
            await using Stream ciphertext = await vault.OpenReadAsync(BlobName.Pack(recorded.Pack.Clinic, recorded.Pack.Pack), state.VersionId, cancellationToken);
            await PackVerifier.CheckCiphertextAsync(ciphertext, recorded.Pack.Length, recorded.Pack.Sha256, cancellationToken);
            return null;
        }
        catch (PackException)
        {
            return PackLossCause.Damaged;
        }
        catch (BlobMissingException)
        {
            return PackLossCause.Missing;
        }
    }

    [LoggerMessage(316, LogLevel.Error, "Pack {Pack} of clinic {Clinic}, which a restore found damaged, could not be looked at; the next restore test does.")]
    private static partial void LogNotChecked(ILogger logger, Exception exception, PackId pack, ClinicId clinic);
}
