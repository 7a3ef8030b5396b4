using CloudArchive.Api.Identity;
using CloudArchive.Core;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Catalog;
using CloudArchive.Core.Clinics;
using CloudArchive.Format;
using CloudArchive.Format.Wire;

namespace CloudArchive.Api.Portal.Pages;

/// <summary>What stood where after each backup, computer by computer; and how to bring it back.</summary>
internal static class SnapshotPages
{
    private const int SnapshotsAPage = 100;
    private static readonly EndpointPolicy _read = new(Roles.Admin | Roles.Compliance, Reach.Clinic, ArchiveRole.Recovery, AuditActions.StudiesQueried, Look: true);

    public static void Map(PortalTable table) => table.Page("/clinics/{clinic}/snapshots", ListAsync, _read);

    private static async Task<PortalPage> ListAsync(ClinicId clinic, string? after, ClinicDirectory clinics, SnapshotCatalog snapshots, CancellationToken cancellationToken)
    {
        await clinics.GetAsync(clinic, cancellationToken);
        Page<SnapshotResponse> page = await snapshots.ListAsync(clinic, null, after, SnapshotsAPage, cancellationToken);
        return PortalPage.Of<SnapshotsPage, SnapshotsModel>("Snapshots", new SnapshotsModel([.. page.Items.GroupBy(snapshot => snapshot.Set).Select(set => new ComputerSnapshots(set.Key, [.. set]))], page.Next, after is not null));
    }
}

/// <summary>A page of snapshots.</summary>
/// <param name="Computers">By computer.</param>
/// <param name="Next">Where the next page begins.</param>
/// <param name="Later">Whether others come before.</param>
public sealed record SnapshotsModel(IReadOnlyList<ComputerSnapshots> Computers, string? Next, bool Later);

/// <summary>A computer's snapshots, the latest first.</summary>
/// <param name="Set">Their id; no name.</param>
/// <param name="Snapshots">Those of the page.</param>
public sealed record ComputerSnapshots(Uid Set, IReadOnlyList<SnapshotResponse> Snapshots);
