using CloudArchive.Core.Alerts;
using CloudArchive.Core.Work;
using CloudArchive.Format.Audit;
using Microsoft.Extensions.Logging;

namespace CloudArchive.Core.Audit;

/// <summary>The hourly checkpoint of a log. One that was rewritten or rolled back is a critical log line, an entry in the system's log, and once a day an alert.</summary>
public sealed partial class CheckpointRun(Checkpoints checkpoints, IAuditLog audit, AlertDesk alerts, LogStates states, ILogger<CheckpointRun> logger) : IWork
{
    /// <inheritdoc/>
    public async Task<SliceEnd> RunAsync(Slice slice, CancellationToken cancellationToken) =>
        SliceEnd.Finished(await MakeAsync(slice.Scope, slice.By.Origin.CorrelationId, cancellationToken) ? 0 : 1);

    /// <summary>Makes one; false where the log is damaged, which was told then.</summary>
    public async Task<bool> MakeAsync(string log, string correlationId, CancellationToken cancellationToken)
    {
        try
        {
            await checkpoints.MakeAsync(log, cancellationToken);
            return true;
        }
        catch (AuditLogDamagedException e)
        {
            LogDamaged(logger, e, log);
            await AlertAsync(log, correlationId, cancellationToken);
            return false;
        }
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
            LogFailed(logger, e, log);
        }
    }

    [LoggerMessage(Level = LogLevel.Critical, Message = "The audit log {Log} was rewritten or rolled back. See 'When a log is damaged' in docs/audit.md.")]
    private static partial void LogDamaged(ILogger logger, Exception exception, string log);

    [LoggerMessage(Level = LogLevel.Error, Message = "That the audit log {Log} is damaged could not be told.")]
    private static partial void LogFailed(ILogger logger, Exception exception, string log);
}
