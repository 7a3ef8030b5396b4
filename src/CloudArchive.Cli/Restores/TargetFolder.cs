using System.Security.Cryptography;
using System.Text;
using CloudArchive.Format;
using CloudArchive.Format.Packs;

namespace CloudArchive.Cli.Restores;

/// <summary>
/// Where files are restored to. Nothing is written outside of it, whatever a pack's entries are called and whatever links lie in it; a file
/// appears under its name only when it is whole; what is there is not overwritten unless that was asked for.
/// </summary>
public sealed class TargetFolder
{
    private readonly string _root;
    private readonly bool _overwrite;

    // Names that this run wrote, as hashes: a clinic has millions of files.
    private readonly HashSet<UInt128> _claimed = [];

    /// <param name="path">The folder; made where missing.</param>
    /// <param name="overwrite">Whether to replace files of the same name with other bytes.</param>
    public TargetFolder(string path, bool overwrite)
    {
        string full = Path.GetFullPath(path);
        if (File.Exists(full)) throw new UsageException($"{full} is a file; name a folder to restore to.");
        DirectoryInfo made = Directory.CreateDirectory(full);
        _root = Path.TrimEndingDirectorySeparator(made.ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? full);
        _overwrite = overwrite;
    }

    /// <summary>The folder.</summary>
    public string Root => _root;

    /// <summary>Writes a file of a pack.</summary>
    /// <param name="pack">The pack.</param>
    /// <param name="entry">The file, as the manifest has it.</param>
    /// <param name="extract">Writes its bytes, and throws <see cref="PackException"/> where they are not what was captured.</param>
    /// <param name="cancellationToken">Stops.</param>
    public async Task<FileReport> WriteAsync(PackId pack, ManifestInstance entry, Func<Stream, CancellationToken, Task> extract, CancellationToken cancellationToken)
    {
        SidecarInstance instance = entry.Instance;
        string shown = entry.Entry;
        FileReport Report(FileOutcome outcome, string? why = null, bool integrity = false) => new(pack, outcome, shown, instance.SopInstance, instance.Length, why, integrity);
        try
        {
            if (Locate(entry.Entry) is not { } target) return Report(FileOutcome.Failed, "its name leaves the target folder", integrity: true);
            if (FindObstacle(target) is { } obstacle) return Report(FileOutcome.Failed, obstacle);

            // Newest packs come first, so the newest version has the plain name and an older one of the same name stands beside it.
            if (_claimed.Contains(Hash(target)) && !await IsSameAsync(target, instance, cancellationToken))
            {
                target = VersionName(target, instance.Sha256);
                shown = Path.GetRelativePath(_root, target).Replace(Path.DirectorySeparatorChar, '/');
            }

            FileInfo existing = new(target);
            bool isThere = existing.Exists || existing.LinkTarget is not null;
            if (isThere && await IsSameAsync(target, instance, cancellationToken))
            {
                _claimed.Add(Hash(target));
                return Report(FileOutcome.AlreadyThere);
            }

            if (isThere && !_overwrite) return Report(FileOutcome.Exists, "the target has another file of that name; --overwrite replaces it");
            await WriteAsync(target, entry.ModifiedAt, extract, cancellationToken);
            _claimed.Add(Hash(target));
            return Report(FileOutcome.Restored);
        }
        catch (PackException error)
        {
            return Report(FileOutcome.Failed, $"{error.Fault}: {error.Message}", integrity: true);
        }
        catch (Exception error) when (error is UnauthorizedAccessException or IOException or NotSupportedException && !IsFull(error))
        {
            return Report(FileOutcome.Failed, error.Message);
        }
    }

    /// <summary>A file in the folder for sealed bytes, which goes when it is closed.</summary>
    public FileStream CreateTemporary() => new(Path.Combine(_root, TemporaryName()), new FileStreamOptions
    {
        Mode = FileMode.CreateNew,
        Access = FileAccess.ReadWrite,
        Share = FileShare.None,
        Options = FileOptions.Asynchronous | FileOptions.DeleteOnClose,
        BufferSize = 0,
    });

    /// <summary>The absolute path of an entry; null for a name that is none or leads out. Packs' readers check names too; here stands the disk.</summary>
    private string? Locate(string entry)
    {
        string[] parts = entry.Split('/');
        bool plain = parts.All(part => part is not ("" or "." or "..") && part.IndexOfAny(['\\', ':', '\0']) < 0 && !Path.IsPathRooted(part));
        if (!plain) return null;
        string path = Path.GetFullPath(Path.Combine([_root, .. parts]));
        return Backup.FolderScan.IsBelow(path, _root) ? path : null;
    }

    /// <summary>What stands in the way on the path from the root to the file; makes the folders that are missing.</summary>
    private string? FindObstacle(string target)
    {
        string current = _root;
        string[] parts = Path.GetRelativePath(_root, target).Split(Path.DirectorySeparatorChar);
        foreach (string part in parts[..^1])
        {
            current = Path.Combine(current, part);
            DirectoryInfo folder = new(current);
            if (folder.LinkTarget is not null) return $"{part} in the target folder is a link, which may lead elsewhere";
            if (File.Exists(current)) return $"{part} in the target folder is a file and not a folder";
            if (!folder.Exists) folder.Create();
        }

        return Directory.Exists(target) && new DirectoryInfo(target).LinkTarget is null ? "the target has a folder of that name" : null;
    }

    private async Task WriteAsync(string target, DateTimeOffset modifiedAt, Func<Stream, CancellationToken, Task> extract, CancellationToken cancellationToken)
    {
        string temporary = Path.Combine(Path.GetDirectoryName(target)!, TemporaryName());
        try
        {
            await using (FileStream file = new(temporary, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, Share = FileShare.None, Options = FileOptions.Asynchronous }))
            {
                await extract(file, cancellationToken);
                file.Flush(flushToDisk: true);
            }

            File.SetLastWriteTimeUtc(temporary, modifiedAt.UtcDateTime);
            File.Move(temporary, target, _overwrite);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }

    private static async Task<bool> IsSameAsync(string path, SidecarInstance instance, CancellationToken cancellationToken)
    {
        FileInfo file = new(path);
        if (!file.Exists || file.LinkTarget is not null || file.Length != instance.Length) return false;
        await using FileStream stream = Backup.FileInspection.Open(path);
        return Sha256Digest.FromBytes(await SHA256.HashDataAsync(stream, cancellationToken)) == instance.Sha256;
    }

    private static string VersionName(string path, Sha256Digest sha256) =>
        Path.Combine(Path.GetDirectoryName(path)!, $"{Path.GetFileNameWithoutExtension(path)}~{sha256.Hex[..8]}{Path.GetExtension(path)}");

    private static string TemporaryName() => $".cloudarchive-{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8))}.part";

    private static UInt128 Hash(string path)
    {
        string spelled = OperatingSystem.IsLinux() ? path : path.ToUpperInvariant();
        return System.Buffers.Binary.BinaryPrimitives.ReadUInt128LittleEndian(SHA256.HashData(Encoding.UTF8.GetBytes(spelled)));
    }

    /// <summary>A full disk ends the whole restore; anything else ends one file. ERROR_DISK_FULL, ERROR_HANDLE_DISK_FULL; ENOSPC, EDQUOT.</summary>
    private static bool IsFull(Exception error) => OperatingSystem.IsWindows() ? (uint)error.HResult is 0x80070070 or 0x80070027 : error is IOException && error.HResult is 28 or 122;
}
