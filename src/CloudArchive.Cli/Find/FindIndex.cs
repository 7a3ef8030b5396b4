using System.Security.Cryptography;
using System.Text;
using CloudArchive.Cli.Agent;
using CloudArchive.Format;
using Microsoft.Data.Sqlite;

namespace CloudArchive.Cli.Find;

/// <summary>A set that fits.</summary>
public sealed record FoundSet(Uid Set, IndexedSet Content);

/// <summary>What a search found.</summary>
/// <param name="Found">The sets that fit.</param>
/// <param name="All">The ids of all sets that are in the index.</param>
/// <param name="Damaged">How many rows of it could not be read.</param>
public sealed record SearchResult(IReadOnlyList<FoundSet> Found, IReadOnlySet<string> All, int Damaged);

/// <summary>The index cannot be used. Nothing else needs it.</summary>
public sealed class FindIndexException(string path, string why, Exception? inner = null)
    : CliException(ExitCode.Local, $"What `find` searches ({path}) cannot be used: {why} Make it anew: cloudarchive find --rebuild. Backups do not need it.", inner);

/// <summary>
/// What <c>find</c> searches: of each set one row with what people know it by, sealed with AES-256-GCM under a key of this computer. Filled by what a backup reads
/// anyway; never the only copy of anything. A search opens every row, which of 100,000 studies takes a second or two, so nothing tells more of them than their number,
/// lengths and ids.
/// </summary>
public sealed class FindIndex : IDisposable
{
    private const int KeyLength = 32;
    private const int NonceLength = 12;
    private const int TagLength = 16;
    private const int SchemaVersion = 1;
    private const string KeyCheck = "key";
    private readonly string _path;
    private readonly SqliteConnection _connection;
    private readonly AesGcm _cipher;

    private FindIndex(string path, SqliteConnection connection, AesGcm cipher) => (_path, _connection, _cipher) = (path, connection, cipher);

    /// <summary>Opens the index for writing, and makes it where it is missing.</summary>
    /// <exception cref="FindIndexException">It is damaged, or another user's.</exception>
    public static FindIndex Open(AgentHome home, ClinicId clinic)
    {
        string path = home.FindIndex(clinic);
        bool isNew = !File.Exists(path);
        if (isNew)
        {
            if (!File.Exists(home.FindKey))
            {
                byte[] key = RandomNumberGenerator.GetBytes(KeyLength);
                ProtectedFile.Write(home.FindKey, key);
                CryptographicOperations.ZeroMemory(key);
            }

            ProtectedFile.WritePlain(path, []); // SQLite would make it readable by everyone that the umask lets in
        }

        return Open(home, path, SqliteOpenMode.ReadWrite);
    }

    /// <summary>Opens the index for searching beside a run; null where there is none.</summary>
    /// <exception cref="FindIndexException">It is damaged, or another user's.</exception>
    public static FindIndex? OpenToRead(AgentHome home, ClinicId clinic) => File.Exists(home.FindIndex(clinic)) ? Open(home, home.FindIndex(clinic), SqliteOpenMode.ReadOnly) : null;

    /// <summary>Removes it with its key: what is in it can be made again.</summary>
    public static void Delete(AgentHome home, ClinicId clinic)
    {
        string path = home.FindIndex(clinic);
        foreach (string file in (string[])[path, path + "-wal", path + "-shm", home.FindKey])
        {
            File.Delete(file);
        }
    }

    /// <summary>Adds what files say to their sets: a row that says it already is not written.</summary>
    public void Add(IReadOnlyCollection<IndexedFile> files) => Guarded(() =>
    {
        using SqliteTransaction transaction = _connection.BeginTransaction();
        using SqliteCommand find = Command("SELECT sealed FROM sets WHERE name = $name", ("$name", ""));
        using SqliteCommand write = Command("INSERT INTO sets(name, sealed) VALUES ($name, $sealed) ON CONFLICT(name) DO UPDATE SET sealed = excluded.sealed", ("$name", ""), ("$sealed", Array.Empty<byte>()));
        foreach (IGrouping<Uid, IndexedFile> set in files.GroupBy(file => file.Set))
        {
            find.Parameters["$name"].Value = set.Key.Value;

            // One that cannot be read is made anew from what is read now.
            IndexedSet? known = find.ExecuteScalar() is byte[] sealedRow && Unseal(set.Key.Value, sealedRow) is { } content ? IndexedSet.Parse(content) : null;
            IndexedSet all = known ?? new IndexedSet { Kind = set.First().Kind };
            bool isNew = false;
            foreach (IndexedFile file in set)
            {
                isNew |= all.Add(file);
            }

            if (isNew)
            {
                write.Parameters["$name"].Value = set.Key.Value;
                write.Parameters["$sealed"].Value = Seal(set.Key.Value, all.Serialize());
                write.ExecuteNonQuery();
            }
        }

        transaction.Commit();
        return true;
    });

    /// <summary>Forgets sets.</summary>
    public void Forget(IEnumerable<Uid> sets) => Guarded(() =>
    {
        using SqliteTransaction transaction = _connection.BeginTransaction();
        using SqliteCommand delete = Command("DELETE FROM sets WHERE name = $name", ("$name", ""));
        foreach (Uid set in sets)
        {
            delete.Parameters["$name"].Value = set.Value;
            delete.ExecuteNonQuery();
        }

        transaction.Commit();
        return true;
    });

