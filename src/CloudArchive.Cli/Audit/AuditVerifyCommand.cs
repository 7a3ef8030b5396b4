using System.CommandLine;
using System.Text.Json;
using CloudArchive.Cli.Agent;
using CloudArchive.Cli.Service;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Signing;

namespace CloudArchive.Cli.Audit;

/// <summary><c>audit verify</c>.</summary>
internal static class AuditVerifyCommand
{
    public static Command Create(CliEnvironment environment)
    {
        StaffConnection connection = new(environment);
        Argument<string?> folder = new("export") { Description = "A folder that audit export wrote", Arity = ArgumentArity.ZeroOrOne };
        Option<bool> live = new("--live") { Description = "Read the log from the service, rather than from an export (admin, compliance)" };
        Option<string?> key = new("--key") { Description = "The service's public keys (JWKS), from when you trusted it: GET /v1/keys [else those that this computer pinned when it enrolled]", HelpName = "jwks" };
        Option<string[]> seen = new("--seen") { Description = "Files with checkpoints that were kept earlier; the log must continue them", HelpName = "file", DefaultValueFactory = _ => [] };
        Option<bool> system = new("--system") { Description = "With --live: the system's log instead of a clinic's" };
        Option<bool> json = CommonOptions.Json();
        Command command = new("verify", "Check an audit log: every entry, its place, the tree's root, the signatures. Says the first place that does not hold.") { folder, live, key, seen, system, json };
        connection.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            string? export = parsed.GetValue(folder);
            if (export is null == !parsed.GetValue(live))
            {
                throw new UsageException("Verify what? Name an export's folder, or give --live.");
            }

            JwkSet keys = TrustedKeys.Read(environment, parsed.GetValue(key));
            List<string> kept = [.. parsed.GetValue(seen)!.SelectMany(File.ReadLines).Where(line => line.Length > 0)];
            AuditReport report;
            if (export is not null)
            {
                report = Verify(export, keys, kept, now: null);
            }
            else
            {
                string log = parsed.GetValue(system) ? AuditEntry.SystemLog : connection.Clinic(parsed).Value;
                using ArchiveClient client = connection.Connect(parsed);
                if (new Witness(client, keys, AgentHome.Of(environment).Path).LastSeen(log) is { } remembered)
                {
                    kept.Add(remembered);
                }

                DirectoryInfo temporary = Directory.CreateTempSubdirectory("cloudarchive-audit-");
                try
                {
                    await LogDownload.RunAsync(client, log, temporary.FullName, cancellationToken);
                    report = Verify(temporary.FullName, keys, kept, environment.Clock.GetUtcNow());
                }
                finally
                {
                    temporary.Delete(recursive: true);
                }
            }

            Write(environment, report, parsed.GetValue(json));
            return (int)CodeOf(report.Verdict);
        });
        return command;
    }

    private static ExitCode CodeOf(AuditVerdict verdict) => verdict switch
    {
        AuditVerdict.Holds => ExitCode.Ok,
        AuditVerdict.NotVouchedFor => ExitCode.NotChecked,
        _ => ExitCode.LogAlarm,
    };

    private static AuditReport Verify(string folder, JwkSet keys, IReadOnlyList<string> seen, DateTimeOffset? now)
    {
        try
        {
            return AuditVerifier.Verify(AuditExport.Open(folder), keys, seen, now);
        }
        catch (JsonException e)
        {
            throw new IntegrityException($"{Path.Combine(folder, AuditExport.HeadFile)} is not what audit export writes: {e.Message}", e);
        }
    }

    private static void Write(CliEnvironment environment, AuditReport report, bool json)
    {
        if (json)
        {
            environment.WriteJson(report);
            return;
        }

        string log = report.Log ?? "(unknown)";
        switch (report.Verdict)
        {
            case AuditVerdict.Holds:
                string later = report.Entries == report.Covered ? "" : $" {report.Entries - report.Covered} came after it and wait for the next one.";
                environment.Out.WriteLine($"The audit log of {log} holds: {report.Entries} entries, root {report.Root}. The checkpoint of {report.CoveredAt:u} vouches for {report.Covered}.{later}");
                break;
            case AuditVerdict.NotVouchedFor:
                environment.Out.WriteLine($"The audit log of {log} has no checkpoint yet, so nothing vouches for it: NOT CHECKED. Its {report.Entries} entries do not contradict one another. A checkpoint is signed every hour: check again then.");
                break;
            default:
                environment.Out.WriteLine($"The audit log of {log} DOES NOT HOLD.");
                foreach (AuditFinding finding in report.Findings)
                {
                    environment.Out.WriteLine("  " + finding.What);
                }

                environment.Out.WriteLine(report.Covered == 0 ? "  No entry before that is vouched for." : $"  The first {report.Covered} entries hold: the checkpoint of {report.CoveredAt:u} vouches for them.");
                break;
        }

        foreach (string remark in report.Remarks)
        {
            environment.Out.WriteLine("  Remark: " + remark);
        }
    }
}
