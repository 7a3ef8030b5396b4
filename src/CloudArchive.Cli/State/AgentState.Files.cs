using CloudArchive.Cli.Backup;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using Microsoft.Data.Sqlite;

namespace CloudArchive.Cli.State;

/// <summary>What a scan says of one file, against what was known.</summary>
public enum FileChange
{
    /// <summary>Same size and time as when it was read: it need not be read again.</summary>
    Unchanged,

    /// <summary>Never seen.</summary>
    New,

    /// <summary>Another size or time, or to be read again anyway.</summary>
    Changed,
}

/// <summary>A file that must be read.</summary>
/// <param name="Id">Its row.</param>
/// <param name="Path">Absolute.</param>
/// <param name="Length">As the scan saw it.</param>
/// <param name="ModifiedTicks">As the scan saw it, UTC ticks.</param>
/// <param name="WasDicom">Whether it held an instance when it was read last.</param>
public sealed record FileToRead(long Id, string Path, long Length, long ModifiedTicks, bool WasDicom);

/// <summary>What was found in a file, as far as the catalogue may know it.</summary>
/// <param name="Instance">The instance.</param>
/// <param name="Study">What it is grouped by.</param>
public sealed record FileContent(SidecarInstance Instance, StudyKey Study);

/// <summary>A file that is not in the archive, and why.</summary>
/// <param name="Path">Absolute.</param>
/// <param name="Reason">The kind of reason.</param>
/// <param name="Detail">What the system or the reader said of it.</param>
public sealed record SkippedFile(string Path, SkipReason Reason, string? Detail);

public sealed partial class AgentState
{
    private enum FileState
    {
        ToRead = 0,
        Read = 1,
        Skipped = 2,
    }

    /// <summary>The folder's row; made where missing.</summary>
    public long Folder(string path)
    {
        lock (_gate) return Scalar<long>("INSERT INTO folders(path) VALUES ($path) ON CONFLICT(path) DO UPDATE SET path = excluded.path RETURNING id", ("$path", path));
    }

    /// <summary>The folders that were ever backed up.</summary>
    public IReadOnlyList<string> Folders()
    {
        lock (_gate)
        {
            using SqliteCommand command = Command("SELECT path FROM folders ORDER BY path");
            using SqliteDataReader reader = command.ExecuteReader();
            List<string> paths = [];
            while (reader.Read()) paths.Add(reader.GetString(0));
            return paths;
        }
    }

    /// <summary>Forgets a folder and its files. What is archived stays archived, and known.</summary>
    public bool Forget(string path)
    {
        lock (_gate)
        {
            using SqliteTransaction transaction = _connection.BeginTransaction();
            Execute("DELETE FROM files WHERE folder = (SELECT id FROM folders WHERE path = $path)", ("$path", path));
            bool gone = Execute("DELETE FROM folders WHERE path = $path", ("$path", path)) > 0;
            transaction.Commit();
            return gone;
        }
    }

    /// <summary>Notes files that a scan found. One transaction: hand in some hundreds at a time.</summary>
    /// <param name="run">The run; files that it does not see are forgotten by <see cref="EndScan"/>.</param>
    /// <param name="folder">The folder that was scanned.</param>
    /// <param name="found">The files.</param>
    /// <param name="rehash">Whether to read them all, changed or not.</param>
    /// <param name="noticed">Told of each file's change.</param>
    public void NoteFound(long run, long folder, IReadOnlyList<FoundFile> found, bool rehash, Action<FoundFile, FileChange> noticed)
    {
        lock (_gate)
        {
            using SqliteTransaction transaction = _connection.BeginTransaction();
            using SqliteCommand find = Command("SELECT id, length, modified, state, reason FROM files WHERE path = $path", ("$path", ""));
            using SqliteCommand see = Command("UPDATE files SET run = $run, folder = $folder WHERE id = $id", ("$run", run), ("$folder", folder), ("$id", 0L));
            using SqliteCommand upsert = Command(
                """
                INSERT INTO files(path, folder, length, modified, run, state, reason, detail) VALUES ($path, $folder, $length, $modified, $run, $state, $reason, $detail)
                ON CONFLICT(path) DO UPDATE SET folder = excluded.folder, length = excluded.length, modified = excluded.modified, run = excluded.run,
                    state = excluded.state, reason = excluded.reason, detail = excluded.detail
                """,
                ("$path", ""), ("$folder", folder), ("$length", 0L), ("$modified", 0L), ("$run", run), ("$state", 0L), ("$reason", null), ("$detail", null));
            foreach (FoundFile file in found)
            {
                FileChange change = Compare(find, file, rehash, out long id);
                if (change == FileChange.Unchanged)
                {
                    see.Parameters["$id"].Value = id;
                    see.ExecuteNonQuery();
                }
                else
                {
                    upsert.Parameters["$path"].Value = file.Path;
                    upsert.Parameters["$length"].Value = file.Length;
                    upsert.Parameters["$modified"].Value = file.ModifiedTicks;
                    upsert.Parameters["$state"].Value = (long)(file.Skip is null ? FileState.ToRead : FileState.Skipped);
                    upsert.Parameters["$reason"].Value = file.Skip is { } reason ? SkipReasons.Name(reason) : DBNull.Value;
                    upsert.Parameters["$detail"].Value = (object?)file.SkipDetail ?? DBNull.Value;
                    upsert.ExecuteNonQuery();
                }

                noticed(file, change);
            }

            transaction.Commit();
        }
    }

