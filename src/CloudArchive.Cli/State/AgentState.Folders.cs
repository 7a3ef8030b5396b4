using CloudArchive.Cli.Find;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Verdicts;
using Microsoft.Data.Sqlite;

namespace CloudArchive.Cli.State;

/// <summary>A backed-up folder, as it is remembered.</summary>
public sealed record FolderRecord
{
    /// <summary>Its row.</summary>
    public required long Id { get; init; }

    /// <summary>Absolute.</summary>
    public required string Path { get; init; }

    /// <summary>What people call it: no other folder of this computer has the same. Restores name a folder by it.</summary>
    public string Label { get; init; } = "";

    /// <summary>When it was last looked through; null: never.</summary>
    public DateTimeOffset? ScannedAt { get; init; }

    /// <summary>When a backup last left nothing in it that it could have archived.</summary>
    public DateTimeOffset? CompleteAt { get; init; }

    /// <summary>The volume that it is pinned to; null: not known.</summary>
    public string? Volume { get; init; }

    /// <summary>Whether the last scan found it on another volume.</summary>
    public bool IsMoved { get; init; }

    /// <summary>Whether anything to back up was ever found in it.</summary>
    public bool HeldFiles { get; init; }

    /// <summary>Whether the last scan found nothing where there had been files.</summary>
    public bool IsEmptied { get; init; }

    /// <summary>Folders in it that the last scan could not list.</summary>
    public long UnreadableFolders { get; init; }

    /// <summary>Since when changed files are held back (mass change); null: they are not.</summary>
    public DateTimeOffset? HeldSince { get; init; }

    /// <summary>What a person excluded on purpose, as <see cref="Backup.Exclusions"/> reads it.</summary>
    public IReadOnlyList<string> Exclusions { get; init; } = [];
}

/// <summary>What a rule leaves out of a folder.</summary>
public sealed record LeftOut(string Rule, FileTally Files);

/// <summary>What a scan found of a folder as a whole.</summary>
/// <param name="Volume">Its volume, where that is known.</param>
/// <param name="IsMoved">Whether that is another one than it is pinned to.</param>
/// <param name="IsEmptied">Whether there was nothing where there had been files.</param>
/// <param name="Unreadable">Folders that could not be listed.</param>
/// <param name="LeftOut">What each rule leaves out; null: the scan did not look everywhere.</param>
public sealed record ScannedFolder(string? Volume, bool IsMoved, bool IsEmptied, long Unreadable, IReadOnlyCollection<LeftOut>? LeftOut);

public sealed partial class AgentState
{
    /// <summary>Characters of a label.</summary>
    public const int LongestLabel = 80;

    private const string FolderColumns = "id, path, scanned, complete, volume, moved, held_files, emptied, unreadable, held, label";

    /// <summary>The folder's row; made where missing.</summary>
    public long Folder(string path)
    {
        lock (_gate)
        {
            if (Find(path) is { } known)
            {
                return known.Id;
            }

            return Scalar<long>("INSERT INTO folders(path, label) VALUES ($path, $label) RETURNING id", ("$path", path), ("$label", LabelFor(path)));
        }
    }

    /// <summary>A remembered folder by its path, or null.</summary>
    public FolderRecord? FindFolder(string path)
    {
        lock (_gate)
        {
            return Find(path);
        }
    }

    /// <summary>The remembered folders.</summary>
    public IReadOnlyList<FolderRecord> FolderRecords()
    {
        lock (_gate)
        {
            return ReadFolders(Command($"SELECT {FolderColumns} FROM folders ORDER BY path"));
        }
    }

    /// <summary>Their paths.</summary>
    public IReadOnlyList<string> Folders() => [.. FolderRecords().Select(folder => folder.Path)];

