using System.Numerics;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Audit;

namespace CloudArchive.Core.Audit;

/// <summary>A tile's place: at level L its hashes are the roots of 256^L leaves each (C2SP tlog-tiles).</summary>
internal readonly record struct TileName(int Level, long Index);

/// <summary>A tile with all of its hashes.</summary>
internal sealed record Tile(TileName Name, IReadOnlyList<Sha256Digest> Hashes)
{
    /// <summary>Hashes in a complete tile: eight levels of the tree.</summary>
    public const int Width = 256;

    /// <summary>The tile's levels of the tree.</summary>
    public const int Height = 8;

    /// <summary>The tile whose hashes a node is made of.</summary>
    public static TileName Of(MerkleNode node) => new(node.Level / Height, node.Index >> (Height - (node.Level % Height)));

    /// <summary>The hash that stands for this tile in the one above it.</summary>
    public Sha256Digest Root => RootOf(0, Width);

    /// <summary>The hash of a node that lies in this tile.</summary>
    public Sha256Digest Node(MerkleNode node)
    {
        int count = 1 << (node.Level % Height);
        return RootOf((int)(node.Index * count % Width), count);
    }

    private Sha256Digest RootOf(int first, int count)
    {
        CompactRange range = new();
        for (int i = first; i < first + count; i++)
        {
            range.Append(Hashes[i]);
        }

        return range.Root;
    }
}

/// <summary>
/// A log's head: its size, and its compact range to the base 256: at each level the hashes of the tile that is not complete yet.
/// That is all it takes to append, to complete tiles and to know the root (docs/decisions/0010).
/// </summary>
internal sealed class AuditHead
{
    private readonly List<List<Sha256Digest>> _levels = [];

    private AuditHead()
    {
    }

    /// <summary>Number of entries.</summary>
    public long Size { get; private set; }

    /// <summary>The last entry's time.</summary>
    public DateTimeOffset Time { get; private set; } = DateTimeOffset.MinValue;

    /// <summary>The row's version; null where there is no row yet.</summary>
    public string? ETag { get; set; }

    /// <summary>The RFC 6962 root of all entries.</summary>
    public Sha256Digest Root
    {
        get
        {
            CompactRange range = new();
            for (int level = _levels.Count - 1; level >= 0; level--)
            {
                foreach (Sha256Digest hash in _levels[level])
                {
                    range.Append(hash, level * Tile.Height);
                }
            }

            return range.Root;
        }
    }

    /// <summary>The head as stored; that of an empty log where there is none.</summary>
    public static AuditHead From(string log, Row? row)
    {
        AuditHead head = new() { ETag = row?.ETag };
        if (row is null)
        {
            return head;
        }

        head.Size = row.Number("size") ?? -1;
        head.Time = row.Time("time") ?? DateTimeOffset.MinValue;
        long left = head.Size;
        for (int level = 0; left > 0; level++, left /= Tile.Width)
        {
            head._levels.Add([.. AuditRows.Split(row.Bytes(Property(level)))]);
            if (head._levels[level].Count != left % Tile.Width)
            {
                throw new AuditLogDamagedException(log, $"its head states {head.Size} entries and has hashes for another number");
            }
        }

        return head.Size < 0 ? throw new AuditLogDamagedException(log, "its head states no size") : head;
    }

    /// <summary>A copy that can be appended to while this one stays.</summary>
    public AuditHead Copy()
    {
        AuditHead copy = new() { Size = Size, Time = Time, ETag = ETag };
        copy._levels.AddRange(_levels.Select(level => level.ToList()));
        return copy;
    }

    /// <summary>How many tiles one more entry completes.</summary>
    public int TilesCompletedByNext => BitOperations.TrailingZeroCount(Size + 1) / Tile.Height;

    /// <summary>Adds a leaf and returns the tiles that it completes.</summary>
    public IReadOnlyList<Tile> Append(Sha256Digest leafHash, DateTimeOffset time)
    {
        List<Tile> completed = [];
        Sha256Digest hash = leafHash;
        for (int level = 0; ; level++)
        {
            if (level == _levels.Count)
            {
                _levels.Add([]);
            }

            List<Sha256Digest> hashes = _levels[level];
            hashes.Add(hash);
            if (hashes.Count < Tile.Width)
            {
                break;
            }

            Tile tile = new(new TileName(level, Size >> (Tile.Height * (level + 1))), [.. hashes]);
            completed.Add(tile);
            hashes.Clear();
            hash = tile.Root;
        }

        Size++;
        Time = time;
        return completed;
    }

    /// <summary>The hashes of a tile that is not complete, or null where it is complete and has a row of its own.</summary>
    public Tile? Incomplete(TileName tile) =>
        tile.Index < Size >> (Tile.Height * (tile.Level + 1)) ? null : new Tile(tile, tile.Level < _levels.Count ? _levels[tile.Level] : []);

    /// <summary>The head's row.</summary>
    public IReadOnlyDictionary<string, object> ToValues()
    {
        Dictionary<string, object> values = new() { ["size"] = Size, ["time"] = Time };
        for (int level = 0; level < _levels.Count; level++)
        {
            if (_levels[level].Count > 0)
            {
                values[Property(level)] = AuditRows.Join(_levels[level]);
            }
        }

        return values;
    }

    private static string Property(int level) => $"tile{level}";
}
