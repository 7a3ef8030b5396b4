namespace CloudArchive.Cli;

/// <summary>How a command ends, for scripts. <c>--help</c> and docs/cli.md list them; a number never changes its meaning.</summary>
public enum ExitCode
{
    /// <summary>Done.</summary>
    Ok = 0,

    /// <summary>A fault of this program.</summary>
    Unexpected = 1,

    /// <summary>The command line is wrong.</summary>
    Usage = 2,

    /// <summary>This computer is not enrolled.</summary>
    NotEnrolled = 3,

    /// <summary>Some files were not backed up or not restored; the rest were.</summary>
    Incomplete = 4,

    /// <summary>The service cannot be reached, or fails.</summary>
    Unreachable = 5,

    /// <summary>The service refused.</summary>
    Refused = 6,

    /// <summary>Something is not what it must be: a receipt, a key, a pack.</summary>
    Integrity = 7,

    /// <summary>An audit log does not hold, or is not a continuation of what was seen before.</summary>
    LogAlarm = 8,

    /// <summary>Another run is at work with the same data folder.</summary>
    Locked = 9,

    /// <summary><c>status</c>: files are not safe.</summary>
    NotSafe = 10,

    /// <summary><c>restore</c>: a second admin must approve first.</summary>
    AwaitingApproval = 11,

    /// <summary>A file or folder of this computer cannot be read or written.</summary>
    Local = 12,

    /// <summary><c>doctor</c>, <c>service status</c>, <c>login --status</c>: something is not as it must be.</summary>
    Unhealthy = 13,

    /// <summary><c>restore</c>, <c>recover</c>, <c>hold set</c>, <c>find</c>: nothing fits what was asked for.</summary>
    NothingFound = 14,

    /// <summary>Nothing was found wrong, and yet it could not be checked whether all is right.</summary>
    NotChecked = 15,

    /// <summary>Interrupted.</summary>
    Cancelled = 130,
}

/// <summary>What the exit codes mean, for people.</summary>
public static class ExitCodes
{
    /// <summary>Every code, in order.</summary>
    public static IReadOnlyList<(ExitCode Code, string Meaning)> All { get; } =
    [
        (ExitCode.Ok, "done"),
        (ExitCode.Unexpected, "a fault of this program"),
        (ExitCode.Usage, "the command line is wrong"),
        (ExitCode.NotEnrolled, "this computer is not enrolled"),
        (ExitCode.Incomplete, "some files were not backed up or restored; the output names them"),
        (ExitCode.Unreachable, "the service or storage cannot be reached, or fails; try again later"),
        (ExitCode.Refused, "the service refused; the message says why"),
        (ExitCode.Integrity, "a receipt, key or pack is not what it must be; tell the archive's operator"),
        (ExitCode.LogAlarm, "an audit log does not hold, or contradicts what was seen before; tell the archive's operator"),
        (ExitCode.Locked, "another run is at work with the same data folder"),
        (ExitCode.NotSafe, "status, clinic show: some files are not safe"),
        (ExitCode.AwaitingApproval, "restore: a second admin must approve it first"),
        (ExitCode.Local, "a file or folder of this computer cannot be read or written"),
        (ExitCode.Unhealthy, "doctor, service, login --status: something is not as it must be; the output says what to do"),
        (ExitCode.NothingFound, "restore, recover, hold set, find: nothing fits what was asked for"),
        (ExitCode.NotChecked, "nothing is wrong as far as could be checked, and something could not be checked yet; the output says what"),
        (ExitCode.Cancelled, "interrupted"),
    ];
}
