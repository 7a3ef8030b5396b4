namespace CloudArchive.Core;

/// <summary>Why the archive does not do what it was asked. Each has one HTTP status and one problem type (docs/api.md).</summary>
public enum Refusal
{
    /// <summary>A value breaks a rule of its message.</summary>
    RequestInvalid,

    /// <summary>There is no such clinic.</summary>
    ClinicUnknown,

    /// <summary>There is one of that name, with other settings.</summary>
    ClinicExists,

    /// <summary>Retention is only ever extended.</summary>
    RetentionLowered,

    /// <summary>Unknown, used or expired: the same answer for all three.</summary>
    CodeInvalid,

    /// <summary>A clinic's first agent must bring the escrow key.</summary>
    EscrowKeyMissing,

    /// <summary>A key is of the wrong kind, too small or malformed.</summary>
    KeyInvalid,

    /// <summary>There is no such agent.</summary>
    AgentUnknown,

    /// <summary>A new agent key is not proven by the old one and itself, or was made too long ago.</summary>
    KeyProofInvalid,

    /// <summary>Nobody ends their own access.</summary>
    AccessOfSelf,

    /// <summary>The list that was attested is not the list that there is.</summary>
    AccessListChanged,

    /// <summary>There is no such access review.</summary>
    AccessReviewUnknown,

    /// <summary>There is no such pack.</summary>
    PackUnknown,

    /// <summary>Another agent opened it.</summary>
    PackOfAnotherAgent,

    /// <summary>The pack can no longer be uploaded.</summary>
    PackNotOpen,

    /// <summary>There is no blob to commit.</summary>
    PackNotUploaded,

    /// <summary>What lies in storage is not what the sidecar says; the blob was removed.</summary>
    PackMismatch,

    /// <summary>The sidecar breaks a rule.</summary>
    SidecarInvalid,

    /// <summary>The pack is being or was committed with another sidecar.</summary>
    CommitDiffers,

    /// <summary>The clinic archived as much today as it may in a day.</summary>
    QuotaUsedUp,

    /// <summary>There is no such study.</summary>
    StudyUnknown,

    /// <summary>There is no such restore.</summary>
    RestoreUnknown,

    /// <summary>Nothing in the archive fits the request.</summary>
    NothingToRestore,

    /// <summary>Packs that the archive took are not in its catalogue, and may be among what is asked for.</summary>
    CatalogueIncomplete,

    /// <summary>A second admin has to approve first.</summary>
    ApprovalMissing,

    /// <summary>What is asked for lies in the archive tier and is on its way back.</summary>
    PacksArchived,

    /// <summary>Nobody approves their own request.</summary>
    ApprovalByRequester,

    /// <summary>It is approved, or needs no approval.</summary>
    ApprovalNotNeeded,

    /// <summary>Only who asked for a restore gets its result.</summary>
    RestoreOfAnother,

    /// <summary>The restore is over: expired or reported.</summary>
    RestoreOver,

    /// <summary>There is no such run.</summary>
    RestoreTestUnknown,

    /// <summary>There is no such evidence, or no such file of it.</summary>
    EvidenceUnknown,

    /// <summary>There is no report of that period: it has not begun, or was over before the clinic was there.</summary>
    ReportUnknown,

    /// <summary>There is no such alert.</summary>
    AlertUnknown,

    /// <summary>The alert was delivered.</summary>
    AlertDelivered,

    /// <summary>The log has no checkpoint yet.</summary>
    CheckpointUnknown,

    /// <summary>A lock, a hold or a receipt keeps the blob.</summary>
    Protected,

    /// <summary>There is no such hold.</summary>
    HoldUnknown,

    /// <summary>The hold is cleared, or nobody asked for that.</summary>
    HoldNotPending,

    /// <summary>There is no such destruction.</summary>
    DestructionUnknown,

    /// <summary>The destruction was decided on already, or is over.</summary>
    DestructionOver,

    /// <summary>The study must be kept: the plan says why.</summary>
    NotDue,

    /// <summary>This host has no right to unwrap keys.</summary>
    RecoveryOnly,
}

/// <summary>The archive refuses a request. The message says what to do next and holds no PHI.</summary>
/// <param name="refusal">Why.</param>
/// <param name="detail">For the caller.</param>
/// <param name="audited">Whether the refusal has its audit entry already; where not, the host writes it.</param>
public sealed class RefusedException(Refusal refusal, string detail, bool audited = false) : Exception(detail)
{
    /// <summary>Why.</summary>
    public Refusal Refusal { get; } = refusal;

    /// <summary>Whether the refusal has its audit entry already.</summary>
    public bool Audited { get; } = audited;

    /// <summary>After how long the same request may be granted, where that is known.</summary>
    public TimeSpan? RetryAfter { get; init; }
}

/// <summary>What the archive keeps is not as it was left: tampering, or a fault of storage. Never the caller's fault, never ignored.</summary>
public sealed class IntegrityException(string message, Exception? inner = null) : Exception(message, inner);
