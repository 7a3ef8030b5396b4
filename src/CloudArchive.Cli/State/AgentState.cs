using System.Globalization;
using Microsoft.Data.Sqlite;

namespace CloudArchive.Cli.State;

/// <summary>
/// What the agent remembers: which files it saw and what was in them, which contents the archive holds, and the receipts that say so.
/// Nothing here is the only copy: when it is lost, the next backup rebuilds it from the service and the files. One connection behind a
/// lock: calls are short, and runs do not overlap (<see cref="Agent.RunLock"/>); <c>status</c> reads beside them (WAL).
/// </summary>
public sealed partial class AgentState : IDisposable
{
    private const int SchemaVersion = 4;

    // A content's pack is set in the transaction that stores the pack's receipt, so "has a pack" and "has a receipt" are one fact.
    // Nothing here names the run: a scan that finds nothing new writes nothing per file.
    private const string Schema =
        """
        CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
        CREATE TABLE folders(
            id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, scanned TEXT, unreadable INTEGER NOT NULL DEFAULT 0, complete TEXT, volume TEXT,
            moved INTEGER NOT NULL DEFAULT 0, held_files INTEGER NOT NULL DEFAULT 0, emptied INTEGER NOT NULL DEFAULT 0, held TEXT, accepted INTEGER NOT NULL DEFAULT 0);
        CREATE TABLE contents(
            sha256 BLOB PRIMARY KEY, sop TEXT NOT NULL, sop_class TEXT NOT NULL, series TEXT, modality TEXT, transfer_syntax TEXT NOT NULL,
            length INTEGER NOT NULL, study TEXT NOT NULL, study_date TEXT, patient BLOB, accession BLOB, pack TEXT, born INTEGER,
            mine INTEGER NOT NULL DEFAULT 0, lost TEXT, lost_pack TEXT) WITHOUT ROWID;
        CREATE INDEX contents_by_instance ON contents(sop);
        CREATE INDEX contents_by_pack ON contents(pack);
        CREATE TABLE receipts(
            pack TEXT PRIMARY KEY, jws TEXT NOT NULL, study TEXT NOT NULL, length INTEGER NOT NULL, instances INTEGER NOT NULL,
            issued TEXT NOT NULL, immutable_until TEXT NOT NULL, audit_index INTEGER, reentered INTEGER, in_log INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
        CREATE TABLE uploads(pack TEXT PRIMARY KEY, sidecar BLOB NOT NULL, uploaded TEXT NOT NULL) WITHOUT ROWID;
        CREATE TABLE runs(id INTEGER PRIMARY KEY AUTOINCREMENT, started TEXT NOT NULL, finished TEXT, outcome TEXT, not_backed_up INTEGER);
        """;

    // Version 3: files lie in directories, so that a path stands once and a scan compares directory by directory.
    // packs_under_way: packs that were begun, with what it takes to seal them again. blocks: what of them left this computer.
    private const string FilesOfVersion3 =
        """
        CREATE TABLE exclusions(folder INTEGER NOT NULL REFERENCES folders(id), pattern TEXT NOT NULL, PRIMARY KEY (folder, pattern)) WITHOUT ROWID;
        CREATE TABLE left_out(
            folder INTEGER NOT NULL REFERENCES folders(id), rule TEXT NOT NULL, files INTEGER NOT NULL, bytes INTEGER NOT NULL, PRIMARY KEY (folder, rule)) WITHOUT ROWID;
        CREATE TABLE directories(id INTEGER PRIMARY KEY, folder INTEGER NOT NULL REFERENCES folders(id), path TEXT NOT NULL, UNIQUE (folder, path));
        CREATE TABLE files(
            id INTEGER PRIMARY KEY, directory INTEGER NOT NULL REFERENCES directories(id), name TEXT NOT NULL, length INTEGER NOT NULL, modified INTEGER NOT NULL,
            state INTEGER NOT NULL, sha256 BLOB, checked INTEGER NOT NULL DEFAULT 0, doubtful INTEGER NOT NULL DEFAULT 0, suspect INTEGER NOT NULL DEFAULT 0, changed INTEGER,
            reason TEXT, detail TEXT, UNIQUE (directory, name));
        CREATE INDEX files_to_read ON files(id) WHERE state IN (0, 3);
        CREATE INDEX files_by_content ON files(sha256);
        CREATE INDEX files_by_check ON files(checked) WHERE state = 1;
        CREATE INDEX files_by_change ON files(changed) WHERE changed IS NOT NULL;
        CREATE TABLE packs_under_way(pack TEXT PRIMARY KEY, plan BLOB NOT NULL, key BLOB NOT NULL) WITHOUT ROWID;
        CREATE TABLE blocks(pack TEXT NOT NULL, seq INTEGER NOT NULL, length INTEGER NOT NULL, sha256 BLOB NOT NULL, staged INTEGER NOT NULL, PRIMARY KEY (pack, seq)) WITHOUT ROWID;
        CREATE TABLE contents_under_way(sha256 BLOB PRIMARY KEY, pack TEXT NOT NULL) WITHOUT ROWID;
        CREATE INDEX contents_under_way_by_pack ON contents_under_way(pack);
        CREATE INDEX receipts_to_prove ON receipts(audit_index) WHERE in_log = 0;
        """;

