using System.CommandLine;
using CloudArchive.Cli.Service;
using CloudArchive.Format.Audit;

namespace CloudArchive.Cli.Audit;

/// <summary><c>audit export</c>.</summary>
internal static class AuditExportCommand
{
    public static Command Create(CliEnvironment environment)
    {
        StaffConnection connection = new(environment);
        Argument<string> folder = new("folder") { Description = "A new folder for entries.jsonl, checkpoints.jws, leaves.txt and head.json" };
        Option<bool> system = new("--system") { Description = "The system's log instead of a clinic's (all clinics)" };
        Command command = new("export", "Take an audit log out of the service, with its signed checkpoints (admin, compliance).") { folder, system };
        connection.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            string log = parsed.GetValue(system) ? AuditEntry.SystemLog : connection.Clinic(parsed).Value;
            using ArchiveClient client = connection.Connect(parsed);
            string path = Path.GetFullPath(parsed.GetValue(folder)!);
            DownloadedLog taken = await LogDownload.RunAsync(client, log, path, cancellationToken);
            environment.Out.WriteLine($"{taken.Entries} entries of the audit log of {log} are in {path}. Check them anywhere, without the service: cloudarchive audit verify {path} --key keys.json");
            if (taken.Damage is { } damage)
            {
                await environment.Error.WriteLineAsync($"The service found the log damaged; what could be read is there. {damage}");
                return (int)ExitCode.LogAlarm;
            }

            return (int)ExitCode.Ok;
        });
        return command;
    }
}
