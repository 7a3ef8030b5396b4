namespace CloudArchive.Format.Verdicts;

/// <summary>
/// The one rule. SAFE must only be said where every file found is archived or excluded on purpose, the last complete backup is recent, and nothing
/// looks like an attack. Pure: facts in, verdict out; agents work it out, everything else shows it.
/// </summary>
public static class VerdictRule
{
    /// <summary>A backup a day, and two hours for it.</summary>
    public static readonly TimeSpan DefaultMaxAge = TimeSpan.FromHours(26);

    /// <summary>How long the audit log may go unchecked.</summary>
    public static readonly TimeSpan LogCheckAge = TimeSpan.FromDays(7);

    /// <summary>A time so little ahead is two clocks' difference.</summary>
    public static readonly TimeSpan ClockSlack = TimeSpan.FromMinutes(10);

    private static readonly TimeSpan s_day = TimeSpan.FromDays(1);

    /// <summary>The verdict on a computer and each of its folders.</summary>
    public static AgentVerdict For(AgentFacts facts)
    {
        FolderVerdict[] folders = [.. facts.Folders.Select(folder => For(folder, facts.Now, facts.MaxAge))];
        VerdictFinding[] findings = InOrder(Find(facts));
        return new AgentVerdict(AgentVerdict.CurrentVersion, facts.Now, !findings.Any(f => f.NotSafe) && folders.All(f => f.Safe), folders, findings);
    }

    /// <summary>
    /// The same verdict with no more folders than the archive takes: those that are worst off stand for themselves, the others together as one, of which
    /// every number and every cause is the sum of theirs.
    /// </summary>
    public static AgentVerdict Shorten(AgentVerdict verdict, int most = AgentVerdict.MaxFolders)
    {
        if (verdict.Folders.Count <= most && verdict.Folders.Sum(folder => folder.Findings.Count) <= AgentVerdict.MaxFindings)
        {
            return verdict;
        }

        HashSet<string> named = new(StringComparer.Ordinal);
        int told = 0;
        foreach (FolderVerdict folder in verdict.Folders.OrderBy(folder => folder.Safe).ThenByDescending(folder => folder.Findings.Count))
        {
            told += folder.Findings.Count;
            if (named.Count == most - 1 || told > AgentVerdict.MaxFindings)
            {
                break;
            }

            named.Add(folder.Folder);
        }

        FolderVerdict[] others = [.. verdict.Folders.Where(folder => !named.Contains(folder.Folder))];
        VerdictFinding[] findings = InOrder(others.SelectMany(folder => folder.Findings).GroupBy(finding => (finding.Cause, finding.NotSafe))
            .Select(same => new VerdictFinding(same.Key.Cause, same.Key.NotSafe, same.Sum(f => f.Count), same.Sum(f => f.Bytes), same.Min(f => f.Since))));
        FolderVerdict together = new(
            AgentVerdict.OtherFolders, others.All(folder => folder.Safe), others.Sum(folder => folder.Files), others.Sum(folder => folder.Archived), others.Sum(folder => folder.Excluded),
            others.Sum(folder => folder.Bytes), others.Any(folder => folder.LastCompleteAt is null) ? null : others.Min(folder => folder.LastCompleteAt), findings);
        return verdict with { Folders = [.. verdict.Folders.Where(folder => named.Contains(folder.Folder)), together] };
    }

    /// <summary>The verdict on one folder.</summary>
    public static FolderVerdict For(FolderFacts folder, DateTimeOffset now, TimeSpan maxAge)
    {
        VerdictFinding[] findings = InOrder(Find(folder, now, maxAge));
        FileTally found = folder.Found;
        return new FolderVerdict(
            folder.Folder, !findings.Any(f => f.NotSafe), found.Files, folder.Archived.Files, folder.Excluded.Files, found.Bytes, folder.LastCompleteAt, findings);
    }

    /// <summary>The grave ones first, each kind in the order of its cause.</summary>
    public static VerdictFinding[] InOrder(IEnumerable<VerdictFinding> findings) => [.. findings.OrderByDescending(f => f.NotSafe).ThenBy(f => f.Cause)];

