using CloudArchive.Cli.Backup;
using CloudArchive.Format.Verdicts;
using Microsoft.Data.Sqlite;

namespace CloudArchive.Cli.State;

/// <summary>How the files of a folder stand, or of several. Each file is counted once.</summary>
/// <param name="Archived">Those whose bytes have a receipt that counts.</param>
/// <param name="Pending">Those to be read, and those without a receipt that counts.</param>
/// <param name="Held">Changed files that are held back.</param>
/// <param name="Excluded">Those that a person excluded on purpose.</param>
/// <param name="Skipped">The others, by reason.</param>
public sealed record FileCounts(FileTally Archived, FileTally Pending, FileTally Held, FileTally Excluded, IReadOnlyDictionary<SkipReason, FileTally> Skipped)
{
    /// <summary>No files.</summary>
    public static FileCounts None { get; } = new(default, default, default, default, new SortedDictionary<SkipReason, FileTally>());

    /// <summary>All files that were found.</summary>
    public long Files => Archived.Files + Pending.Files + Held.Files + Excluded.Files + SkippedFiles;

    /// <summary>Files that are not in the archive, and that nobody excluded.</summary>
    public long NotBackedUp => Pending.Files + Held.Files + Skipped.Where(s => !SkipReasons.IsNothing(s.Key)).Sum(s => s.Value.Files);

    /// <summary>Of them, those that another run may well archive: what keeps a backup from being complete.</summary>
    public long LeftBehind => Pending.Files + Held.Files + Skipped.Where(s => SkipReasons.IsPassing(s.Key)).Sum(s => s.Value.Files);

    /// <summary>All skipped files.</summary>
    public long SkippedFiles => Skipped.Values.Sum(s => s.Files);

    /// <summary>Files skipped for one of these reasons.</summary>
    public FileTally SkippedFor(Func<SkipReason, bool> reason) => Skipped.Where(s => reason(s.Key)).Aggregate(default(FileTally), (sum, s) => sum + s.Value);

    /// <summary>Several folders together.</summary>
    public static FileCounts Sum(IEnumerable<FileCounts> folders)
    {
        FileCounts sum = None;
        foreach (FileCounts one in folders)
        {
            SortedDictionary<SkipReason, FileTally> skipped = new(sum.Skipped.ToDictionary());
            foreach ((SkipReason reason, FileTally files) in one.Skipped)
            {
                skipped[reason] = skipped.GetValueOrDefault(reason) + files;
            }

            sum = new FileCounts(sum.Archived + one.Archived, sum.Pending + one.Pending, sum.Held + one.Held, sum.Excluded + one.Excluded, skipped);
        }

        return sum;
    }
}

/// <summary>What the archive lost.</summary>
/// <param name="Packs">Packs whose files wait to be uploaded again.</param>
/// <param name="Files">Files that this computer had and no longer has either. What other computers archived is theirs to tell.</param>
public sealed record Losses(long Packs, FileTally Files);

/// <summary>A run, as it ended.</summary>
/// <param name="StartedAt">When it began.</param>
/// <param name="FinishedAt">When it ended; null: it was cut off.</param>
/// <param name="Outcome">Its exit code.</param>
/// <param name="NotBackedUp">Files that it left behind.</param>
public sealed record RunRecord(DateTimeOffset StartedAt, DateTimeOffset? FinishedAt, ExitCode? Outcome, long? NotBackedUp);

public sealed partial class AgentState
{
    /// <summary>Begins a run.</summary>
    public long BeginRun(DateTimeOffset now)
    {
        lock (_gate) return Scalar<long>("INSERT INTO runs(started) VALUES ($now) RETURNING id", ("$now", Text(now)));
    }

    /// <summary>Ends a run, and forgets contents that neither a file nor the archive has any more; not those that the archive lost.</summary>
    public void EndRun(long run, DateTimeOffset now, ExitCode outcome, long notBackedUp)
    {
        lock (_gate)
        {
            using SqliteTransaction transaction = _connection.BeginTransaction();
            Execute("UPDATE runs SET finished = $now, outcome = $outcome, not_backed_up = $not WHERE id = $run", ("$now", Text(now)), ("$outcome", outcome.ToString()), ("$not", notBackedUp), ("$run", run));
            Execute("DELETE FROM runs WHERE id < $run - 1000", ("$run", run));
            Execute("DELETE FROM contents WHERE pack IS NULL AND (lost IS NULL OR lost = 'destroyed') AND NOT EXISTS (SELECT 1 FROM files WHERE files.sha256 = contents.sha256)");
            transaction.Commit();
        }
    }

