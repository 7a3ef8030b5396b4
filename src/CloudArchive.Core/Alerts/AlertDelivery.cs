using System.Globalization;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Wire;
using Microsoft.Extensions.Logging;

namespace CloudArchive.Core.Alerts;

/// <summary>What a run did.</summary>
/// <param name="Delivered">Alerts that the receiver took.</param>
/// <param name="Failed">Attempts that failed; they are repeated.</param>
/// <param name="GivenUp">Alerts that are tried no more: the dead-letter list.</param>
public sealed record AlertDeliveryRun(int Delivered, int Failed, int GivenUp);

/// <summary>
/// Sends the alerts that are due to the operator's webhook. An attempt is counted before it is made, under the row's ETag: two hosts
/// never make the same one, and one that a crash cut short is made again when its next is due. So an alert arrives at least once.
/// </summary>
public sealed partial class AlertDelivery(IRowStore rows, Outbox outbox, TimeProvider clock, ILogger<AlertDelivery> logger, Webhook? webhook = null)
{
    private const int PerPartition = 100;

    /// <summary>After this many failures in a row the receiver is taken to be away, and the rest waits for the next run.</summary>
    private const int FailuresInARow = 5;

    /// <summary>The waits after the first attempt, the second, and so on; after the last one the alert is given up, two and a half days after it was raised.</summary>
    internal static readonly IReadOnlyList<TimeSpan> Waits =
        [TimeSpan.FromMinutes(5), TimeSpan.FromMinutes(15), TimeSpan.FromHours(1), TimeSpan.FromHours(3), TimeSpan.FromHours(8), TimeSpan.FromHours(24), TimeSpan.FromHours(24)];

    /// <summary>One run over all logs. Without a webhook nothing can be sent: then what is due goes to the dead letters, where an admin sees it.</summary>
    public async Task<AlertDeliveryRun> RunAsync(CancellationToken cancellationToken)
    {
        Requester by = Requester.System("alert-delivery", "alerts-" + Guid.CreateVersion7(clock.GetUtcNow()).ToString("N"));
        int delivered = 0, failed = 0, givenUp = 0, inARow = 0;
        await foreach (string log in rows.PartitionsAsync(RowTable.Work, cancellationToken))
        {
            if (log != AuditEntry.SystemLog && !ClinicId.TryParse(log, null, out _))
            {
                continue;
            }

            foreach (Row due in await DueAsync(log, cancellationToken))
            {
                AlertDeliveryStatus? now = await TryDeliverAsync(log, due, by, cancellationToken);
                delivered += now == AlertDeliveryStatus.Delivered ? 1 : 0;
                failed += now == AlertDeliveryStatus.Waiting ? 1 : 0;
                givenUp += now == AlertDeliveryStatus.Failed ? 1 : 0;
                inARow = now == AlertDeliveryStatus.Delivered || webhook is null ? 0 : inARow + (now is null ? 0 : 1);
                if (inARow == FailuresInARow)
                {
                    return new AlertDeliveryRun(delivered, failed, givenUp);
                }
            }
        }

        return new AlertDeliveryRun(delivered, failed, givenUp);
    }

    /// <summary>What is due of a log, at most so many; none, and told, where it cannot be read. Those that wait for a later attempt do not stand in the way of the others.</summary>
    private async Task<IReadOnlyList<Row>> DueAsync(string log, CancellationToken cancellationToken)
    {
        try
        {
            DateTimeOffset now = clock.GetUtcNow();
            return await rows.ReadAllAsync(RowTable.Work, log, RowRange.Prefix(AlertRows.Due), cancellationToken)
                .Where(due => !(due.Values.GetValueOrDefault("at") is DateTimeOffset at && at > now)) // one whose time cannot be read is due: trying it tells
                .Take(PerPartition)
                .ToListAsync(cancellationToken);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            LogFailed(logger, e, log, AlertRows.Due);
            return [];
        }
    }

    private async Task<AlertDeliveryStatus?> TryDeliverAsync(string log, Row due, Requester by, CancellationToken cancellationToken)
    {
        try
        {
            return await DeliverAsync(log, due, by, cancellationToken);
        }
        catch (RowConflictException)
        {
            return null; // Another host has it.
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // One log's trouble (it may be the damaged one) must not keep the other alerts back.
            LogFailed(logger, e, log, due.Key);
            return null;
        }
    }

