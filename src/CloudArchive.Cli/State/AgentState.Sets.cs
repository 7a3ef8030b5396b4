using System.Runtime.InteropServices;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using Microsoft.Data.Sqlite;

namespace CloudArchive.Cli.State;

/// <summary>A set in numbers.</summary>
/// <param name="Files">Files of it that this computer knows of, its own and others'.</param>
/// <param name="Archived">How many of them the archive holds.</param>
/// <param name="IsMine">Whether this computer read any of them.</param>
public readonly record struct SetCounts(long Files, long Archived, bool IsMine);

/// <summary>A file whose content is known.</summary>
public sealed record KnownContent(string Path, Uid Set, SetKind? Kind);

public sealed partial class AgentState
{
    /// <summary>The set that a content is archived with, or will be; null: it is not known.</summary>
    public Uid? SetOf(Sha256Digest content)
    {
        lock (_gate)
        {
            return Prepared("SELECT study FROM contents WHERE sha256 = $sha256", ("$sha256", Bytes(content))).ExecuteScalar() is string set ? Uid.Parse(set) : null;
        }
    }

    /// <summary>Every set that is known.</summary>
    public Dictionary<string, SetCounts> CountSets()
    {
        lock (_gate)
        {
            // Added up here: sorting a million rows takes SQLite several times as long as reading them.
            using SqliteCommand command = Command("SELECT study, pack IS NOT NULL, mine FROM contents");
            using SqliteDataReader row = command.ExecuteReader();
            Dictionary<string, SetCounts> sets = new(StringComparer.Ordinal);
            while (row.Read())
            {
                ref SetCounts set = ref CollectionsMarshal.GetValueRefOrAddDefault(sets, row.GetString(0), out _);
                set = new SetCounts(set.Files + 1, set.Archived + row.GetInt64(1), set.IsMine || row.GetBoolean(2));
            }

            return sets;
        }
    }

    /// <summary>The sets of which a file lies here.</summary>
    public HashSet<string> SetsHere()
    {
        lock (_gate)
        {
            using SqliteCommand command = Command("SELECT DISTINCT c.study FROM files f CROSS JOIN contents c ON c.sha256 = f.sha256");
            using SqliteDataReader row = command.ExecuteReader();
            HashSet<string> sets = new(StringComparer.Ordinal);
            while (row.Read())
            {
                sets.Add(row.GetString(0));
            }

            return sets;
        }
    }

    /// <summary>Sets of which the archive has nothing any more, and this computer neither: they were destroyed after their time.</summary>
    public IReadOnlyList<Uid> SetsOfNothing()
    {
        lock (_gate)
        {
            using SqliteCommand command = Command(
                """
                SELECT study FROM contents GROUP BY study
                HAVING sum(pack IS NOT NULL) = 0 AND sum(EXISTS (SELECT 1 FROM files WHERE files.sha256 = contents.sha256)) = 0
                """);
            using SqliteDataReader row = command.ExecuteReader();
            List<Uid> sets = [];
            while (row.Read())
            {
                sets.Add(Uid.Parse(row.GetString(0)));
            }

            return sets;
        }
    }

    /// <summary>All files whose content is known, some thousands at a time.</summary>
    public IEnumerable<IReadOnlyList<KnownContent>> KnownContents()
    {
        for (long last = 0; ;)
        {
            List<KnownContent> page = [];
            lock (_gate)
            {
                using SqliteCommand command = Command(
                    """
                    SELECT f.id, d.path, r.path, f.name, c.study, c.kind FROM files f CROSS JOIN contents c ON c.sha256 = f.sha256
                    CROSS JOIN directories r ON r.id = f.directory CROSS JOIN folders d ON d.id = r.folder WHERE f.id > $last ORDER BY f.id LIMIT 2000
                    """,
                    ("$last", last));
                using SqliteDataReader row = command.ExecuteReader();
                while (row.Read())
                {
                    last = row.GetInt64(0);
                    page.Add(new KnownContent(FullPath(row, 1), Uid.Parse(row.GetString(4)), row.IsDBNull(5) ? null : SetKind.Folder));
                }
            }

            if (page.Count == 0)
            {
                yield break;
            }

            yield return page;
        }
    }
}
