using CloudArchive.Format.Wire;

namespace CloudArchive.Format.Verdicts;

/// <summary>What a clinic wants to be able to rely on.</summary>
/// <param name="RtoHours">Recovery time objective: so long bringing everything back may take.</param>
/// <param name="RpoHours">Recovery point objective: so much work may be lost, as time since the last complete backup.</param>
public sealed record RecoveryObjectives(int RtoHours, int RpoHours)
{
    /// <summary>The longest that can be set: a year.</summary>
    public const int MaxHours = 8760;

    /// <summary>Three days until a practice works with its images again, and a day's work.</summary>
    public static RecoveryObjectives Default { get; } = new(72, 24);
}

/// <summary>Whether an objective is met. That nobody knows is not that it is.</summary>
public enum ObjectiveState
{
    /// <summary>It is.</summary>
    Met,

    /// <summary>It is not.</summary>
    NotMet,

    /// <summary>Nothing says.</summary>
    NotChecked,
}

/// <summary>What came of one objective.</summary>
/// <param name="State">Whether it is met.</param>
/// <param name="Hours">The objective.</param>
/// <param name="Seconds">What was measured; null where nothing was.</param>
/// <param name="Why">The same in a sentence.</param>
public sealed record MeasuredObjective(ObjectiveState State, int Hours, long? Seconds, string Why);

/// <summary>What came of a clinic's objectives.</summary>
/// <param name="RecoveryTime">RTO, by the last restore test.</param>
/// <param name="RecoveryPoint">RPO, by what the computers reported; the worst of them.</param>
public sealed record MeasuredObjectives(MeasuredObjective RecoveryTime, MeasuredObjective RecoveryPoint);

/// <summary>A computer by its name.</summary>
public sealed record NamedComputer(string Name, ComputerFacts Facts);

/// <summary>Measures a clinic's objectives. Pure: portal, command line, alerts and reports say what this says.</summary>
public static class ObjectiveRule
{
    /// <summary>Azure Storage: standard priority brings a blob back from the archive tier within 15 hours.</summary>
    private static readonly TimeSpan s_rehydration = TimeSpan.FromHours(15);

    private static readonly TimeSpan s_century = TimeSpan.FromDays(36_500);
    private const int MaxNamed = 5;

    /// <summary>Measures both.</summary>
    /// <param name="objectives">What the clinic wants.</param>
    /// <param name="lastTest">The last restore test that ended; null where there is none.</param>
    /// <param name="computers">The computers that are not revoked.</param>
    /// <param name="limits">From when on silence counts.</param>
    /// <param name="now">Now.</param>
    public static MeasuredObjectives For(RecoveryObjectives objectives, RestoreTestResponse? lastTest, IReadOnlyList<NamedComputer> computers, VerdictLimits limits, DateTimeOffset now) =>
        new(Time(objectives.RtoHours, lastTest, now), Point(objectives.RpoHours, computers, limits, now));

    /// <summary>
    /// How long bringing everything back takes, in seconds: the run's estimate, which has the wait for packs of the archive tier where the run brought any back; else that
    /// wait on top, where packs of the sample lay there untested. Null where nothing came back to measure it by.
    /// </summary>
    public static long? RecoverySeconds(long? fullRestoreSeconds, int notTested) => fullRestoreSeconds + (notTested > 0 ? (long)s_rehydration.TotalSeconds : 0);

    private static MeasuredObjective Time(int hours, RestoreTestResponse? test, DateTimeOffset now)
    {
        MeasuredObjective NotChecked(string why) => new(ObjectiveState.NotChecked, hours, null, $"Not checked: {why}");
        if (test is not { FinishedAt: { } finished, Summary: { } summary } || now - finished > VerdictLimits.RestoreTest)
        {
            return NotChecked($"no restore test has ended for {(int)VerdictLimits.RestoreTest.TotalHours} hours.");
        }

        if (test.Status == RestoreTestStatus.Failed)
        {
            return NotChecked("the last restore test failed, and its speed says nothing of what did not come back.");
        }

        if (RecoverySeconds(summary.FullRestoreSeconds, summary.NotTested) is not { } seconds)
        {
            return NotChecked("the last restore test brought nothing back.");
        }

        bool met = seconds <= hours * 3600L;
        string wait = summary.NotTested > 0 ? $", with {s_rehydration.TotalHours:0} hours for packs that were not tested because they may lie in the archive tier" : "";
        return new(
            met ? ObjectiveState.Met : ObjectiveState.NotMet,
            hours,
            seconds,
            $"Bringing everything back takes about {PlainTexts.Duration(TimeSpan.FromSeconds(seconds))} by the last restore test{wait}; it may take {PlainTexts.Count(hours, "hour")}.");
    }

