using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using CloudArchive.Cli.Agent;
using CloudArchive.Format;
using CloudArchive.Format.Packs;

namespace CloudArchive.Cli.Restores;

/// <summary>
/// Where files are restored to. Nothing is written outside of it, whatever a pack's entries are called and whatever links lie in it; a file
/// appears under its name only when it is whole, readable by this user alone; what is there is not overwritten unless that was asked for.
/// </summary>
/// <remarks>
/// Of several versions at one path the newest has the plain name and the others stand beside it (<c>name~1a2b3c4d.dcm</c>), in whatever order their packs
/// come, in this run or in the one before: pack ids sort by the time at which they were opened.
/// </remarks>
public sealed class TargetFolder : IDisposable
{
    /// <summary>The folder in it for what is not whole yet, and for what it takes to go on with a restore that was cut off.</summary>
    public const string WorkName = ".cloudarchive-restore";

    private const UnixFileMode OwnFolder = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private const UnixFileMode OwnFile = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private static readonly char[] s_separators = OperatingSystem.IsWindows() ? ['\\', ':', '\0'] : ['\0'];
    private readonly string _root;
    private readonly bool _overwrite;

    // Which pack wrote a path, as hash and number: a clinic has millions of files.
    private readonly Dictionary<UInt128, int> _owners = [];
    private readonly Dictionary<string, int> _numbers = new(StringComparer.Ordinal);
    private readonly List<string> _packs = [];
    private readonly SemaphoreSlim _naming = new(1);
    private RunLock? _lock;
    private bool? _takesEveryName;

    /// <param name="path">The folder; made where missing.</param>
    /// <param name="overwrite">Whether to replace files of the same name with other bytes.</param>
    public TargetFolder(string path, bool overwrite)
    {
        string full = Path.GetFullPath(path);
        if (File.Exists(full))
        {
            throw new UsageException($"{full} is a file; name a folder to restore to.");
        }

        DirectoryInfo made = Make(full);
        _root = Path.TrimEndingDirectorySeparator(made.ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? full);
        _overwrite = overwrite;
    }

    /// <summary>The folder.</summary>
    public string Root => _root;

    /// <summary>The folder in it for what is not whole yet.</summary>
    public string Work => Path.Combine(_root, WorkName);

    /// <summary>Whether names may differ in case alone here, and hold what Windows refuses: tried out, for a stick in a Linux computer takes neither.</summary>
    public bool TakesEveryName
    {
        get
        {
            lock (_owners)
            {
                return _takesEveryName ??= TryNames();
            }
        }
    }

    /// <summary>Told when a file gave up its plain name to a newer version: whose, and both names below the folder.</summary>
    public Action<PackId, string, string>? SteppedAside { get; set; }

    /// <summary>Takes the folder for this process, and clears away what one that was killed left half written.</summary>
    /// <exception cref="AlreadyRunningException">Another restore is at work in it.</exception>
    public void Lock()
    {
        Make(Work);
        try
        {
            _lock = RunLock.Take(Path.Combine(Work, "lock"), "restore");
        }
        catch (AlreadyRunningException)
        {
            throw new AlreadyRunningException($"Another restore is at work in {_root}. Wait for it to end, or restore to another folder.");
        }

        // In the root: as they were once named.
        foreach (string left in Directory.EnumerateFiles(Work, "*.part").Concat(Directory.EnumerateFiles(_root, ".cloudarchive-*.part")).ToArray())
        {
            File.Delete(left);
        }
    }

    /// <summary>Gives the folder back; nothing of this program stays in it but what a restore that is not complete needs to go on.</summary>
    public void Dispose()
    {
        if (_lock is null)
        {
            return;
        }

        _lock.Dispose();
        try
        {
            File.Delete(Path.Combine(Work, "lock"));
            if (!Directory.EnumerateFileSystemEntries(Work).Any())
            {
                Directory.Delete(Work);
            }
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // It is in nobody's way.
        }
    }

    /// <summary>Notes that a pack wrote a path, in an earlier run.</summary>
    /// <param name="pack">The pack.</param>
    /// <param name="shown">The path below the folder, with '/'.</param>
    public void NoteOwner(PackId pack, string shown)
    {
        if (Locate(shown) is { } path)
        {
            Own(path, pack);
        }
    }

    /// <summary>The file at a path below the folder; null where the name is none, or leads out.</summary>
    public FileInfo? Find(string shown) => Locate(shown) is { } path ? new FileInfo(path) : null;

    /// <summary>Begins to bring a pack's files in.</summary>
    public StagedPack Stage(PackId pack) => new(this, pack);

    /// <summary>Waits for the turn to give names; disposing passes it on.</summary>
    internal async Task<IDisposable> EnterAsync(CancellationToken cancellationToken)
    {
        await _naming.WaitAsync(cancellationToken);
        return new Turn(_naming);
    }

