namespace CloudArchive.Format.Wire;

/// <summary>
/// An entry of <c>GET .../audit/entries?from=&amp;to=&amp;action=&amp;after=&amp;take=</c> and of <c>POST .../audit/entries/search</c>, as it lies in storage. The text is the leaf: hash it as
/// it is, before parsing.
/// </summary>
/// <param name="Index">Its row's place.</param>
/// <param name="Entry">Canonical JSON of an <see cref="Audit.AuditEntry"/>, if nobody changed it.</param>
public sealed record AuditEntryResponse(long Index, string Entry);

/// <summary><c>POST .../audit/entries/search</c>: answers a page of <see cref="AuditEntryResponse"/>. Who acted travels in the body, never in a URL.</summary>
/// <param name="From">Not before, such as <c>2026-07-01T08:00:00Z</c>.</param>
/// <param name="To">Before.</param>
/// <param name="Action">The action; or its beginning, where it ends in '/'.</param>
/// <param name="Actor">The actor's id.</param>
/// <param name="After">The last page's <c>next</c>.</param>
/// <param name="Take">At most this many, 1 to 1000.</param>
public sealed record AuditSearchRequest(string? From = null, string? To = null, string? Action = null, string? Actor = null, string? After = null, int? Take = null);

/// <summary><c>GET .../audit/checkpoints?after=&amp;take=</c>, a page of these, the oldest first; and <c>GET .../audit/checkpoints/latest</c>.</summary>
/// <param name="Checkpoint">A compact JWS whose payload is an <see cref="Audit.Checkpoint"/>. The caller must verify it.</param>
public sealed record CheckpointResponse(string Checkpoint);
