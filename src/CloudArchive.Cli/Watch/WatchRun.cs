using CloudArchive.Cli.Agent;
using CloudArchive.Cli.Backup;
using CloudArchive.Cli.State;
using CloudArchive.Cli.Status;
using CloudArchive.Cli.Terminal;

namespace CloudArchive.Cli.Watch;

/// <summary>How to watch.</summary>
/// <param name="Settle">How long a file must be the same before it is taken.</param>
/// <param name="Rescan">How often everything is looked through, whatever the system told.</param>
public sealed record WatchOptions(TimeSpan Settle, TimeSpan Rescan)
{
    /// <summary>The wait after a first failure; doubled at each that follows.</summary>
    public TimeSpan FirstRetry { get; init; } = TimeSpan.FromMinutes(1);
}

/// <summary>
/// Backs up what appears, until it is stopped. Whatever goes wrong is told, kept in the state for <c>status</c>, and tried again. What appears while
/// a backlog is being sent goes before it.
/// </summary>
public sealed class WatchRun(AgentSession session, CliEnvironment environment, IReadOnlyList<string> folders, WatchOptions options) : IDisposable
{
    private static readonly TimeSpan Look = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan CheckLogEvery = TimeSpan.FromDays(1);
    private static readonly TimeSpan SeeToKeysEvery = TimeSpan.FromHours(6);
    private static readonly TimeSpan ReportEvery = TimeSpan.FromHours(1);
    private readonly StabilityTracker _tracker = new(environment.Clock, options.Settle);
    private readonly List<FoundFile> _ready = [];
    private readonly HashSet<string> _appeared = new(StringComparer.Ordinal);
    private readonly HashSet<string> _told = new(StringComparer.Ordinal);
    private readonly Notices _notices = new(session, environment);
    private FolderEvents? _events;
    private long _appearedAt;
    private long _readySince;
    private long _logChecked;
    private long? _keysSeenTo;
    private long? _reported;
    private DateTimeOffset _nextScan;
    private TimeSpan _retry = options.FirstRetry;
    private IReadOnlyList<(FolderRecord Folder, ScanScope Scope)> _scopes = [];

    /// <summary>Watches, until it is stopped.</summary>
    public Task RunAsync(CancellationToken cancellationToken) => RunAsync(() => false, cancellationToken);

