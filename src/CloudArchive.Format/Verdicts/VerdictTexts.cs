using System.Text.Json;

namespace CloudArchive.Format.Verdicts;

/// <summary>What each cause is called and what people are told of it: the same words in <c>status</c>, portal, alerts and mail.</summary>
public static class VerdictTexts
{
    /// <summary>The stable name: kebab-case, as JSON has it.</summary>
    public static string Name(VerdictCause cause) => JsonNamingPolicy.KebabCaseLower.ConvertName(cause.ToString());

    /// <summary>
    /// What is the matter and what to do, in a sentence or two. It names no folder and no computer, so that it fits one folder as well as a
    /// clinic's sum; who knows the name puts it in front.
    /// </summary>
    public static string Describe(VerdictFinding finding, DateTimeOffset now)
    {
        long count = finding.Count;
        string files = PlainTexts.Count(count, "file");
        string filesAre = PlainTexts.Count(count, "file is", "files are");
        string size = finding.Bytes > 0 ? $" ({PlainTexts.Size(finding.Bytes)})" : "";
        string ago = finding.Since is { } since ? $"{PlainTexts.Duration(now - since)} ago" : "some time ago";
        return finding.Cause switch
        {
            VerdictCause.NeverBackedUp => count == 0
                ? "Nothing was backed up yet. Run: cloudarchive backup <folder>"
                : $"{PlainTexts.Count(count, "folder has", "folders have")} never been backed up completely. Run the backup until it says that all is backed up.",
            VerdictCause.NothingFound =>
                $"In {PlainTexts.Count(count, "folder")} nothing to back up was ever found. If it is the wrong folder, take it off the list: cloudarchive folders remove",
            VerdictCause.FolderMissing => $"{PlainTexts.Count(count, "folder")} cannot be reached. Is the drive or share connected?",
            VerdictCause.FolderEmpty =>
                $"{PlainTexts.Count(count, "folder")} held files and {Is(count)} empty now. The archive keeps what it has. If that is as it should be: cloudarchive backup --accept-changes",
            VerdictCause.VolumeChanged =>
                $"{PlainTexts.Count(count, "folder lies", "folders lie")} on another drive or share than before. If the images moved there: cloudarchive backup --accept-changes; else connect the right one.",
            VerdictCause.MassChange =>
                $"{PlainTexts.Count(count, "file was", "files were")} rewritten, renamed or stopped being DICOM within a short time, as ransomware does it. The archive keeps the earlier versions and takes no new "
                + "ones of them. If somebody meant it: cloudarchive backup --accept-changes; else disconnect the computer and call for help.",
            VerdictCause.FoldersUnreadable => $"{PlainTexts.Count(count, "folder")} cannot be listed, and what is in there is not backed up. Give the backup's user the right to read.",
            VerdictCause.LinksNotCovered =>
                $"{PlainTexts.Count(count, "link leads", "links lead")} to places that are not backed up. Back those up too, or exclude the {(count == 1 ? "link" : "links")}: cloudarchive folders exclude",
            VerdictCause.FilesPending => $"{filesAre} not archived yet{size}. Run the backup again.",
            VerdictCause.FilesUnreadable => $"{files} could not be read{size}: rights, a lock, a broken disk, or written to all the time. The backup's output names them.",
            VerdictCause.FilesNotArchived =>
                $"{filesAre} not archived{size}: too large, or images no longer, though they were when they were backed up. Look at them; then cloudarchive backup --accept-changes, or exclude them on purpose: cloudarchive folders exclude",
            VerdictCause.ChangedWithoutNewTime =>
                $"{files} changed without a new time{size}: a failing disk, or somebody who hides it. The archive keeps {(count == 1 ? "it" : "them")} as before; compare, then restore or accept.",
            VerdictCause.FilesLost =>
                $"{PlainTexts.Count(count, "archived file")}{size} {Is(count)} lost: the archive lost the pack, and the computer no longer has the source. Tell the archive's operator.",
            VerdictCause.PacksLost => $"The archive lost {PlainTexts.Count(count, "pack")}; the backup uploads again what is in {(count == 1 ? "it" : "them")}.",
            VerdictCause.NoCompleteBackup => $"The last complete backup was {ago}. Is it still scheduled, and does it end?",
            VerdictCause.ClockWrong => "The last complete backup is dated in the future: the computer's clock is or was wrong. Set it right and run the backup.",
            VerdictCause.QuotaUsedUp => "The clinic archived as much today as it may in a day. What is pending goes when the day (UTC) is over, by itself; the archive's operator can raise the quota before.",
            VerdictCause.BackupFailed => "The last backup failed or was cut off. The next one goes on where it ended.",
            VerdictCause.LogAlarm => "The archive's audit log contradicts what was seen before. Tell the archive's operator.",
            VerdictCause.LogUnchecked => $"The archive's audit log was last checked {ago}. If backups run, tell the archive's operator.",
            VerdictCause.NoReport when finding.Since is null => "It has not reported yet whether its files are safe. Run the backup there, by a version that reports.",
            VerdictCause.NoReport => $"{(count == 0 ? "A computer" : PlainTexts.Count(count, "computer"))} last reported {ago}. Is it switched on, and does the backup run?",
            VerdictCause.NoAgent => "No computer backs up for this clinic.",
            VerdictCause.RestoreTestFailed => "The last restore test failed. The archive's operator looks into it.",
            VerdictCause.NoRestoreTest => finding.Since is null ? "There was no restore test yet." : $"The last restore test was {ago}.",
            _ => throw new System.Diagnostics.UnreachableException(finding.Cause.ToString()),
        };
    }

    private static string Is(long count) => count == 1 ? "is" : "are";
}
