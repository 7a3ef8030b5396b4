using CloudArchive.Cli.Agent;
using CloudArchive.Cli.Audit;
using CloudArchive.Cli.State;

namespace CloudArchive.Cli.Backup;

/// <summary>
/// After each backup, checks that the clinic's audit log continues what this computer saw before, and that its receipts name their own entries. An alarm stays in the state, for
/// <c>status</c>, until a check passes; a check that could not be made is told, and does not undo a backup.
/// </summary>
public static class LogWatch
{
    /// <summary>The state's name for an alarm; empty where there is none.</summary>
    public const string AlarmName = "log-alarm";

    /// <summary>The state's name for when a check passed last.</summary>
    public const string CheckedName = "log-checked";

    /// <summary>Checks. <see cref="LogAlarmException"/> where the log is not what it was.</summary>
    /// <returns>Why it could not be checked; null where it was.</returns>
    public static async Task<string?> CheckAsync(AgentSession session, TimeProvider clock, CancellationToken cancellationToken)
    {
        try
        {
            Witness witness = new(session.Client, session.Identity.SigningKeys, session.Home.Path);
            if (await witness.CheckAsync(session.Identity.Clinic.Value, cancellationToken) is { } checkpoint)
            {
                await new ReceiptEntries(session.Client, session.State).CheckAsync(checkpoint, cancellationToken);
            }

            session.State.Set(AlarmName, "");
            session.State.Set(CheckedName, clock.GetUtcNow().ToString("O"));
            return null;
        }
        catch (LogAlarmException alarm)
        {
            session.State.Set(AlarmName, alarm.Message);

            // It is not the log that was read: what it says of packs is read again from its beginning.
            session.State.Set(StateSync.CursorName, "-1");
            throw;
        }
        catch (CliException error) when (error is ServiceUnreachableException or ServiceRefusedException)
        {
            return error.Message;
        }
    }
}
