using CloudArchive.Cli.Terminal;
using CloudArchive.Format;
using CloudArchive.Format.Evidence;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.RestoreTests;

/// <summary>Tells how a run of restore tests went.</summary>
internal static class RestoreTestReport
{
    /// <summary>Of larger samples only those packs are listed that did not come back.</summary>
    private const int MostListed = 50;

    /// <summary>The document of <c>--json</c>.</summary>
    public static object Document(RestoreTestResponse run) => new
    {
        run.Id,
        run.Clinic,
        result = run.Status,
        tested = run.Passed + run.Failed,
        run.Passed,
        run.Failed,
        run.NotTested,
        run.Sample,
        run.Population,
        run.Instances,
        run.Bytes,
        run.RequestedBy,
        run.RequestedAt,
        run.FinishedAt,
        run.Faults,
        run.Checkpoint,
        run.Statistics,
        run.Summary,
        run.EvidenceSha256,
        run.Canaries,
        run.Packs,
    };

    public static void Write(CliEnvironment environment, RestoreTestResponse run)
    {
        environment.Out.WriteLine($"Restore test {run.Id}: {Verdict(run.Status)}.");
        environment.Out.WriteLine($"  {run.Passed:N0} of {Texts.Count(run.Sample, "pack")} came back whole, of {run.Population:N0} in the archive: {Texts.Count(run.Instances, "instance")}, {Texts.Size(run.Bytes)}.");
        bool all = run.Sample <= MostListed;
        foreach (RestoreTestPackResponse pack in (run.Packs ?? []).Where(pack => all || pack.Result?.Outcome != PackTestOutcome.Recovered))
        {
            string result = pack.Result switch
            {
                null => "not tested yet",
                { Outcome: PackTestOutcome.Recovered } good => $"passed  {Texts.Count(good.Files, "instance")}, {Texts.Size(good.FileBytes)}, {good.Steps.Sum(s => s.Milliseconds):N0} ms",
                { Outcome: PackTestOutcome.NotTestedArchived } => "not tested: it lies in the archive tier, beyond the budget",
                { Outcome: PackTestOutcome.NotTestedDestroyed } => "not tested: its retention ended, and it was destroyed after the sample was drawn",
                var bad => $"FAILED  {Name(bad.Cause)}: {bad.Cause!.Value.InPlainWords()}",
            };
            environment.Out.WriteLine($"  {pack.Pack}  {Reason(pack.Reason),-7} {result}");
        }

        if (!all)
        {
            environment.Out.WriteLine("  (Packs that came back are not listed, there are too many; --json has all.)");
        }

        foreach (PackFailure cause in (run.Packs ?? []).Select(pack => pack.Result?.Cause).OfType<PackFailure>().Distinct().Order())
        {
            environment.Out.WriteLine($"  To do about {Name(cause)}: {cause.FirstStep()}");
        }

        if (run.Canaries is { } canaries)
        {
            environment.Out.WriteLine($"  {canaries.Count(canary => canary.AsExpected)} of {Texts.Count(canaries.Count, "canary", "canaries")} came out as they must: packs damaged on purpose, and one that is sound.");
            foreach (CanaryResult canary in canaries.Where(canary => !canary.AsExpected))
            {
                environment.Out.WriteLine($"  CANARY {canary.Canary}: expected {(canary.Expected is { } expected ? Name(expected) : "sound")}, found {(canary.Cause is { } cause ? Name(cause) : "sound")}. No result of this run is to be relied on.");
            }
        }

        if (run.Statistics is { Population: > 0 } bound)
        {
            environment.Out.WriteLine($"  With 95% confidence at least {bound.AtLeastRecoverable:N0} of {bound.Population:N0} packs ({bound.AtLeastPerMillion / 10_000m:0.##}%) are recoverable.");
        }

        if (run.EvidenceSha256 is not null)
        {
            environment.Out.WriteLine($"  Evidence: cloudarchive evidence get {run.Id} --clinic {run.Clinic} --out <folder>");
        }
    }

    /// <summary>What was given as a run's id, which it must be.</summary>
    /// <exception cref="UsageException">It is something else.</exception>
    public static string RunId(string given, ClinicId clinic) => Guid.TryParseExact(given, "D", out Guid id)
        ? id.ToString()
        : throw new UsageException($"'{Texts.Printable(given)}' is no run's id. To see them: cloudarchive restore-test list --clinic {clinic}");

    public static string Verdict(RestoreTestStatus status) => status switch
    {
        RestoreTestStatus.Passed => "PASSED",
        RestoreTestStatus.Failed => "FAILED",
        RestoreTestStatus.NothingTested => "NOTHING TESTED",
        _ => "still running",
    };

    private static string Reason(SampleReason reason) => reason switch
    {
        SampleReason.Everything => "all",
        SampleReason.Random => "random",
        _ => "oldest",
    };

    public static ExitCode CodeOf(RestoreTestResponse run) => run.Status == RestoreTestStatus.Failed ? ExitCode.Integrity : ExitCode.Ok;

    /// <summary>The cause as the service and the runbooks spell it.</summary>
    private static string Name(PackFailure? cause) => System.Text.Json.JsonSerializer.Serialize(cause, Format.FormatJson.Options).Trim('"');
}
