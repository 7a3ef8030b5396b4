using System.Globalization;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Work;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Wire;
using Microsoft.Extensions.Logging;

namespace CloudArchive.Core.Alerts;

/// <summary>What a run did.</summary>
/// <param name="Delivered">Alerts and letters that everybody whom they concern has.</param>
/// <param name="Failed">Attempts that failed; they are repeated.</param>
/// <param name="GivenUp">Those that are tried no more: of alerts, the dead letters.</param>
public sealed record AlertDeliveryRun(int Delivered, int Failed, int GivenUp);

/// <summary>
/// Sends the alerts and letters that are due, over every channel that the operator configured: the webhook, and mail. An attempt is counted before it is
/// made, under the row's ETag: two hosts never make the same one, and one that a crash cut short is made again when its next is due. So an alert arrives
/// at least once on each channel; a channel that has it is not asked again.
/// </summary>
public sealed partial class AlertDelivery(IRowStore rows, Outbox outbox, AlertDesk alerts, IEnumerable<INoticeChannel> channels, TimeProvider clock, ILogger<AlertDelivery> logger) : IWork
{
    private const int PerLog = 100;

    /// <summary>After this many failures in a row a channel's receiver is taken to be away, and the rest waits for the next run.</summary>
    private const int FailuresInARow = 5;

    /// <summary>The waits after the first attempt, the second, and so on; after the last one it is given up, two and a half days after it was begun.</summary>
    internal static readonly IReadOnlyList<TimeSpan> Waits =
        [TimeSpan.FromMinutes(5), TimeSpan.FromMinutes(15), TimeSpan.FromHours(1), TimeSpan.FromHours(3), TimeSpan.FromHours(8), TimeSpan.FromHours(24), TimeSpan.FromHours(24)];

    private readonly INoticeChannel[] _channels = [.. channels];

    /// <inheritdoc/>
    public async Task<SliceEnd> RunAsync(Slice slice, CancellationToken cancellationToken)
    {
        await RunAsync(slice.By, cancellationToken);
        return SliceEnd.Finished(); // an attempt that failed is repeated, and one that is given up is an alert
    }

    /// <summary>One run over the logs that have something due. Without a channel nothing can be sent: then it goes to the dead letters, where an admin sees it.</summary>
    public async Task<AlertDeliveryRun> RunAsync(Requester by, CancellationToken cancellationToken)
    {
        Run run = new(by);
        DateTimeOffset now = clock.GetUtcNow();
        List<Row> hints = await rows.ReadAllAsync(RowTable.Work, AlertRows.Index, RowRange.All, cancellationToken).ToListAsync(cancellationToken);
        if (hints.All(hint => hint.Key != AuditEntry.SystemLog))
        {
            hints.Add(new Row(AlertRows.Index, AuditEntry.SystemLog, AlertRows.DueAt(now))); // the one log that no clinic's watch looks after
        }

        foreach (Row hint in hints.Where(hint => !IsLater(hint, now)))
        {
            try
            {
                await RunAsync(hint, run, cancellationToken);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                LogFailed(logger, e, hint.Key, AlertRows.Due);
            }
        }

        return new AlertDeliveryRun(run.Delivered, run.Failed, run.GivenUp);
    }

