using System.Globalization;
using System.Numerics;
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
    /// <summary>Bytes that a browser fetches of a restore: it holds the files until it has all of them.</summary>
    public const long MostInBrowser = 2_000_000_000;

    private const int RestoresAPage = 100;
    private static readonly EndpointPolicy _read = new(Roles.Admin | Roles.Compliance, Reach.Clinic, ArchiveRole.Recovery, AuditActions.RequestRefused, Look: true);
    private static readonly EndpointPolicy _approve = new(Roles.Admin, Reach.Clinic, ArchiveRole.Recovery, AuditActions.RestoreApproved, Mfa: true);
    private static readonly EndpointPolicy _fetch = _approve with { Action = AuditActions.RestoreResultRead };
    private static readonly EndpointPolicy _tell = _approve with { Action = AuditActions.RestoreReported, Mfa = false };

    public static void Map(PortalTable table)
    {
        table.Page("/clinics/{clinic}/restores", ListAsync, _read);
        table.Page("/clinics/{clinic}/restores/{restore}", ShowAsync, _read);
        table.Form("/clinics/{clinic}/restores/{restore}/approve", ApproveAsync, _approve);
        table.Form("/clinics/{clinic}/restores/{restore}/result", ResultAsync, _fetch);
        table.Form("/clinics/{clinic}/restores/{restore}/report", ReportAsync, _tell);
    }

    private static async Task<PortalPage> ListAsync(ClinicId clinic, string? before, ClinicDirectory clinics, RestoreDesk desk, TimeProvider clock, CancellationToken cancellationToken)
    {
        await clinics.GetAsync(clinic, cancellationToken);
        DateTimeOffset now = clock.GetUtcNow();
        IReadOnlyList<Restore> page = await desk.NewestAsync(clinic, Paging.After<WorkId>(before, "before"), RestoresAPage, cancellationToken);
        return PortalPage.Of<RestoresPage, RestoresModel>("Restores", new RestoresModel(
            [.. page.Select(restore => restore.ToResponse(now))], before is not null, page.Count == RestoresAPage ? page[^1].Id.ToString() : null));
    }

    private static async Task<PortalPage> ShowAsync(ClinicId clinic, WorkId restore, RestoreDesk desk, TimeProvider clock, CancellationToken cancellationToken)
    {
        Restore found = await desk.GetAsync(clinic, restore, cancellationToken);
        return PortalPage.Of<RestorePage, RestoreModel>("Restore", new RestoreModel(found.ToResponse(clock.GetUtcNow()), found.PublicKey.Kid ?? ""), fetchesPacks: true);
    }

    /// <summary>A page of what the restore brings, for the page's script.</summary>
    private static async Task<IResult> ResultAsync(ClinicId clinic, WorkId restore, RestoreResults results, HttpContext context, CancellationToken cancellationToken)
    {
        IResult page = await RestoreEndpoints.ResultAsync(clinic, restore, context.Field("after"), results, context, cancellationToken);
        PortalHeaders.Protect(context);
        return page;
    }

    /// <summary>What the browser got.</summary>
    private static async Task<IResult> ReportAsync(
        ClinicId clinic, WorkId restore, RestoreDesk desk, ReportedDamage damage, TimeProvider clock, HttpContext context, CancellationToken cancellationToken)
    {
        PackId[] damaged = [.. (context.Field("damaged") ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries)
            .Select(text => PackId.TryParse(text, null, out PackId id) ? id : throw new RefusedException(Refusal.RequestInvalid, "damaged: ids of packs."))];
        RestoreReport report = new(Count<int>("restored"), Count<int>("skipped"), Count<int>("failed"), Count<long>("bytes"), context.Field("partial") == "true", damaged);
        IResult told = await RestoreEndpoints.ReportAsync(clinic, restore, report, desk, damage, clock, context, cancellationToken);
        PortalHeaders.Protect(context);
        return told;

        T Count<T>(string name)
            where T : struct, IBinaryInteger<T> =>
            T.TryParse(context.Field(name), NumberStyles.None, CultureInfo.InvariantCulture, out T count) ? count : throw new RefusedException(Refusal.RequestInvalid, $"{name}: a number.");
    }

    private static async Task<IResult> ApproveAsync(ClinicId clinic, WorkId restore, RestoreDesk desk, HttpContext context, CancellationToken cancellationToken)
    {
        await desk.ApproveAsync(clinic, restore, context.Requester(), cancellationToken);
        return PortalPage.SeeOther($"{PortalTable.Root}/clinics/{clinic}/restores/{restore}");
    }
}

/// <summary>A restore, as its page shows it.</summary>
/// <param name="Restore">The restore.</param>
/// <param name="KeyId">The RFC 7638 thumbprint of its public key, by which a browser finds the private one.</param>
public sealed record RestoreModel(RestoreResponse Restore, string KeyId);

/// <summary>A list of restores.</summary>
/// <param name="Restores">The page, the newest first.</param>
/// <param name="Later">Whether newer ones come before.</param>
/// <param name="Older">Where the next page begins.</param>
public sealed record RestoresModel(IReadOnlyList<RestoreResponse> Restores, bool Later, string? Older);
