using CloudArchive.Api.Endpoints;
using CloudArchive.Api.Identity;
using CloudArchive.Core;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.RestoreTests;
using CloudArchive.Core.Work;
using CloudArchive.Format;
using CloudArchive.Format.Evidence;
using CloudArchive.Format.Wire;
using Microsoft.AspNetCore.Http;

namespace CloudArchive.Api.Portal.Pages;

/// <summary>The proof that the archive can be brought back: history, one run in full, evidence to take away.</summary>
internal static class RestoreTestPages
{
    private const int RunsAPage = 100;
    private static readonly EndpointPolicy _read = new(Roles.Admin | Roles.Compliance, Reach.Clinic, ArchiveRole.Recovery, AuditActions.RequestRefused, Look: true);
    private static readonly EndpointPolicy _start = new(Roles.Admin, Reach.Clinic, ArchiveRole.Recovery, AuditActions.RestoreTestStarted);

    public static void Map(PortalTable table)
    {
        table.Page("/clinics/{clinic}/restore-tests", ListAsync, _read);
        table.Form("/clinics/{clinic}/restore-tests", StartAsync, _start);
        table.Page("/clinics/{clinic}/restore-tests/{run}", ShowAsync, _read);
        table.Page("/clinics/{clinic}/restore-tests/{run}/{file}", FileAsync, _read);
    }

    private static async Task<PortalPage> ListAsync(ClinicId clinic, string? before, ClinicDirectory clinics, RestoreTestDesk desk, RestoreTestBudgets budgets, CancellationToken cancellationToken)
    {
        await clinics.GetAsync(clinic, cancellationToken);
        IReadOnlyList<RestoreTestResponse> runs = await desk.NewestAsync(clinic, Paging.After<WorkId>(before, "before"), RunsAPage, cancellationToken);
        return PortalPage.Of<RestoreTestsPage, RestoreTestsModel>("Restore tests", new RestoreTestsModel(
            runs, before is not null, runs.Count == RunsAPage ? runs[^1].Id : null, (await budgets.GetAsync(clinic, cancellationToken)).Packs));
    }

    private static async Task<IResult> StartAsync(
        ClinicId clinic, RestoreTestDesk desk, RestoreTestBudgets budgets, JobTimer jobs, HttpContext context, CancellationToken cancellationToken)
    {
        ClinicBudget usual = await budgets.GetAsync(clinic, cancellationToken);
        int? packs = context.Field("packs") is not { } text ? usual.Packs : int.TryParse(text, out int number) ? number : throw new RefusedException(Refusal.RequestInvalid, "packs: a number.");
        Requester by = context.Requester();
        RestoreTestResponse run = await desk.StartAsync(clinic, usual with { Packs = packs }, new RunTrigger(RunTriggerKind.OnDemand, RequestedBy: by.Actor.Id), by, cancellationToken);
        await jobs.StartAsync(Jobs.RestoreTest, clinic, cancellationToken);
        return PortalPage.SeeOther($"{PortalTable.Root}/clinics/{clinic}/restore-tests/{run.Id}");
    }

    private static async Task<PortalPage> ShowAsync(ClinicId clinic, WorkId run, RestoreTestDesk desk, CancellationToken cancellationToken) =>
        PortalPage.Of<RestoreTestPage, RestoreTestResponse>("Restore test", await desk.GetAsync(clinic, run, cancellationToken));

    private static async Task<IResult> FileAsync(ClinicId clinic, WorkId run, string file, EvidenceStore evidence, HttpContext context, CancellationToken cancellationToken)
    {
        IResult answer = await RestoreTestEndpoints.FileAsync(clinic, run.ToString(), file, evidence, context, cancellationToken);
        context.Response.Headers.Remove("Content-Location");
        PortalHeaders.Protect(context);
        return answer;
    }
}

/// <summary>Runs.</summary>
/// <param name="Runs">The newest first.</param>
/// <param name="Later">Whether newer ones come before.</param>
/// <param name="Older">Where the next page begins.</param>
/// <param name="UsualPacks">How many packs a run takes where nobody says otherwise; null: as many as its schedule wants.</param>
public sealed record RestoreTestsModel(IReadOnlyList<RestoreTestResponse> Runs, bool Later, string? Older, int? UsualPacks);
