using CloudArchive.Format.Verdicts;
using static CloudArchive.Format.Verdicts.VerdictCause;

namespace CloudArchive.Testing.Verdicts;

/// <summary>A situation at a clinic's computer, and what must be said of it wherever anything is said.</summary>
/// <param name="Name">A sentence.</param>
/// <param name="Facts">What the computer knows.</param>
/// <param name="NotSafe">Each cause that makes it NOT SAFE; none: SAFE.</param>
/// <param name="Remarks">Each cause that somebody should look at, and that leaves it SAFE.</param>
public sealed record VerdictSituation(string Name, AgentFacts Facts, IReadOnlyList<VerdictCause> NotSafe, IReadOnlyList<VerdictCause> Remarks)
{
    /// <summary>Whether it is SAFE.</summary>
    public bool Safe => NotSafe.Count == 0;

    /// <inheritdoc/>
    public override string ToString() => Name;
}

/// <summary>The table of situations: the rule, <c>status</c>, the portal and the alerts are tested over the same one.</summary>
public static class VerdictSituations
{
    /// <summary>When all of them are.</summary>
    public static readonly DateTimeOffset Now = new(2026, 3, 4, 5, 6, 7, TimeSpan.Zero);

    private static readonly FolderFacts s_good = new()
    {
        Folder = "0011223344556677",
        HeldFiles = true,
        Archived = new FileTally(90, 9_000_000),
        Excluded = new FileTally(10, 1_000_000),
        LastCompleteAt = Now.AddHours(-1),
    };

    private static readonly AgentFacts s_fine = new() { Folders = [s_good], LastRunAt = Now.AddHours(-2), LogCheckedAt = Now.AddHours(-1), Now = Now };

    /// <summary>All of them.</summary>
    public static IReadOnlyList<VerdictSituation> All { get; } =
    [
        Safe("Everything is archived or excluded on purpose", s_fine),
        Safe("Two folders, both archived", s_fine with { Folders = [s_good, s_good with { Folder = "8899aabbccddeeff" }] }),
        Safe("The audit log could not be checked for some days", s_fine with { LogCheckedAt = Now.AddDays(-6) }),
        Safe("The clocks of two computers differ by some minutes", With(s_good with { LastCompleteAt = Now.AddMinutes(5) })),
        Safe("The last run was cut off and the last complete one is recent", s_fine with { LastRunFailed = true }, BackupFailed),
        Safe("The audit log was not checked for long", s_fine with { LogCheckedAt = Now.AddDays(-8) }, LogUnchecked),

        NotSafe("Nothing was ever backed up", new AgentFacts { Now = Now }, NeverBackedUp),
        NotSafe("A run began and no folder is known", s_fine with { Folders = [] }, NeverBackedUp),
        NotSafe("A folder in which nothing was ever found", With(s_good with { HeldFiles = false, Archived = default, Excluded = default }), NothingFound),
        NotSafe("A folder in which everything is excluded", With(s_good with { HeldFiles = false, Archived = default }), NothingFound),
        NotSafe("A drive that is not connected", With(s_good with { IsThere = false }), FolderMissing),
        NotSafe("A folder that is suddenly empty", With(s_good with { IsEmptied = true }), FolderEmpty),
        NotSafe("Another drive under the same letter", With(s_good with { IsOnItsVolume = false }), VolumeChanged),
        NotSafe("The other drive is empty", With(s_good with { IsOnItsVolume = false, IsEmptied = true }), VolumeChanged),
        NotSafe("Ransomware rewrote a good part", With(s_good with { HeldSince = Now.AddMinutes(-20), MassChanged = 40, Held = new FileTally(40, 4_000_000) }), MassChange),
        NotSafe(
            "Ransomware encrypted a good part",
            With(s_good with { HeldSince = Now.AddMinutes(-20), MassChanged = 40, NotArchived = new FileTally(40, 4_000_000) }), MassChange, FilesNotArchived),
        NotSafe("Folders in it cannot be listed", With(s_good with { FoldersUnreadable = 2 }), FoldersUnreadable),
        NotSafe("A link leads to a place that no folder covers", With(s_good with { LinksNotCovered = 1 }), LinksNotCovered),
        NotSafe("A new image waits for the next backup", With(s_good with { Pending = new FileTally(1, 2_000_000) }), FilesPending),
        NotSafe("A pack that the archive lost is to be uploaded again", With(s_good with { Pending = new FileTally(3, 900) }) with { PacksLost = 1 }, [FilesPending], [PacksLost]),
        NotSafe("The clinic archived today as much as it may", With(s_good with { Pending = new FileTally(3, 900) }) with { QuotaUsedUpUntil = Now.AddHours(5) }, [FilesPending], [QuotaUsedUp]),
        NotSafe("The day of a used quota is over and files are pending", With(s_good with { Pending = new FileTally(3, 900) }) with { QuotaUsedUpUntil = Now.AddHours(-1) }, FilesPending),
        Safe("A used quota and nothing is pending", s_fine with { QuotaUsedUpUntil = Now.AddHours(5) }),
        NotSafe("A pack that the archive lost has no source any more", s_fine with { FilesLost = new FileTally(3, 900) }, FilesLost),
        NotSafe("A file cannot be read", With(s_good with { Unreadable = new FileTally(1, 100) }), FilesUnreadable),
        NotSafe("A photograph that nobody excluded", With(s_good with { NotArchived = new FileTally(1, 300_000) }), FilesNotArchived),
        NotSafe("A file changed and its time did not", With(s_good with { ChangedWithoutNewTime = new FileTally(1, 100) }), ChangedWithoutNewTime),
        NotSafe("The last complete backup is three days old", With(s_good with { LastCompleteAt = Now.AddDays(-3) }), NoCompleteBackup),
        NotSafe("The last complete backup is a year old", With(s_good with { LastCompleteAt = Now.AddYears(-1) }), NoCompleteBackup),
        NotSafe("No backup of a folder was ever complete", With(s_good with { LastCompleteAt = null, Pending = new FileTally(5, 50) }), NeverBackedUp, FilesPending),
        NotSafe("The clock was set back", With(s_good with { LastCompleteAt = Now.AddDays(400) }), ClockWrong),
        NotSafe(
            "Runs fail, and the last complete one is old", With(s_good with { LastCompleteAt = Now.AddDays(-3) }) with { LastRunFailed = true }, [NoCompleteBackup], [BackupFailed]),
        NotSafe("One folder of two is fine", s_fine with { Folders = [s_good, s_good with { Folder = "8899aabbccddeeff", LastCompleteAt = Now.AddDays(-3) }] }, NoCompleteBackup),
        NotSafe("The audit log contradicts what was seen before", s_fine with { LogAlarm = true }, LogAlarm),
    ];

    private static AgentFacts With(FolderFacts folder) => s_fine with { Folders = [folder] };

    private static VerdictSituation Safe(string name, AgentFacts facts, params VerdictCause[] remarks) => new(name, facts, [], remarks);

    private static VerdictSituation NotSafe(string name, AgentFacts facts, params VerdictCause[] causes) => new(name, facts, causes, []);

    private static VerdictSituation NotSafe(string name, AgentFacts facts, VerdictCause[] causes, VerdictCause[] remarks) => new(name, facts, causes, remarks);
}
