using CloudArchive.Cli.Backup;

namespace CloudArchive.Cli.Watch;

/// <summary>
/// Files that were touched, until they have stopped changing: size and time the same for a while. A device writes an image in pieces; a
/// file that is taken too early is archived twice, or read half-written.
/// </summary>
public sealed class StabilityTracker(TimeProvider clock, TimeSpan settle)
{
    private readonly Dictionary<string, Seen> _files = new(OperatingSystem.IsWindows() ? StringComparer.OrdinalIgnoreCase : StringComparer.Ordinal);

    /// <summary>How many files are waited for.</summary>
    public int Count => _files.Count;

    /// <summary>Something happened to the file: look at it from now on.</summary>
    public void Touch(string path)
    {
        if (!_files.ContainsKey(path)) _files[path] = new Seen(null, clock.GetTimestamp());
    }

    /// <summary>Looks at every file, and gives back those that have been the same for long enough; they are no longer tracked.</summary>
    /// <param name="stat">The file as it is now; null where it is gone.</param>
    public IReadOnlyList<FoundFile> Poll(Func<string, FoundFile?> stat)
    {
        List<FoundFile> settled = [];
        foreach ((string path, Seen seen) in _files.ToArray())
        {
            FoundFile? now = stat(path);
            if (now is null)
            {
                _files.Remove(path);
            }
            else if (now != seen.File)
            {
                _files[path] = new Seen(now, clock.GetTimestamp());
            }
            else if (clock.GetElapsedTime(seen.Since) >= settle)
            {
                _files.Remove(path);
                settled.Add(now);
            }
        }

        return settled;
    }

    private readonly record struct Seen(FoundFile? File, long Since);
}
