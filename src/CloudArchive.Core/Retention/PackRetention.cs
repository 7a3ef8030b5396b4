using System.Globalization;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Retention;

namespace CloudArchive.Core.Retention;

/// <summary>What a commit makes of the date that the agent worked out.</summary>
public static class PackRetention
{
    /// <summary>
    /// Until when a pack is locked: what the policy, as it is now, gives what the service knows, or what the agent says by that very policy, where
    /// that is later. So an agent that knows an older policy, or none, loses nothing; and cannot lock longer than the clinic wants by naming one.
    /// </summary>
    public static DateTimeOffset Until(Sidecar sidecar, RetentionPolicy policy, DateTimeOffset archivedAt)
    {
        DateTimeOffset own = policy.Until(sidecar.Set, sidecar.StudyDate, archivedAt, sidecar.Retention?.BornIn);
        return sidecar.Retention is { } retention && retention.Policy == policy.Version && retention.Until > own ? retention.Until : own;
    }

    /// <summary>
    /// What is wrong with what the agent says; null where nothing is. A lock cannot be taken back, so a date beyond all reason is refused; so is
    /// one that the agent's own policy cannot give, where the service can tell.
    /// </summary>
    public static string? Violation(Sidecar sidecar, RetentionPolicy policy, DateTimeOffset now) => sidecar.Retention is not { } retention ? null
        : retention.Policy > policy.Version
            ? $"The sidecar names version {retention.Policy} of the retention policy, and there is none after {policy.Version}. Fetch the policy (GET .../retention), then make the pack anew."
        : retention.Policy < policy.Version ? null
        : retention.Until < policy.UntilByStudyDate(sidecar.StudyDate, now)
            ? $"The sidecar keeps its files until {Day(retention.Until)}, which is shorter than {policy.Years} years after its date. Fetch the policy (GET .../retention), then make the pack anew."
        : retention.Until > policy.Latest(now)
            ? $"The sidecar keeps its files until {Day(retention.Until)}, longer than the policy can ask for. Check the computer's clock and the study's date, then make the pack anew."
        : null;

    /// <summary>
    /// Until when a set is kept. Of plain files the service knows no date: all of the policy's years count from when they were archived, as a rule no earlier
    /// than the newest of them. A snapshot is of use while what it names is there: of that, the agent's date and the plan take care.
    /// </summary>
    internal static DateTimeOffset Until(this RetentionPolicy policy, SetKind? set, string? studyDate, DateTimeOffset archivedAt, int? bornIn, string? lastTreatment = null) =>
        (set == SetKind.Folder ? policy with { MinimumYears = Math.Max(policy.Years, policy.MinimumYears) } : policy).Until(studyDate, archivedAt, bornIn, lastTreatment);

    private static string Day(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
}
