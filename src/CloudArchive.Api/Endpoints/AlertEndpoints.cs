using CloudArchive.Api.Identity;
using CloudArchive.Core;
using CloudArchive.Core.Alerts;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Clinics;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;

namespace CloudArchive.Api.Endpoints;

/// <summary>The alerts that were raised, and the ones among them that could not be delivered.</summary>
internal static class AlertEndpoints
{
    /// <summary>How many logs one call over all of them looks into at most.</summary>
    private const int MostLogs = 50;

    private static readonly EndpointPolicy _read = new(Roles.Admin | Roles.Compliance, Reach.Clinic, ArchiveRole.Recovery, AuditActions.RequestRefused);
    private static readonly EndpointPolicy _retry = new(Roles.Admin, Reach.Clinic, ArchiveRole.Recovery, AuditActions.AlertRetried);
    private static readonly EndpointPolicy _acknowledge = new(Roles.Admin, Reach.Clinic, ArchiveRole.Recovery, AuditActions.AlertAcknowledged);

    public static void Map(EndpointTable table)
    {
        table.Get("/v1/clinics/{clinic}/alerts", ListAsync, _read)?.WithSummary("A clinic's alerts, oldest first; open=true those that want somebody; delivery=failed the dead letters.");
        table.Post("/v1/clinics/{clinic}/alerts/{alert}/retry", RetryAsync, _retry)?.WithSummary("Has an alert that could not be delivered tried again.");
        table.Post("/v1/clinics/{clinic}/alerts/{alert}/acknowledge", AcknowledgeAsync, _acknowledge)?.WithSummary("Says that somebody has an alert in hand, and why it is open no more.");
        table.Get("/v1/alerts", ListAllAsync, _read with { Reach = Reach.AllClinics })?.WithSummary("The alerts about the archive as a whole, then each clinic's.");
        table.Post("/v1/alerts/{alert}/retry", RetrySystemAsync, _retry with { Reach = Reach.AllClinics })?.WithSummary("The same for an alert about the archive as a whole.");
        table.Post("/v1/alerts/{alert}/acknowledge", AcknowledgeSystemAsync, _acknowledge with { Reach = Reach.AllClinics })?.WithSummary("The same for an alert about the archive as a whole.");
    }

    private static async Task<Ok<Page<AlertResponse>>> ListAsync(
        ClinicId clinic, string? delivery, bool? open, string? after, int? take, ClinicDirectory clinics, AlertList alerts, TimeProvider clock, CancellationToken cancellationToken)
    {
        await clinics.GetAsync(clinic, cancellationToken);
        DateTimeOffset now = clock.GetUtcNow();
        (IReadOnlyList<RaisedAlert> page, AlertId? next) = await alerts.ListAsync(clinic.Value, Filter(delivery, open, now), Paging.After<AlertId>(after), Paging.Take(take), cancellationToken);
        return TypedResults.Ok(new Page<AlertResponse>([.. page.Select(alert => alert.ToResponse(now))], next?.ToString()));
    }

    private static async Task<Ok<Page<AlertResponse>>> ListAllAsync(
        string? delivery, bool? open, string? after, int? take, ClinicDirectory clinics, AlertList alerts, TimeProvider clock, CancellationToken cancellationToken)
    {
        DateTimeOffset now = clock.GetUtcNow();
        Func<RaisedAlert, bool>? wanted = Filter(delivery, open, now);
        int most = Paging.Take(take);
        (string? log, AlertId? last) = Cursor(after);
        List<AlertResponse> found = [];
        for (int logs = 0; logs < MostLogs && found.Count < most; logs++)
        {
            log ??= AuditEntry.SystemLog;
            (IReadOnlyList<RaisedAlert> page, last) = await alerts.ListAsync(log, wanted, last, most - found.Count, cancellationToken);
            found.AddRange(page.Select(alert => alert.ToResponse(now)));
            if (last is not null)
            {
                continue;
            }

            ClinicId? clinic = log == AuditEntry.SystemLog ? null : ClinicId.Parse(log);
            if (await clinics.ListAsync(clinic, 1, cancellationToken) is not [{ } next])
            {
                return TypedResults.Ok(new Page<AlertResponse>(found));
            }

            log = next.Value;
        }

        return TypedResults.Ok(new Page<AlertResponse>(found, last is null ? log : $"{log}/{last}"));
    }

    private static async Task<Ok<AlertResponse>> RetryAsync(ClinicId clinic, AlertId alert, AlertList alerts, TimeProvider clock, HttpContext context, CancellationToken cancellationToken) =>
        TypedResults.Ok((await alerts.RetryAsync(clinic.Value, alert, context.Requester(), cancellationToken)).ToResponse(clock.GetUtcNow()));

    private static async Task<Ok<AlertResponse>> RetrySystemAsync(AlertId alert, AlertList alerts, TimeProvider clock, HttpContext context, CancellationToken cancellationToken) =>
        TypedResults.Ok((await alerts.RetryAsync(AuditEntry.SystemLog, alert, context.Requester(), cancellationToken)).ToResponse(clock.GetUtcNow()));

    private static async Task<Ok<AlertResponse>> AcknowledgeAsync(
        ClinicId clinic, AlertId alert, AcknowledgeAlertRequest body, AlertList alerts, TimeProvider clock, HttpContext context, CancellationToken cancellationToken) =>
        TypedResults.Ok((await alerts.AcknowledgeAsync(clinic.Value, alert, body.Reason, context.Requester(), cancellationToken)).ToResponse(clock.GetUtcNow()));

    private static async Task<Ok<AlertResponse>> AcknowledgeSystemAsync(
        AlertId alert, AcknowledgeAlertRequest body, AlertList alerts, TimeProvider clock, HttpContext context, CancellationToken cancellationToken) =>
        TypedResults.Ok((await alerts.AcknowledgeAsync(AuditEntry.SystemLog, alert, body.Reason, context.Requester(), cancellationToken)).ToResponse(clock.GetUtcNow()));

    private static Func<RaisedAlert, bool>? Filter(string? delivery, bool? open, DateTimeOffset now)
    {
        AlertDeliveryStatus? wanted = delivery switch
        {
            null => null,
            "waiting" => AlertDeliveryStatus.Waiting,
            "delivered" => AlertDeliveryStatus.Delivered,
            "failed" => AlertDeliveryStatus.Failed,
            _ => throw new RefusedException(Refusal.RequestInvalid, "delivery: waiting, delivered or failed."),
        };
        return alert => (wanted is null || alert.Delivery.Status == wanted) && (open is null || alert.IsOpen(now) == open);
    }

    /// <summary>The next log to look into, and the last of its alerts that was seen.</summary>
    private static (string? Log, AlertId? Last) Cursor(string? after)
    {
        if (after is null)
        {
            return (null, null);
        }

        string[] parts = after.Split('/');
        AlertId last = default;
        bool valid = parts.Length is 1 or 2
            && (parts[0] == AuditEntry.SystemLog || ClinicId.TryParse(parts[0], null, out _))
            && (parts.Length == 1 || AlertId.TryParse(parts[1], null, out last));
        return valid ? (parts[0], parts.Length == 1 ? null : last) : throw new RefusedException(Refusal.RequestInvalid, "after: pass the next of the page before, as it came.");
    }
}
