using CloudArchive.Api.Identity;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Restores;
using CloudArchive.Core.RestoreTests;
using CloudArchive.Format;
using CloudArchive.Format.Wire;

namespace CloudArchive.Api.Portal.Pages;

/// <summary>One clinic.</summary>
internal static class ClinicPages
{
    private static readonly EndpointPolicy _read = new(Roles.Admin | Roles.Compliance, Reach.Clinic, ArchiveRole.Recovery, AuditActions.RequestRefused);

    public static void Map(PortalTable table) => table.Page("/clinics/{clinic}", ShowAsync, _read);

    private static async Task<PortalPage> ShowAsync(
        ClinicId clinic, ClinicDirectory clinics, Agents agents, RestoreTestDesk desk, RestoreDesk restores, TimeProvider clock, CancellationToken cancellationToken)
    {
        ClinicHealth health = await ClinicHealth.ReadAsync(await clinics.GetAsync(clinic, cancellationToken), clinics, agents, desk, clock, cancellationToken);
        IReadOnlyList<Restore> recent = await restores.ListAsync(clinic, Core.WorkId.Before(clock.GetUtcNow() - RestoreDesk.Lifetime), 200, cancellationToken);
        return PortalPage.Of<ClinicPage, ClinicModel>(health.Clinic.Name, new ClinicModel(health, recent.Count(restore => restores.StatusOf(restore) == RestoreStatus.PendingApproval)));
    }
}

/// <summary>A clinic and its state.</summary>
/// <param name="Health">The state.</param>
/// <param name="Pending">Restores that wait for a second admin.</param>
public sealed record ClinicModel(ClinicHealth Health, int Pending);
