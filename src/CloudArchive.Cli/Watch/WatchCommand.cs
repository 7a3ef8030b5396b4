using System.CommandLine;
using CloudArchive.Cli.Agent;
using CloudArchive.Cli.Background;
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
        Option<bool> asService = new("--as-service") { Description = "What 'service install' has Windows start", Hidden = true };
        Command command = new("watch", "Back up what appears in folders, until stopped.") { folders, settle, rescan, asService };
        LinkOptions link = new(environment);
        link.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            WatchOptions options = new(TimeSpan.FromSeconds(parsed.GetValue(settle)), TimeSpan.FromMinutes(parsed.GetValue(rescan)));
            string[] named = parsed.GetValue(folders)!;
            if (!parsed.GetValue(asService) || !OperatingSystem.IsWindows())
            {
                return (int)await WatchAsync(environment, () => link.Open(parsed, environment.Network.WatchPatience), named, options, cancellationToken);
            }

            using WatchLog log = new(Path.Combine(AgentHome.Of(environment).Path, "watch.log"));
            CliEnvironment unseen = environment with { Out = log, Error = log };
            return WindowsHost.Run(async stop =>
            {
                try
                {
                    return (int)await WatchAsync(unseen, () => link.Open(parsed, environment.Network.WatchPatience), named, options, stop);
                }
                catch (Exception error)
                {
                    // Windows is always told how it ended.
                    (ExitCode code, string message) = Failures.Describe(error);
                    await log.WriteLineAsync(message);
                    return (int)code;
                }
            });
        });
        return command;
    }

    private static async Task<ExitCode> WatchAsync(
        CliEnvironment environment, Func<AgentSession> open, string[] named, WatchOptions options, CancellationToken cancellationToken)
    {
        using AgentSession session = open();
        using RunLock held = RunLock.Take(session.Home.WatchLock, "watch");
        try
        {
            // Without a name, what is remembered: it may become more, or less, while this goes on.
            while (true)
            {
                IReadOnlyList<string> resolved = FolderList.Resolve(session.State, named, keep: true);
                using WatchRun watch = new(session, environment, resolved, options);
                await watch.RunAsync(() => named.Length == 0 && session.State.Folders() is { Count: > 0 } now && !now.SequenceEqual(resolved), cancellationToken);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Being stopped is how a watch ends.
            return ExitCode.Ok;
        }
    }
}
