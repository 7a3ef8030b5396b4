using CloudArchive.Format.Packs;

namespace CloudArchive.Format.Wire;

/// <summary>
/// A snapshot in the catalogue: <c>GET /v1/clinics/{clinic}/snapshots?set=&amp;after=&amp;take=</c> answers a page of these, by computer, the latest first.
/// </summary>
/// <param name="Pack">The snapshot's last pack, by which it is restored.</param>
/// <param name="Set">The computer's pseudonym: <see cref="Sets.SnapshotsOf"/>.</param>
/// <param name="TakenAt">When the backup was complete, UTC.</param>
/// <param name="Roots">How many folders.</param>
/// <param name="Files">How many files stood there.</param>
/// <param name="Bytes">Their bytes.</param>
/// <param name="IsComplete">Whether it can be restored; false: the list goes on in the next.</param>
/// <param name="Chain">How many packs it goes on from.</param>
/// <param name="IsLost">Whether its pack, or one of those that it goes on from, does not count any more: it cannot be read.</param>
public sealed record SnapshotResponse(PackId Pack, Uid Set, DateTimeOffset TakenAt, int Roots, long Files, long Bytes, bool IsComplete, int Chain, bool IsLost = false);
