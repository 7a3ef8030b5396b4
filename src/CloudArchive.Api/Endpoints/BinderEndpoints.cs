using System.ComponentModel;
using CloudArchive.Api.Identity;
using CloudArchive.Core;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Clinics;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Reports.Binders;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;

namespace CloudArchive.Api.Endpoints;

/// <summary>The auditor's binder.</summary>
internal static class BinderEndpoints
{
    private const string ZipType = "application/zip";
    private static readonly EndpointPolicy _read = new(Roles.Admin | Roles.Compliance, Reach.Clinic, ArchiveRole.Recovery, AuditActions.BinderRead);

    public static void Map(EndpointTable table) =>
        table.Get("/v1/clinics/{clinic}/binder", GetAsync, _read)
            ?.WithSummary("All that a period left behind, as a ZIP with a signed index: evidence, reports, access reviews, destructions, disclosures, alerts, and a cover.").Produces<Stream>(StatusCodes.Status200OK, ZipType);

    private static Task<PushStreamHttpResult> GetAsync(
        ClinicId clinic,
        [Description("The first day (UTC), such as 2026-01-01.")] string from,
        [Description("The first day after it, at most 366 days later.")] string to,
        BinderMaker binders,
        ClinicDirectory clinics,
        HttpContext context,
        CancellationToken cancellationToken) => MakeAsync(clinic, BinderPeriod.Parse(from, to), binders, clinics, context, cancellationToken);

    /// <summary>The answer: it is written while it is made, so all that can be refused is refused, and recorded, before.</summary>
    internal static async Task<PushStreamHttpResult> MakeAsync(
        ClinicId clinic, BinderPeriod period, BinderMaker binders, ClinicDirectory clinics, HttpContext context, CancellationToken cancellationToken)
    {
        Clinic found = await clinics.GetAsync(clinic, cancellationToken);
        Requester by = context.Requester();
        await binders.BeginAsync(found, period, by, cancellationToken);
        context.Response.Headers.CacheControl = "no-store";
        return TypedResults.Stream(output => binders.WriteAsync(found, period, by, output, context.RequestAborted), ZipType, $"{clinic}-{period}.zip");
    }
}
