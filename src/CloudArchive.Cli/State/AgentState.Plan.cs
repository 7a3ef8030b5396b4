using CloudArchive.Cli.Backup;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using Microsoft.Data.Sqlite;

namespace CloudArchive.Cli.State;

/// <summary>A part of what a run has to do, small enough for memory and for others not to wait for it.</summary>
/// <param name="ToRead">Files to read.</param>
/// <param name="All">The rows of all files in it: those to read, and those whose content is known and not archived.</param>
/// <param name="Bytes">Their bytes.</param>
public sealed record WorkSlice(IReadOnlyList<FileToRead> ToRead, IReadOnlyList<long> All, long Bytes);

/// <summary>What lies ahead of a run.</summary>
/// <param name="Files">Files to read.</param>
/// <param name="Bytes">Their bytes.</param>
/// <param name="AllBytes">With those whose content is known and not archived: what is to be sent at most.</param>
public sealed record WorkAhead(long Files, long Bytes, long AllBytes);

/// <summary>Which of a run's files.</summary>
public enum WorkQueue
{
    /// <summary>What can be archived as soon as it is read.</summary>
    Open = 0,

    /// <summary>Changed files of a folder in which so many changed that it may be an attack: all are read before any is archived.</summary>
    Aside = 1,
}

public sealed partial class AgentState
{
    private const int HmacLength = 32;

    /// <summary>A changed file of a folder whose changes are held back.</summary>
    private const string IsHeld = "(d.held IS NOT NULL AND f.changed IS NOT NULL AND f.changed > d.accepted)";

    /// <summary>A content that is to be archived: it never was, or the archive does not have it any more, whatever the cause.</summary>
    private const string IsPending = "c.pack IS NULL";

    /// <summary>A content of a pack that was begun goes with that one, or once it is given up.</summary>
    private const string IsFree = IsPending + " AND c.sha256 NOT IN (SELECT sha256 FROM contents_under_way)";

    /// <summary>A run begins: nothing is in a pack of it yet.</summary>
    public void BeginPlan()
    {
        lock (_gate)
        {
            Execute("DROP TABLE IF EXISTS temp.taken; CREATE TEMP TABLE taken(sha256 BLOB PRIMARY KEY) WITHOUT ROWID");
        }
    }

    /// <summary>
    /// Lines up what a run has to do, the directories with the newest files first, so that a new image does not wait for the backlog; what is
    /// only read again to make sure comes last. In a table of its own: memory does not grow with the folder.
    /// </summary>
    /// <param name="folders">The run's folders.</param>
    /// <param name="aside">Those of them whose changed files are set aside.</param>
    public WorkAhead LineUp(IReadOnlyCollection<long> folders, IReadOnlyCollection<long> aside)
    {
        string among = string.Join(',', folders);
        string suspicious = $"(f.state = 0 AND (f.sha256 IS NOT NULL OR f.suspect = 1) AND r.folder IN ({string.Join(',', aside)}))";
        lock (_gate)
        {
            Execute(
                $"""
                DROP TABLE IF EXISTS temp.work;
                CREATE TEMP TABLE work(queue INTEGER NOT NULL, key INTEGER NOT NULL, file INTEGER NOT NULL, PRIMARY KEY (queue, key, file)) WITHOUT ROWID;
                DROP TABLE IF EXISTS temp.todo;
                CREATE TEMP TABLE todo(
                    file INTEGER PRIMARY KEY, directory INTEGER NOT NULL, length INTEGER NOT NULL, modified INTEGER NOT NULL, state INTEGER NOT NULL, queue INTEGER NOT NULL);
                INSERT INTO temp.todo SELECT f.id, f.directory, f.length, f.modified, f.state, {suspicious}
                    FROM files f CROSS JOIN directories r ON r.id = f.directory WHERE f.state IN (0, 3) AND r.folder IN ({among});
                INSERT OR IGNORE INTO temp.todo SELECT f.id, f.directory, f.length, f.modified, f.state, 0
                    FROM contents c CROSS JOIN files f ON f.sha256 = c.sha256 CROSS JOIN directories r ON r.id = f.directory CROSS JOIN folders d ON d.id = r.folder
                    WHERE {IsFree} AND f.state = 1 AND NOT {IsHeld} AND c.sha256 NOT IN (SELECT sha256 FROM temp.taken) AND r.folder IN ({among});
                DROP TABLE IF EXISTS temp.newest;
                CREATE TEMP TABLE newest(directory INTEGER PRIMARY KEY, key INTEGER NOT NULL);
                INSERT INTO temp.newest SELECT directory, -max(modified) FROM temp.todo WHERE state <> 3 GROUP BY directory;
                INSERT INTO temp.work
                    SELECT t.queue, CASE WHEN t.state = 3 THEN {long.MaxValue} ELSE (SELECT n.key FROM temp.newest n WHERE n.directory = t.directory) END, t.file FROM temp.todo t;
                """);
            using SqliteCommand sum = Command("SELECT coalesce(sum(state <> 1), 0), coalesce(sum(CASE WHEN state <> 1 THEN length END), 0), coalesce(sum(length), 0) FROM temp.todo");
            using SqliteDataReader row = sum.ExecuteReader();
            row.Read();
            return new WorkAhead(row.GetInt64(0), row.GetInt64(1), row.GetInt64(2));
        }
    }