    /// <summary>The sets that fit.</summary>
    /// <param name="query">What is looked for.</param>
    public SearchResult Search(FindQuery query) => Guarded(() =>
    {
        List<FoundSet> found = [];
        HashSet<string> all = new(StringComparer.Ordinal);
        int damaged = 0;
        using SqliteCommand command = Command("SELECT name, sealed FROM sets");
        using SqliteDataReader row = command.ExecuteReader();
        while (row.Read())
        {
            string name = row.GetString(0);
            all.Add(name);
            if (Unseal(name, row.GetFieldValue<byte[]>(1)) is not { } content || content.IndexOf((byte)0) is var end && end < 0)
            {
                damaged++;
            }
            else if (query.Fits(content.AsSpan(0, end)))
            {
                if (Uid.TryParse(name, null, out Uid set) && IndexedSet.Parse(content) is { } known)
                {
                    found.Add(new FoundSet(set, known));
                }
                else
                {
                    damaged++;
                }
            }
        }

        return new SearchResult(found, all, damaged);
    });

    /// <inheritdoc/>
    public void Dispose()
    {
        _connection.Dispose();
        _cipher.Dispose();
    }

    private static FindIndex Open(AgentHome home, string path, SqliteOpenMode mode)
    {
        AesGcm cipher = ReadKey(home, path);
        SqliteConnection connection = new(new SqliteConnectionStringBuilder { DataSource = path, Mode = mode, Pooling = false, DefaultTimeout = 30 }.ConnectionString);
        FindIndex index = new(path, connection, cipher);
        try
        {
            index.Guarded(() =>
            {
                connection.Open();
                index.Prepare(mode);
                return true;
            });
            return index;
        }
        catch
        {
            index.Dispose();
            throw;
        }
    }

    private static AesGcm ReadKey(AgentHome home, string path)
    {
        byte[] key = [];
        try
        {
            key = ProtectedFile.Read(home.FindKey);
            return key.Length == KeyLength ? new AesGcm(key, TagLength) : throw new FindIndexException(path, $"its key ({home.FindKey}) is damaged.");
        }
        catch (LocalFailureException error)
        {
            throw new FindIndexException(path, $"its key ({home.FindKey}) is missing, or belongs to another user or computer.", error);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
        }
    }

    /// <summary>The schema, and whether the key is the one that the rows are sealed with.</summary>
    private void Prepare(SqliteOpenMode mode)
    {
        using SqliteCommand asked = Command("PRAGMA user_version");
        long version = (long)asked.ExecuteScalar()!;
        if (mode != SqliteOpenMode.ReadOnly)
        {
            using SqliteCommand pragmas = Command("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON");
            pragmas.ExecuteNonQuery();
            if (version == 0)
            {
                using SqliteTransaction transaction = _connection.BeginTransaction();
                using SqliteCommand schema = Command(
                    $"CREATE TABLE sets(name TEXT PRIMARY KEY, sealed BLOB NOT NULL); CREATE TABLE meta(name TEXT PRIMARY KEY, sealed BLOB NOT NULL); PRAGMA user_version = {SchemaVersion}");
                schema.ExecuteNonQuery();
                using SqliteCommand check = Command("INSERT INTO meta(name, sealed) VALUES ($name, $sealed)", ("$name", KeyCheck), ("$sealed", Seal(KeyCheck, [])));
                check.ExecuteNonQuery();
                transaction.Commit();
                return;
            }
        }

        if (version != SchemaVersion)
        {
            throw new FindIndexException(_path, version == 0 ? "it was never finished." : "it is of a newer version of cloudarchive.");
        }

        using SqliteCommand sealedWith = Command("SELECT sealed FROM meta WHERE name = $name", ("$name", KeyCheck));
        if (sealedWith.ExecuteScalar() is not byte[] known || Unseal(KeyCheck, known) is null)
        {
            throw new FindIndexException(_path, "it is sealed with another key.");
        }
    }

    /// <summary>Nonce, tag, ciphertext. The nonce is random: a key seals some millions of rows in its life, far from 2^32. A row's name is bound to it: rows cannot be exchanged.</summary>
    private byte[] Seal(string name, byte[] content)
    {
        byte[] result = new byte[NonceLength + TagLength + content.Length];
        Span<byte> nonce = result.AsSpan(0, NonceLength);
        RandomNumberGenerator.Fill(nonce);
        _cipher.Encrypt(nonce, content, result.AsSpan(NonceLength + TagLength), result.AsSpan(NonceLength, TagLength), Purpose(name));
        CryptographicOperations.ZeroMemory(content);
        return result;
    }

    /// <summary>Null where it was not sealed so.</summary>
    private byte[]? Unseal(string name, byte[] row)
    {
        if (row.Length < NonceLength + TagLength)
        {
            return null;
        }

        byte[] content = new byte[row.Length - NonceLength - TagLength];
        try
        {
            _cipher.Decrypt(row.AsSpan(0, NonceLength), row.AsSpan(NonceLength + TagLength), row.AsSpan(NonceLength, TagLength), content, Purpose(name));
            return content;
        }
        catch (AuthenticationTagMismatchException)
        {
            return null;
        }
    }

    private static byte[] Purpose(string name) => Encoding.UTF8.GetBytes($"cloudarchive/find/1\n{name}");

    private T Guarded<T>(Func<T> work)
    {
        try
        {
            return work();
        }
        catch (SqliteException error)
        {
            throw new FindIndexException(_path, error.Message, error);
        }
    }

    private SqliteCommand Command(string sql, params ReadOnlySpan<(string Name, object Value)> parameters)
    {
        SqliteCommand command = _connection.CreateCommand();
        command.CommandText = sql;
        foreach ((string name, object value) in parameters)
        {
            command.Parameters.AddWithValue(name, value);
        }

        return command;
    }
}
