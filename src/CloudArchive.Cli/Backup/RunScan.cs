using CloudArchive.Cli.Agent;
using CloudArchive.Cli.State;
using CloudArchive.Cli.Terminal;

namespace CloudArchive.Cli.Backup;

/// <summary>What a run looks at.</summary>
/// <param name="Folders">The backed-up folders.</param>
/// <param name="Directories">Only these directories in them; null: not only.</param>
/// <param name="Files">Only these files in them; null: not only.</param>
public sealed record BackupScope(IReadOnlyList<string> Folders, IReadOnlyList<string>? Directories = null, IReadOnlyList<FoundFile>? Files = null)
{
    /// <summary>Whether it is all of the folders.</summary>
    public bool IsWhole => Directories is null && Files is null;
}

/// <summary>The first part of a run: looks through the folders and writes down what differs from what is known.</summary>
public sealed class RunScan(AgentSession session, CliEnvironment environment, IProgressView view, BackupOptions options)
{
    private readonly List<UnreadableFolder> _unreadable = [];
    private readonly List<FoundFile> _unsettled = [];

    /// <summary>Folders that could not be listed.</summary>
    public IReadOnlyList<UnreadableFolder> Unreadable => _unreadable;

    /// <summary>Files that were written a moment ago.</summary>
    public IReadOnlyList<FoundFile> Unsettled => _unsettled;

    /// <summary>Files that are as they were.</summary>
    public long Unchanged { get; private set; }

    /// <summary>Files whose time is none that can be written down; they are archived with the last day of the year 9999.</summary>
    public long ImpossibleTimes { get; private set; }

    /// <summary>How a folder is to be walked: the same for backup, watch and status.</summary>
    public static ScanScope ScopeOf(AgentState state, AgentHome home, FolderRecord folder)
    {
        IReadOnlyList<string> folders = state.Folders();
        return new ScanScope
        {
            Avoid = [home.Path],
            Exclusions = Exclusions.Of(folder.Exclusions),
            IsCovered = path => folders.Any(other => path == other || FolderScan.IsBelow(path, other)),
        };
    }

    /// <summary>Looks through whole folders.</summary>
    public void Whole(IReadOnlyList<FolderRecord> folders, CancellationToken cancellationToken)
    {
        using IProgressStep step = view.Begin("Scanning", ProgressUnit.Count, null);
        foreach (FolderRecord folder in folders)
        {
            bool isThere = Directory.Exists(folder.Path);
            string? volume = isThere ? environment.VolumeOf(folder.Path) : null;
            bool isMoved = isThere ? folder.Volume is not null && volume is not null && folder.Volume != volume : folder.IsMoved;
            FolderDifference difference = Compare(folder, null, isMoved, step, cancellationToken);

            // Of a folder that cannot be reached nothing new is known.
            bool isEmptied = isThere ? difference.IsEmptied : folder.IsEmptied;
            session.State.NoteScanned(
                folder.Id,
                new ScannedFolder(volume, isMoved, isEmptied, difference.Unreadable.Count, isThere ? [.. difference.LeftOut.Select(l => new LeftOut(l.Key, l.Value))] : null),
                environment.Clock.GetUtcNow());
        }
    }

    /// <summary>Looks through some directories of a folder, which the watch noticed.</summary>
    public void Part(FolderRecord folder, IEnumerable<string> directories, CancellationToken cancellationToken)
    {
        using IProgressStep step = view.Begin("Scanning", ProgressUnit.Count, null);
        foreach (string directory in FolderScan.WithoutNested(directories))
        {
            if (Directory.Exists(directory)) // what is gone is for a whole scan to say
            {
                Compare(folder, directory, folder.IsMoved || IsElsewhere(folder), step, cancellationToken);
            }
        }
    }

    /// <summary>Writes down some files, which the watch noticed.</summary>
    /// <returns>The rows of those that are to be read.</returns>
    public IReadOnlyList<long> Some(FolderRecord folder, IEnumerable<FoundFile> files)
    {
        List<long> toRead = [];
        DateTimeOffset now = environment.Clock.GetUtcNow();
        foreach (IGrouping<string, FoundFile> directory in files.GroupBy(file => AgentState.Below(folder.Path, Path.GetDirectoryName(file.Path)!), StringComparer.Ordinal))
        {
            FoundFile[] found = [.. directory];
            FileNote[] notes = [.. found.Select(file => (file, known: session.State.FindFile(folder, file.Path)))
                .Select(f => new FileNote(f.file, f.known, KnownFile.Compare(f.known, f.file, options.Rehash)))];
            Unchanged += notes.Count(note => note.Change == FileChange.Unchanged);
            session.State.NoteFound(folder.Id, directory.Key, [.. notes.Where(note => note.Change is not (FileChange.Unchanged or FileChange.Waiting))], now);
            toRead.AddRange(notes.Where(note => note.Change != FileChange.Unchanged && note.Found.Skip is null)
                .Select(note => session.State.FindFile(folder, note.Found.Path)).OfType<KnownFile>().Select(known => known.Id));
        }

        return toRead;
    }

    /// <summary>Whether another drive or share stands under the folder's path since the last scan of all of it: of what is not on it, nothing is gone.</summary>
    private bool IsElsewhere(FolderRecord folder) => folder.Volume is { } known && environment.VolumeOf(folder.Path) is { } now && now != known;

    private FolderDifference Compare(FolderRecord folder, string? start, bool isMoved, IProgressStep step, CancellationToken cancellationToken)
    {
        FolderDiff diff = new(session.State, folder)
        {
            Rehash = options.Rehash,
            Forget = !isMoved,
            AcceptEmpty = options.AcceptChanges,
            IsSettled = IsSettled,
            Progress = step.Add,
        };
        ScanScope scope = ScopeOf(session.State, session.Home, folder) with { Start = start };
        FolderDifference difference = diff.Run(FolderScan.Walk(folder.Path, scope, cancellationToken), start, environment.Clock.GetUtcNow());
        _unreadable.AddRange(difference.Unreadable);
        _unsettled.AddRange(difference.Unsettled);
        Unchanged += difference.Unchanged;
        ImpossibleTimes += difference.ImpossibleTimes;
        return difference;
    }

    /// <summary>Whether the watch may take the file: it was not written a moment ago (nor in the future, where clocks differ).</summary>
    private bool IsSettled(FoundFile file, KnownFile? known)
    {
        if (options.Settle is not { } settle || file.Skip is not null)
        {
            return true;
        }

        TimeSpan age = environment.Clock.GetUtcNow() - new DateTimeOffset(file.ModifiedTicks, TimeSpan.Zero);
        return age >= settle || age < -MostSkew || KnownFile.Compare(known, file, rehash: false) is FileChange.Unchanged or FileChange.ToCheck;
    }

    /// <summary>A time so far ahead was set by somebody; waiting for it would take for ever.</summary>
    private static readonly TimeSpan MostSkew = TimeSpan.FromDays(1);
}
