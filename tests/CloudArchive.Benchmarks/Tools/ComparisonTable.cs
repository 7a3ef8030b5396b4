using System.Globalization;
using System.Text;

namespace CloudArchive.Benchmarks.Tools;

/// <summary>What a step of a tool took.</summary>
/// <param name="Seconds">From the start of the program to its end.</param>
/// <param name="Cpu">CPU seconds of the tool with all that it started.</param>
/// <param name="ServerCpu">CPU seconds of LocalHost meanwhile; 0 where there is none.</param>
/// <param name="AzuriteCpu">CPU seconds of Azurite meanwhile.</param>
/// <param name="PeakBytes">The most memory of the tool.</param>
internal sealed record Measured(double Seconds, double Cpu, double ServerCpu, double AzuriteCpu, long PeakBytes);

/// <summary>One tool in one round over one set.</summary>
/// <param name="Unchanged">A run that finds nothing changed, the second after the backup; null where a tool does not look for changes.</param>
/// <param name="UnchangedRequests">Requests of a run that finds nothing changed: of the first after the backup, and of the third.</param>
internal sealed record ToolRound(Measured Backup, Measured? Unchanged, (long First, long Later)? UnchangedRequests, long StoredBytes, Measured Restore);

/// <summary>One tool in one round through the slow line.</summary>
internal sealed record UplinkRound(Measured Backup, long BytesUp);

/// <summary>All rounds over one set. A tool that is missing was not installed, or always failed.</summary>
internal sealed record SetResult(string Name, string Title, int Files, long Bytes, IReadOnlyDictionary<string, IReadOnlyList<ToolRound>> Tools);

/// <summary>All rounds through the slow line.</summary>
internal sealed record UplinkResult(string Title, int Files, long Bytes, int BytesPerSecond, IReadOnlyDictionary<string, IReadOnlyList<UplinkRound>> Tools);

/// <summary>Writes what was measured as Markdown, and puts it into a document in place of what a run before wrote there.</summary>
internal static class ComparisonTable
{
    public const string Begin = "<!-- tools: begin; written by scripts/bench.cs -->";
    public const string End = "<!-- tools: end -->";
    private const string Raw = "raw";
    private const string Ours = "ours";
    private const string Restic = "restic";
    private const string Nothing = "-";

    /// <summary>The document with its marked part replaced. Without both markers, in their order and once, it is not touched: that throws.</summary>
    public static string Replace(string document, string content)
    {
        int begin = document.IndexOf(Begin, StringComparison.Ordinal), end = document.IndexOf(End, StringComparison.Ordinal);
        return begin >= 0 && end > begin && begin == document.LastIndexOf(Begin, StringComparison.Ordinal) && end == document.LastIndexOf(End, StringComparison.Ordinal)
            ? $"{document[..(begin + Begin.Length)]}\n\n{content.Trim()}\n\n{document[end..]}"
            : throw new InvalidOperationException($"The document must have the lines `{Begin}` and `{End}` once each, in this order.");
    }

