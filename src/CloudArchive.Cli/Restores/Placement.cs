using System.Text;
using CloudArchive.Cli.Backup;
using CloudArchive.Cli.State;
using CloudArchive.Cli.Terminal;
using CloudArchive.Format;
using CloudArchive.Format.Packs;

namespace CloudArchive.Cli.Restores;

/// <summary>Where a file of a pack goes.</summary>
/// <param name="Path">Below the target folder, with '/' between names.</param>
/// <param name="ModifiedAt">Its last write time.</param>
public readonly record struct Place(string Path, DateTimeOffset ModifiedAt);

/// <summary>Says where restored files go. Several packs may ask and tell at once. What a pack says of itself is not trusted: <see cref="TargetFolder"/> checks each name once more.</summary>
public abstract class Placement
{
    /// <summary>Whether a pack holds anything that is wanted, as far as that is known without opening it.</summary>
    public virtual bool Wants(PackId pack) => true;

    /// <summary>Whether a pack that is wanted is none of these: then what it held is in others.</summary>
    public virtual bool WantsBeyond(IReadOnlySet<PackId> packs) => false;

    /// <summary>Whether a content is wanted and did not come yet.</summary>
    public virtual bool Wants(Sha256Digest content) => true;

    /// <summary>Where a file goes: to one place as a rule; to none where it is not wanted; to several where the same bytes stood in several.</summary>
    public abstract IReadOnlyList<Place> PlacesOf(Manifest manifest, ManifestInstance file);

    /// <summary>A pack's files are there, from this run or an earlier one.</summary>
    public virtual void NoteDone(PackId pack)
    {
    }

    /// <summary>A pack did not come. True: <see cref="Missing"/> tells which files that costs.</summary>
    public virtual bool NoteFailed(PackId pack, string why, bool integrity) => false;

    /// <summary>What was wanted and was in no pack that came.</summary>
    public virtual IEnumerable<FileReport> Missing() => [];

    /// <summary>Where each file was found; below its computer and folder where there is more than one.</summary>
    /// <param name="target">Where to.</param>
    /// <param name="byRoot">Whether the archive holds more than one folder's files.</param>
    public static Placement AsFound(TargetFolder target, bool byRoot) => new FoundPlacement(target, byRoot);

    /// <summary>The folders of a restore that has several, as names of folders.</summary>
    internal static string Below(string computer, string label, string path) => $"{AsFolder(computer)}/{AsFolder(label)}/{path}";

    /// <summary>
    /// What each folder of a snapshot is called by: its label. Where two are one on some system, as in snapshots of agents that did not see to it, the later one gets a number.
    /// </summary>
    internal static Dictionary<long, string> LabelsOf(Snapshot snapshot)
    {
        static string Key(string label) => AgentState.KeyOfLabel(AsFolder(label));
        HashSet<string> taken = [.. snapshot.Roots.Select(root => Key(root.Label))];
        Dictionary<long, string> labels = [];
        foreach (IGrouping<string, SnapshotRoot> same in snapshot.Roots.OrderBy(root => root.Id).GroupBy(root => Key(root.Label)))
        {
            int n = 2;
            foreach (SnapshotRoot root in same)
            {
                string label = root.Label;
                for (; root != same.First() && !taken.Add(Key(label)); n++)
                {
                    label = $"{root.Label} ({n})";
                }

                labels[root.Id] = label;
            }
        }

        return labels;
    }

    /// <summary>Whether a path, as it was found, can be a path here.</summary>
    internal static bool IsPath(string path) =>
        path.Split('/').All(part => part is not ("" or "." or "..") && !part.Contains('\0', StringComparison.Ordinal) && Encoding.UTF8.GetByteCount(part) <= 255);

    private static string AsFolder(string name) => new EntryNames().Add(name.Replace('/', '_'));

    private sealed class FoundPlacement(TargetFolder target, bool byRoot) : Placement
    {
        public override IReadOnlyList<Place> PlacesOf(Manifest manifest, ManifestInstance file)
        {
            string path = target.TakesEveryName && IsPath(file.Path) ? file.Path : file.Entry;
            bool isKnown = byRoot && file.Root is { } root && manifest.Roots?.Count > root;
            ManifestRoot? of = isKnown ? manifest.Roots![file.Root!.Value] : null;
            return [new Place(of is null ? path : Below(of.Computer, of.Label, path), file.ModifiedAt)];
        }
    }
}

/// <summary>What of a snapshot is wanted.</summary>
/// <param name="Roots">Labels of folders; empty: all.</param>
/// <param name="Paths">Patterns as <see cref="Exclusions"/> reads them; empty: all.</param>
public sealed record SnapshotFilter(IReadOnlyList<string> Roots, IReadOnlyList<string> Paths)
{
    /// <summary>Everything.</summary>
    public static SnapshotFilter All { get; } = new([], []);
}

/// <summary>Brings files to where they stood when a snapshot was taken, each as often as it stood there.</summary>
public sealed class SnapshotPlacement : Placement
{
    private readonly Dictionary<Sha256Digest, List<Wanted>> _byContent = [];
    private readonly Dictionary<PackId, List<Sha256Digest>> _packs = [];
    private readonly HashSet<Sha256Digest> _came = [];
    private readonly Dictionary<PackId, (string Why, bool Integrity)> _failed = [];

