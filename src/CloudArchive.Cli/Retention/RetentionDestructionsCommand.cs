using System.CommandLine;
using CloudArchive.Cli.Service;
using CloudArchive.Cli.Terminal;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Retention;

/// <summary><c>retention destructions</c>.</summary>
internal static class RetentionDestructionsCommand
{
    public static Command Create(CliEnvironment environment)
    {
        Option<bool> pending = new("--pending") { Description = "Only those that wait for approval" };
        return StaffCommand.List<DestructionResponse>(
            environment,
            "destructions",
            "List destructions of studies whose time is over, and where they stand (admin, compliance).",
            [pending],
            call => $"{call.Clinic}/destructions",
            ["Destruction", "Status", "Study", "Kept until", "By policy", "Requested", "By", "Decided by", "Files", "Size"],
            d =>
            [
                d.Destruction, RetentionTexts.Describe(d), d.Study.Value, $"{d.KeptUntil:yyyy-MM-dd}", d.Policy.ToString("N0"), d.RequestedAt.ToLocalTime().ToString("yyyy-MM-dd"), d.RequestedBy, d.DecidedBy ?? "",
                d.Instances.ToString("N0"), Texts.Size(d.Bytes),
            ],
            "There are no destructions.",
            where: (call, destruction) => !call.Value(pending) || destruction.Status == DestructionStatus.PendingApproval);
    }
}
