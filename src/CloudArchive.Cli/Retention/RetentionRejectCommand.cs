using System.CommandLine;

namespace CloudArchive.Cli.Retention;

/// <summary><c>retention reject</c>.</summary>
internal static class RetentionRejectCommand
{
    public static Command Create(CliEnvironment environment) => DestructionDecision.Create(
        environment,
        "reject",
        "Reject destructions (admin). The plan asks again after 90 days; set a hold for what must be kept longer.",
        made => $"Rejected: study {made.Study} stays.");
}
