using System.CommandLine;
using CloudArchive.Cli.Service;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Alerts;

/// <summary><c>alerts list</c>.</summary>
internal static class AlertsListCommand
{
    public static Command Create(CliEnvironment environment)
    {
        Option<bool> all = new("--all") { Description = "Those of all clinics, and those about the archive as a whole" };
        Option<bool> failed = new("--failed") { Description = "Only those that could not be delivered" };
        Option<bool> open = new("--open") { Description = "Only those that want somebody: not acknowledged, and not over" };
        return StaffCommand.List<AlertResponse>(
            environment,
            "list",
            "List alerts, oldest first: what is open, who has it in hand, who was told (admin, compliance).",
            [all, open, failed],
            call => (call.Value(all) ? "v1" : call.Clinic) + "/alerts" + Query(call.Value(open), call.Value(failed)),
            ["Alert", "Clinic", "Raised", "State", "Cause", "About", "Delivery", "Attempts", "Message", "Last error"],
            a =>
            [
                a.Id, a.Clinic?.Value ?? "(archive)", a.RaisedAt.ToLocalTime().ToString("yyyy-MM-dd HH:mm"), State(a), a.Cause, a.Subject, a.Delivery.ToString().ToLowerInvariant(), a.Attempts.ToString("N0"), a.Message, a.LastError ?? "",
            ],
            "There are no alerts.");
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
