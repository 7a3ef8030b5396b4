using CloudArchive.Cli.Backup;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using Microsoft.Data.Sqlite;

namespace CloudArchive.Cli.State;

public sealed partial class AgentState
{
    /// <summary>
    /// Lines up what the run must upload, ordered by study, in a table of its own: the plan is read from it piece by piece, so that memory
    /// does not grow with the folder, and uploading does not disturb what is still to come.
    /// </summary>
    /// <returns>Distinct contents and their bytes.</returns>
    public (long Contents, long Bytes) PreparePlan(long run)
    {
        lock (_gate)
        {
            Execute("DROP TABLE IF EXISTS temp.plan; CREATE TEMP TABLE plan(seq INTEGER PRIMARY KEY, file INTEGER NOT NULL, sha256 BLOB NOT NULL)");
            Execute(
                """
                INSERT INTO temp.plan(file, sha256) SELECT f.id, c.sha256 FROM files f JOIN contents c ON c.sha256 = f.sha256
                WHERE f.state = 1 AND f.run = $run AND c.pack IS NULL
                ORDER BY c.study, c.patient, c.accession, c.study_date, c.born, c.sop, c.sha256, f.id
                """,
                ("$run", run));
            using SqliteCommand command = Command("SELECT count(*), coalesce(sum(length), 0) FROM contents WHERE sha256 IN (SELECT sha256 FROM temp.plan)");
            using SqliteDataReader reader = command.ExecuteReader();
            reader.Read();
            return (reader.GetInt64(0), reader.GetInt64(1));
        }
    }

    /// <summary>The files of the prepared plan, in order, a few hundred in memory at a time.</summary>
    public IEnumerable<PendingFile> PendingFiles()
    {
        long last = 0;
        while (true)
        {
            List<PendingFile> page = [];
            lock (_gate)
            {
                using SqliteCommand command = Command(
                    """
                    SELECT p.seq, f.id, f.path, d.path, f.length, f.modified, c.sop, c.sop_class, c.series, c.modality, c.transfer_syntax, c.length, c.sha256,
                        c.study, c.patient, c.accession, c.study_date, c.born,
                        EXISTS (SELECT 1 FROM contents o WHERE o.sop = c.sop AND o.sha256 <> c.sha256 AND o.pack IS NOT NULL)
                    FROM temp.plan p JOIN files f ON f.id = p.file JOIN folders d ON d.id = f.folder JOIN contents c ON c.sha256 = p.sha256
                    WHERE p.seq > $last ORDER BY p.seq LIMIT 200
                    """,
                    ("$last", last));
                using SqliteDataReader row = command.ExecuteReader();
                while (row.Read())
                {
                    last = row.GetInt64(0);
                    SidecarInstance instance = new(
                        Uid.Parse(row.GetString(6)), Uid.Parse(row.GetString(7)), row.IsDBNull(8) ? null : Uid.Parse(row.GetString(8)), Text(row, 9),
                        Uid.Parse(row.GetString(10)), row.GetInt64(11), Digest(row, 12)!.Value);
                    StudyKey study = new(Uid.Parse(row.GetString(13)), Digest(row, 14), Digest(row, 15), Text(row, 16), row.IsDBNull(17) ? null : row.GetInt32(17));
                    page.Add(new PendingFile(row.GetInt64(1), row.GetString(2), row.GetString(3), row.GetInt64(4), row.GetInt64(5), instance, study, row.GetBoolean(18)));
                }
            }

            if (page.Count == 0) yield break;
            foreach (PendingFile file in page) yield return file;
        }
    }

    private static string? Text(SqliteDataReader row, int column) => row.IsDBNull(column) ? null : row.GetString(column);

    private static Sha256Digest? Digest(SqliteDataReader row, int column) => row.IsDBNull(column) ? null : Sha256Digest.FromBytes(row.GetFieldValue<byte[]>(column));
}
