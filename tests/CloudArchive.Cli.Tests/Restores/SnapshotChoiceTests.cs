using CloudArchive.Cli.Restores;
using Microsoft.Extensions.Time.Testing;

namespace CloudArchive.Cli.Tests.Restores;

public sealed class SnapshotChoiceTests
{
    private readonly FakeTimeProvider _clock = new(new DateTimeOffset(2026, 11, 28, 12, 0, 0, TimeSpan.Zero));

    [Theory]
    [InlineData("latest", "2026-11-28T12:00:00.0000000+00:00")]
    [InlineData("2026-11-24", "2026-11-24T23:59:59.9999999+00:00")]
    [InlineData("2026-11-24 18:00", "2026-11-24T18:00:59.9999999+00:00")]
    [InlineData("2026-11-24T18:00:04", "2026-11-24T18:00:04.9999999+00:00")]
    [InlineData("2026-11-24T18:00:04Z", "2026-11-24T18:00:04.9999999+00:00")]
    [InlineData("2026-11-24T19:00:04+01:00", "2026-11-24T18:00:04.9999999+00:00")]
    [InlineData("2026-11-24T18:00:04.5Z", "2026-11-24T18:00:04.5000000+00:00")]
    public void A_time_means_its_end(string text, string time) => Assert.Equal(time, SnapshotChoice.ParseTime(text, _clock).ToUniversalTime().ToString("O"));

    [Theory]
    [InlineData("")]
    [InlineData("yesterday")]
    [InlineData("2026-13-01")]
    [InlineData("24.11.2026")]
    [InlineData("18:00")]
    public void What_is_no_time_is_refused_with_examples(string text) =>
        Assert.Contains("2026-11-24", Assert.Throws<UsageException>(() => SnapshotChoice.ParseTime(text, _clock)).Message, StringComparison.Ordinal);
}
