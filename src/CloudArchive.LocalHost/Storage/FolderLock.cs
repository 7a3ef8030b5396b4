namespace CloudArchive.LocalHost.Storage;

/// <summary>One LocalHost for a data folder: two would each believe that they alone write its policies.</summary>
internal sealed class FolderLock : IAsyncDisposable
{
    private readonly FileStream _file;

    private FolderLock(FileStream file) => _file = file;

    public static FolderLock Take(string folder)
    {
        try
        {
            return new FolderLock(new FileStream(Path.Combine(folder, "lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None));
        }
        catch (IOException e)
        {
            throw new LocalHostException($"Another LocalHost is running on {folder}. Stop it, or choose another data folder.", e);
        }
    }

    public ValueTask DisposeAsync() => _file.DisposeAsync();
}
