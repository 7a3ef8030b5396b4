using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Serialization;

namespace CloudArchive.Format.Evidence;

/// <summary>A pack as it stood when a run drew its sample.</summary>
/// <param name="Pack">The pack.</param>
/// <param name="Bytes">Bytes of ciphertext.</param>
/// <param name="CommittedAt">When the archive took it, UTC.</param>
/// <param name="LastTestedAt">When a run last tested it to an end, good or bad, UTC; null: never.</param>
public sealed record PopulationPack(PackId Pack, long Bytes, DateTimeOffset CommittedAt, DateTimeOffset? LastTestedAt = null)
{
    /// <summary>Since when nobody has tested it: its last test, or its commit where there was none.</summary>
    [JsonIgnore]
    public DateTimeOffset UntestedSince => LastTestedAt ?? CommittedAt;
}

/// <summary>What a run may spend on one clinic.</summary>
/// <param name="Packs">At most so many packs; 1 or more.</param>
/// <param name="Bytes">About so many bytes of ciphertext; 1 or more. <see cref="Sampling"/> says how close.</param>
/// <param name="ArchivedBytes">So many bytes may be brought back from the archive tier, which costs money and hours; 0 for none.</param>
public sealed record TestBudget(int Packs, long Bytes, long ArchivedBytes = 0)
{
    /// <summary>A budget for every pack there is.</summary>
    public static TestBudget Everything { get; } = new(int.MaxValue, MaxBytes, MaxBytes);

    /// <summary>
    /// What a run a day has to spend so that no pack stays untested for longer than a year: two halves of 3/4 of N / 365 packs each. Of packs that all came on one day, the worst
    /// case, ln 2 = 0.693 would do (the halves together end N packs in 365 days: what is left falls by r N / 365 and by what the random half happens to hit); the rest is for runs
    /// that fall out. Twice the bytes that so many packs have on the average, and 1 GiB at least: samples are uneven.
    /// </summary>
    public static TestBudget WithinAYear(IReadOnlyList<PopulationPack> population)
    {
        long half = Math.Max(1, ((population.Count * 3L) + (4 * 365) - 1) / (4 * 365));
        decimal each = population.Count == 0 ? 0 : population.Sum(pack => (decimal)pack.Bytes) / population.Count;
        return new TestBudget((int)(2 * half), (long)Math.Clamp(2 * 2 * half * each, 1L << 30, MaxBytes));
    }

    /// <summary>The largest integer that every JSON reader keeps (RFC 8785 §3.2.2.3): 2^53 - 1.</summary>
    private const long MaxBytes = (1L << 53) - 1;
}

/// <summary>Why a pack is in the sample.</summary>
public enum SampleReason
{
    /// <summary>The budget reaches every pack.</summary>
    Everything,

    /// <summary>Chosen by the checkpoint's root: a simple random sample of the population.</summary>
    Random,

    /// <summary>Among those that were longest untested.</summary>
    OldestUntested,
}

/// <summary>A pack that is to be tested, and why this one.</summary>
public sealed record SampledPack(PackId Pack, SampleReason Reason);

/// <summary>
/// Draws a run's sample. A pure function of what the evidence states, so that anyone can draw it again and nobody could choose it:
/// the root was signed before the run, and could not be foreseen.
/// <list type="number">
/// <item>Random order: ascending by SHA-256(root || id), compared as bytes; root is the checkpoint's 32 bytes, id the pack id's 36 ASCII bytes.</item>
/// <item>Where the population has at most <c>packs</c> packs and <c>bytes</c> bytes, the sample is everything, in random order.</item>
/// <item>Else k = min(<c>packs</c>, N), and the random half is the first r of the random order:
/// r = min(ceil(k / 2), floor(floor(<c>bytes</c> / 2) * N / total bytes)), but at least 1. How many depends on the population alone, never on
/// which packs come first: else large packs would be drawn less often, and the statistics would not hold.</item>
/// <item>The other half: the packs left, ascending by since when they are untested, then by id (ordinal); one after the other while fewer than k
/// are taken and the taken bytes, the random half's among them, stay within <c>bytes</c>. The first is taken whatever its size: a pack
/// larger than the budget would never be tested.</item>
/// </list>
/// docs/restore-tests.md has the same with a program that checks it.
/// </summary>
public static class Sampling
{
    /// <summary>The sample: the random half in random order, then the longest untested, the oldest first.</summary>
    /// <exception cref="ArgumentException">A pack is there twice, or a number is negative.</exception>
    public static IReadOnlyList<SampledPack> Draw(Sha256Digest root, IReadOnlyList<PopulationPack> population, TestBudget budget)
    {
        Check(population, budget);
        PopulationPack[] random = RandomOrder(root, population);
        Int128 total = population.Aggregate(Int128.Zero, (sum, pack) => sum + pack.Bytes);
        if (population.Count <= budget.Packs && total <= budget.Bytes)
        {
            return [.. random.Select(pack => new SampledPack(pack.Pack, SampleReason.Everything))];
        }

        int wanted = Math.Min(budget.Packs, population.Count);
        int half = (wanted + 1) / 2;
        Int128 affordable = total == 0 ? half : (Int128)(budget.Bytes / 2) * population.Count / total;
        PopulationPack[] drawn = random[..(int)Int128.Clamp(affordable, 1, half)];

        List<SampledPack> sample = [.. drawn.Select(pack => new SampledPack(pack.Pack, SampleReason.Random))];
        Int128 bytes = drawn.Aggregate(Int128.Zero, (sum, pack) => sum + pack.Bytes);
        IEnumerable<PopulationPack> oldest = random[drawn.Length..].OrderBy(pack => pack.UntestedSince).ThenBy(pack => pack.Pack.ToString(), StringComparer.Ordinal);
        foreach (PopulationPack pack in oldest.Take(wanted - drawn.Length))
        {
            bytes += pack.Bytes;
            if (bytes > budget.Bytes && sample.Count > drawn.Length)
            {
                break;
            }

            sample.Add(new(pack.Pack, SampleReason.OldestUntested));
        }

        return sample;
    }

    private static PopulationPack[] RandomOrder(Sha256Digest root, IReadOnlyList<PopulationPack> population)
    {
        byte[] input = new byte[32 + 36];
        root.ToBytes().CopyTo(input, 0);
        return
        [
            .. population.Select(pack =>
            {
                Encoding.ASCII.GetBytes(pack.Pack.ToString(), input.AsSpan(32));
                return (Order: Convert.ToHexStringLower(SHA256.HashData(input)), Pack: pack);
            }).OrderBy(item => item.Order, StringComparer.Ordinal).Select(item => item.Pack),
        ];
    }

    private static void Check(IReadOnlyList<PopulationPack> population, TestBudget budget)
    {
        if (budget.Packs < 1 || budget.Bytes < 1 || budget.ArchivedBytes < 0)
        {
            throw new ArgumentException("A budget has at least one pack and one byte.", nameof(budget));
        }

        HashSet<PackId> seen = [];
        if (population.Any(pack => pack.Bytes < 0 || !seen.Add(pack.Pack)))
        {
            throw new ArgumentException("A population names every pack once, with its size.", nameof(population));
        }
    }
}
