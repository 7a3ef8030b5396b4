using System.CommandLine;
using CloudArchive.Cli.Service;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Alerts;

/// <summary><c>alerts retry</c>.</summary>
internal static class AlertsRetryCommand
{
    public static Command Create(CliEnvironment environment)
    {
        Argument<string> id = new("alert") { Description = "The alert's id" };
        Option<bool> system = new("--system") { Description = "The alert is about the archive as a whole, not about a clinic" };
        return StaffCommand.Act(
            environment,
            "retry",
            "Have an alert that could not be delivered tried again (admin).",
            [id, system],
            call => call.PostAsync<AlertResponse>($"{(call.Value(system) ? "v1" : call.Clinic)}/alerts/{call.Id(id)}/retry"),
            (output, alert) => output.WriteLine($"Alert {alert.Id} is tried again within a few minutes."));
    }
}
