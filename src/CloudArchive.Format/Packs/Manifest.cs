using System.Text.Json.Serialization;
using CloudArchive.Format.Packs.Pixels;

namespace CloudArchive.Format.Packs;

/// <summary>
/// <c>manifest.json</c>, the last entry of a pack's ZIP: what is inside, bound to the pack's own id. It lies inside the seal because
/// paths carry patients' names more often than not.
/// </summary>
/// <param name="Format"><see cref="CurrentFormat"/>.</param>
/// <param name="Clinic">Whose pack it is.</param>
/// <param name="Pack">The pack: a blob under another's name is found out here.</param>
/// <param name="Study">The id of its one set: a Study Instance UID, or one of <see cref="Sets"/>.</param>
/// <param name="CreatedAt">When the agent sealed it, UTC.</param>
/// <param name="Instances">The files, in the order of the ZIP's entries.</param>
/// <param name="Set">What kind of set it is; null: a study.</param>
/// <param name="Roots">The folders in which the files were found; files name them by their number here.</param>
public sealed record Manifest(
    string Format, ClinicId Clinic, PackId Pack, Uid Study, DateTimeOffset CreatedAt, IReadOnlyList<ManifestInstance> Instances, SetKind? Set = null, IReadOnlyList<ManifestRoot>? Roots = null)
{
    /// <summary>Version 2: an entry may be filtered, and a file has a root.</summary>
    public const string CurrentFormat = "cloudarchive/manifest/2";

    /// <summary>Version 1: each entry is the file itself.</summary>
    public const string FormatWithoutFilters = "cloudarchive/manifest/1";

    /// <summary>The name of the manifest's ZIP entry.</summary>
    public const string EntryName = "manifest.json";
}

/// <summary>A folder that a computer backs up.</summary>
/// <param name="Computer">The computer's name, as it was enrolled.</param>
/// <param name="Label">What people call the folder.</param>
public sealed record ManifestRoot(string Computer, string Label);

/// <summary>One file of a pack.</summary>
/// <param name="Entry">A name for the file that every file system takes; unique in the pack, ignoring case. As a rule <paramref name="Path"/>. Its ZIP entry is <see cref="ZipEntry"/>.</param>
/// <param name="Path">Where it was found, relative to the backed-up folder, with '/' between names.</param>
/// <param name="ModifiedAt">The file's last write time, UTC.</param>
/// <param name="Instance">What the sidecar says of it, word for word.</param>
/// <param name="Captured">How it was when it was archived; null where nobody looked, as in packs of before. Readers that do not know it ignore it.</param>
/// <param name="Filter">How the entry's bytes were made of the file's; null where they are the file's.</param>
/// <param name="Root">Which of <see cref="Manifest.Roots"/> it was found in; null in packs of before.</param>
/// <param name="Signature">What a plain file begins as, where that says something.</param>
public sealed record ManifestInstance(
    string Entry, string Path, DateTimeOffset ModifiedAt, SidecarInstance Instance, CaptureVerdict? Captured = null, EntryFilter? Filter = null, int? Root = null, FileSignature? Signature = null)
{
    /// <summary>The name of its ZIP entry: another one than the file's where what unzip gives is not the file.</summary>
    [JsonIgnore]
    public string ZipEntry => Filter is null ? Entry : EntryFilter.EntryName(Entry);
}

/// <summary>How an entry was filtered, and so how the file comes back: docs/formats.md.</summary>
/// <param name="Name"><see cref="PixelFilter.Name"/>.</param>
/// <param name="Pixels">What the filter needs to know.</param>
public sealed record EntryFilter(string Name, PixelLayout Pixels)
{
    /// <summary>What a filtered file's entry is called.</summary>
    public static string EntryName(string file) => $"{file}.{PixelFilter.Name}";
}

/// <summary>What the agent found when it parsed a file for its pack. It is archived either way, byte for byte.</summary>
public enum CaptureVerdict
{
    /// <summary>A whole DICOM data set.</summary>
    Whole,

    /// <summary>Its header could be read, and what follows is no whole data set: cut off, or overwritten.</summary>
    Damaged,
}
