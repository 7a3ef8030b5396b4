using System.Globalization;
using System.Text.Json;
using CloudArchive.Format;

namespace CloudArchive.Api.Portal;

/// <summary>Values as people read them.</summary>
internal static class Show
{
    /// <summary>A number with its thousands apart.</summary>
    public static string Number(long value) => value.ToString("N0", CultureInfo.InvariantCulture);

    /// <summary>Bytes, in thousands.</summary>
    public static string Size(long bytes) => PlainTexts.Size(bytes);

    /// <summary>"1 study", "3 studies".</summary>
    public static string Count(long count, string one, string many) => $"{Number(count)} {(count == 1 ? one : many)}";

    /// <summary>A time, in UTC.</summary>
    public static string Time(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture) + " UTC";

    /// <summary>A day.</summary>
    public static string Day(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);

    /// <summary>A study date of the catalogue.</summary>
    public static string StudyDate(string? date) => date is { Length: 8 } ? $"{date[..4]}-{date[4..6]}-{date[6..]}" : "unknown";

    /// <summary>How long ago, or how long until.</summary>
    public static string Distance(DateTimeOffset at, DateTimeOffset now)
    {
        TimeSpan past = now - at;
        string length = Duration(past.Duration());
        return past.Duration() < TimeSpan.FromMinutes(1) ? "just now" : past > TimeSpan.Zero ? $"{length} ago" : $"in {length}";
    }

    /// <summary>How long after access was ended the last request was let in.</summary>
    public static string Effect(DateTimeOffset ended, DateTimeOffset? last) => last switch
    {
        null => "at once; no request was ever let in",
        { } at when at <= ended => $"at once; the last request was let in {Duration(ended - at)} before",
        { } at => $"{Duration(at - ended)} later; then the last request was let in",
    };

    /// <summary>A duration in its largest unit.</summary>
    public static string Duration(TimeSpan span) => span switch
    {
        { TotalDays: >= 2 } => Count((long)span.TotalDays, "day", "days"),
        { TotalHours: >= 2 } => Count((long)span.TotalHours, "hour", "hours"),
        { TotalMinutes: >= 1 } => Count((long)span.TotalMinutes, "minute", "minutes"),
        _ => Count((long)Math.Ceiling(span.TotalSeconds), "second", "seconds"),
    };

    /// <summary>A share that is given in millionths; never rounded up.</summary>
    public static string Share(long perMillion) => $"{(Math.Floor(perMillion / 1000.0) / 10).ToString("0.0", CultureInfo.InvariantCulture)}%";

    /// <summary>An enum's name as words: "hash mismatch".</summary>
    public static string Words<T>(T value)
        where T : struct, Enum => JsonNamingPolicy.KebabCaseLower.ConvertName(value.ToString()).Replace('-', ' ');
}
