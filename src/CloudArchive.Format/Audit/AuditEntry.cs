namespace CloudArchive.Format.Audit;

/// <summary>
/// One event of a log, never PHI. Its canonical JSON (RFC 8785) is a leaf of the log's RFC 6962 Merkle tree.
/// </summary>
/// <param name="Format"><see cref="CurrentFormat"/>.</param>
/// <param name="Log">The clinic's id, or <see cref="SystemLog"/>.</param>
/// <param name="Index">Place in the log, from 0, without gaps.</param>
/// <param name="Time">When it was appended, UTC.</param>
/// <param name="Action">What was done or asked for: one of the names in docs/audit.md.</param>
/// <param name="Outcome">How it ended.</param>
/// <param name="Actor">Who did it.</param>
/// <param name="Subject">On what.</param>
/// <param name="Origin">From where.</param>
/// <param name="Reason">Why: the reason that the caller gave, or the problem type of a refusal.</param>
/// <param name="Details">Numbers and ids that the action's entry in docs/audit.md names; values are strings.</param>
public sealed record AuditEntry(
    string Format,
    string Log,
    long Index,
    DateTimeOffset Time,
    string Action,
    AuditOutcome Outcome,
    AuditActor Actor,
    AuditSubject Subject,
    AuditOrigin Origin,
    string? Reason = null,
    IReadOnlyDictionary<string, string>? Details = null)
{
    /// <summary>Version 1.</summary>
    public const string CurrentFormat = "cloudarchive/audit-entry/1";

    /// <summary>The log of what belongs to no clinic. The '$' keeps it out of the clinics' names.</summary>
    public const string SystemLog = "$system";
}

/// <summary>How an action ended.</summary>
public enum AuditOutcome
{
    /// <summary>Done.</summary>
    Success,

    /// <summary>Refused: no right to it, or against a rule.</summary>
    Refused,

    /// <summary>Tried and failed.</summary>
    Failure,
}

/// <summary>Who acted.</summary>
/// <param name="Id">The agent's id, the person's object id, or the name of a timer.</param>
/// <param name="Role"><c>agent</c>, <c>admin</c>, <c>compliance</c>, <c>system</c> or <c>anonymous</c>.</param>
public sealed record AuditActor(string Id, string Role);

/// <summary>What was acted on. Members that do not apply are null.</summary>
/// <param name="Clinic">The clinic.</param>
/// <param name="Study">The Study Instance UID.</param>
/// <param name="Pack">The pack.</param>
/// <param name="Other">Another id: a restore's, an agent's, a run's.</param>
public sealed record AuditSubject(string? Clinic = null, string? Study = null, string? Pack = null, string? Other = null);

/// <summary>From where.</summary>
/// <param name="Address">The caller's IP address, where there is one.</param>
/// <param name="CorrelationId">The request's or run's id, which the logs carry too.</param>
public sealed record AuditOrigin(string? Address, string CorrelationId);
