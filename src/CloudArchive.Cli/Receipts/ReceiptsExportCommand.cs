using System.CommandLine;
using System.Text;
using System.Text.Json;
using CloudArchive.Cli.Agent;
using CloudArchive.Cli.State;
using CloudArchive.Cli.Terminal;
using CloudArchive.Format;

namespace CloudArchive.Cli.Receipts;

/// <summary><c>receipts export</c>.</summary>
internal static class ReceiptsExportCommand
{
    public static Command Create(CliEnvironment environment)
    {
        Option<string> folder = new("--out") { Description = "Folder to write to: a .receipt.jws a pack, and signing-keys.json (JWKS) to verify them with", Required = true, HelpName = "folder" };
        Option<bool> json = CommonOptions.Json();
        Command command = new("export", "Write the receipts to files, to keep or to hand to an auditor.") { folder, json };
        command.SetAction(parsed =>
        {
            using AgentState? state = LocalReceipts.Open(environment, out AgentIdentity identity);
            DirectoryInfo target = Directory.CreateDirectory(parsed.GetValue(folder)!);
            int written = 0;
            foreach (StoredReceipt receipt in state?.Receipts() ?? [])
            {
                File.WriteAllText(Path.Combine(target.FullName, $"{receipt.Pack}.receipt.jws"), receipt.Jws, Encoding.ASCII);
                written++;
            }

            File.WriteAllBytes(Path.Combine(target.FullName, "signing-keys.json"), JsonSerializer.SerializeToUtf8Bytes(identity.SigningKeys, FormatJson.Options));
            if (parsed.GetValue(json)) environment.WriteJson(new { folder = target.FullName, receipts = written });
            else environment.Out.WriteLine($"Wrote {Texts.Count(written, "receipt")} and the keys to verify them to {target.FullName}");
            return (int)ExitCode.Ok;
        });
        return command;
    }
}