    // Version 4: plain files. A content has a kind where it is one; what was left out for not being an image is read again. A root has a label. listed: what the
    // last snapshot says of each file, so that the next says what differs; it is due where a trigger says so.
    private const string ToVersion4 =
        """
        ALTER TABLE contents ADD COLUMN kind TEXT;
        ALTER TABLE folders ADD COLUMN label TEXT;
        CREATE TABLE listed(
            root INTEGER NOT NULL, directory TEXT NOT NULL, name TEXT NOT NULL, length INTEGER NOT NULL, modified INTEGER NOT NULL, sha256 BLOB NOT NULL, pack TEXT NOT NULL,
            PRIMARY KEY (root, directory, name)) WITHOUT ROWID;
        CREATE TABLE snapshots(seq INTEGER PRIMARY KEY AUTOINCREMENT, pack TEXT NOT NULL UNIQUE);
        CREATE INDEX files_with_remark ON files(id) WHERE state = 1 AND detail IS NOT NULL;
        CREATE TABLE snapshot_due(due INTEGER NOT NULL);
        INSERT INTO snapshot_due VALUES (1);
        CREATE TRIGGER due_by_file AFTER UPDATE OF sha256, modified ON files WHEN new.sha256 IS NOT old.sha256 OR new.modified <> old.modified BEGIN
            UPDATE snapshot_due SET due = 1 WHERE due = 0; END;
        CREATE TRIGGER due_by_loss AFTER DELETE ON files WHEN old.sha256 IS NOT NULL BEGIN UPDATE snapshot_due SET due = 1 WHERE due = 0; END;
        CREATE TRIGGER due_by_pack AFTER UPDATE OF pack ON contents WHEN new.pack IS NOT old.pack BEGIN UPDATE snapshot_due SET due = 1 WHERE due = 0; END;
        CREATE TRIGGER due_by_receipt AFTER DELETE ON receipts WHEN old.pack IN (SELECT pack FROM snapshots) BEGIN UPDATE snapshot_due SET due = 1 WHERE due = 0; END;
        UPDATE files SET state = 0, reason = NULL, detail = NULL WHERE state = 2 AND reason IN ('not-dicom', 'dicomdir', 'no-identity', 'damaged');
        UPDATE files SET reason = 'special' WHERE state = 2 AND reason = 'empty';
        PRAGMA user_version = 4;
        """;

    // What is not archived yet is read again: nobody looked for a year of birth in it.
    private const string ToVersion2 =
        """
        ALTER TABLE contents ADD COLUMN born INTEGER;
        UPDATE files SET state = 0, sha256 = NULL WHERE sha256 IN (SELECT sha256 FROM contents WHERE pack IS NULL);
        DELETE FROM contents WHERE pack IS NULL;
        """;

    private const string ToVersion3 =
        """
        ALTER TABLE folders ADD COLUMN complete TEXT;
        ALTER TABLE folders ADD COLUMN volume TEXT;
        ALTER TABLE folders ADD COLUMN moved INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE folders ADD COLUMN held_files INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE folders ADD COLUMN emptied INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE folders ADD COLUMN held TEXT;
        ALTER TABLE folders ADD COLUMN accepted INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE contents ADD COLUMN mine INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE contents ADD COLUMN lost TEXT;
        ALTER TABLE contents ADD COLUMN lost_pack TEXT;
        ALTER TABLE receipts ADD COLUMN audit_index INTEGER;
        ALTER TABLE receipts ADD COLUMN reentered INTEGER;
        ALTER TABLE receipts ADD COLUMN in_log INTEGER NOT NULL DEFAULT 0;
        UPDATE receipts SET audit_index = audit_index_of(jws);
        DELETE FROM meta WHERE name = 'synced';
        DROP TABLE claims;
        DROP INDEX files_to_read;
        DROP INDEX files_by_content;
        ALTER TABLE files RENAME TO files_of_version_2;
        """;

