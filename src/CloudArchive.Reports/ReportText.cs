using System.Globalization;
using CloudArchive.Format;

namespace CloudArchive.Reports;

/// <summary>Numbers and times as people read them. Shares are rounded against the archive: a promise is never rounded up.</summary>
internal static class ReportText
{
    /// <summary>A clinic's name; its slug where the fonts do not have all of the name's characters.</summary>
    public static string Name(string name, ClinicId clinic) =>
        ReportStyle.Bold(1).CanDraw(name) ? name : $"{clinic} (its name has characters that this report's fonts lack)";

    public static string Date(DateTimeOffset at) => at.UtcDateTime.ToString("d MMM yyyy", CultureInfo.InvariantCulture);

    public static string Time(DateTimeOffset at) => at.UtcDateTime.ToString("d MMM yyyy HH:mm:ss 'UTC'", CultureInfo.InvariantCulture);

    public static string Count(long number) => number.ToString("N0", CultureInfo.InvariantCulture);

    public static string Count(long number, string one, string many) => $"{Count(number)} {(number == 1 ? one : many)}";

    public static string Bytes(long bytes) => bytes switch
    {
        < 1000 => $"{bytes} B",
        < 1_000_000 => Scaled(bytes, 1_000, "kB"),
        < 1_000_000_000 => Scaled(bytes, 1_000_000, "MB"),
        < 1_000_000_000_000 => Scaled(bytes, 1_000_000_000, "GB"),
        _ => Scaled(bytes, 1_000_000_000_000, "TB"),
    };

    /// <summary>A share in millionths, rounded down to a tenth of a percent.</summary>
    public static string Percent(int perMillion) => perMillion == 1_000_000 ? "100%" : string.Create(CultureInfo.InvariantCulture, $"{perMillion / 1000 / 10.0:0.0}%");

    public static string Share(int part, int whole) => whole == 0 ? "–" : Percent((int)(part * 1_000_000L / whole));

    /// <summary>A duration in its two largest units.</summary>
    public static string Duration(TimeSpan span) => span switch
    {
        { TotalSeconds: < 1 } => $"{Math.Max(0, (int)span.TotalMilliseconds)} ms",
        { TotalMinutes: < 1 } => string.Create(CultureInfo.InvariantCulture, $"{span.TotalSeconds:0.0} s"),
        { TotalHours: < 1 } => $"{span.Minutes} min {span.Seconds} s",
        { TotalDays: < 1 } => $"{span.Hours} h {span.Minutes} min",
        _ => $"{Count((long)span.TotalDays, "day", "days")} {span.Hours} h",
    };

    /// <summary>The unit of an axis that reaches up to so many seconds: small enough that no two of its labels are the same.</summary>
    public static (double Seconds, string Name) UnitOf(long? seconds) => seconds switch { > 7200 => (3600, "h"), > 120 => (60, "min"), _ => (1, "s") };

    public static string Days(TimeSpan span) => span.TotalDays < 1 ? "less than a day" : Count((long)span.TotalDays, "day", "days");

    private static string Scaled(long bytes, double unit, string name) =>
        string.Create(CultureInfo.InvariantCulture, $"{bytes / unit:0.0} {name}");
}
