using CloudArchive.Benchmarks.Tools;
using CloudArchive.Testing;

namespace CloudArchive.EndToEnd;

/// <summary>The table of scripts/bench.cs: what it computes of what was measured, and where in docs/benchmarks.md it goes.</summary>
public sealed class ComparisonTableTests
{
    private static readonly string[] s_tools = ["raw", "ours", "restic", "rclone crypt"];

    [Fact]
    public void Ratios_are_of_medians_of_the_same_run()
    {
        string table = Write(new()
        {
            ["raw"] = [Round(4, 100, 8), Round(2, 100, 2), Round(90, 100, 4)],
            ["ours"] = [Round(8, 30, 2), Round(1, 30, 2), Round(2, 33, 2)],
            ["restic"] = [Round(5, 50, 1), Round(6, 50, 3)],
        });
        Assert.Contains("| ct | 0.50x | 1.38x | - | 0.60 | 0.50x | 0.50x | - |", table, StringComparison.Ordinal);
        Assert.Contains("| first backup | 4.0 s | 2.0 s (0.50x) | 5.5 s (1.38x) | - |", table, StringComparison.Ordinal);
        Assert.Contains("| rounds | 3 | 3 | 2 | - |", table, StringComparison.Ordinal);
    }

    [Fact]
    public void Without_restic_there_is_no_ratio_to_it_and_the_reason_is_told()
    {
        string table = Write(new() { ["raw"] = [Round(4, 100, 8)], ["ours"] = [Round(8, 30, 2)] }, ["ct, round 1, rclone crypt: it ended with 1"]);
        Assert.Contains("| ct | 2.00x | - | - | - | 0.25x | - | - |", table, StringComparison.Ordinal);
        Assert.Contains("- restic: skipped, it is not installed", table, StringComparison.Ordinal);
        Assert.Contains("- **Failed**: ct, round 1, rclone crypt: it ended with 1", table, StringComparison.Ordinal);
    }

    [Fact]
    public void A_rerun_replaces_what_stands_between_the_markers_and_nothing_else()
    {
        string document = $"# Before\n\n{ComparisonTable.Begin}\nold\n{ComparisonTable.End}\n\nafter\n";
        string once = ComparisonTable.Replace(document, "new\n");
        Assert.Equal($"# Before\n\n{ComparisonTable.Begin}\n\nnew\n\n{ComparisonTable.End}\n\nafter\n", once);
        Assert.Equal(once, ComparisonTable.Replace(once, "new"));
    }

    [Theory]
    [InlineData("nothing")]
    [InlineData(ComparisonTable.Begin)]
    [InlineData(ComparisonTable.End + ComparisonTable.Begin)]
    [InlineData(ComparisonTable.Begin + ComparisonTable.End + ComparisonTable.Begin + ComparisonTable.End)]
    public void A_document_without_its_two_markers_is_not_touched(string document) =>
        Assert.Throws<InvalidOperationException>(() => ComparisonTable.Replace(document, "new"));

    [Fact]
    public void The_document_has_the_markers()
    {
        string document = File.ReadAllText(Path.Combine(Repository.Root, "docs", "benchmarks.md"));
        Assert.Contains("x", ComparisonTable.Replace(document, "x"), StringComparison.Ordinal);
    }

    private static ToolRound Round(double backup, long stored, double restore) => new(Used(backup), Used(0.3), (9, 3), stored * 1_000_000, Used(restore));

    private static Measured Used(double seconds) => new(seconds, 1, 2, 3, 4_000_000);

    private static string Write(Dictionary<string, IReadOnlyList<ToolRound>> rounds, params string[] failures) => ComparisonTable.Write(
        s_tools, [new SetResult("ct", "slices", 1500, 787_000_000, rounds)], null, ["a machine"], new Dictionary<string, string> { ["restic"] = "it is not installed" }, failures);
}
