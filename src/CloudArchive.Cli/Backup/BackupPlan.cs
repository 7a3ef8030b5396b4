using CloudArchive.Format;
using CloudArchive.Format.Packs;

namespace CloudArchive.Cli.Backup;

/// <summary>
/// What a pack's instances share. The study is the design's unit; patient, visit, date and year of birth are split besides, because a sidecar says them
/// once for the whole pack and each instance must be found under its own.
/// </summary>
/// <param name="Study">(0020,000D), or the id of a folder's set.</param>
/// <param name="Patient">HMAC of Patient ID.</param>
/// <param name="Accession">HMAC of Accession Number.</param>
/// <param name="Date">(0008,0020).</param>
/// <param name="BornIn">The year of (0010,0030), of the young alone: <see cref="Format.Retention.RetentionPolicy.BornIn"/>.</param>
/// <param name="Set">What kind of set; null: a study.</param>
public sealed record StudyKey(Uid Study, Sha256Digest? Patient, Sha256Digest? Accession, string? Date, int? BornIn = null, SetKind? Set = null)
{
    /// <summary>What other spellings of the Patient ID share.</summary>
    public IdentifierForms? PatientForms { get; init; }

    /// <summary>What other spellings of the Accession Number share.</summary>
    public IdentifierForms? AccessionForms { get; init; }
}

/// <summary>A file whose bytes the archive does not hold yet.</summary>
/// <param name="Id">Its row in the state.</param>
/// <param name="Path">Absolute.</param>
/// <param name="Folder">The backed-up folder that it is in.</param>
/// <param name="Length">Bytes, as it was read.</param>
/// <param name="ModifiedTicks">Last write time, UTC ticks, as it was read.</param>
/// <param name="Instance">What is in it.</param>
/// <param name="Study">What it is grouped by.</param>
/// <param name="HasOtherVersion">Whether the archive holds other bytes under this SOP Instance UID.</param>
public sealed record PendingFile(long Id, string Path, string Folder, long Length, long ModifiedTicks, SidecarInstance Instance, StudyKey Study, bool HasOtherVersion)
{
    /// <summary>The path in the manifest: below the backed-up folder, with '/' between names.</summary>
    public string ManifestPath => System.IO.Path.GetRelativePath(Folder, Path).Replace(System.IO.Path.DirectorySeparatorChar, '/');
}

/// <summary>Why a file is in a pack.</summary>
public enum UploadReason
{
    /// <summary>The archive has no instance of that UID.</summary>
    New,

    /// <summary>The archive has other bytes under that UID; these go beside them.</summary>
    NewVersion,
}

/// <summary>A file of a planned pack.</summary>
/// <param name="File">The file.</param>
/// <param name="Reason">Why it goes.</param>
/// <param name="Copies">How many other files have the same bytes: they are backed up with it.</param>
public sealed record PlannedFile(PendingFile File, UploadReason Reason, int Copies);

/// <summary>Why a pack ends where it ends.</summary>
public enum PackReason
{
    /// <summary>The study has no more.</summary>
    EndOfStudy,

    /// <summary>One more would pass the target size.</summary>
    TargetSize,

    /// <summary>It holds as many instances as a pack may.</summary>
    InstanceLimit,

    /// <summary>One instance larger than the target size has a pack of its own.</summary>
    LargeInstance,
}

/// <summary>A pack to be made.</summary>
public sealed record PlannedPack(StudyKey Study, IReadOnlyList<PlannedFile> Files, long Bytes, PackReason Reason);

/// <summary>How large packs become.</summary>
/// <param name="TargetBytes">Plaintext of a pack; a larger instance is alone in its own.</param>
/// <param name="MaxInstances">Far below the format's limit, so that a commit request stays below a megabyte.</param>
public sealed record PackLimitsChosen(long TargetBytes = 64L * 1024 * 1024, int MaxInstances = 2000);

/// <summary>
/// Decides which files go into which packs, and says why. Pure: files in, packs out, in order and one at a time, so that a plan of any
/// length needs the memory of one pack.
/// </summary>
public static class BackupPlan
{
    /// <summary>The packs for some files, that of the newest file first: what has just come does not wait for what lay there.</summary>
    public static IEnumerable<PlannedPack> NewestFirst(IReadOnlyList<PendingFile> files) => For(files).OrderByDescending(pack => pack.Files.Max(file => file.File.ModifiedTicks));

    /// <summary>The packs for files that come ordered by study, then by instance, then by content.</summary>
    public static IEnumerable<PlannedPack> For(IEnumerable<PendingFile> files, PackLimitsChosen? limits = null)
    {
        limits ??= new PackLimitsChosen();
        List<PlannedFile> pack = [];
        long bytes = 0;
        foreach (PlannedFile file in WithoutCopies(files))
        {
            long length = file.File.Instance.Length;
            PackReason? ends = pack.Count == 0 ? null
                : file.File.Study != pack[0].File.Study ? PackReason.EndOfStudy
                : bytes + length > limits.TargetBytes ? PackReason.TargetSize
                : pack.Count == limits.MaxInstances ? PackReason.InstanceLimit
                : null;
            if (ends is { } reason)
            {
                yield return new PlannedPack(pack[0].File.Study, pack, bytes, Reason(reason));
                pack = [];
                bytes = 0;
            }

            pack.Add(file);
            bytes += length;
        }

        if (pack.Count > 0) yield return new PlannedPack(pack[0].File.Study, pack, bytes, Reason(PackReason.EndOfStudy));

        // A large instance is alone whatever came after it.
        PackReason Reason(PackReason reason) => pack.Count == 1 && bytes > limits.TargetBytes ? PackReason.LargeInstance : reason;
    }

    /// <summary>Files with the same bytes stand side by side in the order: the first goes, the others are backed up with it.</summary>
    private static IEnumerable<PlannedFile> WithoutCopies(IEnumerable<PendingFile> files)
    {
        PendingFile? first = null;
        int copies = 0;
        foreach (PendingFile file in files)
        {
            if (first is not null && first.Instance.Sha256 == file.Instance.Sha256)
            {
                copies++;
                continue;
            }

            if (first is not null) yield return Planned(first, copies);
            (first, copies) = (file, 0);
        }

        if (first is not null) yield return Planned(first, copies);
    }

    private static PlannedFile Planned(PendingFile file, int copies) => new(file, file.HasOtherVersion ? UploadReason.NewVersion : UploadReason.New, copies);
}
