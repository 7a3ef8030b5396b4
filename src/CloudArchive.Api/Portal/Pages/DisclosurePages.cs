using CloudArchive.Api.Identity;
using CloudArchive.Core;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Disclosures;
using CloudArchive.Format;
using CloudArchive.Format.Wire;
using Microsoft.AspNetCore.Http;

namespace CloudArchive.Api.Portal.Pages;

/// <summary>What of a patient's was handed out (45 CFR 164.528). Who it is about travels in the form alone, and is on no page.</summary>
internal static class DisclosurePages
{
    private static readonly EndpointPolicy _search = new(Roles.Admin, Reach.Clinic, ArchiveRole.Recovery, AuditActions.DisclosuresQueried, Mfa: true);

    public static void Map(PortalTable table)
    {
        table.Page("/clinics/{clinic}/disclosures", AskAsync, _search);
        table.Form("/clinics/{clinic}/disclosures", FindAsync, _search);
    }

    private static async Task<PortalPage> AskAsync(ClinicId clinic, ClinicDirectory clinics, CancellationToken cancellationToken)
    {
        await clinics.GetAsync(clinic, cancellationToken);
        return Page(null);
    }

    private static async Task<PortalPage> FindAsync(ClinicId clinic, DisclosureLog disclosures, HttpContext context, CancellationToken cancellationToken)
    {
        string patient = context.Field("patientId") ?? throw new RefusedException(Refusal.RequestInvalid, "patientId: fill it in, as it stands in the images.");
        return Page(await disclosures.FindAsync(clinic, patient, context.Requester(), cancellationToken));
    }

    private static PortalPage Page(DisclosuresResponse? found) => PortalPage.Of<DisclosuresPage, DisclosuresModel>("Disclosures", new DisclosuresModel(found));
}

/// <summary>An accounting of disclosures.</summary>
/// <param name="Found">Null before anybody was looked up.</param>
public sealed record DisclosuresModel(DisclosuresResponse? Found);
