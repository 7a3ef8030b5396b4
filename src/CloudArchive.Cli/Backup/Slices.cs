using System.Collections.Concurrent;
using CloudArchive.Cli.Agent;
using CloudArchive.Cli.Find;
using CloudArchive.Cli.State;
using CloudArchive.Cli.Terminal;

namespace CloudArchive.Cli.Backup;

/// <summary>
/// The middle of a run: takes up what is to be done a slice at a time, reads it and plans its packs, while others are uploaded. What has just come
/// goes before the backlog. Where so many files of a folder changed that it may be an attack, they are read first, and archived only if it is none.
/// </summary>
public sealed class Slices(AgentSession session, CliEnvironment environment, IProgressView view, BackupOptions options, IReadOnlyList<FolderRecord> folders)
{
    private const int SliceFiles = 2_000;
    private const long SliceBytes = 128L << 20;
    private const int CheckOneIn = 90;
    private static readonly TimeSpan Look = TimeSpan.FromSeconds(1);
    private readonly long[] _folders = [.. folders.Select(folder => folder.Id)];
    private readonly HashSet<long> _aside = [];
    private readonly HashSet<long> _held = [.. folders.Where(folder => folder.HeldSince is not null).Select(folder => folder.Id)];
    private readonly ConcurrentDictionary<long, bool> _away = new();
    private readonly Lock _gate = new();
    private HashSet<long>? _only;
    private long _read;
    private long _checked;
    private long _alreadyArchived;

    /// <summary>What lies ahead.</summary>
    public WorkAhead Ahead { get; private set; } = new(0, 0, 0);

    /// <summary>Instances that were read because they are new or changed.</summary>
    public long Read => Interlocked.Read(ref _read);

    /// <summary>Instances that were read again to make sure.</summary>
    public long Checked => Interlocked.Read(ref _checked);

    /// <summary>Of them, those whose bytes the archive held already.</summary>
    public long AlreadyArchived => Interlocked.Read(ref _alreadyArchived);

    private AgentState State => session.State;

    /// <summary>Lines up what the scan found.</summary>
    /// <param name="files">Single files that come first.</param>
    /// <param name="scope">Where the scan looked: after single files alone, nothing else is taken up; after all of the folders, some files are read again to make sure.</param>
    public void LineUp(IReadOnlyList<long> files, BackupScope scope)
    {
        if (scope.IsWhole && !options.DryRun)
        {
            State.MarkForCheck(_folders, CheckOneIn, environment.Clock.GetUtcNow());
        }

        SetAside();
        _only = scope.IsWhole || scope.Directories is { Count: > 0 } ? null : [.. files];
        State.BeginPlan();
        Ahead = State.LineUp(_only is null ? _folders : [], _aside);
        State.PutFirst(files);
    }

    /// <summary>Reads everything that is lined up, and plans nothing.</summary>
    public async Task ReadAllAsync(CancellationToken cancellationToken)
    {
        using IProgressStep? step = BeginReading();
        while (State.Take(WorkQueue.Open, SliceFiles, SliceBytes) is { } slice)
        {
            await ReadAsync(slice, step, cancellationToken);
        }

        while (State.Take(WorkQueue.Aside, SliceFiles, SliceBytes) is { } slice)
        {
            await ReadAsync(slice, step, cancellationToken);
        }
    }

    /// <summary>Reads slice by slice and puts the packs into the queue; ends when all is in it and, where more may come, when all is done.</summary>
    public async Task RunAsync(PackQueue queue, CancellationToken cancellationToken)
    {
        Task arriving = options.Arrivals is null ? Task.CompletedTask : TakeArrivalsAsync(queue, cancellationToken);
        try
        {
            await RunBacklogAsync(queue, cancellationToken);
        }
        finally
        {
            queue.Complete();
        }

        await arriving;
    }

    /// <summary>Lines up what changed while it was read or sent, for one more try. False: there is nothing.</summary>
    public bool LineUpAgain()
    {
        long[] again = StillToRead();
        Ahead = State.LineUp(_only is null ? _folders : [], []);
        State.PutFirst(_only is null ? again : _only);
        return again.Length > 0 || Ahead.AllBytes > 0 || (_only is not null && State.Pending(_only).Count > 0);
    }

