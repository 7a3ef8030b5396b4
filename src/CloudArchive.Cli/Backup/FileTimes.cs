namespace CloudArchive.Cli.Backup;

/// <summary>A file's last write time, whatever its file system keeps: some keep years of which no calendar here knows.</summary>
public static class FileTimes
{
    /// <summary>What stands for a time before the year 1 or after 9999.</summary>
    public static readonly long Impossible = new DateTime(9999, 12, 31, 0, 0, 0, DateTimeKind.Utc).Ticks;

    /// <summary>UTC ticks; <see cref="Impossible"/> where the time is none that can be written down.</summary>
    public static long ModifiedTicks(FileSystemInfo info)
    {
        try
        {
            return info.LastWriteTimeUtc.Ticks;
        }
        catch (ArgumentOutOfRangeException)
        {
            return Impossible;
        }
    }
}
