namespace CloudArchive.Format;

/// <summary>Numbers as people read them: in terminals, pages, alerts and mail alike.</summary>
public static class PlainTexts
{
    private static readonly string[] s_units = ["bytes", "kB", "MB", "GB", "TB", "PB"];

    /// <summary>Bytes, in powers of a thousand, as file managers and providers count.</summary>
    public static string Size(long bytes)
    {
        if (bytes == 1)
        {
            return "1 byte";
        }

        double value = bytes;
        int unit = 0;
        while (value >= 999.5 && unit < s_units.Length - 1)
        {
            value /= 1000;
            unit++;
        }

        return unit == 0 ? $"{bytes} bytes" : value < 9.95 ? $"{value:0.0} {s_units[unit]}" : $"{value:0} {s_units[unit]}";
    }

    /// <summary>A span, as coarse as it is long.</summary>
    public static string Duration(TimeSpan span) =>
        span.TotalSeconds < 1 ? "under 1 s"
        : span.TotalSeconds < 90 ? $"{span.TotalSeconds:0} s"
        : span.TotalMinutes < 90 ? $"{span.TotalMinutes:0} min"
        : span.TotalHours < 48 ? $"{span.TotalHours:0.#} h"
        : $"{span.TotalDays:0} days";

    /// <summary>A number and its noun.</summary>
    public static string Count(long number, string one, string? many = null) => number == 1 ? $"1 {one}" : $"{number:N0} {many ?? one + "s"}";
}
