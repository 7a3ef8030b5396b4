using System.Buffers;
using System.Text;

namespace CloudArchive.Cli.Backup;

/// <summary>What a walk comes to.</summary>
public abstract record Found;

/// <summary>The walk begins to list a directory: what follows, up to its <see cref="DirectoryEnds"/>, lies in it.</summary>
public sealed record DirectoryBegins(string Path) : Found;

/// <summary>The walk has listed a directory; or could not, or not to its end.</summary>
/// <param name="Path">The directory.</param>
/// <param name="Why">Why it could not be listed.</param>
public sealed record DirectoryEnds(string Path, string? Why) : Found;

/// <summary>A file that a rule leaves out.</summary>
public sealed record ExcludedFile(string Path, long Length, string Rule) : Found;

/// <summary>Where and how to walk.</summary>
public sealed record ScanScope
{
    /// <summary>Directories to leave alone: the agent's own data.</summary>
    public IReadOnlyCollection<string> Avoid { get; init; } = [];

    /// <summary>What is left out on purpose.</summary>
    public Exclusions Exclusions { get; init; } = Exclusions.Of([]);

    /// <summary>Whether a path lies in a folder that is backed up: then a link to it leads to nothing that would be forgotten.</summary>
    public Func<string, bool> IsCovered { get; init; } = static _ => true;

    /// <summary>Begin at this directory of the folder; null: at the folder.</summary>
    public string? Start { get; init; }
}

/// <summary>A folder that could not be listed.</summary>
public sealed record UnreadableFolder(string Path, string Why);

/// <summary>
/// Walks a folder: every file once, hidden and system files too; links are told and not followed, so there are no cycles. What cannot be
/// listed is told and does not stop the walk. Memory: the folders still to be visited.
/// </summary>
public static class FolderScan
{
    private const string NoText = "its name is no text that it could be opened or restored by";
    private static readonly EnumerationOptions Everything = new() { AttributesToSkip = FileAttributes.None, IgnoreInaccessible = false, RecurseSubdirectories = false, ReturnSpecialDirectories = false };

