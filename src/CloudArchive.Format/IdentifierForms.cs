namespace CloudArchive.Format;

/// <summary>When two spellings of a Patient ID or Accession Number are one, as a clinic chooses. Each takes in the one before.</summary>
public enum IdentifierMatch
{
    /// <summary>Only what is the same, but for padding.</summary>
    Exact,

    /// <summary>Case and spaces do not count.</summary>
    Spelling,

    /// <summary>Nor do zeros at the beginning: 0012 and 12 are one.</summary>
    Zeros,
}

/// <summary>
/// HMACs of an identifier that other spellings of it share, version 1 of how they are made (docs/formats.md). They stand beside the exact one, whatever the clinic
/// has chosen: the choice is made when somebody looks, so that changing it loses nothing that is archived.
/// </summary>
/// <param name="Spelling">Of <see cref="IdentifierMatch.Spelling"/>.</param>
/// <param name="Zeros">Of <see cref="IdentifierMatch.Zeros"/>.</param>
public sealed record IdentifierForms(Sha256Digest Spelling, Sha256Digest Zeros)
{
    private const int LongestPadded = 12;

    /// <summary>A clinic's choice, for people.</summary>
    public static string Describe(IdentifierMatch match) => match switch
    {
        IdentifierMatch.Spelling => "ab 12 and AB12 are one patient, 0012 and 12 are two",
        IdentifierMatch.Zeros => "ab 12 and AB12 are one patient, and so are 0012 and 12",
        _ => "IDs are one only where they are the same",
    };

    /// <summary>The text that spellings share; empty where nothing is left.</summary>
    internal static string Text(string identifier, IdentifierMatch match)
    {
        string spelled = new([.. identifier.Where(c => !char.IsWhiteSpace(c) && c != '\0')]);
        spelled = spelled.ToUpperInvariant();
        return match == IdentifierMatch.Zeros && spelled.Length > 0 ? spelled.TrimStart('0') is { Length: > 0 } rest ? rest : "0" : spelled;
    }

    /// <summary>
    /// Spellings that are likely to stand in what was archived before there were forms: as typed, in capitals, in small letters, without spaces; where zeros do not count,
    /// without them and, of numbers, with some.
    /// </summary>
    public static IReadOnlyList<string> LikelySpellings(string identifier, IdentifierMatch match)
    {
        List<string> likely = [identifier];
        if (match != IdentifierMatch.Exact)
        {
            string closed = string.Concat(identifier.Where(c => !char.IsWhiteSpace(c)));
            likely.AddRange([identifier.ToUpperInvariant(), identifier.ToLowerInvariant(), closed, closed.ToUpperInvariant(), closed.ToLowerInvariant()]);
        }

        if (match == IdentifierMatch.Zeros)
        {
            foreach (string spelling in likely.ToArray())
            {
                string bare = spelling.Trim().TrimStart('0') is { Length: > 0 } rest ? rest : "0";
                likely.Add(bare);
                if (bare.All(char.IsAsciiDigit))
                {
                    likely.AddRange(Enumerable.Range(bare.Length, Math.Max(0, LongestPadded - bare.Length) + 1).Select(length => bare.PadLeft(length, '0')));
                }
            }
        }

        return [.. likely.Distinct(StringComparer.Ordinal)];
    }
}
