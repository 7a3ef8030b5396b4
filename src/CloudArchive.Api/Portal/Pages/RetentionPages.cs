using System.Globalization;
using CloudArchive.Api.Identity;
using CloudArchive.Core;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Retention;
using CloudArchive.Format;
using CloudArchive.Format.Retention;
using CloudArchive.Format.Wire;
using Microsoft.AspNetCore.Http;

namespace CloudArchive.Api.Portal.Pages;

/// <summary>How long studies are kept, what keeps them longer, and what is to be destroyed.</summary>
internal static class RetentionPages
{
    private const int Most = 100;
    private static readonly TimeSpan _recent = TimeSpan.FromDays(366);
    private static readonly EndpointPolicy _read = new(Roles.Admin | Roles.Compliance, Reach.Clinic, ArchiveRole.Recovery, AuditActions.RequestRefused, Look: true);
    private static readonly EndpointPolicy _admin = new(Roles.Admin, Reach.Clinic, ArchiveRole.Recovery, AuditActions.RequestRefused, Mfa: true);

    public static void Map(PortalTable table)
    {
        table.Page("/clinics/{clinic}/retention", ShowAsync, _read);
        table.Form("/clinics/{clinic}/retention", ChangeAsync, _admin with { Action = AuditActions.RetentionPolicyChanged });
        table.Form("/clinics/{clinic}/holds", SetHoldAsync, _admin with { Action = AuditActions.HoldSet });
        table.Form("/clinics/{clinic}/holds/{hold}/clear", ClearHoldAsync, _admin with { Action = AuditActions.HoldClearRequested });
        table.Form("/clinics/{clinic}/holds/{hold}/approve", ApproveHoldAsync, _admin with { Action = AuditActions.HoldCleared });
        table.Form("/clinics/{clinic}/destructions/{destruction}/approve", ApproveAsync, _admin with { Action = AuditActions.DestructionApproved });
        table.Form("/clinics/{clinic}/destructions/{destruction}/reject", RejectAsync, _admin with { Action = AuditActions.DestructionRejected });
    }

    private static async Task<PortalPage> ShowAsync(ClinicId clinic, ClinicDirectory clinics, Holds holds, DestructionDesk desk, TimeProvider clock, CancellationToken cancellationToken)
    {
        RetentionPolicy policy = (await clinics.GetAsync(clinic, cancellationToken)).Retention;
        IReadOnlyList<Hold> active = await holds.ActiveAsync(clinic, cancellationToken);
        IReadOnlyList<DestructionOrder> open = await desk.OpenAsync(clinic, Most, cancellationToken);
        IReadOnlyList<DestructionOrder> recent = await desk.ListAsync(clinic, WorkId.Before(clock.GetUtcNow() - _recent), 1000, cancellationToken);
        return PortalPage.Of<RetentionPage, RetentionModel>("Retention and holds", new RetentionModel(
            policy,
            [.. active.Select(hold => hold.ToResponse())],
            [.. open.Select(order => order.ToResponse())],
            [.. recent.Where(order => !order.IsOpen).Reverse().Take(Most).Select(order => order.ToResponse())]));
    }

    private static async Task<IResult> ChangeAsync(ClinicId clinic, RetentionPolicies policies, HttpContext context, CancellationToken cancellationToken)
    {
        int? age = context.Field("age") is null ? null : Number(context, "age");
        RetentionPolicy wanted = new(
            0,
            Number(context, "years"),
            Number(context, "minimum"),
            context.Field("from") == "last-treatment" ? RetentionBasis.LastTreatment : RetentionBasis.StudyDate,
            age,
            age is null ? 0 : Number(context, "more"),
            context.Field("tier") is null ? null : Number(context, "tier"));
        await policies.ChangeAsync(clinic, wanted, context.Requester(), cancellationToken);
        return Back(clinic);
    }

    private static async Task<IResult> SetHoldAsync(ClinicId clinic, IdentifierLookup lookup, Holds holds, HttpContext context, CancellationToken cancellationToken)
    {
        Uid? study = context.Field("study") is not { } text ? null
            : Uid.TryParse(text, null, out Uid uid) ? uid
            : throw new RefusedException(Refusal.RequestInvalid, "Study: a Study Instance UID is digits and dots.");
        (IdentifierHmacs? patient, _) = await lookup.HmacAsync(clinic, context.Field("patientId"), null, cancellationToken);
        await holds.SetAsync(clinic, study, patient?.All, context.Field("reason") ?? "", context.Requester(), cancellationToken);
        return Back(clinic);
    }

    private static async Task<IResult> ClearHoldAsync(ClinicId clinic, WorkId hold, Holds holds, HttpContext context, CancellationToken cancellationToken)
    {
        await holds.ClearAsync(clinic, hold, context.Requester(), cancellationToken);
        return Back(clinic);
    }

    private static async Task<IResult> ApproveHoldAsync(ClinicId clinic, WorkId hold, Holds holds, HttpContext context, CancellationToken cancellationToken)
    {
        await holds.ApproveClearAsync(clinic, hold, context.Requester(), cancellationToken);
        return Back(clinic);
    }

    private static async Task<IResult> ApproveAsync(ClinicId clinic, WorkId destruction, DestructionDesk desk, HttpContext context, CancellationToken cancellationToken)
    {
        await desk.ApproveAsync(clinic, destruction, context.Requester(), cancellationToken);
        return Back(clinic);
    }

    private static async Task<IResult> RejectAsync(ClinicId clinic, WorkId destruction, DestructionDesk desk, HttpContext context, CancellationToken cancellationToken)
    {
        await desk.RejectAsync(clinic, destruction, context.Requester(), cancellationToken);
        return Back(clinic);
    }

    private static IResult Back(ClinicId clinic) => PortalPage.SeeOther(PortalView.ClinicPath(clinic, "retention"));

    private static int Number(HttpContext context, string name) =>
        int.TryParse(context.Field(name), NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : throw new RefusedException(Refusal.RequestInvalid, $"{name}: a number.");
}

/// <summary>A clinic's retention.</summary>
/// <param name="Policy">The policy that stands.</param>
/// <param name="Holds">Those that are on.</param>
/// <param name="Open">Destructions to be decided or done.</param>
/// <param name="Over">Those of the last year that are over, the newest first.</param>
public sealed record RetentionModel(RetentionPolicy Policy, IReadOnlyList<HoldResponse> Holds, IReadOnlyList<DestructionResponse> Open, IReadOnlyList<DestructionResponse> Over);
