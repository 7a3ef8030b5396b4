using System.Globalization;
using CloudArchive.Api.Endpoints;
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

    private static async Task<PortalPage> ShowAsync(ClinicId clinic, string? before, ClinicDirectory clinics, Holds holds, DestructionDesk desk, CancellationToken cancellationToken)
    {
        RetentionPolicy policy = (await clinics.GetAsync(clinic, cancellationToken)).Retention;
        IReadOnlyList<Hold> active = await holds.ActiveAsync(clinic, cancellationToken);
        IReadOnlyList<DestructionOrder> open = await desk.OpenAsync(clinic, Most, cancellationToken);
        IReadOnlyList<DestructionOrder> recent = await desk.NewestAsync(clinic, Paging.After<WorkId>(before, "before"), Most, cancellationToken);
        return PortalPage.Of<RetentionPage, RetentionModel>("Retention and holds", new RetentionModel(
            policy,
            [.. active.Select(hold => hold.ToResponse())],
            [.. open.Select(order => order.ToResponse())],
            [.. recent.Where(order => !order.IsOpen).Select(order => order.ToResponse())],
            before is not null,
            recent.Count == Most ? recent[^1].Id.ToString() : null));
    }

    private static async Task<IResult> ChangeAsync(ClinicId clinic, RetentionPolicies policies, HttpContext context, CancellationToken cancellationToken)
    {
        FormFaults faults = new();
        int Number(string name)
        {
            if (!int.TryParse(context.Field(name), NumberStyles.None, CultureInfo.InvariantCulture, out int number))
            {
                faults.Add(name, "a number.");
            }

            return number;
        }

        int? age = context.Field("minorsUntilAge") is null ? null : Number("minorsUntilAge");
        RetentionPolicy wanted = new(
            0,
            Number("years"),
            Number("minimumYears"),
            context.Field("from") == "last-treatment" ? RetentionBasis.LastTreatment : RetentionBasis.StudyDate,
            age,
            age is null ? 0 : Number("minorYears"),
            context.Field("archiveAfterYears") is null ? null : Number("archiveAfterYears"));
        faults.ThrowIfAny();
        await policies.ChangeAsync(clinic, wanted, context.Requester(), cancellationToken);
        return Back(clinic);
    }

    private static async Task<IResult> SetHoldAsync(ClinicId clinic, IdentifierLookup lookup, Holds holds, HttpContext context, CancellationToken cancellationToken)
    {
        FormFaults faults = new();
        Uid? study = Uid.TryParse(context.Field("study"), null, out Uid uid) ? uid : null;
        if (study is null && context.Field("study") is not null)
        {
            faults.Add("study", "a Study Instance UID is digits and dots.");
        }
        else if (study is null == context.Field("patientId") is null)
        {
            faults.Add("Fill in one of the two: a study or folder, or a patient ID.");
        }

        if (context.Field("reason") is null)
        {
            faults.Add("reason", "say why it must be kept.");
        }

        faults.ThrowIfAny();
        (IdentifierHmacs? patient, _) = await lookup.HmacAsync(clinic, context.Field("patientId"), null, cancellationToken);
        await holds.SetAsync(clinic, study, patient?.Named, context.Field("reason") ?? "", context.Requester(), cancellationToken, patient?.Match ?? IdentifierMatch.Exact, patient?.Form);
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
}

/// <summary>A clinic's retention.</summary>
/// <param name="Policy">The policy that stands.</param>
/// <param name="Holds">Those that are on.</param>
/// <param name="Open">Destructions to be decided or done.</param>
/// <param name="Over">Those that are over, the newest first.</param>
/// <param name="Later">Whether newer ones come before.</param>
/// <param name="Older">Where the next page of them begins.</param>
public sealed record RetentionModel(
    RetentionPolicy Policy, IReadOnlyList<HoldResponse> Holds, IReadOnlyList<DestructionResponse> Open, IReadOnlyList<DestructionResponse> Over, bool Later, string? Older);
