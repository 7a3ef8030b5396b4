using System.CommandLine;
using CloudArchive.Cli.Service;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Access;

/// <summary><c>access block</c>.</summary>
internal static class AccessBlockCommand
{
    public static Command Create(CliEnvironment environment) =>
        Create(environment, "block", "End a person's access at once, whatever tokens they hold (admin of all clinics). Remove them from your sign-in's directory too.");

    /// <summary>Both ways differ in a word.</summary>
    public static Command Create(CliEnvironment environment, string verb, string description)
    {
        StaffConnection connection = new(environment);
        Argument<string> subject = new("subject") { Description = "The person's id, as access review lists it" };
        Option<bool> json = CommonOptions.Json();
        Command command = new(verb, description) { subject, json };
        connection.AddTo(command, clinic: false);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using ArchiveClient client = connection.Connect(parsed);
            string path = $"v1/access/{Uri.EscapeDataString(parsed.GetValue(subject)!)}/{verb}";
            StaffAccessResponse answer = await client.PostAsync<StaffAccessResponse>(path, null, repeatable: true, cancellationToken);
            if (parsed.GetValue(json)) environment.WriteJson(answer.Principal);
            else environment.Out.WriteLine($"{answer.Principal.Id}: {AccessReviewCommand.Describe(answer.Principal)}.");
            return (int)ExitCode.Ok;
        });
        return command;
    }
}
