using CloudArchive.Format.Audit;

namespace CloudArchive.Core.Audit;

/// <summary>An event before it has its place in a log.</summary>
/// <param name="Log">The clinic's id, or <see cref="AuditEntry.SystemLog"/>.</param>
/// <param name="Action">One of the names in docs/audit.md.</param>
/// <param name="Outcome">How it ended.</param>
/// <param name="Actor">Who did it.</param>
/// <param name="Subject">On what.</param>
/// <param name="Origin">From where.</param>
/// <param name="Reason">Why, or the problem type of a refusal. Never PHI.</param>
/// <param name="Details">Values are strings. Never PHI.</param>
/// <param name="Once">
/// Where given, an append with the same log and value writes nothing and returns the place of the first: a state change that is
/// repeated after a crash has one entry.
/// </param>
public sealed record AuditEvent(
    string Log,
    string Action,
    AuditOutcome Outcome,
    AuditActor Actor,
    AuditSubject Subject,
    AuditOrigin Origin,
    string? Reason = null,
    IReadOnlyDictionary<string, string>? Details = null,
    string? Once = null);

/// <summary>Where an entry stands.</summary>
public readonly record struct AuditPlace(string Log, long Index);

/// <summary>The audit log: append only.</summary>
public interface IAuditLog
{
    /// <summary>Appends; durable, and under the head, on return. Never leaves a gap or a fork, whoever else appends.</summary>
    Task<AuditPlace> AppendAsync(AuditEvent entry, CancellationToken cancellationToken);
}
