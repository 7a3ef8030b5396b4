using System.Security.Cryptography;
using System.Text.Json;
using CloudArchive.Cli.Agent;
using CloudArchive.Cli.Backup;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Sealing;
using Microsoft.Data.Sqlite;

namespace CloudArchive.Cli.State;

public sealed partial class AgentState
{
    /// <summary>Notes a pack of which a first block is about to leave, with its key: what a later run needs to go on. Durable on return.</summary>
    public void BeginUpload(UploadPlan plan, ContentKey key)
    {
        byte[] secret = key.ToWrapInput();
        try
        {
            lock (_gate)
            {
                CommitDurably(() =>
                {
                    Execute(
                        "INSERT INTO packs_under_way(pack, plan, key) VALUES ($pack, $plan, $key)",
                        ("$pack", plan.Header.Pack.ToString()), ("$plan", JsonSerializer.SerializeToUtf8Bytes(plan, FormatJson.Options)), ("$key", ProtectedFile.Protect(secret)));
                    Claim(plan.Header.Pack, plan.Files.Select(f => f.Instance.Sha256));
                });
            }
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secret);
        }
    }

    /// <summary>Notes a block that is about to be sent. Durable on return.</summary>
    public void NoteBlock(PackId pack, int index, int length, Sha256Digest sha256)
    {
        lock (_gate)
        {
            CommitDurably(() => Execute(
                "INSERT INTO blocks(pack, seq, length, sha256, staged) VALUES ($pack, $seq, $length, $sha256, 0)",
                ("$pack", pack.ToString()), ("$seq", index), ("$length", length), ("$sha256", Bytes(sha256))));
        }
    }

    /// <summary>Notes that storage has a block.</summary>
    public void NoteStaged(PackId pack, int index)
    {
        lock (_gate)
        {
            Execute("UPDATE blocks SET staged = 1 WHERE pack = $pack AND seq = $seq", ("$pack", pack.ToString()), ("$seq", index));
        }
    }

    /// <summary>The blocks of a pack that was begun, in order.</summary>
    public IReadOnlyList<SealedBlock> BlocksOf(PackId pack)
    {
        lock (_gate)
        {
            using SqliteCommand command = Command("SELECT length, sha256, staged FROM blocks WHERE pack = $pack ORDER BY seq", ("$pack", pack.ToString()));
            using SqliteDataReader row = command.ExecuteReader();
            List<SealedBlock> blocks = [];
            while (row.Read())
            {
                blocks.Add(new SealedBlock(row.GetInt32(0), Digest(row, 1)!.Value, row.GetBoolean(2)));
            }

            return blocks;
        }
    }

    /// <summary>The packs that were begun and whose bytes are not all in storage, oldest first. One that cannot be read is given up.</summary>
    public IReadOnlyList<UploadPlan> PacksUnderWay()
    {
        lock (_gate)
        {
            List<(PackId Pack, byte[] Plan)> rows = [];
            using (SqliteCommand command = Command("SELECT pack, plan FROM packs_under_way WHERE pack NOT IN (SELECT pack FROM uploads) ORDER BY pack"))
            using (SqliteDataReader row = command.ExecuteReader())
            {
                while (row.Read())
                {
                    rows.Add((PackId.Parse(row.GetString(0)), row.GetFieldValue<byte[]>(1)));
                }
            }

            List<UploadPlan> plans = [];
            foreach ((PackId pack, byte[] json) in rows)
            {
                if (ReadPlan(json) is { } plan)
                {
                    plans.Add(plan);
                }
                else
                {
                    ForgetUpload(pack);
                }
            }

            return plans;
        }
    }

    /// <summary>The key of a pack that was begun, to seal it again; null where it cannot be read here any more.</summary>
    public ContentKey? KeyOf(PackId pack)
    {
        lock (_gate)
        {
            using SqliteCommand command = Command("SELECT key FROM packs_under_way WHERE pack = $pack", ("$pack", pack.ToString()));
            if (command.ExecuteScalar() is not byte[] content)
            {
                return null;
            }

            byte[]? secret = null;
            try
            {
                secret = ProtectedFile.Unprotect(content);
                return ContentKey.ToSealAgain(secret);
            }
            catch (Exception error) when (error is CryptographicException or PackException)
            {
                return null; // another user's, or damaged: the pack is made anew
            }
            finally
            {
                CryptographicOperations.ZeroMemory(secret);
            }
        }
    }

    /// <summary>How the file stands that a pack under way needs: its row, and whether what was read from it last is what the pack holds, and whether it is held back; null where it is unknown.</summary>
    public (long Id, bool IsRead, bool IsSame, bool IsHeld)? FindFor(UploadFile file)
    {
        lock (_gate)
        {
            using SqliteCommand command = Command(
                $"""
                SELECT f.id, f.state IN (1, 3), {IsHeld}, coalesce(f.length = $length AND f.modified = $modified AND f.sha256 = $sha256 AND c.pack IS NULL, 0)
                FROM folders d JOIN directories r ON r.folder = d.id AND r.path = $directory JOIN files f ON f.directory = r.id AND f.name = $name
                LEFT JOIN contents c ON c.sha256 = f.sha256 WHERE d.path = $folder
                """,
                ("$folder", file.Folder), ("$directory", DirectoryOf(file.Folder, file.Path)), ("$name", Path.GetFileName(file.Path)),
                ("$length", file.Length), ("$modified", file.ModifiedTicks), ("$sha256", Bytes(file.Instance.Sha256)));
            using SqliteDataReader row = command.ExecuteReader();
            return row.Read() ? (row.GetInt64(0), row.GetBoolean(1), row.GetBoolean(3), row.GetBoolean(2)) : null;
        }
    }

    /// <summary>Whether a folder can be looked into, and is what it was: of one on a drive that is not connected, no file is gone.</summary>
    public bool IsThere(string folder) => Directory.Exists(folder) && FindFolder(folder) is { IsEmptied: false, IsMoved: false };

    /// <summary>Gives a pack up that was begun or uploaded: its files are planned anew, and its key is gone.</summary>
    public void ForgetUpload(PackId pack)
    {
        lock (_gate)
        {
            using SqliteTransaction? transaction = _connection.BeginTransaction();
            RemoveUpload(pack.ToString());
            transaction.Commit();
        }
    }

    private static UploadPlan? ReadPlan(byte[] json)
    {
        try
        {
            return JsonSerializer.Deserialize<UploadPlan>(json, FormatJson.Options);
        }
        catch (Exception error) when (error is JsonException or FormatException)
        {
            return null; // another version of this program wrote it
        }
    }

    /// <summary>What is in a pack under way is not planned into another.</summary>
    private void Claim(PackId pack, IEnumerable<Sha256Digest> contents)
    {
        using SqliteCommand claim = Command("INSERT OR REPLACE INTO contents_under_way(sha256, pack) VALUES ($sha256, $pack)", ("$sha256", null), ("$pack", pack.ToString()));
        foreach (Sha256Digest content in contents)
        {
            claim.Parameters["$sha256"].Value = Bytes(content);
            claim.ExecuteNonQuery();
        }
    }

    private void RemoveUpload(string pack)
    {
        foreach (string table in (string[])["uploads", "packs_under_way", "blocks", "contents_under_way"])
        {
            Execute($"DELETE FROM {table} WHERE pack = $pack", ("$pack", pack));
        }
    }
}
