using System.Globalization;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Alerts;

/// <summary>The alerts that were raised, for staff; among them the dead letters.</summary>
public sealed class AlertList(IRowStore rows, Outbox outbox, TimeProvider clock)
{
    /// <summary>The longest reason of an acknowledgement.</summary>
    public const int MostReasonCharacters = 500;

    /// <summary>A log's alerts, the oldest first.</summary>
    /// <param name="log">The clinic's id, or <see cref="AuditEntry.SystemLog"/>.</param>
    /// <param name="filter">Which of them; null for all.</param>
    /// <param name="after">The last one of the page before.</param>
    /// <param name="take">How many are looked at: a page of those that fit may be shorter.</param>
    /// <param name="cancellationToken">Stops.</param>
    /// <param name="damaged">Told of each row that says what cannot be.</param>
    /// <returns>Those that fit, and the last one that was looked at where there may be more.</returns>
    public async Task<(IReadOnlyList<RaisedAlert> Alerts, AlertId? Next)> ListAsync(
        string log, Func<RaisedAlert, bool>? filter, AlertId? after, int take, CancellationToken cancellationToken, Action<Row>? damaged = null)
    {
        IReadOnlyList<RaisedAlert> read = await rows.ReadPageAsync(RowTable.Work, log, RowRange.After(AlertRows.Alert, after?.ToString()), take, AlertRows.Read, cancellationToken, damaged);
        return ([.. filter is null ? read : read.Where(filter)], read.Count == take ? read[^1].Id : null);
    }

    /// <summary>A log's alerts, those of the newest day first, <paramref name="before"/> being the last one of the page before.</summary>
    /// <param name="log">The clinic's id, or <see cref="AuditEntry.SystemLog"/>.</param>
    /// <param name="before">See above; null for the first page.</param>
    /// <param name="take">How many.</param>
    /// <param name="cancellationToken">Stops.</param>
    /// <param name="since">None of an earlier day (UTC); null: back to the first.</param>
    public Task<IReadOnlyList<RaisedAlert>> NewestAsync(string log, AlertId? before, int take, CancellationToken cancellationToken, DateTimeOffset? since = null) =>
        rows.ReadNewestAsync(
            RowTable.Work, log, AlertRows.Alert, at => AlertId.Before(at).ToString(), before?.ToString(), before?.Day ?? clock.GetUtcNow(), take, AlertRows.Read, cancellationToken,
            since is { } first ? RowRange.Prefix(AlertRows.Alert) with { From = AlertRows.Alert + AlertId.Before(first) } : null);

    /// <summary>Has an alert that could not be delivered tried again, from the beginning, on the channels that did not take it. Repeating it while it waits changes nothing.</summary>
    public async Task<RaisedAlert> RetryAsync(string log, AlertId id, Requester by, CancellationToken cancellationToken)
    {
        while (true)
        {
            RaisedAlert alert = await GetAsync(log, id, cancellationToken);
            switch (alert.Delivery.Status)
            {
                case AlertDeliveryStatus.Waiting:
                    return alert;
                case AlertDeliveryStatus.Delivered:
                    throw new RefusedException(Refusal.AlertDelivered, $"Alert {id} was delivered; there is nothing to try again.");
            }

            DateTimeOffset now = clock.GetUtcNow();
            RaisedAlert again = alert with { Delivery = alert.Delivery with { Status = AlertDeliveryStatus.Waiting, Attempts = 0, NextAttemptAt = now, Refused = [] } };
            RowWrite[] writes = [new RowWrite.Replace(AlertRows.Alert + id, AlertRows.Values(again), alert.ETag), new RowWrite.Insert(AlertRows.Due + id, AlertRows.DueAt(now))];
            try
            {
                await outbox.SubmitAsync(RowTable.Work, log, writes, AlertDesk.Entry(again, AuditActions.AlertRetried, AuditOutcome.Success, by, []), cancellationToken);
                await AlertRows.NoteDueAsync(rows, log, cancellationToken);
            }
            catch (RowConflictException)
            {
                // Somebody else had it tried again: look at it anew.
            }
        }
    }

    /// <summary>Says that somebody has an alert in hand: it is open no more. Where its cause stands, the next day's alert is another. Repeating it changes nothing.</summary>
    public async Task<RaisedAlert> AcknowledgeAsync(string log, AlertId id, string reason, Requester by, CancellationToken cancellationToken)
    {
        reason = reason.Trim();
        if (reason.Length is 0 or > MostReasonCharacters || reason.Any(c => char.IsControl(c) && c is not ('\n' or '\r')))
        {
            throw new RefusedException(Refusal.RequestInvalid, $"reason: 1 to {MostReasonCharacters} characters: what is being done about it, or why nothing needs to be.");
        }

        while (true)
        {
            RaisedAlert alert = await GetAsync(log, id, cancellationToken);
            if (alert.Acknowledged is not null)
            {
                return alert;
            }

            RaisedAlert acknowledged = alert with { Acknowledged = new AlertAcknowledgement(by.Actor.Id, clock.GetUtcNow(), reason) };

            // Typed by a person: its hash alone is in the log, its words with the alert.
            Dictionary<string, string> details = new()
            {
                ["alert"] = id.ToString(),
                ["statement"] = Sha256Digest.Of(System.Text.Encoding.UTF8.GetBytes($"{id}\n{reason}")).Hex,
                ["hours"] = ((int)(clock.GetUtcNow() - alert.RaisedAt).TotalHours).ToString(CultureInfo.InvariantCulture),
            };
            AuditEvent entry = AlertDesk.Entry(acknowledged, AuditActions.AlertAcknowledged, AuditOutcome.Success, by, details);
            try
            {
                await outbox.SubmitAsync(RowTable.Work, log, [new RowWrite.Replace(AlertRows.Alert + id, AlertRows.Values(acknowledged), alert.ETag)], entry, cancellationToken);
                return await GetAsync(log, id, cancellationToken);
            }
            catch (RowConflictException)
            {
                // Delivered, closed or acknowledged since it was read: look at it anew.
            }
        }
    }

    private async Task<RaisedAlert> GetAsync(string log, AlertId id, CancellationToken cancellationToken) =>
        await rows.FindAsync(RowTable.Work, log, AlertRows.Alert + id, cancellationToken) is { } row
            ? AlertRows.Read(row)
            : throw new RefusedException(Refusal.AlertUnknown, $"There is no alert {id}. GET .../alerts lists those there are.");
}
