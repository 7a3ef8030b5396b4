using System.Collections.Concurrent;
using CloudArchive.LocalHost.Storage;
using Microsoft.Data.Sqlite;

namespace CloudArchive.LocalHost.Worm;

/// <summary>What protects a version.</summary>
/// <param name="VersionId">The version.</param>
/// <param name="Until">The policy's date; null without a policy.</param>
/// <param name="Locked">Whether the policy can only be extended.</param>
/// <param name="LegalHold">Whether there is a legal hold.</param>
internal sealed record Protection(string VersionId, DateTimeOffset? Until, bool Locked, bool LegalHold)
{
    /// <summary>Whether it forbids deletion now.</summary>
    public bool ForbidsDelete(DateTimeOffset now) => LegalHold || Until > now;

    /// <summary>Whether it forbids change: a policy does, even when it has run out.</summary>
    public bool ForbidsChange => LegalHold || Until is not null;
}

/// <summary>
/// Policies and holds, in SQLite: written, and flushed to the disk, before anybody is told of them. All of them are in memory too, where
/// every request looks. One row a blob: what is protected is not overwritten, so a blob has one version at most that anything protects.
/// </summary>
internal sealed class PolicyStore : IDisposable
{
    private readonly SqliteConnection _connection;
    private readonly Lock _writing = new();
    private readonly ConcurrentDictionary<string, Protection> _rows = new(StringComparer.Ordinal);

    private PolicyStore(SqliteConnection connection) => _connection = connection;

    /// <summary>Opens the store in a file.</summary>
    /// <param name="mustExist">Whether there is something to protect already: then a missing file is an error, and never an empty store.</param>
    public static PolicyStore Open(string file, bool mustExist)
    {
        if (mustExist && !File.Exists(file))
        {
            throw new LocalHostException($"The immutability policies are missing ({file}), and there are blobs that they protect. Bring the file back from a copy of the data folder; LocalHost does not serve those blobs without it.");
        }

        SqliteConnectionStringBuilder settings = new() { DataSource = file, Mode = SqliteOpenMode.ReadWriteCreate, Pooling = false };
        SqliteConnection connection = new(settings.ToString());
        PolicyStore store = new(connection);
        try
        {
            connection.Open();
            store.Execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;");
            store.Check();
            store.Execute(
                """
                CREATE TABLE IF NOT EXISTS protection (
                    blob TEXT PRIMARY KEY, version TEXT NOT NULL, until INTEGER, locked INTEGER NOT NULL, hold INTEGER NOT NULL
                ) WITHOUT ROWID, STRICT
                """);
            store.Load();
            return store;
        }
        catch (SqliteException e)
        {
            store.Dispose();
            throw new LocalHostException($"The immutability policies cannot be read ({file}): {e.Message} Bring the file back from a copy of the data folder.", e);
        }
    }

    /// <summary>What protects the blob <c>container/name</c>, or null.</summary>
    public Protection? Find(string blob) => _rows.GetValueOrDefault(blob);

    /// <summary>Durable on return.</summary>
    public void Put(string blob, Protection protection)
    {
        lock (_writing)
        {
            using SqliteCommand command = _connection.CreateCommand();
            command.CommandText = "INSERT OR REPLACE INTO protection VALUES ($blob, $version, $until, $locked, $hold)";
            command.Parameters.AddWithValue("$blob", blob);
            command.Parameters.AddWithValue("$version", protection.VersionId);
            command.Parameters.AddWithValue("$until", protection.Until is { } until ? until.UtcTicks : DBNull.Value);
            command.Parameters.AddWithValue("$locked", protection.Locked);
            command.Parameters.AddWithValue("$hold", protection.LegalHold);
            command.ExecuteNonQuery();
            _rows[blob] = protection;
        }
    }

    /// <summary>Forgets a blob that is gone.</summary>
    public void Remove(string blob)
    {
        lock (_writing)
        {
            using SqliteCommand command = _connection.CreateCommand();
            command.CommandText = "DELETE FROM protection WHERE blob = $blob";
            command.Parameters.AddWithValue("$blob", blob);
            command.ExecuteNonQuery();
            _rows.TryRemove(blob, out _);
        }
    }

    public void Dispose() => _connection.Dispose();

    private void Execute(string text)
    {
        using SqliteCommand command = _connection.CreateCommand();
        command.CommandText = text;
        command.ExecuteNonQuery();
    }

    private void Check()
    {
        using SqliteCommand command = _connection.CreateCommand();
        command.CommandText = "PRAGMA quick_check(1)";
        if (command.ExecuteScalar() as string is not "ok" and var found)
        {
            throw new SqliteException($"the database is damaged ({found}).", 11);
        }
    }

    private void Load()
    {
        using SqliteCommand command = _connection.CreateCommand();
        command.CommandText = "SELECT blob, version, until, locked, hold FROM protection";
        using SqliteDataReader reader = command.ExecuteReader();
        while (reader.Read())
        {
            DateTimeOffset? until = reader.IsDBNull(2) ? null : new DateTimeOffset(reader.GetInt64(2), TimeSpan.Zero);
            _rows[reader.GetString(0)] = new Protection(reader.GetString(1), until, reader.GetBoolean(3), reader.GetBoolean(4));
        }
    }
}
