namespace CloudArchive.Format.Packs;

/// <summary>
/// <c>manifest.json</c>, the last entry of a pack's ZIP: what is inside, bound to the pack's own id. It lies inside the seal because
/// paths carry patients' names more often than not.
/// </summary>
/// <param name="Format"><see cref="CurrentFormat"/>.</param>
/// <param name="Clinic">Whose pack it is.</param>
/// <param name="Pack">The pack: a blob under another's name is found out here.</param>
/// <param name="Study">Its one Study Instance UID.</param>
/// <param name="CreatedAt">When the agent sealed it, UTC.</param>
/// <param name="Instances">The instances, in the order of the ZIP's entries.</param>
public sealed record Manifest(string Format, ClinicId Clinic, PackId Pack, Uid Study, DateTimeOffset CreatedAt, IReadOnlyList<ManifestInstance> Instances)
{
    /// <summary>Version 1.</summary>
    public const string CurrentFormat = "cloudarchive/manifest/1";

    /// <summary>The name of the manifest's ZIP entry.</summary>
    public const string EntryName = "manifest.json";
}

/// <summary>One instance of a pack.</summary>
/// <param name="Entry">The name of its ZIP entry; unique in the pack, ignoring case. As a rule <paramref name="Path"/>.</param>
/// <param name="Path">Where it was found, relative to the backed-up folder, with '/' between names.</param>
/// <param name="ModifiedAt">The file's last write time, UTC.</param>
/// <param name="Instance">What the sidecar says of it, word for word.</param>
/// <param name="Captured">How it was when it was archived; null where nobody looked, as in packs of before. Readers that do not know it ignore it.</param>
public sealed record ManifestInstance(string Entry, string Path, DateTimeOffset ModifiedAt, SidecarInstance Instance, CaptureVerdict? Captured = null);

/// <summary>What the agent found when it parsed a file for its pack. It is archived either way, byte for byte.</summary>
public enum CaptureVerdict
{
    /// <summary>A whole DICOM data set.</summary>
    Whole,

    /// <summary>Its header could be read, and what follows is no whole data set: cut off, or overwritten.</summary>
    Damaged,
}
