using CloudArchive.Format;

namespace CloudArchive.Reports;

/// <summary>How much of a span is known.</summary>
internal enum SpanState
{
    /// <summary>It is over: its figures change no more.</summary>
    Final,

    /// <summary>It goes on.</summary>
    SoFar,

    /// <summary>It has not begun, or was over before the clinic was there: no figures, which is not the same as zero.</summary>
    None,
}

/// <summary>A month of a roll-up, or all of it.</summary>
/// <param name="Period">Which.</param>
/// <param name="State">How much of it is known.</param>
/// <param name="Until">The first moment that is not counted.</param>
/// <param name="Figures">Null of <see cref="SpanState.None"/>.</param>
internal sealed record RollUpSpan(ReportPeriod Period, SpanState State, DateTimeOffset Until, RollUpFigures? Figures);

/// <summary>The part of the clinic's log that the period is: entries by number, and the RFC 6962 root of the log up to the last of them.</summary>
internal sealed record LogSection(long First, long Last, Sha256Digest Root);

/// <summary>A clinic's month, quarter or year in figures, with its months.</summary>
/// <param name="Clinic">The clinic.</param>
/// <param name="Whole">All of it, worked out over all of it: not added up from the months.</param>
/// <param name="Months">Its months; of a month the month itself.</param>
/// <param name="Runs">The runs that ended in it.</param>
/// <param name="Section">Its part of the log; null where it has no entry.</param>
internal sealed record RollUp(RollUpClinic Clinic, RollUpSpan Whole, IReadOnlyList<RollUpSpan> Months, IReadOnlyList<EndedRun> Runs, LogSection? Section)
{
    /// <summary>The period.</summary>
    public ReportPeriod Period => Whole.Period;

    /// <summary>Works a roll-up out of what was recorded, as far as it was known at a time.</summary>
    public static RollUp Of(RollUpFacts facts, ReportPeriod period, DateTimeOffset asOf, LogSection? section = null) => new(
        facts.Clinic, SpanOf(facts, period, asOf), [.. period.Months.Select(month => SpanOf(facts, month, asOf))], [.. facts.Runs.Where(run => run.EndedAt >= period.From && run.EndedAt < period.To)], section);

    private static RollUpSpan SpanOf(RollUpFacts facts, ReportPeriod period, DateTimeOffset asOf)
    {
        SpanState state = period.From >= asOf || period.To <= facts.Clinic.CreatedAt ? SpanState.None : period.To <= asOf ? SpanState.Final : SpanState.SoFar;
        DateTimeOffset until = state == SpanState.SoFar ? asOf : period.To;
        return new(period, state, until, state == SpanState.None ? null : RollUpFigures.Of(facts, period.From, until));
    }
}
