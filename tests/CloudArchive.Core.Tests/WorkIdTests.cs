namespace CloudArchive.Core.Tests;

public sealed class WorkIdTests
{
    [Fact]
    public void An_id_says_to_the_millisecond_when_it_was_made()
    {
        DateTimeOffset at = new(2026, 7, 31, 12, 34, 56, 789, TimeSpan.Zero);
        Assert.Equal(at, WorkId.Before(at).MadeAt);
        Assert.Equal(at, WorkId.Parse(Guid.CreateVersion7(at).ToString("D")).MadeAt);
    }
}
