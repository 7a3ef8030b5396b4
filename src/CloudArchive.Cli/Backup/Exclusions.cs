using System.Text;
using System.Text.RegularExpressions;

namespace CloudArchive.Cli.Backup;

/// <summary>
/// What is left out of a folder on purpose. Patterns are those of <c>.gitignore</c>: a name matches at any depth, with a <c>/</c> in it a pattern
/// is a path below the folder, <c>*</c> and <c>?</c> stop at a <c>/</c>, <c>**</c> does not, a <c>/</c> at the end means folders, <c>!</c> takes
/// back what an earlier one excluded; the last that matches counts. Case does not: a camera writes IMG.JPG. Immutable: a folder with a file
/// called <see cref="FileName"/> has rules of its own on top.
/// </summary>
public sealed class Exclusions
{
    /// <summary>A file with patterns, one a line, for the folder that it lies in and those below.</summary>
    public const string FileName = ".cloudarchiveignore";

    /// <summary>What the litter of operating systems, and this program's own, is told as.</summary>
    public const string LitterRule = "files of the system (Thumbs.db, desktop.ini, .DS_Store) and of CloudArchive";

    private const int MaxFileBytes = 1 << 20;
    private static readonly string[] s_litter = ["Thumbs.db", "desktop.ini", ".DS_Store"];
    private readonly IReadOnlyList<Rule> _rules;

    private Exclusions(IReadOnlyList<Rule> rules) => _rules = rules;

    /// <summary>The rules that a person told the agent.</summary>
    public static Exclusions Of(IEnumerable<string> patterns) => new([.. patterns.Select(pattern => Parse(pattern, "", pattern)).OfType<Rule>()]);

    /// <summary>Whether a pattern says anything; for who types one.</summary>
    public static bool IsPattern(string pattern) => Parse(pattern, "", pattern) is not null;

    /// <summary>With the rules of the file in a directory, where there is one. One that cannot be read excludes nothing.</summary>
    /// <param name="directory">The directory.</param>
    /// <param name="relative">As <see cref="RuleFor"/> takes paths; empty for the folder itself.</param>
    public Exclusions With(string directory, string relative)
    {
        try
        {
            FileInfo file = new(Path.Combine(directory, FileName));
            if (!file.Exists || file.Length is 0 or > MaxFileBytes)
            {
                return this;
            }

            string name = relative.Length == 0 ? FileName : $"{relative}/{FileName}";
            Rule[] more = [.. File.ReadLines(file.FullName).Where(line => !line.StartsWith('#')).Select(line => Parse(line, relative, $"{name}: {line.Trim()}")).OfType<Rule>()];
            return more.Length == 0 ? this : new Exclusions([.. _rules, .. more]);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return this;
        }
    }

    /// <summary>The rule that leaves something out; null: none does.</summary>
    /// <param name="relative">Its path below the folder, with '/' between names.</param>
    /// <param name="name">Its name.</param>
    /// <param name="isDirectory">Whether it is a directory.</param>
    public string? RuleFor(string relative, string name, bool isDirectory)
    {
        if (isDirectory ? name == Restores.TargetFolder.WorkName : IsLitter(name))
        {
            return LitterRule;
        }

        return Last(relative, name, isDirectory) is { TakesBack: false } rule ? rule.Source : null;
    }

    /// <summary>Whether a pattern names something: these rules, and nothing of the system's litter.</summary>
    public bool Names(string relative, string name, bool isDirectory) => Last(relative, name, isDirectory) is { TakesBack: false };

    private Rule? Last(string relative, string name, bool isDirectory)
    {
        for (int i = _rules.Count - 1; i >= 0; i--)
        {
            if (_rules[i].Matches(relative, name, isDirectory))
            {
                return _rules[i];
            }
        }

        return null;
    }

    private static bool IsLitter(string name) =>
        s_litter.Contains(name, StringComparer.OrdinalIgnoreCase) || (name.StartsWith(".cloudarchive-", StringComparison.Ordinal) && name.EndsWith(".part", StringComparison.Ordinal));

    private static Rule? Parse(string text, string below, string source)
    {
        string pattern = text.Trim().Replace('\\', '/');
        bool takesBack = pattern.StartsWith('!');
        pattern = takesBack ? pattern[1..] : pattern;
        bool isDirectory = pattern.EndsWith('/');
        pattern = pattern.TrimEnd('/');
        bool isPath = pattern.Contains('/', StringComparison.Ordinal);
        pattern = pattern.TrimStart('/');
        if (pattern.Length == 0)
        {
            return null;
        }

        try
        {
            // Linear in the length of a path, whatever the pattern.
            Regex regex = new($"^{ToRegex(pattern)}$", RegexOptions.NonBacktracking | RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.Singleline);
            return new Rule(regex, isPath, isDirectory, takesBack, below, source);
        }
        catch (ArgumentException)
        {
            return null; // a set like [z-a]: it excludes nothing
        }
    }

    private static string ToRegex(string pattern)
    {
        StringBuilder regex = new();
        for (int i = 0; i < pattern.Length; i++)
        {
            string rest = pattern[i..];
            if (rest.StartsWith("**/", StringComparison.Ordinal))
            {
                regex.Append("(?:.*/)?");
                i += 2;
            }
            else if (rest.StartsWith("**", StringComparison.Ordinal))
            {
                regex.Append(".*");
                i++;
            }
            else if (pattern[i] == '[' && i + 2 < pattern.Length && pattern.IndexOf(']', i + 2) is > 0 and var end)
            {
                string set = pattern[(i + 1)..end];
                bool not = set.StartsWith('!');
                set = (not ? set[1..] : set).Replace("[", "\\[", StringComparison.Ordinal).Replace("^", "\\^", StringComparison.Ordinal);
                regex.Append(not ? "[^/" : "[").Append(set).Append(']');
                i = end;
            }
            else
            {
                regex.Append(pattern[i] switch
                {
                    '*' => "[^/]*",
                    '?' => "[^/]",
                    char c => Regex.Escape(c.ToString()),
                });
            }
        }

        return regex.ToString();
    }

    private sealed record Rule(Regex Regex, bool IsPath, bool IsDirectory, bool TakesBack, string Below, string Source)
    {
        public bool Matches(string relative, string name, bool isDirectory)
        {
            if (IsDirectory && !isDirectory)
            {
                return false;
            }

            return IsPath
                ? Below.Length == 0 ? Regex.IsMatch(relative) : relative.Length > Below.Length && Regex.IsMatch(relative.AsSpan(Below.Length + 1))
                : Regex.IsMatch(name);
        }
    }
}
