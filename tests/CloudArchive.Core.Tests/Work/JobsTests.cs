using CloudArchive.Core.Work;
using CloudArchive.Testing;

namespace CloudArchive.Core.Tests.Work;

public sealed class JobsTests
{
    private static readonly Dictionary<string, TimeSpan> s_periods = new()
    {
        ["every minute"] = TimeSpan.FromMinutes(1),
        ["every hour"] = TimeSpan.FromHours(1),
        ["every 4 hours"] = TimeSpan.FromHours(4),
        ["every day"] = TimeSpan.FromDays(1),
        ["Mondays, 06:00 UTC"] = TimeSpan.FromDays(7),
        ["Mondays, 09:00 UTC"] = TimeSpan.FromDays(7),
    };

    [Fact]
    public void Operations_show_the_jobs_as_they_are()
    {
        string page = File.ReadAllText(Path.Combine(Repository.Root, "docs", "operations.md"));
        (string Name, string Role, string Scopes, string Every)[] shown =
        [
            .. page[page.IndexOf("### Scheduled work", StringComparison.Ordinal)..page.IndexOf("## Identities", StringComparison.Ordinal)].Split('\n')
                .Select(line => line.Split('|', StringSplitOptions.TrimEntries))
                .Where(cells => cells is [_, _, "ingest" or "recovery", ..])
                .Select(cells => (cells[1], cells[2], cells[3], cells[4])),
        ];
        Assert.Equal(Jobs.All.Select(job => (job.Name, job.Role.ToString().ToLowerInvariant(), job.Scopes.ToString().ToLowerInvariant())), shown.Select(row => (row.Name, row.Role, row.Scopes)));
        Assert.Equal(Jobs.All.Select(job => job.Every), shown.Select(row => s_periods[row.Every]));
        foreach ((string name, _, _, string every) in shown.Where(row => row.Every.StartsWith("Mondays", StringComparison.Ordinal)))
        {
            DateTimeOffset due = Jobs.Find(name).LastDue("any-clinic", new DateTimeOffset(2026, 3, 4, 0, 0, 0, TimeSpan.Zero));
            Assert.Equal((DayOfWeek.Monday, every[^9..^4]), (due.DayOfWeek, due.ToString("HH:mm", System.Globalization.CultureInfo.InvariantCulture)));
        }
    }

    [Fact]
    public void The_Functions_host_gives_up_as_often_as_LocalHost() =>
        Assert.Contains($"\"maxDequeueCount\": {JobRunner.Attempts},", File.ReadAllText(Path.Combine(Repository.Root, "host.json")), StringComparison.Ordinal);
}
