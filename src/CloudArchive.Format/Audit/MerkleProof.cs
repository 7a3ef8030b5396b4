using System.Numerics;

namespace CloudArchive.Format.Audit;

/// <summary>The leaves from <paramref name="Start"/> to before <paramref name="End"/>.</summary>
public readonly record struct LeafRange(long Start, long End)
{
    /// <summary>The range's leaves as perfect subtrees, the largest first.</summary>
    public IEnumerable<MerkleNode> Subtrees()
    {
        for (long start = Start; start < End;)
        {
            int level = BitOperations.Log2((ulong)(End - start));
            yield return new MerkleNode(level, start >> level);
            start += 1L << level;
        }
    }
}

/// <summary>The root of a perfect subtree: leaves <c>Index * 2^Level</c> to before <c>(Index + 1) * 2^Level</c>.</summary>
public readonly record struct MerkleNode(int Level, long Index);

/// <summary>That one leaf is in a tree.</summary>
/// <param name="Index">The leaf's place, from 0.</param>
/// <param name="Size">The tree's number of leaves.</param>
/// <param name="Path">RFC 6962 §2.1.1, from the leaf upwards.</param>
public sealed record InclusionProof(long Index, long Size, IReadOnlyList<Sha256Digest> Path)
{
    /// <summary>Whether a tree of this size with this root has this leaf at this place (RFC 9162 §2.1.3.2).</summary>
    public bool Proves(Sha256Digest leafHash, Sha256Digest root)
    {
        if (Index < 0 || Index >= Size)
        {
            return false;
        }

        long node = Index, last = Size - 1;
        Sha256Digest hash = leafHash;
        foreach (Sha256Digest sibling in Path)
        {
            if (last == 0)
            {
                return false;
            }

            if ((node & 1) == 1 || node == last)
            {
                hash = Merkle.NodeHash(sibling, hash);
                while ((node & 1) == 0 && node != 0)
                {
                    // The right border has no sibling on these levels.
                    node >>= 1;
                    last >>= 1;
                }
            }
            else
            {
                hash = Merkle.NodeHash(hash, sibling);
            }

            node >>= 1;
            last >>= 1;
        }

        return last == 0 && hash == root;
    }

    /// <summary>Whose hashes a proof's path is made of: RFC 6962 §2.1.1, PATH(m, D[n]).</summary>
    public static IReadOnlyList<LeafRange> Plan(long index, long size)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, size);
        List<LeafRange> path = [];
        LeafRange tree = new(0, size);
        while (tree.End - tree.Start > 1)
        {
            (LeafRange left, LeafRange right) = MerklePlan.Split(tree);
            path.Add(index < left.End ? right : left);
            tree = index < left.End ? left : right;
        }

        path.Reverse();
        return path;
    }
}

/// <summary>That one tree is the beginning of another.</summary>
/// <param name="From">The older tree's number of leaves.</param>
/// <param name="To">The newer tree's number of leaves.</param>
/// <param name="Path">RFC 6962 §2.1.2.</param>
public sealed record ConsistencyProof(long From, long To, IReadOnlyList<Sha256Digest> Path)
{
    /// <summary>Whether the tree with <paramref name="fromRoot"/> is the beginning of the one with <paramref name="toRoot"/> (RFC 9162 §2.1.4.2).</summary>
    public bool Proves(Sha256Digest fromRoot, Sha256Digest toRoot)
    {
        if (From < 0 || From > To)
        {
            return false;
        }

        if (From == To)
        {
            return Path.Count == 0 && fromRoot == toRoot;
        }

        if (From == 0)
        {
            return Path.Count == 0 && fromRoot == Merkle.EmptyRoot;
        }

        // A perfect older tree is its own first hash and is not repeated in the path.
        List<Sha256Digest> path = BitOperations.IsPow2(From) ? [fromRoot, .. Path] : [.. Path];
        if (path.Count == 0)
        {
            return false;
        }

        long node = From - 1, last = To - 1;
        while ((node & 1) == 1)
        {
            node >>= 1;
            last >>= 1;
        }

        Sha256Digest older = path[0], newer = path[0];
        foreach (Sha256Digest sibling in path.Skip(1))
        {
            if (last == 0)
            {
                return false;
            }

            if ((node & 1) == 1 || node == last)
            {
                older = Merkle.NodeHash(sibling, older);
                newer = Merkle.NodeHash(sibling, newer);
                while ((node & 1) == 0 && node != 0)
                {
                    node >>= 1;
                    last >>= 1;
                }
            }
            else
            {
                newer = Merkle.NodeHash(newer, sibling);
            }

            node >>= 1;
            last >>= 1;
        }

        return last == 0 && older == fromRoot && newer == toRoot;
    }

    /// <summary>Whose hashes a proof's path is made of: RFC 6962 §2.1.2, SUBPROOF(m, D[n], b).</summary>
    public static IReadOnlyList<LeafRange> Plan(long from, long to)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(from);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(from, to);
        if (from == 0 || from == to)
        {
            return [];
        }

        List<LeafRange> path = [];
        LeafRange tree = new(0, to);
        while (tree.End != from)
        {
            (LeafRange left, LeafRange right) = MerklePlan.Split(tree);
            path.Add(from <= left.End ? right : left);
            tree = from <= left.End ? left : right;
        }

        // b is false once the descent has gone right: then the verifier cannot know this subtree's hash.
        if (tree.Start != 0)
        {
            path.Add(tree);
        }

        path.Reverse();
        return path;
    }
}

/// <summary>Makes a plan's hashes from a tree's nodes.</summary>
public static class MerklePlan
{
    /// <summary>The hash of each range. Asks <paramref name="node"/> for perfect subtrees only.</summary>
    public static IReadOnlyList<Sha256Digest> Hash(IReadOnlyList<LeafRange> plan, Func<MerkleNode, Sha256Digest> node) =>
        [.. plan.Select(range => Merkle.Fold([.. range.Subtrees().Select(node)]))];

    /// <summary>At the largest power of two below the tree's size.</summary>
    internal static (LeafRange Left, LeafRange Right) Split(LeafRange tree)
    {
        long half = 1L << BitOperations.Log2((ulong)(tree.End - tree.Start - 1));
        return (tree with { End = tree.Start + half }, tree with { Start = tree.Start + half });
    }
}
