using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using CloudArchive.Api.Identity;
using CloudArchive.Core;
using CloudArchive.Core.Audit;
using CloudArchive.Format;
using CloudArchive.Reports;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;

namespace CloudArchive.Api.Endpoints;

/// <summary>Monthly, quarterly and yearly reports of a clinic.</summary>
internal static class ReportEndpoints
{
    private const string CsvType = "text/csv; charset=utf-8; header=present"; // RFC 7111 §3.1
    private const string PdfType = "application/pdf";
    private static readonly EndpointPolicy _read = new(Roles.Admin | Roles.Compliance, Reach.Clinic, ArchiveRole.Recovery, AuditActions.ReportRead);

    public static void Map(EndpointTable table)
    {
        table.Get("/v1/clinics/{clinic}/reports/{period}.csv", CsvAsync, _read)?.WithSummary("Figures of a month, a quarter or a year, with their months, for spreadsheets.").Produces<Stream>(StatusCodes.Status200OK, "text/csv");
        table.Get("/v1/clinics/{clinic}/reports/{period}.pdf", PdfAsync, _read)?.WithSummary("The same for people, with charts and with what each figure means.").Produces<Stream>(StatusCodes.Status200OK, PdfType);
    }

    private static Task<FileContentHttpResult> CsvAsync(
        ClinicId clinic, [RegularExpression(ReportPeriod.Pattern), Description(ReportPeriod.Shapes)] string period, RollUps reports, HttpContext context, CancellationToken cancellationToken) =>
        MakeAsync(clinic, period, ReportForm.Csv, reports, context, cancellationToken);

    private static Task<FileContentHttpResult> PdfAsync(
        ClinicId clinic, [RegularExpression(ReportPeriod.Pattern), Description(ReportPeriod.Shapes)] string period, RollUps reports, HttpContext context, CancellationToken cancellationToken) =>
        MakeAsync(clinic, period, ReportForm.Pdf, reports, context, cancellationToken);

    internal static async Task<FileContentHttpResult> MakeAsync(ClinicId clinic, string period, ReportForm form, RollUps reports, HttpContext context, CancellationToken cancellationToken)
    {
        ReportPeriod of = RollUps.Period(period);
        byte[] content = await reports.MakeAsync(clinic, of, form, context.Requester(), cancellationToken);
        context.Response.Headers.CacheControl = "no-store";
        return form == ReportForm.Csv ? TypedResults.File(content, CsvType, $"{clinic}-{of}.csv") : TypedResults.File(content, PdfType, $"{clinic}-{of}.pdf");
    }
}
