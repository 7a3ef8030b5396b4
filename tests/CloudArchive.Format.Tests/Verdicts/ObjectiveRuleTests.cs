using CloudArchive.Format.Evidence;
using CloudArchive.Format.Verdicts;
using CloudArchive.Format.Wire;

namespace CloudArchive.Format.Tests.Verdicts;

public sealed class ObjectiveRuleTests
{
    private static readonly DateTimeOffset _now = new(2026, 3, 6, 18, 0, 0, TimeSpan.Zero); // a Friday evening
    private static readonly RecoveryObjectives _objectives = RecoveryObjectives.Default;

    [Theory]
    [InlineData(72 * 3600, 0, ObjectiveState.Met)]
    [InlineData((72 * 3600) + 1, 0, ObjectiveState.NotMet)]
    [InlineData(57 * 3600, 1, ObjectiveState.Met)] // and 15 hours to come back from the archive tier
    [InlineData((57 * 3600) + 1, 1, ObjectiveState.NotMet)]
    public void Recovery_time_is_what_the_last_restore_test_estimates_with_the_wait_for_the_archive_tier(int seconds, int notTested, ObjectiveState state)
    {
        MeasuredObjective measured = Time(Test(RestoreTestStatus.Passed, seconds, notTested));
        Assert.Equal((state, 72, seconds + (notTested * 54_000L)), (measured.State, measured.Hours, measured.Seconds!.Value));
    }

    [Fact]
    public void Recovery_time_is_not_checked_without_a_test_that_shows_it()
    {
        RestoreTestResponse passed = Test(RestoreTestStatus.Passed, 60);
        Assert.Equal(ObjectiveState.Met, Time(passed with { FinishedAt = _now.AddHours(-48) }).State);
        foreach (RestoreTestResponse? test in (RestoreTestResponse?[])[null, passed with { FinishedAt = _now.AddHours(-48).AddSeconds(-1) }, Test(RestoreTestStatus.Failed, 60), Test(RestoreTestStatus.NothingTested, null, 2)])
        {
            MeasuredObjective measured = Time(test);
            Assert.Equal((ObjectiveState.NotChecked, (long?)null), (measured.State, measured.Seconds));
            Assert.StartsWith("Not checked: ", measured.Why, StringComparison.Ordinal);
        }
    }

    /// <summary>How old the last complete backup was when the computer reported; how long ago that was; what follows, of at most 24 hours.</summary>
    [Theory]
    [InlineData(0, 24, ObjectiveState.Met)]
    [InlineData(23, 1, ObjectiveState.Met)]
    [InlineData(25, 0, ObjectiveState.NotMet)] // it says so itself
    [InlineData(25, 30, ObjectiveState.NotMet)]
    [InlineData(1, 62, ObjectiveState.NotChecked)] // switched off on Friday evening, looked at on Monday morning
    [InlineData(1, 96, ObjectiveState.NotChecked)]
    [InlineData(1, 97, ObjectiveState.NotMet)] // silence counts
    public void Recovery_point_is_the_age_of_the_last_complete_backup_and_silence_is_not_checked_until_it_counts(int ageThen, int hoursAgo, ObjectiveState state)
    {
        MeasuredObjective measured = Point(Computer("reception", ageThen, hoursAgo));
        Assert.Equal((state, 24, (ageThen + hoursAgo) * 3600L), (measured.State, measured.Hours, measured.Seconds!.Value));
    }

    [Fact]
    public void The_worst_computer_and_its_worst_folder_count_and_are_named()
    {
        NamedComputer good = Computer("reception", 1, 0), quiet = Computer("cbct", 1, 62), bad = Computer("panoramic", 1, 0, 30);
        Assert.Equal(ObjectiveState.Met, Point(good).State);
        Assert.Equal(ObjectiveState.NotChecked, Point(good, quiet).State);
        MeasuredObjective measured = Point(good, quiet, bad);
        Assert.Equal(ObjectiveState.NotMet, measured.State);
        Assert.Contains("the last complete backup of panoramic is 30 h old", measured.Why, StringComparison.Ordinal);
        Assert.DoesNotContain("reception", measured.Why, StringComparison.Ordinal);
        Assert.Contains("; and 2 more computers.", Point([.. Enumerable.Range(0, 7).Select(i => Computer($"c{i}", 30, 0))]).Why, StringComparison.Ordinal);
    }

    [Fact]
    public void A_new_computer_a_wrong_clock_and_no_computer_are_not_checked_and_a_backup_that_never_was_complete_is_missed_in_time()
    {
        Assert.Equal(ObjectiveState.NotChecked, Point().State);
        Assert.Equal((ObjectiveState.NotChecked, ObjectiveState.NotMet), (Point(New(96, false)).State, Point(New(97, false)).State));
        Assert.Equal((ObjectiveState.NotChecked, ObjectiveState.NotMet), (Point(New(24, true)).State, Point(New(25, true)).State));
        Assert.Equal(ObjectiveState.NotChecked, Point(Computer("reception", -1, 0)).State);

        static NamedComputer New(int hours, bool reports)
        {
            AgentVerdict report = new(AgentVerdict.CurrentVersion, _now, true, [new FolderVerdict("f", true, 1, 1, 0, 1, null, [])], []);
            return new("reception", new ComputerFacts("a", _now.AddHours(-hours), reports ? report : null, reports ? _now : null));
        }
    }

    private static MeasuredObjective Time(RestoreTestResponse? test) => ObjectiveRule.For(_objectives, test, [], VerdictLimits.Default, _now).RecoveryTime;

    private static MeasuredObjective Point(params NamedComputer[] computers) => ObjectiveRule.For(_objectives, null, computers, VerdictLimits.Default, _now).RecoveryPoint;

    private static NamedComputer Computer(string name, int ageThen, int hoursAgo, params int[] otherFolders)
    {
        DateTimeOffset at = _now.AddHours(-hoursAgo);
        FolderVerdict[] folders = [.. otherFolders.Prepend(ageThen).Select((age, i) => new FolderVerdict($"f{i}", true, 1, 1, 0, 1, at.AddHours(-age), []))];
        return new(name, new ComputerFacts(name, _now.AddYears(-1), new AgentVerdict(AgentVerdict.CurrentVersion, at, true, folders, []), at));
    }

    private static RestoreTestResponse Test(RestoreTestStatus status, long? seconds, int notTested = 0)
    {
        EvidenceSummary summary = new(1, 1, 0, notTested, new Dictionary<PackFailure, int>(), 1, 1, 1, 1, 1, 1, seconds);
        return new(
            "run", ClinicId.Parse("riverside"), status, "timer", _now, _now, null, TestBudget.Everything, 1, 1, 1, 0, notTested, 1, 1, [], Summary: summary);
    }
}
