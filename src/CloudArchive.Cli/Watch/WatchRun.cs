using CloudArchive.Cli.Agent;
using CloudArchive.Cli.Backup;
using CloudArchive.Cli.State;
using CloudArchive.Cli.Terminal;

namespace CloudArchive.Cli.Watch;

/// <summary>How to watch.</summary>
/// <param name="Settle">How long a file must be the same before it is taken.</param>
/// <param name="Rescan">How often everything is looked through, whatever the system told.</param>
public sealed record WatchOptions(TimeSpan Settle, TimeSpan Rescan);

/// <summary>Backs up what appears, until it is stopped. Whatever goes wrong is told, kept in the state for <c>status</c>, and tried again.</summary>
public sealed class WatchRun(AgentSession session, CliEnvironment environment, IReadOnlyList<string> folders, WatchOptions options)
{
    private static readonly TimeSpan Look = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan FirstRetry = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan CheckLogEvery = TimeSpan.FromDays(1);
    private static readonly TimeSpan SeeToKeysEvery = TimeSpan.FromHours(6);
    private readonly StabilityTracker _tracker = new(environment.Clock, options.Settle);
    private readonly List<FoundFile> _ready = [];
    private long _readySince;
    private long _logChecked;
    private long? _keysSeenTo;
    private DateTimeOffset _nextScan;
    private TimeSpan _retry = FirstRetry;

    /// <summary>Watches.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        using FolderEvents events = new(folders, Say);
        _nextScan = environment.Clock.GetUtcNow();
        Say($"Watching {string.Join(", ", folders.Select(Texts.Printable))}; a file is taken when it has not changed for {Texts.Duration(options.Settle)}. Ctrl+C ends it.");
        while (true)
        {
            if (environment.Clock.GetUtcNow() >= _nextScan) await ScanAsync(cancellationToken);
            await TakeReadyAsync(cancellationToken);
            foreach (string? path in await events.TakeAsync(Patience(), environment.Clock, cancellationToken)) Note(path);
        }
    }

    private TimeSpan Patience()
    {
        if (_tracker.Count > 0 || _ready.Count > 0) return Look;
        TimeSpan left = _nextScan - environment.Clock.GetUtcNow();
        return left < TimeSpan.Zero ? TimeSpan.Zero : left;
    }

    private void Note(string? path)
    {
        // A folder that appears brings files without events of their own; lost events could be anything.
        if (path is null || Directory.Exists(path)) _nextScan = Earlier(_nextScan, environment.Clock.GetUtcNow() + options.Settle);
        else _tracker.Touch(path);
    }

    private async Task ScanAsync(CancellationToken cancellationToken)
    {
        _ready.Clear(); // the scan finds them too
        _nextScan = environment.Clock.GetUtcNow() + options.Rescan;
        if (await RunAsync(new BackupOptions(Settle: options.Settle), run => run.RunAsync(folders, cancellationToken), cancellationToken) is not { } outcome) return;
        foreach (FoundFile file in outcome.Unsettled) _tracker.Touch(file.Path);
        if (outcome.Code(dryRun: false) == ExitCode.Incomplete) Retry();
    }

    private async Task TakeReadyAsync(CancellationToken cancellationToken)
    {
        IReadOnlyList<FoundFile> settled = _tracker.Poll(FolderScan.Find);
        if (_ready.Count == 0) _readySince = environment.Clock.GetTimestamp();
        _ready.AddRange(settled);

        // One study is many files: wait for the rest of a burst, but not for ever.
        if (_ready.Count == 0 || (_tracker.Count > 0 && environment.Clock.GetElapsedTime(_readySince) < options.Settle * 3)) return;
        FoundFile[] files = [.. _ready];
        _ready.Clear();
        BackupOutcome? outcome = await RunAsync(new BackupOptions(), run => run.RunAsync(folders, files, cancellationToken), cancellationToken);
        if (outcome?.Code(dryRun: false) == ExitCode.Incomplete) Retry();
    }

    private async Task<BackupOutcome?> RunAsync(BackupOptions backup, Func<BackupRun, Task<BackupOutcome>> run, CancellationToken cancellationToken)
    {
        try
        {
            using RunLock held = RunLock.Take(session.Home.BackupLock, "backup");
            await SeeToKeysAsync(cancellationToken);
            BackupOutcome outcome = await run(new BackupRun(session, environment, new QuietView(Say), backup));
            Tell(outcome);
            if (outcome.Packs.Count > 0 || environment.Clock.GetElapsedTime(_logChecked) >= CheckLogEvery) await CheckLogAsync(cancellationToken);
            _retry = FirstRetry;
            return outcome;
        }
        catch (Exception error) when (error is CliException or IOException or UnauthorizedAccessException)
        {
            Retry();
            Say($"{Failures.Describe(error).Message} Trying again at {_nextScan.ToLocalTime():HH:mm}.");
            return null;
        }
    }

    private async Task SeeToKeysAsync(CancellationToken cancellationToken)
    {
        if (_keysSeenTo is { } last && environment.Clock.GetElapsedTime(last) < SeeToKeysEvery) return;
        _keysSeenTo = environment.Clock.GetTimestamp();
        if (await AgentUpkeep.RunAsync(session, cancellationToken) is { } left) Say($"Keys could not be seen to: {left}");
    }

    private async Task CheckLogAsync(CancellationToken cancellationToken)
    {
        _logChecked = environment.Clock.GetTimestamp();
        try
        {
            if (await LogWatch.CheckAsync(session, environment.Clock, cancellationToken) is { } notChecked) Say($"The audit log could not be checked: {notChecked}");
        }
        catch (LogAlarmException alarm)
        {
            Say(alarm.Message); // it stays in the state, for status; the files are backed up all the same
        }
    }

    /// <summary>What failed is pending in the state, and every scan takes up what is pending.</summary>
    private void Retry()
    {
        _nextScan = Earlier(_nextScan, environment.Clock.GetUtcNow() + _retry);
        _retry = _retry * 2 > options.Rescan ? options.Rescan : _retry * 2;
    }

    private void Tell(BackupOutcome outcome)
    {
        if (outcome.Uploaded > 0) Say($"Backed up {Texts.Count(outcome.Uploaded, "instance")} in {Texts.Count(outcome.Packs.Count, "pack")}, {Texts.Size(outcome.UploadedBytes)} sealed.");
        if (outcome.AlreadyArchived > 0) Say($"{Texts.Count(outcome.AlreadyArchived, "file was", "files were")} renamed, copied or known already.");
        foreach (SkippedFile file in session.State.SkippedFiles(outcome.Run).Where(f => SkipReasons.IsGrave(f.Reason)).Take(20)) Say($"Not backed up: {Texts.Printable(file.Path)} ({SkipReasons.Describe(file.Reason)})");
        foreach (UnreadableFolder folder in outcome.UnreadableFolders.Take(20)) Say($"Folder cannot be listed: {Texts.Printable(folder.Path)} ({folder.Why})");
    }

    private void Say(string line) => environment.Out.WriteLine($"{environment.Clock.GetLocalNow():yyyy-MM-dd HH:mm:ss}  {line}");

    private static DateTimeOffset Earlier(DateTimeOffset a, DateTimeOffset b) => a < b ? a : b;
}