    /// <summary>Puts files that have just come before everything else.</summary>
    public void PutFirst(IReadOnlyCollection<long> files, WorkQueue queue = WorkQueue.Open)
    {
        lock (_gate)
        {
            using SqliteTransaction transaction = _connection.BeginTransaction();
            using SqliteCommand insert = Command(
                "INSERT OR IGNORE INTO temp.work(queue, key, file) VALUES ($queue, $key, $file)", ("$queue", (long)queue), ("$key", long.MinValue), ("$file", 0L));
            foreach (long file in files)
            {
                insert.Parameters["$file"].Value = file;
                insert.ExecuteNonQuery();
            }

            transaction.Commit();
        }
    }

    /// <summary>Takes the next part of the work; null where there is none.</summary>
    public WorkSlice? Take(WorkQueue queue, int mostFiles, long mostBytes)
    {
        lock (_gate)
        {
            List<FileToRead> toRead = [];
            List<long> all = [];
            long bytes = 0;
            long key = 0, last = 0;
            using (SqliteCommand command = Command(
                """
                SELECT w.key, w.file, d.path, r.path, f.name, f.length, f.modified, EXISTS (SELECT 1 FROM contents c WHERE c.sha256 = f.sha256 AND c.kind IS NULL), f.state
                FROM temp.work w CROSS JOIN files f ON f.id = w.file CROSS JOIN directories r ON r.id = f.directory CROSS JOIN folders d ON d.id = r.folder
                WHERE w.queue = $queue ORDER BY w.key, w.file LIMIT $most
                """,
                ("$queue", (long)queue), ("$most", mostFiles)))
            using (SqliteDataReader row = command.ExecuteReader())
            {
                while (row.Read() && (all.Count == 0 || bytes + row.GetInt64(5) <= mostBytes))
                {
                    (key, last) = (row.GetInt64(0), row.GetInt64(1));
                    bytes += row.GetInt64(5);
                    all.Add(last);
                    if ((FileState)row.GetInt64(8) is var state and (FileState.ToRead or FileState.ToCheck))
                    {
                        toRead.Add(new FileToRead(last, FullPath(row, 2), row.GetString(2), row.GetInt64(5), row.GetInt64(6), row.GetBoolean(7), state == FileState.ToCheck));
                    }
                }
            }

            // What is gone since it was lined up joins nothing above and goes with the rest.
            Execute(
                all.Count == 0 ? "DELETE FROM temp.work WHERE queue = $queue" : "DELETE FROM temp.work WHERE queue = $queue AND (key < $key OR (key = $key AND file <= $last))",
                ("$queue", (long)queue), ("$key", key), ("$last", last));
            return all.Count == 0 ? null : new WorkSlice(toRead, all, bytes);
        }
    }

