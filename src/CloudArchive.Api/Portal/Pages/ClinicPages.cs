using CloudArchive.Api.Identity;
using CloudArchive.Core.Alerts;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Restores;
using CloudArchive.Format;
using CloudArchive.Format.Wire;

namespace CloudArchive.Api.Portal.Pages;

/// <summary>One clinic.</summary>
internal static class ClinicPages
{
    private static readonly EndpointPolicy _read = new(Roles.Admin | Roles.Compliance, Reach.Clinic, ArchiveRole.Recovery, AuditActions.RequestRefused);

    public static void Map(PortalTable table) => table.Page("/clinics/{clinic}", ShowAsync, _read);

    private static async Task<PortalPage> ShowAsync(
        ClinicId clinic, ClinicDirectory clinics, ClinicCheck check, RestoreDesk restores, AlertList alerts, TimeProvider clock, CancellationToken cancellationToken)
    {
        ClinicHealth health = await check.RunAsync(await clinics.GetAsync(clinic, cancellationToken), cancellationToken);
        DateTimeOffset now = clock.GetUtcNow();
        IReadOnlyList<Restore> recent = await restores.ListAsync(clinic, Core.WorkId.Before(now - RestoreDesk.Lifetime), 200, cancellationToken);
        int pending = recent.Count(restore => restores.StatusOf(restore) == RestoreStatus.PendingApproval);
        int open = (await AlertPages.OpenAsync(clinic.Value, alerts, now, cancellationToken)).Count;
        return PortalPage.Of<ClinicPage, ClinicModel>(health.Clinic.Name, new ClinicModel(health, pending, open));
    }
}

/// <summary>A clinic and its state.</summary>
/// <param name="Health">The state.</param>
/// <param name="Pending">Restores that wait for a second admin.</param>
/// <param name="Alerts">Alerts that are open.</param>
public sealed record ClinicModel(ClinicHealth Health, int Pending, int Alerts);
