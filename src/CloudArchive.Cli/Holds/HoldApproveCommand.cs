using System.CommandLine;

namespace CloudArchive.Cli.Holds;

/// <summary><c>hold approve</c>.</summary>
internal static class HoldApproveCommand
{
    public static Command Create(CliEnvironment environment) => HoldDecision.Create(environment, "approve", "Approve that another admin clears a hold.");
}
