namespace CloudArchive.Format.Verdicts;

/// <summary>So many files of so many bytes.</summary>
public readonly record struct FileTally(long Files, long Bytes)
{
    /// <summary>Both together.</summary>
    public static FileTally operator +(FileTally one, FileTally other) => new(one.Files + other.Files, one.Bytes + other.Bytes);

    /// <inheritdoc cref="op_Addition"/>
    public static FileTally Add(FileTally one, FileTally other) => one + other;
}

/// <summary>What is known of one backed-up folder. Every file found is in exactly one of the tallies.</summary>
public sealed record FolderFacts
{
    /// <summary>Its pseudonym: <see cref="FolderVerdict.Folder"/>.</summary>
    public required string Folder { get; init; }

    /// <summary>Whether it can be reached.</summary>
    public bool IsThere { get; init; } = true;

    /// <summary>Whether it lies on the volume on which it was first seen, or on one that a person accepted since.</summary>
    public bool IsOnItsVolume { get; init; } = true;

    /// <summary>Whether anything to back up was ever found in it.</summary>
    public bool HeldFiles { get; init; }

    /// <summary>Whether it held files and the last look found none.</summary>
    public bool IsEmptied { get; init; }

    /// <summary>Folders in it that cannot be listed.</summary>
    public long FoldersUnreadable { get; init; }

    /// <summary>Links in it to places that no backed-up folder covers.</summary>
    public long LinksNotCovered { get; init; }

    /// <summary>Files whose bytes have a receipt that counts; and what has no bytes, so that there is nothing to archive: empty files, links to what is covered.</summary>
    public FileTally Archived { get; init; }

    /// <summary>Files that a person excluded on purpose.</summary>
    public FileTally Excluded { get; init; }

    /// <summary>Files that wait for a backup: new, changed, or without a receipt that counts.</summary>
    public FileTally Pending { get; init; }

    /// <summary>Changed files that are held back since <see cref="HeldSince"/>.</summary>
    public FileTally Held { get; init; }

    /// <summary>Since when a good part of the folder is changed and nobody accepted it; null: it is not.</summary>
    public DateTimeOffset? HeldSince { get; init; }

    /// <summary>How many files changed, where <see cref="HeldSince"/> is set: those held back, those that are no longer DICOM, those renamed.</summary>
    public long MassChanged { get; init; }

    /// <summary>Files that could not be read, or kept changing.</summary>
    public FileTally Unreadable { get; init; }

    /// <summary>Files that this version does not archive.</summary>
    public FileTally NotArchived { get; init; }

    /// <summary>Files whose bytes changed while their time did not.</summary>
    public FileTally ChangedWithoutNewTime { get; init; }

    /// <summary>When a backup last left nothing in this folder that it could have archived.</summary>
    public DateTimeOffset? LastCompleteAt { get; init; }

    /// <summary>Every file found.</summary>
    public FileTally Found => Archived + Excluded + Pending + Held + Unreadable + NotArchived + ChangedWithoutNewTime;
}

/// <summary>What is known of a computer that backs up.</summary>
public sealed record AgentFacts
{
    /// <summary>Folder by folder.</summary>
    public IReadOnlyList<FolderFacts> Folders { get; init; } = [];

    /// <summary>When the last run began; null: there was none.</summary>
    public DateTimeOffset? LastRunAt { get; init; }

    /// <summary>Whether the last run failed or was cut off.</summary>
    public bool LastRunFailed { get; init; }

    /// <summary>Until when the clinic's daily quota is used up, as the service said last; null: it never was.</summary>
    public DateTimeOffset? QuotaUsedUpUntil { get; init; }

    /// <summary>Packs that the archive lost and whose files wait to be uploaded again.</summary>
    public long PacksLost { get; init; }

    /// <summary>Files whose pack the archive lost, and that this computer no longer has.</summary>
    public FileTally FilesLost { get; init; }

    /// <summary>Whether the last check of the audit log raised an alarm.</summary>
    public bool LogAlarm { get; init; }

    /// <summary>When the audit log was last checked and held; null: never.</summary>
    public DateTimeOffset? LogCheckedAt { get; init; }

    /// <summary>By the computer's clock.</summary>
    public DateTimeOffset Now { get; init; }

    /// <summary>How old the last complete backup of a folder may be.</summary>
    public TimeSpan MaxAge { get; init; } = VerdictRule.DefaultMaxAge;
}
