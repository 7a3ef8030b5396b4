using System.CommandLine;

namespace CloudArchive.Cli.Access;

/// <summary><c>access unblock</c>.</summary>
internal static class AccessUnblockCommand
{
    public static Command Create(CliEnvironment environment) =>
        AccessBlockCommand.Create(environment, "unblock", "Let a person in again whom a block shut out (admin of all clinics).");
}
