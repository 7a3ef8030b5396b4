using CloudArchive.Api.Identity;
using CloudArchive.Core;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Catalog;
using CloudArchive.Core.Packs;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;

namespace CloudArchive.Api.Endpoints;

/// <summary>Packs, from opening to receipt.</summary>
internal static class PackEndpoints
{
    /// <summary>The most that 10,000 instances make as JSON, with room.</summary>
    private const long MostCommitBytes = 8 * 1024 * 1024;

    private static readonly EndpointPolicy _open = new(Roles.Agent, Reach.Clinic, ArchiveRole.Ingest, AuditActions.PackOpened, Rate: Rate.Open);
    private static readonly EndpointPolicy _read = new(Roles.Agent | Roles.Admin | Roles.Compliance, Reach.Clinic, ArchiveRole.Both, AuditActions.RequestRefused, Look: true);

    public static void Map(EndpointTable table)
    {
        table.Post("/v1/clinics/{clinic}/packs", OpenAsync, _open)?.WithSummary("Opens a pack: where to upload it, what to seal it with.");
        table.Post("/v1/clinics/{clinic}/packs/{pack}/upload-url", RenewAsync, _open with { Action = AuditActions.UploadUrlGranted, Rate = Rate.UploadUrl })?.WithSummary("Another upload URL for a pack that is still open.");
        table.Post("/v1/clinics/{clinic}/packs/{pack}/commit", CommitAsync, _open with { Action = AuditActions.PackCommitted, MostBytes = MostCommitBytes, Rate = Rate.Commit })
            ?.WithSummary("Verifies and locks what was uploaded. Repeating it answers the same receipt.");
        table.Get("/v1/clinics/{clinic}/packs", ListAsync, _read)?.WithSummary("Committed packs, in the order in which they were opened.");
        table.Get("/v1/clinics/{clinic}/packs/{pack}", GetAsync, _read)?.WithSummary("A committed pack.");
        table.Get("/v1/clinics/{clinic}/receipts", ReceiptsAsync, _read)?.WithSummary("The receipts of committed packs, in the order in which these were opened.");
    }

    private static async Task<Created<OpenPackResponse>> OpenAsync(ClinicId clinic, OpenPackRequest body, PackIntake intake, HttpContext context, CancellationToken cancellationToken)
    {
        OpenedPack opened = await intake.OpenAsync(context.Agent(), body.Study, body.PlannedBytes, context.Requester(), cancellationToken);
        context.Response.Headers.CacheControl = "no-store";
        OpenPackResponse response = new(opened.Pack, opened.Upload.Url.AbsoluteUri, opened.Upload.ExpiresAt, opened.WrappingKey, opened.EscrowKey, opened.Retention);
        return TypedResults.Created($"/v1/clinics/{clinic}/packs/{opened.Pack}", response);
    }

    private static async Task<Ok<UploadUrlResponse>> RenewAsync(ClinicId clinic, PackId pack, PackIntake intake, HttpContext context, CancellationToken cancellationToken)
    {
        BlobGrant grant = await intake.RenewAsync(context.Agent(), pack, context.Requester(), cancellationToken);
        context.Response.Headers.CacheControl = "no-store";
        return TypedResults.Ok(new UploadUrlResponse(grant.Url.AbsoluteUri, grant.ExpiresAt));
    }

    private static async Task<Ok<ReceiptResponse>> CommitAsync(ClinicId clinic, PackId pack, CommitPackRequest body, PackCommit commit, HttpContext context, CancellationToken cancellationToken) =>
        TypedResults.Ok(new ReceiptResponse(pack, await commit.RunAsync(context.Agent(), pack, body.Sidecar, context.Requester(), cancellationToken)));

    private static async Task<Ok<Page<PackResponse>>> ListAsync(ClinicId clinic, string? after, int? take, CatalogReader catalog, CancellationToken cancellationToken)
    {
        (IReadOnlyList<CatalogPack> packs, PackId? next, _) = await catalog.ListPacksAsync(clinic, Paging.After<PackId>(after), Paging.Take(take), cancellationToken);
        return TypedResults.Ok(new Page<PackResponse>([.. packs.Select(Response)], next?.ToString()));
    }

    private static async Task<Ok<PackResponse>> GetAsync(ClinicId clinic, PackId pack, CatalogReader catalog, CancellationToken cancellationToken) =>
        await catalog.FindPackAsync(clinic, pack, cancellationToken) is { Receipt: not null } found
            ? TypedResults.Ok(Response(found))
            : throw new RefusedException(Refusal.PackUnknown, $"Clinic {clinic} has no committed pack {pack}.");

    private static async Task<Ok<Page<ReceiptResponse>>> ReceiptsAsync(ClinicId clinic, string? after, int? take, CatalogReader catalog, CancellationToken cancellationToken)
    {
        (IReadOnlyList<CatalogPack> packs, PackId? next, _) = await catalog.ListPacksAsync(clinic, Paging.After<PackId>(after), Paging.Take(take), cancellationToken);
        return TypedResults.Ok(new Page<ReceiptResponse>([.. packs.Select(pack => new ReceiptResponse(pack.Pack, pack.Receipt!))], next?.ToString()));
    }

    private static PackResponse Response(CatalogPack pack) => new(pack.Pack, pack.Study, pack.Length, pack.Sha256, pack.VersionId, pack.ImmutableUntil, pack.Instances, pack.CommittedAt, pack.Set);
}
