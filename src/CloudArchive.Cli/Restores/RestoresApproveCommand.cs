using System.CommandLine;
using CloudArchive.Cli.Service;
using CloudArchive.Cli.Terminal;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Restores;

/// <summary><c>restores approve</c>.</summary>
internal static class RestoresApproveCommand
{
    public static Command Create(CliEnvironment environment)
    {
        StaffConnection connection = new(environment);
        Argument<string> id = new("restore") { Description = "The restore's id" };
        Option<bool> json = CommonOptions.Json();
        Command command = new("approve", "Approve another admin's restore.") { id, json };
        connection.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using ArchiveClient client = connection.Connect(parsed);
            RestoreResponse restore = await client.PostAsync<RestoreResponse>(
                $"v1/clinics/{connection.Clinic(parsed)}/restores/{Uri.EscapeDataString(parsed.GetValue(id)!)}/approve", null, repeatable: false, cancellationToken);
            if (parsed.GetValue(json)) environment.WriteJson(restore);
            else environment.Out.WriteLine($"Approved: {restore.RequestedBy} may restore {Texts.Count(restore.Studies, "study", "studies")} ({Texts.Count(restore.Instances, "file")}, {Texts.Size(restore.Bytes)}) for {restore.Recipient}.");
            return (int)ExitCode.Ok;
        });
        return command;
    }
}
