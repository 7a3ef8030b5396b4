using System.Globalization;
using CloudArchive.Cli.Agent;
using CloudArchive.Cli.Backup;
using CloudArchive.Cli.State;
using CloudArchive.Format;
using CloudArchive.Format.Verdicts;

namespace CloudArchive.Cli.Status;

/// <summary>A folder with what is known of it: for who sits at this computer, and may see its path.</summary>
public sealed record FolderLook(FolderRecord Folder, FolderFacts Facts, FileCounts Counts);

/// <summary>Gathers what the verdict is made from: what the last scan noted, and what a look into the folders shows now.</summary>
public sealed record AgentLook(IReadOnlyList<FolderLook> Folders, AgentFacts Facts)
{
    /// <summary>Where the state keeps until when the clinic's daily quota is used up.</summary>
    internal const string QuotaName = "quota-until";

    /// <summary>What the state says.</summary>
    /// <param name="state">Null: nothing was ever backed up.</param>
    /// <param name="identity">Whose computer it is; for the folders' pseudonyms.</param>
    /// <param name="secret">The clinic's; null where only somebody at this computer is told.</param>
    /// <param name="now">The time.</param>
    /// <param name="maxAge">How old the last complete backup may be.</param>
    public static AgentLook Of(AgentState? state, AgentIdentity identity, IdentifierSecret? secret, DateTimeOffset now, TimeSpan? maxAge = null)
    {
        if (state is null)
        {
            return new AgentLook([], new AgentFacts { Now = now });
        }

        IReadOnlyDictionary<long, FileCounts> counts = state.Count();
        DateTimeOffset since = now - MassChange.Window;
        FolderLook[] folders = [.. state.FolderRecords().Select(folder => new FolderLook(
            folder, FactsOf(folder, counts[folder.Id], folder.HeldSince is null ? 0 : state.CountChanges(folder.Id, since).Changed, NameOf(folder.Path, identity, secret)), counts[folder.Id]))];
        RunRecord? last = state.LastRun();
        Losses losses = state.Losses();
        AgentFacts facts = new()
        {
            Folders = [.. folders.Select(folder => folder.Facts)],
            LastRunAt = last?.StartedAt,
            LastRunFailed = last is not null && (last.FinishedAt is null || last.Outcome is not (ExitCode.Ok or ExitCode.Incomplete)),
            QuotaUsedUpUntil = state.Get(QuotaName) is { } until ? DateTimeOffset.Parse(until, CultureInfo.InvariantCulture) : null,
            PacksLost = losses.Packs,
            FilesLost = losses.Files,
            LogAlarm = state.Get(LogWatch.AlarmName) is { Length: > 0 },
            LogCheckedAt = state.Get(LogWatch.CheckedName) is { } at ? DateTimeOffset.Parse(at, CultureInfo.InvariantCulture) : null,
            Now = now,
            MaxAge = maxAge ?? VerdictRule.DefaultMaxAge,
        };
        return new AgentLook(folders, facts);
    }

    /// <summary>
    /// A folder's pseudonym: the same for one folder of one computer, and nothing that its path could be guessed from without the clinic's secret.
    /// </summary>
    public static string NameOf(string path, AgentIdentity identity, IdentifierSecret? secret) =>
        secret?.Hmac($"cloudarchive/folder/1\n{identity.AgentId}\n{path}") is { } hmac ? hmac.ToString()[..16] : "";

    /// <summary>The same, after a look into a folder: what is new, gone or closed since the last scan.</summary>
    public AgentLook With(FolderLook folder, bool isThere, bool isMoved, FolderDifference? seen)
    {
        FolderFacts facts = folder.Facts with { IsThere = isThere, IsOnItsVolume = !isMoved };
        if (seen is not null && isThere)
        {
            facts = facts with
            {
                Pending = facts.Pending + seen.News,
                IsEmptied = seen.IsEmptied,
                FoldersUnreadable = seen.Unreadable.Count,
            };
        }

        FolderLook[] folders = [.. Folders.Select(f => f.Folder.Id == folder.Folder.Id ? f with { Facts = facts } : f)];
        return new AgentLook(folders, Facts with { Folders = [.. folders.Select(f => f.Facts)] });
    }

    private static FolderFacts FactsOf(FolderRecord folder, FileCounts counts, long changed, string name) => new()
    {
        Folder = name,
        IsThere = Directory.Exists(folder.Path),
        IsOnItsVolume = !folder.IsMoved,
        HeldFiles = folder.HeldFiles,
        IsEmptied = folder.IsEmptied,
        FoldersUnreadable = folder.UnreadableFolders,
        LinksNotCovered = counts.SkippedFor(reason => reason == SkipReason.LinkNotCovered).Files,
        Archived = counts.Archived,
        Excluded = counts.Excluded,
        Pending = counts.Pending,
        Held = counts.Held,
        HeldSince = folder.HeldSince,
        MassChanged = Math.Max(changed, counts.Held.Files),
        Unreadable = counts.SkippedFor(SkipReasons.IsPassing),
        NotArchived = counts.SkippedFor(SkipReasons.IsNotArchived),
        ChangedWithoutNewTime = counts.SkippedFor(reason => reason == SkipReason.ChangedWithoutNewTime),
        LastCompleteAt = folder.CompleteAt,
    };
}
