using System.CommandLine;
using CloudArchive.Cli.Agent;
using CloudArchive.Cli.Service;
using CloudArchive.Cli.Terminal;
using CloudArchive.Format.Binders;
using CloudArchive.Format.Signing;

namespace CloudArchive.Cli.Binders;

/// <summary><c>binder verify</c>.</summary>
internal static class BinderVerifyCommand
{
    public static Command Create(CliEnvironment environment)
    {
        Argument<string> file = new("file") { Description = "The binder: a ZIP" };
        Option<string?> key = new("--key")
        {
            Description = "The service's public keys (JWKS), from when you trusted it: GET /v1/keys [else those that this computer pinned when it enrolled; else the binder's own, which show only that its parts are of one hand]",
            HelpName = "jwks",
        };
        Option<bool> all = new("--all") { Description = "Name what is verified, too" };
        Option<bool> json = CommonOptions.Json();
        Command command = new("verify", "Check a binder, without a connection: every file's SHA-256 against the signed index, every signature, every sample and number. Says of each file: verified, failed, not checked.") { file, key, all, json };
        command.SetAction((parsed, _) =>
        {
            string? keyFile = parsed.GetValue(key);
            JwkSet? keys = keyFile is null && AgentIdentity.TryLoad(AgentHome.Of(environment)) is null ? null : TrustedKeys.Read(environment, keyFile);
            using FileStream stream = File.OpenRead(parsed.GetValue(file)!);
            BinderVerification verification = BinderVerifier.Verify(stream, keys);
            if (parsed.GetValue(json))
            {
                BinderIndex? index = verification.Index;
                environment.WriteJson(new { verification.State, index?.Clinic, index?.From, index?.To, index?.MadeAt, verification.SignedBy, verification.Items });
            }
            else
            {
                Write(environment, verification, parsed.GetValue(all));
            }

            return Task.FromResult((int)(verification.State switch { BinderState.Verified => ExitCode.Ok, BinderState.Failed => ExitCode.Integrity, _ => ExitCode.NotChecked }));
        });
        return command;
    }

    private static void Write(CliEnvironment environment, BinderVerification verification, bool all)
    {
        BinderIndex? index = verification.Index;
        string of = index is null ? "The binder" : $"The binder of {index.Clinic}, {index.From.UtcDateTime:yyyy-MM-dd} to {index.To.UtcDateTime:yyyy-MM-dd} (not included),";
        int Count(BinderState state) => verification.Items.Count(item => item.State == state);
        environment.Out.WriteLine(verification.State switch
        {
            BinderState.Verified => $"{of} is verified: {Texts.Count(Count(BinderState.Verified), "file")}, every SHA-256, signature, sample and number.",
            BinderState.Failed => $"{of} DOES NOT HOLD: {Count(BinderState.Failed)} failed, {Count(BinderState.Verified)} verified, {Count(BinderState.NotChecked)} not checked.",
            _ => $"{of} holds as far as it could be checked: {Count(BinderState.Verified)} verified, {Count(BinderState.NotChecked)} not checked.",
        });
        foreach (BinderItem item in verification.Items.Where(item => all || item.State != BinderState.Verified).OrderBy(item => item.State == BinderState.Failed ? 0 : 1))
        {
            string state = item.State switch { BinderState.Verified => "verified", BinderState.Failed => "FAILED", _ => "not checked" };
            environment.Out.WriteLine($"  {state}: {Texts.Printable(item.Path)}{(item.Why is { } why ? $": {Texts.Printable(why)}" : "")}");
        }
    }
}
