using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using CloudArchive.Cli.Agent;
using CloudArchive.Format;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Restores;

/// <summary>What earlier runs of a restore did.</summary>
/// <param name="Packs">Packs that are done.</param>
/// <param name="Restored">Files that were written.</param>
/// <param name="There">Files that were there already.</param>
/// <param name="Bytes">Bytes that were written.</param>
/// <param name="Sealed">Bytes of those packs.</param>
public sealed record EarlierRuns(int Packs, int Restored, int There, long Bytes, long Sealed)
{
    /// <summary>None.</summary>
    public static EarlierRuns None { get; } = new(0, 0, 0, 0, 0);
}

/// <summary>
/// What it takes to go on with a restore that was cut off: its private key, and which packs are done, in a folder of its own below the target
/// (docs/decisions, 51). It is named by what was asked for, so that the same command in the same target finds it, and it goes when the restore is complete.
/// </summary>
/// <remarks>
/// A pack is noted after its files and their names were written through to the disk. Several packs may be noted at a time. What is noted is not believed blindly: a pack of which a file is not there as it
/// was left, by size and time, is fetched again.
/// </remarks>
public sealed class RestoreJournal : IDisposable
{
    private const int KeyBits = 3072;
    private readonly TargetFolder _target;
    private readonly string _folder;
    private readonly HashSet<string> _done = new(StringComparer.Ordinal);
    private readonly Lock _writing = new();
    private FileStream? _file;

    private RestoreJournal(TargetFolder target, string folder) => (_target, _folder) = (target, folder);

    /// <summary>What earlier runs did.</summary>
    public EarlierRuns Earlier { get; private set; } = EarlierRuns.None;

    private string KeyFile => Path.Combine(_folder, "key");

    private string LogFile => Path.Combine(_folder, "journal.jsonl");

    /// <summary>The journal of a restore in a target that this process has locked; an empty one where none was begun.</summary>
    /// <param name="target">Where to.</param>
    /// <param name="asked">What was asked for, of whom and why: what makes it the same restore. Only its hash is kept.</param>
    public static RestoreJournal Open(TargetFolder target, string asked)
    {
        string name = Sha256Digest.Of(Encoding.UTF8.GetBytes(asked)).Hex[..24];
        string folder = Path.Combine(target.Work, name);
        _ = OperatingSystem.IsWindows() ? Directory.CreateDirectory(folder) : Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        RestoreJournal journal = new(target, folder);
        journal.Load();
        target.SteppedAside = journal.NoteMove;
        return journal;
    }

    /// <summary>What makes a request the same: everything but its key.</summary>
    /// <param name="service">The service.</param>
    /// <param name="clinic">The clinic.</param>
    /// <param name="request">The request.</param>
    /// <param name="wanted">What of it is wanted here.</param>
    public static string Describe(Uri service, ClinicId clinic, RestoreRequest request, SnapshotFilter? wanted = null) => JsonSerializer.Serialize(
        new
        {
            service = service.AbsoluteUri.TrimEnd('/'),
            clinic,
            request.Purpose,
            request.Recipient,
            studies = request.Studies?.Select(study => study.Value).Order(StringComparer.Ordinal),
            instances = request.Instances?.Select(instance => instance.Value).Order(StringComparer.Ordinal),
            request.PatientId,
            request.Everything,
            request.Snapshot,
            roots = wanted is { Roots.Count: > 0 } ? wanted.Roots : null,
            paths = wanted is { Paths.Count: > 0 } ? wanted.Paths : null,
        },
        FormatJson.Options);

    /// <summary>The restore's private key: the one that is there, or a new one, which is on the disk before it is used. Under DPAPI on Windows, else for this user alone.</summary>
    public RSA OpenKey()
    {
        RSA key = RSA.Create(KeyBits);
        try
        {
            byte[] secret;
            if (File.Exists(KeyFile))
            {
                secret = ProtectedFile.Read(KeyFile);
                key.ImportPkcs8PrivateKey(secret, out _);
            }
            else
            {
                secret = key.ExportPkcs8PrivateKey();
                ProtectedFile.Write(KeyFile, secret);
            }

            CryptographicOperations.ZeroMemory(secret);
            return key;
        }
        catch (Exception error) when (error is CryptographicException or LocalFailureException)
        {
            key.Dispose();
            throw new LocalFailureException($"The key of the restore that was begun in {_target.Root} belongs to another user or computer, or is damaged. Delete {_folder}, then run the command again: what was restored stays.", error);
        }
        catch
        {
            key.Dispose();
            throw;
        }
    }

    /// <summary>The restore is over, and another is asked for: with a key of its own. What is done stays done.</summary>
    public void ForgetKey() => File.Delete(KeyFile);

    /// <summary>Whether a pack is done.</summary>
    public bool IsDone(PackId pack) => _done.Contains(pack.ToString());

