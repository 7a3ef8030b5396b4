using CloudArchive.Format.Audit;

namespace CloudArchive.Format.Evidence;

/// <summary>
/// The audit entry of a run's start, and the proof that it is in the log under the run's checkpoint. The entry holds
/// <see cref="Digest"/> of budget and population, and the checkpoint's root depends on the entry: whoever fixed the population did
/// not know the root that would draw from it, and every start leaves an entry, so nobody draws until the sample is to their liking.
/// </summary>
/// <param name="Entry">The entry, as it is a leaf of the log.</param>
/// <param name="Proof">Its inclusion proof in the tree of the checkpoint's size.</param>
public sealed record RunCommitment(AuditEntry Entry, InclusionProof Proof)
{
    /// <summary>The entry's <see cref="AuditEntry.Action"/>.</summary>
    public const string Action = "instances-accessed/restore-test-started";

    /// <summary>The name under which the entry's details hold <see cref="Digest"/>.</summary>
    public const string DetailName = "draw";

    /// <summary>SHA-256 of the canonical JSON of <c>{"budget": ..., "population": [...]}</c>, both as in the evidence.</summary>
    public static Sha256Digest Digest(TestBudget budget, IReadOnlyList<PopulationPack> population) =>
        Sha256Digest.Of(CanonicalJson.Serialize(new { Budget = budget, Population = population }));
}
