using System.Collections.Concurrent;
using CloudArchive.Api.Endpoints;
using CloudArchive.Api.Identity;
using CloudArchive.Core;
using CloudArchive.Core.Alerts;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Clinics;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Wire;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace CloudArchive.Api.Portal.Pages;

/// <summary>What somebody must look at, who has it in hand, who was told, and the dead letters.</summary>
internal static partial class AlertPages
{
    /// <summary>How many clinics a page about all of them looks into.</summary>
    private const int ClinicsAPage = 50;

    private const int AlertsAPage = 100;
    private const int Most = 1000;

    private static readonly TimeSpan _recent = TimeSpan.FromDays(90);
    private static readonly EndpointPolicy _read = new(Roles.Admin | Roles.Compliance, Reach.Clinic, ArchiveRole.Recovery, AuditActions.RequestRefused);
    private static readonly EndpointPolicy _retry = new(Roles.Admin, Reach.Clinic, ArchiveRole.Recovery, AuditActions.AlertRetried);

    private static readonly EndpointPolicy _acknowledge = _retry with { Action = AuditActions.AlertAcknowledged };

    public static void Map(PortalTable table)
    {
        table.Page("/clinics/{clinic}/alerts", ListAsync, _read);
        table.Form("/clinics/{clinic}/alerts/{alert}/retry", RetryAsync, _retry);
        table.Form("/clinics/{clinic}/alerts/{alert}/acknowledge", AcknowledgeAsync, _acknowledge);
        table.Page("/alerts", ListAllAsync, _read with { Reach = Reach.AllClinics });
        table.Form("/alerts/{alert}/retry", RetrySystemAsync, _retry with { Reach = Reach.AllClinics });
        table.Form("/alerts/{alert}/acknowledge", AcknowledgeSystemAsync, _acknowledge with { Reach = Reach.AllClinics });
    }

    /// <summary>The open alerts of a log, of the last ninety days.</summary>
    internal static async Task<IReadOnlyList<AlertResponse>> OpenAsync(string log, AlertList alerts, DateTimeOffset now, CancellationToken cancellationToken) =>
        [.. (await RecentAsync(log, alerts, now, cancellationToken)).Where(alert => alert.Open)];

    /// <summary>Those of the last ninety days, the newest first; with <c>before</c> a page of the older ones.</summary>
    private static async Task<PortalPage> ListAsync(ClinicId clinic, string? before, ClinicDirectory clinics, AlertList alerts, TimeProvider clock, CancellationToken cancellationToken)
    {
        string log = (await clinics.GetAsync(clinic, cancellationToken)).Id.Value;
        DateTimeOffset now = clock.GetUtcNow();
        string path = PortalView.ClinicPath(clinic, "alerts");
        if (before is null)
        {
            IReadOnlyList<AlertResponse> recent = await RecentAsync(log, alerts, now, cancellationToken);
            return Page(path, recent, null, recent.Count < Most ? AlertId.Before(now - _recent).ToString() : recent.Min(alert => alert.Id));
        }

        IReadOnlyList<RaisedAlert> page = await alerts.NewestAsync(log, Paging.After<AlertId>(before, "before"), AlertsAPage, cancellationToken);
        return PortalPage.Of<AlertsPage, AlertsModel>("Alerts", new AlertsModel(
            path, [], [.. page.Select(alert => alert.ToResponse(now)).OrderByDescending(alert => alert.RaisedAt)], Recent: false, null, page.Count == AlertsAPage ? page[^1].Id.ToString() : null));
    }

