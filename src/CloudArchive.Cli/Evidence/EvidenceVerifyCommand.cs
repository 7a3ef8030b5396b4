using System.CommandLine;
using CloudArchive.Cli.Service;
using CloudArchive.Format;
using CloudArchive.Format.Evidence;
using CloudArchive.Format.Signing;

namespace CloudArchive.Cli.Evidence;

/// <summary><c>evidence verify</c>.</summary>
internal static class EvidenceVerifyCommand
{
    /// <summary>Far beyond any evidence; a larger file is not read.</summary>
    private const long MostBytes = 256 * 1024 * 1024;

    public static Command Create(CliEnvironment environment)
    {
        Argument<string> folder = new("folder") { Description = $"A folder with {EvidenceFiles.Document} and {EvidenceFiles.Signature}, and as a rule {EvidenceFiles.Report} and {EvidenceFiles.ReportSignature}" };
        Option<string?> key = new("--key") { Description = "The service's public keys (JWKS), from when you trusted it: GET /v1/keys [else those that this computer pinned when it enrolled]", HelpName = "jwks" };
        Option<bool> json = CommonOptions.Json();
        Command command = new("verify", "Check a restore test's evidence, without a connection: signatures, the proof that nobody chose the sample, every number. Says what does not hold.") { folder, key, json };
        command.SetAction((parsed, cancellationToken) =>
        {
            JwkSet keys = TrustedKeys.Read(environment, parsed.GetValue(key));
            EvidenceVerification verification = EvidenceVerifier.Verify(Open(parsed.GetValue(folder)!), keys);
            Write(environment, verification, parsed.GetValue(json));
            return Task.FromResult((int)(verification.Holds ? ExitCode.Ok : ExitCode.Integrity));
        });
        return command;
    }

    private static EvidenceBundle Open(string folder)
    {
        string report = Path.Combine(folder, EvidenceFiles.Report), reportSignature = Path.Combine(folder, EvidenceFiles.ReportSignature);
        return new(
            Read(Path.Combine(folder, EvidenceFiles.Document)),
            Text(Path.Combine(folder, EvidenceFiles.Signature)),
            File.Exists(report) ? (ReadOnlyMemory<byte>?)Read(report) : null, // a null array would become an empty report
            File.Exists(reportSignature) ? Text(reportSignature) : null);
    }

    private static byte[] Read(string file) => new FileInfo(file).Length <= MostBytes ? File.ReadAllBytes(file) : throw new IntegrityException($"{file} is too large to be what its name says.");

    private static string Text(string file) => System.Text.Encoding.UTF8.GetString(Read(file));

    private static void Write(CliEnvironment environment, EvidenceVerification verification, bool json)
    {
        EvidenceDocument? document = verification.Document;
        if (json)
        {
            environment.WriteJson(new { verification.Holds, document?.Clinic, document?.Run, document?.Verdict, document?.Summary, document?.Statistics, verification.SignedBy, verification.Findings });
            return;
        }

        if (!verification.Holds)
        {
            environment.Out.WriteLine($"The evidence{(document is null ? "" : $" of run {document.Run} of {document.Clinic}")} DOES NOT HOLD.");
            foreach (EvidenceFinding finding in verification.Findings)
            {
                environment.Out.WriteLine($"  {finding.Where}: {finding.What}");
            }

            return;
        }

        RecoverableBound bound = document!.Statistics;
        environment.Out.WriteLine($"The evidence of run {document.Run} of {document.Clinic} holds: signatures, proof, sample and numbers.");
        environment.Out.WriteLine(document.Verdict switch
        {
            RunVerdict.Passed => $"  The run PASSED: all {document.Summary.Tested} packs that were tested came back.",
            RunVerdict.Failed => $"  The run FAILED: {document.Summary.Failed} of {document.Summary.Tested} packs did not come back; {document.Canaries.Count(canary => !canary.AsExpected)} of {document.Canaries.Count} canaries were not as expected.",
            _ => "  The run tested nothing: there was nothing that it could test.",
        });
        if (bound.Sample > 0)
        {
            environment.Out.WriteLine($"  With 95% confidence at least {bound.AtLeastRecoverable} of {bound.Population} packs are recoverable.");
        }
    }
}
