using CloudArchive.Api.Endpoints;
using CloudArchive.Api.Identity;
using CloudArchive.Core;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Restores;
using CloudArchive.Format;
using CloudArchive.Format.Wire;
using Microsoft.AspNetCore.Http;

namespace CloudArchive.Api.Portal.Pages;

/// <summary>Restores that were asked for: to approve and to follow.</summary>
internal static class RestorePages
{
    private const int RestoresAPage = 100;
    private static readonly TimeSpan _recent = TimeSpan.FromDays(90);
    private static readonly EndpointPolicy _read = new(Roles.Admin | Roles.Compliance, Reach.Clinic, ArchiveRole.Recovery, AuditActions.RequestRefused, Look: true);
    private static readonly EndpointPolicy _approve = new(Roles.Admin, Reach.Clinic, ArchiveRole.Recovery, AuditActions.RestoreApproved, Mfa: true);

    public static void Map(PortalTable table)
    {
        table.Page("/clinics/{clinic}/restores", ListAsync, _read);
        table.Page("/clinics/{clinic}/restores/{restore}", ShowAsync, _read);
        table.Form("/clinics/{clinic}/restores/{restore}/approve", ApproveAsync, _approve);
    }

    /// <summary>Those of the last ninety days, the newest first; with <c>after</c> a page of all, from the oldest on.</summary>
    private static async Task<PortalPage> ListAsync(ClinicId clinic, string? after, ClinicDirectory clinics, RestoreDesk desk, TimeProvider clock, CancellationToken cancellationToken)
    {
        await clinics.GetAsync(clinic, cancellationToken);
        DateTimeOffset now = clock.GetUtcNow();
        WorkId? from = after == "all" ? null : Paging.After<WorkId>(after);
        IReadOnlyList<Restore> page = after is null
            ? [.. (await desk.ListAsync(clinic, WorkId.Before(now - _recent), 1000, cancellationToken)).Reverse()]
            : await desk.ListAsync(clinic, from, RestoresAPage, cancellationToken);
        string? next = after is not null && page.Count == RestoresAPage ? page[^1].Id.ToString() : null;
        return PortalPage.Of<RestoresPage, RestoresModel>("Restores", new RestoresModel([.. page.Select(restore => restore.ToResponse(now))], after is null, next));
    }

    private static async Task<PortalPage> ShowAsync(ClinicId clinic, WorkId restore, RestoreDesk desk, TimeProvider clock, CancellationToken cancellationToken) =>
        PortalPage.Of<RestorePage, RestoreResponse>("Restore", (await desk.GetAsync(clinic, restore, cancellationToken)).ToResponse(clock.GetUtcNow()));

    private static async Task<IResult> ApproveAsync(ClinicId clinic, WorkId restore, RestoreDesk desk, HttpContext context, CancellationToken cancellationToken)
    {
        await desk.ApproveAsync(clinic, restore, context.Requester(), cancellationToken);
        return PortalPage.SeeOther($"{PortalTable.Root}/clinics/{clinic}/restores/{restore}");
    }
}

/// <summary>A list of restores.</summary>
/// <param name="Restores">The page.</param>
/// <param name="Recent">Whether it is that of the last ninety days.</param>
/// <param name="Next">Where the next one begins.</param>
public sealed record RestoresModel(IReadOnlyList<RestoreResponse> Restores, bool Recent, string? Next);