    /// <summary>Forgets a folder, its rules and its files. What is archived stays archived, and known.</summary>
    public bool Forget(string path)
    {
        lock (_gate)
        {
            if (Find(path) is not { Id: var id } known)
            {
                return false;
            }

            using SqliteTransaction transaction = _connection.BeginTransaction();
            KeepLabel(known);
            Execute("DELETE FROM files WHERE directory IN (SELECT id FROM directories WHERE folder = $id)", ("$id", id));
            foreach (string table in (string[])["directories", "exclusions", "left_out"])
            {
                Execute($"DELETE FROM {table} WHERE folder = $id", ("$id", id));
            }

            Execute("DELETE FROM folders WHERE id = $id", ("$id", id));
            transaction.Commit();
            return true;
        }
    }

    /// <summary>
    /// Makes a folder part of the one that it lies in: its files stay known under their new place, and nothing is read again.
    /// </summary>
    public void Absorb(FolderRecord inner, FolderRecord outer)
    {
        string prefix = Below(outer.Path, inner.Path);
        lock (_gate)
        {
            using SqliteTransaction transaction = _connection.BeginTransaction();
            KeepLabel(inner);
            Execute(
                "UPDATE directories SET folder = $outer, path = CASE WHEN path = '' THEN $prefix ELSE $prefix || $separator || path END WHERE folder = $inner",
                ("$outer", outer.Id), ("$inner", inner.Id), ("$prefix", prefix), ("$separator", Path.DirectorySeparatorChar.ToString()));
            Execute("DELETE FROM exclusions WHERE folder = $id", ("$id", inner.Id));
            Execute("DELETE FROM left_out WHERE folder = $id", ("$id", inner.Id));
            Execute("DELETE FROM folders WHERE id = $id", ("$id", inner.Id));
            Execute("UPDATE folders SET held_files = held_files OR $held WHERE id = $id", ("$held", inner.HeldFiles), ("$id", outer.Id));
            transaction.Commit();
        }
    }

    /// <summary>Remembers, or forgets, what a person excludes on purpose. False: it was so already.</summary>
    public bool Exclude(long folder, string pattern, bool undo = false)
    {
        lock (_gate)
        {
            return Execute(
                undo ? "DELETE FROM exclusions WHERE folder = $folder AND pattern = $pattern" : "INSERT OR IGNORE INTO exclusions(folder, pattern) VALUES ($folder, $pattern)",
                ("$folder", folder), ("$pattern", pattern)) > 0;
        }
    }

    /// <summary>What each rule left out of a folder when it was last looked through.</summary>
    public IReadOnlyList<LeftOut> LeftOut(long folder)
    {
        lock (_gate)
        {
            using SqliteCommand command = Command("SELECT rule, files, bytes FROM left_out WHERE folder = $folder ORDER BY rule", ("$folder", folder));
            using SqliteDataReader row = command.ExecuteReader();
            List<LeftOut> all = [];
            while (row.Read())
            {
                all.Add(new LeftOut(row.GetString(0), new FileTally(row.GetInt64(1), row.GetInt64(2))));
            }

            return all;
        }
    }

    /// <summary>Notes what a scan found of a folder as a whole. The volume is pinned by the first scan that knows it.</summary>
    public void NoteScanned(long folder, ScannedFolder scanned, DateTimeOffset now)
    {
        bool differs = scanned.LeftOut is { } found && !found.OrderBy(l => l.Rule, StringComparer.Ordinal).SequenceEqual(LeftOut(folder));
        lock (_gate)
        {
            using SqliteTransaction transaction = _connection.BeginTransaction();
            Execute(
                "UPDATE folders SET scanned = $now, volume = coalesce(volume, $volume), moved = $moved, emptied = $emptied, unreadable = $unreadable WHERE id = $id",
                ("$now", Text(now)), ("$volume", scanned.Volume), ("$moved", scanned.IsMoved), ("$emptied", scanned.IsEmptied), ("$unreadable", scanned.Unreadable), ("$id", folder));
            if (differs)
            {
                Execute("DELETE FROM left_out WHERE folder = $id", ("$id", folder));
                foreach (LeftOut rule in scanned.LeftOut!)
                {
                    Execute(
                        "INSERT INTO left_out(folder, rule, files, bytes) VALUES ($id, $rule, $files, $bytes)",
                        ("$id", folder), ("$rule", rule.Rule), ("$files", rule.Files.Files), ("$bytes", rule.Files.Bytes));
                }
            }

            transaction.Commit();
        }
    }