    /// <summary>One attempt: how the delivery stands after it.</summary>
    private async Task<AlertDeliveryStatus> DeliverAsync(string log, Row due, Requester by, CancellationToken cancellationToken)
    {
        string id = due.Key[AlertRows.Due.Length..];
        Row row = await rows.FindAsync(RowTable.Work, log, AlertRows.Alert + id, cancellationToken) ?? throw new IntegrityException($"Alert {id} of {log} lost its row.");
        RaisedAlert alert = AlertRows.Read(row);
        if (webhook is null)
        {
            return await EndAsync(alert with { LastError = "No webhook is configured." }, AlertDeliveryStatus.Failed, due.ETag!, by, cancellationToken);
        }

        int attempt = alert.Attempts + 1;
        DateTimeOffset next = clock.GetUtcNow() + Waits[Math.Min(attempt, Waits.Count) - 1];
        RaisedAlert trying = alert with { Attempts = attempt, NextAttemptAt = next };
        IReadOnlyList<string> etags = await rows.SubmitAsync(
            RowTable.Work,
            log,
            [new RowWrite.Replace(row.Key, AlertRows.Values(trying), alert.ETag), new RowWrite.Replace(due.Key, AlertRows.DueAt(next), due.ETag!)],
            cancellationToken);
        trying = trying with { ETag = etags[0] };

        string? error = await webhook.SendAsync(trying, cancellationToken);
        if (error is null)
        {
            return await EndAsync(trying with { LastError = null }, AlertDeliveryStatus.Delivered, etags[1], by, cancellationToken);
        }

        LogAttemptFailed(logger, log, id, attempt, error);
        if (attempt > Waits.Count)
        {
            return await EndAsync(trying with { LastError = error }, AlertDeliveryStatus.Failed, etags[1], by, cancellationToken);
        }

        Count("failed");
        await rows.SubmitAsync(RowTable.Work, log, [new RowWrite.Replace(row.Key, AlertRows.Values(trying with { LastError = error }), trying.ETag)], cancellationToken);
        return AlertDeliveryStatus.Waiting;
    }

    private async Task<AlertDeliveryStatus> EndAsync(RaisedAlert alert, AlertDeliveryStatus status, string dueETag, Requester by, CancellationToken cancellationToken)
    {
        bool delivered = status == AlertDeliveryStatus.Delivered;
        RaisedAlert ended = alert with { Delivery = status, NextAttemptAt = null, DeliveredAt = delivered ? clock.GetUtcNow() : null };
        AuditEvent entry = AlertDesk.Entry(
            ended,
            delivered ? AuditActions.AlertDelivered : AuditActions.AlertUndelivered,
            delivered ? AuditOutcome.Success : AuditOutcome.Failure,
            by,
            new Dictionary<string, string> { ["alert"] = ended.Id.ToString(), ["attempts"] = ended.Attempts.ToString(CultureInfo.InvariantCulture) });
        RowWrite[] writes = [new RowWrite.Replace(AlertRows.Alert + ended.Id, AlertRows.Values(ended), ended.ETag), new RowWrite.Delete(AlertRows.Due + ended.Id, dueETag)];
        Count(delivered ? "delivered" : "given-up");
        if (!delivered)
        {
            LogGivenUp(logger, alert.Alert.Log, ended.Id, ended.LastError ?? "");
        }

        await outbox.SubmitAsync(RowTable.Work, alert.Alert.Log, writes, entry, cancellationToken);
        return status;
    }

    private static void Count(string outcome) => ArchiveMetrics.WebhookDeliveries.Add(1, new KeyValuePair<string, object?>("outcome", outcome));

    [LoggerMessage(202, LogLevel.Error, "{Row} of {Log} could not be worked on; the next run tries again.")]
    private static partial void LogFailed(ILogger logger, Exception exception, string log, string row);

    [LoggerMessage(203, LogLevel.Warning, "Alert {Id} of {Log}, attempt {Attempt}: {Error}")]
    private static partial void LogAttemptFailed(ILogger logger, string log, string id, int attempt, string error);

    [LoggerMessage(204, LogLevel.Error, "Alert {Id} of {Log} was not delivered and is tried no more: {Error}", EventName = "AlertUndelivered")]
    private static partial void LogGivenUp(ILogger logger, string log, AlertId id, string error);
}
