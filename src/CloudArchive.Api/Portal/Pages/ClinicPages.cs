using System.Globalization;
using CloudArchive.Api.Identity;
using CloudArchive.Core;
using CloudArchive.Core.Alerts;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Restores;
using CloudArchive.Core.Verdicts;
using CloudArchive.Format;
using CloudArchive.Format.Verdicts;
using CloudArchive.Format.Wire;
using Microsoft.AspNetCore.Http;

namespace CloudArchive.Api.Portal.Pages;

/// <summary>One clinic.</summary>
internal static class ClinicPages
{
    private static readonly EndpointPolicy _read = new(Roles.Admin | Roles.Compliance, Reach.Clinic, ArchiveRole.Recovery, AuditActions.RequestRefused);

    private static readonly EndpointPolicy _contact = new(Roles.Admin, Reach.Clinic, ArchiveRole.Recovery, AuditActions.ClinicContactChanged, Mfa: true);

    private static readonly EndpointPolicy _objectives = new(Roles.Admin, Reach.AllClinics, ArchiveRole.Recovery, AuditActions.ClinicSettingsChanged, Mfa: true);

    public static void Map(PortalTable table)
    {
        table.Page("/clinics/{clinic}", ShowAsync, _read);
        table.Form("/clinics/{clinic}/contact", ChangeContactAsync, _contact);
        table.Form("/clinics/{clinic}/objectives", ChangeObjectivesAsync, _objectives);
    }

    private static async Task<PortalPage> ShowAsync(
        ClinicId clinic, ClinicDirectory clinics, ClinicCheck check, RestoreDesk restores, AlertList alerts, CloudArchiveOptions options, TimeProvider clock, CancellationToken cancellationToken)
    {
        CheckedClinic found = await check.RunAsync(await clinics.GetAsync(clinic, cancellationToken), cancellationToken);
        DateTimeOffset now = clock.GetUtcNow();
        IReadOnlyList<Restore> recent = await restores.ListAsync(clinic, Core.WorkId.Before(now - RestoreDesk.Lifetime), 200, cancellationToken);
        int pending = recent.Count(restore => restores.StatusOf(restore) == RestoreStatus.PendingApproval);
        int open = (await AlertPages.OpenAsync(clinic.Value, alerts, now, cancellationToken)).Count;
        return PortalPage.Of<ClinicPage, ClinicModel>(found.Clinic.Name, new ClinicModel(found, pending, open, options.Mail is not null));
    }

    private static async Task<IResult> ChangeContactAsync(ClinicId clinic, ClinicDirectory clinics, HttpContext context, CancellationToken cancellationToken)
    {
        await clinics.ChangeContactAsync(clinic, context.Field("contact"), context.Requester(), cancellationToken);
        return PortalPage.SeeOther(PortalView.ClinicPath(clinic));
    }

    private static async Task<IResult> ChangeObjectivesAsync(ClinicId clinic, ClinicDirectory clinics, HttpContext context, CancellationToken cancellationToken)
    {
        await clinics.ChangeAsync(clinic, null, null, context.Requester(), cancellationToken, rtoHours: Hours(context, "rtoHours"), rpoHours: Hours(context, "rpoHours"));
        return PortalPage.SeeOther(PortalView.ClinicPath(clinic));
    }

    private static int Hours(HttpContext context, string field) => int.TryParse(context.Field(field), NumberStyles.None, CultureInfo.InvariantCulture, out int hours)
        ? hours
        : throw new RefusedException(Refusal.RequestInvalid, $"{field}: a number of hours, 1 to {RecoveryObjectives.MaxHours}.");
}

/// <summary>A clinic and its state.</summary>
/// <param name="Found">The state.</param>
/// <param name="Pending">Restores that wait for a second admin.</param>
/// <param name="Alerts">Alerts that are open.</param>
/// <param name="Mails">Whether this archive sends mail.</param>
public sealed record ClinicModel(CheckedClinic Found, int Pending, int Alerts, bool Mails);
