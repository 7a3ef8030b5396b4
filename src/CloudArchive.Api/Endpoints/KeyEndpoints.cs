using CloudArchive.Api.Identity;
using CloudArchive.Core;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Keys;
using CloudArchive.Format;
using CloudArchive.Format.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;

namespace CloudArchive.Api.Endpoints;

/// <summary>The clinics' keys.</summary>
internal static class KeyEndpoints
{
    private const int PacksPerRewrap = 50;

    private static readonly EndpointPolicy _rewrap = new(Roles.Admin, Reach.Clinic, ArchiveRole.Recovery, AuditActions.ContentKeyRewrapped, Mfa: true);

    public static void Map(EndpointTable table) =>
        table.Post("/v1/clinics/{clinic}/keys/rewrap", RewrapAsync, _rewrap)?.WithSummary("Wraps content keys to the current version of the clinic's key. Call again with next until there is none.");

    private static async Task<Ok<RewrapResponse>> RewrapAsync(ClinicId clinic, string? after, KeyRewrap rewrap, HttpContext context, CancellationToken cancellationToken) =>
        TypedResults.Ok(await rewrap.RunAsync(clinic, Paging.After<PackId>(after), PacksPerRewrap, context.Requester(), cancellationToken));
}
