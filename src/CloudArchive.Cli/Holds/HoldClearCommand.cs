using System.CommandLine;

namespace CloudArchive.Cli.Holds;

/// <summary><c>hold clear</c>.</summary>
internal static class HoldClearCommand
{
    public static Command Create(CliEnvironment environment) => HoldDecision.Create(environment, "clear", "Clear a hold; where the clinic wants that, another admin has to approve within 72 hours.");
}
