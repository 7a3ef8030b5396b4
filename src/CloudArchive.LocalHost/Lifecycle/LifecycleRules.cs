using System.Text.Json;
using System.Text.Json.Serialization;

namespace CloudArchive.LocalHost.Lifecycle;

/// <summary>
/// A lifecycle policy, in the schema of Microsoft.Storage/storageAccounts/managementPolicies. What of the schema is not here is not ignored but refused: a
/// rule that does something else on Azure than on this machine is worse than one that does not load.
/// </summary>
/// <param name="Rules">1 to 100.</param>
internal sealed record LifecycleRules(IReadOnlyList<LifecycleRule> Rules)
{
    private const int MostRules = 100;
    private const int MostPrefixes = 10;
    private const int MostTags = 10;

    private static readonly JsonSerializerOptions s_options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        AllowDuplicateProperties = false,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
    };

    /// <summary>The rules that are deployed: infra/lifecycle.json, built into the program.</summary>
    public static LifecycleRules Deployed()
    {
        using Stream file = typeof(LifecycleRules).Assembly.GetManifestResourceStream("lifecycle.json")!;
        using StreamReader reader = new(file);
        return Parse(reader.ReadToEnd());
    }

    /// <summary>Reads a policy; <see cref="LocalHostException"/> names what is not understood.</summary>
    public static LifecycleRules Parse(string json)
    {
        LifecycleRules rules;
        try
        {
            rules = JsonSerializer.Deserialize<LifecycleRules>(json, s_options) ?? throw new LocalHostException("The lifecycle policy is null.");
        }
        catch (JsonException e)
        {
            throw new LocalHostException($"The lifecycle policy has what this machine does not do: {e.Message}", e);
        }

        return Violation(rules) is { } violation ? throw new LocalHostException($"The lifecycle policy is not valid: {violation}.") : rules;
    }

    private static string? Violation(LifecycleRules policy) =>
        policy.Rules.Count is 0 or > MostRules ? $"it has 1 to {MostRules} rules"
        : policy.Rules.DistinctBy(rule => rule.Name, StringComparer.OrdinalIgnoreCase).Count() != policy.Rules.Count ? "two rules have one name"
        : policy.Rules.Select(Violation).FirstOrDefault(violation => violation is not null);

    private static string? Violation(LifecycleRule rule) =>
        rule.Type != "Lifecycle" ? $"rule {rule.Name}: type is Lifecycle"
        : rule.Definition.Filters.BlobTypes is not ["blockBlob"] ? $"rule {rule.Name}: blobTypes is blockBlob, which is all that the archive writes"
        : rule.Definition.Filters.PrefixMatch is { Count: 0 or > MostPrefixes } ? $"rule {rule.Name}: 1 to {MostPrefixes} prefixes, or none named"
        : rule.Definition.Filters.BlobIndexMatch is { Count: 0 or > MostTags } ? $"rule {rule.Name}: 1 to {MostTags} tags, or none named"
        : rule.Definition.Filters.BlobIndexMatch?.Any(tag => tag.Op != "==") == true ? $"rule {rule.Name}: the only op of a tag is =="
        : rule.Definition.Actions is { BaseBlob: null, Version: null } ? $"rule {rule.Name}: it does nothing"
        : rule.Definition.Actions.All().Select(action => Violation(rule.Name, action)).FirstOrDefault(violation => violation is not null);

    private static string? Violation(string rule, LifecycleCondition condition) =>
        condition is { DaysAfterModificationGreaterThan: null, DaysAfterCreationGreaterThan: null } ? $"rule {rule}: an action waits for days after modification or creation"
        : condition is { DaysAfterModificationGreaterThan: not null, DaysAfterCreationGreaterThan: not null } ? $"rule {rule}: an action waits for one of modification and creation"
        : new[] { condition.DaysAfterModificationGreaterThan, condition.DaysAfterCreationGreaterThan, condition.DaysAfterLastTierChangeGreaterThan }.Any(days => days is < 0) ? $"rule {rule}: days are not negative"
        : null;
}

/// <summary>A rule.</summary>
internal sealed record LifecycleRule(string Name, string Type, LifecycleDefinition Definition, bool Enabled = true);

/// <summary>Which blobs, and what becomes of them.</summary>
internal sealed record LifecycleDefinition(LifecycleFilters Filters, LifecycleActions Actions);

/// <summary>Which blobs.</summary>
/// <param name="BlobTypes">Kinds of blobs.</param>
/// <param name="PrefixMatch">Beginnings of <c>container/name</c>; null for all.</param>
/// <param name="BlobIndexMatch">Index tags, all of which a blob must have; null for any.</param>
internal sealed record LifecycleFilters(IReadOnlyList<string> BlobTypes, IReadOnlyList<string>? PrefixMatch = null, IReadOnlyList<LifecycleTag>? BlobIndexMatch = null)
{
    /// <summary>Whether a blob is among them.</summary>
    public bool Match(LifecycleBlob blob) =>
        (PrefixMatch is null || PrefixMatch.Any(prefix => blob.Path.StartsWith(prefix, StringComparison.Ordinal)))
        && (BlobIndexMatch is null || BlobIndexMatch.All(tag => blob.Tags?.GetValueOrDefault(tag.Name) == tag.Value));
}

/// <summary>An index tag and its value.</summary>
internal sealed record LifecycleTag(string Name, string Op, string Value);

/// <summary>What becomes of current versions, and of previous ones, of which this machine keeps none (docs/localhost.md).</summary>
internal sealed record LifecycleActions(LifecycleMoves? BaseBlob = null, LifecycleMoves? Version = null)
{
    /// <summary>Every condition there is.</summary>
    public IEnumerable<LifecycleCondition> All() =>
        new[] { BaseBlob, Version }.OfType<LifecycleMoves>().SelectMany(moves => new[] { moves.TierToCool, moves.TierToCold, moves.TierToArchive, moves.Delete }).OfType<LifecycleCondition>();
}

/// <summary>Where to, and when.</summary>
internal sealed record LifecycleMoves(LifecycleCondition? TierToCool = null, LifecycleCondition? TierToCold = null, LifecycleCondition? TierToArchive = null, LifecycleCondition? Delete = null);

/// <summary>When: all that is given must hold.</summary>
internal sealed record LifecycleCondition(int? DaysAfterModificationGreaterThan = null, int? DaysAfterCreationGreaterThan = null, int? DaysAfterLastTierChangeGreaterThan = null)
{
    /// <summary>Whether a blob has waited long enough.</summary>
    public bool Holds(LifecycleBlob blob, DateTimeOffset now) =>
        Waited(DaysAfterModificationGreaterThan, blob.ModifiedAt, now) && Waited(DaysAfterCreationGreaterThan, blob.CreatedAt, now) && Waited(DaysAfterLastTierChangeGreaterThan, blob.TierChangedAt ?? blob.CreatedAt, now);

    private static bool Waited(int? days, DateTimeOffset since, DateTimeOffset now) => days is not { } wait || now - since > TimeSpan.FromDays(wait);
}
