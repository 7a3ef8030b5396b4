using System.Text.Json;
using System.Text.Json.Serialization;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Wire;
using Microsoft.Extensions.Logging;

namespace CloudArchive.Core.Alerts;

/// <summary>What somebody must look at.</summary>
public enum AlertCause
{
    /// <summary>A restore test did not bring a pack back.</summary>
    RestoreTestFailed,

    /// <summary>A canary did not fail as it must, or there was none: the restore test itself is not to be trusted.</summary>
    CanaryFailed,

    /// <summary>A clinic's agents have not been heard of for too long.</summary>
    ClinicSilent,

    /// <summary>An audit log does not verify.</summary>
    LogDamaged,

    /// <summary>A scheduled restore test did not run when it should have.</summary>
    ScheduleMissed,

    /// <summary>A pack is not in storage any more, or is not what was archived.</summary>
    PackLost,

    /// <summary>A computer has files that are not in the archive, for a reason that nobody chose.</summary>
    FilesNotBackedUp,

    /// <summary>A good part of a folder was rewritten, renamed or stopped being DICOM: what ransomware does.</summary>
    MassChange,

    /// <summary>A folder that is to be backed up is away, empty, or another one.</summary>
    FolderMissing,

    /// <summary>No complete backup of a computer was reported for too long.</summary>
    NoCompleteBackup,

    /// <summary>Files of packs that the archive lost are on the clinic's computer no more.</summary>
    FilesLost,

    /// <summary>A clinic's audit log was not checked for too long.</summary>
    LogUnchecked,

    /// <summary>Mail to the operator or to a clinic's contact does not arrive.</summary>
    MailUndeliverable,

    /// <summary>A piece of scheduled work failed again and again.</summary>
    WorkFailed,

    /// <summary>A clinic archived as much in a day as it may.</summary>
    QuotaUsedUp,

    /// <summary>Storage holds packs that no row names.</summary>
    StrayPacks,

    /// <summary>Bringing everything of a clinic back would take longer than it may (RTO).</summary>
    RecoveryTimeMissed,

    /// <summary>More of a clinic's work could be lost than may be (RPO).</summary>
    RecoveryPointMissed,
}

/// <summary>Something that somebody must look at.</summary>
/// <param name="Clinic">Whose; null where it is about the archive as a whole.</param>
/// <param name="Cause">What.</param>
/// <param name="Subject">Which: the run, the agent, the log. With the clinic and the cause it says what is the same alert.</param>
/// <param name="Message">One sentence for people: what, and what to do. No PHI.</param>
public sealed record Alert(ClinicId? Clinic, AlertCause Cause, string Subject, string Message)
{
    /// <summary>The log and the partition that it belongs to.</summary>
    [JsonIgnore]
    public string Log => Clinic?.Value ?? AuditEntry.SystemLog;

    /// <summary>The cause as entries, metrics and messages have it, such as <c>clinic-silent</c>.</summary>
    [JsonIgnore]
    public string CauseName => JsonNamingPolicy.KebabCaseLower.ConvertName(Cause.ToString());
}

/// <summary>
/// Raises alerts: an audit entry, a metric, a log line that infra/alerts.json waits for, a row that <see cref="AlertDelivery"/> sends.
/// The same alert once a day (UTC). It is open until somebody acknowledges it, its cause is over, or the next day's takes its place.
/// </summary>
public sealed partial class AlertDesk(IRowStore rows, Outbox outbox, TimeProvider clock, ILogger<AlertDesk> logger)
{
    /// <summary>Raises it; false where it was raised today already.</summary>
    public async Task<bool> RaiseAsync(Alert alert, Requester by, CancellationToken cancellationToken)
    {
        while (true)
        {
            DateTimeOffset now = clock.GetUtcNow();
            AlertId id = AlertId.Of(alert, now);
            if (await rows.FindAsync(RowTable.Work, alert.Log, AlertRows.Alert + id, cancellationToken) is { } today)
            {
                RaisedAlert said = AlertRows.Read(today);
                if (said.Closing == AlertClosing.CauseEnded ? !await TryReopenAsync(said, alert, by, cancellationToken) : !await TrySayAsync(said, alert, cancellationToken))
                {
                    continue;
                }

                return false;
            }

            Row? open = await rows.FindAsync(RowTable.Work, alert.Log, AlertRows.Open + id.Digest, cancellationToken);
            RaisedAlert raised = new(id, alert, now, DeliveryState.Begin(now), open?.Time("since") ?? now);
            AuditEvent entry = Entry(raised, AuditActions.AlertRaised, AuditOutcome.Failure, by, []) with { Once = AlertRows.Alert + id };
            List<RowWrite> writes =
            [
                new RowWrite.Insert(AlertRows.Alert + id, AlertRows.Values(raised)),
                new RowWrite.Insert(AlertRows.Due + id, AlertRows.DueAt(now)),
                AlertRows.WriteOpen(raised, open),
            ];
            if (open is not null && await FindAsync(alert.Log, AlertId.Parse(open.Text("alert")!), cancellationToken) is { Closing: null } earlier)
            {
                RaisedAlert replaced = earlier with { Closing = AlertClosing.RaisedAgain, ClosedAt = now };
                writes.Add(new RowWrite.Replace(AlertRows.Alert + earlier.Id, AlertRows.Values(replaced), earlier.ETag));
            }

            try
            {
                await outbox.SubmitAsync(RowTable.Work, alert.Log, writes, entry, cancellationToken);
            }
            catch (RowConflictException)
            {
                continue; // Raised, closed or delivered by another host since it was read: look at it anew.
            }
            catch (AuditLogDamagedException)
            {
                // The alert stands and will be sent; its entry waits in the outbox until the log is put right. Say it here all the same.
                LogRaised(logger, alert.Cause, alert.Log, alert.Subject, alert.Message);
                await AlertRows.NoteDueAsync(rows, alert.Log, cancellationToken);
                throw;
            }

            await AlertRows.NoteDueAsync(rows, alert.Log, cancellationToken);
            ArchiveMetrics.AlertsRaised.Add(1, new KeyValuePair<string, object?>("cause", alert.CauseName));
            LogRaised(logger, alert.Cause, alert.Log, alert.Subject, alert.Message);
            return true;
        }
    }

