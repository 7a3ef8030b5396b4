namespace CloudArchive.Format.Wire;

/// <summary>
/// An entry of <c>GET .../audit/entries?from=&amp;to=&amp;action=&amp;actor=&amp;after=&amp;take=</c>, as it lies in storage. The text is the leaf: hash it as
/// it is, before parsing.
/// </summary>
/// <param name="Index">Its row's place.</param>
/// <param name="Entry">Canonical JSON of an <see cref="Audit.AuditEntry"/>, if nobody changed it.</param>
public sealed record AuditEntryResponse(long Index, string Entry);

/// <summary><c>GET .../audit/checkpoints?after=&amp;take=</c>, a page of these, the oldest first; and <c>GET .../audit/checkpoints/latest</c>.</summary>
/// <param name="Checkpoint">A compact JWS whose payload is an <see cref="Audit.Checkpoint"/>. The caller must verify it.</param>
public sealed record CheckpointResponse(string Checkpoint);
