using CloudArchive.Core.Audit;
using CloudArchive.Reports;
using CloudArchive.Testing;

namespace CloudArchive.Reports.Tests;

/// <summary>The PDF of a roll-up, opened as <see cref="OpenedPdf"/> says.</summary>
public sealed class RollUpReportTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string> Kinds => ["month", "month-so-far", "quarter", "year", "year-so-far", "empty-month", "empty-year", "failures", "awkward", "large"];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task The_figures_of_a_year_and_of_its_months_are_in_it_with_what_they_mean()
    {
        RollUp report = Sample("year");
        string text = OpenedPdf.Flat(await new OpenedPdf(_folder).TextAsync(RollUpReport.Render(report)));
        Assert.All(
            ["Riverside Dental", "REPORT OF A YEAR", "2026, in UTC", "Restore success", "Coverage", "Recovery time", "Time to revoke access", "Legal holds", "Disclosures", "Every figure, and what it means", "cloudarchive audit verify --live"],
            fact => Assert.Contains(fact, text, StringComparison.Ordinal));
        IReadOnlyDictionary<string, string> values = RecordedClinic.Values(report, "2026");
        Assert.Contains($"{values["packs-recovered"]} of {values["packs-tested"]} tested packs came back", text.Replace(",", "", StringComparison.Ordinal), StringComparison.Ordinal);
        foreach (RollUpMetric metric in RollUpMetrics.All)
        {
            Assert.Contains(metric.Name, text, StringComparison.Ordinal);
        }

        foreach (RollUpSpan month in report.Months)
        {
            string name = month.Period.From.ToString("MMM yyyy", System.Globalization.CultureInfo.InvariantCulture);
            Assert.Contains($"{name} {month.Figures!.Tests.Ended} {month.Figures.Tests.Failed} {month.Figures.Tests.PacksTested} {month.Figures.Tests.PacksRecovered}", text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Without_any_run_it_says_that_nothing_is_shown_and_nowhere_100_percent()
    {
        foreach (string kind in new[] { "empty-month", "empty-year" })
        {
            string whole = OpenedPdf.Flat(await new OpenedPdf(_folder).TextAsync(RollUpReport.Render(Sample(kind)))), text = whole.Replace("Not shown ", "", StringComparison.Ordinal);
            Assert.NotEqual(whole, text); // the verdict; it stands beside the sentences, and so among them
            Assert.Contains("No restore test ended: nothing shows that the archive could be brought back.", text, StringComparison.Ordinal);
            Assert.DoesNotContain("came back, every", text, StringComparison.Ordinal);
            Assert.DoesNotContain("100.0%", text, StringComparison.Ordinal);
            Assert.Single(text.Split("100%")[..^1], _ => kind.Length > 0); // the coverage chart's axis
        }
    }

    [Fact]
    public async Task Whatever_went_wrong_is_said_first()
    {
        string whole = OpenedPdf.Flat(await new OpenedPdf(_folder).TextAsync(RollUpReport.Render(Sample("failures")))), text = whole.Replace("Failures ", "", StringComparison.Ordinal);
        Assert.NotEqual(whole, text);
        Assert.All(
            [
                "3 of 5 restore tests failed; 41 of 100 tested packs did not come back, or nothing shows that they did.", "In 1 of them damage that was made on purpose was not seen",
                "1 run has no row of the evidence that the audit log names.", "1 of 1 ended access still worked, for up to 1 min 30 s.", "On 2 days restore tests were overdue.", "On 1 day the clinic was silent for too long.",
            ],
            fact => Assert.Contains(fact, text, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_period_that_is_not_over_says_until_when_it_goes()
    {
        string text = OpenedPdf.Flat(await new OpenedPdf(_folder).TextAsync(RollUpReport.Render(Sample("year-so-far"))));
        Assert.Contains("2026, in UTC, so far: until 26 Nov 2026 14:00:00 UTC", text, StringComparison.Ordinal);
        Assert.Contains("The period is not over.", text, StringComparison.Ordinal);
        Assert.Contains("Nov 2026 *", text, StringComparison.Ordinal);
        Assert.Contains("Dec 2026 – – –", text, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task No_word_is_clipped_and_no_two_overlap(string kind) => Assert.True(await new OpenedPdf(_folder).CheckWordsAsync(RollUpReport.Render(Sample(kind))) > 400);

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Every_page_can_be_drawn_and_none_is_blank(string kind)
    {
        byte[] pdf = RollUpReport.Render(Sample(kind));
        await new OpenedPdf(_folder).CheckPagesAsync(pdf);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task No_page_ends_with_a_heading_or_a_tables_head(string kind)
    {
        string[] headings = ["Objectives", "Over time", "Restore tests, recovery time and point", "Access that was ended, and silence", "Holds, destructions, disclosures", "Every figure, and what it means", "Where this is from, and how to check it"];
        string[] pages = (await new OpenedPdf(_folder).TextAsync(RollUpReport.Render(Sample(kind)))).Split('\f', StringSplitOptions.RemoveEmptyEntries);
        Assert.NotEmpty(pages);
        foreach (string page in pages)
        {
            string[] lines = [.. page.Split('\n').Select(line => OpenedPdf.Flat(line).Trim()).Where(line => line.Length > 0)];
            Assert.Contains("Page ", lines[^1], StringComparison.Ordinal);
            Assert.DoesNotContain(lines[^2], headings);
            Assert.False(lines[^2] is "Figure Value Unit Meaning" || lines[^2].StartsWith("Month ", StringComparison.Ordinal), lines[^2]);
        }
    }

    [Fact]
    public async Task No_number_is_broken_over_two_lines()
    {
        string text = await new OpenedPdf(_folder).TextAsync(RollUpReport.Render(Sample("large")));
        Assert.All(["11,851,851,852,000,000", "148,148,136", "119,999,880", "120,000,000", "34,560,000"], number => Assert.Contains(number, text, StringComparison.Ordinal));
    }

    [Fact]
    public void The_same_roll_up_makes_the_same_bytes()
    {
        Assert.Equal(RollUpReport.Render(Sample("year")), RollUpReport.Render(Sample("year")));
        Assert.Equal(RollUpCsv.Write(Sample("year")), RollUpCsv.Write(Sample("year")));
    }

    private static RollUp Sample(string kind) => kind switch
    {
        "month" => Busy(new()).Report("2026-05", "2026-11-26T14:00"),
        "month-so-far" => Busy(new()).Report("2026-11", "2026-11-26T14:00"),
        "quarter" => Busy(new()).Report("2026-Q2", "2026-11-26T14:00"),
        "year" => Busy(new()).Report("2026", "2027-01-05"),
        "year-so-far" => Busy(new()).Report("2026", "2026-11-26T14:00"),
        "empty-month" => new RecordedClinic().Report("2026-05", "2026-11-26"),
        "empty-year" => new RecordedClinic().Report("2026", "2026-11-26"),
        "failures" => new RecordedClinic()
            .Run("2026-05-01", "2026-05-01T01:00", 20).Run("2026-05-02", "2026-05-02T01:00", 19, 1).Run("2026-05-03", "2026-05-03T01:00", 0, 20).Run("2026-05-04", "2026-05-04T01:00", 20, canaries: "8/9").Run("2026-05-05", "2026-05-05T01:00", 20, hasRow: false)
            .Alert("2026-05-06", "schedule-missed").Alert("2026-05-07", "schedule-missed").Alert("2026-05-08", "clinic-silent")
            .Staff("leaver", "2026-05-09", "2026-05-09T00:01:30").Block("2026-05-09", "leaver").Report("2026-05", "2026-11-26"),
        "awkward" => Busy(new() { Name = "Zahnarztpraxis Dr. Łukaszewska-Öztürk & Γεωργιάδης, Kieferorthopädie und Oralchirurgie am Donaudampfschifffahrtsgesellschaftskapitänsplatz 東京", Id = CloudArchive.Format.ClinicId.Parse("riverside") }).Report("2026", "2027-01-05"),
        "large" => Large().Report("2026", "2027-01-05"),
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "No such kind."),
    };

    /// <summary>A run a day, but for two months; now and then something happens.</summary>
    private static RecordedClinic Busy(RecordedClinic clinic)
    {
        const string agent = "0000000000000001";
        clinic.Agent(agent, "2025-03-11");
        for (DateTimeOffset day = RecordedClinic.At("2026-01-01"); day < RecordedClinic.At("2026-11-26"); day = day.AddDays(1))
        {
            string Time(string time) => $"{day:yyyy-MM-dd}T{time}";
            if (day.Month is not (7 or 8))
            {
                clinic.Run(Time("03:00"), Time("03:20"), 20 + (day.Day % 3), day.Day == 13 ? 1 : 0, packs: 500 + day.DayOfYear, covered: 300 + (day.DayOfYear / 2), recoverySeconds: 9000 + (day.DayOfYear * 20), newestPack: $"{day.AddDays(-1 - (day.Day % 3)):yyyy-MM-dd}");
            }

            if (day.DayOfWeek is not (DayOfWeek.Saturday or DayOfWeek.Sunday))
            {
                clinic.Heard(agent, Time("09:00"));
            }
        }

        return clinic.Hold("2026-02-01", "2026-06-01").Hold("2026-05-03").Destroyed("2026-05-04", 4, 300, 2_000_000_000).Log("2026-05-02", AuditActions.DestructionRequested)
            .HandedOut(1, "2026-05-20", 12).HandedOut(2, "2026-09-01", 400).Staff("leaver", "2026-05-05").Block("2026-05-05", "leaver").Log("2026-05-06", AuditActions.AccessReviewed);
    }

    /// <summary>Numbers as wide as they get.</summary>
    private static RecordedClinic Large()
    {
        RecordedClinic clinic = new RecordedClinic { Id = CloudArchive.Format.ClinicId.Parse(new string('w', 40)) }.Agent("0000000000000001", "2025-03-11");
        for (int month = 1; month <= 12; month++)
        {
            clinic.Run($"2026-{month:00}-01", $"2026-{month:00}-02", 9_999_990, 10, packs: 12_000_000, covered: 11_999_999, recoverySeconds: 400L * 86_400, newestPack: "2025-03-11").Destroyed($"2026-{month:00}-03", 123_456, 12_345_678, 987_654_321_000_000);
            clinic.HandedOut(month, $"2026-{month:00}-04", 1_234_567);
        }

        return clinic;
    }
}
