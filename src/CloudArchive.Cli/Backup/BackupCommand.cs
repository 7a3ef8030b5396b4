using System.CommandLine;
using CloudArchive.Cli.Agent;
using CloudArchive.Cli.Terminal;

namespace CloudArchive.Cli.Backup;

/// <summary><c>backup</c>.</summary>
internal static class BackupCommand
{
    public static Command Create(CliEnvironment environment)
    {
        Argument<string[]> folders = new("folder") { Description = "Folders to back up, with everything below them", Arity = ArgumentArity.OneOrMore };
        Option<bool> dryRun = new("--dry-run") { Description = "Say what would be uploaded and why, and upload nothing" };
        Option<bool> rehash = new("--rehash") { Description = "Read every file again, also those whose size and time are unchanged" };
        Option<bool> verbose = new("--verbose") { Description = "Name every skipped file" };
        Option<bool> json = CommonOptions.Json();
        Command command = new("backup", "Back up folders of DICOM files. A file is backed up when its receipt is stored.") { folders, dryRun, rehash, verbose, json };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using AgentSession session = AgentSession.Open(environment);
            using RunLock held = RunLock.Take(session.Home.BackupLock, "backup");
            IReadOnlyList<string> resolved = FolderScan.ResolveAll(parsed.GetValue(folders)!);
            BackupOptions options = new(parsed.GetValue(dryRun), parsed.GetValue(rehash));
            if (!options.DryRun && await AgentUpkeep.RunAsync(session, cancellationToken) is { } left) await environment.Error.WriteLineAsync($"Keys could not be seen to: {left}");
            BackupOutcome outcome = await ProgressViews.RunAsync(environment, parsed.GetValue(json), view => new BackupRun(session, environment, view, options).RunAsync(resolved, cancellationToken));

            (string? notChecked, LogAlarmException? alarm) = options.DryRun ? (null, null) : await CheckLogAsync(session, environment, cancellationToken);
            if (parsed.GetValue(json)) BackupReport.WriteJson(environment, session.State, outcome, options.DryRun, alarm?.Message);
            else BackupReport.Write(environment, session.State, outcome, options.DryRun, parsed.GetValue(verbose));
            if (notChecked is not null) await environment.Error.WriteLineAsync($"The audit log could not be checked: {notChecked}");
            if (alarm is not null) await environment.Error.WriteLineAsync(alarm.Message);
            return (int)(alarm?.Code ?? outcome.Code(options.DryRun));
        });
        return command;
    }

    private static async Task<(string? NotChecked, LogAlarmException? Alarm)> CheckLogAsync(AgentSession session, CliEnvironment environment, CancellationToken cancellationToken)
    {
        try
        {
            return (await LogWatch.CheckAsync(session, environment.Clock, cancellationToken), null);
        }
        catch (LogAlarmException alarm)
        {
            return (null, alarm); // what was backed up is told first
        }
    }
}
