using System.Globalization;
using CloudArchive.Format.Wire;

namespace CloudArchive.Api.Portal.Pages;

/// <summary>A bar of a chart, in the units of its picture.</summary>
/// <param name="X">Left.</param>
/// <param name="Good">The height of what came back.</param>
/// <param name="Bad">The height of what did not.</param>
/// <param name="None">The height of what was not tested.</param>
public sealed record ChartBar(double X, double Good, double Bad, double None);

/// <summary>A chart over the runs that ended: bars for what was tested, or a line for a value.</summary>
/// <param name="Title">What it shows.</param>
/// <param name="Text">The same in a sentence, for who does not see it.</param>
/// <param name="Top">What the upper edge stands for.</param>
/// <param name="From">The first day.</param>
/// <param name="To">The last.</param>
/// <param name="Bars">Bars, if it is of bars.</param>
/// <param name="Line">The line's points as SVG has them, if it is of a line.</param>
public sealed record RunChart(string Title, string Text, string Top, string From, string To, IReadOnlyList<ChartBar> Bars, string? Line)
{
    /// <summary>The picture's plot, in its own units.</summary>
    public const double Width = 560;

    /// <summary>The plot's height.</summary>
    public const double Height = 120;

    /// <summary>The charts of a history.</summary>
    public static IReadOnlyList<RunChart> Of(IReadOnlyList<RestoreTestResponse> runs)
    {
        RestoreTestResponse[] ended = [.. runs.Where(run => run.FinishedAt is not null && run.Summary is not null)];
        if (ended.Length == 0)
        {
            return [];
        }

        RestoreTestResponse last = ended[^1];
        double[] covered = [.. ended.Select(run => run.Summary!.PopulationPacks == 0 ? 0 : 100.0 * run.Summary.CoveredPacks / run.Summary.PopulationPacks)];
        double[] hours = [.. ended.Select(run => run.Summary!.FullRestoreSeconds is { } seconds ? seconds / 3600.0 : 0)];
        double longest = hours.Max();
        return
        [
            ByRun(ended),
            Lined(ended, "Packs tested within a year", $"{covered[^1].ToString("0.#", CultureInfo.InvariantCulture)}% of all packs were tested within the year before the last run.", covered, 100, "100%"),
            Lined(
                ended,
                "Time to bring everything back",
                last.Summary!.FullRestoreSeconds is { } now ? $"About {Show.Duration(TimeSpan.FromSeconds(now))} at the speed of the last run." : "The last run brought nothing back to measure it by.",
                hours,
                longest <= 0 ? 1 : longest,
                Show.Duration(TimeSpan.FromHours(longest))),
        ];
    }

    private static RunChart ByRun(RestoreTestResponse[] runs)
    {
        double most = Math.Max(1, runs.Max(run => run.Sample)), step = Step(runs.Length);
        int failed = runs.Count(run => run.Status == RestoreTestStatus.Failed);
        ChartBar[] bars = [.. runs.Select((run, i) => new ChartBar(i * step, run.Passed / most * Height, run.Failed / most * Height, run.NotTested / most * Height))];
        string text = $"{Show.Count(runs.Length, "run", "runs")}, {(failed == 0 ? "none failed" : $"{Show.Number(failed)} failed")}; {Show.Number(runs.Sum(run => (long)run.Passed))} of {Show.Number(runs.Sum(run => (long)run.Sample))} packs came back whole.";
        return new("Packs brought back, by run", text, Show.Number((long)most), Day(runs[0]), Day(runs[^1]), bars, null);
    }

    private static RunChart Lined(RestoreTestResponse[] runs, string title, string text, double[] values, double most, string top)
    {
        double step = runs.Length == 1 ? Width : Width / (runs.Length - 1);
        IEnumerable<string> points = values.Length == 1 ? [Point(0, values[0]), Point(Width, values[0])] : values.Select((value, i) => Point(i * step, value));
        return new(title, text, top, Day(runs[0]), Day(runs[^1]), [], string.Join(' ', points));

        string Point(double x, double value) => string.Create(CultureInfo.InvariantCulture, $"{x:0.#},{Height - (value / most * Height):0.#}");
    }

    /// <summary>How far bars stand apart; few are not stretched over the whole width.</summary>
    internal static double Step(int bars) => Width / Math.Max(bars, 20);

    private static string Day(RestoreTestResponse run) => Show.Day(run.FinishedAt!.Value);
}