    /// <summary>
    /// Whether the target has a file already, or another of its name that must not be replaced: then its bytes need not be written. A guess, because other packs may
    /// be giving names meanwhile, and by length and time alone: <see cref="PlaceAsync"/> hashes and decides, and writes them then where that was wrong.
    /// </summary>
    internal bool SeemsDone(ManifestInstance entry)
    {
        if (Locate(entry.Entry) is not { } plain)
        {
            return true;
        }

        if (!Exists(plain))
        {
            return false;
        }

        return (OwnerOf(plain) is null && !_overwrite) || Looks(plain) || Looks(VersionName(plain, entry.Instance.Sha256));

        bool Looks(string path) => new FileInfo(path) is { Exists: true, LinkTarget: null } file && file.Length == entry.Instance.Length && file.LastWriteTimeUtc == entry.ModifiedAt.UtcDateTime;
    }

    /// <summary>Writes a file's bytes under a name of their own, with its time.</summary>
    internal async Task WritePartAsync(StagedFile file, CancellationToken cancellationToken)
    {
        Make(Work);
        file.Part = Path.Combine(Work, TemporaryName());
        try
        {
            FileStreamOptions options = Own(new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, Share = FileShare.None, BufferSize = 0, Options = FileOptions.Asynchronous });
            await using FileStream part = new(file.Part, options);
            await file.Extract(part, cancellationToken);
            File.SetLastWriteTimeUtc(part.SafeFileHandle, file.Entry.ModifiedAt.UtcDateTime);
        }
        catch
        {
            DeletePart(file);
            throw;
        }
    }

    /// <summary>Deletes what was written and got no name.</summary>
    internal static void DeletePart(StagedFile file)
    {
        if (file.Part is { } part)
        {
            File.Delete(part);
            file.Part = null;
        }
    }

    /// <summary>Gives a file its name. Its bytes are on the disk; its name is when the folders are.</summary>
    /// <param name="pack">Whose it is.</param>
    /// <param name="file">The file.</param>
    /// <param name="folders">Takes the folders in which names changed.</param>
    /// <param name="cancellationToken">Stops.</param>
    internal async Task<FileReport> PlaceAsync(PackId pack, StagedFile file, HashSet<string> folders, CancellationToken cancellationToken)
    {
        SidecarInstance instance = file.Entry.Instance;
        string shown = file.Entry.Entry;
        FileReport Report(FileOutcome outcome, string? why = null, bool integrity = false) => new(pack, outcome, shown, instance.SopInstance, instance.Length, why, integrity);
        if (Locate(file.Entry.Entry) is not { } target)
        {
            return Report(FileOutcome.Failed, "its name leaves the target folder", integrity: true);
        }

        if (FindObstacle(target, folders) is { } obstacle)
        {
            return Report(FileOutcome.Failed, obstacle);
        }

        string plain = target, folder = Path.GetDirectoryName(plain)!;
        bool older = false;
        if (OwnerOf(plain) is { } owner && !await IsSameAsync(plain, instance, cancellationToken))
        {
            older = string.CompareOrdinal(owner.ToString(), pack.ToString()) >= 0; // of one pack, the first has the name
            if (older)
            {
                target = VersionName(plain, instance.Sha256);
                shown = Shown(target);
            }
            else
            {
                await StepAsideAsync(plain, owner, cancellationToken);
                folders.Add(folder);

                // X, Y, X: what is to stand here now may be what stepped aside before.
                string version = VersionName(plain, instance.Sha256);
                if (!Exists(plain) && await IsSameAsync(version, instance, cancellationToken))
                {
                    File.Move(version, plain);
                }
            }
        }

        if (Exists(target) && await IsSameAsync(target, instance, cancellationToken))
        {
            if (!older)
            {
                Own(plain, pack);
            }

            return Report(FileOutcome.AlreadyThere);
        }

        if (Exists(target) && !_overwrite)
        {
            return Report(FileOutcome.Exists, "the target has another file of that name; --overwrite replaces it");
        }

        if (file.Part is null)
        {
            await WritePartAsync(file, cancellationToken);
            if ((await DiskFlush.FilesAsync([file.Part!]))[0] is { } failure)
            {
                throw failure;
            }
        }

        File.Move(file.Part!, target, _overwrite);
        file.Part = null;
        folders.Add(folder);
        if (!older)
        {
            Own(plain, pack);
        }

        return Report(FileOutcome.Restored);
    }

    /// <summary>A file in the folder for sealed bytes, which goes when it is closed.</summary>
    public FileStream CreateTemporary()
    {
        Make(Work);
        FileStreamOptions options = Own(new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.ReadWrite,
            Share = FileShare.None,
            Options = FileOptions.Asynchronous | FileOptions.DeleteOnClose,
            BufferSize = 0,
        });
        return new FileStream(Path.Combine(Work, TemporaryName()), options);
    }

    /// <summary>A full disk ends the whole restore; anything else ends one file. ERROR_DISK_FULL, ERROR_HANDLE_DISK_FULL; ENOSPC, EDQUOT.</summary>
    public static bool IsFull(Exception error) => OperatingSystem.IsWindows() ? (uint)error.HResult is 0x80070070 or 0x80070027 : error is IOException && error.HResult is 28 or 122;

    private bool TryNames()
    {
        if (OperatingSystem.IsWindows())
        {
            return false;
        }

        Make(Work);
        string tried = Path.Combine(Work, $"a:{TemporaryName()}");
        try
        {
            using FileStream file = new(tried, Own(new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, Options = FileOptions.DeleteOnClose }));
            return !File.Exists(Path.Combine(Work, Path.GetFileName(tried).ToUpperInvariant()));
        }
        catch (IOException)
        {
            return false;
        }
    }

    private static DirectoryInfo Make(string path) => OperatingSystem.IsWindows() ? Directory.CreateDirectory(path) : Directory.CreateDirectory(path, OwnFolder);

    private static FileStreamOptions Own(FileStreamOptions options)
    {
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = OwnFile;
        }

        return options;
    }

    private static bool Exists(string path) => new FileInfo(path) is { Exists: true } or { LinkTarget: not null };

    private string Shown(string path) => Path.GetRelativePath(_root, path).Replace(Path.DirectorySeparatorChar, '/');

    /// <summary>The absolute path of an entry; null for a name that is none or leads out. Packs' readers check names too; here stands the disk.</summary>
    private string? Locate(string entry)
    {
        string[] parts = entry.Split('/');
        bool plain = parts.All(part => part is not ("" or "." or "..") && part.IndexOfAny(s_separators) < 0 && !Path.IsPathRooted(part)) && !parts[0].Equals(WorkName, StringComparison.OrdinalIgnoreCase);
        if (!plain)
        {
            return null;
        }

        string path = Path.GetFullPath(Path.Combine([_root, .. parts]));
        return Backup.FolderScan.IsBelow(path, _root) ? path : null;
    }

    /// <summary>What stands in the way on the path from the root to the file; makes the folders that are missing.</summary>
    private string? FindObstacle(string target, HashSet<string> changed)
    {
        string current = _root;
        string[] parts = Path.GetRelativePath(_root, target).Split(Path.DirectorySeparatorChar);
        foreach (string part in parts[..^1])
        {
            current = Path.Combine(current, part);
            DirectoryInfo folder = new(current);
            if (folder.LinkTarget is not null)
            {
                return $"{part} in the target folder is a link, which may lead elsewhere";
            }

            if (File.Exists(current))
            {
                return $"{part} in the target folder is a file and not a folder";
            }

            if (!folder.Exists)
            {
                Make(current);
                changed.Add(Path.GetDirectoryName(current)!);
            }
        }

        return Directory.Exists(target) && new DirectoryInfo(target).LinkTarget is null ? "the target has a folder of that name" : null;
    }

    /// <summary>Gives the plain name free: what an older pack wrote there is called as an older version is.</summary>
    private async Task StepAsideAsync(string plain, PackId owner, CancellationToken cancellationToken)
    {
        if (new FileInfo(plain) is not { Exists: true, LinkTarget: null })
        {
            return;
        }

        Sha256Digest sha256;
        await using (FileStream stream = Backup.FileInspection.Open(plain))
        {
            sha256 = Sha256Digest.FromBytes(await SHA256.HashDataAsync(stream, cancellationToken));
        }

        string aside = VersionName(plain, sha256);
        File.Move(plain, aside, overwrite: true); // one of that name has the same bytes
        SteppedAside?.Invoke(owner, Shown(plain), Shown(aside));
    }

    private static async Task<bool> IsSameAsync(string path, SidecarInstance instance, CancellationToken cancellationToken)
    {
        FileInfo file = new(path);
        if (!file.Exists || file.LinkTarget is not null || file.Length != instance.Length)
        {
            return false;
        }

        await using FileStream stream = Backup.FileInspection.Open(path);
        return Sha256Digest.FromBytes(await SHA256.HashDataAsync(stream, cancellationToken)) == instance.Sha256;
    }

    private PackId? OwnerOf(string path)
    {
        lock (_owners)
        {
            return _owners.TryGetValue(Hash(path), out int number) ? PackId.Parse(_packs[number]) : null;
        }
    }

    private void Own(string path, PackId pack)
    {
        string id = pack.ToString();
        UInt128 key = Hash(path);
        lock (_owners)
        {
            if (!_numbers.TryGetValue(id, out int number))
            {
                _numbers[id] = number = _packs.Count;
                _packs.Add(id);
            }

            if (!_owners.TryGetValue(key, out int before) || string.CompareOrdinal(_packs[before], id) < 0)
            {
                _owners[key] = number;
            }
        }
    }

    private static string VersionName(string path, Sha256Digest sha256) =>
        Path.Combine(Path.GetDirectoryName(path)!, $"{Path.GetFileNameWithoutExtension(path)}~{sha256.Hex[..8]}{Path.GetExtension(path)}");

    private static string TemporaryName() => $"{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8))}.part";

    private sealed class Turn(SemaphoreSlim naming) : IDisposable
    {
        public void Dispose() => naming.Release();
    }

    private static UInt128 Hash(string path)
    {
        string spelled = OperatingSystem.IsLinux() ? path : path.ToUpperInvariant();
        return BinaryPrimitives.ReadUInt128LittleEndian(SHA256.HashData(Encoding.UTF8.GetBytes(spelled)));
    }
}
