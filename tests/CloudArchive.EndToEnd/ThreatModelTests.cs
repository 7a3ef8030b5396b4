using System.Text.RegularExpressions;
using CloudArchive.Testing;

namespace CloudArchive.EndToEnd;

public sealed partial class ThreatModelTests
{
    [Fact]
    public async Task Every_test_that_the_threat_model_names_exists()
    {
        CancellationToken cancellationToken = TestContext.Current.CancellationToken;
        string page = await File.ReadAllTextAsync(Path.Combine(Repository.Root, "docs", "threat-model.md"), cancellationToken);
        string[] sources = Directory.GetFiles(Path.Combine(Repository.Root, "tests"), "*.cs", SearchOption.AllDirectories);
        Match[] named = [.. Named().Matches(page).Cast<Match>()];
        Assert.True(named.Length > 30);
        List<string> missing = [];
        foreach (Match name in named)
        {
            string type = name.Groups["type"].Value, method = name.Groups["method"].Value;
            bool found = false;
            foreach (string file in sources.Where(file => Path.GetFileNameWithoutExtension(file) == type))
            {
                string source = await File.ReadAllTextAsync(file, cancellationToken);
                found |= source.Contains($"class {type}", StringComparison.Ordinal) && source.Contains($" {method}(", StringComparison.Ordinal);
            }

            if (!found)
            {
                missing.Add(name.Value);
            }
        }

        Assert.Empty(missing);
    }

    [GeneratedRegex(@"`(?<type>\w+Tests)\.(?<method>\w+)`", RegexOptions.None, 1000)]
    private static partial Regex Named();
}
