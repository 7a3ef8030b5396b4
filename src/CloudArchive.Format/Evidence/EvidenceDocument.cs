namespace CloudArchive.Format.Evidence;

/// <summary>
/// What a restore test did and found, for an auditor: canonical JSON (RFC 8785) with a detached JWS (ES256) of type
/// <see cref="JwsType"/> beside it. It holds all that is needed to draw its sample and work out its numbers again. No PHI: packs are
/// named by id, nothing in them is. Schema: docs/evidence.schema.json.
/// </summary>
/// <param name="Format"><see cref="CurrentFormat"/>.</param>
/// <param name="Product">The program that ran the test, with its version.</param>
/// <param name="Clinic">Whose packs.</param>
/// <param name="ClinicName">What people call it.</param>
/// <param name="Run">The run's id.</param>
/// <param name="Trigger">What set it off.</param>
/// <param name="StartedAt">UTC.</param>
/// <param name="FinishedAt">UTC.</param>
/// <param name="Verdict">How it ended: <see cref="Judgement"/> of the results and canaries.</param>
/// <param name="Faults">Why it failed; empty unless it did.</param>
/// <param name="Checkpoint">The signed checkpoint of the clinic's log, made after <paramref name="Commitment"/> and before the sample was drawn: a compact JWS.</param>
/// <param name="Commitment">The log's entry that fixed budget and population before the checkpoint's root was known.</param>
/// <param name="Budget">What the run might spend.</param>
/// <param name="Population">Every pack of the clinic under the archive's promise when the sample was drawn, by id.</param>
/// <param name="Sample">What was to be tested, in the order of <see cref="Sampling"/>.</param>
/// <param name="Results">One for each of <paramref name="Sample"/>, in its order.</param>
/// <param name="Canaries">Packs damaged on purpose, and what the same test said of them.</param>
/// <param name="Summary">The numbers: <see cref="EvidenceSummary.Of"/>.</param>
/// <param name="Statistics">What the random part says about all packs.</param>
/// <param name="History">Earlier runs, the oldest first, as far as the report charts them.</param>
/// <param name="Contact">Whom to ask.</param>
/// <param name="Digests">For each part of the document, named by its JSON pointer, the SHA-256 of its canonical JSON: where something was changed, they say where.</param>
public sealed record EvidenceDocument(
    string Format,
    string Product,
    ClinicId Clinic,
    string ClinicName,
    string Run,
    RunTrigger Trigger,
    DateTimeOffset StartedAt,
    DateTimeOffset FinishedAt,
    RunVerdict Verdict,
    IReadOnlyList<RunFault> Faults,
    string Checkpoint,
    RunCommitment Commitment,
    TestBudget Budget,
    IReadOnlyList<PopulationPack> Population,
    IReadOnlyList<SampledPack> Sample,
    IReadOnlyList<PackTestResult> Results,
    IReadOnlyList<CanaryResult> Canaries,
    EvidenceSummary Summary,
    RecoverableBound Statistics,
    IReadOnlyList<PreviousRun> History,
    EvidenceContact Contact,
    IReadOnlyDictionary<string, Sha256Digest> Digests)
{
    /// <summary>Version 1.</summary>
    public const string CurrentFormat = "cloudarchive/evidence/1";

    /// <summary>The <c>typ</c> of the detached JWS over the document.</summary>
    public const string JwsType = "cloudarchive-evidence+jws";

    /// <summary>The <c>typ</c> of the detached JWS over the PDF that was made from it.</summary>
    public const string ReportJwsType = "cloudarchive-report+jws";
}

/// <summary>What set a run off.</summary>
/// <param name="Kind">The timer or a person.</param>
/// <param name="Schedule">The NCRONTAB expression, UTC, of a scheduled run.</param>
/// <param name="RequestedBy">Who asked for a run on demand: the person's object id.</param>
public sealed record RunTrigger(RunTriggerKind Kind, string? Schedule = null, string? RequestedBy = null);

/// <summary>The timer or a person.</summary>
public enum RunTriggerKind
{
    /// <summary>The timer.</summary>
    Scheduled,

    /// <summary>A person.</summary>
    OnDemand,
}

/// <summary>How a run ended.</summary>
public enum RunVerdict
{
    /// <summary>Every pack that was tested came back, and every canary failed as it should.</summary>
    Passed,

    /// <summary>A pack did not come back, or a canary shows that the test itself cannot be trusted.</summary>
    Failed,

    /// <summary>The test works, and there was nothing that it could test.</summary>
    NothingTested,
}

/// <summary>Why a run failed.</summary>
public enum RunFault
{
    /// <summary>At least one pack did not come back.</summary>
    PackFailed,

    /// <summary>At least one canary did not fail as it should, so a good result says nothing.</summary>
    CanaryNotAsExpected,

    /// <summary>There was no canary, so nobody knows whether the test sees damage.</summary>
    NoCanary,
}

/// <summary>Whom to ask about the evidence.</summary>
public sealed record EvidenceContact(string Name, string Email, string? Phone = null);

/// <summary>An earlier run of the same clinic.</summary>
/// <param name="CoveredPacks">Packs tested in the 365 days before its end.</param>
/// <param name="FullRestoreSeconds">Its estimate, where it recovered anything.</param>
public sealed record PreviousRun(
    string Run,
    DateTimeOffset FinishedAt,
    RunVerdict Verdict,
    int Tested,
    int Recovered,
    int PopulationPacks,
    int CoveredPacks,
    long? FullRestoreSeconds = null);

/// <summary>The names of a run's files, as <c>cloudarchive evidence get</c> writes them.</summary>
public static class EvidenceFiles
{
    /// <summary>The canonical JSON.</summary>
    public const string Document = "evidence.json";

    /// <summary>The detached JWS over it.</summary>
    public const string Signature = "evidence.jws";

    /// <summary>The PDF made from it.</summary>
    public const string Report = "report.pdf";

    /// <summary>The detached JWS over the PDF.</summary>
    public const string ReportSignature = "report.jws";

    /// <summary>The archive's public keys as served when the files were fetched. Whoever verifies for an audit takes keys from elsewhere.</summary>
    public const string Keys = "keys.json";
}
