using System.Globalization;
using CloudArchive.Core;

namespace CloudArchive.Reports.Binders;

/// <summary>The days (UTC) that a binder is of.</summary>
/// <param name="From">The first moment.</param>
/// <param name="To">The first moment after it.</param>
public sealed record BinderPeriod(DateTimeOffset From, DateTimeOffset To)
{
    /// <summary>A year: a binder is made within one answer.</summary>
    public const int MaxDays = 366;

    private const string Format = "yyyy-MM-dd";

    /// <summary>Reads two days as people write them. A field's name is first in what is wrong with it, as forms want it.</summary>
    public static BinderPeriod Parse(string? from, string? to)
    {
        BinderPeriod period = new(Day(from, nameof(from)), Day(to, nameof(to)));
        return period.To <= period.From ? throw new RefusedException(Refusal.RequestInvalid, "to: later than from; it is the first day that is not in the binder.")
            : period.To - period.From > TimeSpan.FromDays(MaxDays) ? throw new RefusedException(Refusal.RequestInvalid, $"to: at most {MaxDays} days after from. For more make several binders.")
            : period;
    }

    /// <summary>Every month, quarter and year of which there are figures: months that the period touches, quarters and years that lie within it.</summary>
    internal IEnumerable<ReportPeriod> Reports(DateTimeOffset since, DateTimeOffset now) =>
        Each(ReportPeriod.MonthOf).Concat(Each(ReportPeriod.QuarterOf).Where(IsWithin)).Concat(Each(ReportPeriod.YearOf).Where(IsWithin))
            .Where(report => report.From < now && report.To > since);

    /// <summary>Whether a moment is in it.</summary>
    internal bool Has(DateTimeOffset? at) => at >= From && at < To;

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{From.UtcDateTime:yyyy-MM-dd}-{To.UtcDateTime:yyyy-MM-dd}");

    /// <summary>Those that the days touch.</summary>
    private IEnumerable<ReportPeriod> Each(Func<DateTimeOffset, ReportPeriod> of)
    {
        for (ReportPeriod report = of(From); report.From < To; report = of(report.To))
        {
            yield return report;
        }
    }

    private bool IsWithin(ReportPeriod report) => report.From >= From && report.To <= To;

    private static DateTimeOffset Day(string? text, string name) =>
        DateTimeOffset.TryParseExact(text, Format, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out DateTimeOffset day) && day.Year is > 1 and < 9998
            ? day
            : throw new RefusedException(Refusal.RequestInvalid, $"{name}: a day such as 2026-01-31 (UTC).");
}
