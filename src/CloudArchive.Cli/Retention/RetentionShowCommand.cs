using System.CommandLine;
using CloudArchive.Cli.Service;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Retention;

/// <summary><c>retention show</c>.</summary>
internal static class RetentionShowCommand
{
    public static Command Create(CliEnvironment environment) => StaffCommand.Act(
        environment,
        "show",
        "Show the retention policy that stands, and those before it (admin, compliance).",
        [],
        call => call.GetAsync<RetentionResponse>($"{call.Clinic}/retention"),
        (output, retention) =>
        {
            output.WriteLine($"Studies are kept by {RetentionTexts.Describe(retention.Policy)}.");
            foreach (RetentionVersionResponse version in retention.Versions.Reverse().Skip(1))
            {
                output.WriteLine($"  from {version.ChangedAt.ToLocalTime():yyyy-MM-dd}: {RetentionTexts.Describe(version.Policy)}");
            }
        });
}