    /// <summary>
    /// The folders that a person named, each once and none inside another. One that is remembered and not there now is kept, and told by the
    /// walk: a drive that is not connected must not keep the others from being backed up. One that was never there is a mistake.
    /// </summary>
    public static IReadOnlyList<string> ResolveAll(IReadOnlyList<string> folders, Func<string, bool> isRemembered)
    {
        string[] resolved = [.. folders.Select(Resolve)];
        string[] mistaken = [.. resolved.Where(folder => !Directory.Exists(folder) && !isRemembered(folder))];
        return mistaken.Length == 0
            ? WithoutNested(resolved)
            : throw new UsageException($"There is no folder {string.Join(", ", mistaken)}. Is the name right, and the drive or share connected?");
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

    /// <summary>The files below a folder, without rules.</summary>
    /// <param name="folder">As <see cref="Resolve"/> gives it.</param>
    /// <param name="unreadable">Told of each folder that cannot be listed.</param>
    /// <param name="cancellationToken">Stops the walk.</param>
    public static IEnumerable<FoundFile> Files(string folder, Action<UnreadableFolder> unreadable, CancellationToken cancellationToken)
    {
        foreach (Found found in Walk(folder, new ScanScope(), cancellationToken))
        {
            if (found is FoundFile file)
            {
                yield return file;
            }
            else if (found is DirectoryEnds { Why: { } why } end)
            {
                unreadable(new UnreadableFolder(end.Path, why));
            }
        }
    }

    /// <summary>Walks a folder, directory by directory.</summary>
    /// <param name="folder">As <see cref="Resolve"/> gives it.</param>
    /// <param name="scope">Where and how.</param>
    /// <param name="cancellationToken">Stops the walk.</param>
    public static IEnumerable<Found> Walk(string folder, ScanScope scope, CancellationToken cancellationToken)
    {
        Stack<Pending> pending = new([Start(folder, scope)]);
        while (pending.TryPop(out Pending? at))
        {
            Exclusions rules = at.Rule is null ? at.Rules.With(at.Path, at.Relative) : at.Rules;
            string? failed = null;
            if (at.Rule is null)
            {
                yield return new DirectoryBegins(at.Path);
            }

            foreach (FileSystemInfo info in List(at.Path, why => failed = why, cancellationToken))
            {
                string path = info.FullName.Length > 0 ? info.FullName : Path.Combine(at.Path, info.Name);
                string relative = at.Relative.Length == 0 ? info.Name : $"{at.Relative}/{info.Name}";
                bool isDirectory = info is DirectoryInfo && !IsLink(info);
                string? rule = at.Rule ?? rules.RuleFor(relative, info.Name, isDirectory);
                if (!isDirectory)
                {
                    yield return rule is null ? Describe(info, path, scope.IsCovered) : new ExcludedFile(path, LengthOf(info), rule);
                }
                else if (WhyClosed(info) is { } why)
                {
                    if (rule is null)
                    {
                        yield return new DirectoryBegins(path);
                        yield return new DirectoryEnds(path, why);
                    }
                }
                else if (!scope.Avoid.Contains(path))
                {
                    pending.Push(new Pending(path, relative, rules, rule));
                }
            }

            // What is left out on purpose may be closed.
            if (at.Rule is null)
            {
                yield return new DirectoryEnds(at.Path, failed);
            }
        }
    }

    /// <summary>One file by its path, as the walk would give it; null where it is gone, is a folder, or is left out by a rule.</summary>
    public static FoundFile? Find(string folder, string path, ScanScope scope)
    {
        FileInfo info = new(path);
        if (!info.Exists || IsExcluded(folder, path, scope))
        {
            return null;
        }

        return Describe(info, path, scope.IsCovered);
    }

    /// <summary>Whether a rule leaves out a path of the folder, or a directory that it lies in; or it is the agent's own.</summary>
    public static bool IsExcluded(string folder, string path, ScanScope scope)
    {
        if (scope.Avoid.Any(own => path == own || IsBelow(path, own)))
        {
            return true;
        }

        if (!IsBelow(path, folder))
        {
            return false;
        }

        Pending above = Start(folder, scope with { Start = Path.GetDirectoryName(path) });
        string relative = Path.GetRelativePath(folder, path).Replace(Path.DirectorySeparatorChar, '/');
        return above.Rule is not null || above.Rules.With(above.Path, above.Relative).RuleFor(relative, Path.GetFileName(path), Directory.Exists(path)) is not null;
    }

    /// <summary>Where the walk begins, with the rules of the directories above.</summary>
    private static Pending Start(string folder, ScanScope scope)
    {
        Pending at = new(folder, "", scope.Exclusions, null);
        if (scope.Start is not { } start || !IsBelow(start, folder))
        {
            return at;
        }

        foreach (string name in Path.GetRelativePath(folder, start).Split(Path.DirectorySeparatorChar))
        {
            Exclusions rules = at.Rules.With(at.Path, at.Relative);
            string relative = at.Relative.Length == 0 ? name : $"{at.Relative}/{name}";
            at = new Pending(Path.Combine(at.Path, name), relative, rules, at.Rule ?? rules.RuleFor(relative, name, isDirectory: true));
        }

        return at;
    }

    /// <summary>The entries of one folder. An error in the middle of the listing ends it: what was listed by then is kept.</summary>
    private static IEnumerable<FileSystemInfo> List(string folder, Action<string> failed, CancellationToken cancellationToken)
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
                    if (!entries.MoveNext())
                    {
                        yield break;
                    }
                }
                catch (Exception error) when (error is not OperationCanceledException)
                {
                    // Whatever it is, it is this folder's, and the others go on.
                    failed(error is DirectoryNotFoundException ? "it is gone" : WithoutPath(error.Message));
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

    private static FoundFile Describe(FileSystemInfo info, string path, Func<string, bool> isCovered)
    {
        try
        {
            if (IsLink(info))
            {
                return new FoundFile(path, 0, FileTimes.ModifiedTicks(info), LeadsToWhatIsCovered(info, isCovered) ? SkipReason.Link : SkipReason.LinkNotCovered);
            }

            if (!IsText(info.Name))
            {
                return new FoundFile(path, 0, 0, SkipReason.Unreadable, NoText);
            }

            // Pipes, sockets and devices have no length either; opening one would wait for ever.
            FileInfo file = (FileInfo)info;
            return new FoundFile(path, file.Length, FileTimes.ModifiedTicks(file), file.Length == 0 && !SpecialFiles.IsRegular(path) ? SkipReason.Special : null);
        }
        catch (Exception error) when (error is not OperationCanceledException)
        {
            return new FoundFile(path, 0, 0, SkipReason.Unreadable, info.Name.Contains('\uFFFD', StringComparison.Ordinal) ? NoText : WithoutPath(error.Message));
        }
    }

    /// <summary>Linux: a path of more than 4,096 bytes, which the system takes from nobody. Windows: names with half a character.</summary>
    private static string? WhyClosed(FileSystemInfo directory) =>
        directory.FullName.Length == 0 ? "its path is too long for the system"
        : IsText(directory.Name) ? null
        : NoText;

    /// <summary>Whether a name can be written down: Windows takes halves of surrogate pairs, and no manifest does.</summary>
    public static bool IsText(string name)
    {
        ReadOnlySpan<char> rest = name;
        int next = rest.IndexOfAnyInRange('\uD800', '\uDFFF');
        while (next >= 0)
        {
            if (Rune.DecodeFromUtf16(rest[next..], out _, out int used) != OperationStatus.Done)
            {
                return false;
            }

            rest = rest[(next + used)..];
            next = rest.IndexOfAnyInRange('\uD800', '\uDFFF');
        }

        return true;
    }

    /// <summary>A reparse point without a target is no link: a file that the cloud or deduplication keeps elsewhere and brings when it is read.</summary>
    private static bool IsLink(FileSystemInfo info)
    {
        try
        {
            return info.Attributes.HasFlag(FileAttributes.ReparsePoint) && info.LinkTarget is not null;
        }
        catch (Exception error) when (error is not OperationCanceledException)
        {
            return false; // said where it is described or listed
        }
    }

    /// <summary>A circle of links leads nowhere; a link to what is not there now would lead there again.</summary>
    private static bool LeadsToWhatIsCovered(FileSystemInfo link, Func<string, bool> isCovered)
    {
        try
        {
            return link.ResolveLinkTarget(returnFinalTarget: true) is not { } target || isCovered(Path.TrimEndingDirectorySeparator(target.FullName));
        }
        catch (IOException)
        {
            return link.LinkTarget is not { } target || isCovered(Path.GetFullPath(target, Path.GetDirectoryName(link.FullName)!));
        }
    }

    private static long LengthOf(FileSystemInfo info)
    {
        try
        {
            return info is FileInfo file && !IsLink(info) ? file.Length : 0;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return 0;
        }
    }

    private sealed record Pending(string Path, string Relative, Exclusions Rules, string? Rule);

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
