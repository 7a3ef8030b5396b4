using CloudArchive.Cli.Backup;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using Microsoft.Data.Sqlite;

namespace CloudArchive.Cli.State;

/// <summary>How far a file is.</summary>
public enum FileState
{
    /// <summary>New or changed: it must be read.</summary>
    ToRead = 0,

    /// <summary>Read: what is in it is known.</summary>
    Read = 1,

    /// <summary>Not to be archived, for a reason.</summary>
    Skipped = 2,

    /// <summary>Read before, the same by size and time, and to be read again to make sure.</summary>
    ToCheck = 3,
}

/// <summary>What a scan says of one file, against what was known.</summary>
public enum FileChange
{
    /// <summary>Same size and time as when it was read: it need not be read again.</summary>
    Unchanged,

    /// <summary>Known, and still to be read.</summary>
    Waiting,

    /// <summary>Never seen.</summary>
    New,

    /// <summary>Another size or time, or what could not be read last time.</summary>
    Changed,

    /// <summary>The same by size and time, and to be read again anyway.</summary>
    ToCheck,
}

/// <summary>What is known of a file.</summary>
/// <param name="Id">Its row.</param>
/// <param name="Length">Bytes.</param>
/// <param name="ModifiedTicks">Last write time, UTC ticks.</param>
/// <param name="State">How far it is.</param>
/// <param name="Reason">Why it is skipped.</param>
/// <param name="IsDoubtful">Whether it was written so shortly before it was read that a later write may have left the same time.</param>
/// <param name="WasRead">Whether it is known what it held when it was read last.</param>
public readonly record struct KnownFile(long Id, long Length, long ModifiedTicks, FileState State, SkipReason? Reason, bool IsDoubtful, bool WasRead)
{
    /// <summary>How a file compares with what is known of it.</summary>
    /// <param name="known">Null: nothing.</param>
    /// <param name="found">As the scan sees it.</param>
    /// <param name="rehash">Whether to read it, changed or not.</param>
    public static FileChange Compare(KnownFile? known, FoundFile found, bool rehash)
    {
        if (known is not { } file)
        {
            return FileChange.New;
        }

        bool same = file.Length == found.Length && file.ModifiedTicks == found.ModifiedTicks;
        if (found.Skip is { } skip)
        {
            return same && file.State == FileState.Skipped && file.Reason == skip ? FileChange.Unchanged : FileChange.Changed;
        }

        return file.State switch
        {
            _ when !same => FileChange.Changed,
            FileState.ToRead or FileState.ToCheck => FileChange.Waiting,
            FileState.Read => rehash || file.IsDoubtful ? FileChange.ToCheck : FileChange.Unchanged,
            _ when file.Reason == SkipReason.ChangedWithoutNewTime => FileChange.ToCheck,

            // What could not be read last time, or kept changing, may be readable now, whatever its time says; what was a link is a file now.
            _ => rehash || SkipReasons.IsPassing(file.Reason!.Value) || SkipReasons.IsOfName(file.Reason.Value) ? FileChange.Changed : FileChange.Unchanged,
        };
    }
}

/// <summary>A file that a scan notes, because it is not as it was known.</summary>
/// <param name="Found">The file.</param>
/// <param name="Known">What was known of it.</param>
/// <param name="Change">How it differs.</param>
/// <param name="IsRenamed">Whether it stands where a file of nearly the same name stood.</param>
/// <param name="IsSuspect">Whether other files of its directory are gone: if it is no image, it may be one of them, encrypted.</param>
public readonly record struct FileNote(FoundFile Found, KnownFile? Known, FileChange Change, bool IsRenamed = false, bool IsSuspect = false);

/// <summary>A file that must be read.</summary>
/// <param name="Id">Its row.</param>
/// <param name="Path">Absolute.</param>
/// <param name="Folder">The backed-up folder that it is in.</param>
/// <param name="Length">As the scan saw it.</param>
/// <param name="ModifiedTicks">As the scan saw it, UTC ticks.</param>
/// <param name="WasDicom">Whether it held an instance when it was read last.</param>
/// <param name="IsCheck">Whether it is read only to make sure that it is what it was.</param>
public sealed record FileToRead(long Id, string Path, string Folder, long Length, long ModifiedTicks, bool WasDicom, bool IsCheck = false);

/// <summary>What was found in a file, as far as the catalogue may know it.</summary>
/// <param name="Instance">The instance or plain file.</param>
/// <param name="Study">What it is grouped by.</param>
/// <param name="Remark">Why it is no instance, where it looks like one.</param>
public sealed record FileContent(SidecarInstance Instance, StudyKey Study, string? Remark = null);

