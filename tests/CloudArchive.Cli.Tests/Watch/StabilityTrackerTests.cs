using CloudArchive.Cli.Backup;
using CloudArchive.Cli.Watch;
using Microsoft.Extensions.Time.Testing;

namespace CloudArchive.Cli.Tests.Watch;

public class StabilityTrackerTests
{
    private readonly FakeTimeProvider _clock = new();
    private readonly StabilityTracker _tracker;
    private readonly Dictionary<string, FoundFile> _disk = [];

    public StabilityTrackerTests() => _tracker = new StabilityTracker(_clock, TimeSpan.FromSeconds(10));

    [Fact]
    public void A_file_is_taken_when_it_has_been_the_same_for_long_enough()
    {
        Write("a", 1, 1);
        _tracker.Touch("a");
        Assert.Empty(Poll());
        Wait(9);
        Assert.Empty(Poll());
        Wait(1);
        Assert.Equal(_disk["a"], Assert.Single(Poll()));
        Assert.Equal(0, _tracker.Count);
    }

    [Theory]
    [InlineData(2, 1)]
    [InlineData(1, 2)]
    public void A_change_of_size_or_time_starts_the_wait_anew(long length, long modified)
    {
        Write("a", 1, 1);
        _tracker.Touch("a");
        Poll();
        Wait(9);
        Write("a", length, modified);
        Assert.Empty(Poll());
        Wait(9);
        Assert.Empty(Poll());
        Wait(1);
        Assert.Single(Poll());
    }

    [Fact]
    public void Being_told_of_again_and_again_does_not_delay_a_file_that_does_not_change()
    {
        Write("a", 1, 1);
        for (int i = 0; i < 10; i++)
        {
            _tracker.Touch("a");
            Assert.Empty(Poll());
            Wait(1);
        }

        Assert.Single(Poll());
    }

    [Fact]
    public void A_file_that_goes_away_is_forgotten()
    {
        Write("a", 1, 1);
        _tracker.Touch("a");
        Poll();
        _disk.Clear();
        Wait(60);
        Assert.Empty(Poll());
        Assert.Equal(0, _tracker.Count);
    }

    [Fact]
    public void Files_settle_each_on_its_own()
    {
        Write("a", 1, 1);
        _tracker.Touch("a");
        Poll();
        Wait(5);
        Write("b", 1, 1);
        _tracker.Touch("b");
        Poll();
        Wait(5);
        Assert.Equal("a", Assert.Single(Poll()).Path);
        Wait(5);
        Assert.Equal("b", Assert.Single(Poll()).Path);
    }

    private void Write(string path, long length, long modified) => _disk[path] = new FoundFile(path, length, modified);

    private void Wait(int seconds) => _clock.Advance(TimeSpan.FromSeconds(seconds));

    private IReadOnlyList<FoundFile> Poll() => _tracker.Poll(path => _disk.GetValueOrDefault(path));
}
