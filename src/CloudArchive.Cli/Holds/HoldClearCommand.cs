using System.CommandLine;
using CloudArchive.Cli.Service;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Holds;

/// <summary><c>hold clear</c>.</summary>
internal static class HoldClearCommand
{
    public static Command Create(CliEnvironment environment)
    {
        StaffConnection connection = new(environment);
        Argument<string> id = new("hold") { Description = "The hold's id" };
        Option<bool> json = CommonOptions.Json();
        Command command = new("clear", "Clear a hold; where the clinic wants that, another admin has to approve within 72 hours.") { id, json };
        connection.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using ArchiveClient client = connection.Connect(parsed);
            HoldResponse hold = await client.PostAsync<HoldResponse>($"v1/clinics/{connection.Clinic(parsed)}/holds/{Uri.EscapeDataString(parsed.GetValue(id)!)}/clear", null, repeatable: true, cancellationToken);
            if (parsed.GetValue(json)) environment.WriteJson(hold);
            else environment.Out.WriteLine($"Hold {hold.Hold} on {HoldTexts.Subject(hold)}: {HoldTexts.Status(hold)}.");
            return (int)ExitCode.Ok;
        });
        return command;
    }
}
