using System.CommandLine;
using System.Security.Cryptography;
using CloudArchive.Cli.Service;
using CloudArchive.Cli.Transport;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Restores;

/// <summary><c>restores fetch</c>: for a restore that was asked for in the portal.</summary>
internal static class RestoresFetchCommand
{
    public static Command Create(CliEnvironment environment)
    {
        StaffConnection connection = new(environment);
        Argument<string> id = new("restore") { Description = "The restore's id" };
        Option<string> key = new("--key") { Description = "The private key to the public key that the restore was asked for with", Required = true, HelpName = "file.pem" };
        Option<string> target = new("--out") { Description = "Folder to restore to", Required = true, HelpName = "folder" };
        Option<bool> overwrite = new("--overwrite") { Description = "Replace files of the same name that have other bytes" };
        Option<bool> json = CommonOptions.Json();
        Command command = new("fetch", "Bring back what a restore of yours holds that is ready (admin). The same command in the same folder goes on where it was cut off.") { id, key, target, overwrite, json };
        connection.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using RSA rsa = await ReadKeyAsync(parsed.GetValue(key)!, cancellationToken);
            using Network network = new(environment, environment.Network.RunPatience);
            using ArchiveClient client = connection.Connect(parsed, network);
            RestoreResponse restore = await client.GetAsync<RestoreResponse>($"v1/clinics/{connection.Clinic(parsed)}/restores/{Uri.EscapeDataString(parsed.GetValue(id)!)}", cancellationToken);
            switch (restore.Status)
            {
                case RestoreStatus.PendingApproval:
                    await environment.Error.WriteLineAsync($"Restore {restore.Id} still waits for a second admin. Nothing was restored.");
                    return (int)ExitCode.AwaitingApproval;
                case RestoreStatus.Expired or RestoreStatus.Reported:
                    throw new ServiceRefusedException(409, "restore-over", $"Restore {restore.Id} is over. Ask anew.", null);
            }

            using TargetFolder folder = new(parsed.GetValue(target)!, parsed.GetValue(overwrite));
            folder.Lock();
            using RestoreJournal journal = RestoreJournal.Open(folder, $"{client.Service} {restore.Clinic} {restore.Id}");
            return (int)await new RestoreFetch(environment, client, network, TimeSpan.Zero).RunAsync(
                restore, rsa, folder, journal, SnapshotFilter.All, byRoot: false, parsed.GetValue(json), cancellationToken);
        });
        return command;
    }

    private static async Task<RSA> ReadKeyAsync(string file, CancellationToken cancellationToken)
    {
        RSA rsa = RSA.Create();
        try
        {
            rsa.ImportFromPem(await File.ReadAllTextAsync(file, cancellationToken));
            rsa.ExportParameters(includePrivateParameters: true);
            return rsa;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or CryptographicException)
        {
            rsa.Dispose();
            throw new UsageException($"{file} is no RSA private key in PEM form. It is the file that the browser saved, or whose public half was pasted.");
        }
    }
}
