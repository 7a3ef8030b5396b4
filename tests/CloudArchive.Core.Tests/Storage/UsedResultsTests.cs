using System.Text.RegularExpressions;
using CloudArchive.Testing;

namespace CloudArchive.Core.Tests.Storage;

/// <summary>
/// A method that says whether it could is not called for nothing: a destruction was stuck for ever because one answer was thrown away. Whoever means to
/// writes <c>_ =</c>, and why.
/// </summary>
public sealed partial class UsedResultsTests
{
    [Fact]
    public void What_says_whether_it_could_is_asked()
    {
        string[] files = [.. Directory.EnumerateFiles(Path.Combine(Repository.Root, "src"), "*.cs", SearchOption.AllDirectories)
            .Where(file => !file.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal))];
        Dictionary<string, string> texts = files.ToDictionary(file => file, file => Comment().Replace(File.ReadAllText(file), ""), StringComparer.Ordinal);

        // By name, for those that are called from elsewhere; a private method of the same name that answers nothing is its own file's.
        HashSet<string> answering = [.. texts.Values.SelectMany(text => Answering().Matches(text)).Select(match => match.Groups["name"].Value)];
        Assert.Contains("TryDeleteAsync", answering);
        Assert.Contains("ReplaceAsync", answering);
        List<string> thrownAway = [];
        foreach ((string file, string text) in texts)
        {
            HashSet<string> silent = [.. Silent().Matches(text).Select(match => match.Groups["name"].Value)];
            thrownAway.AddRange(Statements().Matches(text)
                .Where(match => answering.Contains(match.Groups["name"].Value) && !silent.Contains(match.Groups["name"].Value))
                .Select(match => $"{Path.GetFileName(file)}: {match.Value.Trim()}"));
        }

        Assert.Empty(thrownAway);
    }

    [GeneratedRegex(@"//[^\n]*", RegexOptions.None, matchTimeoutMilliseconds: 5000)]
    private static partial Regex Comment();

    [GeneratedRegex(@"Task<[^;=\n]+> (?<name>(Try|Replace|Withdraw)\w*Async)(<\w+>)?\(", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 5000)]
    private static partial Regex Answering();

    [GeneratedRegex(@"(async |private |static )Task (?<name>(Try|Replace|Withdraw)\w*Async)\(", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 5000)]
    private static partial Regex Silent();

    [GeneratedRegex(@"(?<=[;{}]\s*)await ([\w.]+\.)?(?<name>(Try|Replace|Withdraw)\w*Async)\(", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 5000)]
    private static partial Regex Statements();
}
