using System.CommandLine;
using CloudArchive.Cli.Service;
using CloudArchive.Cli.Terminal;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Retention;

/// <summary><c>retention plan</c>.</summary>
internal static class RetentionPlanCommand
{
    public static Command Create(CliEnvironment environment)
    {
        StaffConnection connection = new(environment);
        Option<string?> action = new("--action") { Description = "Only studies with which this is to be done: keep, extend or destroy", HelpName = "action" };
        action.AcceptOnlyFromAmong("keep", "extend", "destroy");
        Option<bool> json = CommonOptions.Json();
        Command command = new("plan", "Show what retention asks for now, study by study, and why (admin, compliance). Does nothing.") { action, json };
        connection.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using ArchiveClient client = connection.Connect(parsed);
            string query = parsed.GetValue(action) is { } only ? $"?action={only}" : "";
            List<RetentionLineResponse> lines = await client.GetPagesAsync<RetentionLineResponse>($"v1/clinics/{connection.Clinic(parsed)}/retention/plan{query}", cancellationToken).ToListAsync(cancellationToken);
            if (parsed.GetValue(json))
            {
                environment.WriteJson(lines);
                return (int)ExitCode.Ok;
            }

            environment.WriteTable(
                ["Study", "Action", "Why", "Keep until", "Locked until", "Hold", "Packs"],
                lines.Select(line => new[] { line.Study.Value, line.Action, line.Reason, $"{line.KeepUntil:yyyy-MM-dd}", $"{line.LockedUntil:yyyy-MM-dd}", line.Hold ?? "", line.Packs.ToString("N0") }),
                "There are no such studies.");
            return (int)ExitCode.Ok;
        });
        return command;
    }
}
