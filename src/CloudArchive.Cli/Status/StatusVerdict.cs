using System.Globalization;
using CloudArchive.Cli.Backup;
using CloudArchive.Cli.State;
using CloudArchive.Cli.Terminal;

namespace CloudArchive.Cli.Status;

/// <summary>A backed-up folder, as it is now.</summary>
/// <param name="Path">The folder.</param>
/// <param name="IsThere">Whether it can be reached.</param>
/// <param name="Changed">Files that are new or changed since the last backup; null where it was not looked.</param>
/// <param name="Unreadable">Folders in it that cannot be listed.</param>
public sealed record FolderNow(string Path, bool IsThere, long? Changed, int Unreadable);

/// <summary>The audit log, as the last checks found it.</summary>
/// <param name="Alarm">What a check found; null where the last one passed.</param>
/// <param name="CheckedAt">When a check passed last.</param>
public sealed record LogNow(string? Alarm, DateTimeOffset? CheckedAt)
{
    /// <summary>As the state has it.</summary>
    public static LogNow Of(AgentState state) => new(
        state.Get(LogWatch.AlarmName) is { Length: > 0 } alarm ? alarm : null,
        state.Get(LogWatch.CheckedName) is { } at ? DateTimeOffset.Parse(at, CultureInfo.InvariantCulture) : null);
}

/// <summary>What a verdict is made from.</summary>
public sealed record StatusFacts(
    FileCounts Counts,
    IReadOnlyList<FolderNow> Folders,
    RunRecord? LastRun,
    RunRecord? LastGoodRun,
    LogNow? Log,
    DateTimeOffset Now,
    TimeSpan MaxAge);

/// <summary>Something that a person should know.</summary>
/// <param name="Code">A stable name, for scripts.</param>
/// <param name="Text">For people.</param>
/// <param name="NotSafe">Whether files are at risk because of it.</param>
public sealed record StatusFinding(string Code, string Text, bool NotSafe);

/// <summary>Whether the clinic's images are safe. Pure: facts in, findings out.</summary>
public static class StatusVerdict
{
    private static readonly TimeSpan LogCheckAge = TimeSpan.FromDays(7);

    /// <summary>What is to be told, the grave first. Nothing grave: safe.</summary>
    public static IReadOnlyList<StatusFinding> For(StatusFacts facts) => [.. Find(facts).OrderByDescending(finding => finding.NotSafe)];

    private static IEnumerable<StatusFinding> Find(StatusFacts facts)
    {
        if (facts.Log?.Alarm is { } alarm) yield return new("log-alarm", alarm, true);
        if (facts.LastRun is null)
        {
            yield return new("never", "Nothing was backed up yet: cloudarchive backup <folder>", true);
            yield break;
        }

        foreach (FolderNow folder in facts.Folders)
        {
            string path = Texts.Printable(folder.Path);
            if (!folder.IsThere) yield return new("folder-missing", $"{path} cannot be reached. Is the drive or share connected?", true);
            else if (folder.Unreadable > 0) yield return new("folder-unreadable", $"{Texts.Count(folder.Unreadable, "folder")} in {path} cannot be listed; what is in there is not backed up.", true);
        }

        TimeSpan? age = facts.LastGoodRun?.FinishedAt is { } at ? facts.Now - at : null;
        bool isOld = age is null || age > facts.MaxAge;
        long waiting = facts.Folders.Sum(f => f.Changed ?? 0);
        if (facts.Counts.Pending > 0) yield return new("pending", $"{Texts.Count(facts.Counts.Pending, "file is", "files are")} not backed up ({Texts.Size(facts.Counts.PendingBytes)}). Run the backup again.", true);
        if (waiting > 0) yield return new("waiting", $"{Texts.Count(waiting, "file is", "files are")} new or changed since the last backup.", isOld);
        if (Skipped(SkipReason.Unreadable) is > 0 and var unreadable) yield return new("unreadable", $"{Texts.Count(unreadable, "file")} could not be read and {(unreadable == 1 ? "is" : "are")} not backed up.", true);
        if (Skipped(SkipReason.Changing) is > 0 and var changing) yield return new("changing", $"{Texts.Count(changing, "file")} kept changing and {(changing == 1 ? "is" : "are")} not backed up.", true);

        if (facts.LastRun.FinishedAt is null) yield return new("interrupted", "The last backup was cut off. The next one goes on where it ended.", isOld);
        else if (facts.LastRun.Outcome is not (ExitCode.Ok or ExitCode.Incomplete)) yield return new("failed", $"The last backup failed ({Meaning(facts.LastRun.Outcome)}).", isOld);
        if (age is null) yield return new("never-complete", "No backup has been complete yet.", true);
        else if (isOld) yield return new("old", $"The last complete backup was {Texts.Duration(age.Value)} ago; is it still scheduled?", facts.Folders.Any(f => f.Changed is null) || waiting > 0);

        if (facts.Log is { CheckedAt: { } checkedAt } && facts.Now - checkedAt > LogCheckAge)
            yield return new("log-unchecked", $"The archive's audit log was last checked {Texts.Duration(facts.Now - checkedAt)} ago. If backups run, tell the archive's operator.", false);
        if (Skipped(SkipReason.NoLongerDicom) is > 0 and var harmed)
            yield return new("no-longer-dicom", $"{Texts.Count(harmed, "file was", "files were")} DICOM when backed up and no longer {(harmed == 1 ? "is" : "are")}: damaged, or encrypted by someone else? The archive has {(harmed == 1 ? "it" : "them")} as {(harmed == 1 ? "it was" : "they were")}.", false);
        long odd = Skipped(SkipReason.Damaged) + Skipped(SkipReason.NoIdentity) + Skipped(SkipReason.TooLarge);
        if (odd > 0) yield return new("not-archivable", $"{Texts.Count(odd, "file")} cannot be archived (damaged, without UIDs, or too large): cloudarchive backup --dry-run names {(odd == 1 ? "it" : "them")}.", false);

        long Skipped(SkipReason reason) => facts.Counts.Skipped.GetValueOrDefault(reason);
    }

    private static string Meaning(ExitCode? code) => ExitCodes.All.FirstOrDefault(c => c.Code == code).Meaning?.Split(';')[0] ?? "unknown";
}
