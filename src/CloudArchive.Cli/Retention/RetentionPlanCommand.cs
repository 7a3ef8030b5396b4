using System.CommandLine;
using CloudArchive.Cli.Service;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Retention;

/// <summary><c>retention plan</c>.</summary>
internal static class RetentionPlanCommand
{
    public static Command Create(CliEnvironment environment)
    {
        Option<string?> action = new("--action") { Description = "Only studies with which this is to be done: keep, extend or destroy", HelpName = "action" };
        action.AcceptOnlyFromAmong("keep", "extend", "destroy");
        return StaffCommand.List<RetentionLineResponse>(
            environment,
            "plan",
            "Show what retention asks for now, study by study, and why (admin, compliance). Does nothing.",
            [action],
            call => $"{call.Clinic}/retention/plan{(call.Value(action) is { } only ? $"?action={only}" : "")}",
            ["Study", "Action", "Why", "Keep until", "Locked until", "Hold", "Packs"],
            line => [line.Study.Value, line.Action, line.Reason, $"{line.KeepUntil:yyyy-MM-dd}", $"{line.LockedUntil:yyyy-MM-dd}", line.Hold ?? "", line.Packs.ToString("N0")],
            "There are no such studies.");
    }
}
