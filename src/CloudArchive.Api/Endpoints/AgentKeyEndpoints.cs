using CloudArchive.Api.Identity;
using CloudArchive.Core;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Keys;
using CloudArchive.Format;
using CloudArchive.Format.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;

namespace CloudArchive.Api.Endpoints;

/// <summary>How an agent changes its own key, and learns of the archive's new ones.</summary>
internal static class AgentKeyEndpoints
{
    private static readonly EndpointPolicy _renew = new(Roles.Agent, Reach.Clinic, ArchiveRole.Ingest, AuditActions.AgentKeyRenewed, Rate: Rate.Keys);
    private static readonly EndpointPolicy _keys = new(Roles.Agent, Reach.Clinic, ArchiveRole.Ingest, AuditActions.RequestRefused, Rate: Rate.Keys);

    public static void Map(EndpointTable table)
    {
        table.Post("/v1/clinics/{clinic}/agents/{agent}/key", RenewAsync, _renew)?.WithSummary("Another key for the calling agent, proven by the old and the new one.");
        table.Get("/v1/clinics/{clinic}/keys", KeysAsync, _keys)?.WithSummary("The archive's and the clinic's keys, stated by every key that agents may have pinned.");
    }

    private static async Task<Ok<AgentResponse>> RenewAsync(
        ClinicId clinic, AgentId agent, RenewAgentKeyRequest body, Agents agents, CloudArchiveOptions options, HttpContext context, CancellationToken cancellationToken)
    {
        if (agent != context.Agent())
        {
            throw new DeniedException(Problems.Forbidden("An agent renews its own key only."));
        }

        Agent renewed = await agents.RenewKeyAsync(agent, body.NewKey, body.ProofByOld, body.ProofByNew, options.TokenEndpoint, context.Requester(), cancellationToken);
        return TypedResults.Ok(ClinicEndpoints.Response(renewed));
    }

    private static async Task<Ok<KeyStatementsResponse>> KeysAsync(ClinicId clinic, KeyAnnouncement announcement, CancellationToken cancellationToken) =>
        TypedResults.Ok(new KeyStatementsResponse(await announcement.StateAsync(clinic, cancellationToken)));
}