    /// <summary>Whether a pack that was begun has to wait: of a folder that is set aside, until all of it is read.</summary>
    public bool IsAside(IEnumerable<PendingFile> files)
    {
        HashSet<string> of = [.. files.Select(file => file.Folder)];
        return folders.Any(folder => of.Contains(folder.Path) && IsAside(folder));
    }

    /// <summary>What is to be read still kept changing.</summary>
    public void GiveUpChanging()
    {
        foreach (long file in StillToRead().Where(file => !_away.ContainsKey(file)))
        {
            State.NoteSkipped(file, SkipReason.Changing, null, environment.Clock.GetUtcNow());
        }
    }

    private long[] StillToRead() => [.. State.StillToRead(_folders).Where(file => _only is null || _only.Contains(file))];

    private async Task RunBacklogAsync(PackQueue queue, CancellationToken cancellationToken)
    {
        using IProgressStep? step = BeginReading();
        bool goesOn = true;
        while (goesOn)
        {
            WorkSlice? open = State.Take(WorkQueue.Open, SliceFiles, SliceBytes);
            if (open is not null)
            {
                await ReadAsync(open, step, cancellationToken);
            }

            WorkSlice? aside = State.Take(WorkQueue.Aside, SliceFiles, SliceBytes);
            if (aside is not null)
            {
                await ReadAsync(aside, step, cancellationToken);
            }

            await HoldAsync(cancellationToken);
            goesOn = open is not null || aside is not null;
            foreach (PlannedPack pack in open is null ? [] : BackupPlan.NewestFirst(State.Pending(open.All)))
            {
                State.NoteTaken(pack);
                if (!await queue.AddAsync(pack, cancellationToken))
                {
                    return;
                }
            }
        }

        // Read to the last, and it was no attack.
        long[] released;
        lock (_gate)
        {
            released = [.. _aside.Except(_held)];
        }

        foreach (PlannedPack pack in released.Length == 0 ? [] : BackupPlan.For(State.AllPending(released)))
        {
            State.NoteTaken(pack);
            if (!await queue.AddAsync(pack, cancellationToken))
            {
                return;
            }
        }
    }

    /// <summary>What comes while the run is at work: a new image does not wait for the backlog.</summary>
    private async Task TakeArrivalsAsync(PackQueue queue, CancellationToken cancellationToken)
    {
        RunScan scan = new(session, environment, view, options);
        while (!queue.IsOver)
        {
            IReadOnlyList<FoundFile> arrived = options.Arrivals!();
            foreach (FolderRecord folder in arrived.Count == 0 ? [] : folders)
            {
                IReadOnlyList<long> files = scan.Some(folder, arrived.Where(file => FolderScan.IsBelow(file.Path, folder.Path)));
                SetAside();
                await ReadAsync(State.SliceOf(files), null, cancellationToken);
                await HoldAsync(cancellationToken);

                // Where it may be an attack, the next scan of the whole folder decides.
                foreach (PlannedPack pack in IsAside(folder) ? [] : BackupPlan.NewestFirst(State.Pending(files)))
                {
                    State.NoteTaken(pack);
                    if (!queue.AddUrgent(pack))
                    {
                        return; // pending, for the next run
                    }
                }
            }

            await Task.Delay(Look, environment.Clock, cancellationToken);
        }
    }

    private bool IsAside(FolderRecord folder)
    {
        lock (_gate)
        {
            return _aside.Contains(folder.Id);
        }
    }

    /// <summary>Which folders' changed files must be read before any of them is archived.</summary>
    private void SetAside()
    {
        lock (_gate)
        {
            foreach (FolderRecord folder in folders.Where(folder => !_held.Contains(folder.Id) && !options.AcceptChanges))
            {
                (long changed, long mayHave, long all) = State.CountChanges(folder.Id, environment.Clock.GetUtcNow() - MassChange.Window);
                if (MassChange.Is(changed + mayHave, all))
                {
                    _aside.Add(folder.Id);
                }
            }
        }
    }

    /// <summary>Holds back the changes of folders of which too much has changed.</summary>
    private async Task HoldAsync(CancellationToken cancellationToken)
    {
        foreach (FolderRecord folder in folders)
        {
            lock (_gate)
            {
                if (!_aside.Contains(folder.Id) || _held.Contains(folder.Id))
                {
                    continue;
                }

                (long changed, _, long all) = State.CountChanges(folder.Id, environment.Clock.GetUtcNow() - MassChange.Window);
                if (!MassChange.Is(changed, all))
                {
                    continue;
                }

                State.Hold(folder.Id, environment.Clock.GetUtcNow());
                _held.Add(folder.Id);
            }

            if (options.Held is not null)
            {
                await options.Held(folder, cancellationToken);
            }
        }
    }

