using System.Reflection;
using System.Text.RegularExpressions;
using CloudArchive.Core.Audit;
using CloudArchive.Testing;

namespace CloudArchive.Core.Tests.Audit;

public sealed partial class AuditActionsTests
{
    private static readonly IReadOnlyDictionary<string, string> Actions =
        typeof(AuditActions).GetFields(BindingFlags.Public | BindingFlags.Static).ToDictionary(field => field.Name, field => (string)field.GetRawConstantValue()!);

    [Fact]
    public void Every_action_is_in_the_documentation_and_the_documentation_has_no_other()
    {
        string page = File.ReadAllText(Path.Combine(Repository.Root, "docs", "audit.md"));
        Assert.Equal(Actions.Values.Order(StringComparer.Ordinal), DocumentedAction().Matches(page).Select(match => match.Groups["action"].Value).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Every_action_is_logged_somewhere_and_nothing_else_is()
    {
        string src = Path.Combine(Repository.Root, "src");
        string[] sources = [.. Directory.EnumerateFiles(src, "*.cs", SearchOption.AllDirectories)
            .Where(file => !file.EndsWith("AuditActions.cs", StringComparison.Ordinal) && !file.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal))
            .Select(File.ReadAllText)];
        foreach (string name in Actions.Keys)
        {
            Assert.Contains(sources, source => source.Contains($"AuditActions.{name}", StringComparison.Ordinal));
        }

        // An action in plain text would be one that the documentation does not know; those that a format names are taken from there.
        string[] formats = [.. new[] { "Evidence/RunCommitment.cs", "Audit/CommitEntry.cs" }.Select(file => File.ReadAllText(Path.Combine(src, "CloudArchive.Format", file)))];
        Assert.All(sources.Where(source => !formats.Contains(source)), source => Assert.All(Actions.Values, action => Assert.DoesNotContain($"\"{action}\"", source, StringComparison.Ordinal)));
    }

    [Fact]
    public void Every_action_is_written_as_the_documentation_says() => Assert.All(Actions.Values, action => Assert.Matches("^[a-z0-9-]+/[a-z0-9-]+$", action));

    [GeneratedRegex(@"^\| `(?<action>[a-z0-9-]+/[a-z0-9-]+)` \|", RegexOptions.Multiline | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 5000)]
    private static partial Regex DocumentedAction();
}
