using System.CommandLine;
using System.Text.Json;
using CloudArchive.Cli.RestoreTests;
using CloudArchive.Cli.Service;
using CloudArchive.Cli.Terminal;
using CloudArchive.Format;
using CloudArchive.Format.Evidence;
using CloudArchive.Format.Signing;

namespace CloudArchive.Cli.Evidence;

/// <summary><c>evidence get</c>.</summary>
internal static class EvidenceGetCommand
{
    private static readonly string[] Files = [EvidenceFiles.Document, EvidenceFiles.Signature, EvidenceFiles.Report, EvidenceFiles.ReportSignature];

    public static Command Create(CliEnvironment environment)
    {
        StaffConnection connection = new(environment);
        Argument<string> run = new("run") { Description = "The run's id, or 'latest'" };
        Option<string> folder = new("--out") { Description = $"Folder to write to: {string.Join(", ", Files)} and {EvidenceFiles.Keys}", Required = true, HelpName = "folder" };
        Option<bool> json = CommonOptions.Json();
        Command command = new("get", "Download the evidence of a restore test (admin, compliance).") { run, folder, json };
        connection.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using ArchiveClient client = connection.Connect(parsed);
            string root = $"v1/clinics/{connection.Clinic(parsed)}/evidence";

            string asked = parsed.GetValue(run) is "latest" ? "latest" : RestoreTestReport.RunId(parsed.GetValue(run)!, connection.Clinic(parsed));

            // The first file says which run `latest` was; the others are asked of that one.
            (byte[] document, string? location) = await client.GetFileAsync($"{root}/{asked}/{Files[0]}", cancellationToken);
            string id = location?.Split('/') is [.., var named, _] ? named : asked;
            List<(string Name, byte[] Content)> files = [(Files[0], document)];
            foreach (string file in Files[1..])
            {
                files.Add((file, (await client.GetFileAsync($"{root}/{Uri.EscapeDataString(id)}/{file}", cancellationToken)).Content));
            }

            files.Add((EvidenceFiles.Keys, JsonSerializer.SerializeToUtf8Bytes(await client.GetAsync<JwkSet>("v1/keys", cancellationToken), FormatJson.Options)));
            DirectoryInfo target = Directory.CreateDirectory(parsed.GetValue(folder)!);
            foreach ((string name, byte[] content) in files)
            {
                await File.WriteAllBytesAsync(Path.Combine(target.FullName, name), content, cancellationToken);
            }

            if (parsed.GetValue(json))
            {
                environment.WriteJson(new { run = id, folder = target.FullName, files = files.Select(file => file.Name) });
                return (int)ExitCode.Ok;
            }

            environment.Out.WriteLine($"Evidence of run {id}: {Texts.Count(files.Count, "file")} in {target.FullName}");
            environment.Out.WriteLine($"Check it, without a connection: cloudarchive evidence verify {target.FullName} --key {Path.Combine(target.FullName, EvidenceFiles.Keys)}");
            environment.Out.WriteLine($"({EvidenceFiles.Keys} is what the service serves today. For an audit take the keys from elsewhere: those that an agent pinned, or a copy of your own.)");
            return (int)ExitCode.Ok;
        });
        return command;
    }
}
