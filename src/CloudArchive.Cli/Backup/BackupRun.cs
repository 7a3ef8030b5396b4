using System.Runtime.ExceptionServices;
using CloudArchive.Cli.Agent;
using CloudArchive.Cli.State;
using CloudArchive.Cli.Terminal;
using CloudArchive.Cli.Transport;
using CloudArchive.Format;
using CloudArchive.Format.Packs;

namespace CloudArchive.Cli.Backup;

/// <summary>How to back up.</summary>
/// <param name="DryRun">Plan, and upload nothing.</param>
/// <param name="Rehash">Read every file, changed or not.</param>
/// <param name="Packs">How many packs at once.</param>
/// <param name="Settle">Leave alone what was written so recently; null: take everything.</param>
/// <param name="AcceptChanges">A person has looked: what is held back goes, and what the folders are now is what they are to be.</param>
public sealed record BackupOptions(bool DryRun = false, bool Rehash = false, int Packs = 2, TimeSpan? Settle = null, bool AcceptChanges = false)
{
    /// <summary>What has come while the run is at work, asked for every second; it goes before the backlog.</summary>
    public Func<IReadOnlyList<FoundFile>>? Arrivals { get; init; }

    /// <summary>Told, once for each, of a folder whose changes begin to be held back.</summary>
    public Func<FolderRecord, CancellationToken, Task>? Held { get; init; }
}

/// <summary>A planned pack, in numbers.</summary>
public sealed record PlanLine(Uid Study, int Files, int Copies, int NewVersions, long Bytes, PackReason Reason);

/// <summary>What a run did.</summary>
public sealed record BackupOutcome(
    IReadOnlyList<FolderRecord> Folders,
    FileCounts Counts,
    long Unchanged,
    long Read,
    long AlreadyArchived,
    long Uploaded,
    long UploadedBytes,
    IReadOnlyList<PackId> Packs,
    IReadOnlyList<PlanLine> Plan,
    IReadOnlyList<UnreadableFolder> UnreadableFolders,
    IReadOnlyList<FoundFile> Unsettled,
    SyncResult Sync)
{
    /// <summary>Packs that did not get their receipts in this run.</summary>
    public IReadOnlyList<FailedPack> FailedPacks { get; init; } = [];

    /// <summary>Packs that were planned: <see cref="Plan"/> has the first of them.</summary>
    public int PlannedPacks { get; init; }

    /// <summary>Files that were read again to make sure that they are what they were.</summary>
    public long Checked { get; init; }

    /// <summary>Files whose time is none that can be written down.</summary>
    public long ImpossibleTimes { get; init; }

    /// <summary>What stands where, archived after a complete run with a change; null: none was due, or it failed.</summary>
    public TakenSnapshot? Snapshot { get; init; }

    /// <summary>Why the snapshot that was due could not be archived; the next run tries again.</summary>
    public string? SnapshotFailed { get; init; }

    /// <summary>Why what <c>find</c> searches could not be filled; the backup does not need it.</summary>
    public string? IndexProblem { get; init; }

    /// <summary>Whether the folders are other than they were in a way that a person has to look at.</summary>
    public bool NeedsLook => Folders.Any(folder => folder.HeldSince is not null || folder.IsEmptied || folder.IsMoved);

    /// <summary>How the command ends on this account.</summary>
    public ExitCode Code(bool dryRun) =>
        UnreadableFolders.Count > 0 || FailedPacks.Count > 0 || SnapshotFailed is not null || NeedsLook || (dryRun ? Counts.NotBackedUp - Counts.Pending.Files : Counts.NotBackedUp) > 0 ? ExitCode.Incomplete : ExitCode.Ok;
}

/// <summary>
/// One backup: finish what an interrupted run left, scan, then read, plan and upload in slices, the newest first, side by side. Memory does not
/// depend on how many files there are: everything that grows with them lies in the state.
/// </summary>
public sealed class BackupRun(AgentSession session, CliEnvironment environment, IProgressView view, BackupOptions options)
{
    private const int MostPlanLines = 10_000;
    private static readonly TimeSpan BeforeSecondTry = TimeSpan.FromSeconds(2);
    private readonly RunScan _scan = new(session, environment, view, options);
    private readonly List<PackId> _packs = [];
    private readonly List<FailedPack> _failed = [];
    private readonly List<PlanLine> _plan = [];
    private readonly Lock _gate = new();
    private int _planned;
    private long _uploaded;
    private long _uploadedBytes;

    /// <summary>Backs up everything in the folders.</summary>
    public Task<BackupOutcome> RunAsync(IReadOnlyList<string> folders, CancellationToken cancellationToken) => RunAsync(new BackupScope(folders), cancellationToken);

