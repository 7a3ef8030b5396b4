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
    private const int SchemaVersion = 2;

    // A content's pack is set in the transaction that stores the pack's receipt, so "has a pack" and "has a receipt" are one fact.
    private const string Schema =
        """
        CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
        CREATE TABLE folders(id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, scanned TEXT, unreadable INTEGER NOT NULL DEFAULT 0);
        CREATE TABLE files(
            id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, folder INTEGER NOT NULL REFERENCES folders(id), length INTEGER NOT NULL,
            modified INTEGER NOT NULL, run INTEGER NOT NULL, state INTEGER NOT NULL, sha256 BLOB, reason TEXT, detail TEXT);
        CREATE INDEX files_to_read ON files(run, id) WHERE state = 0;
        CREATE INDEX files_by_content ON files(sha256);
        CREATE TABLE contents(
            sha256 BLOB PRIMARY KEY, sop TEXT NOT NULL, sop_class TEXT NOT NULL, series TEXT, modality TEXT, transfer_syntax TEXT NOT NULL,
            length INTEGER NOT NULL, study TEXT NOT NULL, study_date TEXT, patient BLOB, accession BLOB, pack TEXT, born INTEGER) WITHOUT ROWID;
        CREATE INDEX contents_by_instance ON contents(sop);
        CREATE INDEX contents_by_pack ON contents(pack);
        CREATE TABLE receipts(
            pack TEXT PRIMARY KEY, jws TEXT NOT NULL, study TEXT NOT NULL, length INTEGER NOT NULL, instances INTEGER NOT NULL,
            issued TEXT NOT NULL, immutable_until TEXT NOT NULL) WITHOUT ROWID;
        CREATE TABLE uploads(pack TEXT PRIMARY KEY, sidecar BLOB NOT NULL, uploaded TEXT NOT NULL) WITHOUT ROWID;
        CREATE TABLE runs(id INTEGER PRIMARY KEY AUTOINCREMENT, started TEXT NOT NULL, finished TEXT, outcome TEXT, not_backed_up INTEGER);
        CREATE TABLE claims(
            pack TEXT NOT NULL, sop TEXT NOT NULL, sha256 BLOB NOT NULL, sop_class TEXT NOT NULL, series TEXT, modality TEXT,
            transfer_syntax TEXT NOT NULL, length INTEGER NOT NULL, study TEXT NOT NULL, PRIMARY KEY (pack, sop, sha256)) WITHOUT ROWID;
        PRAGMA user_version = 2;
        """;

    // What is not archived yet is read again: nobody looked for a year of birth in it.
    private const string ToVersion2 =
        """
        ALTER TABLE contents ADD COLUMN born INTEGER;
        UPDATE files SET state = 0, sha256 = NULL WHERE sha256 IN (SELECT sha256 FROM contents WHERE pack IS NULL);
        DELETE FROM contents WHERE pack IS NULL;
        PRAGMA user_version = 2;
        """;

    private readonly SqliteConnection _connection;
    private readonly Lock _gate = new();

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
            state.Execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; PRAGMA cache_size = -8000;");
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
        if (state.Scalar<long>("PRAGMA user_version") is 1 or SchemaVersion) return state; // what is read beside a run is the same in both
        state.Dispose();
        return null;
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

    /// <inheritdoc/>
    public void Dispose() => _connection.Dispose();

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
        if (version == 0)
        {
            using SqliteTransaction transaction = _connection.BeginTransaction();
            Execute(Schema);
            transaction.Commit();
        }
        else if (version == 1)
        {
            using SqliteTransaction transaction = _connection.BeginTransaction();
            Execute(ToVersion2);
            transaction.Commit();
        }
    }

    private SqliteCommand Command(string sql, params ReadOnlySpan<(string Name, object? Value)> parameters)
    {
        SqliteCommand command = _connection.CreateCommand();
        command.CommandText = sql;
        foreach ((string name, object? value) in parameters) command.Parameters.AddWithValue(name, value ?? DBNull.Value);
        return command;
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
            using SqliteTransaction transaction = _connection.BeginTransaction();
            work();
            transaction.Commit();
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
        return (T)command.ExecuteScalar()!;
    }
}
