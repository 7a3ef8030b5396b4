using System.CommandLine;
using CloudArchive.Cli.Service;
using CloudArchive.Format.Access;

namespace CloudArchive.Cli.Access;

/// <summary><c>access verify</c>.</summary>
internal static class AccessVerifyCommand
{
    private const long MostBytes = 64 * 1024 * 1024;

    public static Command Create(CliEnvironment environment)
    {
        Argument<string> folder = new("folder") { Description = $"A folder with {AccessReviewDocument.File} and {AccessReviewDocument.SignatureFile}" };
        Option<string?> key = new("--key") { Description = "The service's public keys (JWKS), from when you trusted it: GET /v1/keys [else those that this computer pinned when it enrolled]", HelpName = "jwks" };
        Option<bool> json = CommonOptions.Json();
        Command command = new("verify", "Check an attested access review, without a connection.") { folder, key, json };
        command.SetAction((parsed, _) =>
        {
            string path = parsed.GetValue(folder)!;
            (AccessReviewDocument? document, IReadOnlyList<string> findings) = AccessReviewDocument.Verify(
                Read(Path.Combine(path, AccessReviewDocument.File)),
                System.Text.Encoding.UTF8.GetString(Read(Path.Combine(path, AccessReviewDocument.SignatureFile))),
                TrustedKeys.Read(environment, parsed.GetValue(key)));
            if (parsed.GetValue(json)) environment.WriteJson(new { holds = findings.Count == 0, document?.Review, document?.Scope, document?.ReviewedAt, document?.ReviewedBy, findings });
            else Write(environment, document, findings);
            return Task.FromResult((int)(findings.Count == 0 ? ExitCode.Ok : ExitCode.Integrity));
        });
        return command;
    }

    private static byte[] Read(string file) => new FileInfo(file).Length <= MostBytes ? File.ReadAllBytes(file) : throw new IntegrityException($"{file} is too large to be what its name says.");

    private static void Write(CliEnvironment environment, AccessReviewDocument? document, IReadOnlyList<string> findings)
    {
        if (findings.Count > 0)
        {
            environment.Out.WriteLine("The access review DOES NOT HOLD.");
            foreach (string finding in findings) environment.Out.WriteLine($"  {finding}");
            return;
        }

        environment.Out.WriteLine($"Access review {document!.Review} of {document.Scope} holds: {document.ReviewedBy} attested it at {document.ReviewedAt.UtcDateTime:yyyy-MM-dd HH:mm} UTC.");
        foreach (AccessPrincipal principal in document.Principals)
            environment.Out.WriteLine($"  {principal.Id} ({string.Join(", ", principal.Roles)}): {AccessReviewCommand.Describe(principal)}");
    }
}
