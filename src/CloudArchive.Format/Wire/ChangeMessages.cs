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
/// <c>GET /v1/clinics/{clinic}/changes?after=&amp;take=</c>: a page of these, in the order of <paramref name="Index"/>, so that an agent learns at each run
/// only what is new since its last: what other computers archived, and which receipts no longer count. One of the two is set.
/// </summary>
/// <param name="Index">Of the audit entry that states the change: pass the last one as <c>after</c>.</param>
/// <param name="Pack">Which pack.</param>
/// <param name="Archived">It was committed.</param>
/// <param name="Lost">Its receipt no longer counts.</param>
public sealed record ArchiveChange(long Index, PackId Pack, ArchivedPack? Archived = null, PackLoss? Lost = null);

/// <summary>A committed pack, with what proves it.</summary>
/// <param name="Receipt">The compact JWS.</param>
/// <param name="Instances">What is in it; believed where the receipt's root says the same.</param>
public sealed record ArchivedPack(string Receipt, IReadOnlyList<SidecarInstance> Instances);

/// <summary>A pack whose receipt no longer counts.</summary>
/// <param name="Cause">Why.</param>
/// <param name="Since">When that was found.</param>
public sealed record PackLoss(PackLossCause Cause, DateTimeOffset Since);
