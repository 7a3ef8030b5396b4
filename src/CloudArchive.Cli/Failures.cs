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
    : CliException(ExitCode.NotEnrolled, $"This computer is not enrolled (no identity in {folder}). Ask your archive's admin for a code, then run: cloudarchive enroll --url <service> --code <code>");

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
        Microsoft.Data.Sqlite.SqliteException e => (ExitCode.Local, $"The agent's state cannot be used: {e.Message} It can be deleted: the next backup rebuilds it from the service."),
        _ => (ExitCode.Unexpected, $"Unexpected {error.GetType().Name}: {error.Message} Set CLOUDARCHIVE_DEBUG=1 to see where, and report it."),
    };
}
