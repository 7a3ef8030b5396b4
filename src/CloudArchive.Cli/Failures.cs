using CloudArchive.Cli.Transport;

namespace CloudArchive.Cli;

/// <summary>An error that is told to the person as it stands, and ends the command with its own exit code.</summary>
public abstract class CliException(ExitCode code, string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>The exit code.</summary>
    public ExitCode Code { get; } = code;
}

/// <summary>The command line asks for something that cannot be.</summary>
public sealed class UsageException(string message) : CliException(ExitCode.Usage, message);

/// <summary>There is no identity in the data folder.</summary>
public sealed class NotEnrolledException(string folder)
    : CliException(ExitCode.NotEnrolled, $"This computer is not enrolled (no identity in {folder}). Ask your archive's admin for a code, then run: cloudarchive setup (it asks for what it needs), or cloudarchive enroll --url <service> --code <code>");

/// <summary>The service, or storage, could not be reached or kept failing.</summary>
public sealed class ServiceUnreachableException(string where, string why, Exception? inner = null, FailureKind kind = FailureKind.Unreachable, bool isOutage = true)
    : CliException(ExitCode.Unreachable, $"{where} cannot be reached: {why}. Nothing is lost; run the command again later.", inner)
{
    /// <summary>What kind of failure it was.</summary>
    public FailureKind Kind { get; } = kind;

    /// <summary>Whether nobody answered at all; false where it was this one request that failed.</summary>
    public bool IsOutage { get; } = isOutage;
}

/// <summary>The service answered, and said no.</summary>
public sealed class ServiceRefusedException(int status, string problem, string message, string? correlationId)
    : CliException(problem is "nothing-to-restore" ? ExitCode.NothingFound : ExitCode.Refused, correlationId is null ? message : $"{message} (correlation id {correlationId})")
{
    /// <summary>The HTTP status.</summary>
    public int Status { get; } = status;

    /// <summary>The last segment of the problem's <c>type</c>, such as <c>pack-mismatch</c>.</summary>
    public string Problem { get; } = problem;

    /// <summary>The <c>claims</c> with which a login gets a token that would do (<c>insufficient_claims</c>); null where none would.</summary>
    public string? Claims { get; init; }
}

/// <summary>The clinic archived as much today as it may in a day. Nothing is wrong with the archive or with this computer's files, and trying again before it goes on is for nothing.</summary>
/// <param name="message">As the service says it.</param>
/// <param name="wait">How long, by the service, until it goes on.</param>
public sealed class QuotaUsedUpException(string message, TimeSpan wait) : CliException(ExitCode.Refused, message)
{
    /// <summary>What the service's problem is called.</summary>
    public const string Problem = "quota-used-up";

    /// <summary>How long until it goes on. Never longer than a day, whatever a service says.</summary>
    public TimeSpan Wait { get; } = wait < TimeSpan.FromDays(1) ? wait : TimeSpan.FromDays(1);
}

/// <summary>Something that must be true of what the service said or stored is not.</summary>
public class IntegrityException(string message, Exception? inner = null) : CliException(ExitCode.Integrity, message, inner);

/// <summary>The service answered that what it keeps is not as it left it (<c>integrity-failed</c>): no outage, and repeating the request mends nothing.</summary>
public sealed class ArchiveDamagedException(string where, string why, Exception? inner = null)
    : IntegrityException($"{where} answers that something it keeps is damaged ({why}). Repeating this mends nothing: tell the archive's operator.", inner);

/// <summary>The audit log is not a continuation of what was seen before.</summary>
public sealed class LogAlarmException(string message, Exception? inner = null) : CliException(ExitCode.LogAlarm, message, inner);

/// <summary>Another run holds the data folder's lock.</summary>
public sealed class AlreadyRunningException(string message) : CliException(ExitCode.Locked, message);

/// <summary>A file or folder of this computer stands in the way.</summary>
public sealed class LocalFailureException(string message, Exception? inner = null) : CliException(ExitCode.Local, message, inner);

/// <summary>The one place that maps errors to exit codes.</summary>
public static class Failures
{
    /// <summary>What the person is told, and the exit code.</summary>
    public static (ExitCode Code, string Message) Describe(Exception error) => error switch
    {
        CliException e => (e.Code, e.Message),
        OperationCanceledException => (ExitCode.Cancelled, "Interrupted. What has a receipt is safe; run the command again to go on."),
        Format.Packs.PackException or Format.Signing.JwsException => (ExitCode.Integrity, error.Message),
        UnauthorizedAccessException or IOException => (ExitCode.Local, error.Message),
        Microsoft.Data.Sqlite.SqliteException e => (ExitCode.Local, OfState(e)),
        _ => (ExitCode.Unexpected, $"Unexpected {error.GetType().Name}: {error.Message} Set CLOUDARCHIVE_DEBUG=1 to see where, and report it."),
    };

    /// <summary>What is the matter with the agent's state, and what to do. Deleting it is the advice where it is damaged, and nowhere else: it would be read and sent anew for nothing.</summary>
    private static string OfState(Microsoft.Data.Sqlite.SqliteException error) => error.SqliteErrorCode switch
    {
        FullState => "The disk that the agent's state lies on is full. Make room, then run the command again: nothing is lost, and the state is as it was.",
        BusyState or LockedState => "Another program holds the agent's state: a copy, a virus scanner, or another run. Run the command again once it is done: nothing is lost.",
        ReadOnlyState or NoRightToState or CannotOpenState =>
            $"The agent's state cannot be written: {error.Message} Look whether its disk is read-only, and whether folder and file belong to the user who runs this. Nothing is lost.",
        FaultyDisk => $"The disk that the agent's state lies on reports a fault: {error.Message} Look after the disk first; nothing that has a receipt is lost.",
        DamagedState or NoState => $"The agent's state is damaged: {error.Message} It can be deleted: the next backup rebuilds it from the service, and reads every file once.",
        _ => $"The agent's state cannot be used: {error.Message} Run the command again; if that does not help, report it.",
    };

    // https://sqlite.org/rescode.html
    private const int NoRightToState = 3, BusyState = 5, LockedState = 6, ReadOnlyState = 8, FaultyDisk = 10, DamagedState = 11, FullState = 13, CannotOpenState = 14, NoState = 26;
}
