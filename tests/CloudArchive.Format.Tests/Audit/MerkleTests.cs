using System.Text.Json;
using CloudArchive.Format.Audit;
using CloudArchive.Testing;

namespace CloudArchive.Format.Tests.Audit;

public sealed class MerkleTests
{
    private static readonly Vectors Rfc = JsonSerializer.Deserialize<Vectors>(File.ReadAllBytes(Path.Combine(Repository.Vectors, "audit", "rfc6962.json")), FormatJson.Options)!;

    [Fact]
    public void The_empty_tree_has_the_hash_of_the_empty_string()
    {
        const string empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        Assert.Equal(empty, Merkle.EmptyRoot.Hex);
        Assert.Equal(empty, new CompactRange().Root.Hex);
        Assert.Equal(empty, Merkle.RootOf([]).Hex);
    }

    [Theory]
    [InlineData("", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d")]
    [InlineData("101112131415161718191a1b1c1d1e1f", "3bfb960453ebaebf33727da7a1f4db38acc051d381b6da20d6d4e88f0eabfd7a")]
    public void A_leaf_hashes_as_in_the_reference(string leaf, string hash) => Assert.Equal(hash, Merkle.LeafHash(Convert.FromHexString(leaf)).Hex);

    [Fact]
    public void A_node_hashes_as_in_the_reference() => Assert.Equal(
        "1a378704c17da31e2d05b6d121c2bb2c7d76f6ee6fa8f983e596c2d034963c57",
        Merkle.NodeHash(
            Sha256Digest.Parse("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"),
            Sha256Digest.Parse("202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f")).Hex);

    [Fact]
    public void Every_root_of_the_reference_tree_comes_out()
    {
        for (int size = 1; size <= 8; size++)
        {
            Assert.Equal(Rfc.Roots[size - 1], Merkle.RootOf(Rfc.Leaves.Take(size).Select(leaf => (ReadOnlyMemory<byte>)Convert.FromHexString(leaf))));
        }
    }

    [Fact]
    public void The_reference_proofs_come_out_and_verify()
    {
        TreeOfLeaves tree = new(Rfc.Leaves.Select(leaf => Merkle.LeafHash(Convert.FromHexString(leaf))));
        Assert.NotEmpty(Rfc.Inclusion);
        foreach (InclusionProof expected in Rfc.Inclusion)
        {
            Assert.Equal(expected.Path, tree.Inclusion(expected.Index, expected.Size).Path);
            Assert.True(expected.Proves(tree.Leaves[(int)expected.Index], Rfc.Roots[(int)expected.Size - 1]));
        }

        Assert.NotEmpty(Rfc.Consistency);
        foreach (ConsistencyProof expected in Rfc.Consistency)
        {
            Assert.Equal(expected.Path, tree.Consistency(expected.From, expected.To).Path);
            Assert.True(expected.Proves(Rfc.Roots[(int)expected.From - 1], Rfc.Roots[(int)expected.To - 1]));
        }
    }

    [Fact]
    public void A_compact_range_has_the_root_that_the_definition_gives_for_every_size_up_to_300()
    {
        TreeOfLeaves tree = TreeOfLeaves.Of(300);
        CompactRange range = new();
        for (int size = 0; size <= 300; size++)
        {
            Assert.Equal(tree.Root(size), range.Root);
            Assert.Equal(range.Root, new CompactRange(range.Size, range.Subtrees).Root);
            if (size < 300)
            {
                range.Append(tree.Leaves[size]);
            }
        }
    }

    [Fact]
    public void Two_compact_ranges_join_into_the_range_over_both()
    {
        TreeOfLeaves tree = TreeOfLeaves.Of(300);
        CompactRange left = RangeOver(tree.Leaves.Take(256));
        left.Append(RangeOver(tree.Leaves.Skip(256)));
        Assert.Equal(300, left.Size);
        Assert.Equal(tree.Root(300), left.Root);
        left.Append(new CompactRange());
        Assert.Equal(tree.Root(300), left.Root);
    }

    [Fact]
    public void A_subtree_that_would_not_be_aligned_is_refused()
    {
        CompactRange range = RangeOver(TreeOfLeaves.Of(3).Leaves);
        Assert.Throws<ArgumentException>(() => range.Append(Merkle.EmptyRoot, level: 1));
        Assert.Equal(3, range.Size);
    }

    [Fact]
    public void A_saved_range_with_the_wrong_number_of_subtrees_is_refused() =>
        Assert.Throws<ArgumentException>(() => new CompactRange(5, [Merkle.EmptyRoot]));

    private static CompactRange RangeOver(IEnumerable<Sha256Digest> leaves)
    {
        CompactRange range = new();
        foreach (Sha256Digest leaf in leaves)
        {
            range.Append(leaf);
        }

        return range;
    }

    private sealed record Vectors(IReadOnlyList<string> Leaves, IReadOnlyList<Sha256Digest> Roots, IReadOnlyList<InclusionProof> Inclusion, IReadOnlyList<ConsistencyProof> Consistency);
}

/// <summary>RFC 6962's definitions word for word, slow and obvious: what the tests measure the rest against.</summary>
internal sealed class TreeOfLeaves(IEnumerable<Sha256Digest> leaves)
{
    private readonly Dictionary<LeafRange, Sha256Digest> _known = [];

    public IReadOnlyList<Sha256Digest> Leaves { get; } = [.. leaves];

    public static TreeOfLeaves Of(int size) => new(Enumerable.Range(0, size).Select(i => Merkle.LeafHash(BitConverter.GetBytes(i))));

    public Sha256Digest Root(long size) => Hash(new LeafRange(0, size));

    /// <summary>MTH of §2.1.</summary>
    public Sha256Digest Hash(LeafRange range)
    {
        long n = range.End - range.Start;
        if (n == 0)
        {
            return Merkle.EmptyRoot;
        }

        if (n == 1)
        {
            return Leaves[(int)range.Start];
        }

        if (!_known.TryGetValue(range, out Sha256Digest hash))
        {
            long k = 1;
            while (k * 2 < n)
            {
                k *= 2;
            }

            hash = Merkle.NodeHash(Hash(range with { End = range.Start + k }), Hash(range with { Start = range.Start + k }));
            _known[range] = hash;
        }

        return hash;
    }

    public InclusionProof Inclusion(long index, long size) => new(index, size, MerklePlan.Hash(InclusionProof.Plan(index, size), Node));

    public ConsistencyProof Consistency(long from, long to) => new(from, to, MerklePlan.Hash(ConsistencyProof.Plan(from, to), Node));

    private Sha256Digest Node(MerkleNode node) => Hash(new LeafRange(node.Index << node.Level, (node.Index + 1) << node.Level));
}
