namespace CloudArchive.LocalHost.Lifecycle;

/// <summary>Tiers, the warmest first. The names are those of the Blob service.</summary>
internal enum BlobTier
{
    Hot,
    Cool,
    Cold,
    Archive,
}

/// <summary>A blob, as far as a rule looks at it.</summary>
/// <param name="Path"><c>container/name</c>.</param>
/// <param name="Tier">Where it is.</param>
/// <param name="CreatedAt">When it was made.</param>
/// <param name="ModifiedAt">When it was last written.</param>
/// <param name="TierChangedAt">When it was last moved; null if never.</param>
/// <param name="Tags">Its index tags; null: none.</param>
internal sealed record LifecycleBlob(string Path, BlobTier Tier, DateTimeOffset CreatedAt, DateTimeOffset ModifiedAt, DateTimeOffset? TierChangedAt, IReadOnlyDictionary<string, string>? Tags = null);

/// <summary>What is to become of a blob, by which rule. Null for where to: the rule would delete it, and nothing is deleted.</summary>
internal sealed record LifecycleStep(string Path, BlobTier? To, string Rule);

/// <summary>What a policy does to blobs now.</summary>
internal static class LifecyclePlan
{
    /// <summary>
    /// The steps. Of several that hold for a blob the coldest wins, as on Azure; nothing is ever made warmer (lifecycle does not rehydrate), and nothing deleted:
    /// deletion is ignored in containers with version-level immutability, and the archive has no others.
    /// </summary>
    public static IEnumerable<LifecycleStep> For(LifecycleRules rules, IEnumerable<LifecycleBlob> blobs, DateTimeOffset now)
    {
        foreach (LifecycleBlob blob in blobs)
        {
            LifecycleStep[] due =
            [
                .. rules.Rules
                    .Where(rule => rule.Enabled && rule.Definition.Filters.Match(blob))
                    .SelectMany(rule => Moves(rule.Definition.Actions.BaseBlob).Where(move => move.When.Holds(blob, now)).Select(move => new LifecycleStep(blob.Path, move.To, rule.Name))),
            ];
            if (due.FirstOrDefault(step => step.To is null) is { } deletion)
            {
                yield return deletion;
            }

            if (due.Where(step => step.To > blob.Tier).MaxBy(step => step.To) is { } coldest)
            {
                yield return coldest;
            }
        }
    }

    private static IEnumerable<(BlobTier? To, LifecycleCondition When)> Moves(LifecycleMoves? moves)
    {
        (BlobTier? To, LifecycleCondition? When)[] all =
            [(BlobTier.Cool, moves?.TierToCool), (BlobTier.Cold, moves?.TierToCold), (BlobTier.Archive, moves?.TierToArchive), (null, moves?.Delete)];
        return all.Where(move => move.When is not null).Select(move => (move.To, move.When!));
    }
}
