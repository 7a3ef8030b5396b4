using System.CommandLine;
using CloudArchive.Cli.Service;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Alerts;

/// <summary><c>alerts acknowledge</c>.</summary>
internal static class AlertsAcknowledgeCommand
{
    public static Command Create(CliEnvironment environment)
    {
        Argument<string> id = new("alert") { Description = "The alert's id" };
        Option<string> reason = new("--reason") { Description = "What is being done about it, or why nothing needs to be; no patient's name", Required = true };
        Option<bool> system = new("--system") { Description = "The alert is about the archive as a whole, not about a clinic" };
        return StaffCommand.Act(
            environment,
            "acknowledge",
            "Say that you have an alert in hand: it is open no more, and where it is still so tomorrow it is raised again (admin).",
            [id, reason, system],
            call => call.PostAsync<AlertResponse>($"{(call.Value(system) ? "v1" : call.Clinic)}/alerts/{call.Id(id)}/acknowledge", new AcknowledgeAlertRequest(call.Value(reason)!)),
            (output, alert) => output.WriteLine($"Alert {alert.Id} is in the hands of {alert.AcknowledgedBy}."));
    }
}
