using CloudArchive.Format;
using CloudArchive.Format.Packs;

namespace CloudArchive.Cli.Restores;

/// <summary>A file that moved: the same bytes, elsewhere.</summary>
public sealed record MovedFile(string From, string To);

/// <summary>What happened to a computer's folders between two snapshots: paths, each below its folder's label.</summary>
/// <param name="Computer">Which computer.</param>
/// <param name="From">When the earlier one was taken; null: there is none by then.</param>
/// <param name="To">When the later one was taken.</param>
/// <param name="Appeared">Files that are only in the later one.</param>
/// <param name="Changed">Files with other bytes.</param>
/// <param name="Vanished">Files that are only in the earlier one.</param>
/// <param name="Moved">Files that vanished while the same bytes appeared elsewhere.</param>
/// <param name="Same">How many files have the same bytes at the same place.</param>
public sealed record SnapshotDifference(
    string Computer,
    DateTimeOffset? From,
    DateTimeOffset To,
    IReadOnlyList<string> Appeared,
    IReadOnlyList<string> Changed,
    IReadOnlyList<string> Vanished,
    IReadOnlyList<MovedFile> Moved,
    long Same)
{
    /// <summary>Compares two snapshots of one computer.</summary>
    public static SnapshotDifference Between(SnapshotReader? earlier, SnapshotReader later)
    {
        Dictionary<string, Sha256Digest> before = earlier is null ? [] : ByPlace(earlier), after = ByPlace(later);
        List<string> changed = [];
        long same = 0;
        foreach ((string place, Sha256Digest bytes) in after)
        {
            if (before.TryGetValue(place, out Sha256Digest old))
            {
                if (old == bytes)
                {
                    same++;
                }
                else
                {
                    changed.Add(place);
                }
            }
        }

        List<string> appeared = [.. after.Keys.Where(place => !before.ContainsKey(place)).Order(StringComparer.Ordinal)];
        List<string> vanished = [.. before.Keys.Where(place => !after.ContainsKey(place)).Order(StringComparer.Ordinal)];
        Dictionary<Sha256Digest, Queue<string>> elsewhere = appeared.GroupBy(place => after[place]).ToDictionary(group => group.Key, group => new Queue<string>(group));
        List<MovedFile> moved = [];
        foreach (string place in vanished)
        {
            if (elsewhere.TryGetValue(before[place], out Queue<string>? places) && places.TryDequeue(out string? to))
            {
                moved.Add(new MovedFile(place, to));
            }
        }

        HashSet<string> from = [.. moved.Select(file => file.From)], gone = [.. moved.Select(file => file.To)];
        return new SnapshotDifference(
            later.Document!.Computer, earlier?.Document!.TakenAt, later.Document.TakenAt, [.. appeared.Where(place => !gone.Contains(place))], [.. changed.Order(StringComparer.Ordinal)],
            [.. vanished.Where(place => !from.Contains(place))], moved, same);
    }

    private static Dictionary<string, Sha256Digest> ByPlace(SnapshotReader snapshot)
    {
        Dictionary<long, string> labels = Placement.LabelsOf(snapshot.Document!);
        return snapshot.Files.ToDictionary(file => $"{labels.GetValueOrDefault(file.Key.Root, $"folder {file.Key.Root}")}/{file.Key.Path}", file => file.Value.Sha256, StringComparer.Ordinal);
    }
}
