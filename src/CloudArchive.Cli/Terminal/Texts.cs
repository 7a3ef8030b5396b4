using CloudArchive.Format;

namespace CloudArchive.Cli.Terminal;

/// <summary>Numbers as people read them.</summary>
public static class Texts
{
    /// <inheritdoc cref="PlainTexts.Size"/>
    public static string Size(long bytes) => PlainTexts.Size(bytes);

    /// <summary>Bytes a second.</summary>
    public static string Rate(double bytesPerSecond) => double.IsFinite(bytesPerSecond) ? $"{Size((long)bytesPerSecond)}/s" : "";

    /// <inheritdoc cref="PlainTexts.Duration"/>
    public static string Duration(TimeSpan span) => PlainTexts.Duration(span);

    /// <summary>A past time, as far as it is away.</summary>
    public static string Ago(DateTimeOffset time, DateTimeOffset now) => now - time < TimeSpan.FromSeconds(5) ? "just now" : $"{Duration(now - time)} ago";

    /// <inheritdoc cref="PlainTexts.Count"/>
    public static string Count(long number, string one, string? many = null) => PlainTexts.Count(number, one, many);

    /// <summary>A path without characters that would move the cursor or colour the terminal.</summary>
    public static string Printable(string path) => path.Any(char.IsControl) ? string.Concat(path.Select(c => char.IsControl(c) ? '?' : c)) : path;
}
