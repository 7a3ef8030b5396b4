namespace CloudArchive.Cli.Backup;

/// <summary>A file that a scan found.</summary>
/// <param name="Path">Absolute.</param>
/// <param name="Length">Bytes.</param>
/// <param name="ModifiedTicks">Last write time, UTC ticks.</param>
/// <param name="Skip">Why it will not be read, where that is known already.</param>
/// <param name="SkipDetail">What the system said.</param>
public sealed record FoundFile(string Path, long Length, long ModifiedTicks, SkipReason? Skip = null, string? SkipDetail = null) : Found;
