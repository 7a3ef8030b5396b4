using System.Text.Json;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Retention;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Retention;

/// <summary>What decides how long a pack is kept.</summary>
/// <param name="Pack">The pack.</param>
/// <param name="StudyDate">As in its sidecar.</param>
/// <param name="CommittedAt">When it was archived.</param>
/// <param name="LockedUntil">As its lock was read back.</param>
/// <param name="Patient">HMAC of Patient ID.</param>
/// <param name="BornIn">The patient's year of birth, of the young alone.</param>
public sealed record PackFacts(
    PackId Pack, string? StudyDate, DateTimeOffset CommittedAt, DateTimeOffset LockedUntil, Sha256Digest? Patient = null, int? BornIn = null);

/// <summary>A study, a folder's plain files or a computer's snapshots, which are kept or destroyed whole.</summary>
/// <param name="Study">Its id.</param>
/// <param name="Packs">What is known of its packs.</param>
/// <param name="Unreadable">Packs of it whose row in the catalogue says what cannot be.</param>
/// <param name="Set">What kind of set it is; null: a study.</param>
public sealed record StudyFacts(Uid Study, IReadOnlyList<PackFacts> Packs, IReadOnlyList<PackId>? Unreadable = null, SetKind? Set = null)
{
    /// <summary>What it is, for people.</summary>
    public string Named => Sets.Describe(Study, Set);

    /// <summary>Whether it is not known of all of its packs how long they are kept.</summary>
    public bool IsUnreadable => Unreadable is { Count: > 0 };
}

/// <summary>What is to be done with a study.</summary>
public enum RetentionAction
{
    /// <summary>Nothing.</summary>
    Keep,

    /// <summary>Its packs are to be locked longer than they are.</summary>
    Extend,

    /// <summary>Its time is over and nothing speaks for keeping it.</summary>
    Destroy,
}

/// <summary>Why.</summary>
public enum RetentionReason
{
    /// <summary>Its time is not over.</summary>
    NotYet,

    /// <summary>A legal hold keeps it, whatever its date is.</summary>
    Held,

    /// <summary>The policy, as it is now, keeps it longer than it is locked.</summary>
    PolicyLonger,

    /// <summary>The patient came back, and the policy counts from the last treatment.</summary>
    LastTreatment,

    /// <summary>A pack that came later is locked longer: the study stays together.</summary>
    LatePack,

    /// <summary>Its time is over.</summary>
    Due,

    /// <summary>Snapshots whose time is over, of which some name what is still in the archive: without them nobody could tell what stood where.</summary>
    Needed,

    /// <summary>The catalogue says of a pack of it what cannot be: it is kept, and nothing is done with it, until the catalogue is rebuilt.</summary>
    Unreadable,
}

/// <summary>A study in a plan.</summary>
/// <param name="Facts">The study.</param>
/// <param name="Action">What is to be done.</param>
/// <param name="Reason">Why.</param>
/// <param name="KeepUntil">Until when it is kept.</param>
/// <param name="LockedUntil">Until when all of it is locked now.</param>
/// <param name="Hold">The hold that keeps it, where one does, whatever the action is.</param>
/// <param name="ExtendBefore">Only packs whose lock ends before this are to be extended; null: all.</param>
public sealed record RetentionLine(
    StudyFacts Facts, RetentionAction Action, RetentionReason Reason, DateTimeOffset KeepUntil, DateTimeOffset LockedUntil, WorkId? Hold, DateTimeOffset? ExtendBefore = null)
{
    /// <summary>What is to be locked longer, where anything is.</summary>
    public IEnumerable<PackFacts> ToExtend => Facts.Packs.Where(pack => ExtendBefore is null || pack.LockedUntil < ExtendBefore);

    /// <summary>Its UID.</summary>
    public Uid Study => Facts.Study;

    /// <summary>As anyone who may see the plan sees it.</summary>
    public RetentionLineResponse ToResponse() => new(Study, Name(Action.ToString()), Name(Reason.ToString()), KeepUntil, LockedUntil, Hold?.ToString(), Facts.Packs.Count, Facts.Set);

    private static string Name(string value) => JsonNamingPolicy.KebabCaseLower.ConvertName(value);
}

