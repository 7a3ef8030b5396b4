namespace CloudArchive.Format.Wire;

/// <summary><c>POST /v1/clinics/{clinic}/restore-tests</c>, by an admin: 202 and a <see cref="RestoreTestResponse"/>.</summary>
/// <param name="Packs">How many packs to restore; 1 to 200. Half are the longest untested, half are random.</param>
public sealed record RestoreTestRequest(int Packs = 10);

/// <summary>Where a run stands.</summary>
public enum RestoreTestStatus
{
    /// <summary>The sample is drawn; packs are still to be tested.</summary>
    Running,

    /// <summary>Every pack of the sample came back.</summary>
    Passed,

    /// <summary>At least one did not.</summary>
    Failed,
}

/// <summary>Why a pack is in the sample.</summary>
public enum RestoreTestPick
{
    /// <summary>Among the first by SHA-256(checkpoint root || pack id).</summary>
    Random,

    /// <summary>Among those that were tested longest ago, or never.</summary>
    LongestUntested,
}

/// <summary>Why a pack could not be restored. Each has its own remedy in docs/operations.md.</summary>
public enum RestoreTestCause
{
    /// <summary>The blob version of the receipt is not in storage.</summary>
    Missing,

    /// <summary>It is there, without the locked policy that the receipt states.</summary>
    ImmutabilityLost,

    /// <summary>Its length or SHA-256 is not the receipt's.</summary>
    HashMismatch,

    /// <summary>The key version that wraps its content key is gone, disabled or forbidden.</summary>
    KeyUnavailable,

    /// <summary>The content key does not open it.</summary>
    DecryptFailed,

    /// <summary>It opens and is no readable ZIP, or its manifest is not that of this pack.</summary>
    ZipInvalid,

    /// <summary>An instance came back and is no readable DICOM data set.</summary>
    DicomInvalid,

    /// <summary>Pack, sidecar and catalogue do not say the same.</summary>
    CatalogueMismatch,

    /// <summary>It took longer than the run allows for one pack.</summary>
    TimedOut,
}

/// <summary>A step of a pack's test and how long it took.</summary>
public sealed record RestoreTestStep(string Name, double Milliseconds);

/// <summary>How one pack fared.</summary>
/// <param name="Pack">The pack.</param>
/// <param name="Study">Its study.</param>
/// <param name="Pick">Why it is in the sample.</param>
/// <param name="Passed">Null: not tested yet.</param>
/// <param name="Cause">What failed.</param>
/// <param name="Instances">Instances that came back, byte for byte.</param>
/// <param name="Bytes">Their bytes.</param>
/// <param name="Steps">The steps taken, in order.</param>
/// <param name="TestedAt">When it was tested.</param>
public sealed record RestoreTestPackResponse(
    PackId Pack,
    Uid Study,
    RestoreTestPick Pick,
    bool? Passed,
    RestoreTestCause? Cause,
    int Instances,
    long Bytes,
    IReadOnlyList<RestoreTestStep> Steps,
    DateTimeOffset? TestedAt);

/// <summary>A run of restore tests.</summary>
/// <param name="Id">The run.</param>
/// <param name="Clinic">Whose packs.</param>
/// <param name="Status">Where it stands.</param>
/// <param name="RequestedBy">Who asked for it: a person, or a timer.</param>
/// <param name="RequestedAt">When.</param>
/// <param name="FinishedAt">When the last pack was tested.</param>
/// <param name="Checkpoint">The signed checkpoint, made just before, whose root ordered the packs.</param>
/// <param name="Population">How many packs there were to choose from.</param>
/// <param name="Sample">How many were chosen.</param>
/// <param name="Passed">How many came back.</param>
/// <param name="Failed">How many did not.</param>
/// <param name="Instances">Instances that came back.</param>
/// <param name="Bytes">Their bytes.</param>
/// <param name="Packs">The sample; left out of listings.</param>
public sealed record RestoreTestResponse(
    string Id,
    ClinicId Clinic,
    RestoreTestStatus Status,
    string RequestedBy,
    DateTimeOffset RequestedAt,
    DateTimeOffset? FinishedAt,
    string Checkpoint,
    int Population,
    int Sample,
    int Passed,
    int Failed,
    int Instances,
    long Bytes,
    IReadOnlyList<RestoreTestPackResponse>? Packs = null);
