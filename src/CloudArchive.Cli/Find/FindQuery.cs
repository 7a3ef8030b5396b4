using System.Buffers;
using System.Globalization;
using System.Text;
using AnyAscii;

namespace CloudArchive.Cli.Find;

/// <summary>What a person looks for: words, each of which must stand somewhere, in any order, whatever the case and the accents.</summary>
public sealed class FindQuery
{
    private const string Separators = "-./";

    // A date is written in many ways; where two are meant by one (03/04/1980), both are looked for.
    private static readonly string[] s_dates =
    [
        "yyyy-M-d", "yyyy.M.d", "yyyy/M/d", "d.M.yyyy", "d-M-yyyy", "d/M/yyyy", "M/d/yyyy", "M-d-yyyy",
    ];

    private readonly byte[][][] _words;

    private FindQuery(byte[][][] words) => _words = words;

    /// <summary>Reads words as they were typed.</summary>
    /// <exception cref="UsageException">There is none.</exception>
    public static FindQuery Parse(IEnumerable<string> typed)
    {
        string[] words = [.. typed.SelectMany(text => text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries))
            .SelectMany(word => Fold(word).Split([' ', '^', '='], StringSplitOptions.RemoveEmptyEntries)).Distinct(StringComparer.Ordinal)];
        return words.Length > 0
            ? new FindQuery([.. words.Select(word => SpellingsOf(word).Select(Encoding.UTF8.GetBytes).ToArray())])
            : throw new UsageException("Find what? cloudarchive find lindqvist 1980-03-01");
    }

    /// <summary>
    /// Text as it is searched: small letters without accents, in Latin script where a script has letters ("Müller" is "muller", "Łuczak" is "luczak"); of
    /// Chinese, Japanese and the like each character stays, for many sound alike. The program runs without ICU: <see cref="string.Normalize()"/> does nothing here.
    /// </summary>
    public static string Fold(string text)
    {
        if (System.Text.Ascii.IsValid(text))
        {
            return text.ToLowerInvariant();
        }

        StringBuilder folded = new(text.Length);
        foreach (Rune rune in text.EnumerateRunes())
        {
            UnicodeCategory category = Rune.GetUnicodeCategory(rune);
            if (category is not (UnicodeCategory.NonSpacingMark or UnicodeCategory.EnclosingMark))
            {
                folded.Append(rune.IsAscii || category == UnicodeCategory.OtherLetter ? rune.ToString() : rune.ToString().Transliterate());
            }
        }

        return folded.ToString().ToLowerInvariant();
    }

    /// <summary>Whether all words stand in a text that was folded when it was indexed.</summary>
    public bool Fits(ReadOnlySpan<byte> folded)
    {
        foreach (byte[][] spellings in _words)
        {
            bool found = false;
            foreach (byte[] spelling in spellings)
            {
                if (folded.IndexOf(spelling) >= 0)
                {
                    found = true;
                    break;
                }
            }

            if (!found)
            {
                return false;
            }
        }

        return true;
    }

    private static HashSet<string> SpellingsOf(string word)
    {
        HashSet<string> spellings = [word];
        if (word.AsSpan().ContainsAny(Separators) && char.IsAsciiDigit(word[0]) && word.All(c => char.IsAsciiDigit(c) || Separators.Contains(c, StringComparison.Ordinal)))
        {
            foreach (string form in s_dates)
            {
                if (DateOnly.TryParseExact(word, form, CultureInfo.InvariantCulture, DateTimeStyles.None, out DateOnly day))
                {
                    spellings.Add(day.ToString("yyyyMMdd", CultureInfo.InvariantCulture));
                }
            }

            if (DateOnly.TryParseExact(word + "-01", "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out DateOnly month))
            {
                spellings.Add(month.ToString("yyyyMM", CultureInfo.InvariantCulture));
            }
        }

        return spellings;
    }
}