    /// <summary>What is due of a log, and when it has to be looked at again. Those that wait for a later attempt do not stand in the way of the others.</summary>
    private async Task RunAsync(Row hint, Run run, CancellationToken cancellationToken)
    {
        string log = hint.Key;
        DateTimeOffset now = clock.GetUtcNow();
        foreach (string kind in AlertRows.AllDue)
        {
            List<Row> due = await rows.ReadAllAsync(RowTable.Work, log, RowRange.Prefix(kind), cancellationToken)
                .Where(row => !IsLater(row, now))
                .Take(PerLog)
                .ToListAsync(cancellationToken);
            foreach (Row row in due)
            {
                AlertDeliveryStatus? status = await TryDeliverAsync(log, row, run, cancellationToken);
                run.Delivered += status == AlertDeliveryStatus.Delivered ? 1 : 0;
                run.Failed += status == AlertDeliveryStatus.Waiting ? 1 : 0;
                run.GivenUp += status == AlertDeliveryStatus.Failed ? 1 : 0;
            }
        }

        // An alert that was raised meanwhile wrote the hint anew: then it stands as it was written.
        if (hint.ETag is null)
        {
            return;
        }

        if (await NextAsync(log, cancellationToken) is { } next)
        {
            try
            {
                await rows.SubmitAsync(RowTable.Work, AlertRows.Index, [new RowWrite.Replace(log, AlertRows.DueAt(next), hint.ETag!)], cancellationToken);
            }
            catch (RowConflictException)
            {
            }
        }
        else
        {
            await rows.DeleteUnchangedAsync(RowTable.Work, AlertRows.Index, [hint], cancellationToken);
        }
    }

    /// <summary>When the next attempt of a log is due; null where nothing waits.</summary>
    private async Task<DateTimeOffset?> NextAsync(string log, CancellationToken cancellationToken)
    {
        DateTimeOffset? next = null;
        foreach (string kind in AlertRows.AllDue)
        {
            await foreach (Row row in rows.ReadAllAsync(RowTable.Work, log, RowRange.Prefix(kind), cancellationToken))
            {
                DateTimeOffset at = row.Values.GetValueOrDefault("at") as DateTimeOffset? ?? clock.GetUtcNow();
                next = next is null || at < next ? at : next;
            }
        }

        return next;
    }

    /// <summary>Whether a row's time is yet to come. One whose time cannot be read is due: trying it tells.</summary>
    private static bool IsLater(Row row, DateTimeOffset now) => row.Values.GetValueOrDefault("at") is DateTimeOffset at && at > now;

