using CloudArchive.Api.Identity;
using CloudArchive.Core;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Disclosures;
using CloudArchive.Format;
using CloudArchive.Format.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;

namespace CloudArchive.Api.Endpoints;

/// <summary>The accounting of disclosures.</summary>
internal static class DisclosureEndpoints
{
    private static readonly EndpointPolicy _search = new(Roles.Admin, Reach.Clinic, ArchiveRole.Recovery, AuditActions.DisclosuresQueried, Mfa: true);

    public static void Map(EndpointTable table) =>
        table.Post("/v1/clinics/{clinic}/disclosures/search", SearchAsync, _search)?.WithSummary("What of a patient's was handed out, when, to whom and why, six years back.");

    private static async Task<Ok<DisclosuresResponse>> SearchAsync(ClinicId clinic, DisclosureSearchRequest body, DisclosureLog disclosures, HttpContext context, CancellationToken cancellationToken)
    {
        context.Response.Headers.CacheControl = "no-store";
        return TypedResults.Ok(await disclosures.FindAsync(clinic, body.PatientId, context.Requester(), cancellationToken));
    }
}