/// <summary>
/// What retention asks for now: a pure function of the catalogue, the policy, the holds and the time. No date that was ever locked becomes
/// earlier here: a study's date is the latest of its packs' locks and of what the policy, as it is now, gives any of them.
/// </summary>
public static class RetentionPlan
{
    /// <summary>
    /// A folder that is in use gets packs every day, and a computer snapshots: that the others are kept as long is in the plan at once, and in their locks when
    /// these come near to their end. Else each day would lock all of them for a day more.
    /// </summary>
    private static readonly TimeSpan s_near = TimeSpan.FromDays(366);

    /// <summary>A line for each study, in their order.</summary>
    /// <param name="studies">All of the clinic's, or some with all that <paramref name="lastTreatment"/> must know.</param>
    /// <param name="policy">The current one.</param>
    /// <param name="holds">Those that are on.</param>
    /// <param name="lastTreatment">The date of a patient's latest study, <c>yyyyMMdd</c>: see <see cref="LastTreatments"/>.</param>
    /// <param name="now">The time.</param>
    public static IEnumerable<RetentionLine> For(
        IEnumerable<StudyFacts> studies, RetentionPolicy policy, IReadOnlyCollection<Hold> holds, IReadOnlyDictionary<Sha256Digest, string> lastTreatment, DateTimeOffset now) =>
        studies.Select(study => For(study, policy, holds, lastTreatment, now));

    /// <summary>A study's line.</summary>
    public static RetentionLine For(
        StudyFacts study, RetentionPolicy policy, IReadOnlyCollection<Hold> holds, IReadOnlyDictionary<Sha256Digest, string> lastTreatment, DateTimeOffset now)
    {
        if (study.IsUnreadable)
        {
            DateTimeOffset known = study.Packs.Select(pack => pack.LockedUntil).DefaultIfEmpty(now).Max();
            return new RetentionLine(study, RetentionAction.Keep, RetentionReason.Unreadable, known, study.Packs.Select(pack => pack.LockedUntil).DefaultIfEmpty(now).Min(), holds.FirstOrDefault(hold => hold.Keeps(study))?.Id);
        }

        DateTimeOffset locked = study.Packs.Min(pack => pack.LockedUntil);
        DateTimeOffset latestLock = study.Packs.Max(pack => pack.LockedUntil);
        DateTimeOffset own = study.Packs.Max(pack => policy.Until(study.Set, pack.StudyDate, pack.CommittedAt, pack.BornIn));
        DateTimeOffset treated = study.Packs.Max(pack =>
            pack.Patient is { } patient && lastTreatment.TryGetValue(patient, out string? last) ? policy.Until(pack.StudyDate, pack.CommittedAt, pack.BornIn, last) : own);
        DateTimeOffset keep = Later(Later(latestLock, own), treated);
        WorkId? hold = holds.FirstOrDefault(hold => hold.Keeps(study))?.Id;
        bool lazily = study.Set is not null && keep == latestLock;

        // What is over is over: a lock is not set to a date that has passed, which storage refuses.
        (RetentionAction action, RetentionReason reason) =
            keep > now && keep > locked && !(lazily && locked > now + s_near) ? (RetentionAction.Extend, keep == latestLock ? RetentionReason.LatePack : keep == own ? RetentionReason.PolicyLonger : RetentionReason.LastTreatment)
            : hold is not null ? (RetentionAction.Keep, RetentionReason.Held)
            : keep > now ? (RetentionAction.Keep, RetentionReason.NotYet)
            : (RetentionAction.Destroy, RetentionReason.Due);
        return new RetentionLine(study, action, reason, keep, locked, hold, lazily && action == RetentionAction.Extend ? now + (2 * s_near) : null);
    }

    /// <summary>The latest study date of each patient; dates beyond <paramref name="now"/> are clocks that were wrong.</summary>
    public static IReadOnlyDictionary<Sha256Digest, string> LastTreatments(IEnumerable<StudyFacts> studies, DateTimeOffset now)
    {
        string today = (now + RetentionPolicy.MostAhead).UtcDateTime.ToString("yyyyMMdd", System.Globalization.CultureInfo.InvariantCulture);
        Dictionary<Sha256Digest, string> latest = [];
        foreach (PackFacts pack in studies.SelectMany(study => study.Packs))
        {
            if (pack is { Patient: { } patient, StudyDate: { } date }
                && string.CompareOrdinal(date, today) <= 0
                && (!latest.TryGetValue(patient, out string? known) || string.CompareOrdinal(date, known) > 0))
            {
                latest[patient] = date;
            }
        }

        return latest;
    }

    private static DateTimeOffset Later(DateTimeOffset one, DateTimeOffset other) => other > one ? other : one;
}
