using CloudArchive.Core.Alerts;
using CloudArchive.Format;
using CloudArchive.Format.Verdicts;

namespace CloudArchive.Core.Verdicts;

/// <summary>Which alerts a computer's verdict stands for. Pure: one for each kind of trouble, in the words of <see cref="VerdictTexts"/>.</summary>
public static class VerdictAlerts
{
    /// <summary>The bound of a message: a computer with hundreds of folders still has one that can be read.</summary>
    private const int MostSentences = 5;

    /// <summary>The alerts that come from verdicts alone, so that they are over when the verdict does not say so any more.</summary>
    public static IReadOnlyList<AlertCause> Own { get; } =
        [AlertCause.MassChange, AlertCause.FolderMissing, AlertCause.FilesLost, AlertCause.NoCompleteBackup, AlertCause.FilesNotBackedUp, AlertCause.LogDamaged];

    /// <summary>The alert that a cause belongs to; null where something else raises one, or nothing.</summary>
    public static AlertCause? CauseOf(VerdictCause cause) => cause switch
    {
        VerdictCause.MassChange => AlertCause.MassChange,
        VerdictCause.NothingFound or VerdictCause.FolderMissing or VerdictCause.FolderEmpty or VerdictCause.VolumeChanged => AlertCause.FolderMissing,
        VerdictCause.FilesLost => AlertCause.FilesLost,
        VerdictCause.NeverBackedUp or VerdictCause.NoCompleteBackup or VerdictCause.ClockWrong or VerdictCause.BackupFailed or VerdictCause.NoReport => AlertCause.NoCompleteBackup,
        VerdictCause.FoldersUnreadable or VerdictCause.LinksNotCovered or VerdictCause.FilesPending or VerdictCause.FilesUnreadable
            or VerdictCause.FilesNotArchived or VerdictCause.ChangedWithoutNewTime => AlertCause.FilesNotBackedUp,
        VerdictCause.LogAlarm => AlertCause.LogDamaged,

        // Raised where they are found: lost packs, restore tests, the check of logs, a quota that is used up. A clinic without a computer has nothing to lose yet; its page says so.
        VerdictCause.PacksLost or VerdictCause.RestoreTestFailed or VerdictCause.NoRestoreTest or VerdictCause.LogUnchecked or VerdictCause.NoAgent or VerdictCause.QuotaUsedUp => null,
        _ => throw new System.Diagnostics.UnreachableException(cause.ToString()),
    };

    /// <summary>The alerts of a computer: what wants attention only is none.</summary>
    public static IReadOnlyList<Alert> For(ClinicId clinic, ComputerVerdict computer, string name, DateTimeOffset now)
    {
        List<(AlertCause Cause, string Sentence)> said = [];
        Say(computer.Findings, name);
        for (int number = 0; number < computer.Folders.Count; number++)
        {
            Say(computer.Folders[number].Findings, VerdictNames.Folder(number, name));
        }

        return [.. said.GroupBy(one => one.Cause).OrderBy(group => Own.ToList().IndexOf(group.Key)).Select(Raise)];

        void Say(IReadOnlyList<VerdictFinding> findings, string about)
        {
            foreach (VerdictFinding finding in findings.Where(finding => finding.NotSafe))
            {
                if (CauseOf(finding.Cause) is { } cause)
                {
                    said.Add((cause, $"{about}: {VerdictTexts.Describe(finding, now)}"));
                }
            }
        }

        Alert Raise(IGrouping<AlertCause, (AlertCause Cause, string Sentence)> group)
        {
            string[] sentences = [.. group.Select(one => one.Sentence)];
            string more = sentences.Length > MostSentences ? $" And {sentences.Length - MostSentences} more: see the clinic's page." : "";
            return new Alert(clinic, group.Key, computer.Agent, string.Join(' ', sentences.Take(MostSentences)) + more);
        }
    }
}

/// <summary>What computers' folders are called where nobody may know their paths.</summary>
public static class VerdictNames
{
    /// <summary>"Folder 1 of reception".</summary>
    /// <param name="number">Its place in the report, from 0.</param>
    /// <param name="computer">The computer's name.</param>
    public static string Folder(int number, string computer) => $"Folder {number + 1} of {computer}";
}
