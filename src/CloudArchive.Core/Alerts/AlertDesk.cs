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
/// The same alert once a day (UTC).
/// </summary>
public sealed partial class AlertDesk(Outbox outbox, TimeProvider clock, ILogger<AlertDesk> logger)
{
    /// <summary>Raises it; false where it was raised today already.</summary>
    public async Task<bool> RaiseAsync(Alert alert, Requester by, CancellationToken cancellationToken)
    {
        DateTimeOffset now = clock.GetUtcNow();
        AlertId id = AlertId.Of(alert, now);
        RaisedAlert raised = new(id, alert, now, AlertDeliveryStatus.Waiting, 0, now, null, null, "");
        AuditEvent entry = Entry(raised, AuditActions.AlertRaised, AuditOutcome.Failure, by, []) with { Once = AlertRows.Alert + id };
        RowWrite[] writes = [new RowWrite.Insert(AlertRows.Alert + id, AlertRows.Values(raised)), new RowWrite.Insert(AlertRows.Due + id, AlertRows.DueAt(now))];
        try
        {
            await outbox.SubmitAsync(RowTable.Work, alert.Log, writes, entry, cancellationToken);
        }
        catch (RowConflictException)
        {
            return false;
        }
        catch (AuditLogDamagedException)
        {
            // The alert stands and will be sent; its entry waits in the outbox until the log is put right. Say it here all the same.
            LogRaised(logger, alert.Cause, alert.Log, alert.Subject, alert.Message);
            throw;
        }

        ArchiveMetrics.AlertsRaised.Add(1, new KeyValuePair<string, object?>("cause", alert.CauseName));
        LogRaised(logger, alert.Cause, alert.Log, alert.Subject, alert.Message);
        return true;
    }

    /// <summary>An entry about an alert, in the log that the alert belongs to.</summary>
    internal static AuditEvent Entry(RaisedAlert raised, string action, AuditOutcome outcome, Requester by, Dictionary<string, string> details)
    {
        details["cause"] = raised.Alert.CauseName;
        return new AuditEvent(raised.Alert.Log, action, outcome, by.Actor, new AuditSubject(raised.Alert.Clinic?.Value, Other: raised.Alert.Subject), by.Origin, Details: details);
    }

    [LoggerMessage(201, LogLevel.Error, "Alert {Cause} in {Log}, {Subject}: {Text}", EventName = "AlertRaised")]
    private static partial void LogRaised(ILogger logger, AlertCause cause, string log, string subject, string text);
}
