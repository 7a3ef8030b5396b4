using System.Threading.Channels;
using CloudArchive.Cli.Backup;

namespace CloudArchive.Cli.Watch;

/// <summary>Something happened in a folder.</summary>
/// <param name="Path">To what; null: to anything, events were lost.</param>
/// <param name="Appeared">Whether it was created or got this name: a directory that appears brings files without events of their own.</param>
public readonly record struct FolderEvent(string? Path, bool Appeared);

/// <summary>What the operating system tells of the folders.</summary>
public sealed class FolderEvents : IDisposable
{
    private readonly List<FileSystemWatcher> _watchers = [];
    private readonly IReadOnlyCollection<string> _own;
    private readonly Channel<FolderEvent> _events = Channel.CreateBounded<FolderEvent>(new BoundedChannelOptions(50_000) { FullMode = BoundedChannelFullMode.DropOldest, SingleReader = true });

    /// <param name="folders">The folders.</param>
    /// <param name="own">Directories of the agent's own: what it writes there is no event, or a state inside a watched folder would keep it busy for ever.</param>
    /// <param name="cannot">Told where the system cannot watch a folder; it is rescanned all the same.</param>
    public FolderEvents(IEnumerable<string> folders, IReadOnlyCollection<string> own, Action<string> cannot)
    {
        _own = own;
        foreach (string folder in folders)
        {
            try
            {
                _watchers.Add(Watch(folder));
            }
            catch (Exception error) when (error is IOException or ArgumentException or PlatformNotSupportedException)
            {
                // Linux: fs.inotify.max_user_watches; network shares that send no events; a drive that is not connected.
                cannot($"{folder} sends no events ({FolderScan.WithoutPath(error.Message)}); it is looked through at every rescan.");
            }
        }
    }

    /// <summary>Takes what happened by now, each path once, waiting for something at most so long.</summary>
    public async Task<IReadOnlyCollection<FolderEvent>> TakeAsync(TimeSpan patience, TimeProvider clock, CancellationToken cancellationToken)
    {
        using CancellationTokenSource enough = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task delay = Task.Delay(patience, clock, enough.Token);
        await Task.WhenAny(_events.Reader.WaitToReadAsync(enough.Token).AsTask(), delay);
        await enough.CancelAsync();
        cancellationToken.ThrowIfCancellationRequested();
        return TakeNow();
    }

    /// <summary>Takes what happened by now, each path once.</summary>
    public IReadOnlyCollection<FolderEvent> TakeNow()
    {
        HashSet<FolderEvent> events = [];
        while (_events.Reader.TryRead(out FolderEvent one))
        {
            if (one.Appeared)
            {
                events.Remove(one with { Appeared = false });
            }

            if (one.Appeared || !events.Contains(one with { Appeared = true }))
            {
                events.Add(one);
            }
        }

        return events;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (FileSystemWatcher watcher in _watchers)
        {
            watcher.Dispose();
        }
    }

    private FileSystemWatcher Watch(string folder)
    {
        FileSystemWatcher watcher = new(folder)
        {
            IncludeSubdirectories = true,
            InternalBufferSize = 64 * 1024,
            NotifyFilter = NotifyFilters.FileName | NotifyFilters.DirectoryName | NotifyFilters.LastWrite | NotifyFilters.Size,
        };
        watcher.Created += (_, change) => Tell(new FolderEvent(change.FullPath, Appeared: true));
        watcher.Changed += (_, change) => Tell(new FolderEvent(change.FullPath, Appeared: false));
        watcher.Renamed += (_, change) => Tell(new FolderEvent(change.FullPath, Appeared: true));
        watcher.Error += (_, _) => Tell(new FolderEvent(null, Appeared: true));
        try
        {
            watcher.EnableRaisingEvents = true;
            return watcher;
        }
        catch
        {
            watcher.Dispose();
            throw;
        }
    }

    private void Tell(FolderEvent one)
    {
        if (one.Path is null || !_own.Any(own => one.Path == own || FolderScan.IsBelow(one.Path, own)))
        {
            _events.Writer.TryWrite(one);
        }
    }
}