    /// <summary>Forgets a run that was only a rehearsal.</summary>
    public void DropRun(long run)
    {
        lock (_gate) Execute("DELETE FROM runs WHERE id = $run", ("$run", run));
    }

    /// <summary>How the files of each folder stand, by the folder's row.</summary>
    public IReadOnlyDictionary<long, FileCounts> Count()
    {
        lock (_gate)
        {
            Dictionary<long, FileCounts> all = FolderRecords().ToDictionary(folder => folder.Id, _ => FileCounts.None);
            using (SqliteCommand command = Command(
                $"""
                SELECT r.folder, CASE
                        WHEN f.state = 2 OR (f.state = 3 AND f.reason IS NOT NULL) THEN f.reason
                        WHEN f.state = 0 THEN '+pending'
                        WHEN c.pack IS NOT NULL THEN '+archived'
                        WHEN {IsHeld} THEN '+held'
                        ELSE '+pending' END AS class,
                    count(*), coalesce(sum(f.length), 0)
                FROM files f JOIN directories r ON r.id = f.directory JOIN folders d ON d.id = r.folder LEFT JOIN contents c ON c.sha256 = f.sha256
                GROUP BY r.folder, class
                """))
            using (SqliteDataReader row = command.ExecuteReader())
            {
                while (row.Read())
                {
                    FileTally files = new(row.GetInt64(2), row.GetInt64(3));
                    FileCounts known = all[row.GetInt64(0)];
                    all[row.GetInt64(0)] = row.GetString(1) switch
                    {
                        "+archived" => known with { Archived = files },
                        "+pending" => known with { Pending = files },
                        "+held" => known with { Held = files },
                        string reason => known with { Skipped = new SortedDictionary<SkipReason, FileTally>(known.Skipped.ToDictionary()) { [SkipReasons.Parse(reason)] = files } },
                    };
                }
            }

            using SqliteCommand leftOut = Command("SELECT folder, sum(files), sum(bytes) FROM left_out GROUP BY folder");
            using SqliteDataReader rule = leftOut.ExecuteReader();
            while (rule.Read())
            {
                FileCounts known = all[rule.GetInt64(0)];
                all[rule.GetInt64(0)] = known with { Excluded = known.Excluded + new FileTally(rule.GetInt64(1), rule.GetInt64(2)) };
            }

            return all;
        }
    }

    /// <summary>What the archive lost and was not uploaded again.</summary>
    public Losses Losses()
    {
        lock (_gate)
        {
            const string Lost = "c.pack IS NULL AND c.lost IS NOT NULL AND c.lost <> 'destroyed'";
            const string HasSource = "EXISTS (SELECT 1 FROM files f WHERE f.sha256 = c.sha256)";
            using SqliteCommand command = Command($"SELECT count(*), coalesce(sum(length), 0) FROM contents c WHERE {Lost} AND c.mine = 1 AND NOT {HasSource}");
            using SqliteDataReader row = command.ExecuteReader();
            row.Read();
            return new Losses(Scalar<long>($"SELECT count(DISTINCT c.lost_pack) FROM contents c WHERE {Lost} AND {HasSource}"), new FileTally(row.GetInt64(0), row.GetInt64(1)));
        }
    }

    /// <summary>The last run; null: there was none. Runs are told apart by their number, for a clock may have been set back.</summary>
    public RunRecord? LastRun()
    {
        lock (_gate)
        {
            using SqliteCommand command = Command("SELECT started, finished, outcome, not_backed_up FROM runs ORDER BY id DESC LIMIT 1");
            using SqliteDataReader row = command.ExecuteReader();
            return !row.Read() ? null : new RunRecord(
                Time(row.GetString(0)), row.IsDBNull(1) ? null : Time(row.GetString(1)), row.IsDBNull(2) ? null : Enum.Parse<ExitCode>(row.GetString(2)),
                row.IsDBNull(3) ? null : row.GetInt64(3));
        }
    }

    /// <summary>How many receipts there are, when the newest was issued, and when the first of them stops being immutable.</summary>
    public (long Count, DateTimeOffset? Newest, DateTimeOffset? FirstToExpire) ReceiptSpan()
    {
        lock (_gate)
        {
            using SqliteCommand command = Command("SELECT count(*), max(issued), min(immutable_until) FROM receipts");
            using SqliteDataReader row = command.ExecuteReader();
            row.Read();
            return (row.GetInt64(0), row.IsDBNull(1) ? null : Time(row.GetString(1)), row.IsDBNull(2) ? null : Time(row.GetString(2)));
        }
    }
}
