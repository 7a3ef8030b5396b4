using CloudArchive.Api.Endpoints;
using CloudArchive.Api.Identity;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Verdicts;
using CloudArchive.Format;
using Microsoft.AspNetCore.Http;

namespace CloudArchive.Api.Portal.Pages;

/// <summary>Is every clinic safe, at a glance.</summary>
internal static class OverviewPages
{
    private const int ClinicsAPage = 24;
    private static readonly EndpointPolicy _own = new(Roles.Admin | Roles.Compliance, Reach.Own, ArchiveRole.Recovery, AuditActions.RequestRefused);

    public static void Map(PortalTable table) => table.Page("", ShowAsync, _own);

    private static async Task<PortalPage> ShowAsync(
        string? after, ClinicDirectory clinics, ClinicCheck check, HttpContext context, CancellationToken cancellationToken)
    {
        IReadOnlyList<ClinicId> ids = await ClinicEndpoints.InReachAsync(context.Caller(), Paging.After<ClinicId>(after), ClinicsAPage, clinics, cancellationToken);
        Clinic?[] listed = await Task.WhenAll(ids.Select(id => clinics.FindAsync(id, cancellationToken)));
        CheckedClinic[] found = await Task.WhenAll(listed.OfType<Clinic>().Select(clinic => check.RunAsync(clinic, cancellationToken)));
        return PortalPage.Of<OverviewPage, OverviewModel>("Overview", new OverviewModel(found, after is not null, ids.Count == ClinicsAPage ? ids[^1].Value : null));
    }
}

/// <summary>A page of clinics.</summary>
/// <param name="Clinics">Each with its state.</param>
/// <param name="Later">Whether others come before.</param>
/// <param name="Next">Where the next page begins.</param>
public sealed record OverviewModel(IReadOnlyList<CheckedClinic> Clinics, bool Later, string? Next);
