namespace CloudArchive.Cli.Terminal;

/// <summary>Numbers as people read them.</summary>
public static class Texts
{
    private static readonly string[] Units = ["bytes", "kB", "MB", "GB", "TB", "PB"];

    /// <summary>Bytes, in powers of a thousand, as file managers and providers count.</summary>
    public static string Size(long bytes)
    {
        if (bytes == 1) return "1 byte";
        double value = bytes;
        int unit = 0;
        while (value >= 999.5 && unit < Units.Length - 1)
        {
            value /= 1000;
            unit++;
        }

        return unit == 0 ? $"{bytes} bytes" : value < 9.95 ? $"{value:0.0} {Units[unit]}" : $"{value:0} {Units[unit]}";
    }

    /// <summary>Bytes a second.</summary>
    public static string Rate(double bytesPerSecond) => double.IsFinite(bytesPerSecond) ? $"{Size((long)bytesPerSecond)}/s" : "";

    /// <summary>A span, as coarse as it is long.</summary>
    public static string Duration(TimeSpan span) =>
        span.TotalSeconds < 1 ? "under 1 s"
        : span.TotalSeconds < 90 ? $"{span.TotalSeconds:0} s"
        : span.TotalMinutes < 90 ? $"{span.TotalMinutes:0} min"
        : span.TotalHours < 48 ? $"{span.TotalHours:0.#} h"
        : $"{span.TotalDays:0} days";

    /// <summary>A past time, as far as it is away.</summary>
    public static string Ago(DateTimeOffset time, DateTimeOffset now) => now - time < TimeSpan.FromSeconds(5) ? "just now" : $"{Duration(now - time)} ago";

    /// <summary>A number and its noun.</summary>
    public static string Count(long number, string one, string? many = null) => number == 1 ? $"1 {one}" : $"{number:N0} {many ?? one + "s"}";

    /// <summary>A path without characters that would move the cursor or colour the terminal.</summary>
    public static string Printable(string path) => path.Any(char.IsControl) ? string.Concat(path.Select(c => char.IsControl(c) ? '?' : c)) : path;
}
