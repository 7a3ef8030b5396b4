using CloudArchive.Core.Audit;
using CloudArchive.Core.Storage;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Alerts;

/// <summary>The alerts that were raised, for staff; among them the dead letters.</summary>
public sealed class AlertList(IRowStore rows, Outbox outbox, TimeProvider clock)
{
    /// <summary>A log's alerts, the oldest first.</summary>
    /// <param name="log">The clinic's id, or <see cref="AuditEntry.SystemLog"/>.</param>
    /// <param name="delivery">Only those whose delivery stands so; null for all.</param>
    /// <param name="after">The last one of the page before.</param>
    /// <param name="take">How many are looked at: a page of those that fit may be shorter.</param>
    /// <param name="cancellationToken">Stops.</param>
    /// <returns>Those that fit, and the last one that was looked at where there may be more.</returns>
    public async Task<(IReadOnlyList<RaisedAlert> Alerts, AlertId? Next)> ListAsync(
        string log, AlertDeliveryStatus? delivery, AlertId? after, int take, CancellationToken cancellationToken)
    {
        IReadOnlyList<RaisedAlert> read = await rows.ReadPageAsync(RowTable.Work, log, RowRange.After(AlertRows.Alert, after?.ToString()), take, AlertRows.Read, cancellationToken);
        return ([.. read.Where(alert => delivery is null || alert.Delivery == delivery)], read.Count == take ? read[^1].Id : null);
    }

    /// <summary>Has an alert that could not be delivered tried again, from the beginning. Repeating it while it waits changes nothing.</summary>
    public async Task<RaisedAlert> RetryAsync(string log, AlertId id, Requester by, CancellationToken cancellationToken)
    {
        while (true)
        {
            RaisedAlert alert = await rows.FindAsync(RowTable.Work, log, AlertRows.Alert + id, cancellationToken) is { } row
                ? AlertRows.Read(row)
                : throw new RefusedException(Refusal.AlertUnknown, $"There is no alert {id}. GET .../alerts lists those there are.");
            switch (alert.Delivery)
            {
                case AlertDeliveryStatus.Waiting:
                    return alert;
                case AlertDeliveryStatus.Delivered:
                    throw new RefusedException(Refusal.AlertDelivered, $"Alert {id} was delivered; there is nothing to try again.");
            }

            DateTimeOffset now = clock.GetUtcNow();
            RaisedAlert again = alert with { Delivery = AlertDeliveryStatus.Waiting, Attempts = 0, NextAttemptAt = now };
            RowWrite[] writes = [new RowWrite.Replace(AlertRows.Alert + id, AlertRows.Values(again), alert.ETag), new RowWrite.Insert(AlertRows.Due + id, AlertRows.DueAt(now))];
            try
            {
                await outbox.SubmitAsync(RowTable.Work, log, writes, AlertDesk.Entry(again, AuditActions.AlertRetried, AuditOutcome.Success, by, []), cancellationToken);
                return again;
            }
            catch (RowConflictException)
            {
                // Somebody else had it tried again: look at it anew.
            }
        }
    }
}
