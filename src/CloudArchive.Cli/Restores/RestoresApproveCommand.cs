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
        Argument<string> id = new("restore") { Description = "The restore's id" };
        return StaffCommand.Act(
            environment,
            "approve",
            "Approve another admin's restore.",
            [id],
            call => call.PostAsync<RestoreResponse>($"{call.Clinic}/restores/{call.Id(id)}/approve", repeatable: false),
            (output, restore) => output.WriteLine($"Approved: {restore.RequestedBy} may restore {Texts.Count(restore.Studies, "study", "studies")} ({Texts.Count(restore.Instances, "file")}, {Texts.Size(restore.Bytes)}) for {restore.Recipient}."));
    }
}
