using System.CommandLine;
using CloudArchive.Cli.Service;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.RestoreTests;

/// <summary><c>restore-test show</c>.</summary>
internal static class RestoreTestShowCommand
{
    public static Command Create(CliEnvironment environment)
    {
        Argument<string> id = new("run") { Description = "The run's id" };
        return StaffCommand.Act(
            environment,
            "show",
            "Show one restore test, pack by pack (admin, compliance).",
            [id],
            call => call.GetAsync<RestoreTestResponse>($"{call.Clinic}/restore-tests/{RestoreTestReport.RunId(call.Parsed.GetValue(id)!, call.Connection.Clinic(call.Parsed))}"),
            (_, run) => RestoreTestReport.Write(environment, run),
            RestoreTestReport.Document,
            RestoreTestReport.CodeOf);
    }
}
