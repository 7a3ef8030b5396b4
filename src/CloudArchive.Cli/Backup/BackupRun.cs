using CloudArchive.Cli.Agent;
using CloudArchive.Cli.State;
using CloudArchive.Cli.Terminal;
using CloudArchive.Format;
using CloudArchive.Format.Packs;

namespace CloudArchive.Cli.Backup;

/// <summary>How to back up.</summary>
/// <param name="DryRun">Plan, and upload nothing.</param>
/// <param name="Rehash">Read every file, changed or not.</param>
/// <param name="Packs">How many packs at once.</param>
/// <param name="Settle">Leave alone what was written so recently; null: take everything.</param>
public sealed record BackupOptions(bool DryRun = false, bool Rehash = false, int Packs = 2, TimeSpan? Settle = null);

/// <summary>A planned pack, in numbers.</summary>
public sealed record PlanLine(Uid Study, int Files, int Copies, int NewVersions, long Bytes, PackReason Reason);

/// <summary>What a run did.</summary>
public sealed record BackupOutcome(
    long Run,
    IReadOnlyList<string> Folders,
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
    /// <summary>How the command ends on this account.</summary>
    public ExitCode Code(bool dryRun) => UnreadableFolders.Count > 0 || (dryRun ? Counts.NotBackedUp - Counts.Pending : Counts.NotBackedUp) > 0 ? ExitCode.Incomplete : ExitCode.Ok;
}

/// <summary>
/// One backup: finish what an interrupted run left, scan, read what changed, plan, upload. Memory does not depend on how many files there
/// are: everything that grows with them lies in the state.
/// </summary>
public sealed class BackupRun(AgentSession session, CliEnvironment environment, IProgressView view, BackupOptions options)
{
    private const int ScanBatch = 500;
    private const int MostPlanLines = 10_000;
    private static readonly TimeSpan BeforeSecondTry = TimeSpan.FromSeconds(2);
    private readonly List<UnreadableFolder> _unreadable = [];
    private readonly List<FoundFile> _unsettled = [];
    private readonly List<PackId> _packs = [];
    private readonly List<PlanLine> _plan = [];
    private readonly Lock _gate = new();
    private long _unchanged;
    private long _read;
    private long _alreadyArchived;
    private long _uploaded;
    private long _uploadedBytes;

    /// <summary>Backs up everything in the folders.</summary>
    public Task<BackupOutcome> RunAsync(IReadOnlyList<string> folders, CancellationToken cancellationToken) =>
        RunAsync(folders, run => ScanFolders(run, folders, cancellationToken), cancellationToken);

    /// <summary>Backs up some files of the folders, which the watch noticed.</summary>
    public Task<BackupOutcome> RunAsync(IReadOnlyList<string> folders, IReadOnlyList<FoundFile> files, CancellationToken cancellationToken) =>
        RunAsync(folders, run => NoteFiles(run, folders, files), cancellationToken);

    private async Task<BackupOutcome> RunAsync(IReadOnlyList<string> folders, Action<long> scan, CancellationToken cancellationToken)
    {
        long run = session.State.BeginRun(environment.Clock.GetUtcNow());
        ExitCode ended = ExitCode.Unexpected;
        long notBackedUp = 0;
        try
        {
            SyncResult sync = await StateSync.EnsureAsync(session, view, cancellationToken);
            if (!options.DryRun) await FinishUploadsAsync(cancellationToken);
            scan(run);
            await ReadAsync(run, cancellationToken);
            if (options.DryRun) Plan(run);
            else await UploadAsync(run, cancellationToken);

            FileCounts counts = session.State.Count(run);
            BackupOutcome outcome = new(run, folders, counts, _unchanged, _read, _alreadyArchived, _uploaded, _uploadedBytes, _packs, _plan, _unreadable, _unsettled, sync);
            ended = outcome.Code(options.DryRun);
            notBackedUp = counts.NotBackedUp;
            return outcome;
        }
        catch (Exception error)
        {
            ended = Failures.Describe(error).Code;
            notBackedUp = session.State.Count(run).NotBackedUp;
            throw;
        }
        finally
        {
            if (options.DryRun) session.State.DropRun(run);
            else session.State.EndRun(run, environment.Clock.GetUtcNow(), ended, notBackedUp);
        }
    }

    /// <summary>Repeats the commits whose receipts are outstanding.</summary>
    private async Task FinishUploadsAsync(CancellationToken cancellationToken)
    {
        foreach (Sidecar sidecar in session.State.Uploads())
        {
            if (await PackUpload.CommitAsync(session, sidecar, environment.Clock, cancellationToken) is not { } receipt) continue; // its files are pending, and planned anew
            _packs.Add(receipt.Pack);
            _uploaded += sidecar.Instances.Count;
            _uploadedBytes += sidecar.Length;
        }
    }

    private void ScanFolders(long run, IReadOnlyList<string> folders, CancellationToken cancellationToken)
    {
        using IProgressStep step = view.Begin("Scanning", ProgressUnit.Count, null);
        foreach (string folder in folders)
        {
            long id = session.State.Folder(folder);
            List<UnreadableFolder> unreadable = [];
            foreach (FoundFile[] batch in FolderScan.Walk(folder, [session.Home.Path], unreadable.Add, cancellationToken).Where(IsSettled).Chunk(ScanBatch))
            {
                Note(run, id, batch);
                step.Add(batch.Length);
            }

            session.State.EndScan(run, id, [.. unreadable.Select(u => u.Path)], [.. _unsettled.Select(f => f.Path)], environment.Clock.GetUtcNow());
            _unreadable.AddRange(unreadable);
        }
    }

