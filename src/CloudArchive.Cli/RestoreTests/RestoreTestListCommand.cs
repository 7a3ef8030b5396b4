using System.CommandLine;
using CloudArchive.Cli.Service;
using CloudArchive.Cli.Terminal;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.RestoreTests;

/// <summary><c>restore-test list</c>.</summary>
internal static class RestoreTestListCommand
{
    public static Command Create(CliEnvironment environment)
    {
        StaffConnection connection = new(environment);
        Option<bool> json = CommonOptions.Json();
        Command command = new("list", "List restore tests (admin, compliance).") { json };
        connection.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using ArchiveClient client = connection.Connect(parsed);
            List<RestoreTestResponse> runs = await client.GetPagesAsync<RestoreTestResponse>($"v1/clinics/{connection.Clinic(parsed)}/restore-tests", cancellationToken).ToListAsync(cancellationToken);
            if (parsed.GetValue(json))
            {
                environment.WriteJson(runs.Select(RestoreTestReport.Document));
                return (int)ExitCode.Ok;
            }

            environment.WriteTable(
                ["Run", "Result", "Requested", "By", "Recovered", "Failed", "Of all", "Size"],
                runs.Select(r => new[]
                {
                    r.Id, Result(r.Status), r.RequestedAt.ToLocalTime().ToString("yyyy-MM-dd HH:mm"), r.RequestedBy,
                    $"{r.Passed:N0} of {r.Sample:N0}", r.Failed.ToString("N0"), r.Population.ToString("N0"), Texts.Size(r.Bytes),
                }),
                "There are no restore tests yet.");
            return (int)ExitCode.Ok;
        });
        return command;
    }

    private static string Result(RestoreTestStatus status) => status == RestoreTestStatus.Failed ? "FAILED" : RestoreTestReport.Verdict(status).ToLowerInvariant();
}