/// <summary>A file that is not in the archive, and why.</summary>
/// <param name="Path">Absolute.</param>
/// <param name="Reason">The kind of reason.</param>
/// <param name="Detail">What the system or the reader said of it.</param>
public sealed record SkippedFile(string Path, SkipReason Reason, string? Detail);

/// <summary>An archived file that looks like DICOM and is none that could be filed under a study.</summary>
/// <param name="Path">Absolute.</param>
/// <param name="Remark">Why it could not be.</param>
public sealed record RemarkedFile(string Path, string Remark);

/// <summary>What reading a file changed.</summary>
public enum ReadResult
{
    /// <summary>The archive holds these bytes already.</summary>
    Known,

    /// <summary>It is to be archived.</summary>
    Pending,

    /// <summary>It is not what it was, though its size and time are: it is held back.</summary>
    ChangedWithoutNewTime,
}

public sealed partial class AgentState
{
    /// <summary>FAT keeps even seconds; so do some network shares.</summary>
    private static readonly TimeSpan Granularity = TimeSpan.FromSeconds(2);

    /// <summary>A time so far ahead is no clock that is a little fast, but a date that somebody set.</summary>
    private static readonly TimeSpan MostSkew = TimeSpan.FromDays(1);

    /// <summary>The directories of a folder in which files are known: relative path to row.</summary>
    public Dictionary<string, long> Directories(long folder)
    {
        lock (_gate)
        {
            using SqliteCommand command = Command("SELECT path, id FROM directories WHERE folder = $folder", ("$folder", folder));
            using SqliteDataReader row = command.ExecuteReader();
            Dictionary<string, long> all = new(StringComparer.Ordinal);
            while (row.Read())
            {
                all[row.GetString(0)] = row.GetInt64(1);
            }

            return all;
        }
    }

    /// <summary>The known files of a directory, by name.</summary>
    public Dictionary<string, KnownFile> FilesIn(long directory)
    {
        lock (_gate)
        {
            SqliteCommand command = Prepared(
                "SELECT name, id, length, modified, state, reason, doubtful, sha256 IS NOT NULL FROM files WHERE directory = $directory", ("$directory", directory));
            using SqliteDataReader row = command.ExecuteReader();
            Dictionary<string, KnownFile> all = new(StringComparer.Ordinal);
            while (row.Read())
            {
                all[row.GetString(0)] = ReadKnown(row, 1);
            }

            return all;
        }
    }

    /// <summary>What is known of a file, or null.</summary>
    public KnownFile? FindFile(FolderRecord folder, string path)
    {
        lock (_gate)
        {
            using SqliteCommand command = Command(
                """
                SELECT f.id, f.length, f.modified, f.state, f.reason, f.doubtful, f.sha256 IS NOT NULL FROM files f JOIN directories r ON r.id = f.directory
                WHERE r.folder = $folder AND r.path = $directory AND f.name = $name
                """,
                ("$folder", folder.Id), ("$directory", DirectoryOf(folder.Path, path)), ("$name", Path.GetFileName(path)));
            using SqliteDataReader row = command.ExecuteReader();
            return row.Read() ? ReadKnown(row, 0) : null;
        }
    }

    /// <summary>Writes down the files of one directory that are not as they were known. One transaction: hand in some hundreds at a time, of several directories by <see cref="Together"/>.</summary>
    public void NoteFound(long folder, string directory, IReadOnlyList<FileNote> notes, DateTimeOffset now)
    {
        Together(() =>
        {
            Prepared("INSERT OR IGNORE INTO directories(folder, path) VALUES ($folder, $path)", ("$folder", folder), ("$path", directory)).ExecuteNonQuery();
            long id = (long)Prepared("SELECT id FROM directories WHERE folder = $folder AND path = $path", ("$folder", folder), ("$path", directory)).ExecuteScalar()!;
            SqliteCommand check = Prepared("UPDATE files SET state = 3 WHERE id = $id", ("$id", 0L));
            SqliteCommand upsert = Prepared(
                """
                INSERT INTO files(directory, name, length, modified, state, reason, detail, suspect, changed) VALUES ($directory, $name, $length, $modified, $state, $reason, $detail, $suspect, $changed)
                ON CONFLICT(directory, name) DO UPDATE SET length = excluded.length, modified = excluded.modified, state = excluded.state, reason = excluded.reason,
                    detail = excluded.detail, doubtful = 0, changed = coalesce(excluded.changed, files.changed)
                """,
                ("$directory", id), ("$name", ""), ("$length", 0L), ("$modified", 0L), ("$state", 0L), ("$reason", null), ("$detail", null), ("$suspect", 0L), ("$changed", null));
            foreach (FileNote note in notes)
            {
                if (note.Change == FileChange.ToCheck)
                {
                    check.Parameters["$id"].Value = note.Known!.Value.Id;
                    check.ExecuteNonQuery();
                    continue;
                }

                SkipReason? skip = note.Found.Skip;
                upsert.Parameters["$name"].Value = Path.GetFileName(note.Found.Path);
                upsert.Parameters["$length"].Value = note.Found.Length;
                upsert.Parameters["$modified"].Value = note.Found.ModifiedTicks;
                upsert.Parameters["$state"].Value = (long)(skip is null ? FileState.ToRead : FileState.Skipped);
                upsert.Parameters["$reason"].Value = skip is { } reason ? SkipReasons.Name(reason) : DBNull.Value;
                upsert.Parameters["$detail"].Value = (object?)note.Found.SkipDetail ?? DBNull.Value;
                upsert.Parameters["$suspect"].Value = note.IsSuspect ? 1L : 0L;
                upsert.Parameters["$changed"].Value = note.IsRenamed ? now.ToUnixTimeMilliseconds() : DBNull.Value;
                upsert.ExecuteNonQuery();
            }
        });
    }

