using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace CloudArchive.Reports;

/// <summary>What a roll-up is of: a month (<c>2026-11</c>), a quarter (<c>2026-Q4</c>) or a year (<c>2026</c>), in UTC.</summary>
public sealed record ReportPeriod : IParsable<ReportPeriod>
{
    /// <summary>The shapes that <see cref="Parse"/> takes, for people.</summary>
    public const string Shapes = "a month as 2026-11, a quarter as 2026-Q4 or a year as 2026";

    /// <summary>The same shapes as a regular expression.</summary>
    public const string Pattern = "^[0-9]{4}(-(0[1-9]|1[0-2]|Q[1-4]))?$";

    private const int MonthsAQuarter = 3;
    private const int MonthsAYear = 12;
    private readonly int _months;

    private ReportPeriod(int year, int month, int months) => (From, _months) = (new DateTimeOffset(year, month, 1, 0, 0, 0, TimeSpan.Zero), months);

    /// <summary>Its first moment.</summary>
    public DateTimeOffset From { get; }

    /// <summary>The first moment after it.</summary>
    public DateTimeOffset To => From.AddMonths(_months);

    /// <summary>Whether it is a month, and has no smaller part.</summary>
    public bool IsMonth => _months == 1;

    /// <summary>Its months; a month is its own.</summary>
    public IReadOnlyList<ReportPeriod> Months => [.. Enumerable.Range(0, _months).Select(i => MonthOf(From.AddMonths(i)))];

    /// <summary>As people say it.</summary>
    public string Name => _months switch
    {
        1 => From.ToString("MMMM yyyy", CultureInfo.InvariantCulture),
        MonthsAQuarter => $"{From.ToString("MMMM", CultureInfo.InvariantCulture)} to {To.AddDays(-1).ToString("MMMM yyyy", CultureInfo.InvariantCulture)}",
        _ => From.ToString("yyyy", CultureInfo.InvariantCulture),
    };

    /// <summary>The month that a time is in.</summary>
    public static ReportPeriod MonthOf(DateTimeOffset time) => new(time.UtcDateTime.Year, time.UtcDateTime.Month, 1);

    /// <summary>The quarter that a time is in.</summary>
    public static ReportPeriod QuarterOf(DateTimeOffset time) => new(time.UtcDateTime.Year, ((time.UtcDateTime.Month - 1) / MonthsAQuarter * MonthsAQuarter) + 1, MonthsAQuarter);

    /// <summary>The year that a time is in.</summary>
    public static ReportPeriod YearOf(DateTimeOffset time) => new(time.UtcDateTime.Year, 1, MonthsAYear);

    /// <inheritdoc/>
    public static ReportPeriod Parse(string s, IFormatProvider? provider = null) => TryParse(s, provider, out ReportPeriod? period) ? period : throw new FormatException($"A period is {Shapes}.");

    /// <inheritdoc/>
    public static bool TryParse([NotNullWhen(true)] string? s, IFormatProvider? provider, [MaybeNullWhen(false)] out ReportPeriod result)
    {
        result = null;
        if (s is not { Length: 4 or 7 } || !s[..4].All(char.IsAsciiDigit) || !int.TryParse(s[..4], CultureInfo.InvariantCulture, out int year) || year is 0 or 9999)
        {
            return false;
        }

        result = s[4..] switch
        {
            "" => new(year, 1, MonthsAYear),
            ['-', 'Q', >= '1' and <= '4' and var quarter] => new(year, ((quarter - '1') * MonthsAQuarter) + 1, MonthsAQuarter),
            ['-', >= '0' and <= '1' and var tens, >= '0' and <= '9' and var ones] when ((tens - '0') * 10) + ones - '0' is >= 1 and <= MonthsAYear and var month => new(year, month, 1),
            _ => null,
        };
        return result is not null;
    }

    /// <inheritdoc/>
    public override string ToString() => _months switch
    {
        1 => From.ToString("yyyy-MM", CultureInfo.InvariantCulture),
        MonthsAQuarter => $"{From.ToString("yyyy", CultureInfo.InvariantCulture)}-Q{((From.Month - 1) / MonthsAQuarter) + 1}",
        _ => From.ToString("yyyy", CultureInfo.InvariantCulture),
    };
}
