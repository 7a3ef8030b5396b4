using System.Text;
using System.Text.Json;
using CloudArchive.Format.Evidence;
using CloudArchive.Testing;
using CloudArchive.Testing.Evidence;

namespace CloudArchive.Format.Tests.Evidence;

public sealed class SamplingTests
{
    private static readonly DateTimeOffset Day = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public void The_vectors_that_the_script_in_docs_drew_are_drawn()
    {
        Vector[] vectors = JsonSerializer.Deserialize<Vector[]>(File.ReadAllBytes(Path.Combine(Repository.Vectors, "sampling.json")), FormatJson.Options)!;
        Assert.Equal(8, vectors.Length);
        Assert.All(vectors, vector => Assert.Equal(vector.Sample, Sampling.Draw(vector.Root, vector.Population, vector.Budget)));
    }

    [Fact]
    public void The_order_in_which_the_population_is_stated_does_not_matter()
    {
        PopulationPack[] population = Packs(50);
        IReadOnlyList<SampledPack> sample = Sampling.Draw(Root(1), population, new(10, 500_000_000));
        Array.Reverse(population);
        Assert.Equal(sample, Sampling.Draw(Root(1), population, new(10, 500_000_000)));
    }

    [Fact]
    public void Another_root_draws_another_sample() =>
        Assert.NotEqual(
            Sampling.Draw(Root(1), Packs(50), new(10, 5_000_000_000)).Where(pack => pack.Reason == SampleReason.Random),
            Sampling.Draw(Root(2), Packs(50), new(10, 5_000_000_000)).Where(pack => pack.Reason == SampleReason.Random));

    [Fact]
    public void A_budget_that_reaches_all_takes_everything()
    {
        IReadOnlyList<SampledPack> sample = Sampling.Draw(Root(1), Packs(50), TestBudget.Everything);
        Assert.Equal(50, sample.DistinctBy(pack => pack.Pack).Count());
        Assert.All(sample, pack => Assert.Equal(SampleReason.Everything, pack.Reason));
    }

    [Fact]
    public void An_empty_population_gives_an_empty_sample() => Assert.Empty(Sampling.Draw(Root(1), [], new(10, 1)));

    [Theory]
    [InlineData(1, 1, 0)]
    [InlineData(2, 1, 1)]
    [InlineData(7, 4, 3)]
    [InlineData(20, 10, 10)]
    public void Half_is_random_and_half_is_the_longest_untested(int packs, int random, int oldest)
    {
        IReadOnlyList<SampledPack> sample = Sampling.Draw(Root(1), Packs(200), new(packs, 1L << 40));
        Assert.Equal(random, sample.Count(pack => pack.Reason == SampleReason.Random));
        Assert.Equal(oldest, sample.Count(pack => pack.Reason == SampleReason.OldestUntested));
        Assert.Equal(packs, sample.DistinctBy(pack => pack.Pack).Count());
    }

    [Fact]
    public void The_longest_untested_come_oldest_first_and_a_pack_never_tested_counts_from_its_commit()
    {
        PopulationPack[] population =
        [
            new(EvidenceSample.Pack(1), 1, Day, Day.AddDays(300)),
            new(EvidenceSample.Pack(2), 1, Day.AddDays(100)),
            new(EvidenceSample.Pack(3), 1, Day, Day.AddDays(99)),
            new(EvidenceSample.Pack(4), 1, Day.AddDays(100)),
            new(EvidenceSample.Pack(5), 1, Day, Day.AddDays(301)),
        ];
        IReadOnlyList<SampledPack> sample = Sampling.Draw(Root(3), population, new(4, 100));
        PackId[] expected = [.. new[] { 3, 2, 4, 1, 5 }.Select(EvidenceSample.Pack).Except(sample.Where(pack => pack.Reason == SampleReason.Random).Select(pack => pack.Pack)).Take(2)];
        Assert.Equal(expected, sample.Where(pack => pack.Reason == SampleReason.OldestUntested).Select(pack => pack.Pack));
    }

    [Fact]
    public void A_pack_larger_than_the_budget_is_tested_all_the_same()
    {
        PopulationPack[] population = [.. Packs(30), new(EvidenceSample.Pack(900), 1L << 39, Day.AddYears(-1))];
        IReadOnlyList<SampledPack> sample = Sampling.Draw(Root(5), population, new(10, 100_000_000));
        Assert.Contains(new SampledPack(EvidenceSample.Pack(900), SampleReason.OldestUntested), sample);
        Assert.Single(sample, pack => pack.Reason == SampleReason.Random);
    }

