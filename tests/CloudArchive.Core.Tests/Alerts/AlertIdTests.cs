using CloudArchive.Core.Alerts;

namespace CloudArchive.Core.Tests.Alerts;

public sealed class AlertIdTests
{
    [Fact]
    public void Before_a_day_sorts_behind_the_day_before_and_ahead_of_every_alert_of_the_day()
    {
        DateTimeOffset noon = new(2026, 7, 31, 12, 0, 0, TimeSpan.Zero);
        Alert alert = new(null, AlertCause.LogDamaged, "log", "It does not verify.");
        string before = AlertId.Before(noon).ToString();
        Assert.True(AlertId.TryParse(before, null, out _));
        Assert.True(string.CompareOrdinal(AlertId.Of(alert, noon.AddHours(-12).AddTicks(-1)).ToString(), before) < 0);
        Assert.True(string.CompareOrdinal(before, AlertId.Of(alert, noon.AddHours(-12)).ToString()) < 0);
    }
}
