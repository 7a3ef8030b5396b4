using System.CommandLine;
using CloudArchive.Cli.Service;
using CloudArchive.Cli.Terminal;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.RestoreTests;

/// <summary><c>restore-test list</c>.</summary>
internal static class RestoreTestListCommand
{
    public static Command Create(CliEnvironment environment) => StaffCommand.List<RestoreTestResponse>(
        environment,
        "list",
        "List restore tests (admin, compliance).",
        [],
        call => $"{call.Clinic}/restore-tests",
        ["Run", "Result", "Requested", "By", "Recovered", "Failed", "Of all", "Size"],
        r =>
        [
            r.Id, Result(r.Status), r.RequestedAt.ToLocalTime().ToString("yyyy-MM-dd HH:mm"), r.RequestedBy,
            $"{r.Passed:N0} of {r.Sample:N0}", r.Failed.ToString("N0"), r.Population.ToString("N0"), Texts.Size(r.Bytes),
        ],
        "There are no restore tests yet.",
        document: RestoreTestReport.Document);

    private static string Result(RestoreTestStatus status) => status == RestoreTestStatus.Failed ? "FAILED" : RestoreTestReport.Verdict(status).ToLowerInvariant();
}
