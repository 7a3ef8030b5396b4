using System.CommandLine;
using CloudArchive.Cli.Agent;
using CloudArchive.Cli.State;
using CloudArchive.Cli.Status;
using CloudArchive.Cli.Terminal;
using CloudArchive.Cli.Transport;
using CloudArchive.Format.Verdicts;

namespace CloudArchive.Cli.Backup;

/// <summary><c>backup</c>.</summary>
internal static class BackupCommand
{
    public static Command Create(CliEnvironment environment)
    {
        Argument<string[]> folders = new("folder") { Description = "Folders to back up, with everything below them; without any, those that are remembered", Arity = ArgumentArity.ZeroOrMore };
        Option<bool> dryRun = new("--dry-run") { Description = "Say what would be uploaded and why, and upload nothing" };
        Option<bool> rehash = new("--rehash") { Description = "Read every file again, also those whose size and time are unchanged" };
        Option<bool> accept = new("--accept-changes") { Description = "You have looked: take what was held back, an empty folder or another drive as what it is to be" };
        Option<bool> verbose = new("--verbose") { Description = "Name every skipped file" };
        Option<bool> json = CommonOptions.Json();
        Command command = new("backup", "Back up folders of DICOM files. A file is backed up when its receipt is stored.") { folders, dryRun, rehash, accept, verbose, json };
        LinkOptions link = new(environment);
        link.AddTo(command);
        command.Validators.Add(result =>
        {
            if (result.GetValue(dryRun) && result.GetValue(accept))
            {
                result.AddError("--accept-changes changes what is remembered, and --dry-run changes nothing.");
            }
        });
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using AgentSession session = link.Open(parsed, environment.Network.RunPatience);
            using RunLock held = RunLock.Take(session.Home.BackupLock, "backup");
            IReadOnlyList<string> resolved = FolderList.Resolve(session.State, parsed.GetValue(folders)!, keep: !parsed.GetValue(dryRun));
            BackupOptions options = new(parsed.GetValue(dryRun), parsed.GetValue(rehash), AcceptChanges: parsed.GetValue(accept))
            {
                Held = (_, cancellation) => VerdictReport.SendAsync(session, environment.Clock, cancellation),
            };
            if (!options.DryRun && await AgentUpkeep.RunAsync(session, cancellationToken) is { } left)
            {
                await environment.Error.WriteLineAsync($"Keys could not be seen to: {left}");
            }

            BackupOutcome outcome;
            try
            {
                outcome = await ProgressViews.RunAsync(environment, parsed.GetValue(json), view => new BackupRun(session, environment, view, options).RunAsync(resolved, cancellationToken));
            }
            catch (Exception) when (!options.DryRun && !cancellationToken.IsCancellationRequested)
            {
                await VerdictReport.SendAsync(session, environment.Clock, cancellationToken); // that it failed is part of the verdict
                throw;
            }

            (string? notChecked, LogAlarmException? alarm) = options.DryRun ? (null, null) : await CheckLogAsync(session, environment, cancellationToken);
            (AgentVerdict? verdict, string? notSent) = options.DryRun ? (null, null) : await ReportAsync(session, environment, cancellationToken);
            if (parsed.GetValue(json))
            {
                BackupReport.WriteJson(environment, session.State, outcome, options.DryRun, alarm?.Message, verdict);
            }
            else
            {
                BackupReport.Write(environment, session.State, outcome, options.DryRun, parsed.GetValue(verbose));
            }

            if (notChecked is not null)
            {
                await environment.Error.WriteLineAsync($"The audit log could not be checked: {notChecked}");
            }

            if (notSent is not null)
            {
                await environment.Error.WriteLineAsync($"The archive could not be told how the files stand: {notSent}");
            }

            if (alarm is not null)
            {
                await environment.Error.WriteLineAsync(alarm.Message);
            }

            return (int)(alarm?.Code ?? outcome.Code(options.DryRun));
        });
        return command;
    }

    private static async Task<(AgentVerdict? Verdict, string? NotSent)> ReportAsync(AgentSession session, CliEnvironment environment, CancellationToken cancellationToken)
    {
        (_, AgentVerdict verdict, string? notSent) = await VerdictReport.SendAsync(session, environment.Clock, cancellationToken);
        return (verdict, notSent);
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