    /// <summary>Backs up.</summary>
    public async Task<BackupOutcome> RunAsync(BackupScope scope, CancellationToken cancellationToken)
    {
        string[] isNew = [.. scope.Folders.Where(folder => session.State.FindFolder(folder) is null)];
        long run = session.State.BeginRun(environment.Clock.GetUtcNow());
        ExitCode ended = ExitCode.Unexpected;
        long notBackedUp = 0;
        try
        {
            SyncResult sync = await StateSync.LearnAsync(session, view, cancellationToken);
            if (!options.DryRun)
            {
                session.Index.Begin();
                await new UnfinishedUploads(session).CommitAsync(Note, Note, cancellationToken);
            }

            IReadOnlyList<FolderRecord> folders = [.. scope.Folders.Select(Remember)];
            if (options.AcceptChanges)
            {
                Accept(folders);
                folders = Again(folders);
            }

            Slices slices = new(session, environment, view, options, folders);
            List<long> first = Scan(scope, folders, cancellationToken);
            IReadOnlyList<BegunPack> begun = options.DryRun ? [] : [.. new UnfinishedUploads(session).ToResume()]; // what cannot go on is given up, and lined up with the rest
            slices.LineUp(first, scope);
            if (options.DryRun)
            {
                await slices.ReadAllAsync(cancellationToken);
                BackupPlan.For(session.State.AllPending([.. folders.Select(f => f.Id)])).ToList().ForEach(Note);
            }
            else
            {
                // What may be part of an attack waits until its folder is read; the second try has it where it was none.
                await UploadAsync(slices, [.. begun.Where(pack => !slices.IsAside(pack.Files))], begunLast: !scope.IsWhole, cancellationToken);
            }

            if (options.AcceptChanges)
            {
                // What this run found is what the person looked at.
                folders.ToList().ForEach(folder => session.State.NoteAccepted(folder.Id, environment.Clock.GetUtcNow()));
            }

            BackupOutcome outcome = await WithSnapshotAsync(Conclude(scope, Again(folders), slices, sync), scope, cancellationToken);
            ended = outcome.Code(options.DryRun);
            notBackedUp = outcome.Counts.NotBackedUp;
            return outcome;
        }
        catch (Exception error)
        {
            ended = Failures.Describe(error).Code;
            notBackedUp = FileCounts.Sum(session.State.Count().Values).NotBackedUp;
            throw;
        }
        finally
        {
            session.Index.End();
            if (options.DryRun)
            {
                session.State.DropRun(run);
                isNew.ToList().ForEach(folder => session.State.Forget(folder));
            }
            else
            {
                session.State.EndRun(run, environment.Clock.GetUtcNow(), ended, notBackedUp);
            }
        }
    }

    private FolderRecord Remember(string folder)
    {
        session.State.Folder(folder);
        return session.State.FindFolder(folder)!;
    }

    private FolderRecord[] Again(IReadOnlyList<FolderRecord> folders) => [.. folders.Select(folder => session.State.FindFolder(folder.Path)!)];

    private void Accept(IReadOnlyList<FolderRecord> folders)
    {
        foreach (FolderRecord folder in folders)
        {
            session.State.Accept(folder.Id, environment.Clock.GetUtcNow());
        }

        session.State.AcceptLosses();
    }

    /// <summary>Looks where the scope says; the rows of single files that are to be read.</summary>
    private List<long> Scan(BackupScope scope, IReadOnlyList<FolderRecord> folders, CancellationToken cancellationToken)
    {
        List<long> files = [];
        if (scope.IsWhole)
        {
            _scan.Whole(folders, cancellationToken);
            return files;
        }

        foreach (FolderRecord folder in folders)
        {
            _scan.Part(folder, (scope.Directories ?? []).Where(directory => directory == folder.Path || FolderScan.IsBelow(directory, folder.Path)), cancellationToken);
            files.AddRange(_scan.Some(folder, (scope.Files ?? []).Where(file => FolderScan.IsBelow(file.Path, folder.Path))));
        }

        return files;
    }

    /// <summary>Uploads what was begun and what the slices bring; what changed meanwhile gets one more try.</summary>
    private async Task UploadAsync(Slices slices, IReadOnlyList<BegunPack> begun, bool begunLast, CancellationToken cancellationToken)
    {
        Uplink uplink = new(environment.Clock, Uplink.Parse(session.State.Get("uplink")));
        PackUploads uploads = new(session, uplink, options.Packs);
        try
        {
            await UploadAsync(slices, begun, begunLast, uploads, cancellationToken);
            begun = uploads.Stopped is null ? [.. new UnfinishedUploads(session).ToResume().Where(b => !uploads.HasTried(b.Plan.Header.Pack))] : [];
            if (uploads.Stopped is null && (slices.LineUpAgain() || begun.Count > 0))
            {
                await Task.Delay(BeforeSecondTry, environment.Clock, cancellationToken);
                await UploadAsync(slices, begun, begunLast, uploads, cancellationToken);
                slices.GiveUpChanging();
            }
        }
        finally
        {
            _failed.AddRange(uploads.Failed);
            if (uplink.BytesPerSecond is { } rate)
            {
                session.State.Set("uplink", rate.ToString("R"));
            }
        }

        if (uploads.Stopped is { } stopped)
        {
            ExceptionDispatchInfo.Throw(stopped);
        }
    }

