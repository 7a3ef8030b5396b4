using CloudArchive.Core.Audit;
using CloudArchive.Format;
using CloudArchive.Format.Evidence;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.RestoreTests;

/// <summary>
/// A run, as its row keeps it. What is null has not happened yet; it happens in the order of the parameters, and each is kept before the
/// next begins, so that a run goes on where it was left: announced in the log, checkpointed, drawn, tested, closed, in evidence.
/// </summary>
/// <param name="Id">The run.</param>
/// <param name="Clinic">Whose packs.</param>
/// <param name="Trigger">What set it off.</param>
/// <param name="RequestedBy">Who.</param>
/// <param name="StartedAt">When; milliseconds.</param>
/// <param name="Budget">What it may spend.</param>
/// <param name="Population">How many packs there were; they are in rows of their own until the run ends.</param>
/// <param name="Start">The log's entry of the start, which fixes budget and population.</param>
/// <param name="Checkpoint">The checkpoint that was signed after it: its root draws the sample.</param>
/// <param name="Commitment">The entry as it stands in the log, and its proof.</param>
/// <param name="Sample">How many packs were drawn.</param>
/// <param name="FinishedAt">When the last pack and the canaries were tested.</param>
/// <param name="Canaries">What the test said of them.</param>
/// <param name="Outcome">What the evidence says.</param>
internal sealed record RestoreTestRun(
    string Id,
    ClinicId Clinic,
    RunTrigger Trigger,
    string RequestedBy,
    DateTimeOffset StartedAt,
    TestBudget Budget,
    int Population,
    AuditEvent Start,
    string? Checkpoint = null,
    RunCommitment? Commitment = null,
    int? Sample = null,
    DateTimeOffset? FinishedAt = null,
    IReadOnlyList<CanaryResult>? Canaries = null,
    RestoreTestOutcome? Outcome = null)
{
    /// <summary>As the API has it; <paramref name="packs"/> where they were read.</summary>
    public RestoreTestResponse ToResponse(IReadOnlyList<RestoreTestPackResponse>? packs = null)
    {
        PackTestResult[] results = [.. (packs ?? []).Select(pack => pack.Result).OfType<PackTestResult>()];
        int Count(PackTestOutcome outcome) => results.Count(result => result.Outcome == outcome);
        return new(
            Id,
            Clinic,
            Outcome?.Verdict switch
            {
                null => RestoreTestStatus.Running,
                RunVerdict.Passed => RestoreTestStatus.Passed,
                RunVerdict.Failed => RestoreTestStatus.Failed,
                _ => RestoreTestStatus.NothingTested,
            },
            RequestedBy,
            StartedAt,
            Outcome is null ? null : FinishedAt,
            Checkpoint,
            Budget,
            Population,
            Sample ?? 0,
            Outcome?.Summary.Recovered ?? Count(PackTestOutcome.Recovered),
            Outcome?.Summary.Failed ?? Count(PackTestOutcome.Failed),
            Outcome?.Summary.NotTested ?? results.Count(result => !result.IsTested),
            Outcome?.Summary.RecoveredFiles ?? results.Where(result => result.Outcome == PackTestOutcome.Recovered).Sum(result => (long)result.Files),
            Outcome?.Summary.RecoveredBytes ?? results.Where(result => result.Outcome == PackTestOutcome.Recovered).Sum(result => result.FileBytes),
            Outcome?.Faults ?? [],
            Outcome is null ? null : Canaries,
            Outcome?.Summary,
            Outcome?.Statistics,
            Outcome?.EvidenceSha256,
            packs);
    }
}

/// <summary>What a run's evidence says, kept for lists.</summary>
internal sealed record RestoreTestOutcome(RunVerdict Verdict, IReadOnlyList<RunFault> Faults, EvidenceSummary Summary, RecoverableBound Statistics, Sha256Digest EvidenceSha256);
