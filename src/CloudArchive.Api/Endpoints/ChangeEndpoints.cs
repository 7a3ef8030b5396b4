using CloudArchive.Api.Identity;
using CloudArchive.Core;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Losses;
using CloudArchive.Format;
using CloudArchive.Format.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;

namespace CloudArchive.Api.Endpoints;

/// <summary>What became of a clinic's packs, for its agents.</summary>
internal static class ChangeEndpoints
{
    private static readonly EndpointPolicy _read = new(Roles.Agent, Reach.Clinic, ArchiveRole.Both, AuditActions.RequestRefused);

    public static void Map(EndpointTable table) =>
        table.Get("/v1/clinics/{clinic}/changes", ChangesAsync, _read)?.WithSummary("Packs that were archived, and packs that no longer count, in the order of the audit log.");

    private static async Task<Ok<ChangesResponse>> ChangesAsync(ClinicId clinic, long? after, int? take, ChangeFeed feed, CancellationToken cancellationToken) =>
        after is null or >= -1
            ? TypedResults.Ok(await feed.ReadAsync(clinic, after ?? -1, Paging.Take(take), cancellationToken))
            : throw new RefusedException(Refusal.RequestInvalid, "after: pass the next of the answer before, as it came.");
}