    /// <summary>Some files as a slice of their own.</summary>
    public WorkSlice SliceOf(IReadOnlyList<long> files)
    {
        List<FileToRead> toRead = [];
        lock (_gate)
        {
            using SqliteCommand command = Command(
                """
                SELECT f.id, d.path, r.path, f.name, f.length, f.modified, EXISTS (SELECT 1 FROM contents c WHERE c.sha256 = f.sha256 AND c.kind IS NULL), f.state = 3
                FROM files f JOIN directories r ON r.id = f.directory JOIN folders d ON d.id = r.folder WHERE f.id = $id AND f.state IN (0, 3)
                """,
                ("$id", 0L));
            foreach (long file in files)
            {
                command.Parameters["$id"].Value = file;
                using SqliteDataReader row = command.ExecuteReader();
                if (row.Read())
                {
                    toRead.Add(new FileToRead(file, FullPath(row, 1), row.GetString(1), row.GetInt64(4), row.GetInt64(5), row.GetBoolean(6), row.GetBoolean(7)));
                }
            }
        }

        return new WorkSlice(toRead, files, toRead.Sum(file => file.Length));
    }

    /// <summary>Those of some files that are to be archived, in the order in which packs are made.</summary>
    public IReadOnlyList<PendingFile> Pending(IReadOnlyCollection<long> files)
    {
        lock (_gate)
        {
            Execute("DROP TABLE IF EXISTS temp.slice; CREATE TEMP TABLE slice(file INTEGER PRIMARY KEY)");
            using (SqliteTransaction transaction = _connection.BeginTransaction())
            {
                using SqliteCommand insert = Command("INSERT OR IGNORE INTO temp.slice(file) VALUES ($file)", ("$file", 0L));
                foreach (long file in files)
                {
                    insert.Parameters["$file"].Value = file;
                    insert.ExecuteNonQuery();
                }

                transaction.Commit();
            }

            return ReadPending("temp.slice s CROSS JOIN files f ON f.id = s.file", "1 = 1", long.MaxValue);
        }
    }

    /// <summary>Notes what a run puts into a pack: it goes into no other of the run.</summary>
    public void NoteTaken(PlannedPack pack) => ForEach("INSERT OR IGNORE INTO temp.taken(sha256) VALUES ($sha256)", pack);

    /// <summary>Takes that back: the pack did not come to be, and what is in it may go into another.</summary>
    public void NoteReleased(PlannedPack pack) => ForEach("DELETE FROM temp.taken WHERE sha256 = $sha256", pack);

    /// <summary>Everything of some folders that is to be archived, in the order in which packs are made, a few hundred in memory at a time.</summary>
    public IEnumerable<PendingFile> AllPending(IReadOnlyCollection<long> folders)
    {
        string among = string.Join(',', folders);
        lock (_gate)
        {
            Execute(
                $"""
                DROP TABLE IF EXISTS temp.plan;
                CREATE TEMP TABLE plan(seq INTEGER PRIMARY KEY, file INTEGER NOT NULL);
                INSERT INTO temp.plan(file) SELECT f.id FROM contents c CROSS JOIN files f ON f.sha256 = c.sha256
                    CROSS JOIN directories r ON r.id = f.directory CROSS JOIN folders d ON d.id = r.folder
                    WHERE {IsFree} AND f.state = 1 AND NOT {IsHeld} AND r.folder IN ({among}) ORDER BY {PackOrder};
                """);
        }

        for (long last = 0; ; last += 200)
        {
            List<PendingFile> page;
            bool ended;
            lock (_gate)
            {
                page = ReadPending("temp.plan s CROSS JOIN files f ON f.id = s.file", $"s.seq > {last} AND s.seq <= {last + 200}", 200);
                ended = page.Count == 0 && Scalar<long>("SELECT coalesce(max(seq), 0) FROM temp.plan") <= last;
            }

            if (ended)
            {
                yield break;
            }

            foreach (PendingFile file in page)
            {
                yield return file;
            }
        }
    }

    /// <summary>Files that a run took up and that changed meanwhile: they get one more try.</summary>
    public IReadOnlyList<long> StillToRead(IReadOnlyCollection<long> folders)
    {
        lock (_gate)
        {
            using SqliteCommand command = Command(
                $"SELECT f.id FROM files f CROSS JOIN directories r ON r.id = f.directory WHERE f.state IN (0, 3) AND r.folder IN ({string.Join(',', folders)}) ORDER BY f.id LIMIT 100000");
            using SqliteDataReader row = command.ExecuteReader();
            List<long> files = [];
            while (row.Read())
            {
                files.Add(row.GetInt64(0));
            }

            return files;
        }
    }

    private const string PackOrder = "c.study, c.patient, c.accession, c.study_date, c.born, c.sop, c.sha256, f.id";

