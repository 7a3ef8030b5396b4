using System.CommandLine;
using CloudArchive.Cli.Service;
using CloudArchive.Cli.Terminal;
using CloudArchive.Format;
using CloudArchive.Format.Retention;

namespace CloudArchive.Cli.Retention;

/// <summary><c>retention verify</c>.</summary>
internal static class RetentionVerifyCommand
{
    /// <summary>Far beyond any certificate; a larger file is not read.</summary>
    private const long MostBytes = 64 * 1024 * 1024;

    public static Command Create(CliEnvironment environment)
    {
        Argument<string> folder = new("folder") { Description = $"A folder with {DestructionCertificate.File} and {DestructionCertificate.SignatureFile}" };
        Option<string?> key = new("--key") { Description = "The service's public keys (JWKS), from when you trusted it: GET /v1/keys [else those that this computer pinned when it enrolled]", HelpName = "jwks" };
        Option<bool> json = CommonOptions.Json();
        Command command = new("verify", "Check a certificate of destruction, without a connection. Says what does not hold.") { folder, key, json };
        command.SetAction((parsed, _) =>
        {
            string path = parsed.GetValue(folder)!;
            CertificateVerification verification = DestructionCertificates.Verify(
                Read(Path.Combine(path, DestructionCertificate.File)), System.Text.Encoding.UTF8.GetString(Read(Path.Combine(path, DestructionCertificate.SignatureFile))), TrustedKeys.Read(environment, parsed.GetValue(key)));
            if (parsed.GetValue(json)) environment.WriteJson(new { verification.Holds, verification.Certificate, verification.SignedBy, verification.Findings });
            else Write(environment, verification);
            return Task.FromResult((int)(verification.Holds ? ExitCode.Ok : ExitCode.Integrity));
        });
        return command;
    }

    private static void Write(CliEnvironment environment, CertificateVerification verification)
    {
        if (!verification.Holds)
        {
            environment.Out.WriteLine("The certificate DOES NOT HOLD.");
            foreach (string finding in verification.Findings) environment.Out.WriteLine($"  {finding}");
            return;
        }

        DestructionCertificate certificate = verification.Certificate!;
        environment.Out.WriteLine($"The certificate holds: study {certificate.Study} of {certificate.Clinic} was destroyed on {certificate.DestroyedAt:yyyy-MM-dd}.");
        environment.Out.WriteLine($"  It had to be kept until {certificate.KeptUntil:yyyy-MM-dd}, by {RetentionTexts.Describe(certificate.Policy)}.");
        environment.Out.WriteLine($"  Asked for by {certificate.RequestedBy}{(certificate.ApprovedBy is { } by ? $", approved by {by}" : "")}.");
        environment.Out.WriteLine($"  Gone: {Texts.Count(certificate.Packs.Count, "pack")} with {Texts.Count(certificate.Packs.Sum(pack => pack.Instances), "instance")}, {Texts.Size(certificate.Packs.Sum(pack => pack.Length))}.");
    }

    private static byte[] Read(string file) => new FileInfo(file).Length <= MostBytes ? File.ReadAllBytes(file) : throw new IntegrityException($"{file} is too large to be what its name says.");
}
