namespace CloudArchive.Cli.Backup;

/// <summary>Why a file is not in the archive. Names are kept in the state and in JSON.</summary>
public enum SkipReason
{
    /// <summary>No file that could be read: a pipe, a socket, a device.</summary>
    Special,

    /// <summary>A link. What it points to is backed up where it lies, if it lies in a folder that is backed up.</summary>
    Link,

    /// <summary>Larger than a pack may be.</summary>
    TooLarge,

    /// <summary>It was DICOM when it was backed up and is no longer: damaged, encrypted or replaced. A person has to look before the archive takes it for a plain file.</summary>
    NoLongerDicom,

    /// <summary>The system does not let it be read: rights, a lock, a broken disk.</summary>
    Unreadable,

    /// <summary>It kept changing while it was read.</summary>
    Changing,

    /// <summary>A link to a place that no backed-up folder covers.</summary>
    LinkNotCovered,

    /// <summary>Its bytes changed while its size and time did not. The archive has it as it was.</summary>
    ChangedWithoutNewTime,
}

/// <summary>What the reasons mean.</summary>
public static class SkipReasons
{
    /// <summary>Every reason, the grave ones last.</summary>
    public static IReadOnlyList<SkipReason> All { get; } = Enum.GetValues<SkipReason>();

    /// <summary>The reason's name in the state and in JSON.</summary>
    public static string Name(SkipReason reason) => reason switch
    {
        SkipReason.Special => "special",
        SkipReason.Link => "link",
        SkipReason.TooLarge => "too-large",
        SkipReason.NoLongerDicom => "no-longer-dicom",
        SkipReason.Unreadable => "unreadable",
        SkipReason.LinkNotCovered => "link-not-covered",
        SkipReason.ChangedWithoutNewTime => "changed-without-new-time",
        _ => "changing",
    };

    /// <summary>The opposite of <see cref="Name"/>.</summary>
    public static SkipReason Parse(string name) => All.First(reason => Name(reason) == name);

    /// <summary>What people are told, after a number of files.</summary>
    public static string Describe(SkipReason reason) => reason switch
    {
        SkipReason.Special => "no file but a pipe, a socket or a device",
        SkipReason.Link => "link, not followed; what it leads to is backed up where it lies",
        SkipReason.LinkNotCovered => "link to a place that no backed-up folder covers",
        SkipReason.ChangedWithoutNewTime => "changed without a new time: bit rot, or somebody who hides it",
        SkipReason.TooLarge => "larger than the archive takes (16 GiB)",
        SkipReason.NoLongerDicom => "was DICOM when it was backed up and is no longer; look at it, then `backup --accept-changes` archives it as it is",
        SkipReason.Unreadable => "cannot be read",
        _ => "kept changing while it was read",
    };

    /// <summary>Whether the next run tries again although size and time are the same.</summary>
    public static bool IsPassing(SkipReason reason) => reason is SkipReason.Unreadable or SkipReason.Changing;

    /// <summary>Whether someone should look at the file: it may be an image that the archive does not have, or a sign of harm.</summary>
    public static bool IsGrave(SkipReason reason) => !IsNothing(reason);

    /// <summary>Whether there is nothing to archive: no bytes, or what lies elsewhere and is backed up there.</summary>
    public static bool IsNothing(SkipReason reason) => reason is SkipReason.Link or SkipReason.Special;

    /// <summary>Whether this version does not archive such a file, whatever is done.</summary>
    public static bool IsNotArchived(SkipReason reason) => reason is SkipReason.TooLarge or SkipReason.NoLongerDicom;

    /// <summary>Whether the scan alone decides it, without reading.</summary>
    public static bool IsOfName(SkipReason reason) => IsNothing(reason) || reason == SkipReason.LinkNotCovered;
}
