using System.Globalization;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Disclosures;
using CloudArchive.Format.Evidence;
using CloudArchive.Format.Verdicts;

namespace CloudArchive.Reports;

/// <summary>Restore tests that ended. <see cref="RollUpMetrics"/> says what each figure of a roll-up means.</summary>
internal sealed record RestoreTestFigures(
    int Passed,
    int Failed,
    int NothingTested,
    int Untrusted,
    int Unmatched,
    int Missed,
    int PacksTested,
    int PacksRecovered,
    int PacksNotTested,
    RunMeasures? Last,
    long? RecoverySeconds,
    long? LongestRecoverySeconds,
    long? RecoveryPointSeconds,
    long? LongestRecoveryPointSeconds)
{
    public int Ended => Passed + Failed + NothingTested;

    /// <summary>Null where nothing was tested: nothing is not 100%.</summary>
    public int? SuccessPerMillion => Share(PacksRecovered, PacksTested);

    /// <summary>Null where no run says.</summary>
    public int? CoveragePerMillion => Last is null ? null : Share(Last.Covered, Last.Packs);

    /// <summary>Rounded down: a promise is never rounded up.</summary>
    private static int? Share(int part, int whole) => whole == 0 ? null : (int)(part * 1_000_000L / whole);

    public static RestoreTestFigures Of(RollUpFacts facts, Func<DateTimeOffset, bool> isIn)
    {
        EndedRun[] runs = [.. facts.Runs.Where(run => isIn(run.EndedAt))];
        RunMeasures[] measures = [.. runs.Select(run => run.Measures).OfType<RunMeasures>()];
        int Count(RunVerdict verdict) => runs.Count(run => run.Verdict == verdict);
        return new(
            Count(RunVerdict.Passed),
            Count(RunVerdict.Failed),
            Count(RunVerdict.NothingTested),
            runs.Count(run => !run.Trusted),
            runs.Count(run => run.Measures is null),
            RollUpFigures.Alerts(facts, "schedule-missed", isIn),
            runs.Sum(run => run.Recovered + run.Failed),
            runs.Where(run => run.Trusted).Sum(run => run.Recovered),
            runs.Sum(run => run.NotTested),
            measures.LastOrDefault(),
            measures.LastOrDefault(measure => measure.RecoverySeconds is not null)?.RecoverySeconds,
            measures.Max(measure => measure.RecoverySeconds),
            measures.LastOrDefault(measure => measure.NewestPackSeconds is not null)?.NewestPackSeconds,
            measures.Max(measure => measure.NewestPackSeconds));
    }
}

/// <summary>Accesses that were ended, and how soon that held.</summary>
internal sealed record AccessFigures(int People, int Agents, int LetInAfter, long? LongestSeconds, int Reviews)
{
    public int Ended => People + Agents;

    public static AccessFigures Of(RollUpFacts facts, Func<DateTimeOffset, bool> isIn)
    {
        AccessEnding[] endings = [.. facts.Endings.Where(ending => isIn(ending.At))];
        return new(
            endings.Count(ending => !ending.OfAgent),
            endings.Count(ending => ending.OfAgent),
            endings.Count(ending => ending.LastLetIn is not null),
            endings.Length == 0 ? null : endings.Max(ending => ending.LastLetIn is { } last ? (long)Math.Ceiling((last - ending.At).TotalSeconds) : 0),
            RollUpFigures.Count(facts, AuditActions.AccessReviewed, isIn));
    }
}

