using CloudArchive.Format;
using CloudArchive.Format.Packs;
using Microsoft.Data.Sqlite;

namespace CloudArchive.Cli.State;

/// <summary>What a snapshot is to say, as it was lined up: lines from 1 to <paramref name="Lines"/>, those with bytes by pack.</summary>
/// <param name="IsWhole">Whether it is the whole list, and goes on from none.</param>
/// <param name="Chain">The packs of the snapshots that it goes on from.</param>
/// <param name="Lines">How many lines there are.</param>
/// <param name="Files">Files that stand there, all in all.</param>
/// <param name="Bytes">Their bytes.</param>
public sealed record SnapshotPlan(bool IsWhole, IReadOnlyList<PackId> Chain, long Lines, long Files, long Bytes);

/// <summary>A line of a snapshot, before its pack has a number.</summary>
public sealed record ListedFile(long Root, string Path, long? Length, long ModifiedTicks, Sha256Digest? Sha256, PackId? Pack);

public sealed partial class AgentState
{
    /// <summary>Whether anything stands elsewhere or otherwise than the last snapshot says. Noted by triggers: it need not be looked for.</summary>
    public bool IsSnapshotDue
    {
        get
        {
            lock (_gate)
            {
                return Scalar<long>("SELECT due FROM snapshot_due") != 0;
            }
        }
    }

    /// <summary>Until when the longest receipt locks its pack; null: there is none.</summary>
    public DateTimeOffset? LongestLock
    {
        get
        {
            lock (_gate)
            {
                using SqliteCommand command = Command("SELECT max(immutable_until) FROM receipts");
                return command.ExecuteScalar() is string text ? Time(text) : null;
            }
        }
    }

    /// <summary>
    /// Lines up what a snapshot says: what differs from the last, or everything where that is no more than a change would be, where the chain is long or where
    /// the archive lost a part of it. In a table of its own: memory does not grow with the folder.
    /// </summary>
    public SnapshotPlan LineUpSnapshot(int longestChain)
    {
        lock (_gate)
        {
            List<PackId> chain = ReadChain();
            long listed = Scalar<long>("SELECT count(*) FROM listed");
            bool whole = chain.Count == 0 || chain.Count >= longestChain || chain.Any(pack => !HasReceipt(pack));
            if (!whole)
            {
                WriteLines(whole: false);
                whole = Scalar<long>("SELECT count(*) FROM temp.lines") > Math.Max(1000, listed / 2);
            }

            if (whole)
            {
                WriteLines(whole: true);
                chain = [];
            }

            using SqliteCommand sum = Command($"SELECT count(*), coalesce(sum(c.length), 0) {Standing}");
            using SqliteDataReader row = sum.ExecuteReader();
            row.Read();
            return new SnapshotPlan(whole, chain, Scalar<long>("SELECT count(*) FROM temp.lines"), row.GetInt64(0), row.GetInt64(1));
        }
    }

    /// <summary>Up to which line a pack may go that begins after one: so many lines, and so many packs named.</summary>
    public long LastLineOfPack(long after, int mostLines, int mostPacks)
    {
        lock (_gate)
        {
            long? tooMany = Scalar<long?>(
                $"SELECT min(seq) FROM temp.lines WHERE seq > $after AND seq <= $after + $lines AND pack IS NOT NULL GROUP BY pack ORDER BY 1 LIMIT 1 OFFSET $packs",
                ("$after", after), ("$lines", mostLines), ("$packs", mostPacks));
            return tooMany is { } first ? first - 1 : Scalar<long>("SELECT coalesce(max(seq), 0) FROM temp.lines WHERE seq <= $after + $lines", ("$after", after), ("$lines", mostLines));
        }
    }

    /// <summary>The packs that some lines name.</summary>
    public IReadOnlyList<PackId> PacksOfLines(long after, long last)
    {
        lock (_gate)
        {
            using SqliteCommand command = Command("SELECT DISTINCT pack FROM temp.lines WHERE seq > $after AND seq <= $last AND pack IS NOT NULL ORDER BY pack", ("$after", after), ("$last", last));
            using SqliteDataReader row = command.ExecuteReader();
            List<PackId> packs = [];
            while (row.Read())
            {
                packs.Add(PackId.Parse(row.GetString(0)));
            }

            return packs;
        }
    }