    private static IEnumerable<VerdictFinding> Find(AgentFacts facts)
    {
        if (facts.LastRunAt is null || facts.Folders.Count == 0)
        {
            yield return Grave(VerdictCause.NeverBackedUp);
        }

        if (facts.LogAlarm)
        {
            yield return Grave(VerdictCause.LogAlarm);
        }
        else if (facts.LogCheckedAt is { } checkedAt && facts.Now - checkedAt > LogCheckAge)
        {
            yield return Remark(VerdictCause.LogUnchecked, since: checkedAt);
        }

        if (facts.FilesLost.Files > 0)
        {
            yield return Grave(VerdictCause.FilesLost, facts.FilesLost);
        }

        // Their files are pending, and grave as such.
        if (facts.PacksLost > 0)
        {
            yield return Remark(VerdictCause.PacksLost, facts.PacksLost);
        }

        // The clock may be wrong: never more than a day, and only of what is pending.
        if (facts.QuotaUsedUpUntil is { } until && until > facts.Now && until - facts.Now <= s_day && facts.Folders.Any(folder => folder.Pending.Files > 0))
        {
            yield return Remark(VerdictCause.QuotaUsedUp);
        }

        // What it left behind, and how long ago the last complete one was, is told folder by folder.
        if (facts.LastRunFailed)
        {
            yield return Remark(VerdictCause.BackupFailed, since: facts.LastRunAt);
        }
    }

    private static IEnumerable<VerdictFinding> Find(FolderFacts folder, DateTimeOffset now, TimeSpan maxAge)
    {
        if (!folder.IsThere)
        {
            yield return Grave(VerdictCause.FolderMissing, 1);
        }
        else if (!folder.IsOnItsVolume)
        {
            yield return Grave(VerdictCause.VolumeChanged, 1);
        }
        else if (folder.IsEmptied)
        {
            yield return Grave(VerdictCause.FolderEmpty, 1);
        }

        if (!folder.HeldFiles)
        {
            yield return Grave(VerdictCause.NothingFound, 1);
        }

        if (folder.HeldSince is { } since)
        {
            yield return new VerdictFinding(VerdictCause.MassChange, NotSafe: true, folder.MassChanged, folder.Held.Bytes, since);
        }
        else if (folder.Held.Files > 0)
        {
            yield return Grave(VerdictCause.FilesPending, folder.Held);
        }

        if (folder.FoldersUnreadable > 0)
        {
            yield return Grave(VerdictCause.FoldersUnreadable, folder.FoldersUnreadable);
        }

        if (folder.LinksNotCovered > 0)
        {
            yield return Grave(VerdictCause.LinksNotCovered, folder.LinksNotCovered);
        }

        foreach ((VerdictCause cause, FileTally files) in new[]
        {
            (VerdictCause.FilesPending, folder.Pending),
            (VerdictCause.FilesUnreadable, folder.Unreadable),
            (VerdictCause.FilesNotArchived, folder.NotArchived),
            (VerdictCause.ChangedWithoutNewTime, folder.ChangedWithoutNewTime),
        })
        {
            if (files.Files > 0)
            {
                yield return Grave(cause, files);
            }
        }

        if (folder.LastCompleteAt is not { } complete)
        {
            yield return Grave(VerdictCause.NeverBackedUp, 1);
        }
        else if (complete > now + ClockSlack)
        {
            yield return new VerdictFinding(VerdictCause.ClockWrong, NotSafe: true, 1, Since: complete);
        }
        else if (now - complete > maxAge)
        {
            yield return new VerdictFinding(VerdictCause.NoCompleteBackup, NotSafe: true, 1, Since: complete);
        }
    }

    private static VerdictFinding Grave(VerdictCause cause, long count = 0) => new(cause, NotSafe: true, count);

    private static VerdictFinding Grave(VerdictCause cause, FileTally files) => new(cause, NotSafe: true, files.Files, files.Bytes);

    private static VerdictFinding Remark(VerdictCause cause, long count = 0, DateTimeOffset? since = null) => new(cause, NotSafe: false, count, Since: since);
}
