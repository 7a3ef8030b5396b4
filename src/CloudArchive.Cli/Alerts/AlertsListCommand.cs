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
        Option<bool> open = new("--open") { Description = "Only those that want somebody: not acknowledged, and not over" };
        Option<bool> json = CommonOptions.Json();
        Command command = new("list", "List alerts, oldest first: what is open, who has it in hand, who was told (admin, compliance).") { all, open, failed, json };
        connection.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using ArchiveClient client = connection.Connect(parsed);
            string path = (parsed.GetValue(all) ? "v1/alerts" : $"v1/clinics/{connection.Clinic(parsed)}/alerts") + Query(parsed.GetValue(open), parsed.GetValue(failed));
            List<AlertResponse> alerts = await client.GetPagesAsync<AlertResponse>(path, cancellationToken).ToListAsync(cancellationToken);
            if (parsed.GetValue(json))
            {
                environment.WriteJson(alerts);
                return (int)ExitCode.Ok;
            }

            environment.WriteTable(
                ["Alert", "Clinic", "Raised", "State", "Cause", "About", "Delivery", "Attempts", "Message", "Last error"],
                alerts.Select(a => new[]
                {
                    a.Id, a.Clinic?.Value ?? "(archive)", a.RaisedAt.ToLocalTime().ToString("yyyy-MM-dd HH:mm"), State(a), a.Cause, a.Subject, a.Delivery.ToString().ToLowerInvariant(), a.Attempts.ToString("N0"), a.Message, a.LastError ?? "",
                }),
                "There are no alerts.");
            return (int)ExitCode.Ok;
        });
        return command;
    }

    private static string Query(bool open, bool failed) => (open, failed) switch
    {
        (true, true) => "?open=true&delivery=failed",
        (true, false) => "?open=true",
        (false, true) => "?delivery=failed",
        _ => "",
    };

    private static string State(AlertResponse alert) => alert switch
    {
        { AcknowledgedBy: { } by } => $"in hand: {by}",
        { ClosedBecause: "cause-ended" } => "over",
        { ClosedBecause: not null } => "raised again",
        { Open: true } => "open",
        _ => "",
    };
}
