using CloudArchive.Format.Evidence;
using CloudArchive.Testing.Evidence;

namespace CloudArchive.Format.Tests.Evidence;

public sealed class EvidenceSummaryTests
{
    private static readonly DateTimeOffset Now = EvidenceSample.Start;

    [Fact]
    public void The_numbers_follow_from_population_and_results()
    {
        PopulationPack[] population =
        [
            new(EvidenceSample.Pack(1), 1_000_000, Now.AddDays(-800), Now.AddDays(-500)),
            new(EvidenceSample.Pack(2), 3_000_000, Now.AddDays(-700)),
            new(EvidenceSample.Pack(3), 2_000_000, Now.AddDays(-3), Now.AddDays(-365)),
            new(EvidenceSample.Pack(4), 2_000_000, Now.AddDays(-600), Now.AddDays(-365).AddTicks(-1)),
            new(EvidenceSample.Pack(5), 2_000_000, Now.AddDays(-600), Now.AddDays(-400)),
        ];
        PackTestResult[] results =
        [
            new(EvidenceSample.Pack(1), PackTestOutcome.Recovered, Now.AddMinutes(-2), 1_000_000, 3, 900_000, [new(PackTestStepName.Find, 10), new(PackTestStepName.Fetch, 490)]),
            new(EvidenceSample.Pack(2), PackTestOutcome.Failed, Now.AddMinutes(-1), 3_000_000, 0, 0, [new(PackTestStepName.Fetch, 60_000)], PackFailure.HashMismatch),
            new(EvidenceSample.Pack(5), PackTestOutcome.NotTestedArchived, Now, 0, 0, 0, []),
        ];
        EvidenceSummary summary = EvidenceSummary.Of(population, results, Now);
        Assert.Equal((2, 1, 1, 1), (summary.Tested, summary.Recovered, summary.Failed, summary.NotTested));
        Assert.Equal(1, Assert.Single(summary.Causes, cause => cause.Key == PackFailure.HashMismatch).Value);
        Assert.Equal((3L, 900_000L), (summary.RecoveredFiles, summary.RecoveredBytes));

        // One million bytes in half a second; failed packs say nothing about speed.
        Assert.Equal(2_000_000, summary.BytesPerSecond);
        Assert.Equal(5, summary.FullRestoreSeconds);
        Assert.Equal((5, 10_000_000L), (summary.PopulationPacks, summary.PopulationBytes));
        Assert.Equal(Now.AddDays(-3), summary.RecoveryPoint);

        // Tested now, tested now, and tested exactly 365 days ago.
        Assert.Equal(3, summary.CoveredPacks);
        Assert.Equal(Now.AddDays(-400), summary.LongestUntestedSince);
    }

    [Fact]
    public void Nothing_recovered_gives_no_speed_and_no_estimate()
    {
        EvidenceSummary summary = EvidenceSummary.Of([], [], Now);
        Assert.Null(summary.BytesPerSecond);
        Assert.Null(summary.FullRestoreSeconds);
        Assert.Null(summary.RecoveryPoint);
        Assert.Null(summary.LongestUntestedSince);
    }

    [Fact]
    public void The_estimate_is_rounded_up()
    {
        PopulationPack[] population = [new(EvidenceSample.Pack(1), 1000, Now), new(EvidenceSample.Pack(2), 1, Now)];
        PackTestResult[] results = [new(EvidenceSample.Pack(1), PackTestOutcome.Recovered, Now, 1000, 1, 900, [new(PackTestStepName.Fetch, 1000)])];
        Assert.Equal(2, EvidenceSummary.Of(population, results, Now).FullRestoreSeconds);
    }

    [Fact]
    public void Packs_that_were_not_tested_count_against_the_bound()
    {
        PopulationPack[] population = [.. Enumerable.Range(0, 100).Select(i => new PopulationPack(EvidenceSample.Pack(i), 1, Now))];
        SampledPack[] sample = [.. Enumerable.Range(0, 20).Select(i => new SampledPack(EvidenceSample.Pack(i), i < 10 ? SampleReason.Random : SampleReason.OldestUntested))];
        PackTestResult[] results = [.. sample.Select((pack, i) => new PackTestResult(pack.Pack, i is 0 or 15 ? PackTestOutcome.NotTestedArchived : PackTestOutcome.Recovered, Now, 1, 1, 1, []))];
        Assert.Equal(RecoverableBound.Of(100, 10, 9), EvidenceWriter.Bound(population, sample, results));
    }

    [Fact]
    public void Every_cause_has_plain_words_and_a_first_step_of_its_own()
    {
        PackFailure[] causes = Enum.GetValues<PackFailure>();
        Assert.All(causes, cause => Assert.EndsWith(".", cause.InPlainWords()));
        Assert.Equal(causes.Length, causes.Select(cause => cause.InPlainWords()).Distinct().Count());
        Assert.Equal(causes.Length, causes.Select(cause => cause.FirstStep()).Distinct().Count());
    }
}