    /// <summary>How a file compares with what is known, without noting anything.</summary>
    public FileChange Compare(FoundFile file)
    {
        lock (_gate)
        {
            using SqliteCommand find = Command("SELECT id, length, modified, state, reason FROM files WHERE path = $path", ("$path", ""));
            return Compare(find, file, rehash: false, out _);
        }
    }

    /// <summary>
    /// Whether a file may hold something that the archive does not: new, or changed since it was looked at. What the state itself counts as
    /// pending or could not read is no news.
    /// </summary>
    public bool IsNews(FoundFile file)
    {
        lock (_gate) return Scalar<long>("SELECT NOT EXISTS (SELECT 1 FROM files WHERE path = $path AND length = $length AND modified = $modified)", ("$path", file.Path), ("$length", file.Length), ("$modified", file.ModifiedTicks)) != 0;
    }

    /// <summary>Forgets the files of a folder that the scan did not see, except those that it left out and those below folders that it could not list.</summary>
    public int EndScan(long run, long folder, IReadOnlyList<string> unreadable, IReadOnlyList<string> leftOut, DateTimeOffset now)
    {
        lock (_gate)
        {
            using SqliteTransaction transaction = _connection.BeginTransaction();
            Execute("CREATE TEMP TABLE IF NOT EXISTS unlisted(prefix TEXT); DELETE FROM temp.unlisted; CREATE TEMP TABLE IF NOT EXISTS left_out(path TEXT PRIMARY KEY); DELETE FROM temp.left_out");
            foreach (string path in unreadable) Execute("INSERT INTO temp.unlisted(prefix) VALUES ($prefix)", ("$prefix", Path.TrimEndingDirectorySeparator(path) + Path.DirectorySeparatorChar));
            foreach (string path in leftOut) Execute("INSERT OR IGNORE INTO temp.left_out(path) VALUES ($path)", ("$path", path));
            int gone = Execute(
                """
                DELETE FROM files WHERE folder = $folder AND run <> $run AND path NOT IN (SELECT path FROM temp.left_out)
                    AND NOT EXISTS (SELECT 1 FROM temp.unlisted WHERE substr(files.path, 1, length(prefix)) = prefix)
                """,
                ("$folder", folder), ("$run", run));
            Execute("UPDATE folders SET scanned = $now, unreadable = $unreadable WHERE id = $folder", ("$now", Text(now)), ("$unreadable", unreadable.Count), ("$folder", folder));
            transaction.Commit();
            return gone;
        }
    }

    /// <summary>How many files, and bytes, the run must read.</summary>
    public (long Files, long Bytes) CountToRead(long run)
    {
        lock (_gate)
        {
            using SqliteCommand command = Command("SELECT count(*), coalesce(sum(length), 0) FROM files WHERE state = 0 AND run = $run", ("$run", run));
            using SqliteDataReader reader = command.ExecuteReader();
            reader.Read();
            return (reader.GetInt64(0), reader.GetInt64(1));
        }
    }

    /// <summary>The files that the run must read, a few hundred in memory at a time.</summary>
    public IEnumerable<FileToRead> FilesToRead(long run)
    {
        long last = 0;
        while (true)
        {
            List<FileToRead> page = [];
            lock (_gate)
            {
                using SqliteCommand command = Command("SELECT id, path, length, modified, sha256 IS NOT NULL FROM files WHERE state = 0 AND run = $run AND id > $last ORDER BY id LIMIT 256", ("$run", run), ("$last", last));
                using SqliteDataReader reader = command.ExecuteReader();
                while (reader.Read()) page.Add(new FileToRead(reader.GetInt64(0), reader.GetString(1), reader.GetInt64(2), reader.GetInt64(3), reader.GetBoolean(4)));
            }

            if (page.Count == 0) yield break;
            foreach (FileToRead file in page) yield return file;
            last = page[^1].Id;
        }
    }

