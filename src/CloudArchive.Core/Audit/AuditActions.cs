using CloudArchive.Format.Audit;
using CloudArchive.Format.Evidence;

namespace CloudArchive.Core.Audit;

/// <summary>
/// Every name that <see cref="AuditEvent.Action"/> may have: <c>{what}/{detail}</c>, where {what} is the event's name in DICOM PS3.15 A.5.3
/// wherever that has one. docs/audit.md says of each who logs it and with which details; a test holds the two together.
/// A refused or failed attempt has the action's own name and another <see cref="AuditEvent.Outcome"/>.
/// </summary>
public static class AuditActions
{
    // Audit Log Used (PS3.15 A.5.3.2)
    public const string AuditRead = "audit-log-used/entries-read";

    // Begin Transferring DICOM Instances (A.5.3.3)
    public const string PackOpened = "begin-transferring/pack-opened";
    public const string UploadUrlGranted = "begin-transferring/upload-url-granted";

    // Data Export (A.5.3.4)
    public const string RestoreRequested = "data-export/restore-requested";
    public const string RestoreApproved = "data-export/restore-approved";
    public const string RestoreDeclined = "data-export/restore-declined";
    public const string RestoreResultRead = "data-export/restore-result-read";
    public const string RestoreProgressed = "data-export/restore-progressed";
    public const string RestoreReported = "data-export/restore-reported";
    public const string RestoreExpired = "data-export/restore-expired";

    // Data Import (A.5.3.5)
    public const string PackCommitted = CommitEntry.Action;
    public const string PackAbandoned = "data-import/pack-abandoned";
    public const string PackReentered = CommitEntry.ReenteredAction;

    /// <summary>Whether an entry may be one by which a pack came in, by its text alone: the commit's, or that of a pack which was entered again because the log had lost its commit.</summary>
    public static bool BringsPack(string json) => json.Contains(PackCommitted, StringComparison.Ordinal) || json.Contains(PackReentered, StringComparison.Ordinal);

    // DICOM Instances Accessed (A.5.3.6)
    public const string RestoreTestStarted = RunCommitment.Action;
    public const string RestoreTestFinished = "instances-accessed/restore-test-finished";
    public const string CanaryMade = "instances-accessed/canary-made";
    public const string RehydrationRequested = "instances-accessed/rehydration-requested";

    // Query (A.5.3.10)
    public const string StudiesQueried = "query/studies-queried";
    public const string DisclosuresQueried = "query/disclosures-queried";
    public const string ReportRead = "query/report-read";
    public const string BinderRead = "query/binder-read";
    public const string RecordRead = "query/record-read";

    // Security Alert (A.5.3.11)
    public const string RequestRefused = "security-alert/request-refused";
    public const string IntegrityFailed = "security-alert/integrity-failed";
    public const string LogDamaged = "security-alert/log-damaged";
    public const string PackLost = "security-alert/pack-lost";
    public const string PackReinstated = "security-alert/pack-reinstated";
    public const string AlertRaised = "security-alert/alert-raised";
    public const string AlertDelivered = "security-alert/alert-delivered";
    public const string AlertUndelivered = "security-alert/alert-undelivered";
    public const string AlertReopened = "security-alert/alert-reopened";
    public const string AlertClosed = "security-alert/alert-closed";
    public const string AlertAcknowledged = "security-alert/alert-acknowledged";
    public const string AlertRetried = "security-alert/alert-retried";

    // User Authentication (A.5.3.12)
    public const string TokenIssued = "user-authentication/token-issued";
    public const string PortalSignedIn = "user-authentication/portal-signed-in";
    public const string PortalSignedOut = "user-authentication/portal-signed-out";

    // What PS3.15 has no name for
    public const string SubjectBlocked = "access/subject-blocked";
    public const string SubjectUnblocked = "access/subject-unblocked";
    public const string AccessReviewed = "access/reviewed";
    public const string ClinicCreated = "clinic/created";
    public const string ClinicSettingsChanged = "clinic/settings-changed";
    public const string EnrollmentCodeIssued = "clinic/enrollment-code-issued";
    public const string AgentEnrolled = "clinic/agent-enrolled";
    public const string AgentRevoked = "clinic/agent-revoked";
    public const string RestoreTestBudgetChanged = "clinic/restore-test-budget-changed";
    public const string ClinicContactChanged = "clinic/contact-changed";
    public const string LetterDelivered = "clinic/letter-delivered";
    public const string LetterUndelivered = "clinic/letter-undelivered";
    public const string VerdictChanged = "clinic/verdict-changed";
    public const string ObjectivesMeasured = "clinic/objectives-measured";
    public const string AgentKeyRenewed = "clinic/agent-key-renewed";
    public const string CatalogRebuilt = "catalog/rebuilt";
    public const string RetentionPolicyChanged = "retention/policy-changed";
    public const string RetentionExtended = "retention/extended";
    public const string HoldSet = "retention/hold-set";
    public const string HoldCleared = "retention/hold-cleared";
    public const string HoldClearRequested = "retention/hold-clear-requested";
    public const string DestructionRequested = "retention/destruction-requested";
    public const string DestructionApproved = "retention/destruction-approved";
    public const string DestructionRejected = "retention/destruction-rejected";
    public const string StudyDestroyed = "retention/study-destroyed";
    public const string ContentKeyRewrapped = "key/content-key-rewrapped";
    public const string IdentifierSecretRewrapped = "key/identifier-secret-rewrapped";
}
