using System.Globalization;
using System.Text;
using System.Text.Json;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
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
}

/// <summary>Something that somebody must look at.</summary>
/// <param name="Clinic">Whose; null where it is about the archive as a whole.</param>
/// <param name="Cause">What.</param>
/// <param name="Subject">Which: the run, the agent, the log. With the clinic and the cause it says what is the same alert.</param>
/// <param name="Message">One sentence for people: what, and what to do. No PHI.</param>
public sealed record Alert(ClinicId? Clinic, AlertCause Cause, string Subject, string Message)
{
    /// <summary>The log and the partition that it belongs to.</summary>
    public string Log => Clinic?.Value ?? AuditEntry.SystemLog;
}

/// <summary>Raises alerts: an audit entry, a log line that infra/alerts.json waits for, a row that is delivered. The same alert once a day (UTC).</summary>
public sealed partial class AlertDesk(Outbox outbox, TimeProvider clock, ILogger<AlertDesk> logger)
{
    /// <summary>Rows of <see cref="RowTable.Work"/> in the log's partition: <c>alert:{yyyyMMdd}:{SHA-256 of cause and subject}</c>.</summary>
    internal const string Prefix = "alert:";

    /// <summary>Raises it; false where it was raised today already.</summary>
    public async Task<bool> RaiseAsync(Alert alert, Requester by, CancellationToken cancellationToken)
    {
        DateTimeOffset now = clock.GetUtcNow();
        string same = Sha256Digest.Of(Encoding.UTF8.GetBytes($"{alert.Cause} {alert.Subject}")).Hex;
        string key = $"{Prefix}{now.UtcDateTime.ToString("yyyyMMdd", CultureInfo.InvariantCulture)}:{same}";
        Dictionary<string, object> values = new() { ["at"] = now, ["alert"] = JsonSerializer.Serialize(alert, FormatJson.Options) };
        AuditEvent entry = new(
            alert.Log,
            AuditActions.AlertRaised,
            AuditOutcome.Failure,
            by.Actor,
            new AuditSubject(alert.Clinic?.Value, Other: alert.Subject),
            by.Origin,
            Details: new Dictionary<string, string> { ["cause"] = JsonNamingPolicy.KebabCaseLower.ConvertName(alert.Cause.ToString()) },
            Once: key);
        try
        {
            await outbox.SubmitAsync(RowTable.Work, alert.Log, [new RowWrite.Insert(key, values)], entry, cancellationToken);
        }
        catch (RowConflictException)
        {
            return false;
        }

        LogRaised(logger, alert.Cause, alert.Log, alert.Subject, alert.Message);
        return true;
    }

    [LoggerMessage(201, LogLevel.Error, "Alert {Cause} in {Log}, {Subject}: {Text}", EventName = "AlertRaised")]
    private static partial void LogRaised(ILogger logger, AlertCause cause, string log, string subject, string text);
}
