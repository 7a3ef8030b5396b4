using CloudArchive.Api.Identity;
using CloudArchive.Core;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Restores;
using CloudArchive.Format;
using CloudArchive.Format.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;

namespace CloudArchive.Api.Endpoints;

/// <summary>Bringing images back.</summary>
internal static class RestoreEndpoints
{
    private static readonly EndpointPolicy _request = new(Roles.Admin, Reach.Clinic, ArchiveRole.Recovery, AuditActions.RestoreRequested, Mfa: true, MostBytes: 256 * 1024);
    private static readonly EndpointPolicy _read = new(Roles.Admin | Roles.Compliance, Reach.Clinic, ArchiveRole.Recovery, AuditActions.RequestRefused, Look: true);

    public static void Map(EndpointTable table)
    {
        table.Post("/v1/clinics/{clinic}/restores", RequestAsync, _request)?.WithSummary("Asks for a restore. More than one study waits for a second admin, where the clinic wants that.");
        table.Get("/v1/clinics/{clinic}/restores", ListAsync, _read)?.WithSummary("Restores, oldest first: the accounting of disclosures.");
        table.Get("/v1/clinics/{clinic}/restores/{restore}", GetAsync, _read)?.WithSummary("A restore.");
        table.Post("/v1/clinics/{clinic}/restores/{restore}/approve", ApproveAsync, _request with { Action = AuditActions.RestoreApproved })?.WithSummary("A second admin's approval.");
        table.Get("/v1/clinics/{clinic}/restores/{restore}/result", ResultAsync, _request with { Action = AuditActions.RestoreResultRead })
            ?.WithSummary("URLs and content keys, only for who asked. The keys are wrapped to the request's public key.");
        table.Post("/v1/clinics/{clinic}/restores/{restore}/report", ReportAsync, _request with { Action = AuditActions.RestoreReported, Mfa = false })?.WithSummary("What the caller got. Ends the restore, unless it says that it is partial.");
    }

    private static async Task<Accepted<RestoreResponse>> RequestAsync(ClinicId clinic, RestoreRequest body, RestoreDesk desk, TimeProvider clock, HttpContext context, CancellationToken cancellationToken)
    {
        Restore restore = await desk.RequestAsync(clinic, body, context.Requester(), cancellationToken);
        string url = $"/v1/clinics/{clinic}/restores/{restore.Id}";
        context.Response.Headers["Operation-Location"] = url;
        return TypedResults.Accepted(url, restore.ToResponse(clock.GetUtcNow()));
    }

    private static async Task<Ok<Page<RestoreResponse>>> ListAsync(ClinicId clinic, string? after, int? take, RestoreDesk desk, TimeProvider clock, CancellationToken cancellationToken)
    {
        int most = Paging.Take(take);
        IReadOnlyList<Restore> page = await desk.ListAsync(clinic, Paging.After<WorkId>(after), most, cancellationToken);
        return TypedResults.Ok(new Page<RestoreResponse>([.. page.Select(restore => restore.ToResponse(clock.GetUtcNow()))], page.Count == most ? page[^1].Id.ToString() : null));
    }

    private static async Task<Ok<RestoreResponse>> GetAsync(ClinicId clinic, WorkId restore, RestoreDesk desk, TimeProvider clock, CancellationToken cancellationToken) =>
        TypedResults.Ok((await desk.GetAsync(clinic, restore, cancellationToken)).ToResponse(clock.GetUtcNow()));

    private static async Task<Ok<RestoreResponse>> ApproveAsync(ClinicId clinic, WorkId restore, RestoreDesk desk, TimeProvider clock, HttpContext context, CancellationToken cancellationToken) =>
        TypedResults.Ok((await desk.ApproveAsync(clinic, restore, context.Requester(), cancellationToken)).ToResponse(clock.GetUtcNow()));

    /// <summary>A page of what a restore brings: for the API, and for the portal's script.</summary>
    internal static async Task<Ok<RestorePage>> ResultAsync(ClinicId clinic, WorkId restore, string? after, RestoreResults results, HttpContext context, CancellationToken cancellationToken)
    {
        context.Response.Headers.CacheControl = "no-store";
        return TypedResults.Ok(await results.ReadAsync(clinic, restore, Paging.After<PackId>(after), context.Requester(), cancellationToken));
    }

    /// <summary>What the caller got.</summary>
    internal static async Task<Ok<RestoreResponse>> ReportAsync(
        ClinicId clinic, WorkId restore, RestoreReport body, RestoreDesk desk, ReportedDamage damage, TimeProvider clock, HttpContext context, CancellationToken cancellationToken)
    {
        await damage.CheckAsync(clinic, restore, body.Damaged, context.Requester(), cancellationToken);
        return TypedResults.Ok((await desk.ReportAsync(clinic, restore, body, context.Requester(), cancellationToken)).ToResponse(clock.GetUtcNow()));
    }
}
