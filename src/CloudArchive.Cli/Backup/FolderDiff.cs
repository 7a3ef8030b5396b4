using CloudArchive.Cli.State;
using CloudArchive.Format.Verdicts;

namespace CloudArchive.Cli.Backup;

/// <summary>How a folder differs from what is known of it.</summary>
public sealed class FolderDifference
{
    /// <summary>Files found, without those that are left out.</summary>
    public long Found { get; internal set; }

    /// <summary>Of them, those that are as they were.</summary>
    public long Unchanged { get; internal set; }

    /// <summary>New and changed files: a backup would read them.</summary>
    public FileTally News { get; internal set; }

    /// <summary>Files that were known and are gone.</summary>
    public long Vanished { get; internal set; }

    /// <summary>Whether there is nothing where there had been files.</summary>
    public bool IsEmptied { get; internal set; }

    /// <summary>Files whose time is none that can be written down.</summary>
    public long ImpossibleTimes { get; internal set; }

    /// <summary>What each rule leaves out.</summary>
    public Dictionary<string, FileTally> LeftOut { get; } = new(StringComparer.Ordinal);

    /// <summary>Folders that cannot be listed.</summary>
    public List<UnreadableFolder> Unreadable { get; } = [];

    /// <summary>Files that were written a moment ago: they are left for later.</summary>
    public List<FoundFile> Unsettled { get; } = [];
}

/// <summary>
/// Compares a folder with what is known of it, directory by directory, and writes down only what differs: a scan that finds everything as it was
/// writes nothing. Memory: what is known of one directory.
/// </summary>
public sealed class FolderDiff(AgentState state, FolderRecord folder)
{
    private const int Batch = 500;
    private readonly List<(string Directory, FileNote[] Notes)> _toWrite = [];
    private int _notesToWrite;

    /// <summary>Read every file, changed or not.</summary>
    public bool Rehash { get; init; }

    /// <summary>Whether to write down what differs; else only to count.</summary>
    public bool Write { get; init; } = true;

    /// <summary>Whether what is gone may be forgotten: not where another volume stands in the folder's place.</summary>
    public bool Forget { get; init; } = true;

    /// <summary>Whether a person accepts that the folder is empty.</summary>
    public bool AcceptEmpty { get; init; }

    /// <summary>Whether a file may be taken now.</summary>
    public Func<FoundFile, KnownFile?, bool> IsSettled { get; init; } = static (_, _) => true;

    /// <summary>Told of each directory's files, for progress.</summary>
    public Action<long> Progress { get; init; } = static _ => { };

    /// <summary>Compares.</summary>
    /// <param name="walk">From <see cref="FolderScan.Walk"/>.</param>
    /// <param name="start">Where the walk began; null: at the folder.</param>
    /// <param name="now">The time.</param>
    public FolderDifference Run(IEnumerable<Found> walk, string? start, DateTimeOffset now)
    {
        FolderDifference difference = new();
        Dictionary<string, long> directories = state.Directories(folder.Id);
        List<long> gone = [];
        Directory? at = null;
        foreach (Found found in walk)
        {
            switch (found)
            {
                case DirectoryBegins begins:
                    string relative = AgentState.Below(folder.Path, begins.Path);
                    at = new Directory(relative, directories.Remove(relative, out long id) ? state.FilesIn(id) : []);
                    break;
                case ExcludedFile excluded:
                    difference.LeftOut[excluded.Rule] = difference.LeftOut.GetValueOrDefault(excluded.Rule) + new FileTally(1, excluded.Length);
                    if (at is null)
                    {
                        ForgetExcluded(excluded, directories);
                    }
                    else if (at.Known.Remove(Path.GetFileName(excluded.Path), out KnownFile left))
                    {
                        at.Excluded.Add(left.Id);
                    }

                    break;
                case FoundFile file:
                    Compare(file, at!, difference, now);
                    break;
                case DirectoryEnds ends:
                    End(at!, ends, difference, gone, now);
                    at = null;
                    break;
            }
        }

        WriteDown(now);
        long[] vanished = [.. directories.Where(d => IsWithin(d.Key, start) && !IsBelowUnreadable(d.Key, difference)).Select(d => d.Value)];
        foreach (long directory in vanished)
        {
            difference.Vanished += state.FilesIn(directory).Count;
        }

        // Nothing where there was something is more likely a drive that is not there than a wish.
        difference.IsEmptied = start is null && difference is { Found: 0, Unreadable.Count: 0, Vanished: > 0 } && !AcceptEmpty;
        if (Write && Forget && !difference.IsEmptied)
        {
            state.ForgetFiles(gone);
            foreach (long directory in vanished)
            {
                state.ForgetDirectory(directory);
            }
        }

        return difference;
    }

