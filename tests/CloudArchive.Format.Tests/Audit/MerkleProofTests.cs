using CloudArchive.Format.Audit;

namespace CloudArchive.Format.Tests.Audit;

public sealed class MerkleProofTests
{
    private const int Largest = 300;
    private static readonly TreeOfLeaves Tree = TreeOfLeaves.Of(Largest);
    private static readonly Sha256Digest Alien = Sha256Digest.Of("alien"u8);

    [Fact]
    public void Every_leaf_of_every_tree_up_to_300_has_a_proof()
    {
        for (int size = 1; size <= Largest; size++)
        {
            for (int index = 0; index < size; index++)
            {
                Assert.True(Tree.Inclusion(index, size).Proves(Tree.Leaves[index], Tree.Root(size)), $"{index} in {size}");
            }
        }
    }

    [Fact]
    public void Every_pair_of_trees_up_to_300_has_a_proof()
    {
        for (int to = 0; to <= Largest; to++)
        {
            for (int from = 0; from <= to; from++)
            {
                Assert.True(Tree.Consistency(from, to).Proves(Tree.Root(from), Tree.Root(to)), $"{from} to {to}");
            }
        }
    }

    [Fact]
    public void No_altered_inclusion_proof_verifies()
    {
        for (int size = 1; size <= Largest; size++)
        {
            // The places where the shape of the path changes, and one that drifts through the rest.
            foreach (int index in new[] { 0, size / 2, size - 1, size * 31 % 97 % size }.Distinct())
            {
                InclusionProof proof = Tree.Inclusion(index, size);
                Sha256Digest leaf = Tree.Leaves[index], root = Tree.Root(size);
                foreach (InclusionProof altered in Paths(proof.Path).Select(path => proof with { Path = path })
                    .Concat(Enumerable.Range(-1, size + 2).Where(other => other != index).Select(other => proof with { Index = other })))
                {
                    Assert.False(altered.Proves(leaf, root), $"{index} in {size}: {altered.Index}, {altered.Path.Count} hashes");
                }

                Assert.False(proof.Proves(Alien, root));
                Assert.False(proof.Proves(leaf, Alien));
                Assert.False((proof with { Size = index }).Proves(leaf, root));
            }
        }
    }

    [Fact]
    public void No_altered_consistency_proof_verifies()
    {
        for (int to = 1; to <= Largest; to++)
        {
            foreach (int from in new[] { 1, to / 2, to - 1, to * 31 % 97 % to }.Distinct().Where(from => from > 0 && from < to))
            {
                ConsistencyProof proof = Tree.Consistency(from, to);
                Sha256Digest older = Tree.Root(from), newer = Tree.Root(to);
                foreach (IReadOnlyList<Sha256Digest> path in Paths(proof.Path))
                {
                    Assert.False((proof with { Path = path }).Proves(older, newer), $"{from} to {to}: {path.Count} hashes");
                }

                Assert.False(proof.Proves(newer, older));
                Assert.False(proof.Proves(Alien, newer));
                Assert.False(proof.Proves(older, Alien));
                Assert.False((proof with { From = to }).Proves(older, newer));
                Assert.False((proof with { From = 0 }).Proves(older, newer));
                Assert.False((proof with { From = -1 }).Proves(older, newer));
                Assert.False((proof with { From = to, To = from }).Proves(older, newer));
            }
        }
    }

    [Fact]
    public void A_tree_that_changed_an_old_leaf_has_no_proof_from_the_old_tree()
    {
        for (int size = 2; size <= Largest; size += 7)
        {
            TreeOfLeaves rewritten = new(Tree.Leaves.Take(size).Select((leaf, index) => index == size / 3 ? Alien : leaf));
            for (int from = (size / 3) + 1; from <= size; from += 5)
            {
                Assert.False(rewritten.Consistency(from, size).Proves(Tree.Root(from), rewritten.Root(size)), $"{from} to {size}");
            }
        }
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(5, 5)]
    [InlineData(-1, 5)]
    public void A_leaf_outside_of_the_tree_has_no_plan(long index, long size) => Assert.Throws<ArgumentOutOfRangeException>(() => InclusionProof.Plan(index, size));

    [Fact]
    public void A_tree_is_no_beginning_of_a_smaller_one() => Assert.Throws<ArgumentOutOfRangeException>(() => ConsistencyProof.Plan(6, 5));

    /// <summary>Each hash with one bit flipped, each left out, each doubled, neighbours swapped, one more at either end.</summary>
    private static IEnumerable<IReadOnlyList<Sha256Digest>> Paths(IReadOnlyList<Sha256Digest> path)
    {
        yield return [.. path, Alien];
        yield return [Alien, .. path];
        for (int i = 0; i < path.Count; i++)
        {
            byte[] flipped = path[i].ToBytes();
            flipped[i] ^= 0x10;
            yield return [.. path.Take(i), Sha256Digest.FromBytes(flipped), .. path.Skip(i + 1)];
            yield return [.. path.Take(i), .. path.Skip(i + 1)];
            yield return [.. path.Take(i), path[i], .. path.Skip(i)];
            if (i > 0)
            {
                yield return [.. path.Take(i - 1), path[i], path[i - 1], .. path.Skip(i + 1)];
            }
        }
    }
}