    /// <summary>Forgets files that are gone.</summary>
    public void ForgetFiles(IEnumerable<long> files)
    {
        foreach (long[] some in files.Chunk(500))
        {
            lock (_gate)
            {
                using SqliteTransaction transaction = _connection.BeginTransaction();
                using SqliteCommand delete = Command("DELETE FROM files WHERE id = $id", ("$id", 0L));
                foreach (long file in some)
                {
                    delete.Parameters["$id"].Value = file;
                    delete.ExecuteNonQuery();
                }

                transaction.Commit();
            }
        }
    }

    /// <summary>Forgets a directory that is gone, with its files.</summary>
    public void ForgetDirectory(long directory)
    {
        lock (_gate)
        {
            using SqliteTransaction transaction = _connection.BeginTransaction();
            Execute("DELETE FROM files WHERE directory = $id", ("$id", directory));
            Execute("DELETE FROM directories WHERE id = $id", ("$id", directory));
            transaction.Commit();
        }
    }

    /// <summary>
    /// Marks the files of the folders that were not read for the longest time, one in so many, to be read again to make sure; once a day.
    /// </summary>
    /// <returns>How many.</returns>
    public int MarkForCheck(IReadOnlyCollection<long> folders, int oneIn, DateTimeOffset now)
    {
        long today = Day(now);
        if (Get("checked-on") is { } last && long.Parse(last) >= today && long.Parse(last) <= today + 1)
        {
            return 0;
        }

        lock (_gate)
        {
            using SqliteTransaction transaction = _connection.BeginTransaction();
            string among = $"SELECT id FROM directories WHERE folder IN ({string.Join(',', folders)})";
            long files = Scalar<long>($"SELECT count(*) FROM files WHERE state = 1 AND directory IN ({among})");
            int marked = Execute(
                $"UPDATE files SET state = 3 WHERE id IN (SELECT id FROM files WHERE state = 1 AND (checked < $today OR checked > $today + 1) AND directory IN ({among}) ORDER BY checked, id LIMIT $most)",
                ("$today", today), ("$most", (files + oneIn - 1) / oneIn));
            Set("checked-on", today.ToString());
            transaction.Commit();
            return marked;
        }
    }

