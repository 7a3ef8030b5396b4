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
        Argument<string> subject = new("subject") { Description = "The person's id, as access review lists it" };
        return StaffCommand.Act(
            environment,
            verb,
            description,
            [subject],
            call => call.PostAsync<StaffAccessResponse>($"v1/access/{verb}", new StaffSubjectRequest(call.Parsed.GetValue(subject)!)),
            (output, answer) => output.WriteLine($"{answer.Principal.Id}: {AccessReviewCommand.Describe(answer.Principal)}."),
            answer => answer.Principal,
            clinic: false);
    }
}