    /// <param name="snapshot">As it was read from its packs.</param>
    /// <param name="filter">What of it is wanted.</param>
    /// <param name="target">Where to.</param>
    /// <param name="byRoot">Whether other computers' folders are restored too: else each folder has one of its own only where this snapshot has several.</param>
    /// <param name="view">Told which snapshot it is, and of each path that cannot be here as it was.</param>
    public SnapshotPlacement(SnapshotReader snapshot, SnapshotFilter filter, TargetFolder target, bool byRoot, IProgressView view)
    {
        Snapshot document = snapshot.Document ?? throw new ArgumentException("Nothing was read.", nameof(snapshot));
        Dictionary<long, string> labels = LabelsOf(document);
        HashSet<long> wantedRoots =
        [
            .. document.Roots.Where(root => filter.Roots.Count == 0 || filter.Roots.Any(name => name.Equals(root.Label, StringComparison.OrdinalIgnoreCase) || name.Equals(labels[root.Id], StringComparison.OrdinalIgnoreCase)))
                .Select(root => root.Id),
        ];
        byRoot |= snapshot.Files.Keys.Select(place => place.Root).Where(wantedRoots.Contains).Distinct().Skip(1).Any();
        foreach (SnapshotRoot root in document.Roots.Where(root => byRoot && wantedRoots.Contains(root.Id) && labels[root.Id] != root.Label))
        {
            view.Note($"renamed        {Texts.Printable(root.Path)} comes back as {Texts.Printable(labels[root.Id])}: another folder of {Texts.Printable(document.Computer)} has the label {Texts.Printable(root.Label)} too");
        }

        Exclusions paths = Exclusions.Of(filter.Paths);
        EntryNames names = new();
        int files = 0;

        // In one order whatever the pack, so that a restore that goes on gives the same names again.
        foreach (((long root, string path), SnapshotFile file) in snapshot.Files.OrderBy(f => f.Key.Root).ThenBy(f => f.Key.Path, StringComparer.Ordinal))
        {
            string label = labels.GetValueOrDefault(root, $"folder {root}");
            if ((filter.Roots.Count > 0 && !wantedRoots.Contains(root)) || (filter.Paths.Count > 0 && !IsNamed(paths, path)))
            {
                continue;
            }

            string wanted = byRoot ? Below(document.Computer, label, path) : path;
            string here = target.TakesEveryName && IsPath(wanted) ? wanted : names.Add(wanted);
            if (here != wanted)
            {
                view.Note($"renamed        {Texts.Printable(wanted)} is called {Texts.Printable(here)} here");
            }

            if (!_byContent.TryGetValue(file.Sha256, out List<Wanted>? places))
            {
                _byContent[file.Sha256] = places = [];
            }

            places.Add(new Wanted(new Place(here, file.ModifiedAt), file.Length, file.Pack));
            if (!_packs.TryGetValue(file.Pack, out List<Sha256Digest>? contents))
            {
                _packs[file.Pack] = contents = [];
            }

            contents.Add(file.Sha256);
            files++;
        }

        view.Note(
            $"snapshot       of {Texts.Printable(document.Computer)}, {document.TakenAt.ToLocalTime():yyyy-MM-dd HH:mm}: {Texts.Count(snapshot.Files.Count, "file")}"
            + (files == snapshot.Files.Count ? "" : $", {files:N0} of them wanted"));
    }

    /// <summary>The packs that hold what is wanted.</summary>
    public IReadOnlyCollection<PackId> Packs => _packs.Keys;

    /// <inheritdoc/>
    public override bool Wants(PackId pack) => _packs.ContainsKey(pack);

    /// <inheritdoc/>
    public override bool WantsBeyond(IReadOnlySet<PackId> packs) => _packs.Keys.Any(pack => !packs.Contains(pack));

    /// <inheritdoc/>
    public override bool Wants(Sha256Digest content)
    {
        lock (_came)
        {
            return _byContent.ContainsKey(content) && !_came.Contains(content);
        }
    }

    /// <inheritdoc/>
    public override IReadOnlyList<Place> PlacesOf(Manifest manifest, ManifestInstance file)
    {
        lock (_came)
        {
            return _byContent.TryGetValue(file.Instance.Sha256, out List<Wanted>? places) && _came.Add(file.Instance.Sha256) ? [.. places.Select(place => place.Place)] : [];
        }
    }

    /// <inheritdoc/>
    public override void NoteDone(PackId pack)
    {
        lock (_came)
        {
            _came.UnionWith(_packs.GetValueOrDefault(pack) ?? []);
        }
    }

    /// <inheritdoc/>
    public override bool NoteFailed(PackId pack, string why, bool integrity)
    {
        lock (_came)
        {
            _failed[pack] = (why, integrity);
            return true;
        }
    }

    /// <inheritdoc/>
    public override IEnumerable<FileReport> Missing() => _byContent.Where(content => !_came.Contains(content.Key)).SelectMany(content => content.Value)
        .Select(place => _failed.TryGetValue(place.Pack, out (string Why, bool Integrity) failed)
            ? new FileReport(place.Pack, FileOutcome.Failed, place.Place.Path, null, place.Length, failed.Why, failed.Integrity)
            : new FileReport(place.Pack, FileOutcome.Failed, place.Place.Path, null, place.Length, "no pack that came holds its bytes", Integrity: true));

    /// <summary>A pattern names a file, or a folder that it lies in.</summary>
    private static bool IsNamed(Exclusions patterns, string path)
    {
        string[] parts = path.Split('/');
        for (int i = 1; i <= parts.Length; i++)
        {
            if (patterns.Names(string.Join('/', parts[..i]), parts[i - 1], isDirectory: i < parts.Length))
            {
                return true;
            }
        }

        return false;
    }

    private readonly record struct Wanted(Place Place, long Length, PackId Pack);
}
