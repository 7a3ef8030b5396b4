using CloudArchive.Format.Audit;
using CloudArchive.Format.Packs;

namespace CloudArchive.Format.Wire;

/// <summary>Why a receipt no longer counts.</summary>
public enum PackLossCause
{
    /// <summary>Its blob is not in storage.</summary>
    Missing,

    /// <summary>Its blob is there and is not what was committed, or does not open.</summary>
    Damaged,

    /// <summary>It was destroyed after its retention: nothing is to be uploaded again.</summary>
    Destroyed,
}

/// <summary>
/// <c>GET /v1/clinics/{clinic}/changes?after=&amp;take=</c>: what the clinic's audit log says of its packs, in the log's order, so that an agent learns at
/// each run only what is new since its last.
/// </summary>
/// <param name="Items">What changed.</param>
/// <param name="Next">Pass it as <c>after</c>, now where there is more, else at the next run: everything up to it is known.</param>
/// <param name="More">Whether there is more now.</param>
public sealed record ChangesResponse(IReadOnlyList<ArchiveChange> Items, long Next, bool More);

/// <summary>What became of a pack. One of <paramref name="Archived"/> and <paramref name="Lost"/> is set.</summary>
/// <param name="Index">Of the audit entry that states the change. A destroyed study's packs share one.</param>
/// <param name="Pack">Which pack.</param>
/// <param name="Archived">It was committed, or was lost and is found whole again.</param>
/// <param name="Lost">Its receipt no longer counts.</param>
public sealed record ArchiveChange(long Index, PackId Pack, ArchivedPack? Archived = null, PackLoss? Lost = null);

/// <summary>A committed pack, with what proves it.</summary>
/// <param name="Receipt">The compact JWS.</param>
/// <param name="Instances">What is in it, in the sidecar's order; believed where the receipt's root says the same.</param>
public sealed record ArchivedPack(string Receipt, IReadOnlyList<SidecarInstance> Instances);

/// <summary>A pack whose receipt no longer counts.</summary>
/// <param name="Cause">Why.</param>
/// <param name="Since">When that was found.</param>
/// <param name="Study">Of which study it was, where the archive still knows.</param>
public sealed record PackLoss(PackLossCause Cause, DateTimeOffset Since, Uid? Study = null);

/// <summary>
/// <c>GET /v1/clinics/{clinic}/audit/commits?size=&amp;index=</c>, by an agent, with up to 100 indexes: one for each, in their order, with which an agent
/// checks that the entry that its receipt names is the entry of that pack.
/// </summary>
/// <param name="Index">Of the entry.</param>
/// <param name="Entry">Its canonical JSON, where it is the entry of a commit; null of any other, which is not an agent's to read.</param>
/// <param name="Proof">That it is among the first <c>size</c> entries.</param>
public sealed record CommitEntryResponse(long Index, string? Entry, InclusionProof Proof);
