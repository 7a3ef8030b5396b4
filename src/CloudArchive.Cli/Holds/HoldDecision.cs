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
        Argument<string> id = new("hold") { Description = "The hold's id" };
        return StaffCommand.Act(
            environment,
            verb,
            description,
            [id],
            call => call.PostAsync<HoldResponse>($"{call.Clinic}/holds/{call.Id(id)}/{verb}"),
            (output, hold) => output.WriteLine($"Hold {hold.Hold} on {HoldTexts.Subject(hold)}: {HoldTexts.Status(hold)}."));
    }
}
