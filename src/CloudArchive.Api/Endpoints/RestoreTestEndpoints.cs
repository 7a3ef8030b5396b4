using CloudArchive.Api.Identity;
using CloudArchive.Core;
using CloudArchive.Core.Audit;
using CloudArchive.Core.RestoreTests;
using CloudArchive.Format;
using CloudArchive.Format.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;

namespace CloudArchive.Api.Endpoints;

/// <summary>Restore tests on demand, and how all of them went.</summary>
internal static class RestoreTestEndpoints
{
    private static readonly EndpointPolicy _start = new(Roles.Admin, Reach.Clinic, ArchiveRole.Recovery, AuditActions.RestoreTestStarted);
    private static readonly EndpointPolicy _read = new(Roles.Admin | Roles.Compliance, Reach.Clinic, ArchiveRole.Recovery, AuditActions.RequestRefused);

    public static void Map(EndpointTable table)
    {
        table.Post("/v1/clinics/{clinic}/restore-tests", StartAsync, _start)?.WithSummary("Draws a sample that nobody could choose, and starts to restore it.");
        table.Get("/v1/clinics/{clinic}/restore-tests", ListAsync, _read)?.WithSummary("Runs, oldest first, without their packs.");
        table.Get("/v1/clinics/{clinic}/restore-tests/{run}", GetAsync, _read)?.WithSummary("A run with its packs.");
    }

    private static async Task<Accepted<RestoreTestResponse>> StartAsync(
        ClinicId clinic, RestoreTestRequest body, RestoreTestDesk desk, RestoreTestWorker worker, HttpContext context, CancellationToken cancellationToken)
    {
        RestoreTestResponse run = await desk.StartAsync(clinic, body.Packs, context.Requester(), cancellationToken);
        worker.Wake(clinic);
        string url = $"/v1/clinics/{clinic}/restore-tests/{run.Id}";
        context.Response.Headers["Operation-Location"] = url;
        return TypedResults.Accepted(url, run);
    }

    private static async Task<Ok<Page<RestoreTestResponse>>> ListAsync(ClinicId clinic, string? after, int? take, RestoreTestDesk desk, CancellationToken cancellationToken)
    {
        int most = Paging.Take(take);
        IReadOnlyList<RestoreTestResponse> page = await desk.ListAsync(clinic, Paging.After<WorkId>(after), most, cancellationToken);
        return TypedResults.Ok(new Page<RestoreTestResponse>(page, page.Count == most ? page[^1].Id : null));
    }

    private static async Task<Ok<RestoreTestResponse>> GetAsync(ClinicId clinic, WorkId run, RestoreTestDesk desk, CancellationToken cancellationToken) =>
        TypedResults.Ok(await desk.GetAsync(clinic, run, cancellationToken));
}
