using CloudArchive.Api.Endpoints;
using CloudArchive.Api.Identity;
using CloudArchive.Core;
using CloudArchive.Core.Access;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Clinics;
using CloudArchive.Format;
using CloudArchive.Format.Access;
using CloudArchive.Format.Audit;
using Microsoft.AspNetCore.Http;

namespace CloudArchive.Api.Portal.Pages;

/// <summary>Who can act, in a clinic or anywhere: the list, its attestation, and the end of a person's access.</summary>
internal static class AccessPages
{
    private const int MostReviews = 1000;

    /// <summary>Access is gone through every quarter (docs/operations.md): two years are the last eight times.</summary>
    private static readonly TimeSpan _recent = TimeSpan.FromDays(731);

    private static readonly EndpointPolicy _read = new(Roles.Admin | Roles.Compliance, Reach.AllClinics, ArchiveRole.Recovery, AuditActions.RequestRefused);
    private static readonly EndpointPolicy _attest = new(Roles.Admin, Reach.AllClinics, ArchiveRole.Recovery, AuditActions.AccessReviewed, Mfa: true);

    public static void Map(PortalTable table)
    {
        // The same twice: for the archive, and for a clinic.
        Map(table, "/access", _read, _attest);
        Map(table, "/clinics/{clinic}/access", _read with { Reach = Reach.Clinic }, _attest with { Reach = Reach.Clinic });

        // A person may reach more clinics than the admin of one does. Whom it is about stands in the form: an id can be an address of theirs.
        table.Form("/access/block", BlockAsync, _attest with { Action = AuditActions.SubjectBlocked });
        table.Form("/access/unblock", UnblockAsync, _attest with { Action = AuditActions.SubjectUnblocked });
    }

    private static void Map(PortalTable table, string path, EndpointPolicy read, EndpointPolicy attest)
    {
        table.Page(path, ListAsync, read);
        table.Form(path + "/reviews", AttestAsync, attest);
        table.Page(path + "/reviews/{review}/{file}", FileAsync, read);
    }

    private static async Task<PortalPage> ListAsync(AccessReviews reviews, TimeProvider clock, HttpContext context, CancellationToken cancellationToken)
    {
        ClinicId? clinic = Clinic(context);
        IReadOnlyList<AccessPrincipal> principals = await reviews.ListAsync(clinic, cancellationToken);
        IReadOnlyList<string> ids = await reviews.ListReviewsAsync(clinic, WorkId.Before(clock.GetUtcNow() - _recent), MostReviews, cancellationToken);
        return PortalPage.Of<AccessPage, AccessModel>("Access", new AccessModel(
            Path(clinic), principals, AccessReviewDocument.FingerprintOf(principals), [.. ids.Reverse().Select(id => WorkId.Parse(id))]));
    }

    private static async Task<IResult> AttestAsync(AccessReviews reviews, HttpContext context, CancellationToken cancellationToken)
    {
        Sha256Digest seen = Sha256Digest.TryParse(context.Field("fingerprint"), null, out Sha256Digest digest)
            ? digest : throw new RefusedException(Refusal.RequestInvalid, "Open the list again, go through it, then attest it.");
        ClinicId? clinic = Clinic(context);
        await reviews.AttestAsync(clinic, seen, context.Requester(), cancellationToken);
        return PortalPage.SeeOther(Path(clinic) + "#reviews");
    }

    private static async Task<IResult> FileAsync(WorkId review, string file, AccessReviews reviews, HttpContext context, CancellationToken cancellationToken)
    {
        StoredReview stored = await reviews.GetAsync(Clinic(context), review, cancellationToken);
        PortalHeaders.Protect(context);
        string name = $"{Clinic(context)?.Value ?? "archive"}-access-{review}-{file}";
        return file switch
        {
            AccessReviewDocument.File => TypedResults.File(stored.Document, "application/json", name),
            AccessReviewDocument.SignatureFile => TypedResults.File(System.Text.Encoding.ASCII.GetBytes(stored.Signature), "application/jose", name),
            _ => throw new RefusedException(Refusal.AccessReviewUnknown, $"An access review has the files {AccessReviewDocument.File} and {AccessReviewDocument.SignatureFile}."),
        };
    }

    private static async Task<IResult> BlockAsync(StaffRegister staff, CloudArchiveOptions options, HttpContext context, CancellationToken cancellationToken)
    {
        await staff.BlockAsync(Subject(context), options.Staff?.Tenant, context.Requester(), cancellationToken);
        return Back(context);
    }

    private static async Task<IResult> UnblockAsync(StaffRegister staff, CloudArchiveOptions options, HttpContext context, CancellationToken cancellationToken)
    {
        await staff.UnblockAsync(Subject(context), options.Staff?.Tenant, context.Requester(), cancellationToken);
        return Back(context);
    }

    private static string Subject(HttpContext context) =>
        context.Field("subject") ?? throw new RefusedException(Refusal.RequestInvalid, "subject: say whose access: the id in their tokens, as the list has it.");

    /// <summary>To the list that the form was on.</summary>
    private static IResult Back(HttpContext context) =>
        PortalPage.SeeOther(Path(ClinicId.TryParse(context.Field("from"), null, out ClinicId clinic) ? clinic : null) + "#ended");

    private static ClinicId? Clinic(HttpContext context) => context.Request.RouteValues["clinic"] is string clinic ? ClinicId.Parse(clinic) : null;

    private static string Path(ClinicId? clinic) => clinic is { } id ? PortalView.ClinicPath(id, "access") : PortalTable.Root + "/access";
}

/// <summary>Everyone and every computer that can act, or could.</summary>
/// <param name="Path">The page's own.</param>
/// <param name="Principals">People first, each by id.</param>
/// <param name="Fingerprint">Of the list, for its attestation.</param>
/// <param name="Reviews">The attestations of the last two years, the latest first.</param>
public sealed record AccessModel(string Path, IReadOnlyList<AccessPrincipal> Principals, Sha256Digest Fingerprint, IReadOnlyList<WorkId> Reviews);
