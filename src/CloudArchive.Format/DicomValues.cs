using System.Globalization;

namespace CloudArchive.Format;

/// <summary>
/// Values of DICOM as the archive takes them (PS3.5 §6.2): one rule for agents and the service, or the service would refuse for ever what an agent
/// sends.
/// </summary>
public static class DicomValues
{
    /// <summary>No study is older, and nobody whose birth year leaves a clinic.</summary>
    public const int FirstYear = 1801;

    /// <summary>Retention counts a hundred years on, and no calendar here goes beyond 9999.</summary>
    public const int LastYear = 8999;

    /// <summary>A date (VR DA) written <c>yyyyMMdd</c>, or null.</summary>
    public static DateOnly? ParseDate(string? text) =>
        DateOnly.TryParseExact(text, "yyyyMMdd", CultureInfo.InvariantCulture, DateTimeStyles.None, out DateOnly day) ? day : null;

    /// <summary>Whether the archive counts with a year.</summary>
    public static bool IsYear(int year) => year is >= FirstYear and <= LastYear;

    /// <summary>A study's date as an agent tells it: null where there is none, or one that cannot be true, such as 99991231.</summary>
    public static string? StudyDate(string? text) => ParseDate(text) is { } day && IsYear(day.Year) ? text : null;

    /// <summary>A code string (VR CS): capitals, digits, space and underscore, 16 at most. The catalogue takes nothing else, so that no free text slips into it.</summary>
    public static bool IsCodeString(string? text) =>
        text is { Length: >= 1 and <= 16 } && text.All(c => char.IsAsciiLetterUpper(c) || char.IsAsciiDigit(c) || c is ' ' or '_');
}
