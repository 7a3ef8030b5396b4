using System.Text;
using CloudArchive.Format;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.RestoreTests;

/// <summary>A pack that may be tested.</summary>
public sealed record Candidate(PackId Pack, Uid Study, DateTimeOffset? LastTestedAt);

/// <summary>A pack that will be.</summary>
public sealed record SampledPack(PackId Pack, Uid Study, RestoreTestPick Pick);

/// <summary>
/// Which packs a run tests: half at random, half of those longest untested. Random means that nobody could choose: the packs are ordered
/// by a hash over the root of a checkpoint that was signed just before, so anyone can recompute the order and none could know it earlier.
/// </summary>
public static class Sampling
{
    /// <summary>A pack's place in the random order: SHA-256 over the root's 32 bytes and the 36 ASCII characters of the pack's id.</summary>
    public static Sha256Digest Rank(Sha256Digest root, PackId pack) => Sha256Digest.Of([.. root.ToBytes(), .. Encoding.ASCII.GetBytes(pack.ToString())]);

    /// <summary>At most <paramref name="most"/> of the population: the larger half by rank, then the longest untested of the rest.</summary>
    public static IReadOnlyList<SampledPack> Choose(IReadOnlyList<Candidate> population, Sha256Digest root, int most)
    {
        int count = Math.Min(most, population.Count);
        int random = (count + 1) / 2;
        Candidate[] ranked = [.. population.OrderBy(candidate => Rank(root, candidate.Pack).Hex, StringComparer.Ordinal)];

        // Never tested comes first; among equals the rank decides, so that this half cannot be steered by ids either.
        IEnumerable<Candidate> untested = ranked.Skip(random).OrderBy(candidate => candidate.LastTestedAt ?? DateTimeOffset.MinValue);
        return
        [
            .. ranked.Take(random).Select(candidate => new SampledPack(candidate.Pack, candidate.Study, RestoreTestPick.Random)),
            .. untested.Take(count - random).Select(candidate => new SampledPack(candidate.Pack, candidate.Study, RestoreTestPick.LongestUntested)),
        ];
    }
}
