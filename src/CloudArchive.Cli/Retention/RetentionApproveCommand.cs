using System.CommandLine;
using CloudArchive.Cli.Terminal;

namespace CloudArchive.Cli.Retention;

/// <summary><c>retention approve</c>.</summary>
internal static class RetentionApproveCommand
{
    public static Command Create(CliEnvironment environment) => DestructionDecision.Create(
        environment,
        "approve",
        "Approve destructions that another, or the plan, asked for (admin). The next run destroys the studies: they cannot be brought back.",
        made => $"Approved: study {made.Study} ({Texts.Count(made.Instances, "file")}, {Texts.Size(made.Bytes)}), kept until {made.KeptUntil:yyyy-MM-dd}, is destroyed by the next run. The certificate follows.");
}
