using System.Runtime.CompilerServices;

namespace CloudArchive.Cli.Backup;

/// <summary>A folder that could not be listed.</summary>
public sealed record UnreadableFolder(string Path, string Why);

/// <summary>
/// Walks a folder: every file once, hidden and system files too; links are told and not followed, so there are no cycles. What cannot be
/// listed is told and does not stop the walk. Memory: the folders still to be visited.
/// </summary>
public static class FolderScan
{
    private static readonly EnumerationOptions Everything = new() { AttributesToSkip = FileAttributes.None, IgnoreInaccessible = false, RecurseSubdirectories = false, ReturnSpecialDirectories = false };

    /// <summary>
    /// The folders that a person named, each once and none inside another. One that is not there is kept, and told by the walk: a drive that is
    /// not connected must not keep the others from being backed up. None at all is a mistake.
    /// </summary>
    public static IReadOnlyList<string> ResolveAll(IReadOnlyList<string> folders)
    {
        string[] resolved = [.. folders.Select(Resolve)];
        return resolved.Any(Directory.Exists) ? WithoutNested(resolved) : throw new UsageException($"There is no folder {string.Join(", ", resolved)}. Is the drive or share connected?");
    }

    /// <summary>A folder as the state knows it: absolute, a link in the person's spelling followed, spelled as it is on disk.</summary>
    public static string Resolve(string folder)
    {
        string path = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        if (File.Exists(path)) throw new UsageException($"{path} is a file; name the folder that it is in.");
        DirectoryInfo info = new(path);
        if (!info.Exists) return path;
        path = info.ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? path;
        return Path.TrimEndingDirectorySeparator(OperatingSystem.IsWindows() ? SpelledAsOnDisk(path) : path);
    }

    /// <summary>The folders without those that lie in another of them.</summary>
    public static IReadOnlyList<string> WithoutNested(IEnumerable<string> folders)
    {
        string[] distinct = [.. folders.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
        return [.. distinct.Where(folder => !distinct.Any(other => other != folder && IsBelow(folder, other)))];
    }

    /// <summary>Whether a path lies below a folder.</summary>
    public static bool IsBelow(string path, string folder)
    {
        string prefix = Path.EndsInDirectorySeparator(folder) ? folder : folder + Path.DirectorySeparatorChar;
        return path.StartsWith(prefix, OperatingSystem.IsWindows() ? StringComparison.OrdinalIgnoreCase : StringComparison.Ordinal);
    }

    /// <summary>The files below a folder.</summary>
    /// <param name="folder">As <see cref="Resolve"/> gives it.</param>
    /// <param name="avoid">Folders to leave out: the agent's own data.</param>
    /// <param name="unreadable">Told of each folder that cannot be listed.</param>
    /// <param name="cancellationToken">Stops the walk.</param>
    public static IEnumerable<FoundFile> Walk(string folder, IReadOnlyCollection<string> avoid, Action<UnreadableFolder> unreadable, CancellationToken cancellationToken)
    {
        Stack<string> pending = new([folder]);
        while (pending.TryPop(out string? current))
        {
            foreach (FileSystemInfo info in List(current, unreadable, cancellationToken))
            {
                if (Describe(info) is { } file) yield return file;
                else if (info is DirectoryInfo && !avoid.Contains(info.FullName)) pending.Push(info.FullName);
            }
        }
    }

    /// <summary>One file by its path, as the walk would give it; null where it is gone or is a folder.</summary>
    public static FoundFile? Find(string path)
    {
        FileInfo info = new(path);
        return info.Exists ? Describe(info) : null;
    }

    /// <summary>The entries of one folder. An error in the middle of the listing ends it: what was listed by then is kept.</summary>
    private static IEnumerable<FileSystemInfo> List(string folder, Action<UnreadableFolder> unreadable, CancellationToken cancellationToken)
    {
        IEnumerator<FileSystemInfo>? entries = null;
        try
        {
            while (true)
            {
                cancellationToken.ThrowIfCancellationRequested();
                try
                {
                    entries ??= new DirectoryInfo(folder).EnumerateFileSystemInfos("*", Everything).GetEnumerator();
                    if (!entries.MoveNext()) yield break;
                }
                catch (Exception error) when (error is IOException or UnauthorizedAccessException or System.Security.SecurityException)
                {
                    unreadable(new UnreadableFolder(folder, error is DirectoryNotFoundException ? "it is gone" : WithoutPath(error.Message)));
                    yield break;
                }

                yield return entries.Current;
            }
        }
        finally
        {
            entries?.Dispose();
        }
    }

    /// <summary>Null for a folder that is to be walked.</summary>
    private static FoundFile? Describe(FileSystemInfo info)
    {
        try
        {
            // A reparse point without a target is no link: a file that the cloud or deduplication keeps elsewhere and brings when it is read.
            if (info.Attributes.HasFlag(FileAttributes.ReparsePoint) && info.LinkTarget is not null) return new FoundFile(info.FullName, 0, info.LastWriteTimeUtc.Ticks, SkipReason.Link);
            if (info is not FileInfo file) return null;

            // Pipes, sockets and devices have no length either; opening one would wait for ever.
            return new FoundFile(file.FullName, file.Length, file.LastWriteTimeUtc.Ticks, file.Length == 0 ? SkipReason.Empty : null);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return new FoundFile(info.FullName, 0, 0, SkipReason.Unreadable, WithoutPath(error.Message));
        }
    }

    /// <summary>The system's message without the path, which stands beside it anyway.</summary>
    public static string WithoutPath(string message)
    {
        int quote = message.IndexOf(" '", StringComparison.Ordinal);
        int end = message.LastIndexOf('\'');
        return quote > 0 && end > quote ? (message[..quote] + message[(end + 1)..]).TrimEnd('.') : message.TrimEnd('.');
    }

    /// <summary>Windows takes C:\IMAGES for C:\Images; the state would take them for two folders.</summary>
    private static string SpelledAsOnDisk(string path)
    {
        string spelled = Path.GetPathRoot(path)!.ToUpperInvariant();
        foreach (string part in Path.GetRelativePath(spelled, path).Split(Path.DirectorySeparatorChar))
        {
            if (part == ".") continue;
            string? found = null;
            try
            {
                found = Directory.EnumerateFileSystemEntries(spelled, part, Everything).FirstOrDefault();
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                // A folder above may be closed to listing; its name is taken as given.
            }

            spelled = Path.Combine(spelled, Path.GetFileName(found) ?? part);
        }

        return spelled;
    }
}
