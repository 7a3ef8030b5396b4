using System.Text.Json;
using CloudArchive.Format.Evidence;
using CloudArchive.Testing;

namespace CloudArchive.Format.Tests.Evidence;

public sealed class StatisticsTests
{
    [Fact]
    public void Fifty_bounds_are_those_that_an_independent_program_worked_out()
    {
        Table table = JsonSerializer.Deserialize<Table>(File.ReadAllBytes(Path.Combine(Repository.Vectors, "statistics.json")), FormatJson.Options)!;
        Assert.Equal(50, table.Bounds.Select(bound => (bound.Population, bound.Sample, bound.Failures)).Distinct().Count());
        Assert.All(table.Bounds, bound => Assert.Equal(bound.AtLeast, Statistics.LowerBound(bound.Population, bound.Sample, bound.Sample - bound.Failures)));
    }

    [Fact]
    public void No_sample_says_nothing()
    {
        Assert.Equal(0, Statistics.LowerBound(5000, 0, 0));
        Assert.Equal(new RecoverableBound(5000, 0, 0, 0, 0), RecoverableBound.Of(5000, 0, 0));
    }

    [Fact]
    public void A_sample_of_everything_says_exactly_what_it_saw()
    {
        Assert.Equal(5000, Statistics.LowerBound(5000, 5000, 5000));
        Assert.Equal(4988, Statistics.LowerBound(5000, 5000, 4988));
        Assert.Equal(997_600, RecoverableBound.Of(5000, 5000, 4988).AtLeastPerMillion);
    }

    [Fact]
    public void When_all_fail_none_is_promised() => Assert.Equal(0, Statistics.LowerBound(5000, 40, 0));

    [Fact]
    public void An_empty_population_has_a_bound_of_nothing() => Assert.Equal(new RecoverableBound(0, 0, 0, 0, 0), RecoverableBound.Of(0, 0, 0));

    [Fact]
    public void The_share_is_rounded_down_never_up() => Assert.Equal(333_333, RecoverableBound.Of(3, 1, 1) is { AtLeastRecoverable: 1 } bound ? bound.AtLeastPerMillion : -1);

    [Fact]
    public void A_success_more_never_lowers_the_bound_and_a_failure_more_never_raises_it()
    {
        for (int sample = 1; sample <= 60; sample++)
        {
            for (int recovered = 1; recovered <= sample; recovered++)
            {
                Assert.True(Statistics.LowerBound(200, sample, recovered) >= Statistics.LowerBound(200, sample, recovered - 1));
                Assert.True(Statistics.LowerBound(200, sample, recovered) >= Statistics.LowerBound(200, sample - 1, Math.Min(recovered, sample - 1)) || recovered < sample);
            }
        }
    }

    /// <summary>The promise itself: whatever the truth is, at most 5% of all samples lead to a bound above it.</summary>
    [Theory]
    [InlineData(12, 4)]
    [InlineData(25, 10)]
    [InlineData(40, 3)]
    public void The_bound_lies_above_the_truth_for_at_most_one_sample_in_twenty(int population, int sample)
    {
        for (int truth = 0; truth <= population; truth++)
        {
            double above = 0, all = Choose(population, sample);
            for (int seen = Math.Max(0, sample - (population - truth)); seen <= Math.Min(sample, truth); seen++)
            {
                above += Statistics.LowerBound(population, sample, seen) > truth ? Choose(truth, seen) * Choose(population - truth, sample - seen) / all : 0;
            }

            Assert.InRange(above, 0, 0.05);
        }
    }

    [Fact]
    public void Large_populations_take_no_time_worth_noting() => Assert.InRange(Statistics.LowerBound(2_000_000, 2_000, 1_990), 1_980_000, 1_990_000);

    [Theory]
    [InlineData(-1, 0, 0)]
    [InlineData(5, 6, 0)]
    [InlineData(5, 3, 4)]
    [InlineData(5, 3, -1)]
    public void Impossible_samples_are_refused(int population, int sample, int recovered) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => Statistics.LowerBound(population, sample, recovered));

    private static double Choose(int n, int k) => Enumerable.Range(1, k).Aggregate(1.0, (product, i) => product * (n - k + i) / i);

    private sealed record Table(string Note, IReadOnlyList<Bound> Bounds);

    private sealed record Bound(int Population, int Sample, int Failures, int AtLeast);
}