    /// <summary>Notes what was read from a file. False: the archive holds these bytes already.</summary>
    public bool NoteContent(long file, long length, long modifiedTicks, FileContent content)
    {
        SidecarInstance instance = content.Instance;
        lock (_gate)
        {
            using SqliteTransaction transaction = _connection.BeginTransaction();
            Execute(
                """
                INSERT INTO contents(sha256, sop, sop_class, series, modality, transfer_syntax, length, study, study_date, patient, accession, born)
                VALUES ($sha256, $sop, $class, $series, $modality, $syntax, $length, $study, $date, $patient, $accession, $born) ON CONFLICT(sha256) DO NOTHING
                """,
                ("$sha256", Bytes(instance.Sha256)), ("$sop", instance.SopInstance.Value), ("$class", instance.SopClass.Value), ("$series", instance.Series?.Value), ("$modality", instance.Modality),
                ("$syntax", instance.TransferSyntax.Value), ("$length", instance.Length), ("$study", content.Study.Study.Value), ("$date", content.Study.Date),
                ("$patient", content.Study.Patient?.ToBytes()), ("$accession", content.Study.Accession?.ToBytes()), ("$born", content.Study.BornIn));
            Execute(
                "UPDATE files SET state = $state, sha256 = $sha256, length = $length, modified = $modified, reason = NULL, detail = NULL WHERE id = $id",
                ("$state", (long)FileState.Read), ("$sha256", Bytes(instance.Sha256)), ("$length", length), ("$modified", modifiedTicks), ("$id", file));
            bool pending = Scalar<long>("SELECT pack IS NULL FROM contents WHERE sha256 = $sha256", ("$sha256", Bytes(instance.Sha256))) != 0;
            transaction.Commit();
            return pending;
        }
    }

    /// <summary>Notes why a file is not archived. What it held before stays noted, so that a file that stops being DICOM stands out.</summary>
    public void NoteSkipped(long file, SkipReason reason, string? detail)
    {
        lock (_gate) Execute("UPDATE files SET state = $state, reason = $reason, detail = $detail WHERE id = $id", ("$state", (long)FileState.Skipped), ("$reason", SkipReasons.Name(reason)), ("$detail", detail), ("$id", file));
    }

    /// <summary>Notes that a file must be read again: it is not what it was.</summary>
    public void NoteChanged(long file, long length, long modifiedTicks)
    {
        lock (_gate) Execute("UPDATE files SET state = $state, length = $length, modified = $modified WHERE id = $id", ("$state", (long)FileState.ToRead), ("$length", length), ("$modified", modifiedTicks), ("$id", file));
    }

    /// <summary>Forgets a file that is gone.</summary>
    public void NoteGone(long file)
    {
        lock (_gate) Execute("DELETE FROM files WHERE id = $id", ("$id", file));
    }

    /// <summary>The skipped files of a run, or of all: path order, a page at a time.</summary>
    public IEnumerable<SkippedFile> SkippedFiles(long? run)
    {
        string last = "";
        while (true)
        {
            List<SkippedFile> page = [];
            lock (_gate)
            {
                using SqliteCommand command = Command("SELECT path, reason, detail FROM files WHERE state = 2 AND ($run IS NULL OR run = $run) AND path > $last ORDER BY path LIMIT 500", ("$run", run), ("$last", last));
                using SqliteDataReader reader = command.ExecuteReader();
                while (reader.Read()) page.Add(new SkippedFile(reader.GetString(0), SkipReasons.Parse(reader.GetString(1)), reader.IsDBNull(2) ? null : reader.GetString(2)));
            }

            if (page.Count == 0) yield break;
            foreach (SkippedFile file in page) yield return file;
            last = page[^1].Path;
        }
    }

    private static FileChange Compare(SqliteCommand find, FoundFile file, bool rehash, out long id)
    {
        find.Parameters["$path"].Value = file.Path;
        using SqliteDataReader row = find.ExecuteReader();
        id = 0;
        if (!row.Read()) return FileChange.New;
        id = row.GetInt64(0);
        bool same = row.GetInt64(1) == file.Length && row.GetInt64(2) == file.ModifiedTicks;
        FileState state = (FileState)row.GetInt64(3);
        SkipReason? reason = row.IsDBNull(4) ? null : SkipReasons.Parse(row.GetString(4));

        // What could not be read last time, or kept changing, may be readable now, whatever its time says.
        bool settled = state == FileState.Read || (state == FileState.Skipped && !SkipReasons.IsPassing(reason!.Value));
        return same && settled && !rehash && (file.Skip is null ? reason is null || !SkipReasons.IsOfName(reason.Value) : file.Skip == reason) ? FileChange.Unchanged : FileChange.Changed;
    }
}
