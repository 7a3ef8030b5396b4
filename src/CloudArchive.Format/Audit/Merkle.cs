using System.Numerics;

namespace CloudArchive.Format.Audit;

/// <summary>The hashes of an RFC 6962 §2.1 Merkle tree over SHA-256.</summary>
public static class Merkle
{
    /// <summary>The root of a tree without leaves: the hash of the empty string.</summary>
    public static Sha256Digest EmptyRoot { get; } = Sha256Digest.Of([]);

    /// <summary>SHA-256(0x00 || leaf). The prefixes keep a node from passing for a leaf (second preimages).</summary>
    public static Sha256Digest LeafHash(ReadOnlySpan<byte> leaf) => Sha256Digest.Of([0x00, .. leaf]);

    /// <summary>SHA-256(0x01 || left || right).</summary>
    public static Sha256Digest NodeHash(Sha256Digest left, Sha256Digest right)
    {
        Span<byte> node = stackalloc byte[65];
        node[0] = 0x01;
        left.ToBytes().CopyTo(node[1..]);
        right.ToBytes().CopyTo(node[33..]);
        return Sha256Digest.Of(node);
    }

    /// <summary>The root over leaves (not yet hashed), in order.</summary>
    public static Sha256Digest RootOf(IEnumerable<ReadOnlyMemory<byte>> leaves)
    {
        CompactRange range = new();
        foreach (ReadOnlyMemory<byte> leaf in leaves)
        {
            range.Append(LeafHash(leaf.Span));
        }

        return range.Root;
    }

    /// <summary>The root of adjacent subtrees, the largest first: the right border of a tree is hashed from its end.</summary>
    internal static Sha256Digest Fold(IReadOnlyList<Sha256Digest> subtrees)
    {
        Sha256Digest root = subtrees[^1];
        for (int i = subtrees.Count - 2; i >= 0; i--)
        {
            root = NodeHash(subtrees[i], root);
        }

        return root;
    }
}

/// <summary>
/// A growing tree in the least that can grow it: the roots of its perfect subtrees, the largest first, one for each bit that is
/// set in its size. Not safe for concurrent use.
/// </summary>
public sealed class CompactRange
{
    private readonly List<Sha256Digest> _subtrees;

    /// <summary>A tree without leaves.</summary>
    public CompactRange()
        : this(0, [])
    {
    }

    /// <summary>A tree as it was saved.</summary>
    public CompactRange(long size, IReadOnlyList<Sha256Digest> subtrees)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(size);
        if (subtrees.Count != BitOperations.PopCount((ulong)size))
        {
            throw new ArgumentException($"A tree of {size} leaves has {BitOperations.PopCount((ulong)size)} perfect subtrees, not {subtrees.Count}.", nameof(subtrees));
        }

        Size = size;
        _subtrees = [.. subtrees];
    }

    /// <summary>The number of leaves.</summary>
    public long Size { get; private set; }

    /// <summary>The perfect subtrees' roots, the largest first.</summary>
    public IReadOnlyList<Sha256Digest> Subtrees => _subtrees;

    /// <summary>The tree's root.</summary>
    public Sha256Digest Root => Size == 0 ? Merkle.EmptyRoot : Merkle.Fold(_subtrees);

    /// <summary>Adds a leaf's hash, or the root of a perfect subtree of 2^<paramref name="level"/> leaves, which must begin at a multiple of its own size.</summary>
    public void Append(Sha256Digest hash, int level = 0)
    {
        long leaves = 1L << level;
        if (Size % leaves != 0)
        {
            throw new ArgumentException($"A subtree of {leaves} leaves cannot begin at leaf {Size}.", nameof(level));
        }

        // As in binary addition: two subtrees of one size become one of twice the size.
        for (long bit = leaves; (Size & bit) != 0; bit <<= 1)
        {
            hash = Merkle.NodeHash(_subtrees[^1], hash);
            _subtrees.RemoveAt(_subtrees.Count - 1);
        }

        _subtrees.Add(hash);
        Size += leaves;
    }

    /// <summary>Adds a tree that stands right of this one. Every subtree of <paramref name="right"/> must fit where it comes to stand.</summary>
    public void Append(CompactRange right)
    {
        long left = right.Size;
        foreach (Sha256Digest subtree in right.Subtrees)
        {
            int level = BitOperations.Log2((ulong)left);
            Append(subtree, level);
            left -= 1L << level;
        }
    }
}
