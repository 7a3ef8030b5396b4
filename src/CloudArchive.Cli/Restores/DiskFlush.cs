using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace CloudArchive.Cli.Restores;

/// <summary>
/// Waits until files and names are on the disk, many at a time: a file system that keeps a journal commits it once for all that wait together, where one file
/// after the other waits for a commit each.
/// </summary>
public static class DiskFlush
{
    private const int AtOnce = 16;
    private const int NotSupported = 22; // EINVAL: fsync(2) of a folder on a file system that has none

    /// <summary>Flushes files that are closed.</summary>
    /// <returns>For each, why it is not on the disk; null where it is.</returns>
    public static async Task<Exception?[]> FilesAsync(IReadOnlyList<string> paths)
    {
        Exception?[] failures = new Exception?[paths.Count];
        await EachAsync(paths.Count, i =>
        {
            try
            {
                using SafeFileHandle file = File.OpenHandle(paths[i], FileMode.Open, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete);
                RandomAccess.FlushToDisk(file);
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                failures[i] = error;
            }
        });
        return failures;
    }

    /// <summary>Flushes the names in folders: what was renamed or made there. On Windows a rename is in the journal of the file system before it returns.</summary>
    /// <returns>Why one of them is not on the disk, or null. A file system that cannot flush folders is none.</returns>
    public static async Task<Exception?> FoldersAsync(IReadOnlyCollection<string> paths)
    {
        if (OperatingSystem.IsWindows())
        {
            return null;
        }

        Exception? failure = null;
        string[] folders = [.. paths];
        await EachAsync(folders.Length, i =>
        {
            if (FlushFolder(folders[i]) is { } error)
            {
                failure = error;
            }
        });
        return failure;
    }

    /// <summary>On threads of their own: they wait for the disk, and the pool's are few.</summary>
    private static Task EachAsync(int count, Action<int> flush)
    {
        int next = -1;
        return Task.WhenAll(Enumerable.Range(0, Math.Min(count, AtOnce)).Select(_ => Task.Factory.StartNew(
            () =>
            {
                for (int i = Interlocked.Increment(ref next); i < count; i = Interlocked.Increment(ref next))
                {
                    flush(i);
                }
            },
            CancellationToken.None,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default)));
    }

    private static IOException? FlushFolder(string path)
    {
        int folder = Open(path, 0); // O_RDONLY; .NET itself opens no folders
        if (folder < 0)
        {
            return new IOException(Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError()));
        }

        using SafeFileHandle handle = new(folder, ownsHandle: true);
        return Flush(folder) == 0 || Marshal.GetLastPInvokeError() == NotSupported ? null : new IOException(Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError()));
    }

    [DllImport("libc", EntryPoint = "open", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static extern int Open([MarshalAs(UnmanagedType.LPUTF8Str)] string path, int flags);

    [DllImport("libc", EntryPoint = "fsync", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static extern int Flush(int file);
}
