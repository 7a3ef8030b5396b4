using CloudArchive.Cli.Backup;
using Microsoft.Data.Sqlite;

namespace CloudArchive.Cli.State;

/// <summary>How files stand, in one run's folders or in all.</summary>
/// <param name="Files">Files that the scan found.</param>
/// <param name="BackedUp">Files whose bytes have a receipt.</param>
/// <param name="BackedUpBytes">Their bytes.</param>
/// <param name="Pending">Instances without a receipt, and files not read yet.</param>
/// <param name="PendingBytes">Their bytes.</param>
/// <param name="Skipped">The others, by reason.</param>
public sealed record FileCounts(long Files, long BackedUp, long BackedUpBytes, long Pending, long PendingBytes, IReadOnlyDictionary<SkipReason, long> Skipped)
{
    /// <summary>Files that may be images and are not in the archive, for a passing reason.</summary>
    public long NotBackedUp => Pending + Skipped.Where(s => SkipReasons.IsPassing(s.Key)).Sum(s => s.Value);

    /// <summary>Files that someone should look at.</summary>
    public long Grave => Skipped.Where(s => SkipReasons.IsGrave(s.Key) && !SkipReasons.IsPassing(s.Key)).Sum(s => s.Value);

    /// <summary>All skipped files.</summary>
    public long SkippedFiles => Skipped.Values.Sum();
}

/// <summary>A run, as it ended.</summary>
/// <param name="StartedAt">When it began.</param>
/// <param name="FinishedAt">When it ended; null: it was cut off.</param>
/// <param name="Outcome">Its exit code.</param>
/// <param name="NotBackedUp">Files that it left behind.</param>
public sealed record RunRecord(DateTimeOffset StartedAt, DateTimeOffset? FinishedAt, ExitCode? Outcome, long? NotBackedUp);

/// <summary>A backed-up folder, as it was last scanned.</summary>
public sealed record FolderRecord(string Path, DateTimeOffset? ScannedAt, long UnreadableFolders);

public sealed partial class AgentState
{
    /// <summary>Begins a run.</summary>
    public long BeginRun(DateTimeOffset now)
    {
        lock (_gate) return Scalar<long>("INSERT INTO runs(started) VALUES ($now) RETURNING id", ("$now", Text(now)));
    }

    /// <summary>Ends a run, and forgets contents that no file has any more and that never reached the archive.</summary>
    public void EndRun(long run, DateTimeOffset now, ExitCode outcome, long notBackedUp)
    {
        lock (_gate)
        {
            using SqliteTransaction transaction = _connection.BeginTransaction();
            Execute("UPDATE runs SET finished = $now, outcome = $outcome, not_backed_up = $not WHERE id = $run", ("$now", Text(now)), ("$outcome", outcome.ToString()), ("$not", notBackedUp), ("$run", run));
            Execute("DELETE FROM runs WHERE id < $run - 1000", ("$run", run));
            Execute("DELETE FROM contents WHERE pack IS NULL AND NOT EXISTS (SELECT 1 FROM files WHERE files.sha256 = contents.sha256)");
            transaction.Commit();
        }
    }

    /// <summary>Forgets a run that was only a rehearsal.</summary>
    public void DropRun(long run)
    {
        lock (_gate) Execute("DELETE FROM runs WHERE id = $run", ("$run", run));
    }

    /// <summary>How the files of a run, or of all folders, stand.</summary>
    public FileCounts Count(long? run)
    {
        lock (_gate)
        {
            long files, backedUp, backedUpBytes, pending, pendingBytes;
            using (SqliteCommand command = Command(
                """
                SELECT count(*),
                    coalesce(sum(f.state = 1 AND c.pack IS NOT NULL), 0), coalesce(sum(CASE WHEN f.state = 1 AND c.pack IS NOT NULL THEN f.length END), 0),
                    coalesce(sum(f.state = 0 OR (f.state = 1 AND c.pack IS NULL)), 0), coalesce(sum(CASE WHEN f.state = 0 OR (f.state = 1 AND c.pack IS NULL) THEN f.length END), 0)
                FROM files f LEFT JOIN contents c ON c.sha256 = f.sha256 WHERE $run IS NULL OR f.run = $run
                """,
                ("$run", run)))
            using (SqliteDataReader row = command.ExecuteReader())
            {
                row.Read();
                (files, backedUp, backedUpBytes, pending, pendingBytes) = (row.GetInt64(0), row.GetInt64(1), row.GetInt64(2), row.GetInt64(3), row.GetInt64(4));
            }

            SortedDictionary<SkipReason, long> skipped = [];
            using SqliteCommand reasons = Command("SELECT reason, count(*) FROM files WHERE state = 2 AND ($run IS NULL OR run = $run) GROUP BY reason", ("$run", run));
            using SqliteDataReader reader = reasons.ExecuteReader();
            while (reader.Read()) skipped[SkipReasons.Parse(reader.GetString(0))] = reader.GetInt64(1);
            return new FileCounts(files, backedUp, backedUpBytes, pending, pendingBytes, skipped);
        }
    }

    /// <summary>The last run, and the last one that ended with everything backed up.</summary>
    public (RunRecord? Last, RunRecord? LastGood) LastRuns()
    {
        lock (_gate) return (Run("1 = 1"), Run($"outcome = '{ExitCode.Ok}'"));
    }

    /// <summary>The backed-up folders.</summary>
    public IReadOnlyList<FolderRecord> FolderRecords()
    {
        lock (_gate)
        {
            using SqliteCommand command = Command("SELECT path, scanned, unreadable FROM folders ORDER BY path");
            using SqliteDataReader row = command.ExecuteReader();
            List<FolderRecord> folders = [];
            while (row.Read()) folders.Add(new FolderRecord(row.GetString(0), row.IsDBNull(1) ? null : Time(row.GetString(1)), row.GetInt64(2)));
            return folders;
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

    private RunRecord? Run(string where)
    {
        using SqliteCommand command = Command($"SELECT started, finished, outcome, not_backed_up FROM runs WHERE {where} ORDER BY id DESC LIMIT 1");
        using SqliteDataReader row = command.ExecuteReader();
        if (!row.Read()) return null;
        return new RunRecord(Time(row.GetString(0)), row.IsDBNull(1) ? null : Time(row.GetString(1)), row.IsDBNull(2) ? null : Enum.Parse<ExitCode>(row.GetString(2)), row.IsDBNull(3) ? null : row.GetInt64(3));
    }
}