    private void Compare(FoundFile file, Directory at, FolderDifference difference, DateTimeOffset now)
    {
        string name = Path.GetFileName(file.Path);
        if (name.Contains('\uFFFD', StringComparison.Ordinal) && !at.NoText.Add(name))
        {
            return; // Linux: two names that are no text come out as the same one
        }

        KnownFile? known = at.Known.Remove(name, out KnownFile one) ? one : null;
        difference.Found++;
        at.Files++;
        difference.ImpossibleTimes += file.ModifiedTicks == FileTimes.Impossible ? 1 : 0;
        if (!IsSettled(file, known))
        {
            difference.Unsettled.Add(file);
            return;
        }

        FileChange change = KnownFile.Compare(known, file, Rehash);
        if (change == FileChange.Unchanged)
        {
            difference.Unchanged++;
        }
        else if (change != FileChange.Waiting)
        {
            bool isDoubtful = change == FileChange.ToCheck && !Rehash;
            difference.News += file.Skip is null && !isDoubtful ? new FileTally(1, file.Length) : default;
            at.Notes.Add(new FileNote(file, known, change));

            // Without known files nothing can have been renamed: the notes of a first scan need not wait for the directory's end.
            if (at.Notes.Count >= Batch && at.HadNone)
            {
                Flush(at, now);
            }
        }
    }

    private void End(Directory at, DirectoryEnds ends, FolderDifference difference, List<long> gone, DateTimeOffset now)
    {
        Progress(at.Files);
        if (ends.Why is { } why)
        {
            difference.Unreadable.Add(new UnreadableFolder(ends.Path, why)); // what is known of it stays
        }
        else
        {
            MarkRenamed(at);
            difference.Vanished += at.Known.Count;
            gone.AddRange(at.Known.Values.Select(file => file.Id));
        }

        gone.AddRange(at.Excluded);
        Flush(at, now);
    }

    /// <summary>
    /// Where files are gone and others are new: those that are called like one that is gone, but for what follows its name or its extension, are
    /// renamed; as many of the others as are gone may be they.
    /// </summary>
    private static void MarkRenamed(Directory at)
    {
        if (at.Known.Count == 0 || !at.Notes.Any(note => note.Known is null))
        {
            return;
        }

        HashSet<string> goneNames = [.. at.Known.Where(file => file.Value.WasRead).Select(file => file.Key)];
        ILookup<string, string> byStem = goneNames.ToLookup(name => Path.GetFileNameWithoutExtension(name), StringComparer.OrdinalIgnoreCase);
        int left = goneNames.Count;
        List<int> others = [];
        for (int i = 0; i < at.Notes.Count && left > 0; i++)
        {
            string name = Path.GetFileName(at.Notes[i].Found.Path);
            if (at.Notes[i].Known is not null)
            {
                continue;
            }

            if (byStem.Contains(Path.GetFileNameWithoutExtension(name)) || BeginsWithOneOf(goneNames, name))
            {
                at.Notes[i] = at.Notes[i] with { IsRenamed = true };
                left--;
            }
            else
            {
                others.Add(i);
            }
        }

        foreach (int i in others.Take(left))
        {
            at.Notes[i] = at.Notes[i] with { IsSuspect = true };
        }
    }

    private static bool BeginsWithOneOf(HashSet<string> names, string name)
    {
        for (int dot = name.IndexOf('.', StringComparison.Ordinal); dot > 0; dot = name.IndexOf('.', dot + 1))
        {
            if (names.Contains(name[..dot]))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>A directory that a rule leaves out now is not one that vanished.</summary>
    private void ForgetExcluded(ExcludedFile excluded, Dictionary<string, long> directories)
    {
        if (directories.Remove(AgentState.Below(folder.Path, Path.GetDirectoryName(excluded.Path)!), out long id) && Write)
        {
            state.ForgetDirectory(id);
        }
    }

    private void Flush(Directory at, DateTimeOffset now)
    {
        if (Write)
        {
            foreach (FileNote[] notes in at.Notes.Chunk(Batch))
            {
                _toWrite.Add((at.Relative, notes));
                _notesToWrite += notes.Length;
                if (_notesToWrite >= Batch)
                {
                    WriteDown(now);
                }
            }
        }

        at.Notes.Clear();
    }

    /// <summary>Writes the notes of several directories together: most are small.</summary>
    private void WriteDown(DateTimeOffset now)
    {
        if (_toWrite.Count > 0)
        {
            state.Together(() => _toWrite.ForEach(directory => state.NoteFound(folder.Id, directory.Directory, directory.Notes, now)));
        }

        _toWrite.Clear();
        _notesToWrite = 0;
    }

    private bool IsWithin(string relative, string? start)
    {
        string below = start is null ? "" : AgentState.Below(folder.Path, start);
        return below.Length == 0 || relative == below || FolderScan.IsBelow(relative, below);
    }

    private bool IsBelowUnreadable(string relative, FolderDifference difference) => difference.Unreadable.Any(unreadable =>
        AgentState.Below(folder.Path, unreadable.Path) is var closed && (closed.Length == 0 || relative == closed || FolderScan.IsBelow(relative, closed)));

    private sealed record Directory(string Relative, Dictionary<string, KnownFile> Known)
    {
        public bool HadNone { get; } = Known.Count == 0;

        public long Files { get; set; }

        public HashSet<string> NoText { get; } = new(StringComparer.Ordinal);

        public List<FileNote> Notes { get; } = [];

        public List<long> Excluded { get; } = [];
    }
}
