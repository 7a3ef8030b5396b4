namespace CloudArchive.Format.Evidence;

/// <summary>A run's numbers, all worked out from its population and results.</summary>
/// <param name="Tested">Packs tested to an end, good or bad.</param>
/// <param name="Recovered">Of them, those that came back.</param>
/// <param name="Failed">Of them, those that did not.</param>
/// <param name="NotTested">Sampled packs that lie in the archive tier beyond the budget, or were destroyed meanwhile because their retention had ended.</param>
/// <param name="Causes">How many failed for each cause; causes that did not occur are left out.</param>
/// <param name="RecoveredFiles">Files that came back.</param>
/// <param name="RecoveredBytes">Their bytes.</param>
/// <param name="PopulationPacks">Packs in all.</param>
/// <param name="PopulationBytes">Their bytes of ciphertext.</param>
/// <param name="CoveredPacks">Packs that this run or another tested in the 365 days before this run's end.</param>
/// <param name="BytesPerSecond">Ciphertext a second over the recovered packs, one pack after the other; null where none was recovered.</param>
/// <param name="FullRestoreSeconds">How long bringing back all of them would take at that speed, one pack after the other, rounded up.</param>
/// <param name="RecoveryPoint">When the newest pack was committed: what is newer is not in the archive; null where it is empty.</param>
/// <param name="LongestUntestedSince">The earliest time since when a pack has not been tested; of a pack never tested, its commit. Null where there is none.</param>
public sealed record EvidenceSummary(
    int Tested,
    int Recovered,
    int Failed,
    int NotTested,
    IReadOnlyDictionary<PackFailure, int> Causes,
    long RecoveredFiles,
    long RecoveredBytes,
    int PopulationPacks,
    long PopulationBytes,
    int CoveredPacks,
    long? BytesPerSecond = null,
    long? FullRestoreSeconds = null,
    DateTimeOffset? RecoveryPoint = null,
    DateTimeOffset? LongestUntestedSince = null)
{
    private static readonly TimeSpan CoverageWindow = TimeSpan.FromDays(365);

    /// <summary>The numbers of a run that ended at <paramref name="finishedAt"/>.</summary>
    public static EvidenceSummary Of(IReadOnlyList<PopulationPack> population, IReadOnlyList<PackTestResult> results, DateTimeOffset finishedAt)
    {
        PackTestResult[] tested = [.. results.Where(result => result.IsTested)];
        PackTestResult[] recovered = [.. tested.Where(result => result.Outcome == PackTestOutcome.Recovered)];
        SortedDictionary<PackFailure, int> causes = [];
        foreach (PackTestResult result in tested.Where(result => result.Cause is not null))
        {
            causes[result.Cause!.Value] = causes.GetValueOrDefault(result.Cause.Value) + 1;
        }

        long populationBytes = population.Sum(pack => pack.Bytes);
        long bytes = recovered.Sum(result => result.Bytes);
        long milliseconds = Math.Max(1, recovered.Sum(result => result.Steps.Sum(step => step.Milliseconds)));

        Dictionary<PackId, DateTimeOffset> testedNow = [];
        foreach (PackTestResult result in tested)
        {
            testedNow[result.Pack] = result.StartedAt;
        }

        return new(
            tested.Length,
            recovered.Length,
            tested.Length - recovered.Length,
            results.Count - tested.Length,
            causes,
            recovered.Sum(result => (long)result.Files),
            recovered.Sum(result => result.FileBytes),
            population.Count,
            populationBytes,
            population.Count(pack => (testedNow.TryGetValue(pack.Pack, out DateTimeOffset now) ? now : pack.LastTestedAt) is { } at && at >= finishedAt - CoverageWindow),
            bytes == 0 ? null : (long)((Int128)bytes * 1000 / milliseconds),
            bytes == 0 ? null : (long)((((Int128)populationBytes * milliseconds) + ((Int128)bytes * 1000) - 1) / ((Int128)bytes * 1000)),
            population.Count == 0 ? null : population.Max(pack => pack.CommittedAt),
            population.Count == 0 ? null : population.Min(pack => testedNow.TryGetValue(pack.Pack, out DateTimeOffset now) ? now : pack.UntestedSince));
    }
}

/// <summary>A run's verdict, from its results and canaries alone.</summary>
/// <param name="Verdict">How it ended.</param>
/// <param name="Faults">Why it failed; empty unless it did.</param>
public sealed record Judgement(RunVerdict Verdict, IReadOnlyList<RunFault> Faults)
{
    /// <summary>A run is only good if its test is known to see damage: a canary that passes, or none at all, fails it.</summary>
    public static Judgement Of(IReadOnlyList<PackTestResult> results, IReadOnlyList<CanaryResult> canaries)
    {
        List<RunFault> faults = [];
        if (results.Any(result => result.Outcome == PackTestOutcome.Failed))
        {
            faults.Add(RunFault.PackFailed);
        }

        if (canaries.Any(canary => !canary.AsExpected))
        {
            faults.Add(RunFault.CanaryNotAsExpected);
        }

        if (!canaries.Any(canary => canary.Expected is not null))
        {
            faults.Add(RunFault.NoCanary);
        }

        return new(
            faults.Count > 0 ? RunVerdict.Failed
                : !results.Any(result => result.IsTested) ? RunVerdict.NothingTested
                : RunVerdict.Passed,
            faults);
    }
}
