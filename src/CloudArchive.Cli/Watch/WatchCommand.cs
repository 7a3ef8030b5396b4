using System.CommandLine;
using CloudArchive.Cli.Agent;
using CloudArchive.Cli.Backup;
using CloudArchive.Cli.Transport;

namespace CloudArchive.Cli.Watch;

/// <summary><c>watch</c>.</summary>
internal static class WatchCommand
{
    public static Command Create(CliEnvironment environment)
    {
        Argument<string[]> folders = new("folder") { Description = "Folders to watch, with everything below them; without any, those that are remembered", Arity = ArgumentArity.ZeroOrMore };
        Option<int> settle = new("--settle") { Description = "Seconds for which a file's size and time must stay the same before it is taken", DefaultValueFactory = _ => 10, HelpName = "seconds" };
        Option<int> rescan = new("--rescan") { Description = "Minutes after which everything is looked through, whatever the system told", DefaultValueFactory = _ => 15, HelpName = "minutes" };
        settle.Validators.Add(result => { if (result.GetValue(settle) is < 1 or > 3600) result.AddError("--settle is 1 to 3600 seconds."); });
        rescan.Validators.Add(result => { if (result.GetValue(rescan) is < 1 or > 1440) result.AddError("--rescan is 1 to 1440 minutes."); });
        Command command = new("watch", "Back up what appears in folders, until stopped.") { folders, settle, rescan };
        LinkOptions link = new(environment);
        link.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using AgentSession session = link.Open(parsed, environment.Network.WatchPatience);
            using RunLock held = RunLock.Take(session.Home.WatchLock, "watch");
            IReadOnlyList<string> resolved = FolderList.Resolve(session.State, parsed.GetValue(folders)!, keep: true);
            WatchOptions options = new(TimeSpan.FromSeconds(parsed.GetValue(settle)), TimeSpan.FromMinutes(parsed.GetValue(rescan)));
            try
            {
                using WatchRun watch = new(session, environment, resolved, options);
                await watch.RunAsync(cancellationToken);
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                // Being stopped is how a watch ends.
            }

            return (int)ExitCode.Ok;
        });
        return command;
    }
}
