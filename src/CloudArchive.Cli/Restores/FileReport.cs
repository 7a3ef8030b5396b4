using CloudArchive.Cli.Terminal;
using CloudArchive.Format;

namespace CloudArchive.Cli.Restores;

/// <summary>What became of a file.</summary>
public enum FileOutcome
{
    /// <summary>Written, byte for byte as it was captured.</summary>
    Restored,

    /// <summary>The target has it already, with these very bytes.</summary>
    AlreadyThere,

    /// <summary>The target has another file of that name, and overwriting was not asked for.</summary>
    Exists,

    /// <summary>It could not be brought back.</summary>
    Failed,
}

/// <summary>One file of a restore.</summary>
/// <param name="Pack">From which pack.</param>
/// <param name="Outcome">What became of it.</param>
/// <param name="Path">Below the target folder; null where the pack could not be opened to learn it.</param>
/// <param name="Instance">Its SOP Instance UID, where it is known.</param>
/// <param name="Bytes">Its length.</param>
/// <param name="Why">Why it is not there.</param>
/// <param name="Integrity">Whether what is wrong is the archive's content rather than the target.</param>
public sealed record FileReport(PackId Pack, FileOutcome Outcome, string? Path, Uid? Instance, long Bytes, string? Why = null, bool Integrity = false);

/// <summary>Adds the files' reports up and tells them. Reports may come from several packs at once; what is added up is read when all are in.</summary>
public sealed class RestoreTally(IProgressView view)
{
    private readonly Lock _gate = new();
    private readonly List<FileReport> _files = [];
    private readonly int[] _counts = new int[Enum.GetValues<FileOutcome>().Length];
    private long _bytes;

    /// <summary>Every file of this run.</summary>
    public IReadOnlyList<FileReport> Files => _files;

    /// <summary>What earlier runs of the same restore did.</summary>
    public EarlierRuns Earlier { get; init; } = EarlierRuns.None;

    /// <summary>Files that were written.</summary>
    public int Restored => Earlier.Restored + Count(FileOutcome.Restored);

    /// <summary>Files that were there already, the same or another.</summary>
    public int Skipped => Earlier.There + Count(FileOutcome.AlreadyThere) + Count(FileOutcome.Exists);

    /// <summary>Files that could not be brought back.</summary>
    public int Failed => Count(FileOutcome.Failed);

    /// <summary>Bytes that were written.</summary>
    public long Bytes => Earlier.Bytes + _bytes;

    /// <summary>How many files of this run ended so.</summary>
    public int Count(FileOutcome outcome) => _counts[(int)outcome];

    /// <summary>How the command ends.</summary>
    public ExitCode Code =>
        _files.Any(f => f.Integrity) ? ExitCode.Integrity
        : _files.Any(f => f.Outcome is FileOutcome.Failed or FileOutcome.Exists) ? ExitCode.Incomplete
        : ExitCode.Ok;

    /// <summary>For <c>--json</c>: what failed first, so that it is among those that are listed.</summary>
    public IEnumerable<FileReport> Listed => _files.OrderByDescending(file => file.Outcome).Take(CommonOptions.MostListed);

    /// <summary>Takes the reports of a pack's files, and tells them one after the other.</summary>
    public void Add(params IEnumerable<FileReport> files)
    {
        lock (_gate)
        {
            foreach (FileReport file in files)
            {
                AddOne(file);
            }
        }
    }

    private void AddOne(FileReport file)
    {
        _files.Add(file);
        _counts[(int)file.Outcome]++;
        _bytes += file.Outcome == FileOutcome.Restored ? file.Bytes : 0;
        string name = file.Path is { } path ? Texts.Printable(path) : file.Instance is { } instance ? $"instance {instance}" : $"pack {file.Pack}";
        view.Note(file.Outcome switch
        {
            FileOutcome.Restored => $"restored       {name}",
            FileOutcome.AlreadyThere => $"already there  {name}",
            FileOutcome.Exists => $"NOT RESTORED   {name}: {file.Why}",
            _ => $"FAILED         {name}: {file.Why}",
        });
    }
}
