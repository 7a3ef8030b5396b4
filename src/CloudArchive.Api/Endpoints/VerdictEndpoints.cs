using CloudArchive.Api.Identity;
using CloudArchive.Core;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Verdicts;
using CloudArchive.Format;
using CloudArchive.Format.Verdicts;
using CloudArchive.Format.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;

namespace CloudArchive.Api.Endpoints;

/// <summary>What computers say of their files, and what that makes of their clinic.</summary>
internal static class VerdictEndpoints
{
    private static readonly EndpointPolicy _report = new(Roles.Agent, Reach.Clinic, ArchiveRole.Ingest, AuditActions.VerdictChanged, MostBytes: VerdictReports.MostBytes, Rate: Rate.Verdict);
    private static readonly EndpointPolicy _read = new(Roles.Admin | Roles.Compliance, Reach.Clinic, ArchiveRole.Recovery, AuditActions.RequestRefused);

    public static void Map(EndpointTable table)
    {
        table.Post("/v1/clinics/{clinic}/agents/{agent}/verdict", ReportAsync, _report)?.WithSummary("What the calling agent says of its files: counts and causes, no paths and no names.");
        table.Get("/v1/clinics/{clinic}/agents/{agent}/verdicts", DaysAsync, _read)?.WithSummary("What a computer reported, day by day.");
        table.Get("/v1/clinics/{clinic}/verdict", GetAsync, _read)?.WithSummary("Whether the clinic is safe, and why not.");
    }

    private static async Task<NoContent> ReportAsync(ClinicId clinic, AgentId agent, AgentVerdict body, VerdictDesk desk, HttpContext context, CancellationToken cancellationToken)
    {
        if (agent != context.Agent())
        {
            throw new DeniedException(Problems.Forbidden("An agent reports its own verdict only."));
        }

        await desk.TakeAsync(agent, body, context.Requester(), cancellationToken);
        return TypedResults.NoContent();
    }

    private static async Task<Ok<Page<VerdictDayResponse>>> DaysAsync(ClinicId clinic, AgentId agent, Agents agents, VerdictReports reports, CancellationToken cancellationToken) =>
        agent.Clinic == clinic && await agents.FindAsync(agent, cancellationToken) is not null
            ? TypedResults.Ok(new Page<VerdictDayResponse>(await reports.DaysAsync(agent, cancellationToken)))
            : throw new RefusedException(Refusal.AgentUnknown, $"Clinic {clinic} has no such agent. GET /v1/clinics/{clinic}/agents lists those there are.");

    private static async Task<Ok<ClinicVerdictResponse>> GetAsync(ClinicId clinic, ClinicDirectory clinics, ClinicCheck check, TimeProvider clock, CancellationToken cancellationToken)
    {
        CheckedClinic found = await check.RunAsync(await clinics.GetAsync(clinic, cancellationToken), cancellationToken);
        return TypedResults.Ok(found.ToResponse(clock.GetUtcNow()));
    }
}
