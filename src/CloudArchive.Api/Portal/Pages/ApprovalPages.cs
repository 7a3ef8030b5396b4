using CloudArchive.Api.Identity;
using CloudArchive.Core;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Catalog;
using CloudArchive.Core.Restores;
using CloudArchive.Core.Retention;
using CloudArchive.Format;
using CloudArchive.Format.Wire;
using Microsoft.AspNetCore.Http;

namespace CloudArchive.Api.Portal.Pages;

/// <summary>What waits for a second admin, and what exactly it is about: for the overview. Who looks at it is recorded, as on the pages of the things themselves.</summary>
internal sealed class ApprovalPages(RestoreDesk restores, DestructionDesk destructions, Holds holds, CatalogReader catalog, LookLog looks, TimeProvider clock)
{
    /// <summary>So many of each kind, and of what each is about: the page of the thing itself has all.</summary>
    private const int Most = 10, MostSets = 5;

    private static readonly EndpointPolicy _decline = new(Roles.Admin, Reach.Clinic, ArchiveRole.Recovery, AuditActions.RestoreDeclined, Mfa: true);

    public static void Map(PortalTable table) => table.Form("/clinics/{clinic}/restores/{restore}/decline", DeclineAsync, _decline);

    /// <summary>Of one clinic, the oldest first.</summary>
    public async Task<IReadOnlyList<PendingApproval>> FindAsync(ClinicId clinic, HttpContext context, CancellationToken cancellationToken)
    {
        DateTimeOffset now = clock.GetUtcNow();
        List<PendingApproval> found = [];
        IReadOnlyList<Restore> recent = await restores.ListAsync(clinic, WorkId.Before(now - RestoreDesk.Lifetime), 200, cancellationToken);
        foreach (Restore restore in recent.Where(restore => restore.StatusAt(now) == RestoreStatus.PendingApproval).Take(Most))
        {
            IReadOnlyList<Uid> sets = await restores.FirstSetsAsync(restore, MostSets, cancellationToken);
            string path = $"restores/{restore.Id}";
            found.Add(new PendingApproval(
                clinic, ApprovalKind.Restore, restore.Id.ToString(), path, restore.RequestedBy, restore.RequestedAt, restore.ExpiresAt, restore.Purpose, restore.Recipient,
                await DescribeAsync(clinic, sets, cancellationToken), restore.Totals.Studies, restore.Totals.Instances, restore.Totals.Bytes, restore.Snapshot is not null));
        }

        foreach (DestructionResponse order in (await destructions.OpenAsync(clinic, Most, cancellationToken)).Select(order => order.ToResponse()).Where(order => order.Status == DestructionStatus.PendingApproval))
        {
            found.Add(new PendingApproval(
                clinic, ApprovalKind.Destruction, order.Destruction, "retention#open", order.RequestedBy, order.RequestedAt, null, null, null,
                await DescribeAsync(clinic, [order.Study], cancellationToken), 1, order.Instances, order.Bytes, false));
        }

        foreach (HoldResponse hold in (await holds.ActiveAsync(clinic, cancellationToken)).Select(hold => hold.ToResponse()).Where(hold => hold.Status == HoldStatus.ClearRequested).Take(Most))
        {
            found.Add(new PendingApproval(
                clinic, ApprovalKind.HoldClearing, hold.Hold, "retention#holds", hold.ClearRequestedBy ?? hold.SetBy, hold.ClearRequestedAt ?? hold.SetAt, null, hold.Reason, null,
                await DescribeAsync(clinic, hold.Study is { } study ? [study] : [], cancellationToken), hold.Study is null ? 0 : 1, 0, 0, false));
        }

        if (found.Count > 0)
        {
            await looks.RecordAsync(context, clinic, cancellationToken);
        }

        return found;
    }

    private async Task<IReadOnlyList<StudyResponse>> DescribeAsync(ClinicId clinic, IReadOnlyList<Uid> sets, CancellationToken cancellationToken)
    {
        List<StudyResponse> found = [];
        foreach (Uid set in sets)
        {
            found.AddRange(await catalog.FindStudyAsync(clinic, set, cancellationToken) is { } one ? [one] : []);
        }

        return found;
    }

    private static async Task<IResult> DeclineAsync(ClinicId clinic, WorkId restore, RestoreDesk desk, HttpContext context, CancellationToken cancellationToken)
    {
        await desk.DeclineAsync(clinic, restore, context.Requester(), cancellationToken);
        return PortalPage.SeeOther(context.Field(RefusedForm.At) == PortalTable.Root ? PortalTable.Root : PortalView.ClinicPath(clinic, "restores"));
    }
}

/// <summary>What waits for a second admin.</summary>
public enum ApprovalKind
{
    /// <summary>A restore of more than one study, or of a snapshot.</summary>
    Restore,

    /// <summary>The end of a study whose time is over.</summary>
    Destruction,

    /// <summary>The end of a legal hold.</summary>
    HoldClearing,
}

/// <summary>A request that waits for a second admin, and what it is about.</summary>
/// <param name="Clinic">Whose.</param>
/// <param name="Kind">Of what kind.</param>
/// <param name="Id">Its id.</param>
/// <param name="Page">The clinic's page that has all of it.</param>
/// <param name="RequestedBy">Who asks.</param>
/// <param name="RequestedAt">Since when.</param>
/// <param name="ExpiresAt">Until when it waits; null where it waits on.</param>
/// <param name="Why">The purpose, or the hold's reason.</param>
/// <param name="Recipient">Who gets the images.</param>
/// <param name="Sets">The first of the studies and folders that it is about.</param>
/// <param name="All">How many there are.</param>
/// <param name="Files">How many files.</param>
/// <param name="Bytes">How much.</param>
/// <param name="IsSnapshot">Whether it is all folders of a computer.</param>
public sealed record PendingApproval(
    ClinicId Clinic, ApprovalKind Kind, string Id, string Page, string RequestedBy, DateTimeOffset RequestedAt, DateTimeOffset? ExpiresAt, string? Why, string? Recipient,
    IReadOnlyList<StudyResponse> Sets, int All, long Files, long Bytes, bool IsSnapshot);
