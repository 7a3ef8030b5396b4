using CloudArchive.Format.Retention;

namespace CloudArchive.Core.Tests.Retention;

public sealed class RetentionPolicyTests
{
    private static readonly DateTimeOffset _now = new(2026, 3, 4, 5, 6, 7, TimeSpan.Zero);

    [Theory]
    [InlineData(null, "2036-03-04T05:06:07Z")]
    [InlineData("", "2036-03-04T05:06:07Z")]
    [InlineData("no date", "2036-03-04T05:06:07Z")]
    [InlineData("19990101", "2036-03-04T05:06:07Z")]
    [InlineData("20260304", "2036-03-05T00:00:00Z")]
    [InlineData("20260320", "2036-03-21T00:00:00Z")]
    [InlineData("20260601", "2036-03-04T05:06:07Z")]
    [InlineData("99991231", "2036-03-04T05:06:07Z")]
    public void A_study_is_kept_from_the_later_of_its_date_and_now_and_a_wrong_clock_counts_as_now(string? studyDate, string until) =>
        Assert.Equal(DateTimeOffset.Parse(until), RetentionPolicy.ForYears(10).Until(studyDate, _now));

    [Fact]
    public void A_leap_day_ends_on_the_last_of_February() =>
        Assert.Equal(new DateTimeOffset(2029, 2, 28, 0, 0, 0, TimeSpan.Zero), RetentionPolicy.ForYears(1).Until(null, new DateTimeOffset(2028, 2, 29, 0, 0, 0, TimeSpan.Zero)));

    [Fact]
    public void The_date_is_rounded_up_to_what_storage_can_keep()
    {
        DateTimeOffset until = RetentionPolicy.ForYears(1).Until(null, _now.AddTicks(1));
        Assert.Equal(_now.AddYears(1).AddSeconds(1), until);
    }
}
