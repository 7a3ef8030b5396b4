using CloudArchive.Core.Work;

namespace CloudArchive.Core.Tests.Work;

/// <summary>How many calls to storage a job takes for a clinic of five packs: what <see cref="FleetTests"/> reckons with.</summary>
public sealed class JobCallsTests
{
    /// <summary>At most so many calls, of one due time. Restore tests with their canaries are by far the largest.</summary>
    public static IReadOnlyDictionary<string, int> Most { get; } = new Dictionary<string, int>
    {
        ["reconcile"] = 12,
        ["retention"] = 60,
        ["tiering"] = 12,
        ["watch"] = 40,
        ["restore-test-watch"] = 6,
        ["checkpoint"] = 20,
        ["log-check"] = 60,
        ["restore-test"] = 600,
        ["restores"] = 4,
        ["rewrap"] = 20,
        ["letter"] = 30,
        ["summary"] = 30,
        ["alerts"] = 10,
        ["sweep"] = 10,
    };

    [Fact]
    public void Every_job_is_reckoned_with() => Assert.Equal(Jobs.All.Select(job => job.Name).Order(StringComparer.Ordinal), Most.Keys.Order(StringComparer.Ordinal));
}