/// <summary>Days without a word of the clinic's agents.</summary>
internal sealed record SilenceFigures(int Alerts, int DaysWatched, int DaysUnheard, int LongestUnheard)
{
    public static SilenceFigures Of(RollUpFacts facts, DateTimeOffset from, DateTimeOffset until, Func<DateTimeOffset, bool> isIn)
    {
        int watched = 0, unheard = 0, row = 0, longest = 0;
        for (DateTimeOffset day = from; day.AddDays(1) <= until; day = day.AddDays(1))
        {
            DateTimeOffset end = day.AddDays(1);
            DateOnly date = DateOnly.FromDateTime(day.UtcDateTime);
            bool heard = facts.Log.HeardOn.Contains(date) || facts.Agents.Any(agent => agent.From >= day && agent.From < end);
            bool could = facts.Agents.Any(agent => agent.From < end && !(agent.Until < end));
            watched += could ? 1 : 0;
            unheard += could && !heard ? 1 : 0;
            row = could && !heard ? row + 1 : 0;
            longest = Math.Max(longest, row);
        }

        return new(RollUpFigures.Alerts(facts, "clinic-silent", isIn), watched, unheard, longest);
    }
}

/// <summary>Days on which not everything was safe.</summary>
internal sealed record VerdictFigures(int DaysNotSafe, int DaysUnknown)
{
    public static VerdictFigures Of(RollUpFacts facts, DateTimeOffset from, DateTimeOffset until)
    {
        int bad = 0, unknown = 0;
        for (DateTimeOffset day = from; day.AddDays(1) <= until; day = day.AddDays(1))
        {
            DateTimeOffset end = day.AddDays(1);
            bool?[] said = [.. facts.Verdicts.Where(span => span.From < end && !(span.Until <= day) && span.From != span.Until).Select(span => span.Safe)];
            bad += said.Contains(false) ? 1 : 0;
            unknown += !said.Contains(false) && said.Contains(null) ? 1 : 0;
        }

        return new(bad, unknown);
    }
}

/// <summary>Days on which an objective was missed at any time; and of the others, those on which nothing said at any time whether it was met.</summary>
internal sealed record ObjectiveFigures(int Days, int TimeNotMet, int TimeNotChecked, int PointNotMet, int PointNotChecked)
{
    /// <summary>Of days that are over, from the clinic's first on. What nobody measured yet was not checked.</summary>
    public static ObjectiveFigures Of(RollUpFacts facts, DateTimeOffset from, DateTimeOffset until)
    {
        int days = 0, timeNotMet = 0, timeNotChecked = 0, pointNotMet = 0, pointNotChecked = 0;
        for (DateTimeOffset day = from; day.AddDays(1) <= until; day = day.AddDays(1))
        {
            if (day.AddDays(1) <= facts.Clinic.CreatedAt)
            {
                continue;
            }

            days++;
            ObjectiveState[] time = On(facts.Log.Objectives, day, entry => entry.Time, entry => entry.TimeBefore);
            ObjectiveState[] point = On(facts.Log.Objectives, day, entry => entry.Point, entry => entry.PointBefore);
            timeNotMet += time.Contains(ObjectiveState.NotMet) ? 1 : 0;
            timeNotChecked += !time.Contains(ObjectiveState.NotMet) && time.Contains(ObjectiveState.NotChecked) ? 1 : 0;
            pointNotMet += point.Contains(ObjectiveState.NotMet) ? 1 : 0;
            pointNotChecked += !point.Contains(ObjectiveState.NotMet) && point.Contains(ObjectiveState.NotChecked) ? 1 : 0;
        }

        return new(days, timeNotMet, timeNotChecked, pointNotMet, pointNotChecked);
    }

    /// <summary>What was so at any time of a day: until its first entry, and from each on. There is one every day on which anybody looked.</summary>
    private static ObjectiveState[] On(IReadOnlyList<ObjectiveEntry> entries, DateTimeOffset day, Func<ObjectiveEntry, ObjectiveState> now, Func<ObjectiveEntry, ObjectiveState> before)
    {
        ObjectiveEntry[] said = [.. entries.Where(entry => entry.At >= day && entry.At < day.AddDays(1))];
        return said.Length == 0 ? [ObjectiveState.NotChecked] : [before(said[0]), .. said.Select(now)];
    }
}

