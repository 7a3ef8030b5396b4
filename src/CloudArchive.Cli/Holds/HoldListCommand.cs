using System.CommandLine;
using CloudArchive.Cli.Service;
using CloudArchive.Cli.Terminal;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Holds;

/// <summary><c>hold list</c>.</summary>
internal static class HoldListCommand
{
    public static Command Create(CliEnvironment environment)
    {
        Option<bool> all = new("--all") { Description = "Those that were cleared too" };
        return StaffCommand.List<HoldResponse>(
            environment,
            "list",
            "List legal holds (admin, compliance).",
            [all],
            call => $"{call.Clinic}/holds",
            ["Hold", "Status", "Keeps", "Why", "Since", "By", "Packs", "Clearing asked by"],
            hold =>
            [
                hold.Hold, HoldTexts.Status(hold), HoldTexts.Subject(hold), Texts.Printable(hold.Reason), hold.SetAt.ToLocalTime().ToString("yyyy-MM-dd HH:mm"), hold.SetBy, hold.Packs.ToString("N0"), hold.ClearRequestedBy ?? "",
            ],
            "There are no holds.",
            where: (call, hold) => call.Value(all) || hold.Status != HoldStatus.Cleared);
    }
}
