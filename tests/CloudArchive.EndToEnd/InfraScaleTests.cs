using CloudArchive.Testing;

namespace CloudArchive.EndToEnd;

/// <summary>docs/scale.md shows what scripts/scale.cs computes.</summary>
public sealed class InfraScaleTests
{
    [Fact]
    public async Task The_page_shows_what_the_program_prints()
    {
        string page = File.ReadAllText(Path.Combine(Repository.Root, "docs", "scale.md")).ReplaceLineEndings("\n");
        const string begin = "<!-- scripts/scale.cs -->\n", end = "<!-- /scripts/scale.cs -->";
        string shown = page[(page.IndexOf(begin, StringComparison.Ordinal) + begin.Length)..page.IndexOf(end, StringComparison.Ordinal)].Trim();
        (int code, string printed) = await RepositoryScript.RunAsync("scale.cs");
        Assert.True(code == 0, printed);
        Assert.Equal(shown, printed.Trim());
    }

    [Fact]
    public async Task An_input_that_there_is_not_is_refused()
    {
        (int code, string printed) = await RepositoryScript.RunAsync("scale.cs", "clinic=5");
        Assert.Equal(1, code);
        Assert.Contains("'clinic=5' is no input", printed);
    }

    [Fact]
    public async Task Twice_the_archive_takes_twice_as_long_to_unwrap()
    {
        (_, string once) = await RepositoryScript.RunAsync("scale.cs");
        (_, string twice) = await RepositoryScript.RunAsync("scale.cs", "archive-tb=2000");
        Assert.Contains("| unwrapping every pack's key, 1 vault | 83 h |", once);
        Assert.Contains("| unwrapping every pack's key, 1 vault | 166 h |", twice);
    }
}