/// <summary>Legal holds.</summary>
internal sealed record HoldFigures(int Set, int Cleared, int On)
{
    public static HoldFigures Of(RollUpFacts facts, DateTimeOffset until, Func<DateTimeOffset, bool> isIn) => new(
        RollUpFigures.Count(facts, AuditActions.HoldSet, isIn),
        RollUpFigures.Count(facts, AuditActions.HoldCleared, isIn),
        facts.Holds.Count(hold => hold.From < until && !(hold.Until < until)));
}

/// <summary>Destructions of studies whose time was over.</summary>
internal sealed record DestructionFigures(int Requested, int Approved, int Rejected, int Studies, long Packs, long Instances, long Bytes)
{
    public static DestructionFigures Of(RollUpFacts facts, Func<DateTimeOffset, bool> isIn)
    {
        CountedEntry[] destroyed = [.. facts.Log.Counted.Where(entry => entry.Action == AuditActions.StudyDestroyed && isIn(entry.At))];
        long Sum(string name) => destroyed.Sum(entry => long.TryParse(entry.Details.GetValueOrDefault(name), NumberStyles.None, CultureInfo.InvariantCulture, out long number) ? number : 0);
        return new(
            RollUpFigures.Count(facts, AuditActions.DestructionRequested, isIn),
            RollUpFigures.Count(facts, AuditActions.DestructionApproved, isIn),
            RollUpFigures.Count(facts, AuditActions.DestructionRejected, isIn),
            destroyed.Length,
            Sum("packs"),
            Sum("instances"),
            Sum("bytes"));
    }
}

/// <summary>What restores handed out, in numbers alone.</summary>
internal sealed record DisclosureFigures(int Restores, int Packs, long Instances)
{
    public static DisclosureFigures Of(RollUpFacts facts, Func<DateTimeOffset, bool> isIn)
    {
        HandedOut[] packs = [.. facts.HandedOut.Where(pack => isIn(pack.At))];
        return new(facts.HandedOut.GroupBy(pack => pack.Restore).Count(restore => isIn(restore.Min(pack => pack.At))), packs.Length, packs.Sum(pack => (long)pack.Instances));
    }
}

/// <summary>The figures of a span of time: a pure function of what was recorded.</summary>
internal sealed record RollUpFigures(RestoreTestFigures Tests, AccessFigures Access, SilenceFigures Silence, VerdictFigures Verdicts, HoldFigures Holds, DestructionFigures Destructions, DisclosureFigures Disclosures, int RowsUnreadable, ObjectiveFigures Objectives)
{
    /// <summary>Works them out.</summary>
    /// <param name="facts">What was recorded.</param>
    /// <param name="from">The span's first moment.</param>
    /// <param name="until">The first moment after it, or after what is known of it yet.</param>
    public static RollUpFigures Of(RollUpFacts facts, DateTimeOffset from, DateTimeOffset until)
    {
        bool IsIn(DateTimeOffset at) => at >= from && at < until;
        return new(
            RestoreTestFigures.Of(facts, IsIn),
            AccessFigures.Of(facts, IsIn),
            SilenceFigures.Of(facts, from, until, IsIn),
            VerdictFigures.Of(facts, from, until),
            HoldFigures.Of(facts, until, IsIn),
            DestructionFigures.Of(facts, IsIn),
            DisclosureFigures.Of(facts, IsIn),
            facts.Unreadable,
            ObjectiveFigures.Of(facts, from, until));
    }

    internal static int Count(RollUpFacts facts, string action, Func<DateTimeOffset, bool> isIn) => facts.Log.Counted.Count(entry => entry.Action == action && isIn(entry.At));

    internal static int Alerts(RollUpFacts facts, string cause, Func<DateTimeOffset, bool> isIn) =>
        facts.Log.Counted.Count(entry => entry.Action == AuditActions.AlertRaised && isIn(entry.At) && entry.Details.GetValueOrDefault("cause") == cause);
}