    /// <summary>Notes that a backup left nothing in a folder that it could have archived.</summary>
    public void NoteComplete(long folder, DateTimeOffset now)
    {
        lock (_gate)
        {
            Execute("UPDATE folders SET complete = $now WHERE id = $id", ("$now", Text(now)), ("$id", folder));
        }
    }

    /// <summary>Notes that something to back up was found in a folder.</summary>
    public void NoteHeldFiles(long folder)
    {
        lock (_gate)
        {
            Execute("UPDATE folders SET held_files = 1 WHERE id = $id AND held_files = 0", ("$id", folder));
        }
    }

    /// <summary>Holds back the changed files of a folder, until <see cref="Accept"/>.</summary>
    public void Hold(long folder, DateTimeOffset now)
    {
        lock (_gate)
        {
            Execute("UPDATE folders SET held = $now WHERE id = $id AND held IS NULL", ("$now", Text(now)), ("$id", folder));
        }
    }

    /// <summary>
    /// A person has looked at a folder and takes it as it is: its changes, the volume that it lies on, that it is empty, and files that changed
    /// without a new time.
    /// </summary>
    public void Accept(long folder, DateTimeOffset now)
    {
        lock (_gate)
        {
            using SqliteTransaction transaction = _connection.BeginTransaction();
            Execute("UPDATE folders SET held = NULL, volume = NULL, moved = 0, emptied = 0, accepted = $now WHERE id = $id", ("$now", now.ToUnixTimeMilliseconds()), ("$id", folder));
            Execute(
                "UPDATE files SET state = 0, changed = NULL, reason = NULL, detail = NULL WHERE reason = $reason AND directory IN (SELECT id FROM directories WHERE folder = $id)",
                ("$reason", Backup.SkipReasons.Name(Backup.SkipReason.ChangedWithoutNewTime)), ("$id", folder));

            // What was an image and is none any more is a plain file from now on.
            Execute(
                "UPDATE files SET state = 0, changed = NULL, reason = NULL, detail = NULL, sha256 = NULL WHERE reason = $reason AND directory IN (SELECT id FROM directories WHERE folder = $id)",
                ("$reason", Backup.SkipReasons.Name(Backup.SkipReason.NoLongerDicom)), ("$id", folder));
            transaction.Commit();
        }
    }

    /// <summary>What changed in a folder up to now is accepted; the rest of <see cref="Accept"/> was done when the run began.</summary>
    public void NoteAccepted(long folder, DateTimeOffset now)
    {
        lock (_gate)
        {
            Execute("UPDATE folders SET accepted = $now WHERE id = $id", ("$now", now.ToUnixTimeMilliseconds()), ("$id", folder));
        }
    }

    /// <summary>Gives a folder another label. False: another folder has it, or had it when files were archived (<see cref="OwnerOfLabel"/>).</summary>
    public bool Relabel(string path, string label)
    {
        lock (_gate)
        {
            if (OwnerOfLabel(label, path) is not null)
            {
                return false;
            }

            if (Find(path) is { Label.Length: > 0 } known)
            {
                KeepLabel(known);
            }

            // The labels stand in the document of the whole list.
            Execute("UPDATE folders SET label = $label WHERE path = $path; DELETE FROM snapshots; UPDATE snapshot_due SET due = 1 WHERE due = 0", ("$label", label), ("$path", path));
            return true;
        }
    }

    /// <summary>
    /// The other folder that has a label, or had it when files were archived under it: a restore of both would put them into one folder. Null: none.
    /// </summary>
    public string? OwnerOfLabel(string label, string path)
    {
        lock (_gate)
        {
            string key = KeyOfLabel(label);
            return FolderRecords().FirstOrDefault(folder => folder.Path != path && KeyOfLabel(folder.Label) == key)?.Path
                ?? (Get(KeptLabel + key) is { } kept && kept != path ? kept : null);
        }
    }

