using System.Buffers.Binary;
using CloudArchive.Format.Evidence;

namespace CloudArchive.Format.Tests.Evidence;

/// <summary>Every pack is tested within a year, played through day by day.</summary>
public sealed class YearlyBudgetTests
{
    private static readonly DateTimeOffset _start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData(40, 0, 400, 0)] // a practice's first year
    [InlineData(300, 3, 1000, 0)] // it grows to more than ten times what it was
    [InlineData(486, 0, 800, 0.03)] // just what two packs a day reach, and runs that fall out
    [InlineData(487, 0, 800, 0.03)]
    [InlineData(1500, 1, 800, 0.03)]
    public void No_pack_stays_untested_for_longer_than_a_year(int packs, int newADay, int days, double fallsOut)
    {
        Random random = new(packs); // sizes as they are: most small, some volumes of 500 MB, one of 20 GB
        List<PopulationPack> population = [.. Enumerable.Range(0, packs).Select(_ => New(_start))];
        population[0] = population[0] with { Bytes = 20_000_000_000 };
        long opened = 0;
        for (int day = 0; day < days; day++)
        {
            DateTimeOffset now = _start.AddDays(day);
            population.AddRange(Enumerable.Range(0, newADay).Select(_ => New(now)));
            if (random.NextDouble() >= fallsOut)
            {
                byte[] root = new byte[32];
                BinaryPrimitives.WriteInt32BigEndian(root, day);
                HashSet<PackId> sample = [.. Sampling.Draw(Sha256Digest.Of(root), population, TestBudget.WithinAYear(population)).Select(pack => pack.Pack)];
                opened += sample.Count;
                for (int i = 0; i < population.Count; i++)
                {
                    if (sample.Contains(population[i].Pack))
                    {
                        population[i] = population[i] with { LastTestedAt = now };
                    }
                }
            }

            Assert.True(population.Max(pack => now - pack.UntestedSince) <= TimeSpan.FromDays(365), $"a pack was untested for a year on day {day}");
        }

        // And not many times as much as that takes.
        Assert.InRange(opened, 1, ((2.0 * population.Count / 365) + 2) * days);

        // Ids of this seed, and no others: the random order is a matter of them.
        PackId Id(DateTimeOffset at)
        {
            byte[] bytes = new byte[16];
            random.NextBytes(bytes);
            BinaryPrimitives.WriteInt64BigEndian(bytes, (at.ToUnixTimeMilliseconds() << 16) | 0x7000 | (uint)random.Next(0x1000));
            bytes[8] = (byte)(0x80 | (bytes[8] & 0x3F));
            return PackId.Parse(new Guid(bytes, bigEndian: true).ToString("D"));
        }

        PopulationPack New(DateTimeOffset at) => new(
            Id(at),
            random.NextDouble() < 0.05 ? random.NextInt64(100_000_000, 500_000_000) : random.NextInt64(100_000, 64_000_000),
            at);
    }

    [Fact]
    public void Few_packs_cost_two_a_day_and_a_gibibyte_and_many_as_many_as_it_takes()
    {
        Assert.Equal(new TestBudget(2, 1L << 30), TestBudget.WithinAYear([]));
        Assert.Equal(new TestBudget(2, 1L << 30), TestBudget.WithinAYear(Of(486, 1_000_000)));
        Assert.Equal(new TestBudget(4, 1L << 30), TestBudget.WithinAYear(Of(487, 1_000_000)));
        Assert.Equal(new TestBudget(412, 2 * 412 * 64_000_000L), TestBudget.WithinAYear(Of(100_000, 64_000_000)));
        Assert.Equal((1L << 53) - 1, TestBudget.WithinAYear(Of(4, 1L << 52)).Bytes);
    }

    private static PopulationPack[] Of(int packs, long bytes) => [.. Enumerable.Range(0, packs).Select(_ => new PopulationPack(PackId.Parse(Guid.CreateVersion7().ToString("D")), bytes, _start))];
}