    private void NoteFiles(long run, IReadOnlyList<string> folders, IReadOnlyList<FoundFile> files)
    {
        foreach (string folder in folders)
        {
            FoundFile[] below = [.. files.Where(file => FolderScan.IsBelow(file.Path, folder))];
            if (below.Length > 0) Note(run, session.State.Folder(folder), below);
        }
    }

    private void Note(long run, long folder, FoundFile[] files) =>
        session.State.NoteFound(run, folder, files, options.Rehash, (_, change) =>
        {
            if (change == FileChange.Unchanged) _unchanged++;
        });

    /// <summary>Whether the watch may take the file: it was not written a moment ago (nor in the future, where clocks differ).</summary>
    private bool IsSettled(FoundFile file)
    {
        if (options.Settle is not { } settle || file.Skip is not null) return true;
        TimeSpan age = environment.Clock.GetUtcNow() - new DateTimeOffset(file.ModifiedTicks, TimeSpan.Zero);
        if (age >= settle || session.State.Compare(file) == FileChange.Unchanged) return true;
        _unsettled.Add(file);
        return false;
    }

    private async Task ReadAsync(long run, CancellationToken cancellationToken)
    {
        (long files, long bytes) = session.State.CountToRead(run);
        if (files == 0) return;
        using IProgressStep step = view.Begin($"Reading {Texts.Count(files, "new or changed file")}", ProgressUnit.Bytes, bytes);
        ParallelOptions parallel = new() { MaxDegreeOfParallelism = Math.Clamp(Environment.ProcessorCount, 2, 4), CancellationToken = cancellationToken };
        await Parallel.ForEachAsync(session.State.FilesToRead(run), parallel, async (file, cancellation) =>
        {
            long told = 0;
            Inspection inspection = await FileInspection.ReadAsync(
                file,
                session.Secret,
                count =>
                {
                    told += count;
                    step.Add(count);
                },
                cancellation);
            step.Add(Math.Max(0, file.Length - told)); // what need not be read is done as well
            Note(file, inspection);
        });
    }

    private void Note(FileToRead file, Inspection inspection)
    {
        switch (inspection)
        {
            case Inspection.Dicom dicom:
                bool pending = session.State.NoteContent(file.Id, dicom.Length, dicom.ModifiedTicks, dicom.Content);
                Interlocked.Increment(ref _read);
                if (!pending) Interlocked.Increment(ref _alreadyArchived);
                break;
            case Inspection.Skip skip:
                session.State.NoteSkipped(file.Id, skip.Reason, skip.Detail);
                break;
            case Inspection.Changed changed:
                session.State.NoteChanged(file.Id, changed.Length, changed.ModifiedTicks);
                break;
            default:
                session.State.NoteGone(file.Id);
                break;
        }
    }

    private void Plan(long run)
    {
        session.State.PreparePlan(run);
        foreach (PlannedPack pack in BackupPlan.For(session.State.PendingFiles())) Note(pack);
    }

    private void Note(PlannedPack pack)
    {
        lock (_gate)
        {
            // The plan is told to people and scripts; who has ten thousand packs to go needs no list of them.
            if (_plan.Count < MostPlanLines) _plan.Add(new PlanLine(pack.Study.Study, pack.Files.Count, pack.Files.Sum(f => f.Copies), pack.Files.Count(f => f.Reason == UploadReason.NewVersion), pack.Bytes, pack.Reason));
        }
    }

    /// <summary>Uploads what is planned; what changed meanwhile gets one more try.</summary>
    private async Task UploadAsync(long run, CancellationToken cancellationToken)
    {
        Uplink uplink = new(environment.Clock, Uplink.Parse(session.State.Get("uplink")));
        BlockBuffers buffers = new((options.Packs * 3) + 2);
        await UploadPlannedAsync(run, uplink, buffers, cancellationToken);
        if (session.State.CountToRead(run).Files > 0 || session.State.PreparePlan(run).Contents > 0)
        {
            await Task.Delay(BeforeSecondTry, environment.Clock, cancellationToken);
            await ReadAsync(run, cancellationToken);
            await UploadPlannedAsync(run, uplink, buffers, cancellationToken);
            foreach (FileToRead file in session.State.FilesToRead(run)) session.State.NoteSkipped(file.Id, SkipReason.Changing, null);
        }

        if (uplink.BytesPerSecond is { } rate) session.State.Set("uplink", rate.ToString("R"));
    }

    private async Task UploadPlannedAsync(long run, Uplink uplink, BlockBuffers buffers, CancellationToken cancellationToken)
    {
        (long contents, long bytes) = session.State.PreparePlan(run);
        if (contents == 0) return;
        using IProgressStep step = view.Begin($"Uploading {Texts.Count(contents, "instance")}", ProgressUnit.Bytes, bytes);
        PackUpload upload = new(session, new BlobUploadContext(environment), buffers, uplink, step);
        ParallelOptions parallel = new() { MaxDegreeOfParallelism = options.Packs, CancellationToken = cancellationToken };
        await Parallel.ForEachAsync(BackupPlan.For(session.State.PendingFiles()), parallel, async (planned, cancellation) =>
        {
            Note(planned);
            if (await upload.RunAsync(planned, cancellation) is not { } done) return; // what is left is tried once more, and told
            lock (_gate)
            {
                _packs.Add(done.Receipt.Pack);
                _uploaded += done.Files;
                _uploadedBytes += done.Bytes;
            }
        });
    }
}