    private IProgressStep? BeginReading() =>
        Ahead.Files == 0 ? null : view.Begin($"Reading {Texts.Count(Ahead.Files, "new or changed file")}", ProgressUnit.Bytes, Ahead.Bytes);

    /// <summary>Reads a slice, and writes down what was in it all at once: a crash costs reading it again.</summary>
    private async Task ReadAsync(WorkSlice slice, IProgressStep? step, CancellationToken cancellationToken)
    {
        ParallelOptions parallel = new() { MaxDegreeOfParallelism = Math.Clamp(Environment.ProcessorCount, 2, 4), CancellationToken = cancellationToken };
        ConcurrentQueue<ReadFile> read = new();
        List<IndexedFile> toIndex = [];
        try
        {
            await Parallel.ForEachAsync(slice.ToRead, parallel, async (file, cancellation) =>
            {
                long told = 0;
                DateTimeOffset began = environment.Clock.GetUtcNow();
                Inspection inspection = await FileInspection.ReadAsync(
                    file,
                    session.Secret,
                    session.Identity.Computer,
                    count =>
                    {
                        told += count;
                        step?.Add(count);
                    },
                    cancellation);
                step?.Add(Math.Max(0, file.Length - told)); // what need not be read is done as well
                read.Enqueue(new ReadFile(file, inspection, began));
            });
        }
        finally
        {
            State.Together(() => read.Where(one => one.Inspection is not Inspection.Gone).ToList().ForEach(one => Note(one, toIndex)));
            if (!options.DryRun)
            {
                session.Index.Add(toIndex);
            }
        }

        read.Where(one => one.Inspection is Inspection.Gone).ToList().ForEach(one => Note(one, toIndex)); // looked for on the disk, which may take its time
    }

    private void Note(ReadFile read, List<IndexedFile> toIndex)
    {
        (FileToRead file, Inspection inspection, DateTimeOffset began) = read;
        switch (inspection)
        {
            case Inspection.Known known:
                ReadResult result = State.NoteContent(file.Id, known.Length, known.ModifiedTicks, known.Content, began);
                Interlocked.Increment(ref file.IsCheck ? ref _checked : ref _read);
                if (result == ReadResult.Known && !file.IsCheck)
                {
                    Interlocked.Increment(ref _alreadyArchived);
                }

                if (result != ReadResult.ChangedWithoutNewTime)
                {
                    // A copy of a plain file that lies elsewhere is in that folder's set.
                    toIndex.Add(new IndexedFile(State.SetOf(known.Content.Instance.Sha256) ?? known.Content.Study.Study, known.Content.Study.Set, file.Path, known.Header));
                }

                break;
            case Inspection.Skip skip:
                State.NoteSkipped(file.Id, skip.Reason, skip.Detail, began);
                break;
            case Inspection.Changed changed:
                State.NoteChanged(file.Id, changed.Length, changed.ModifiedTicks);
                break;
            default:
                if (IsAway(file.Path))
                {
                    _away[file.Id] = true; // its row stays as it is, and is read when the drive is back
                }
                else
                {
                    State.NoteGone(file.Id);
                }

                break;
        }
    }

    /// <summary>Whether it is not a file that is gone but the drive or share that it lies on: then nothing of the folder is known, and nothing is forgotten.</summary>
    private bool IsAway(string path)
    {
        if (folders.Where(folder => FolderScan.IsBelow(path, folder.Path)).MaxBy(folder => folder.Path.Length) is not { } of)
        {
            return false;
        }

        string? volume = State.FindFolder(of.Path)?.Volume;
        return !State.IsThere(of.Path)
            || (volume is not null && environment.VolumeOf(of.Path) is { } now && now != volume)
            || IsEmpty(of.Path);
    }

    private static bool IsEmpty(string folder)
    {
        try
        {
            return !Directory.EnumerateFileSystemEntries(folder).Any();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return true;
        }
    }

    private sealed record ReadFile(FileToRead File, Inspection Inspection, DateTimeOffset BeganAt);
}
