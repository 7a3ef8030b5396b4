using System.Globalization;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Restores;

/// <summary>
/// Releases what a restore brings, page by page. Bytes never pass through the service. Each page is in the audit log, and in the accounting of
/// disclosures, before it is handed out.
/// </summary>
public sealed class RestoreResults(RestoreDesk desk, IRowStore rows, PackRelease release, RestoreRehydration rehydration, Outbox outbox)
{
    /// <summary>Packs a page: 2 GiB as a rule, which the slowest uplink's downlink brings within the URLs' hour.</summary>
    public const int PacksPerPage = 32;

    private const int AtOnce = 8;

    /// <summary>
    /// A page of a restore's result, for who asked and while it is ready; and the restore lives on. A snapshot and what it goes on from come before all others. A pack that cannot be handed out is named with its
    /// cause, and the others come. <see cref="Refusal.PacksArchived"/> where a pack of it lies in the archive tier: it is asked back, and the page is
    /// there when it is.
    /// </summary>
    public async Task<RestorePage> ReadAsync(ClinicId clinic, WorkId id, PackId? after, Requester by, CancellationToken cancellationToken)
    {
        Restore restore = await GetReadyAsync(clinic, id, by, cancellationToken);
        RowRange range = after is null ? RestoreRows.Plan(id)
            : await RestoreRows.FindPackAsync(rows, clinic, id, after.Value, cancellationToken) is { } last ? RestoreRows.Plan(id, last)
            : throw new RefusedException(Refusal.RequestInvalid, "after: pass the next of the page before, as it came.");
        IReadOnlyList<Row> plan = await rows.QueryAsync(RowTable.Work, clinic.Value, range, PacksPerPage, cancellationToken);
        PlannedPack[] planned = [.. plan.Select(row => DamagedRow.Read(row, RestoreRows.ReadPack))];
        List<FoundPack> found = [];
        foreach (PlannedPack[] some in planned.Chunk(AtOnce))
        {
            found.AddRange(await Task.WhenAll(some.Select(pack => release.FindAsync(clinic, pack, by, cancellationToken))));
        }

        if (found.Count(pack => pack.Archived) is var archived and > 0)
        {
            await rehydration.AskAsync(restore, by, cancellationToken);
            throw new RefusedException(
                Refusal.PacksArchived, $"Packs of this page ({archived} of {found.Count}) lie in the archive tier. They are on their way back, which takes up to 15 hours; ask again then.");
        }

        List<ReleasedPack> released = [];
        foreach (FoundPack[] some in found.Chunk(AtOnce))
        {
            released.AddRange(await Task.WhenAll(some.Select(pack => release.RunAsync(restore, pack, cancellationToken))));
        }

        RestorePack[] packs = [.. released.Select(pack => pack.Pack).OfType<RestorePack>()];
        RestorePackFailure[] failed = [.. released.Select(pack => pack.Failure).OfType<RestorePackFailure>()];
        Dictionary<string, string> details = new()
        {
            ["after"] = after?.ToString() ?? "",
            ["failed"] = failed.Length.ToString(CultureInfo.InvariantCulture),
            ["packs"] = packs.Length.ToString(CultureInfo.InvariantCulture),
        };
        await RecordAsync(restore, [.. released.Select(pack => pack.Disclosure).OfType<RowWrite>()], details, by, cancellationToken);
        return new RestorePage(packs, planned.Length == PacksPerPage ? planned[^1].Pack.ToString() : null, failed.Length == 0 ? null : failed);
    }

    private async Task<Restore> GetReadyAsync(ClinicId clinic, WorkId id, Requester by, CancellationToken cancellationToken)
    {
        Restore restore = await desk.GetAsync(clinic, id, cancellationToken);
        RestoreDesk.CheckRequester(restore, by);
        return desk.StatusOf(restore) switch
        {
            RestoreStatus.PendingApproval => throw new RefusedException(Refusal.ApprovalMissing, $"Restore {id} waits for a second admin: POST .../restores/{id}/approve."),
            RestoreStatus.Expired or RestoreStatus.Reported => throw RestoreDesk.Over(id),
            _ => restore,
        };
    }

    /// <summary>Writes down what is handed out, and lets the restore live on.</summary>
    private async Task RecordAsync(Restore restore, IReadOnlyList<RowWrite> disclosed, Dictionary<string, string> details, Requester by, CancellationToken cancellationToken)
    {
        while (true)
        {
            (RowWrite? extension, details["until"]) = desk.Extend(restore);
            try
            {
                RowWrite[] writes = [.. disclosed, .. extension is null ? (RowWrite[])[] : [extension]];
                await outbox.SubmitAsync(
                    RowTable.Work, restore.Clinic.Value, writes, RestoreDesk.Entry(restore, AuditActions.RestoreResultRead, by, details, once: null), cancellationToken);
                return;
            }
            catch (RowConflictException)
            {
                // Another page was read at the same time, or the restore was reported meanwhile: look at it anew.
                restore = await GetReadyAsync(restore.Clinic, restore.Id, by, cancellationToken);
            }
        }
    }
}
