using System.CommandLine;
using System.Text;
using System.Text.Json;
using CloudArchive.Cli.Service;
using CloudArchive.Format;
using CloudArchive.Format.Evidence;
using CloudArchive.Format.Retention;
using CloudArchive.Format.Signing;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Retention;

/// <summary><c>retention certificate</c>.</summary>
internal static class RetentionCertificateCommand
{
    public static Command Create(CliEnvironment environment)
    {
        StaffConnection connection = new(environment);
        Argument<string> id = new("destruction") { Description = "The destruction's id" };
        Option<string> folder = new("--out") { Description = $"Folder to write to: {DestructionCertificate.File}, {DestructionCertificate.SignatureFile} and {EvidenceFiles.Keys}", Required = true, HelpName = "folder" };
        Command command = new("certificate", "Download the certificate of a destruction (admin, compliance).") { id, folder };
        connection.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using ArchiveClient client = connection.Connect(parsed);
            CertificateResponse made = await client.GetAsync<CertificateResponse>(
                $"v1/clinics/{connection.Clinic(parsed)}/destructions/{Uri.EscapeDataString(parsed.GetValue(id)!)}/certificate", cancellationToken);
            JwkSet keys = await client.GetAsync<JwkSet>("v1/keys", cancellationToken);
            DirectoryInfo target = Directory.CreateDirectory(parsed.GetValue(folder)!);
            await File.WriteAllBytesAsync(Path.Combine(target.FullName, DestructionCertificate.File), Encoding.UTF8.GetBytes(made.Certificate), cancellationToken);
            await File.WriteAllTextAsync(Path.Combine(target.FullName, DestructionCertificate.SignatureFile), made.Signature, cancellationToken);
            await File.WriteAllBytesAsync(Path.Combine(target.FullName, EvidenceFiles.Keys), JsonSerializer.SerializeToUtf8Bytes(keys, FormatJson.Options), cancellationToken);
            environment.Out.WriteLine($"The certificate is in {target.FullName}. Check it, without a connection: cloudarchive retention verify {target.FullName} --key {Path.Combine(target.FullName, EvidenceFiles.Keys)}");
            environment.Out.WriteLine($"({EvidenceFiles.Keys} is what the service serves today. For an audit take the keys from elsewhere: those that an agent pinned, or a copy of your own.)");
            return (int)ExitCode.Ok;
        });
        return command;
    }
}