    /// <summary>Closes an alert whose cause is over; false where none is open. Who was told of it is told of that too.</summary>
    public async Task<bool> EndAsync(ClinicId? clinic, AlertCause cause, string subject, Requester by, CancellationToken cancellationToken)
    {
        string log = clinic?.Value ?? AuditEntry.SystemLog;
        while (true)
        {
            string key = AlertRows.Open + AlertId.DigestOf(cause, subject);
            if (await rows.FindAsync(RowTable.Work, log, key, cancellationToken) is not { } open)
            {
                return false;
            }

            RaisedAlert? alert = await FindAsync(log, AlertId.Parse(open.Text("alert")!), cancellationToken);
            List<RowWrite> writes = [new RowWrite.Delete(key, open.ETag!)];
            if (alert is null)
            {
                await rows.DeleteUnchangedAsync(RowTable.Work, log, [open], cancellationToken);
                return false;
            }

            DateTimeOffset now = clock.GetUtcNow();
            RaisedAlert ended = alert with { Closing = AlertClosing.CauseEnded, ClosedAt = now };
            writes.Add(new RowWrite.Replace(AlertRows.Alert + alert.Id, AlertRows.Values(ended), alert.ETag));
            if (alert.Delivery.Sent.Count > 0)
            {
                writes.AddRange(LetterRows.Insert(Letter.Closed(ended, now), now));
            }

            try
            {
                await outbox.SubmitAsync(RowTable.Work, log, writes, Entry(ended, AuditActions.AlertClosed, AuditOutcome.Success, by, []), cancellationToken);
                await AlertRows.NoteDueAsync(rows, log, cancellationToken);
                LogClosed(logger, cause, log, subject);
                return true;
            }
            catch (RowConflictException)
            {
                // Raised again or delivered since it was read: look at it anew.
            }
        }
    }

    /// <summary>What is open of a log: cause and subject. One query; the first thousand.</summary>
    public async Task<IReadOnlyList<OpenAlert>> ListOpenAsync(string log, CancellationToken cancellationToken) =>
        [.. (await rows.QueryAsync(RowTable.Work, log, RowRange.Prefix(AlertRows.Open), RowStoreExtensions.MostRows, cancellationToken)).Select(AlertRows.ReadOpen)];

    /// <summary>Who looks later on the same day reads what is so then. It is the same alert: nobody is told twice, and the log has it already.</summary>
    private async Task<bool> TrySayAsync(RaisedAlert said, Alert alert, CancellationToken cancellationToken)
    {
        if (said.Alert.Message == alert.Message)
        {
            return true;
        }

        try
        {
            RowWrite write = new RowWrite.Replace(AlertRows.Alert + said.Id, AlertRows.Values(said with { Alert = alert }), said.ETag);
            await rows.SubmitAsync(RowTable.Work, alert.Log, [write], cancellationToken);
            return true;
        }
        catch (RowConflictException)
        {
            return false;
        }
    }

    private async Task<bool> TryReopenAsync(RaisedAlert closed, Alert alert, Requester by, CancellationToken cancellationToken)
    {
        RaisedAlert again = closed with { Alert = alert, Closing = null, ClosedAt = null };
        string log = closed.Alert.Log;
        Row? open = await rows.FindAsync(RowTable.Work, log, AlertRows.Open + closed.Id.Digest, cancellationToken);
        RowWrite[] writes = [new RowWrite.Replace(AlertRows.Alert + closed.Id, AlertRows.Values(again), closed.ETag), AlertRows.WriteOpen(again, open)];
        try
        {
            await outbox.SubmitAsync(RowTable.Work, log, writes, Entry(again, AuditActions.AlertReopened, AuditOutcome.Failure, by, []), cancellationToken);
            return true;
        }
        catch (RowConflictException)
        {
            return false;
        }
    }

    private async Task<RaisedAlert?> FindAsync(string log, AlertId id, CancellationToken cancellationToken) =>
        await rows.FindAsync(RowTable.Work, log, AlertRows.Alert + id, cancellationToken) is { } row ? AlertRows.Read(row) : null;

    /// <summary>An entry about an alert, in the log that the alert belongs to.</summary>
    internal static AuditEvent Entry(RaisedAlert raised, string action, AuditOutcome outcome, Requester by, Dictionary<string, string> details)
    {
        details["cause"] = raised.Alert.CauseName;
        return new AuditEvent(raised.Alert.Log, action, outcome, by.Actor, new AuditSubject(raised.Alert.Clinic?.Value, Other: raised.Alert.Subject), by.Origin, Details: details);
    }

    [LoggerMessage(201, LogLevel.Error, "Alert {Cause} in {Log}, {Subject}: {Text}", EventName = "AlertRaised")]
    private static partial void LogRaised(ILogger logger, AlertCause cause, string log, string subject, string text);

    [LoggerMessage(205, LogLevel.Information, "Alert {Cause} in {Log}, {Subject}: its cause is over.", EventName = "AlertClosed")]
    private static partial void LogClosed(ILogger logger, AlertCause cause, string log, string subject);
}