    private static MeasuredObjective Point(int hours, IReadOnlyList<NamedComputer> computers, VerdictLimits limits, DateTimeOffset now)
    {
        if (computers.Count == 0)
        {
            return new(ObjectiveState.NotChecked, hours, null, "Not checked: no computer backs up for this clinic.");
        }

        (ObjectiveState State, TimeSpan? Age, string What)[] each = [.. computers.Select(computer => Point(computer, TimeSpan.FromHours(hours), limits, now))];
        long? oldest = each.Max(one => one.Age) is { } age ? (long)age.TotalSeconds : null;
        foreach (ObjectiveState state in (ObjectiveState[])[ObjectiveState.NotMet, ObjectiveState.NotChecked])
        {
            string[] named = [.. each.Where(one => one.State == state).Select(one => one.What)];
            if (named.Length > 0)
            {
                string more = named.Length > MaxNamed ? $"; and {PlainTexts.Count(named.Length - MaxNamed, "more computer")}" : "";
                string list = $"{string.Join("; ", named.Take(MaxNamed))}{more}. At most {PlainTexts.Count(hours, "hour")} of work may be lost.";
                return new(state, hours, oldest, state == ObjectiveState.NotMet ? list : $"Not checked: {list}");
            }
        }

        return new(ObjectiveState.Met, hours, oldest, $"Every computer's last complete backup is at most {PlainTexts.Duration(TimeSpan.FromSeconds(oldest!.Value))} old; it may be {PlainTexts.Count(hours, "hour")}.");
    }

    /// <summary>
    /// One computer. What it said itself counts at once; that it says nothing more (switched off over a weekend, when nobody makes images) only from when on silence counts:
    /// until then nobody knows. Ages are worked out by one clock each, the computer's before it reported and the service's since.
    /// </summary>
    private static (ObjectiveState State, TimeSpan? Age, string What) Point(NamedComputer computer, TimeSpan limit, VerdictLimits limits, DateTimeOffset now)
    {
        string name = computer.Name;
        TimeSpan since = now - computer.Facts.EnrolledAt;
        if (computer.Facts is not { Report: { } report, ReceivedAt: { } received })
        {
            return (since > limits.Silent ? ObjectiveState.NotMet : ObjectiveState.NotChecked, null, $"{name} has reported no backup yet");
        }

        if (report.Folders.Count == 0 || report.Folders.Any(folder => folder.LastCompleteAt is null))
        {
            return (since > limit ? ObjectiveState.NotMet : ObjectiveState.NotChecked, null, $"{name} has no complete backup yet");
        }

        if (report.Folders.Any(folder => folder.LastCompleteAt > report.At + VerdictLimits.ClockOff))
        {
            return (ObjectiveState.NotChecked, null, $"the clock of {name} is or was wrong, so that nobody knows how old its backup is");
        }

        TimeSpan said = report.Folders.Max(folder => report.At > folder.LastCompleteAt ? report.At - folder.LastCompleteAt.Value : TimeSpan.Zero);
        said = said < s_century ? said : s_century;
        TimeSpan quiet = now - received, age = said + quiet;
        return age <= limit ? (ObjectiveState.Met, age, name)
            : said > limit || quiet > limits.Silent ? (ObjectiveState.NotMet, age, $"the last complete backup of {name} is {PlainTexts.Duration(age)} old")
            : (ObjectiveState.NotChecked, age, $"{name} has said nothing for {PlainTexts.Duration(quiet)}, so that nobody knows whether there was anything to back up");
    }
}