    /// <summary>Else the random half would be no simple random sample, and its statistics would not hold.</summary>
    [Fact]
    public void Every_pack_is_drawn_as_often_as_any_other_whatever_its_size()
    {
        PopulationPack[] population = [.. Enumerable.Range(0, 10).Select(i => new PopulationPack(EvidenceSample.Pack(i), i == 0 ? 400_000_000 : 1_000_000, Day))];
        Dictionary<PackId, int> drawn = [];
        int size = 0;
        for (int root = 0; root < 8_000; root++)
        {
            foreach (SampledPack pack in Sampling.Draw(Root(root), population, new(6, 250_000_000)).Where(pack => pack.Reason == SampleReason.Random))
            {
                drawn[pack.Pack] = drawn.GetValueOrDefault(pack.Pack) + 1;
                size++;
            }
        }

        // Each is binomial; five standard deviations.
        double expected = size / 10.0, deviation = 5 * Math.Sqrt(expected);
        Assert.Equal(10, drawn.Count);
        Assert.All(drawn.Values, count => Assert.InRange(count, expected - deviation, expected + deviation));
    }

    [Fact]
    public void Day_after_day_every_pack_has_its_turn()
    {
        PopulationPack[] population = Packs(90);
        for (int day = 0; day < 18; day++)
        {
            HashSet<PackId> sample = [.. Sampling.Draw(Root(day), population, new(10, 1L << 40)).Select(pack => pack.Pack)];
            population = [.. population.Select(pack => sample.Contains(pack.Pack) ? pack with { LastTestedAt = Day.AddYears(1).AddDays(day) } : pack)];
        }

        // Five of the oldest a day: ninety within eighteen days.
        Assert.All(population, pack => Assert.True(pack.LastTestedAt >= Day.AddYears(1)));
    }

    [Fact]
    public void Samples_keep_to_their_rules_for_any_population()
    {
        Random random = new(7);
        for (int round = 0; round < 500; round++)
        {
            PopulationPack[] population = [.. Enumerable.Range(0, random.Next(0, 40)).Select(i => new PopulationPack(
                EvidenceSample.Pack(i), random.Next(0, 1_000_000), Day.AddMinutes(random.Next(1000)), random.Next(2) == 0 ? null : Day.AddDays(random.Next(300))))];
            TestBudget budget = new(random.Next(1, 30), random.Next(1, 20_000_000));
            IReadOnlyList<SampledPack> sample = Sampling.Draw(Root(round), population, budget);
            Dictionary<PackId, PopulationPack> byId = population.ToDictionary(pack => pack.Pack);
            SampledPack[] oldest = [.. sample.Where(pack => pack.Reason == SampleReason.OldestUntested)];

            Assert.True(sample.Count <= budget.Packs);
            Assert.Equal(sample.Count, sample.DistinctBy(pack => pack.Pack).Count());
            Assert.Equal(population.Length > 0, sample.Any(pack => pack.Reason != SampleReason.OldestUntested));
            Assert.True(oldest.Length <= 1 || sample.Sum(pack => byId[pack.Pack].Bytes) <= budget.Bytes);

            // Nobody who waited longer than one of the oldest half was passed over.
            PopulationPack[] passedOver = [.. population.Where(pack => sample.All(s => s.Pack != pack.Pack))];
            Assert.All(oldest, pack => Assert.All(passedOver, other => Assert.True(other.UntestedSince >= byId[pack.Pack].UntestedSince)));
        }
    }

    [Fact]
    public void A_population_that_names_a_pack_twice_is_refused() =>
        Assert.Throws<ArgumentException>(() => Sampling.Draw(Root(1), [.. Packs(3), .. Packs(1)], new(1, 1)));

    [Theory]
    [InlineData(0, 1, 0)]
    [InlineData(1, 0, 0)]
    [InlineData(1, 1, -1)]
    public void A_budget_for_nothing_is_refused(int packs, long bytes, long archived) =>
        Assert.Throws<ArgumentException>(() => Sampling.Draw(Root(1), Packs(3), new(packs, bytes, archived)));

    private static PopulationPack[] Packs(int count) =>
        [.. Enumerable.Range(0, count).Select(i => new PopulationPack(EvidenceSample.Pack(i), 1_000_000 + (i * 7919 % 64_000_000), Day.AddDays(i % 17)))];

    private static Sha256Digest Root(int seed) => Sha256Digest.Of(Encoding.ASCII.GetBytes($"root {seed}"));

    private sealed record Vector(Sha256Digest Root, TestBudget Budget, IReadOnlyList<PopulationPack> Population, IReadOnlyList<SampledPack> Sample);
}