    private const string FilesToVersion3 =
        """
        DELETE FROM folders WHERE scanned IS NULL AND id NOT IN (SELECT folder FROM files_of_version_2);
        INSERT INTO directories(folder, path) SELECT DISTINCT f.folder, directory_of(d.path, f.path) FROM files_of_version_2 f JOIN folders d ON d.id = f.folder;
        INSERT OR IGNORE INTO files(id, directory, name, length, modified, state, sha256, reason, detail)
            SELECT f.id, r.id, name_of(f.path), f.length, f.modified, f.state, f.sha256, f.reason, f.detail
            FROM files_of_version_2 f JOIN folders d ON d.id = f.folder JOIN directories r ON r.folder = f.folder AND r.path = directory_of(d.path, f.path);
        UPDATE contents SET mine = 1 WHERE sha256 IN (SELECT sha256 FROM files);
        UPDATE folders SET held_files = id IN (SELECT folder FROM files_of_version_2 WHERE sha256 IS NOT NULL),
            complete = CASE WHEN scanned IS NOT NULL THEN (SELECT max(finished) FROM runs WHERE outcome = 'Ok') END;
        DROP TABLE files_of_version_2;
        """;

    private readonly SqliteConnection _connection;
    private readonly Lock _gate = new();
    private readonly Dictionary<string, SqliteCommand> _prepared = new(StringComparer.Ordinal);
    private SqliteTransaction? _transaction;

    private AgentState(SqliteConnection connection) => _connection = connection;

    /// <summary>Opens the state for writing, and makes it where it is missing.</summary>
    public static AgentState Open(string path)
    {
        if (!OperatingSystem.IsWindows() && !File.Exists(path))
        {
            // SQLite would make it readable by everyone that the umask lets in; paths in it carry patients' names.
            using FileStream made = new(path, new FileStreamOptions { Mode = FileMode.OpenOrCreate, Access = FileAccess.ReadWrite, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite });
        }

        AgentState state = new(Connect(path, SqliteOpenMode.ReadWriteCreate));
        try
        {
            // A page that many transactions change is copied from the log once a checkpoint: one every 16 MB spares most of that writing.
            state.Execute(
                """
                PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; PRAGMA cache_size = -16000; PRAGMA secure_delete = ON;
                PRAGMA wal_autocheckpoint = 4000;
                """);
            state.Migrate(path);
            return state;
        }
        catch
        {
            state.Dispose();
            throw;
        }
    }

    /// <summary>Opens the state for reading beside a run; null where there is none.</summary>
    public static AgentState? OpenToRead(string path)
    {
        if (!File.Exists(path)) return null;
        AgentState state = new(Connect(path, SqliteOpenMode.ReadOnly));
        long version = state.Scalar<long>("PRAGMA user_version");
        if (version == SchemaVersion)
        {
            return state;
        }

        state.Dispose();
        if (version is 0 or > SchemaVersion)
        {
            return null;
        }

        Open(path).Dispose(); // brings it to this version
        return OpenToRead(path);
    }

    /// <summary>A small value by name, or null.</summary>
    public string? Get(string name)
    {
        lock (_gate)
        {
            using SqliteCommand command = Command("SELECT value FROM meta WHERE name = $name", ("$name", name));
            return (string?)command.ExecuteScalar();
        }
    }

    /// <summary>Sets a small value.</summary>
    public void Set(string name, string value)
    {
        lock (_gate) Execute("INSERT INTO meta(name, value) VALUES ($name, $value) ON CONFLICT(name) DO UPDATE SET value = excluded.value", ("$name", name), ("$value", value));
    }

    /// <summary>
    /// Makes one transaction of several notes: each page that they change is written once, not once a note. What a crash takes with it must be what a scan
    /// finds again.
    /// </summary>
    public void Together(Action notes)
    {
        lock (_gate)
        {
            InTransaction(notes);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (SqliteCommand command in _prepared.Values)
        {
            command.Dispose();
        }

        _connection.Dispose();
    }

    private static SqliteConnection Connect(string path, SqliteOpenMode mode)
    {
        // No pool: a deleted data folder must not live on in an open handle.
        SqliteConnection connection = new(new SqliteConnectionStringBuilder { DataSource = path, Mode = mode, Pooling = false, DefaultTimeout = 30 }.ConnectionString);
        connection.Open();
        return connection;
    }

    private static string Text(DateTimeOffset time) => time.UtcDateTime.ToString("O", CultureInfo.InvariantCulture);

    private static DateTimeOffset Time(string text) => DateTimeOffset.Parse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal);

