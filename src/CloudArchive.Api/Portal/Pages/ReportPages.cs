using CloudArchive.Api.Endpoints;
using CloudArchive.Api.Identity;
using CloudArchive.Core;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Clinics;
using CloudArchive.Format;
using CloudArchive.Reports;
using CloudArchive.Reports.Binders;
using Microsoft.AspNetCore.Http;

namespace CloudArchive.Api.Portal.Pages;

/// <summary>The periods of which there are reports, to take away.</summary>
internal static class ReportPages
{
    private static readonly EndpointPolicy _list = new(Roles.Admin | Roles.Compliance, Reach.Clinic, ArchiveRole.Recovery, AuditActions.RequestRefused);
    private static readonly EndpointPolicy _read = _list with { Action = AuditActions.ReportRead };
    private static readonly EndpointPolicy _binder = _list with { Action = AuditActions.BinderRead };

    public static void Map(PortalTable table)
    {
        table.Page("/clinics/{clinic}/reports", ListAsync, _list);
        table.Page("/clinics/{clinic}/reports/{period}.csv", CsvAsync, _read);
        table.Page("/clinics/{clinic}/reports/{period}.pdf", PdfAsync, _read);
        table.Page("/clinics/{clinic}/binder", BinderAsync, _binder);
        table.Form("/clinics/{clinic}/binder", AskedBinderAsync, _binder);
    }

    private static async Task<PortalPage> ListAsync(ClinicId clinic, ClinicDirectory clinics, TimeProvider clock, CancellationToken cancellationToken)
    {
        DateTimeOffset since = (await clinics.GetAsync(clinic, cancellationToken)).CreatedAt;
        return PortalPage.Of<ReportsPage, ReportsModel>("Reports", new ReportsModel(ReportYear.Between(since, clock.GetUtcNow())));
    }

    private static Task<IResult> CsvAsync(ClinicId clinic, string period, RollUps reports, HttpContext context, CancellationToken cancellationToken) =>
        FileAsync(clinic, period, ReportForm.Csv, reports, context, cancellationToken);

    private static Task<IResult> PdfAsync(ClinicId clinic, string period, RollUps reports, HttpContext context, CancellationToken cancellationToken) =>
        FileAsync(clinic, period, ReportForm.Pdf, reports, context, cancellationToken);

    private static async Task<IResult> FileAsync(ClinicId clinic, string period, ReportForm form, RollUps reports, HttpContext context, CancellationToken cancellationToken)
    {
        IResult answer = await ReportEndpoints.MakeAsync(clinic, period, form, reports, context, cancellationToken);
        PortalHeaders.Protect(context);
        return answer;
    }

    private static Task<IResult> BinderAsync(ClinicId clinic, string? from, string? to, BinderMaker binders, ClinicDirectory clinics, HttpContext context, CancellationToken cancellationToken) =>
        TakeBinderAsync(clinic, BinderPeriod.Parse(from, to), binders, clinics, context, cancellationToken);

    private static Task<IResult> AskedBinderAsync(ClinicId clinic, BinderMaker binders, ClinicDirectory clinics, HttpContext context, CancellationToken cancellationToken) =>
        TakeBinderAsync(clinic, BinderPeriod.Parse(context.Field("from"), context.Field("to")), binders, clinics, context, cancellationToken);

    private static async Task<IResult> TakeBinderAsync(ClinicId clinic, BinderPeriod period, BinderMaker binders, ClinicDirectory clinics, HttpContext context, CancellationToken cancellationToken)
    {
        IResult answer = await BinderEndpoints.MakeAsync(clinic, period, binders, clinics, context, cancellationToken);
        PortalHeaders.Protect(context);
        return answer;
    }
}

/// <summary>The reports of a clinic.</summary>
/// <param name="Years">The newest first.</param>
public sealed record ReportsModel(IReadOnlyList<ReportYear> Years);

/// <summary>A year and its parts of which there are reports.</summary>
/// <param name="Year">The year itself.</param>
/// <param name="Parts">Its quarters and months, the newest first, each quarter before its months.</param>
public sealed record ReportYear(ReportPeriod Year, IReadOnlyList<ReportPeriod> Parts)
{
    /// <summary>The year, then its parts.</summary>
    public IEnumerable<ReportPeriod> All => Parts.Prepend(Year);

    /// <summary>The years between two times.</summary>
    public static IReadOnlyList<ReportYear> Between(DateTimeOffset since, DateTimeOffset now)
    {
        List<ReportYear> years = [];
        for (ReportPeriod year = ReportPeriod.YearOf(now); year.To > since; year = ReportPeriod.YearOf(year.From.AddDays(-1)))
        {
            ReportPeriod[] months = [.. year.Months.Where(month => month.From <= now && month.To > since).Reverse()];
            years.Add(new(year, [.. months.GroupBy(month => ReportPeriod.QuarterOf(month.From)).SelectMany(quarter => quarter.Prepend(quarter.Key))]));
        }

        return years;
    }
}
