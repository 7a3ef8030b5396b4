using System.CommandLine;
using CloudArchive.Cli.Service;
using CloudArchive.Cli.Terminal;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Alerts;

/// <summary><c>alerts list</c>.</summary>
internal static class AlertsListCommand
{
    public static Command Create(CliEnvironment environment)
    {
        StaffConnection connection = new(environment);
        Option<bool> all = new("--all") { Description = "Those of all clinics, and those about the archive as a whole" };
        Option<bool> failed = new("--failed") { Description = "Only those that could not be delivered" };
        Option<bool> json = CommonOptions.Json();
        Command command = new("list", "List alerts, oldest first, and how far their delivery got (admin, compliance).") { all, failed, json };
        connection.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using ArchiveClient client = connection.Connect(parsed);
            string path = (parsed.GetValue(all) ? "v1/alerts" : $"v1/clinics/{connection.Clinic(parsed)}/alerts") + (parsed.GetValue(failed) ? "?delivery=failed" : "");
            List<AlertResponse> alerts = await client.GetPagesAsync<AlertResponse>(path, cancellationToken).ToListAsync(cancellationToken);
            if (parsed.GetValue(json))
            {
                environment.WriteJson(alerts);
                return (int)ExitCode.Ok;
            }

            environment.WriteTable(
                ["Alert", "Clinic", "Raised", "Cause", "About", "Delivery", "Attempts", "Message", "Last error"],
                alerts.Select(a => new[]
                {
                    a.Id, a.Clinic?.Value ?? "(archive)", a.RaisedAt.ToLocalTime().ToString("yyyy-MM-dd HH:mm"), a.Cause, a.Subject, a.Delivery.ToString().ToLowerInvariant(), a.Attempts.ToString("N0"), a.Message, a.LastError ?? "",
                }),
                "There are no alerts.");
            return (int)ExitCode.Ok;
        });
        return command;
    }
}
