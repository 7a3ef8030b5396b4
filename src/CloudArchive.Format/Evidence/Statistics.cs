using System.Numerics;

namespace CloudArchive.Format.Evidence;

/// <summary>
/// What the random part of a sample says about all packs: with 95% confidence at least <paramref name="AtLeastRecoverable"/> of
/// <paramref name="Population"/> packs are recoverable.
/// </summary>
/// <param name="Population">Packs in all.</param>
/// <param name="Sample">Packs drawn at random (or everything).</param>
/// <param name="Recovered">Those of them that came back. One that was not tested, for whatever reason, counts as one that did not.</param>
/// <param name="AtLeastRecoverable">The exact one-sided lower bound, in packs.</param>
/// <param name="AtLeastPerMillion">The same as a share of the population, in millionths, rounded down; 0 of an empty population.</param>
public sealed record RecoverableBound(int Population, int Sample, int Recovered, int AtLeastRecoverable, int AtLeastPerMillion)
{
    /// <summary>The bound for a sample.</summary>
    public static RecoverableBound Of(int population, int sample, int recovered)
    {
        int atLeast = Statistics.LowerBound(population, sample, recovered);
        return new(population, sample, recovered, atLeast, population == 0 ? 0 : (int)(atLeast * 1_000_000L / population));
    }
}

/// <summary>Exact statistics of sampling without replacement, in whole numbers: no rounding, no approximation.</summary>
public static class Statistics
{
    /// <summary>
    /// The exact one-sided 95% lower confidence bound on how many of <paramref name="population"/> packs are recoverable, when
    /// <paramref name="recovered"/> of a simple random <paramref name="sample"/> were: Clopper and Pearson's bound in its finite-population form.
    /// It is the smallest M that the observation does not refute at 5%: P(X >= recovered) > 0.05 where
    /// X is hypergeometric (population, M recoverable, sample).
    /// </summary>
    public static int LowerBound(int population, int sample, int recovered)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(population);
        ArgumentOutOfRangeException.ThrowIfNegative(sample);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(sample, population);
        ArgumentOutOfRangeException.ThrowIfNegative(recovered);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(recovered, sample);

        // At least those seen, at most all but the failures seen. P grows with M, and at the upper end it is 1.
        int low = recovered;
        int high = population - (sample - recovered);
        BigInteger all = Choose(population, sample);
        while (low < high)
        {
            int middle = low + ((high - low) / 2);
            if (20 * WaysToSeeAtLeast(recovered, population, middle, sample) > all)
            {
                high = middle;
            }
            else
            {
                low = middle + 1;
            }
        }

        return low;
    }

    /// <summary>Of the C(population, sample) samples, how many have at least <paramref name="seen"/> of the <paramref name="recoverable"/>.</summary>
    private static BigInteger WaysToSeeAtLeast(int seen, int population, int recoverable, int sample)
    {
        int others = population - recoverable;
        BigInteger term = Choose(recoverable, seen) * Choose(others, sample - seen);
        BigInteger sum = term;
        for (int x = seen; x < sample && x < recoverable; x++)
        {
            // C(M, x+1) C(N-M, n-x-1) from C(M, x) C(N-M, n-x); the division leaves no rest.
            term = term * ((long)(recoverable - x) * (sample - x)) / ((long)(x + 1) * (others - sample + x + 1));
            sum += term;
        }

        return sum;
    }

    private static BigInteger Choose(int n, int k)
    {
        if (k > n)
        {
            return BigInteger.Zero;
        }

        BigInteger result = BigInteger.One;
        for (int i = 1; i <= Math.Min(k, n - k); i++)
        {
            result = result * (n - i + 1) / i;
        }

        return result;
    }
}
