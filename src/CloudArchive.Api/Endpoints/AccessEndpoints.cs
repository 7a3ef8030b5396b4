using CloudArchive.Api.Identity;
using CloudArchive.Core;
using CloudArchive.Core.Access;
using CloudArchive.Core.Audit;
using CloudArchive.Format;
using CloudArchive.Format.Access;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Wire;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;

namespace CloudArchive.Api.Endpoints;

/// <summary>Who can act: the list, its attestation, and the end of a person's access.</summary>
internal static class AccessEndpoints
{
    private static readonly EndpointPolicy _read = new(Roles.Admin | Roles.Compliance, Reach.AllClinics, ArchiveRole.Recovery, AuditActions.RequestRefused);
    private static readonly EndpointPolicy _attest = new(Roles.Admin, Reach.AllClinics, ArchiveRole.Recovery, AuditActions.AccessReviewed, Mfa: true);

    public static void Map(EndpointTable table)
    {
        // The same twice: for all clinics, and for one.
        Map(table, "/v1/access", _read, _attest);
        Map(table, "/v1/clinics/{clinic}/access", _read with { Reach = Reach.Clinic }, _attest with { Reach = Reach.Clinic });

        // A person may reach more clinics than the admin of one does.
        table.Post("/v1/access/block", BlockAsync, _attest with { Action = AuditActions.SubjectBlocked })?.WithSummary("Ends a person's access at once, whatever tokens they hold.");
        table.Post("/v1/access/unblock", UnblockAsync, _attest with { Action = AuditActions.SubjectUnblocked })?.WithSummary("Lets a person in again.");
    }

    private static void Map(EndpointTable table, string path, EndpointPolicy read, EndpointPolicy attest)
    {
        table.Get(path, ListAsync, read)?.WithSummary("Everyone and every agent that can act, or could.");
        table.Post(path + "/reviews", AttestAsync, attest)?.WithSummary("An admin's attestation that the list is right: signed, and kept for years.");
        table.Get(path + "/reviews", ReviewsAsync, read)?.WithSummary("The ids of attested lists, the oldest first.");
        table.Get(path + "/reviews/{review}", ReviewAsync, read)?.WithSummary("An attested list, with its signature.");
    }

    private static async Task<Ok<AccessListResponse>> ListAsync(AccessReviews reviews, TimeProvider clock, HttpContext context, CancellationToken cancellationToken)
    {
        ClinicId? clinic = Clinic(context);
        IReadOnlyList<AccessPrincipal> principals = await reviews.ListAsync(clinic, cancellationToken);
        return TypedResults.Ok(new AccessListResponse(clinic?.Value ?? AuditEntry.SystemLog, clock.GetUtcNow(), AccessReviewDocument.FingerprintOf(principals), principals));
    }

    private static async Task<Created<AccessReviewResponse>> AttestAsync(AttestAccessRequest body, AccessReviews reviews, HttpContext context, CancellationToken cancellationToken)
    {
        StoredReview review = await reviews.AttestAsync(Clinic(context), body.Fingerprint, context.Requester(), cancellationToken);
        return TypedResults.Created($"{context.Request.Path}/{review.Id}", Response(review));
    }

    private static async Task<Ok<Page<string>>> ReviewsAsync(string? after, int? take, AccessReviews reviews, HttpContext context, CancellationToken cancellationToken)
    {
        int most = Paging.Take(take);
        IReadOnlyList<string> page = await reviews.ListReviewsAsync(Clinic(context), Paging.After<WorkId>(after), most, cancellationToken);
        return TypedResults.Ok(new Page<string>(page, page.Count == most ? page[^1] : null));
    }

    private static async Task<Ok<AccessReviewResponse>> ReviewAsync(WorkId review, AccessReviews reviews, HttpContext context, CancellationToken cancellationToken) =>
        TypedResults.Ok(Response(await reviews.GetAsync(Clinic(context), review, cancellationToken)));

    private static async Task<Ok<StaffAccessResponse>> BlockAsync(StaffSubjectRequest body, StaffRegister staff, CloudArchiveOptions options, HttpContext context, CancellationToken cancellationToken) =>
        TypedResults.Ok(new StaffAccessResponse(AccessReviews.Principal(await staff.BlockAsync(body.Subject, options.Staff?.Tenant, context.Requester(), cancellationToken))));

    private static async Task<Ok<StaffAccessResponse>> UnblockAsync(StaffSubjectRequest body, StaffRegister staff, CloudArchiveOptions options, HttpContext context, CancellationToken cancellationToken) =>
        TypedResults.Ok(new StaffAccessResponse(AccessReviews.Principal(await staff.UnblockAsync(body.Subject, options.Staff?.Tenant, context.Requester(), cancellationToken))));

    private static ClinicId? Clinic(HttpContext context) => context.Request.RouteValues["clinic"] is string clinic ? ClinicId.Parse(clinic) : null;

    private static AccessReviewResponse Response(StoredReview review) => new(review.Id, review.Document, review.Signature);
}