    /// <summary>Watches, until it is stopped or these are no longer the folders to watch.</summary>
    /// <param name="isOver">Whether they are not; asked before each look through everything.</param>
    /// <param name="cancellationToken">Stops.</param>
    public async Task RunAsync(Func<bool> isOver, CancellationToken cancellationToken)
    {
        _events = new FolderEvents(folders, [session.Home.Path], Say);
        _nextScan = environment.Clock.GetUtcNow();
        Say($"Watching {string.Join(", ", folders.Select(Texts.Printable))}; a file is taken when it has not changed for {Texts.Duration(options.Settle)}. Ctrl+C ends it.");
        while (true)
        {
            try
            {
                if (IsScanDue())
                {
                    if (isOver())
                    {
                        return;
                    }

                    await ScanAsync(cancellationToken);
                    await _notices.TellAsync(cancellationToken);
                }

                await TakeReadyAsync(cancellationToken);
                Note(await _events.TakeAsync(Patience(), environment.Clock, cancellationToken));
            }
            catch (Exception error) when (!cancellationToken.IsCancellationRequested)
            {
                // A watch that ended by itself would be found out by nobody: whatever went wrong is said, and tried again.
                Failed(error);
                await Task.Delay(Look, environment.Clock, cancellationToken);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _events?.Dispose();

    private TimeSpan Patience()
    {
        if (_tracker.Count > 0 || _ready.Count > 0 || _appeared.Count > 0)
        {
            return Look;
        }

        TimeSpan left = _nextScan - environment.Clock.GetUtcNow();
        return left < TimeSpan.Zero ? TimeSpan.Zero : left > options.Rescan ? options.Rescan : left;
    }

    /// <summary>A scan is never further away than a rescan: where it is, the clock was set back.</summary>
    private bool IsScanDue()
    {
        TimeSpan left = _nextScan - environment.Clock.GetUtcNow();
        return left <= TimeSpan.Zero || left > options.Rescan;
    }

    private void Note(IReadOnlyCollection<FolderEvent> events)
    {
        foreach (FolderEvent one in events)
        {
            if (one.Path is null)
            {
                // Lost events could be anything.
                _nextScan = Earlier(_nextScan, environment.Clock.GetUtcNow() + options.Settle);
            }
            else if (!Directory.Exists(one.Path))
            {
                _tracker.Touch(one.Path);
            }
            else if (one.Appeared)
            {
                // A directory that appears brings files without events of their own. That it changed says no more than what is said of its files.
                _appeared.Add(one.Path);
                _appearedAt = environment.Clock.GetTimestamp();
            }
        }
    }

    private async Task ScanAsync(CancellationToken cancellationToken)
    {
        _ready.Clear(); // the scan finds them too
        _appeared.Clear();
        _nextScan = environment.Clock.GetUtcNow() + options.Rescan;
        if (await RunAsync(new BackupScope(folders), cancellationToken) is { } outcome)
        {
            outcome.Unsettled.ToList().ForEach(file => _tracker.Touch(file.Path));
        }
    }

    private async Task TakeReadyAsync(CancellationToken cancellationToken)
    {
        _ready.AddRange(Settled());
        if (_appeared.Count > 0 && environment.Clock.GetElapsedTime(_appearedAt) >= options.Settle)
        {
            string[] directories = [.. _appeared];
            _appeared.Clear();
            if (await RunAsync(new BackupScope(folders, directories), cancellationToken) is { } outcome)
            {
                outcome.Unsettled.ToList().ForEach(file => _tracker.Touch(file.Path));
            }
        }

        if (TakeBurst() is { Length: > 0 } files)
        {
            await RunAsync(new BackupScope(folders, Files: files), cancellationToken);
        }
    }

    /// <summary>One study is many files: wait for the rest of a burst, but not for ever.</summary>
    private FoundFile[] TakeBurst()
    {
        if (_ready.Count == 0 || (_tracker.Count > 0 && environment.Clock.GetElapsedTime(_readySince) < options.Settle * 3))
        {
            return [];
        }

        FoundFile[] files = [.. _ready];
        _ready.Clear();
        return files;
    }

    private IReadOnlyList<FoundFile> Settled()
    {
        if (_ready.Count == 0)
        {
            _readySince = environment.Clock.GetTimestamp();
        }

        return _tracker.Count == 0 ? [] : _tracker.Poll(Find);
    }

    private FoundFile? Find(string path)
    {
        (FolderRecord Folder, ScanScope Scope) at = _scopes.FirstOrDefault(scope => FolderScan.IsBelow(path, scope.Folder.Path));
        return at.Folder is null ? null : FolderScan.Find(at.Folder.Path, path, at.Scope);
    }

    /// <summary>What has come, and settled, while a run is at work.</summary>
    private FoundFile[] Arrivals()
    {
        Note(_events!.TakeNow());
        _ready.AddRange(Settled());
        return TakeBurst();
    }

    private async Task<BackupOutcome?> RunAsync(BackupScope scope, CancellationToken cancellationToken)
    {
        try
        {
            using RunLock held = RunLock.Take(session.Home.BackupLock, "backup");
            await SeeToKeysAsync(cancellationToken);
            _scopes = [.. session.State.FolderRecords().Select(folder => (folder, RunScan.ScopeOf(session.State, session.Home, folder)))];
            BackupOptions backup = new(Settle: scope.Files is null ? options.Settle : null) { Arrivals = Arrivals, Held = (_, cancellation) => ReportAsync(cancellation) };
            BackupOutcome outcome = await new BackupRun(session, environment, new QuietView(Say), backup).RunAsync(scope, cancellationToken);
            if (_scopes.Count == 0)
            {
                _scopes = [.. outcome.Folders.Select(folder => (folder, RunScan.ScopeOf(session.State, session.Home, folder)))];
            }

            Tell(outcome);
            if (outcome.Packs.Count > 0 || environment.Clock.GetElapsedTime(_logChecked) >= CheckLogEvery)
            {
                await CheckLogAsync(cancellationToken);
            }

            if (outcome.Counts.LeftBehind > 0 || outcome.UnreadableFolders.Count > 0 || outcome.FailedPacks.Count > 0)
            {
                Retry();
            }
            else
            {
                _retry = options.FirstRetry;
            }

            if (scope.IsWhole || outcome.Packs.Count > 0 || _reported is null || environment.Clock.GetElapsedTime(_reported.Value) >= ReportEvery)
            {
                await ReportAsync(cancellationToken);
            }

            return outcome;
        }
        catch (Exception error) when (!cancellationToken.IsCancellationRequested)
        {
            Failed(error);
            return null;
        }
    }

    private void Failed(Exception error)
    {
        if (error is QuotaUsedUpException quota)
        {
            // Nothing is wrong, and nothing goes until then: only what is new is still looked for.
            _retry = quota.Wait < options.Rescan ? quota.Wait : options.Rescan;
        }

        Retry();
        Say($"{Failures.Describe(error).Message} Trying again at {_nextScan.ToLocalTime():HH:mm}.");
    }

    private async Task ReportAsync(CancellationToken cancellationToken)
    {
        _reported = environment.Clock.GetTimestamp();
        if (await VerdictReport.SendAsync(session, environment.Clock, cancellationToken) is { NotSent: { } notSent })
        {
            Say($"The archive could not be told how the files stand: {notSent}");
        }
    }

    private async Task SeeToKeysAsync(CancellationToken cancellationToken)
    {
        if (_keysSeenTo is { } last && environment.Clock.GetElapsedTime(last) < SeeToKeysEvery)
        {
            return;
        }

        _keysSeenTo = environment.Clock.GetTimestamp();
        if (await AgentUpkeep.RunAsync(session, cancellationToken) is { } left)
        {
            Say($"Keys could not be seen to: {left}");
        }
    }

    private async Task CheckLogAsync(CancellationToken cancellationToken)
    {
        _logChecked = environment.Clock.GetTimestamp();
        try
        {
            if (await LogWatch.CheckAsync(session, environment.Clock, cancellationToken) is { } notChecked)
            {
                Say($"The audit log could not be checked: {notChecked}");
            }
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
        if (outcome.Uploaded > 0)
        {
            Say($"Backed up {Texts.Count(outcome.Uploaded, "instance")} in {Texts.Count(outcome.Packs.Count, "pack")}, {Texts.Size(outcome.UploadedBytes)} sealed.");
        }

        if (outcome.AlreadyArchived > 0)
        {
            Say($"{Texts.Count(outcome.AlreadyArchived, "file was", "files were")} renamed, copied or known already.");
        }

        IEnumerable<string> news = BackupReport.Warnings(outcome).Select(warning => $"WARNING: {warning}")
            .Concat(session.State.SkippedFiles([.. outcome.Folders.Select(folder => folder.Id)]).Where(f => SkipReasons.IsGrave(f.Reason))
                .Select(f => $"Not backed up: {Texts.Printable(f.Path)} ({SkipReasons.Describe(f.Reason)})"))
            .Concat(outcome.FailedPacks.Select(f => $"Not uploaded: {Texts.Count(f.Files, "instance")} of study {f.Study}. {f.Why}"))
            .Concat(outcome.UnreadableFolders.Select(f => $"Folder cannot be listed: {Texts.Printable(f.Path)} ({f.Why})"));
        string[] now = [.. news.Take(40)];
        foreach (string line in now.Where(line => !_told.Contains(line)))
        {
            Say(line); // once, not at every scan
        }

        _told.Clear();
        _told.UnionWith(now);
    }

    private void Say(string line)
    {
        try
        {
            environment.Out.WriteLine($"{environment.Clock.GetLocalNow():yyyy-MM-dd HH:mm:ss}  {line}");
        }
        catch (IOException)
        {
            // A log on a full disk, a pipe that nobody reads: status has it from the state all the same.
        }
    }

    private static DateTimeOffset Earlier(DateTimeOffset a, DateTimeOffset b) => a < b ? a : b;
}