    /// <summary>Those about the archive as a whole, then some clinics': <c>after</c> is the last clinic of the page before.</summary>
    private static async Task<PortalPage> ListAllAsync(
        string? after, ClinicDirectory clinics, AlertList alerts, TimeProvider clock, ILogger<AlertsModel> logger, CancellationToken cancellationToken)
    {
        DateTimeOffset now = clock.GetUtcNow();
        IReadOnlyList<ClinicId> some = await clinics.ListAsync(Paging.After<ClinicId>(after), ClinicsAPage, cancellationToken);
        IEnumerable<string> logs = some.Select(clinic => clinic.Value);
        ConcurrentBag<string> unreadable = [];
        IReadOnlyList<AlertResponse>[] found = await Task.WhenAll((after is null ? logs.Prepend(AuditEntry.SystemLog) : logs).Select(LookAsync));
        return Page(
            PortalTable.Root + "/alerts", found.SelectMany(log => log).OrderByDescending(alert => alert.RaisedAt), some.Count == ClinicsAPage ? some[^1].Value : null, null, [.. unreadable.Order(StringComparer.Ordinal)]);

        async Task<IReadOnlyList<AlertResponse>> LookAsync(string log)
        {
            try
            {
                return await RecentAsync(log, alerts, now, cancellationToken);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                // One clinic's trouble must not hide the others' alerts.
                LogUnreadable(logger, e, log);
                unreadable.Add(log);
                return [];
            }
        }
    }

    [LoggerMessage(207, LogLevel.Error, "The alerts of {Log} could not be read for the page of all.")]
    private static partial void LogUnreadable(ILogger logger, Exception exception, string log);

    private static async Task<IResult> RetryAsync(ClinicId clinic, AlertId alert, AlertList alerts, HttpContext context, CancellationToken cancellationToken)
    {
        await alerts.RetryAsync(clinic.Value, alert, context.Requester(), cancellationToken);
        return PortalPage.SeeOther(PortalView.ClinicPath(clinic, "alerts"));
    }

    private static async Task<IResult> RetrySystemAsync(AlertId alert, AlertList alerts, HttpContext context, CancellationToken cancellationToken)
    {
        await alerts.RetryAsync(AuditEntry.SystemLog, alert, context.Requester(), cancellationToken);
        return PortalPage.SeeOther(PortalTable.Root + "/alerts");
    }

    private static async Task<IResult> AcknowledgeAsync(ClinicId clinic, AlertId alert, AlertList alerts, HttpContext context, CancellationToken cancellationToken)
    {
        await alerts.AcknowledgeAsync(clinic.Value, alert, context.Field("reason") ?? "", context.Requester(), cancellationToken);
        return PortalPage.SeeOther(PortalView.ClinicPath(clinic, "alerts"));
    }

    private static async Task<IResult> AcknowledgeSystemAsync(AlertId alert, AlertList alerts, HttpContext context, CancellationToken cancellationToken)
    {
        await alerts.AcknowledgeAsync(AuditEntry.SystemLog, alert, context.Field("reason") ?? "", context.Requester(), cancellationToken);
        return PortalPage.SeeOther(PortalTable.Root + "/alerts");
    }

    private static async Task<IReadOnlyList<AlertResponse>> RecentAsync(string log, AlertList alerts, DateTimeOffset now, CancellationToken cancellationToken)
    {
        IReadOnlyList<RaisedAlert> found = await alerts.NewestAsync(log, null, Most, cancellationToken, now - _recent);
        return [.. found.Select(alert => alert.ToResponse(now)).OrderByDescending(alert => alert.RaisedAt)];
    }

    private static PortalPage Page(string path, IEnumerable<AlertResponse> alerts, string? next, string? older, IReadOnlyList<string>? unreadable = null)
    {
        ILookup<bool, AlertResponse> byOpen = alerts.ToLookup(alert => alert.Open);
        return PortalPage.Of<AlertsPage, AlertsModel>("Alerts", new AlertsModel(path, [.. byOpen[true]], [.. byOpen[false]], Recent: true, next, older, unreadable));
    }
}

/// <summary>Alerts.</summary>
/// <param name="Path">The page's own.</param>
/// <param name="Open">Those that want somebody, the newest first.</param>
/// <param name="Past">The others; or a page of older ones.</param>
/// <param name="Recent">Whether it is the last ninety days.</param>
/// <param name="Next">The last clinic of the page, where there are more.</param>
/// <param name="Older">Where the page of older alerts begins.</param>
/// <param name="Unreadable">The logs whose alerts could not be read.</param>
public sealed record AlertsModel(string Path, IReadOnlyList<AlertResponse> Open, IReadOnlyList<AlertResponse> Past, bool Recent, string? Next, string? Older, IReadOnlyList<string>? Unreadable = null);
