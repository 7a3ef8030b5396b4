using CloudArchive.Core.Retention;
using CloudArchive.Format.Retention;
using CloudArchive.LocalHost.Lifecycle;

namespace CloudArchive.LocalHost.Tests.Lifecycle;

public sealed class LifecycleRulesTests
{
    private static readonly DateTimeOffset s_made = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public void The_deployed_rules_are_those_of_infra()
    {
        LifecycleRules deployed = LifecycleRules.Deployed();
        Assert.Equal(["packs-to-cold", "records-to-cool", .. RetentionPolicy.ArchiveAges.Select(years => $"packs-to-archive-{years}")], deployed.Rules.Select(rule => rule.Name));
        Assert.All(deployed.Rules.Skip(2), rule => Assert.Equal(
            (rule.Name, TieringRun.Tag, "=="),
            ($"packs-to-archive-{rule.Definition.Filters.BlobIndexMatch!.Single().Value}", rule.Definition.Filters.BlobIndexMatch!.Single().Name, rule.Definition.Filters.BlobIndexMatch!.Single().Op)));
        Assert.Equal(RetentionPolicy.ArchiveAges.Select(years => (int?)(years * 365)), deployed.Rules.Skip(2).Select(rule => rule.Definition.Actions.BaseBlob!.TierToArchive!.DaysAfterModificationGreaterThan));
        Assert.Equal(30, deployed.Rules[0].Definition.Actions.BaseBlob!.TierToCold!.DaysAfterModificationGreaterThan);
    }

    [Theory]
    [InlineData("an unknown action", """{"baseBlob":{"enableAutoTierToHotFromCool":{"daysAfterModificationGreaterThan":1}}}""", "enableAutoTierToHotFromCool")]
    [InlineData("an unknown condition", """{"baseBlob":{"tierToCold":{"daysAfterLastAccessTimeGreaterThan":1}}}""", "daysAfterLastAccessTimeGreaterThan")]
    [InlineData("snapshots", """{"snapshot":{"delete":{"daysAfterCreationGreaterThan":1}}}""", "snapshot")]
    [InlineData("no condition", """{"baseBlob":{"tierToCold":{}}}""", "waits for days")]
    [InlineData("two conditions", """{"baseBlob":{"tierToCold":{"daysAfterModificationGreaterThan":1,"daysAfterCreationGreaterThan":1}}}""", "one of modification")]
    [InlineData("negative days", """{"baseBlob":{"tierToCold":{"daysAfterModificationGreaterThan":-1}}}""", "not negative")]
    [InlineData("nothing", "{}", "does nothing")]
    [InlineData("a member twice", """{"baseBlob":{"tierToCold":{"daysAfterModificationGreaterThan":1,"daysAfterModificationGreaterThan":2}}}""", "daysAfterModificationGreaterThan")]
    public void What_is_not_understood_is_refused_by_name(string what, string actions, string named)
    {
        LocalHostException e = Assert.Throws<LocalHostException>(() => LifecycleRules.Parse(Policy(actions)));
        Assert.True(e.Message.Contains(named, StringComparison.Ordinal), $"{what}: {e.Message}");
    }

    [Fact]
    public void Filters_that_are_not_understood_are_refused()
    {
        foreach (string filters in (string[])["""{"blobTypes":["blockBlob"],"blobIndexMatch":[]}""", """{"blobTypes":["appendBlob"]}""", """{"blobTypes":["blockBlob"],"prefixMatch":[]}""", "{}"])
        {
            Assert.Throws<LocalHostException>(() => LifecycleRules.Parse(Policy("""{"baseBlob":{"tierToCold":{"daysAfterModificationGreaterThan":1}}}""", filters)));
        }

        Assert.Throws<LocalHostException>(() => LifecycleRules.Parse("""{"rules":[]}"""));
    }

    [Fact]
    public void A_blob_moves_when_its_days_are_over_and_only_where_the_prefix_fits()
    {
        LifecycleRules rules = LifecycleRules.Parse(Policy("""{"baseBlob":{"tierToCold":{"daysAfterModificationGreaterThan":30}}}"""));
        LifecycleBlob pack = new("packs/a/1", BlobTier.Hot, s_made, s_made, null);
        Assert.Empty(LifecyclePlan.For(rules, [pack], s_made.AddDays(30)));
        LifecycleStep step = Assert.Single(LifecyclePlan.For(rules, [pack, pack with { Path = "records/a/1" }], s_made.AddDays(30).AddTicks(1)));
        Assert.Equal(new LifecycleStep("packs/a/1", BlobTier.Cold, "rule"), step);
    }

    [Fact]
    public void The_coldest_wins_nothing_is_made_warmer_and_what_was_just_brought_back_stays_for_a_while()
    {
        LifecycleRules rules = LifecycleRules.Parse(Policy(
            """{"baseBlob":{"tierToCool":{"daysAfterModificationGreaterThan":10},"tierToArchive":{"daysAfterModificationGreaterThan":10,"daysAfterLastTierChangeGreaterThan":7}}}"""));
        DateTimeOffset now = s_made.AddDays(100);
        LifecycleBlob blob = new("packs/a/1", BlobTier.Hot, s_made, s_made, null);
        Assert.Equal(BlobTier.Archive, Assert.Single(LifecyclePlan.For(rules, [blob], now)).To);
        Assert.Equal(BlobTier.Cool, Assert.Single(LifecyclePlan.For(rules, [blob with { TierChangedAt = now.AddDays(-7) }], now)).To);
        Assert.Empty(LifecyclePlan.For(rules, [blob with { Tier = BlobTier.Archive }], now));
        Assert.Empty(LifecyclePlan.For(rules, [blob with { Tier = BlobTier.Cold, TierChangedAt = now.AddDays(-1) }], now));
    }

    [Fact]
    public void A_rule_that_is_switched_off_does_nothing()
    {
        string policy = Policy("""{"baseBlob":{"tierToCold":{"daysAfterCreationGreaterThan":0}}}""");
        LifecycleBlob blob = new("packs/a/1", BlobTier.Hot, s_made, s_made, null);
        Assert.Single(LifecyclePlan.For(LifecycleRules.Parse(policy), [blob], s_made.AddDays(1)));
        Assert.Empty(LifecyclePlan.For(LifecycleRules.Parse(policy.Replace("\"enabled\":true", "\"enabled\":false", StringComparison.Ordinal)), [blob], s_made.AddDays(1)));
    }

    private static string Policy(string actions, string filters = """{"blobTypes":["blockBlob"],"prefixMatch":["packs/"]}""") =>
        $$$"""{"rules":[{"name":"rule","enabled":true,"type":"Lifecycle","definition":{"filters":{{{filters}}},"actions":{{{actions}}}}}]}""";
}