    private List<PendingFile> ReadPending(string from, string where, long most)
    {
        using SqliteCommand command = Command(
            $"""
            SELECT f.id, d.path, r.path, f.name, f.length, f.modified, c.sop, c.sop_class, c.series, c.modality, c.transfer_syntax, c.length, c.sha256,
                c.study, c.patient, c.accession, c.study_date, c.born, c.kind,
                EXISTS (SELECT 1 FROM contents o WHERE o.sop = c.sop AND o.sha256 <> c.sha256 AND o.pack IS NOT NULL)
            FROM {from} JOIN directories r ON r.id = f.directory JOIN folders d ON d.id = r.folder JOIN contents c ON c.sha256 = f.sha256
            WHERE f.state = 1 AND {IsFree} AND NOT {IsHeld} AND c.sha256 NOT IN (SELECT sha256 FROM temp.taken) AND {where} ORDER BY {PackOrder} LIMIT $most
            """,
            ("$most", most));
        using SqliteDataReader row = command.ExecuteReader();
        List<PendingFile> files = [];
        while (row.Read())
        {
            SidecarInstance instance = ReadInstance(row, 6, 18);
            StudyKey study = new(
                Uid.Parse(row.GetString(13)), Hmac(row, 14), Hmac(row, 15), Text(row, 16), row.IsDBNull(17) ? null : row.GetInt32(17), instance.Kind is null ? null : SetKind.Folder)
            {
                PatientForms = Forms(row, 14),
                AccessionForms = Forms(row, 15),
            };
            files.Add(new PendingFile(row.GetInt64(0), FullPath(row, 1), row.GetString(1), row.GetInt64(4), row.GetInt64(5), instance, study, row.GetBoolean(19)));
        }

        return files;
    }

    private void ForEach(string sql, PlannedPack pack)
    {
        lock (_gate)
        {
            using SqliteTransaction transaction = _connection.BeginTransaction();
            using SqliteCommand command = Command(sql, ("$sha256", null));
            foreach (PlannedFile file in pack.Files)
            {
                command.Parameters["$sha256"].Value = Bytes(file.File.Instance.Sha256);
                command.ExecuteNonQuery();
            }

            transaction.Commit();
        }
    }

    /// <summary>What is in a file, from seven columns of <c>contents</c> and its kind.</summary>
    private static SidecarInstance ReadInstance(SqliteDataReader row, int first, int kind) => row.IsDBNull(kind)
        ? new SidecarInstance(
            Uid.Parse(row.GetString(first)), Uid.Parse(row.GetString(first + 1)), row.IsDBNull(first + 2) ? null : Uid.Parse(row.GetString(first + 2)), Text(row, first + 3),
            Uid.Parse(row.GetString(first + 4)), row.GetInt64(first + 5), Digest(row, first + 6)!.Value)
        : SidecarInstance.Plain(Enum.Parse<FileKind>(row.GetString(kind)), row.GetInt64(first + 5), Digest(row, first + 6)!.Value);

    private static string? Text(SqliteDataReader row, int column) => row.IsDBNull(column) ? null : row.GetString(column);

    /// <summary>An identifier in one column: its HMAC, and behind it those of its forms, where they are known.</summary>
    private static byte[]? Bytes(Sha256Digest? hmac, IdentifierForms? forms) =>
        hmac is not { } one ? null : forms is null ? one.ToBytes() : [.. one.ToBytes(), .. forms.Spelling.ToBytes(), .. forms.Zeros.ToBytes()];

    private static Sha256Digest? Hmac(SqliteDataReader row, int column) => row.IsDBNull(column) ? null : Sha256Digest.FromBytes(row.GetFieldValue<byte[]>(column).AsSpan(0, HmacLength));

    private static IdentifierForms? Forms(SqliteDataReader row, int column) => !row.IsDBNull(column) && row.GetFieldValue<byte[]>(column) is { Length: 3 * HmacLength } all
        ? new IdentifierForms(Sha256Digest.FromBytes(all.AsSpan(HmacLength, HmacLength)), Sha256Digest.FromBytes(all.AsSpan(2 * HmacLength)))
        : null;

    private static Sha256Digest? Digest(SqliteDataReader row, int column) => row.IsDBNull(column) ? null : Sha256Digest.FromBytes(row.GetFieldValue<byte[]>(column));
}
