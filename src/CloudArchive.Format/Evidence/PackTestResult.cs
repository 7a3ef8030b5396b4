using System.Diagnostics;

namespace CloudArchive.Format.Evidence;

/// <summary>What became of one sampled pack.</summary>
/// <param name="Pack">The pack.</param>
/// <param name="Outcome">How it ended.</param>
/// <param name="StartedAt">UTC.</param>
/// <param name="Bytes">Bytes of ciphertext that were read.</param>
/// <param name="Files">Files that came back with the bytes that were captured.</param>
/// <param name="FileBytes">Their bytes.</param>
/// <param name="Steps">What was done, in order. Of a pack that failed, the last is where.</param>
/// <param name="Cause">Why it failed; only of a pack that did.</param>
/// <param name="Detail">The cause, closer; never PHI.</param>
/// <param name="DamagedAtCapture">Files that came back byte for byte and were no whole DICOM data sets when they were archived: a remark, and no failure. Null for none.</param>
public sealed record PackTestResult(
    PackId Pack,
    PackTestOutcome Outcome,
    DateTimeOffset StartedAt,
    long Bytes,
    int Files,
    long FileBytes,
    IReadOnlyList<PackTestStep> Steps,
    PackFailure? Cause = null,
    string? Detail = null,
    int? DamagedAtCapture = null)
{
    /// <summary>Whether it was tested to an end, good or bad.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public bool IsTested => Outcome is PackTestOutcome.Recovered or PackTestOutcome.Failed;
}

/// <summary>How the test of a pack ended.</summary>
public enum PackTestOutcome
{
    /// <summary>Every file came back, byte for byte as captured, and everything else was as it should be.</summary>
    Recovered,

    /// <summary>It did not, or was not.</summary>
    Failed,

    /// <summary>It lies in the archive tier, and bringing it back was beyond the budget.</summary>
    NotTestedArchived,

    /// <summary>Its retention ended and its study was destroyed after the sample was drawn; the audit log and a certificate say so.</summary>
    NotTestedDestroyed,
}

/// <summary>A step that was taken, and how long it took. Steps that share one pass over the bytes share its time as it was spent.</summary>
public sealed record PackTestStep(PackTestStepName Step, long Milliseconds);

/// <summary>The steps, in their order.</summary>
public enum PackTestStepName
{
    /// <summary>Ask storage for the version that the receipt names; wait for it where it was in the archive tier.</summary>
    Find,

    /// <summary>Its policy is locked, reaches as far as it must, and legal holds are as they should be.</summary>
    Immutability,

    /// <summary>Read it all: length and SHA-256 of the ciphertext.</summary>
    Fetch,

    /// <summary>Catalogue, sidecar and receipt say the same.</summary>
    Catalogue,

    /// <summary>Unwrap the content key.</summary>
    Unwrap,

    /// <summary>Decrypt, open the ZIP, check the manifest.</summary>
    Open,

    /// <summary>Unpack every file and compare it with the SHA-256 that was taken when it was captured.</summary>
    Extract,

    /// <summary>Parse every file's whole data set and compare its UIDs with the catalogue's.</summary>
    Parse,
}

/// <summary>Why a pack did not come back.</summary>
public enum PackFailure
{
    /// <summary>The blob, the version or its sidecar is not in storage.</summary>
    Missing,

    /// <summary>The version's policy is gone, unlocked or too short, or a legal hold is not as it should be.</summary>
    ImmutabilityLost,

    /// <summary>Length or SHA-256 of the ciphertext differ from what was receipted.</summary>
    HashMismatch,

    /// <summary>The key that wrapped the content key is gone, disabled or forbidden.</summary>
    KeyUnavailable,

    /// <summary>The content key does not open, or a region does not authenticate.</summary>
    DecryptFailed,

    /// <summary>The ZIP or its manifest is broken.</summary>
    ZipInvalid,

    /// <summary>A file is not a whole DICOM data set.</summary>
    DicomInvalid,

    /// <summary>The catalogue, the sidecar or the receipt says other than what is in the pack.</summary>
    CatalogueMismatch,

    /// <summary>It took longer than a pack may.</summary>
    TimedOut,
}

/// <summary>A pack that was damaged on purpose, and what the test said of it.</summary>
/// <param name="Canary">Its name: what was done to it.</param>
/// <param name="Outcome">What the test said.</param>
/// <param name="Expected">What the test must say; null: that it is sound. One canary is, so that a test which fails everything is found out too.</param>
/// <param name="Cause">Why, where it failed.</param>
/// <param name="Detail">The cause, closer.</param>
public sealed record CanaryResult(string Canary, PackTestOutcome Outcome, PackFailure? Expected = null, PackFailure? Cause = null, string? Detail = null)
{
    /// <summary>Whether the test said what it must.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public bool AsExpected => Expected is null
        ? Outcome == PackTestOutcome.Recovered && Cause is null
        : Outcome == PackTestOutcome.Failed && Cause == Expected;
}

/// <summary>The causes in plain words, the same in report, command line and portal.</summary>
public static class PackFailures
{
    /// <summary>A sentence for people who know nothing of packs.</summary>
    public static string InPlainWords(this PackFailure cause) => cause switch
    {
        PackFailure.Missing => "It is not in storage any more, or a file that belongs to it is not.",
        PackFailure.ImmutabilityLost => "It is there, but storage no longer protects it from being changed or deleted as it must.",
        PackFailure.HashMismatch => "Its bytes are not the bytes that were archived.",
        PackFailure.KeyUnavailable => "The clinic's key that opens it cannot be used. The clinic's escrow key still opens it.",
        PackFailure.DecryptFailed => "Its key is there, but does not open it: the seal or the wrapped key is broken.",
        PackFailure.ZipInvalid => "It opens, but the list or the container of its files is broken.",
        PackFailure.DicomInvalid => "Its files come back as they were archived, but at least one is not a readable DICOM image.",
        PackFailure.CatalogueMismatch => "What the archive's records say about it differs from what is in it.",
        PackFailure.TimedOut => "It could not be brought back within the time that one pack may take.",
        _ => throw new UnreachableException(),
    };

    /// <summary>What whoever is on call does first.</summary>
    public static string FirstStep(this PackFailure cause) => cause switch
    {
        PackFailure.Missing => "Look in the audit log and the storage account's logs for a deletion; restore the version with soft delete, or have the clinic's agent upload again.",
        PackFailure.ImmutabilityLost => "Run the reconciler: it sets and locks the policy again. Find out from the activity log who took it off.",
        PackFailure.HashMismatch => "Leave the blob as it is. Have the clinic's agent upload the study again, and report the corruption to the storage provider.",
        PackFailure.KeyUnavailable => "Check in Key Vault that the key version named in the detail is enabled and that the recovery identity may unwrap; recover it if it was deleted.",
        PackFailure.DecryptFailed => "Compare the blob's metadata with the sidecar. Open the pack with the escrow key; have the agent upload again where that fails too.",
        PackFailure.ZipInvalid => "Note the agent's version from the audit log, keep the pack, and have the agent upload the study again.",
        PackFailure.DicomInvalid => "The file was archived as it was found. Ask the clinic whether the original opens, and with what.",
        PackFailure.CatalogueMismatch => "Run `cloudarchive catalog rebuild` for the clinic, then test the pack again.",
        PackFailure.TimedOut => "Look at the throughput in this report and at the health of the storage account, then test the pack again.",
        _ => throw new UnreachableException(),
    };
}