    /// <param name="facts">Lines about the machine, versions, the command.</param>
    /// <param name="missing">Tools that were not run, and why.</param>
    /// <param name="failures">What failed, a line each.</param>
    public static string Write(IReadOnlyList<string> tools, IReadOnlyList<SetResult> sets, UplinkResult? uplink, IReadOnlyList<string> facts, IReadOnlyDictionary<string, string> missing, IReadOnlyList<string> failures)
    {
        StringBuilder text = new();
        foreach (string fact in facts)
        {
            text.Append("- ").Append(fact).Append('\n');
        }

        foreach ((string tool, string why) in missing)
        {
            text.Append("- ").Append(tool).Append(": skipped, ").Append(why).Append('\n');
        }

        foreach (string failure in failures)
        {
            text.Append("- **Failed**: ").Append(failure).Append('\n');
        }

        string[] others = [.. tools.Where(tool => tool != Raw)];
        if (sets.Count > 0)
        {
            text.Append("\nMultiples of the raw client's time (x), and of restic's stored bytes:\n\n");
            Row(text, ["set", .. others.Select(tool => $"{tool}: first backup"), "ours stored / restic's", .. others.Select(tool => $"{tool}: restore")]);
            Row(text, Enumerable.Repeat("---", (others.Length * 2) + 2));
            foreach (SetResult set in sets)
            {
                Row(text, [set.Name, .. others.Select(tool => Times(Backup(set, tool), Backup(set, Raw))), Ratio(Stored(set, Ours), Stored(set, Restic)), .. others.Select(tool => Times(Restore(set, tool), Restore(set, Raw)))]);
            }
        }

        foreach (SetResult set in sets)
        {
            text.Append(CultureInfo.InvariantCulture, $"\n### {set.Name}: {set.Files:N0} {set.Title} ({set.Bytes / 1e6:N0} MB)\n\n");
            Row(text, ["", .. tools]);
            Row(text, Enumerable.Repeat("---", tools.Count + 1));
            Line("first backup", tool => With(Seconds(Backup(set, tool)), tool == Raw ? Nothing : Times(Backup(set, tool), Backup(set, Raw))));
            Line("CPU: tool, LocalHost, Azurite", tool => Cpu(set, tool, round => round.Backup));
            Line("stored", tool => With(Megabytes(Stored(set, tool)), tool == Restic ? Nothing : Of(Ratio(Stored(set, tool), Stored(set, Restic)), "of restic's")));
            Line("nothing changed", tool => Seconds(Median(set, tool, round => round.Unchanged?.Seconds)));
            Line("requests for that (first time after a backup)", tool => With(Number(Median(set, tool, round => round.UnchangedRequests?.Later)), Number(Median(set, tool, round => round.UnchangedRequests?.First))));
            Line("restore", tool => With(Seconds(Restore(set, tool)), tool == Raw ? Nothing : Times(Restore(set, tool), Restore(set, Raw))));
            Line("CPU of it: tool, LocalHost, Azurite", tool => Cpu(set, tool, round => round.Restore));
            Line("peak memory of the tool: backup, restore", tool => $"{Megabytes(Median(set, tool, round => round.Backup.PeakBytes))}, {Megabytes(Median(set, tool, round => round.Restore.PeakBytes))}");
            Line("rounds", tool => Number(set.Tools.GetValueOrDefault(tool)?.Count));
        }

        if (uplink is not null)
        {
            text.Append(CultureInfo.InvariantCulture, $"\n### uplink: {uplink.Files:N0} {uplink.Title} ({uplink.Bytes / 1e6:N0} MB) through {uplink.BytesPerSecond / 1e6:0.#} MB/s\n\n");
            Row(text, ["", .. tools]);
            Row(text, Enumerable.Repeat("---", tools.Count + 1));
            Line("first backup", tool => With(Seconds(Slow(tool)), tool == Raw ? Nothing : Times(Slow(tool), Slow(Raw))));
            Line("of restic's time", tool => Ratio(Slow(tool), Slow(Restic)));
            Line("sent", tool => Megabytes(Median(uplink.Tools.GetValueOrDefault(tool)?.Select(round => (double?)round.BytesUp))));
            Line("rounds", tool => Number(uplink.Tools.GetValueOrDefault(tool)?.Count));
        }

        return text.ToString();

        void Line(string what, Func<string, string> value) => Row(text, [what, .. tools.Select(value)]);

        double? Slow(string tool) => Median(uplink.Tools.GetValueOrDefault(tool)?.Select(round => (double?)round.Backup.Seconds));
    }

    /// <summary>The middle one; of an even number, the mean of the two in the middle. Null where there is none.</summary>
    public static double? Median(IEnumerable<double?>? values)
    {
        double[] sorted = [.. (values ?? []).OfType<double>().Order()];
        return sorted.Length == 0 ? null : (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }

    private static double? Median(SetResult set, string tool, Func<ToolRound, double?> value) => Median(set.Tools.GetValueOrDefault(tool)?.Select(value));

    private static double? Backup(SetResult set, string tool) => Median(set, tool, round => round.Backup.Seconds);

    private static double? Restore(SetResult set, string tool) => Median(set, tool, round => round.Restore.Seconds);

    private static double? Stored(SetResult set, string tool) => Median(set, tool, round => round.StoredBytes);

    private static string Cpu(SetResult set, string tool, Func<ToolRound, Measured> step)
    {
        double? server = Median(set, tool, round => step(round).ServerCpu);
        return $"{Seconds(Median(set, tool, round => step(round).Cpu))}, {(tool == Ours ? Seconds(server) : Nothing)}, {Seconds(Median(set, tool, round => step(round).AzuriteCpu))}";
    }

    private static string Seconds(double? value) => value is { } seconds ? string.Create(CultureInfo.InvariantCulture, $"{seconds:N1} s") : Nothing;

    private static string Megabytes(double? value) => value is { } bytes ? string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e6:N0} MB") : Nothing;

    private static string Number(double? value) => value is { } number ? string.Create(CultureInfo.InvariantCulture, $"{number:N0}") : Nothing;

    private static string Ratio(double? value, double? of) => value / of is { } ratio && double.IsFinite(ratio) ? string.Create(CultureInfo.InvariantCulture, $"{ratio:0.00}") : Nothing;

    private static string Times(double? value, double? of) => Of(Ratio(value, of), "x", "");

    private static string Of(string ratio, string unit, string between = " ") => ratio == Nothing ? Nothing : ratio + between + unit;

    private static string With(string value, string inBrackets) => value == Nothing || inBrackets == Nothing ? value : $"{value} ({inBrackets})";

    private static void Row(StringBuilder text, IEnumerable<string> cells) => text.Append("| ").AppendJoin(" | ", cells).Append(" |\n");
}
