using System.Threading.Channels;

namespace CloudArchive.Cli.Watch;

/// <summary>What the operating system tells of the folders: paths that something happened to. Null: look at everything, events were lost.</summary>
public sealed class FolderEvents : IDisposable
{
    private readonly List<FileSystemWatcher> _watchers = [];
    private readonly Channel<string?> _events = Channel.CreateBounded<string?>(new BoundedChannelOptions(50_000) { FullMode = BoundedChannelFullMode.DropOldest, SingleReader = true });

    /// <param name="folders">The folders.</param>
    /// <param name="cannot">Told where the system cannot watch a folder; it is rescanned all the same.</param>
    public FolderEvents(IEnumerable<string> folders, Action<string> cannot)
    {
        foreach (string folder in folders)
        {
            try
            {
                _watchers.Add(Watch(folder));
            }
            catch (Exception error) when (error is IOException or ArgumentException or PlatformNotSupportedException)
            {
                // Linux: fs.inotify.max_user_watches; network shares that send no events; a drive that is not connected.
                cannot($"{folder} sends no events ({Backup.FolderScan.WithoutPath(error.Message)}); it is looked through at every rescan.");
            }
        }
    }

    /// <summary>Takes what happened by now, waiting for something at most so long.</summary>
    public async Task<IReadOnlyCollection<string?>> TakeAsync(TimeSpan patience, TimeProvider clock, CancellationToken cancellationToken)
    {
        using CancellationTokenSource enough = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task delay = Task.Delay(patience, clock, enough.Token);
        await Task.WhenAny(_events.Reader.WaitToReadAsync(enough.Token).AsTask(), delay);
        await enough.CancelAsync();
        cancellationToken.ThrowIfCancellationRequested();
        HashSet<string?> paths = [];
        while (_events.Reader.TryRead(out string? path)) paths.Add(path);
        return paths;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (FileSystemWatcher watcher in _watchers) watcher.Dispose();
    }

    private FileSystemWatcher Watch(string folder)
    {
        FileSystemWatcher watcher = new(folder)
        {
            IncludeSubdirectories = true,
            InternalBufferSize = 64 * 1024,
            NotifyFilter = NotifyFilters.FileName | NotifyFilters.DirectoryName | NotifyFilters.LastWrite | NotifyFilters.Size,
        };
        watcher.Created += (_, change) => Tell(change.FullPath);
        watcher.Changed += (_, change) => Tell(change.FullPath);
        watcher.Renamed += (_, change) => Tell(change.FullPath);
        watcher.Error += (_, _) => Tell(null);
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

    private void Tell(string? path) => _events.Writer.TryWrite(path);
}