    /// <summary>Notes what was read from a file.</summary>
    /// <param name="file">Its row.</param>
    /// <param name="length">As it was while it was read.</param>
    /// <param name="modifiedTicks">As it was while it was read.</param>
    /// <param name="content">What is in it.</param>
    /// <param name="readAt">When reading began.</param>
    public ReadResult NoteContent(long file, long length, long modifiedTicks, FileContent content, DateTimeOffset readAt)
    {
        SidecarInstance instance = content.Instance;
        long ahead = modifiedTicks - readAt.UtcTicks;
        ReadResult result = ReadResult.ChangedWithoutNewTime;
        Together(() =>
        {
            if (ChangedWithoutNewTime(file, length, modifiedTicks, instance.Sha256))
            {
                Prepared(
                    "UPDATE files SET state = 2, reason = $reason, detail = NULL, changed = coalesce(changed, $now) WHERE id = $id",
                    ("$reason", SkipReasons.Name(SkipReason.ChangedWithoutNewTime)), ("$now", readAt.ToUnixTimeMilliseconds()), ("$id", file)).ExecuteNonQuery();
                return;
            }

            Prepared(
                """
                INSERT INTO contents(sha256, sop, sop_class, series, modality, transfer_syntax, length, study, study_date, patient, accession, born, mine, kind)
                VALUES ($sha256, $sop, $class, $series, $modality, $syntax, $length, $study, $date, $patient, $accession, $born, 1, $kind)
                ON CONFLICT(sha256) DO UPDATE SET mine = 1 WHERE mine = 0
                """,
                ("$sha256", Bytes(instance.Sha256)), ("$sop", instance.SopInstance.Value), ("$class", instance.SopClass?.Value ?? ""), ("$series", instance.Series?.Value),
                ("$modality", instance.Modality), ("$syntax", instance.TransferSyntax?.Value ?? ""), ("$length", instance.Length), ("$study", content.Study.Study.Value),
                ("$date", content.Study.Date), ("$patient", Bytes(content.Study.Patient, content.Study.PatientForms)), ("$accession", Bytes(content.Study.Accession, content.Study.AccessionForms)), ("$born", content.Study.BornIn),
                ("$kind", instance.Kind?.ToString())).ExecuteNonQuery();

            // X, Y, X at one path: what was archived before the other is archived again, or a restore, which goes by the order of packs, would bring the other.
            Prepared(
                """
                UPDATE contents SET pack = NULL WHERE sha256 = $sha256 AND pack < (
                    SELECT before.pack FROM files f JOIN contents before ON before.sha256 = f.sha256 WHERE f.id = $id AND f.sha256 <> $sha256)
                """,
                ("$sha256", Bytes(instance.Sha256)), ("$id", file)).ExecuteNonQuery();

            // In the places of one statement: the SHA-256 that it compares with is the one from before. What became known again is no change any more.
            Prepared(
                """
                UPDATE files SET state = 1, length = $length, modified = $modified, reason = NULL, detail = $remark, checked = $day, doubtful = $doubtful, suspect = 0,
                    changed = CASE WHEN sha256 <> $sha256 OR (suspect = 1 AND $odd) THEN $now WHEN sha256 = $sha256 AND reason IS NOT NULL THEN NULL ELSE changed END, sha256 = $sha256
                WHERE id = $id
                """,
                ("$sha256", Bytes(instance.Sha256)), ("$length", length), ("$modified", modifiedTicks), ("$day", Day(readAt)),
                ("$doubtful", ahead > -Granularity.Ticks && ahead < MostSkew.Ticks), ("$now", readAt.ToUnixTimeMilliseconds()), ("$id", file),
                ("$remark", content.Remark), ("$odd", instance.Kind is Format.Packs.FileKind.Other or Format.Packs.FileKind.Dicom)).ExecuteNonQuery();
            bool pending = (long)Prepared("SELECT pack IS NULL FROM contents WHERE sha256 = $sha256", ("$sha256", Bytes(instance.Sha256))).ExecuteScalar()! != 0;
            result = pending ? ReadResult.Pending : ReadResult.Known;
        });
        return result;
    }

    /// <summary>
    /// Notes why a file is not archived. What it held before stays noted, so that a file that stops being DICOM stands out.
    /// </summary>
    /// <param name="file">Its row.</param>
    /// <param name="reason">Why.</param>
    /// <param name="detail">What the system or the reader said.</param>
    /// <param name="now">The time, for reasons that may be harm.</param>
    public void NoteSkipped(long file, SkipReason reason, string? detail, DateTimeOffset now = default)
    {
        bool isHarm = reason == SkipReason.NoLongerDicom;
        lock (_gate)
        {
            Execute(
                """
                UPDATE files SET state = 2, reason = $reason, detail = $detail,
                    changed = CASE WHEN $harm THEN coalesce(changed, $now) ELSE changed END, suspect = 0
                WHERE id = $id
                """,
                ("$reason", SkipReasons.Name(reason)), ("$detail", detail), ("$harm", isHarm), ("$now", now.ToUnixTimeMilliseconds()), ("$id", file));
        }
    }

    /// <summary>Notes that a file must be read again: it is not what it was.</summary>
    public void NoteChanged(long file, long length, long modifiedTicks)
    {
        lock (_gate)
        {
            Execute(
                "UPDATE files SET state = 0, doubtful = 0, length = $length, modified = $modified WHERE id = $id",
                ("$length", length), ("$modified", modifiedTicks), ("$id", file));
        }
    }

    /// <summary>Forgets a file that is gone.</summary>
    public void NoteGone(long file)
    {
        lock (_gate)
        {
            Execute("DELETE FROM files WHERE id = $id", ("$id", file));
        }
    }

