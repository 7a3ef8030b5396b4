using System.CommandLine;
using CloudArchive.Cli.Service;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Alerts;

/// <summary><c>alerts acknowledge</c>.</summary>
internal static class AlertsAcknowledgeCommand
{
    public static Command Create(CliEnvironment environment)
    {
        StaffConnection connection = new(environment);
        Argument<string> id = new("alert") { Description = "The alert's id" };
        Option<string> reason = new("--reason") { Description = "What is being done about it, or why nothing needs to be; no patient's name", Required = true };
        Option<bool> system = new("--system") { Description = "The alert is about the archive as a whole, not about a clinic" };
        Option<bool> json = CommonOptions.Json();
        Command command = new("acknowledge", "Say that you have an alert in hand: it is open no more, and where it is still so tomorrow it is raised again (admin).") { id, reason, system, json };
        connection.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using ArchiveClient client = connection.Connect(parsed);
            string path = parsed.GetValue(system) ? "v1/alerts" : $"v1/clinics/{connection.Clinic(parsed)}/alerts";
            AcknowledgeAlertRequest request = new(parsed.GetValue(reason)!);
            AlertResponse alert = await client.PostAsync<AlertResponse>($"{path}/{Uri.EscapeDataString(parsed.GetValue(id)!)}/acknowledge", request, repeatable: true, cancellationToken);
            if (parsed.GetValue(json))
            {
                environment.WriteJson(alert);
            }
            else
            {
                environment.Out.WriteLine($"Alert {alert.Id} is in the hands of {alert.AcknowledgedBy}.");
            }

            return (int)ExitCode.Ok;
        });
        return command;
    }
}
