using System.Globalization;

namespace CloudArchive.Core.Retention;

/// <summary>Until when a study is kept. Only ever extended: storage refuses to shorten, and <c>LockAsync</c> leaves a later date.</summary>
public static class RetentionPolicy
{
    /// <summary>A study date further ahead than this is a clock that was wrong, and counts as today.</summary>
    public static readonly TimeSpan MostAhead = TimeSpan.FromDays(31);

    /// <summary>
    /// <paramref name="years"/> after the later of the study's date (end of that day) and now, rounded up to a whole second, which is as
    /// fine as storage keeps it.
    /// </summary>
    public static DateTimeOffset Until(string? studyDate, DateTimeOffset now, int years)
    {
        DateTimeOffset from = now;
        if (DateOnly.TryParseExact(studyDate, "yyyyMMdd", CultureInfo.InvariantCulture, DateTimeStyles.None, out DateOnly date)
            && date < DateOnly.MaxValue
            && new DateTimeOffset(date.AddDays(1), TimeOnly.MinValue, TimeSpan.Zero) is var end
            && end > now
            && end <= now + MostAhead)
        {
            from = end;
        }

        DateTimeOffset until = from.ToUniversalTime().AddYears(years);
        long rest = until.Ticks % TimeSpan.TicksPerSecond;
        return rest == 0 ? until : until.AddTicks(TimeSpan.TicksPerSecond - rest);
    }
}
