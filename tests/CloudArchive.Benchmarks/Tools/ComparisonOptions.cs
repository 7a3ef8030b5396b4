using System.Globalization;
using System.Runtime.InteropServices;

namespace CloudArchive.Benchmarks.Tools;

/// <summary>What to compare.</summary>
/// <param name="Scale">Of the sets' sizes.</param>
/// <param name="Uplink">Bytes a second of the slow line; 0 to leave it out.</param>
/// <param name="Cold">Page caches are dropped before each backup and each restore.</param>
/// <param name="Write">Into docs/benchmarks.md.</param>
/// <param name="Published">A folder with <c>cli</c> and <c>localhost</c> compiled ahead, as releases are; null: as they were built here.</param>
/// <param name="Words">As they were given, but for the folder.</param>
internal sealed record ComparisonOptions(IReadOnlyList<ImageSet> Sets, int Rounds, double Scale, int Uplink, bool Cold, bool Write, string? Published, IReadOnlyList<string> Words)
{
    private const string Usage = "Usage: tools [--sets ct intraoral cbct photos jpeg small | none] [--rounds 3] [--scale 1] [--uplink 2000000 | 0] [--cold] [--write] [--published folder]";

    public static ComparisonOptions Parse(string[] words)
    {
        ComparisonOptions options = new(ImageSet.All, 3, 1, 2_000_000, false, false, null, words);
        for (int at = 0; at < words.Length; at++)
        {
            switch (words[at])
            {
                case "--sets":
                    List<ImageSet> sets = [];
                    while (at + 1 < words.Length && !words[at + 1].StartsWith('-'))
                    {
                        string name = words[++at];
                        if (name != "none")
                        {
                            sets.Add(ImageSet.All.FirstOrDefault(set => set.Name == name) ?? throw new ToolFailedException($"There is no set '{name}'. {Usage}"));
                        }
                    }

                    options = options with { Sets = sets };
                    break;
                case "--rounds": options = options with { Rounds = (int)Number(words, ++at, 1, 99) }; break;
                case "--scale": options = options with { Scale = Number(words, ++at, 0.0001, 100) }; break;
                case "--uplink": options = options with { Uplink = (int)Number(words, ++at, 0, 1_000_000_000) }; break;
                case "--cold": options = options with { Cold = Machine.MayDropCaches ? true : throw new ToolFailedException("--cold: only root may drop page caches.") }; break;
                case "--write": options = options with { Write = true }; break;
                case "--published" when at + 1 < words.Length:
                    options = options with { Published = words[at + 1], Words = [.. words[..at], .. words[(at + 2)..]] };
                    at++;
                    break;
                default: throw new ToolFailedException($"'{words[at]}' is not an option. {Usage}");
            }
        }

        return options;
    }

    private static double Number(string[] words, int at, double lowest, double highest) =>
        at < words.Length && double.TryParse(words[at], NumberStyles.Float, CultureInfo.InvariantCulture, out double number) && number >= lowest && number <= highest
            ? number
            : throw new ToolFailedException(string.Create(CultureInfo.InvariantCulture, $"{words[at - 1]} wants a number from {lowest} to {highest}. {Usage}"));
}

/// <summary>Ctrl+C and SIGTERM cancel, so that what was started is ended before this is.</summary>
internal sealed class StopSignals : IDisposable
{
    private readonly PosixSignalRegistration[] _signals;

    public StopSignals(CancellationTokenSource stop) => _signals = [.. new[] { PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP }.Select(signal => PosixSignalRegistration.Create(signal, context =>
    {
        context.Cancel = true;
        stop.Cancel();
    }))];

    public void Dispose() => Array.ForEach(_signals, signal => signal.Dispose());
}
