using System.Security.Cryptography;
using CloudArchive.Dicom;

namespace CloudArchive.Dimse;

/// <summary>
/// Where received instances go. They arrive in <c>incoming</c> and are renamed into <c>received</c>, the folder for <c>cloudarchive watch</c>:
/// what is seen there is whole. A file's name says what it is and what is in it, so an instance that is sent twice is there once, and the same
/// instance with other bytes lies beside the first.
/// </summary>
internal sealed class Spool
{
    private readonly string _incoming;

    /// <summary>Opens the spool; what an earlier run left in <c>incoming</c> was never acknowledged and goes.</summary>
    public Spool(string folder)
    {
        _incoming = CreateFolder(Path.Combine(folder, "incoming"));
        Received = CreateFolder(Path.Combine(folder, "received"));
        foreach (string left in Directory.EnumerateFiles(_incoming, "*.part"))
        {
            File.Delete(left);
        }
    }

    /// <summary>The folder to watch.</summary>
    public string Received { get; }

    /// <summary>A file for an instance that begins to arrive. It is gone when it is closed, unless it was kept.</summary>
    public FileStream Begin()
    {
        FileStreamOptions options = new() { Mode = FileMode.CreateNew, Access = FileAccess.ReadWrite, Share = FileShare.Delete, Options = FileOptions.Asynchronous };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        return new FileStream(Path.Combine(_incoming, Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16)) + ".part"), options);
    }

    /// <summary>Removes what arrived in part.</summary>
    public static void Drop(FileStream file)
    {
        file.Dispose();
        File.Delete(file.Name);
    }

    /// <summary>
    /// Keeps a whole file: durable, then renamed. Throws <see cref="DicomException"/> where it is none that could be archived, and
    /// <see cref="InvalidDataException"/> where it is another instance than announced.
    /// </summary>
    public async Task<ReceivedInstance> KeepAsync(FileStream file, string announced, CancellationToken cancellationToken)
    {
        file.Flush(flushToDisk: true);
        file.Position = 0;
        DicomHeader header = await DicomReader.ReadHeaderAsync(file, cancellationToken);
        if (header.SopInstanceUid != announced || header.StudyInstanceUid is null)
        {
            throw new InvalidDataException("The data set is not the instance that was announced, or has no study.");
        }

        file.Position = 0;
        byte[] sha256 = await SHA256.HashDataAsync(file, cancellationToken);
        long length = file.Length;
        await file.DisposeAsync();
        string study = CreateFolder(Path.Combine(Received, header.StudyInstanceUid));
        string path = Path.Combine(study, $"{header.SopInstanceUid}-{Convert.ToHexStringLower(sha256.AsSpan(0, 8))}.dcm");
        File.Move(file.Name, path, overwrite: true);
        return new(path, header.StudyInstanceUid, header.SopInstanceUid, header.TransferSyntaxUid, length);
    }

    /// <summary>Images are patients': no other user of this computer may look into what the umask would let in. One that is there keeps its rights.</summary>
    private static string CreateFolder(string path) => OperatingSystem.IsWindows()
        ? Directory.CreateDirectory(path).FullName
        : Directory.CreateDirectory(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute).FullName;
}

/// <summary>An instance that was received and lies in the folder to watch. No PHI but UIDs.</summary>
public sealed record ReceivedInstance(string Path, string StudyInstanceUid, string SopInstanceUid, string TransferSyntaxUid, long Length);