    /// <summary>What labels have in common that are one folder on Windows or macOS: case, and how an accent is written; here also whether there is one.</summary>
    public static string KeyOfLabel(string label) => FindQuery.Fold(label);

    private const string KeptLabel = "label/";

    /// <summary>Packs name a folder by its label: once there are some, no other folder of this computer gets it.</summary>
    private void KeepLabel(FolderRecord folder)
    {
        bool isUsed = folder.CompleteAt is not null || Scalar<long>(
            """
            SELECT EXISTS (SELECT 1 FROM directories r CROSS JOIN files f ON f.directory = r.id CROSS JOIN contents c ON c.sha256 = f.sha256
                WHERE r.folder = $id AND c.pack IS NOT NULL)
            """,
            ("$id", folder.Id)) != 0;
        if (isUsed)
        {
            Set(KeptLabel + KeyOfLabel(folder.Label), folder.Path);
        }
    }

    /// <summary>A label for a folder: its name; where another has it, with its parent's, or a number.</summary>
    private string LabelFor(string path)
    {
        string name = NameOf(path) is { Length: > 0 } own ? own : Path.GetPathRoot(path) is { Length: > 0 } drive && char.IsAsciiLetter(drive[0]) ? $"drive {drive[0]}" : "files";
        string parent = Path.GetDirectoryName(Path.TrimEndingDirectorySeparator(path)) is { } above ? NameOf(above) : "";
        return Candidates().Select(label => new EntryNames().Add(label)).First(label => OwnerOfLabel(label, path) is null);

        IEnumerable<string> Candidates()
        {
            yield return Cut(name, LongestLabel);
            if (parent.Length > 0)
            {
                yield return $"{Cut(name, LongestLabel / 2)} ({Cut(parent, (LongestLabel / 2) - 3)})";
            }

            for (int n = 2; ; n++)
            {
                yield return $"{Cut(name, LongestLabel - 16)} ({n})";
            }
        }

        static string NameOf(string folder) => Path.GetFileName(Path.TrimEndingDirectorySeparator(folder)).Trim(' ', '.');
        static string Cut(string text, int length) => text.Length > length ? text[..length] : text;
    }

    private FolderRecord? Find(string path) => ReadFolders(Command($"SELECT {FolderColumns} FROM folders WHERE path = $path", ("$path", path))).FirstOrDefault();

    private List<FolderRecord> ReadFolders(SqliteCommand select)
    {
        List<FolderRecord> folders = [];
        using (select)
        using (SqliteDataReader row = select.ExecuteReader())
        {
            while (row.Read())
            {
                folders.Add(new FolderRecord
                {
                    Id = row.GetInt64(0),
                    Path = row.GetString(1),
                    ScannedAt = row.IsDBNull(2) ? null : Time(row.GetString(2)),
                    CompleteAt = row.IsDBNull(3) ? null : Time(row.GetString(3)),
                    Volume = Text(row, 4),
                    IsMoved = row.GetBoolean(5),
                    HeldFiles = row.GetBoolean(6),
                    IsEmptied = row.GetBoolean(7),
                    UnreadableFolders = row.GetInt64(8),
                    HeldSince = row.IsDBNull(9) ? null : Time(row.GetString(9)),
                    Label = Text(row, 10) ?? "",
                });
            }
        }

        return [.. folders.Select(folder => folder with { Exclusions = ReadExclusions(folder.Id) })];
    }

    private List<string> ReadExclusions(long folder)
    {
        using SqliteCommand command = Command("SELECT pattern FROM exclusions WHERE folder = $folder ORDER BY pattern", ("$folder", folder));
        using SqliteDataReader row = command.ExecuteReader();
        List<string> patterns = [];
        while (row.Read())
        {
            patterns.Add(row.GetString(0));
        }

        return patterns;
    }
}