    private async Task UploadAsync(Slices slices, IReadOnlyList<BegunPack> begun, bool begunLast, PackUploads uploads, CancellationToken cancellationToken)
    {
        using PackQueue queue = new(options.Packs) { IsOpenWhileBusy = options.Arrivals is not null, Begun = begun, BegunLast = begunLast };
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using IProgressStep step = view.Begin("Uploading", ProgressUnit.Bytes, slices.Ahead.AllBytes + begun.Sum(b => b.Plan.Bytes));
        Task uploading = Task.Run(() => uploads.RunAsync(queue, step, Note, Note, stop.Token), CancellationToken.None);
        try
        {
            await slices.RunAsync(queue, stop.Token);
        }
        catch
        {
            await stop.CancelAsync();
            await uploading.ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
            throw;
        }

        await uploading;
    }

    private BackupOutcome Conclude(BackupScope scope, IReadOnlyList<FolderRecord> folders, Slices slices, SyncResult sync)
    {
        IReadOnlyDictionary<long, FileCounts> counts = session.State.Count();
        foreach (FolderRecord folder in folders)
        {
            FileCounts count = counts[folder.Id];
            if (count.Archived.Files + count.Pending.Files > 0)
            {
                session.State.NoteHeldFiles(folder.Id);
            }

            bool isWhole = scope.IsWhole && !_scan.Unsettled.Any(f => FolderScan.IsBelow(f.Path, folder.Path)) && !_scan.Unreadable.Any(u => u.Path == folder.Path || FolderScan.IsBelow(u.Path, folder.Path));
            if (!options.DryRun && isWhole && IsComplete(folder, count))
            {
                session.State.NoteComplete(folder.Id, environment.Clock.GetUtcNow());
            }
        }

        if (!options.DryRun && sync.Destroyed > 0)
        {
            session.Index.Forget(session.State.SetsOfNothing());
        }

        return new BackupOutcome(
            folders, FileCounts.Sum(folders.Select(folder => counts[folder.Id])), _scan.Unchanged, slices.Read, slices.AlreadyArchived, _uploaded, _uploadedBytes, _packs, _plan,
            _scan.Unreadable, _scan.Unsettled, sync)
        {
            FailedPacks = _failed,
            PlannedPacks = _planned,
            Checked = slices.Checked,
            ImpossibleTimes = _scan.ImpossibleTimes,
            IndexProblem = session.Index.Problem,
        };
    }

    /// <summary>A snapshot says what stood where when everything was archived: after part of the folders, or while something is held back, it would say less.</summary>
    private async Task<BackupOutcome> WithSnapshotAsync(BackupOutcome outcome, BackupScope scope, CancellationToken cancellationToken)
    {
        if (!scope.IsWhole || options.DryRun || !session.State.IsSnapshotDue)
        {
            return outcome; // asked first: the rest counts every file
        }

        IReadOnlyDictionary<long, FileCounts> counts = session.State.Count();
        bool isComplete = outcome.FailedPacks.Count == 0 && outcome.UnreadableFolders.Count == 0 && outcome.Unsettled.Count == 0
            && session.State.FolderRecords().All(folder => IsComplete(folder, counts[folder.Id]));
        if (!isComplete)
        {
            return outcome;
        }

        using IProgressStep step = view.Begin("Archiving the list of what stands where", ProgressUnit.Count, null);
        try
        {
            Uplink uplink = new(environment.Clock, Uplink.Parse(session.State.Get("uplink")));
            return outcome with { Snapshot = await new SnapshotRun(session, uplink).TakeAsync(cancellationToken) };
        }
        catch (Exception error) when (FailedPack.IsOfOnePack(error, cancellationToken))
        {
            return outcome with { SnapshotFailed = Failures.Describe(error).Message };
        }
    }

    /// <summary>Whether nothing of a folder is left behind that could be archived, and nobody has to look at it.</summary>
    private static bool IsComplete(FolderRecord folder, FileCounts count) => count.LeftBehind == 0 && folder is { HeldSince: null, IsEmptied: false, IsMoved: false };

    private void Note(UploadedPack done)
    {
        lock (_gate)
        {
            _packs.Add(done.Receipt.Pack);
            _uploaded += done.Files;
            _uploadedBytes += done.Bytes;
        }
    }

    private void Note(FailedPack pack)
    {
        lock (_gate)
        {
            _failed.Add(pack);
        }
    }

    private void Note(PlannedPack pack)
    {
        lock (_gate)
        {
            // The plan is told to people and scripts; who has ten thousand packs to go needs no list of them.
            _planned++;
            if (_plan.Count < MostPlanLines)
            {
                _plan.Add(new PlanLine(
                    pack.Study.Study, pack.Files.Count, pack.Files.Sum(f => f.Copies), pack.Files.Count(f => f.Reason == UploadReason.NewVersion), pack.Bytes, pack.Reason));
            }
        }
    }
}
