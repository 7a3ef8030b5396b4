using System.CommandLine;
using CloudArchive.Cli.Service;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Alerts;

/// <summary><c>alerts retry</c>.</summary>
internal static class AlertsRetryCommand
{
    public static Command Create(CliEnvironment environment)
    {
        StaffConnection connection = new(environment);
        Argument<string> id = new("alert") { Description = "The alert's id" };
        Option<bool> system = new("--system") { Description = "The alert is about the archive as a whole, not about a clinic" };
        Option<bool> json = CommonOptions.Json();
        Command command = new("retry", "Have an alert that could not be delivered tried again (admin).") { id, system, json };
        connection.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using ArchiveClient client = connection.Connect(parsed);
            string path = parsed.GetValue(system) ? "v1/alerts" : $"v1/clinics/{connection.Clinic(parsed)}/alerts";
            AlertResponse alert = await client.PostAsync<AlertResponse>($"{path}/{Uri.EscapeDataString(parsed.GetValue(id)!)}/retry", null, repeatable: true, cancellationToken);
            if (parsed.GetValue(json)) environment.WriteJson(alert);
            else environment.Out.WriteLine($"Alert {alert.Id} is tried again within a few minutes.");
            return (int)ExitCode.Ok;
        });
        return command;
    }
}
