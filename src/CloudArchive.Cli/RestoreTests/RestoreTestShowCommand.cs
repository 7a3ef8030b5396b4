using System.CommandLine;
using CloudArchive.Cli.Service;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.RestoreTests;

/// <summary><c>restore-test show</c>.</summary>
internal static class RestoreTestShowCommand
{
    public static Command Create(CliEnvironment environment)
    {
        StaffConnection connection = new(environment);
        Argument<string> id = new("run") { Description = "The run's id" };
        Option<bool> json = CommonOptions.Json();
        Command command = new("show", "Show one restore test, pack by pack (admin, compliance).") { id, json };
        connection.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using ArchiveClient client = connection.Connect(parsed);
            RestoreTestResponse run = await client.GetAsync<RestoreTestResponse>($"v1/clinics/{connection.Clinic(parsed)}/restore-tests/{RestoreTestReport.RunId(parsed.GetValue(id)!, connection.Clinic(parsed))}", cancellationToken);
            if (parsed.GetValue(json)) environment.WriteJson(RestoreTestReport.Document(run));
            else RestoreTestReport.Write(environment, run);
            return (int)RestoreTestReport.CodeOf(run);
        });
        return command;
    }
}