    /// <summary>Notes a pack of which every file is there, and writes that through to the disk.</summary>
    public void NoteDone(PackId pack, long length, IReadOnlyCollection<FileReport> files)
    {
        List<object[]> left = [];
        foreach (FileReport file in files)
        {
            if (file.Outcome is not (FileOutcome.Restored or FileOutcome.AlreadyThere) || file.Path is not { } path || _target.Find(path) is not { Exists: true } there)
            {
                return; // It has to be looked at again.
            }

            left.Add([path, there.Length, there.LastWriteTimeUtc.Ticks]);
        }

        Append(new
        {
            pack = pack.ToString(),
            length,
            restored = files.Count(file => file.Outcome == FileOutcome.Restored),
            there = files.Count(file => file.Outcome == FileOutcome.AlreadyThere),
            bytes = files.Where(file => file.Outcome == FileOutcome.Restored).Sum(file => file.Bytes),
            files = left,
        });
    }

    /// <summary>The restore is complete: nothing of it is kept.</summary>
    public void Remove()
    {
        Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _target.SteppedAside = null;
        _file?.Dispose();
        _file = null;
    }

    private void NoteMove(PackId pack, string from, string to) => Append(new { moved = pack.ToString(), from, to });

    private void Append(object line)
    {
        byte[] written = [.. JsonSerializer.SerializeToUtf8Bytes(line, FormatJson.Options), (byte)'\n'];
        lock (_writing)
        {
            (_file ??= OpenLog()).Write(written);
            _file.Flush(flushToDisk: true);
        }
    }

    private FileStream OpenLog()
    {
        FileStreamOptions options = new() { Mode = FileMode.OpenOrCreate, Access = FileAccess.Write, Share = FileShare.Read };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        FileStream file = new(LogFile, options);
        file.Seek(0, SeekOrigin.End);
        return file;
    }

    private void Load()
    {
        if (!File.Exists(LogFile))
        {
            return;
        }

        CutTornLine();

        // Twice through it, so that memory holds no more than a line: first who stepped aside, then who is done.
        Dictionary<(string Pack, string Path), string> moved = [];
        foreach (JsonElement line in Lines())
        {
            if (line.TryGetProperty("moved", out JsonElement pack) && line.TryGetProperty("from", out JsonElement from) && line.TryGetProperty("to", out JsonElement to))
            {
                moved[(pack.GetString()!, from.GetString()!)] = to.GetString()!;
            }
        }

        foreach (JsonElement line in Lines())
        {
            if (!line.TryGetProperty("pack", out JsonElement text) || !PackId.TryParse(text.GetString(), null, out PackId pack) || IsDone(pack))
            {
                continue;
            }

            try
            {
                LoadPack(pack, line, moved);
            }
            catch (Exception error) when (error is KeyNotFoundException or InvalidOperationException or FormatException or IndexOutOfRangeException)
            {
                // A damaged line: its pack is fetched again.
            }
        }
    }

    private void LoadPack(PackId pack, JsonElement line, Dictionary<(string Pack, string Path), string> moved)
    {
        bool whole = true;
        foreach (JsonElement file in line.GetProperty("files").EnumerateArray())
        {
            string path = file[0].GetString()!;
            bool stepped = moved.TryGetValue((pack.ToString(), path), out string? aside);
            if (!stepped)
            {
                _target.NoteOwner(pack, path); // also where it is another by now: the name was this restore's
            }

            whole &= _target.Find(stepped ? aside! : path) is { Exists: true } there && there.Length == file[1].GetInt64() && there.LastWriteTimeUtc.Ticks == file[2].GetInt64();
        }

        if (whole)
        {
            _done.Add(pack.ToString());
            Earlier = new EarlierRuns(
                Earlier.Packs + 1,
                Earlier.Restored + line.GetProperty("restored").GetInt32(),
                Earlier.There + line.GetProperty("there").GetInt32(),
                Earlier.Bytes + line.GetProperty("bytes").GetInt64(),
                Earlier.Sealed + line.GetProperty("length").GetInt64());
        }
    }

    /// <summary>A line that was being written when the process was killed is none.</summary>
    private void CutTornLine()
    {
        using FileStream file = new(LogFile, FileMode.Open, FileAccess.ReadWrite);
        long end = file.Length;
        while (end > 0)
        {
            file.Position = end - 1;
            if (file.ReadByte() == '\n')
            {
                break;
            }

            end--;
        }

        file.SetLength(end);
    }

    private IEnumerable<JsonElement> Lines()
    {
        foreach (string text in File.ReadLines(LogFile))
        {
            JsonDocument document;
            try
            {
                document = JsonDocument.Parse(text);
            }
            catch (JsonException)
            {
                continue; // A damaged line: its pack is fetched again.
            }

            using (document)
            {
                yield return document.RootElement;
            }
        }
    }
}
