using System.Globalization;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Catalog;
using CloudArchive.Core.Disclosures;
using CloudArchive.Core.Keys;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Sealing;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Restores;

/// <summary>
/// Releases what a restore brings: for each pack a URL for the one version, and its content key, unwrapped and wrapped again to the
/// key of who asked. Bytes never pass through the service. Each page is in the audit log, and in the accounting of disclosures, before it is
/// handed out.
/// </summary>
public sealed class RestoreResults(RestoreDesk desk, IRowStore rows, CatalogReader catalog, IBlobVault vault, Outbox outbox, ContentKeys keys)
{
    /// <summary>How long a URL works.</summary>
    public static readonly TimeSpan UrlLifetime = TimeSpan.FromHours(1);

    /// <summary>Packs a page: 2 GiB as a rule, which the slowest uplink's downlink brings within the URLs' hour.</summary>
    public const int PacksPerPage = 32;

    private const int AtOnce = 8;

    /// <summary>A page of a restore's result, for who asked and while it is ready.</summary>
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
        List<RestorePack> packs = [];
        List<RowWrite> disclosed = [];
        foreach (PlannedPack[] some in planned.Chunk(AtOnce))
        {
            foreach ((RestorePack pack, RowWrite? disclosure) in await Task.WhenAll(some.Select(pack => ReleaseAsync(restore, pack, cancellationToken))))
            {
                packs.Add(pack);
                disclosed.AddRange(disclosure is null ? [] : [disclosure]);
            }
        }

        Dictionary<string, string> details = new() { ["after"] = after?.ToString() ?? "", ["packs"] = packs.Count.ToString(CultureInfo.InvariantCulture) };
        await outbox.SubmitAsync(RowTable.Work, clinic.Value, disclosed, RestoreDesk.Entry(restore, AuditActions.RestoreResultRead, by, details, once: null), cancellationToken);
        return new Page<RestorePack>(packs, planned.Length == PacksPerPage ? planned[^1].Pack.ToString() : null);
    }

    /// <summary>What is handed out of a pack, and its row in the accounting of disclosures; null where it is there, from when the page was read first.</summary>
    private async Task<(RestorePack Pack, RowWrite? Disclosure)> ReleaseAsync(Restore restore, PlannedPack planned, CancellationToken cancellationToken)
    {
        CatalogPack pack = await catalog.FindPackAsync(restore.Clinic, planned.Pack, cancellationToken)
            ?? throw new IntegrityException($"Pack {planned.Pack} is no longer in the catalogue. Rebuild the catalogue, then fetch this page again.");
        WrappedContentKey key = await keys.RewrapAsync(pack.ContentKey, restore.PublicKey, cancellationToken);
        BlobGrant grant = await vault.GrantReadAsync(BlobName.Pack(restore.Clinic, pack.Pack), pack.VersionId, UrlLifetime, cancellationToken);
        RowWrite.Upsert disclosure = DisclosureRows.Write(restore.Id, pack, planned, desk.Now);
        bool known = await rows.FindAsync(RowTable.Work, restore.Clinic.Value, disclosure.Key, cancellationToken) is not null;
        return (new RestorePack(pack.Pack, pack.Study, grant.Url.AbsoluteUri, grant.ExpiresAt, pack.Length, pack.Sha256, key, planned.Wanted), known ? null : disclosure);
    }
}
