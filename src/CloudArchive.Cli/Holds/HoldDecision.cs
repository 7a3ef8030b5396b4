using System.CommandLine;
using CloudArchive.Cli.Service;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Holds;

/// <summary>What <c>hold clear</c> and <c>hold approve</c> share: an admin does something to one hold.</summary>
internal static class HoldDecision
{
    /// <summary>The command <paramref name="verb"/>, which is the API's too.</summary>
    public static Command Create(CliEnvironment environment, string verb, string description)
    {
        StaffConnection connection = new(environment);
        Argument<string> id = new("hold") { Description = "The hold's id" };
        Option<bool> json = CommonOptions.Json();
        Command command = new(verb, description) { id, json };
        connection.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using ArchiveClient client = connection.Connect(parsed);
            HoldResponse hold = await client.PostAsync<HoldResponse>($"v1/clinics/{connection.Clinic(parsed)}/holds/{Uri.EscapeDataString(parsed.GetValue(id)!)}/{verb}", null, repeatable: true, cancellationToken);
            if (parsed.GetValue(json)) environment.WriteJson(hold);
            else environment.Out.WriteLine($"Hold {hold.Hold} on {HoldTexts.Subject(hold)}: {HoldTexts.Status(hold)}.");
            return (int)ExitCode.Ok;
        });
        return command;
    }
}