    private async Task<AlertDeliveryStatus?> TryDeliverAsync(string log, Row due, Run run, CancellationToken cancellationToken)
    {
        try
        {
            Item item = due.Key.StartsWith(AlertRows.Due, StringComparison.Ordinal)
                ? await AlertItemAsync(log, due, cancellationToken)
                : await LetterItemAsync(log, due, cancellationToken);
            return await DeliverAsync(item, run, cancellationToken);
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

    /// <summary>One attempt on every channel that is still to have it: how the delivery stands after it.</summary>
    private async Task<AlertDeliveryStatus?> DeliverAsync(Item item, Run run, CancellationToken cancellationToken)
    {
        if (_channels.Length == 0)
        {
            return await EndAsync(item, item.State with { LastError = "No webhook and no mail server is configured." }, AlertDeliveryStatus.Failed, run.By, cancellationToken);
        }

        INoticeChannel[] wanted = [.. _channels.Where(channel => !item.State.Sent.Contains(channel.Name) && !item.State.Refused.Contains(channel.Name))];
        if (wanted.Length > 0 && wanted.All(channel => run.IsAway(channel)))
        {
            return null;
        }

        int attempt = item.State.Attempts + 1;
        DateTimeOffset next = clock.GetUtcNow() + Waits[Math.Min(attempt, Waits.Count) - 1];
        item = await CountAsync(item, item.State with { Attempts = attempt, NextAttemptAt = next }, cancellationToken);
        List<string> sent = [.. item.State.Sent], refused = [.. item.State.Refused], errors = [];
        bool again = false;
        List<(string Channel, string Error)> undeliverable = [];
        foreach (INoticeChannel channel in wanted)
        {
            SendOutcome outcome = run.IsAway(channel) ? SendOutcome.Failed("It did not answer, and is asked again later.") : await channel.SendAsync(item.Notice, cancellationToken);
            run.Note(channel, outcome);
            switch (outcome.Result)
            {
                case SendResult.Sent:
                    sent.Add(channel.Name);
                    break;
                case SendResult.Refused:
                    refused.Add(channel.Name);
                    undeliverable.Add((channel.Name, outcome.Error!));
                    break;
                case SendResult.Failed:
                    again = true;
                    undeliverable.Add((channel.Name, outcome.Error!));
                    break;
            }

            if (outcome.Error is { } error)
            {
                errors.Add(_channels.Length == 1 ? error : $"{channel.Name}: {error}");
                LogAttemptFailed(logger, item.Log, item.Id, channel.Name, attempt, error);
            }
        }

        DeliveryState state = item.State with { Sent = sent, Refused = refused, LastError = errors.Count == 0 ? null : string.Join(' ', errors) };
        if (again && attempt <= Waits.Count)
        {
            Count("failed");
            await rows.SubmitAsync(RowTable.Work, item.Log, [new RowWrite.Replace(item.RowKey, item.ValuesOf(state), item.ETag)], cancellationToken);
            return AlertDeliveryStatus.Waiting;
        }

        if (sent.Count == 0 && state.LastError is null)
        {
            state = state with { LastError = "Nobody is configured to be told of it." };
        }

        AlertDeliveryStatus ended = await EndAsync(item, state, state.LastError is null && refused.Count == 0 ? AlertDeliveryStatus.Delivered : AlertDeliveryStatus.Failed, run.By, cancellationToken);
        foreach ((string channel, string error) in undeliverable.Where(one => one.Channel.StartsWith(MailChannels.Prefix, StringComparison.Ordinal)))
        {
            await RaiseUndeliverableAsync(item, channel, error, run.By, cancellationToken);
        }

        return ended;
    }

    /// <summary>That mail does not arrive is told over what is left; <see cref="MailChannels"/> do not take the alert about themselves.</summary>
    private async Task RaiseUndeliverableAsync(Item item, string channel, string error, Requester by, CancellationToken cancellationToken)
    {
        try
        {
            await alerts.RaiseAsync(MailChannels.Undeliverable(channel, item.Notice.Clinic, error), by, cancellationToken);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            LogFailed(logger, e, item.Log, channel);
        }
    }

    private async Task<Item> CountAsync(Item item, DeliveryState state, CancellationToken cancellationToken)
    {
        IReadOnlyList<string> etags = await rows.SubmitAsync(
            RowTable.Work,
            item.Log,
            [new RowWrite.Replace(item.RowKey, item.ValuesOf(state), item.ETag), new RowWrite.Replace(item.Due.Key, AlertRows.DueAt(state.NextAttemptAt!.Value), item.Due.ETag!)],
            cancellationToken);
        return item with { State = state, ETag = etags[0], Due = item.Due with { ETag = etags[1] } };
    }

    private async Task<AlertDeliveryStatus> EndAsync(Item item, DeliveryState state, AlertDeliveryStatus status, Requester by, CancellationToken cancellationToken)
    {
        bool delivered = status == AlertDeliveryStatus.Delivered;
        DeliveryState ended = state with { Status = status, NextAttemptAt = null, DeliveredAt = delivered ? clock.GetUtcNow() : null };
        Count(delivered ? "delivered" : "given-up");
        if (!delivered)
        {
            LogGivenUp(logger, item.Log, item.Id, ended.LastError ?? "");
        }

        RowWrite row = item.Alert is null ? new RowWrite.Delete(item.RowKey, item.ETag) : new RowWrite.Replace(item.RowKey, item.ValuesOf(ended), item.ETag);
        await outbox.SubmitAsync(RowTable.Work, item.Log, [row, new RowWrite.Delete(item.Due.Key, item.Due.ETag!)], Entry(item, ended, by), cancellationToken);
        return status;
    }

    private static AuditEvent Entry(Item item, DeliveryState ended, Requester by)
    {
        bool delivered = ended.Status == AlertDeliveryStatus.Delivered;
        AuditOutcome outcome = delivered ? AuditOutcome.Success : AuditOutcome.Failure;
        Dictionary<string, string> details = new()
        {
            ["attempts"] = ended.Attempts.ToString(CultureInfo.InvariantCulture),
            ["sent"] = string.Join(',', ended.Sent),
        };
        if (item.Alert is { } alert)
        {
            details["alert"] = item.Id;
            return AlertDesk.Entry(alert, delivered ? AuditActions.AlertDelivered : AuditActions.AlertUndelivered, outcome, by, details);
        }

        details["kind"] = item.Notice.Kind switch { NoticeKind.Weekly => "weekly", _ => "alert-closed" };
        return new AuditEvent(
            item.Log,
            delivered ? AuditActions.LetterDelivered : AuditActions.LetterUndelivered,
            outcome,
            by.Actor,
            new AuditSubject(item.Notice.Clinic?.Value, Other: item.Id),
            by.Origin,
            Details: details);
    }

    private async Task<Item> AlertItemAsync(string log, Row due, CancellationToken cancellationToken)
    {
        string id = due.Key[AlertRows.Due.Length..], key = AlertRows.Alert + id;
        Row row = await rows.FindAsync(RowTable.Work, log, key, cancellationToken) ?? throw new IntegrityException($"Alert {id} of {log} lost its row.");
        RaisedAlert alert = AlertRows.Read(row);
        return new Item(log, id, key, alert.ETag, due, Notice.Of(alert), alert.Delivery, alert, state => AlertRows.Values(alert with { Delivery = state }));
    }

    private async Task<Item> LetterItemAsync(string log, Row due, CancellationToken cancellationToken)
    {
        string id = due.Key[LetterRows.Due.Length..], key = LetterRows.Letter + id;
        Row row = await rows.FindAsync(RowTable.Work, log, key, cancellationToken) ?? throw new IntegrityException($"Letter {id} of {log} lost its row.");
        Letter letter = LetterRows.Read(row);
        return new Item(log, id, key, letter.ETag, due, letter.Notice, letter.Delivery, null, state => LetterRows.Values(letter with { Delivery = state }));
    }

    private static void Count(string outcome) => ArchiveMetrics.AlertDeliveries.Add(1, new KeyValuePair<string, object?>("outcome", outcome));

    /// <summary>What is being delivered: an alert's row, or a letter's.</summary>
    private sealed record Item(
        string Log, string Id, string RowKey, string ETag, Row Due, Notice Notice, DeliveryState State, RaisedAlert? Alert, Func<DeliveryState, Dictionary<string, object>> ValuesOf);

    /// <summary>What a run did so far, and which receivers are away.</summary>
    private sealed class Run(Requester by)
    {
        private readonly Dictionary<string, int> _inARow = [];

        public Requester By => by;

        public int Delivered { get; set; }

        public int Failed { get; set; }

        public int GivenUp { get; set; }

        public bool IsAway(INoticeChannel channel) => _inARow.GetValueOrDefault(channel.Name) >= FailuresInARow;

        public void Note(INoticeChannel channel, SendOutcome outcome) => _inARow[channel.Name] = outcome.Result == SendResult.Failed ? _inARow.GetValueOrDefault(channel.Name) + 1 : 0;
    }

    [LoggerMessage(202, LogLevel.Error, "{Row} of {Log} could not be worked on; the next run tries again.")]
    private static partial void LogFailed(ILogger logger, Exception exception, string log, string row);

    [LoggerMessage(203, LogLevel.Warning, "{Id} of {Log} over {Channel}, attempt {Attempt}: {Error}")]
    private static partial void LogAttemptFailed(ILogger logger, string log, string id, string channel, int attempt, string error);

    [LoggerMessage(204, LogLevel.Error, "{Id} of {Log} was not delivered and is tried no more: {Error}", EventName = "AlertUndelivered")]
    private static partial void LogGivenUp(ILogger logger, string log, string id, string error);
}
