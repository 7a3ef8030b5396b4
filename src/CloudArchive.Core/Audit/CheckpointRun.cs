using CloudArchive.Core.Alerts;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using Microsoft.Extensions.Logging;

namespace CloudArchive.Core.Audit;

/// <summary>How a run over all logs went.</summary>
/// <param name="Logs">How many logs there are.</param>
/// <param name="Failed">Those that have no checkpoint of this run.</param>
public sealed record CheckpointRunResult(int Logs, IReadOnlyList<string> Failed);

/// <summary>The hourly run: a checkpoint of every log. One log's failure does not keep the others from theirs.</summary>
public sealed partial class CheckpointRun(IRowStore rows, Checkpoints checkpoints, IAuditLog audit, AlertDesk alerts, LogStates states, ILogger<CheckpointRun> logger)
{
    /// <summary>Makes them. A log that was rewritten or rolled back is a critical log line, an entry in the system's log, and once a day an alert.</summary>
    public async Task<CheckpointRunResult> MakeAllAsync(string correlationId, CancellationToken cancellationToken)
    {
        SortedSet<string> logs = new(StringComparer.Ordinal) { AuditEntry.SystemLog };
        await foreach (string partition in rows.PartitionsAsync(RowTable.Audit, cancellationToken))
        {
            logs.Add(partition);
        }

        // A clinic whose log was taken away altogether still has its row.
        await foreach (string partition in rows.PartitionsAsync(RowTable.Clinics, cancellationToken))
        {
            if (ClinicId.TryParse(partition, null, out _))
            {
                logs.Add(partition);
            }
        }

        List<string> failed = [];
        foreach (string log in logs)
        {
            try
            {
                await checkpoints.MakeAsync(log, cancellationToken);
            }
            catch (AuditLogDamagedException e)
            {
                failed.Add(log);
                LogDamaged(logger, e, log);
                await AlertAsync(log, correlationId, cancellationToken);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                failed.Add(log);
                LogFailed(logger, e, log);
            }
        }

        return new CheckpointRunResult(logs.Count, failed);
    }

    private async Task AlertAsync(string log, string correlationId, CancellationToken cancellationToken)
    {
        try
        {
            await states.NoteDamagedAsync(log, cancellationToken);
            await audit.AppendAsync(
                new AuditEvent(
                    AuditEntry.SystemLog,
                    AuditActions.LogDamaged,
                    AuditOutcome.Failure,
                    new AuditActor("checkpoint-run", "system"),
                    new AuditSubject(log == AuditEntry.SystemLog ? null : log, Other: log),
                    new AuditOrigin(null, correlationId)),
                cancellationToken);
            await alerts.RaiseAsync(LogCheck.DamagedAlert(log), Requester.System("checkpoint-run", correlationId), cancellationToken);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // The critical line above must do: the system's log may be the very one that is damaged.
            LogFailed(logger, e, AuditEntry.SystemLog);
        }
    }

    [LoggerMessage(Level = LogLevel.Critical, Message = "The audit log {Log} was rewritten or rolled back. See 'When a log is damaged' in docs/audit.md.")]
    private static partial void LogDamaged(ILogger logger, Exception exception, string log);

    [LoggerMessage(Level = LogLevel.Error, Message = "No checkpoint of the audit log {Log} this time.")]
    private static partial void LogFailed(ILogger logger, Exception exception, string log);
}
