using System.Text.Json.Serialization;

namespace CloudArchive.Format.Verdicts;

/// <summary>Why a folder, a computer or a clinic is not safe, or wants attention. The kebab-case name is stable: alerts, JSON and reports carry it.</summary>
public enum VerdictCause
{
    /// <summary>No backup has ended yet.</summary>
    NeverBackedUp,

    /// <summary>A folder in which nothing to back up was ever found.</summary>
    NothingFound,

    /// <summary>A folder that cannot be reached.</summary>
    FolderMissing,

    /// <summary>A folder that held files and is empty now.</summary>
    FolderEmpty,

    /// <summary>A folder that lies on another volume than it did.</summary>
    VolumeChanged,

    /// <summary>A good part of a folder was rewritten, renamed or stopped being DICOM since the last run. Its new versions are held back until a person accepts them.</summary>
    MassChange,

    /// <summary>Folders below that cannot be listed.</summary>
    FoldersUnreadable,

    /// <summary>Links to places that no backed-up folder covers.</summary>
    LinksNotCovered,

    /// <summary>Files that are to be archived and are not yet.</summary>
    FilesPending,

    /// <summary>Files that could not be read, or kept changing.</summary>
    FilesUnreadable,

    /// <summary>Files that this version does not archive, and that nobody excluded on purpose.</summary>
    FilesNotArchived,

    /// <summary>Files whose bytes changed while their time did not: bit rot, or somebody who hides.</summary>
    ChangedWithoutNewTime,

    /// <summary>Files whose pack the archive lost, and that the computer no longer has either.</summary>
    FilesLost,

    /// <summary>Packs that the archive lost and that are uploaded again.</summary>
    PacksLost,

    /// <summary>The last complete backup is too old.</summary>
    NoCompleteBackup,

    /// <summary>The last complete backup is dated in the future: a clock was wrong, and nobody knows how old the backup is.</summary>
    ClockWrong,

    /// <summary>The last backup failed or was cut off.</summary>
    BackupFailed,

    /// <summary>The clinic archived as much today as it may in a day: what is pending goes tomorrow.</summary>
    QuotaUsedUp,

    /// <summary>The archive's audit log does not verify.</summary>
    LogAlarm,

    /// <summary>The archive's audit log was not checked for long.</summary>
    LogUnchecked,

    /// <summary>A computer that has not reported for too long.</summary>
    NoReport,

    /// <summary>A clinic without a computer.</summary>
    NoAgent,

    /// <summary>The last restore test failed.</summary>
    RestoreTestFailed,

    /// <summary>No restore test ended for too long.</summary>
    NoRestoreTest,
}

/// <summary>One reason.</summary>
/// <param name="Cause">Which.</param>
/// <param name="NotSafe">Whether files are at risk over it; else somebody should look.</param>
/// <param name="Count">How many files, folders or packs, where the cause counts any.</param>
/// <param name="Bytes">How many bytes, where they are known.</param>
/// <param name="Since">Since when, where it is about time.</param>
public sealed record VerdictFinding(VerdictCause Cause, bool NotSafe, long Count = 0, long Bytes = 0, DateTimeOffset? Since = null);

/// <summary>What an agent says of one folder. No path and no name: both tell of patients more often than not.</summary>
/// <param name="Folder">A pseudonym: stable for one folder of one computer, and nothing that its path could be guessed from.</param>
/// <param name="Safe">Whether nothing in it is at risk.</param>
/// <param name="Files">Files found.</param>
/// <param name="Archived">Of them, those whose bytes have a receipt that counts.</param>
/// <param name="Excluded">Of them, those that a person excluded on purpose.</param>
/// <param name="Bytes">Bytes found.</param>
/// <param name="LastCompleteAt">When a backup of this folder was last complete.</param>
/// <param name="Findings">Why it is not safe, or wants attention; the grave ones first.</param>
public sealed record FolderVerdict(
    string Folder, bool Safe, long Files, long Archived, long Excluded, long Bytes, DateTimeOffset? LastCompleteAt, IReadOnlyList<VerdictFinding> Findings);

/// <summary>What an agent reports at the end of each run: <c>POST /v1/clinics/{clinic}/agents/{agent}/verdict</c>. Counts and causes alone.</summary>
/// <param name="Version">1.</param>
/// <param name="At">By the computer's clock.</param>
/// <param name="Safe">Whether every folder is safe and nothing below is grave.</param>
/// <param name="Folders">Folder by folder.</param>
/// <param name="Findings">What is about the computer as a whole.</param>
public sealed record AgentVerdict(int Version, DateTimeOffset At, bool Safe, IReadOnlyList<FolderVerdict> Folders, IReadOnlyList<VerdictFinding> Findings)
{
    /// <summary>So many folders a report may name.</summary>
    public const int MaxFolders = 500;

    /// <summary>So many findings of folders an agent sends: with their folders about 350 KB, and the archive takes half a megabyte.</summary>
    public const int MaxFindings = 1500;

    /// <summary>The pseudonym of those that a longer list has beyond that, taken together.</summary>
    public const string OtherFolders = "others";

    /// <summary>The version that this code writes.</summary>
    public const int CurrentVersion = 1;

    /// <summary>Every finding, of the computer and of its folders. Said in them already: no part of the report.</summary>
    [JsonIgnore]
    public IEnumerable<VerdictFinding> All => Findings.Concat(Folders.SelectMany(folder => folder.Findings));
}
