namespace CloudArchive.Cli.Agent;

/// <summary>
/// Keeps two runs from working on one data folder at once. The operating system holds the lock and drops it when the process ends, however
/// it ends: there is nothing stale to clear.
/// </summary>
public sealed class RunLock : IDisposable
{
    private readonly FileStream _file;

    private RunLock(FileStream file) => _file = file;

    /// <summary>Takes the lock; <see cref="AlreadyRunningException"/> where another process has it.</summary>
    /// <param name="path">The lock's file; it stays behind, empty of meaning.</param>
    /// <param name="what">What holds it, for people: "backup", "watch".</param>
    public static RunLock Take(string path, string what)
    {
        try
        {
            // FileShare.None: a sharing violation on Windows, flock(LOCK_EX | LOCK_NB) elsewhere.
            return new RunLock(new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 1));
        }
        catch (IOException error) when (IsHeld(error))
        {
            throw new AlreadyRunningException($"Another {what} is at work with the data folder {Path.GetDirectoryName(path)}. Wait for it to end, or set CLOUDARCHIVE_HOME to another folder.");
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    /// <summary>ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION; EAGAIN on Linux and on macOS.</summary>
    private static bool IsHeld(IOException error) => OperatingSystem.IsWindows() ? (uint)error.HResult is 0x80070020 or 0x80070021 : error.HResult is 11 or 35;
}
