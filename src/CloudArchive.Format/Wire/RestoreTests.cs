using CloudArchive.Format.Evidence;

namespace CloudArchive.Format.Wire;

/// <summary><c>POST /v1/clinics/{clinic}/restore-tests</c>, by an admin: 202 and a <see cref="RestoreTestResponse"/>. What is left out is as in the clinic's budget.</summary>
/// <param name="Packs">At most so many packs; 1 to 10,000. Half are the longest untested, half are random.</param>
/// <param name="Bytes">About so many bytes of ciphertext.</param>
/// <param name="ArchivedBytes">So many bytes may be brought back from the archive tier.</param>
public sealed record RestoreTestRequest(int? Packs = null, long? Bytes = null, long? ArchivedBytes = null);

/// <summary>Where a run stands.</summary>
public enum RestoreTestStatus
{
    /// <summary>Packs are still to be tested.</summary>
    Running,

    /// <summary>Every pack that was tested came back, and every canary failed as it must.</summary>
    Passed,

    /// <summary>At least one pack did not come back, or the canaries show that the test cannot be trusted.</summary>
    Failed,

    /// <summary>All of the sample lies in the archive tier, beyond the budget, or was destroyed in its time.</summary>
    NothingTested,
}

/// <summary>A pack of a run's sample.</summary>
/// <param name="Pack">The pack.</param>
/// <param name="Reason">Why it is in the sample.</param>
/// <param name="Result">How it fared; null: not tested yet.</param>
public sealed record RestoreTestPackResponse(PackId Pack, SampleReason Reason, PackTestResult? Result);

/// <summary>A run of restore tests.</summary>
/// <param name="Id">The run.</param>
/// <param name="Clinic">Whose packs.</param>
/// <param name="Status">Where it stands.</param>
/// <param name="RequestedBy">Who asked for it: a person, or a timer.</param>
/// <param name="RequestedAt">When.</param>
/// <param name="FinishedAt">When it ended.</param>
/// <param name="Checkpoint">The signed checkpoint, made just before, whose root ordered the packs; null until the sample is drawn.</param>
/// <param name="Budget">What it may spend.</param>
/// <param name="Population">How many packs there were to choose from.</param>
/// <param name="Sample">How many were chosen; 0 until the sample is drawn.</param>
/// <param name="Passed">How many came back.</param>
/// <param name="Failed">How many did not.</param>
/// <param name="NotTested">How many lie in the archive tier, beyond the budget, or were destroyed in their time.</param>
/// <param name="Instances">Instances that came back.</param>
/// <param name="Bytes">Their bytes.</param>
/// <param name="Faults">Why it failed.</param>
/// <param name="Canaries">What the test said of packs that were damaged on purpose; of a run that ended.</param>
/// <param name="Summary">The numbers of its evidence; of a run that ended.</param>
/// <param name="Statistics">What it says about all packs; of a run that ended.</param>
/// <param name="EvidenceSha256">SHA-256 of its <c>evidence.json</c>.</param>
/// <param name="Packs">The sample, in the order in which it was drawn; left out of listings.</param>
public sealed record RestoreTestResponse(
    string Id,
    ClinicId Clinic,
    RestoreTestStatus Status,
    string RequestedBy,
    DateTimeOffset RequestedAt,
    DateTimeOffset? FinishedAt,
    string? Checkpoint,
    TestBudget Budget,
    int Population,
    int Sample,
    int Passed,
    int Failed,
    int NotTested,
    long Instances,
    long Bytes,
    IReadOnlyList<RunFault> Faults,
    IReadOnlyList<CanaryResult>? Canaries = null,
    EvidenceSummary? Summary = null,
    RecoverableBound? Statistics = null,
    Sha256Digest? EvidenceSha256 = null,
    IReadOnlyList<RestoreTestPackResponse>? Packs = null);

/// <summary><c>GET</c> and <c>PUT /v1/clinics/{clinic}/restore-test-budget</c>: what each scheduled run of a clinic may spend.</summary>
/// <param name="Packs">At most so many packs; absent: so many that every pack is tested within a year.</param>
/// <param name="Bytes">About so many bytes of ciphertext; absent: what a run needs that keeps every pack within a year.</param>
/// <param name="ArchivedBytes">So many bytes may be brought back from the archive tier.</param>
public sealed record RestoreTestBudgetMessage(int? Packs = null, long? Bytes = null, long ArchivedBytes = 0);

/// <summary>Evidence of a run. Its files are at <c>/v1/clinics/{clinic}/evidence/{run}/{file}</c>.</summary>
/// <param name="Run">The run's id.</param>
/// <param name="Clinic">Whose packs.</param>
/// <param name="Verdict">How it ended.</param>
/// <param name="StartedAt">When the run began.</param>
/// <param name="FinishedAt">When it ended.</param>
/// <param name="Summary">Its numbers.</param>
/// <param name="Statistics">What it says about all packs.</param>
/// <param name="Sha256">SHA-256 of <c>evidence.json</c>.</param>
/// <param name="Files">The files that there are.</param>
public sealed record EvidenceResponse(
    string Run,
    ClinicId Clinic,
    RunVerdict Verdict,
    DateTimeOffset StartedAt,
    DateTimeOffset FinishedAt,
    EvidenceSummary Summary,
    RecoverableBound Statistics,
    Sha256Digest Sha256,
    IReadOnlyList<string> Files);
