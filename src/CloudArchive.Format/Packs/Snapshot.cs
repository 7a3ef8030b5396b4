using System.Text.Json;

namespace CloudArchive.Format.Packs;

/// <summary>
/// What stood where after a complete backup: <c>snapshot.json</c>, the first file of a snapshot's pack; the list itself follows in <c>files-00001.ndjson</c>
/// and so on, a <see cref="SnapshotLine"/> each line. A snapshot is the sum of its <see cref="SidecarSnapshot.Chain"/> and itself: each says what differs from
/// the one before. It lies inside the seal because paths carry patients' names.
/// </summary>
/// <param name="Format"><see cref="CurrentFormat"/>.</param>
/// <param name="Clinic">Whose.</param>
/// <param name="Computer">Of which computer.</param>
/// <param name="TakenAt">When the backup was complete, UTC.</param>
/// <param name="Roots">The folders that the computer backs up; lines name them by their number.</param>
/// <param name="Packs">The packs with the lines' bytes; lines name them by their number here.</param>
/// <param name="Files">Files that stood there then, all in all.</param>
/// <param name="Bytes">Their bytes.</param>
/// <param name="IsComplete">False: the list goes on in the next of the chain, and this alone is no snapshot.</param>
public sealed record Snapshot(
    string Format,
    ClinicId Clinic,
    string Computer,
    DateTimeOffset TakenAt,
    IReadOnlyList<SnapshotRoot> Roots,
    IReadOnlyList<PackId> Packs,
    long Files,
    long Bytes,
    bool IsComplete)
{
    /// <summary>Version 1.</summary>
    public const string CurrentFormat = "cloudarchive/snapshot/1";

    /// <summary>The name of the document in its pack.</summary>
    public const string DocumentName = "snapshot.json";

    /// <summary>The name of a part of the list, from 1.</summary>
    public static string PartName(int part) => $"files-{part:d5}.ndjson";
}

/// <summary>A folder that a computer backs up.</summary>
/// <param name="Id">Its number on that computer, which it keeps for good.</param>
/// <param name="Label">What people call it; each of a computer has another.</param>
/// <param name="Path">Where it lies.</param>
/// <param name="Volume">The volume that it lies on, where that is known.</param>
public sealed record SnapshotRoot(long Id, string Label, string Path, string? Volume = null);

/// <summary>A file that stood there, or one that stood there before and does no more.</summary>
/// <param name="Root">The root's id.</param>
/// <param name="Path">Below the root, with '/' between names.</param>
/// <param name="Length">Bytes; null: the file is gone.</param>
/// <param name="ModifiedAt">Its last write time, UTC.</param>
/// <param name="Sha256">SHA-256 of its bytes.</param>
/// <param name="Pack">Which of <see cref="Snapshot.Packs"/> holds them.</param>
public sealed record SnapshotLine(long Root, string Path, long? Length = null, DateTimeOffset? ModifiedAt = null, Sha256Digest? Sha256 = null, int? Pack = null)
{
    /// <summary>Whether it says that the file is gone.</summary>
    public bool IsGone => Length is null;
}

/// <summary>What a sidecar says of a snapshot, and of it nothing else.</summary>
/// <param name="TakenAt">When the backup was complete, UTC.</param>
/// <param name="Chain">The packs of the snapshots that it goes on from, the whole list first; empty where it is itself the whole list.</param>
/// <param name="Needs">The packs whose files its own lines name; with those of the chain, all that the snapshot needs.</param>
/// <param name="Roots">How many folders.</param>
/// <param name="Files">How many files stood there.</param>
/// <param name="Bytes">Their bytes.</param>
/// <param name="IsComplete">Whether it can be restored: the last of a list that was too long for one pack.</param>
public sealed record SidecarSnapshot(DateTimeOffset TakenAt, IReadOnlyList<PackId> Chain, IReadOnlyList<PackId> Needs, int Roots, long Files, long Bytes, bool IsComplete);

/// <summary>Writes and reads snapshots' files.</summary>
public static class Snapshots
{
    /// <summary>Bytes of a part of the list: what is in memory at once.</summary>
    public const int PartBytes = 4 * 1024 * 1024;

    /// <summary>Lines of one pack; a longer list goes on in another.</summary>
    public const int LinesPerPack = 200_000;

    /// <summary>Packs that one snapshot's pack names, so that its sidecar fits a request.</summary>
    public const int NeedsPerPack = 10_000;

    /// <summary>Snapshots in a chain before a whole list begins a new one: a clinic that changes all day takes some dozens a day, and each whole list is locked for years.</summary>
    public const int LongestChain = 256;

    /// <summary>Reads <c>snapshot.json</c>. Each of its folders has a number of its own.</summary>
    /// <exception cref="PackException"><see cref="PackFault.ManifestInvalid"/>.</exception>
    public static Snapshot Parse(ReadOnlySpan<byte> json)
    {
        try
        {
            Snapshot snapshot = JsonSerializer.Deserialize<Snapshot>(json, FormatJson.Options) is { Format: Snapshot.CurrentFormat } read && read.Roots.All(root => root is not null)
                ? read
                : throw Invalid(null);
            return snapshot.Roots.CountBy(root => root.Id).FirstOrDefault(root => root.Value > 1) is not { Value: > 1, Key: var id }
                ? snapshot
                : throw new PackException(PackFault.ManifestInvalid, $"A snapshot has {snapshot.Roots.Count(root => root.Id == id)} folders with the number {id}: its lines do not say in which of them a file stood.");
        }
        catch (JsonException e)
        {
            throw Invalid(e);
        }
    }

    /// <summary>Reads a line.</summary>
    /// <exception cref="PackException"><see cref="PackFault.ManifestInvalid"/>.</exception>
    public static SnapshotLine ParseLine(ReadOnlySpan<byte> line, int packs)
    {
        try
        {
            return JsonSerializer.Deserialize<SnapshotLine>(line, FormatJson.Options) is { Path.Length: > 0 } file
                && (file.IsGone || (file is { Length: >= 0, ModifiedAt: not null, Sha256: not null, Pack: >= 0 } && file.Pack < packs))
                ? file
                : throw Invalid(null);
        }
        catch (JsonException e)
        {
            throw Invalid(e);
        }
    }

    private static PackException Invalid(Exception? inner) => new(PackFault.ManifestInvalid, "A snapshot's list is not of the format that its version has.", inner);
}
