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
        StaffConnection connection = new(environment);
        Option<bool> all = new("--all") { Description = "Those that were cleared too" };
        Option<bool> json = CommonOptions.Json();
        Command command = new("list", "List legal holds (admin, compliance).") { all, json };
        connection.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using ArchiveClient client = connection.Connect(parsed);
            bool cleared = parsed.GetValue(all);
            List<HoldResponse> holds = await client.GetPagesAsync<HoldResponse>($"v1/clinics/{connection.Clinic(parsed)}/holds", cancellationToken)
                .Where(hold => cleared || hold.Status != HoldStatus.Cleared)
                .ToListAsync(cancellationToken);
            if (parsed.GetValue(json))
            {
                environment.WriteJson(holds);
                return (int)ExitCode.Ok;
            }

            environment.WriteTable(
                ["Hold", "Status", "Keeps", "Why", "Since", "By", "Packs", "Clearing asked by"],
                holds.Select(hold => new[]
                {
                    hold.Hold, HoldTexts.Status(hold), HoldTexts.Subject(hold), Texts.Printable(hold.Reason), hold.SetAt.ToLocalTime().ToString("yyyy-MM-dd HH:mm"), hold.SetBy, hold.Packs.ToString("N0"), hold.ClearRequestedBy ?? "",
                }),
                "There are no holds.");
            return (int)ExitCode.Ok;
        });
        return command;
    }
}