    /// <summary>Some lines, a page at a time.</summary>
    public IEnumerable<ListedFile> Lines(long after, long last)
    {
        while (after < last)
        {
            List<ListedFile> page = [];
            lock (_gate)
            {
                using SqliteCommand command = Command(
                    "SELECT seq, root, directory, name, length, modified, sha256, pack FROM temp.lines WHERE seq > $after AND seq <= $last ORDER BY seq LIMIT 1000", ("$after", after), ("$last", last));
                using SqliteDataReader row = command.ExecuteReader();
                while (row.Read())
                {
                    after = row.GetInt64(0);
                    string directory = row.GetString(2).Replace(Path.DirectorySeparatorChar, '/');
                    page.Add(new ListedFile(
                        row.GetInt64(1), directory.Length == 0 ? row.GetString(3) : $"{directory}/{row.GetString(3)}", row.IsDBNull(7) ? null : row.GetInt64(4), row.IsDBNull(7) ? 0 : row.GetInt64(5),
                        Digest(row, 6), row.IsDBNull(7) ? null : PackId.Parse(row.GetString(7))));
                }
            }

            if (page.Count == 0)
            {
                yield break;
            }

            foreach (ListedFile file in page)
            {
                yield return file;
            }
        }
    }

    /// <summary>A snapshot is archived, all of its packs: the next says what differs from it.</summary>
    public void NoteSnapshot(SnapshotPlan plan, IReadOnlyList<PackId> packs)
    {
        lock (_gate)
        {
            CommitDurably(() =>
            {
                if (plan.IsWhole)
                {
                    Execute("DELETE FROM listed; DELETE FROM snapshots");
                }

                Execute(
                    """
                    DELETE FROM listed WHERE EXISTS (SELECT 1 FROM temp.lines l WHERE l.root = listed.root AND l.directory = listed.directory AND l.name = listed.name AND l.pack IS NULL);
                    INSERT OR REPLACE INTO listed(root, directory, name, length, modified, sha256, pack)
                        SELECT root, directory, name, length, modified, sha256, pack FROM temp.lines WHERE pack IS NOT NULL;
                    UPDATE snapshot_due SET due = 0;
                    """);
                foreach (PackId pack in packs)
                {
                    Execute("INSERT OR IGNORE INTO snapshots(pack) VALUES ($pack)", ("$pack", pack.ToString()));
                }
            });
        }
    }

    /// <summary>What stands there, with the pack that has its bytes: of a file that cannot be read or is held back, what it was.</summary>
    private const string Standing =
        "FROM directories r CROSS JOIN files f ON f.directory = r.id CROSS JOIN contents c ON c.sha256 = f.sha256 WHERE c.pack IS NOT NULL";

    private void WriteLines(bool whole)
    {
        string differs = whole ? "" :
            """
            AND NOT EXISTS (SELECT 1 FROM listed l WHERE l.root = r.folder AND l.directory = r.path AND l.name = f.name
                AND l.length = c.length AND l.modified = f.modified AND l.sha256 = f.sha256 AND l.pack = c.pack)
            """;
        Execute(
            $"""
            DROP TABLE IF EXISTS temp.lines;
            CREATE TEMP TABLE lines(seq INTEGER PRIMARY KEY, root INTEGER NOT NULL, directory TEXT NOT NULL, name TEXT NOT NULL, length INTEGER, modified INTEGER, sha256 BLOB, pack TEXT);
            INSERT INTO temp.lines(root, directory, name, length, modified, sha256, pack)
                SELECT r.folder, r.path, f.name, c.length, f.modified, f.sha256, c.pack {Standing} {differs} ORDER BY c.pack, r.folder, r.path, f.name;
            """);
        if (!whole)
        {
            Execute(
                """
                INSERT INTO temp.lines(root, directory, name) SELECT l.root, l.directory, l.name FROM listed l
                    WHERE NOT EXISTS (SELECT 1 FROM directories r CROSS JOIN files f ON f.directory = r.id CROSS JOIN contents c ON c.sha256 = f.sha256
                        WHERE r.folder = l.root AND r.path = l.directory AND f.name = l.name AND c.pack IS NOT NULL);
                CREATE INDEX temp.lines_by_place ON lines(root, directory, name);
                """);
        }
    }

    private List<PackId> ReadChain()
    {
        using SqliteCommand command = Command("SELECT pack FROM snapshots ORDER BY seq");
        using SqliteDataReader row = command.ExecuteReader();
        List<PackId> chain = [];
        while (row.Read())
        {
            chain.Add(PackId.Parse(row.GetString(0)));
        }

        return chain;
    }
}