    private static byte[] Bytes(Format.Sha256Digest digest) => digest.ToBytes();

    private void Migrate(string path)
    {
        long version = Scalar<long>("PRAGMA user_version");
        if (version > SchemaVersion) throw new LocalFailureException($"{path} was written by a newer version of cloudarchive. Update this computer's, or move the file away: the next backup rebuilds it from the service.");
        if (version == SchemaVersion)
        {
            return;
        }

        using SqliteTransaction transaction = _connection.BeginTransaction();
        if (version == 0)
        {
            Execute(Schema);
        }

        if (version == 1)
        {
            Execute(ToVersion2);
        }

        if (version is 1 or 2)
        {
            _connection.CreateFunction("audit_index_of", (string jws) => AuditIndexOf(jws), isDeterministic: true);
            Execute(ToVersion3);
        }

        if (version < 3)
        {
            Execute(FilesOfVersion3);
        }

        if (version is 1 or 2)
        {
            _connection.CreateFunction("directory_of", (string folder, string file) => DirectoryOf(folder, file), isDeterministic: true);
            _connection.CreateFunction("name_of", (string file) => Path.GetFileName(file), isDeterministic: true);
            Execute(FilesToVersion3);
        }

        Execute(ToVersion4);
        foreach (string folder in Folders())
        {
            Relabel(folder, LabelFor(folder));
        }

        transaction.Commit();
    }

    /// <summary>The entry that a stored receipt names: it was verified before it was stored.</summary>
    private static long? AuditIndexOf(string jws)
    {
        try
        {
            return Format.Packs.Receipts.ReadStored(jws).AuditIndex;
        }
        catch (Format.Packs.PackException)
        {
            return null; // `receipts verify` tells of it
        }
    }

    /// <summary>The directory of a file, below its folder; empty for the folder itself.</summary>
    private static string DirectoryOf(string folder, string file) => Path.GetDirectoryName(file) is { } directory ? Below(folder, directory) : "";

    /// <summary>A directory as the state names it: relative to its folder, empty for the folder itself.</summary>
    public static string Below(string folder, string directory) =>
        directory.Length <= folder.Length ? "" : Path.TrimEndingDirectorySeparator(directory[folder.Length..].TrimStart(Path.DirectorySeparatorChar));

    private SqliteCommand Command(string sql, params ReadOnlySpan<(string Name, object? Value)> parameters)
    {
        SqliteCommand command = _connection.CreateCommand();
        command.CommandText = sql;
        foreach ((string name, object? value) in parameters) command.Parameters.AddWithValue(name, value ?? DBNull.Value);
        return command;
    }

    /// <summary>A command that is compiled once and kept; not to be disposed. For what runs once a file or directory.</summary>
    private SqliteCommand Prepared(string sql, params ReadOnlySpan<(string Name, object? Value)> parameters)
    {
        if (!_prepared.TryGetValue(sql, out SqliteCommand? command))
        {
            _prepared[sql] = command = Command(sql, parameters);
            return command;
        }

        command.Transaction = _transaction;
        foreach ((string name, object? value) in parameters)
        {
            command.Parameters[name].Value = value ?? DBNull.Value;
        }

        return command;
    }

    /// <summary>All of the work or nothing of it; a part of the transaction that is open, where one is.</summary>
    private void InTransaction(Action work)
    {
        if (_transaction is not null)
        {
            work();
            return;
        }

        using SqliteTransaction transaction = _connection.BeginTransaction();
        _transaction = transaction;
        try
        {
            work();
            transaction.Commit();
        }
        finally
        {
            _transaction = null;
        }
    }

    /// <summary>
    /// A transaction that survives a power cut once it is committed. The others need not: what a file held can be read again, and a commit that
    /// waits for the disk after each of a hundred thousand files would take minutes.
    /// </summary>
    private void CommitDurably(Action work)
    {
        Execute("PRAGMA synchronous = FULL");
        try
        {
            InTransaction(work);
        }
        finally
        {
            Execute("PRAGMA synchronous = NORMAL");
        }
    }

    private int Execute(string sql, params ReadOnlySpan<(string Name, object? Value)> parameters)
    {
        using SqliteCommand command = Command(sql, parameters);
        return command.ExecuteNonQuery();
    }

    private T Scalar<T>(string sql, params ReadOnlySpan<(string Name, object? Value)> parameters)
    {
        using SqliteCommand command = Command(sql, parameters);
        return command.ExecuteScalar() is { } value and not DBNull ? (T)value : default!;
    }
}