    /// <summary>The skipped files of some folders, a page at a time.</summary>
    public IEnumerable<SkippedFile> SkippedFiles(IReadOnlyCollection<long> folders) =>
        FilesWith("f.state = 2", folders, row => new SkippedFile(FullPath(row, 1), SkipReasons.Parse(row.GetString(4)), Text(row, 5)));

    private IEnumerable<T> FilesWith<T>(string what, IReadOnlyCollection<long> folders, Func<SqliteDataReader, T> read)
    {
        long last = 0;
        while (true)
        {
            List<T> page = [];
            lock (_gate)
            {
                using SqliteCommand command = Command(
                    $"""
                    SELECT f.id, d.path, r.path, f.name, f.reason, f.detail FROM files f CROSS JOIN directories r ON r.id = f.directory CROSS JOIN folders d ON d.id = r.folder
                    WHERE {what} AND f.id > $last AND d.id IN ({string.Join(',', folders)}) ORDER BY f.id LIMIT 500
                    """,
                    ("$last", last));
                using SqliteDataReader row = command.ExecuteReader();
                while (row.Read())
                {
                    last = row.GetInt64(0);
                    page.Add(read(row));
                }
            }

            if (page.Count == 0)
            {
                yield break;
            }

            foreach (T file in page)
            {
                yield return file;
            }
        }
    }

    /// <summary>How many archived files of some folders have a remark.</summary>
    public long CountRemarks(IReadOnlyCollection<long> folders)
    {
        lock (_gate)
        {
            return Scalar<long>($"SELECT count(*) FROM files f JOIN directories r ON r.id = f.directory WHERE f.{HasRemark} AND r.folder IN ({string.Join(',', folders)})");
        }
    }

    /// <summary>Those files, a page at a time.</summary>
    public IEnumerable<RemarkedFile> Remarks(IReadOnlyCollection<long> folders) => FilesWith($"f.{HasRemark}", folders, row => new RemarkedFile(FullPath(row, 1), row.GetString(5)));

    private const string HasRemark = "state = 1 AND f.detail IS NOT NULL";

    /// <summary>How many files changed of late, and were not accepted: what <see cref="MassChange"/> looks at.</summary>
    /// <param name="folder">In this folder.</param>
    /// <param name="since">What changed before that is no sudden change.</param>
    /// <returns>Files that changed, files that may have (they are to be read), and all files.</returns>
    public (long Changed, long MayHave, long All) CountChanges(long folder, DateTimeOffset since)
    {
        lock (_gate)
        {
            string among = $"directory IN (SELECT id FROM directories WHERE folder = {folder})";
            return (
                Scalar<long>(
                    $"SELECT count(*) FROM files WHERE changed IS NOT NULL AND changed > $since AND changed > (SELECT accepted FROM folders WHERE id = {folder}) AND {among}",
                    ("$since", since.ToUnixTimeMilliseconds())),
                Scalar<long>($"SELECT count(*) FROM files WHERE state IN (0, 3) AND state <> 3 AND (sha256 IS NOT NULL OR suspect = 1) AND {among}"),
                Scalar<long>($"SELECT count(*) FROM files WHERE {among}"));
        }
    }

    /// <summary>Days since 1970.</summary>
    private static long Day(DateTimeOffset time) => time.ToUnixTimeSeconds() / 86_400;

    /// <summary>Whether the row says that nothing about a file should have changed, and its bytes did.</summary>
    private bool ChangedWithoutNewTime(long file, long length, long modifiedTicks, Sha256Digest sha256)
    {
        SqliteCommand command = Prepared(
            "SELECT 1 FROM files WHERE id = $id AND state = 3 AND doubtful = 0 AND length = $length AND modified = $modified AND sha256 <> $sha256",
            ("$id", file), ("$length", length), ("$modified", modifiedTicks), ("$sha256", Bytes(sha256)));
        return command.ExecuteScalar() is not null;
    }

    private static KnownFile ReadKnown(SqliteDataReader row, int first) => new(
        row.GetInt64(first), row.GetInt64(first + 1), row.GetInt64(first + 2), (FileState)row.GetInt64(first + 3),
        row.IsDBNull(first + 4) ? null : SkipReasons.Parse(row.GetString(first + 4)), row.GetBoolean(first + 5), row.GetBoolean(first + 6));

    /// <summary>Folder, directory and name, from three columns.</summary>
    private static string FullPath(SqliteDataReader row, int first) => Path.Combine(row.GetString(first), row.GetString(first + 1), row.GetString(first + 2));
}
