using System.CommandLine;
using CloudArchive.Cli.Service;
using CloudArchive.Cli.Terminal;
using CloudArchive.Format.Signing;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Doctor;

/// <summary><c>doctor</c>.</summary>
internal static class DoctorCommand
{
    private static readonly TimeSpan s_skew = TimeSpan.FromMinutes(2);

    public static Command Create(CliEnvironment environment)
    {
        StaffConnection connection = new(environment);
        Option<bool> json = CommonOptions.Json();
        Option<string?> deployed = new("--lifecycle") { Description = "A file with the account's lifecycle policy: az storage account management-policy show --query policy", HelpName = "file" };
        Option<string?> expected = new("--expected") { Description = "The policy that must be deployed [infra/lifecycle.json]", HelpName = "file" };
        Command command = new("doctor", "Check a deployment: from outside, and what the service sees of itself (admin of all clinics). Ask both apps.") { deployed, expected, json };
        connection.AddTo(command, clinic: false);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using ArchiveClient client = connection.Connect(parsed);
            List<DoctorCheck> checks = [Tls(client.Service), await KeysAsync(client, cancellationToken)];
            DateTimeOffset before = environment.Clock.GetUtcNow();
            DoctorResponse inside = await client.GetAsync<DoctorResponse>("v1/doctor", cancellationToken);
            checks.Add(Clock(inside.At, before, environment.Clock.GetUtcNow()));
            checks.AddRange(inside.Checks);
            if (parsed.GetValue(deployed) is { } file) checks.Add(await LifecycleCheck.RunAsync(file, parsed.GetValue(expected) ?? Path.Combine("infra", "lifecycle.json"), cancellationToken));
            Write(environment, parsed.GetValue(json), client.Service, inside.Role, checks);
            return (int)(checks.Any(check => check.Verdict == DoctorVerdict.Failed) ? ExitCode.Unhealthy : ExitCode.Ok);
        });
        return command;
    }

    private static DoctorCheck Tls(Uri service) => service.Scheme == Uri.UriSchemeHttps
        ? new DoctorCheck("tls", DoctorVerdict.Ok, "https, with a certificate that this computer trusts", "https")
        : new DoctorCheck("tls", DoctorVerdict.NotApplicable, "http to this very computer", "https, or this computer");

    private static async Task<DoctorCheck> KeysAsync(ArchiveClient client, CancellationToken cancellationToken)
    {
        JwkSet keys = await client.GetAsync<JwkSet>("v1/keys", cancellationToken);
        return keys.Keys.Count > 0
            ? new DoctorCheck("keys-served", DoctorVerdict.Ok, Texts.Count(keys.Keys.Count, "public key"), "at least one")
            : new DoctorCheck("keys-served", DoctorVerdict.Failed, "none", "at least one", "Nobody can verify a receipt. docs/operations.md, Keys.");
    }

    private static DoctorCheck Clock(DateTimeOffset service, DateTimeOffset before, DateTimeOffset after)
    {
        // Somewhere between asking and the answer the service looked at its clock.
        TimeSpan off = service < before ? before - service : service > after ? service - after : TimeSpan.Zero;
        string found = $"{off.TotalSeconds:0} s apart";
        string expected = $"this computer and the service within {s_skew.TotalMinutes:0} minutes";
        return off <= s_skew
            ? new DoctorCheck("clock", DoctorVerdict.Ok, found, expected)
            : new DoctorCheck("clock", DoctorVerdict.Failed, found, expected, "Set this computer's clock; where it is right, the service's.");
    }

    private static void Write(CliEnvironment environment, bool json, Uri service, string role, IReadOnlyList<DoctorCheck> checks)
    {
        if (json)
        {
            environment.WriteJson(new { service, role, checks });
            return;
        }

        environment.WriteTable(["check", "verdict", "found"], checks.Select(check => (IReadOnlyList<string>)[check.Check, Name(check.Verdict), check.Found]), "nothing was checked");
        foreach (DoctorCheck check in checks.Where(check => check.WhatToDo is not null))
        {
            environment.Out.WriteLine($"{Name(check.Verdict)} {check.Check}: {check.Found}. Expected: {check.Expected}. {check.WhatToDo}");
        }
    }

    private static string Name(DoctorVerdict verdict) => verdict switch
    {
        DoctorVerdict.Ok => "ok",
        DoctorVerdict.Warning => "WARNING",
        DoctorVerdict.Failed => "FAILED",
        _ => "-",
    };
}
