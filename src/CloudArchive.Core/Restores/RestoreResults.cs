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
    /// A page of a restore's result, for who asked and while it is ready. <see cref="Refusal.PacksArchived"/> where a pack of it lies in the archive
    /// tier: it is asked back, and the page is there when it is.
    /// </summary>
    public async Task<Page<RestorePack>> ReadAsync(ClinicId clinic, WorkId id, PackId? after, Requester by, CancellationToken cancellationToken)
    {
        Restore restore = await desk.GetAsync(clinic, id, cancellationToken);
        RestoreDesk.CheckRequester(restore, by);
        switch (desk.StatusOf(restore))
        {
            case RestoreStatus.PendingApproval:
                throw new RefusedException(Refusal.ApprovalMissing, $"Restore {id} waits for a second admin: POST .../restores/{id}/approve.");
            case RestoreStatus.Expired or RestoreStatus.Reported:
                throw RestoreDesk.Over(id);
        }

        PlannedPack[] planned = [.. (await rows.QueryAsync(RowTable.Work, clinic.Value, RestoreRows.Plan(id, after), PacksPerPage, cancellationToken)).Select(RestoreRows.ReadPack)];
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

        List<RestorePack> packs = [];
        List<RowWrite> disclosed = [];
        foreach (FoundPack[] some in found.Chunk(AtOnce))
        {
            foreach ((RestorePack pack, RowWrite? disclosure) in await Task.WhenAll(some.Select(pack => release.RunAsync(restore, pack, cancellationToken))))
            {
                packs.Add(pack);
                disclosed.AddRange(disclosure is null ? [] : [disclosure]);
            }
        }

        Dictionary<string, string> details = new() { ["after"] = after?.ToString() ?? "", ["packs"] = packs.Count.ToString(CultureInfo.InvariantCulture) };
        await outbox.SubmitAsync(RowTable.Work, clinic.Value, disclosed, RestoreDesk.Entry(restore, AuditActions.RestoreResultRead, by, details, once: null), cancellationToken);
        return new Page<RestorePack>(packs, planned.Length == PacksPerPage ? planned[^1].Pack.ToString() : null);
    }
}
