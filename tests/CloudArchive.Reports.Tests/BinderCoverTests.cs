using System.Globalization;
using CloudArchive.Core;
using CloudArchive.Core.Clinics;
using CloudArchive.Format;
using CloudArchive.Format.Binders;
using CloudArchive.Format.Retention;
using CloudArchive.Format.Sealing;
using CloudArchive.Format.Verdicts;
using CloudArchive.Reports.Binders;
using CloudArchive.Testing;

namespace CloudArchive.Reports.Tests;

/// <summary>A binder's cover, opened as <see cref="OpenedPdf"/> says, and the days that a binder is of.</summary>
public sealed class BinderCoverTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string> Kinds => ["quarter", "failures", "empty", "nothing", "awkward"];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task The_cover_says_what_is_in_the_binder_what_came_of_it_and_where_to_sign()
    {
        string text = await TextAsync("quarter");
        Assert.All(
            [
                "AUDIT BINDER", "Riverside Dental", "1 Apr 2026 to 30 Jun 2026, in UTC", "Backup volume", "1.0 GB", "Recovery time (RTO): everything back", "72 h", "Recovery point (RPO)", "24 h", "met when checked",
                "restore-tests/ 2 ", "Pack Files of one study or folder", "Checkpoint The signed state of an audit log", "Canary A pack that was damaged on purpose", "cloudarchive binder verify", "Sign-off", "Name", "Date", "Signature",
            ],
            fact => Assert.Contains(fact, text, StringComparison.Ordinal));
        Assert.DoesNotContain("Not included", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_missing_and_what_failed_is_said_first_and_with_its_cause()
    {
        string text = await TextAsync("failures");
        Assert.Contains("1 of 3 restore tests failed.", text, StringComparison.Ordinal);
        Assert.Contains("80 things that belong into this binder are not in it", text, StringComparison.Ordinal);
        Assert.Contains("restore-tests/run-0 It is not in storage.", text, StringComparison.Ordinal);
        Assert.Contains("And 20 more: index.json has them all.", text, StringComparison.Ordinal);
        Assert.Contains("not met", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_a_run_or_without_figures_nothing_is_promised()
    {
        Assert.Contains("No restore test ended in the period: nothing shows that the archive could be brought back.", await TextAsync("empty"), StringComparison.Ordinal);
        string text = await TextAsync("nothing");
        Assert.Contains("The figures could not be worked out", text, StringComparison.Ordinal);
        Assert.DoesNotContain("brought back all", text, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task No_word_is_clipped_and_no_two_overlap(string kind) => Assert.True(await new OpenedPdf(_folder).CheckWordsAsync(Sample(kind)) > 200);

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Every_page_can_be_drawn_and_none_is_blank(string kind) => await new OpenedPdf(_folder).CheckPagesAsync(Sample(kind));

    [Theory]
    [InlineData("2026-01-15", "2026-03-02", "2026-01 2026-02 2026-03")]
    [InlineData("2026-01-01", "2026-04-01", "2026-01 2026-02 2026-03 2026-Q1")]
    [InlineData("2025-12-31", "2026-04-01", "2025-12 2026-01 2026-02 2026-03 2026-Q1")]
    [InlineData("2025-01-01", "2025-04-01", "2025-03 2025-Q1")] // the clinic is there since 10 March
    [InlineData("2026-11-20", "2026-12-31", "2026-11")] // today is 26 November
    public void Reports_are_of_the_months_that_it_touches_and_of_quarters_and_years_within_it(string from, string to, string periods) =>
        Assert.Equal(periods.Split(' '), BinderPeriod.Parse(from, to).Reports(RecordedClinic.At("2025-03-10"), RecordedClinic.At("2026-11-26")).Select(period => period.ToString()));

    [Fact]
    public void A_year_is_the_most_and_has_every_report_of_it()
    {
        Assert.Equal(17, BinderPeriod.Parse("2024-01-01", "2025-01-01").Reports(default, RecordedClinic.At("2026-11-26")).Count());
        Assert.Equal(Refusal.RequestInvalid, Assert.Throws<RefusedException>(() => BinderPeriod.Parse("2023-01-01", "2024-01-03")).Refusal);
        foreach ((string? from, string? to) in ((string?, string?)[])[(null, "2026-01-01"), ("2026-01-01", null), ("2026-01-01", "2026-01-01"), ("2026-1-1", "2026-02-01"), ("0001-01-01", "0001-02-01"), ("9999-01-01", "9999-02-01")])
        {
            Assert.Throws<RefusedException>(() => BinderPeriod.Parse(from, to));
        }
    }

    /// <summary>Without the verdict, which stands beside its sentences, and so among them.</summary>
    private async Task<string> TextAsync(string kind)
    {
        string word = kind switch { "quarter" or "awkward" => "Recovered ", "failures" => "Failures ", _ => "Look at this " };
        string text = OpenedPdf.Flat(await new OpenedPdf(_folder).TextAsync(Sample(kind)));
        Assert.Contains(word, text, StringComparison.Ordinal);
        return text.Replace(word, "", StringComparison.Ordinal);
    }

    internal static byte[] Sample(string kind)
    {
        RecordedClinic clinic = kind switch
        {
            "quarter" or "awkward" => Days(new RecordedClinic(), "met").Run("2026-04-01", "2026-04-01T01:00", 20, bytes: 900_000_000).Run("2026-06-30", "2026-06-30T01:00", 20, bytes: 1_000_000_000),
            "failures" => Days(new RecordedClinic(), "not-met").Run("2026-05-01", "2026-05-01T01:00", 20).Run("2026-05-02", "2026-05-02T01:00", 19, 1).Run("2026-05-03", "2026-05-03T01:00", 20),
            _ => new RecordedClinic(),
        };
        string name = kind == "awkward" ? "Zahnarztpraxis Dr. Łukaszewska-Öztürk, Kieferorthopädie am Donaudampfschifffahrtsgesellschaftskapitänsplatz 東京" : clinic.Name;
        Clinic row = new(clinic.Id, name, RetentionPolicy.ForYears(10), true, clinic.CreatedAt, new WrappedContentKey("key", [], KeyWrapping.Algorithm), null, "") { OwnObjectives = RecoveryObjectives.Default };
        BinderFile[] files =
        [
            .. Enumerable.Range(0, 2).SelectMany(run => new[] { "evidence.json", "report.pdf" }.Select(file => File($"restore-tests/run-{run}/{file}"))),
            File("reports/riverside-2026-Q2.csv"), File("reports/riverside-2026-Q2.pdf"), File("alerts.json"), File("disclosures.json"), File("keys.json"),
        ];
        BinderGap[] gaps = kind is "failures" ? [.. Enumerable.Range(0, 80).Select(i => new BinderGap($"restore-tests/run-{i}", "It is not in storage."))] : [];
        BinderPeriod period = BinderPeriod.Parse("2026-04-01", "2026-07-01");
        BinderIndex index = new(BinderIndex.CurrentFormat, "CloudArchive/0.1.0", clinic.Id, name, period.From, period.To, RecordedClinic.At("2026-11-26T14:00"), "carol", files, gaps);
        return BinderCover.Render(index, row, kind == "nothing" ? null : clinic.Figures("2026-Q2", "2026-11-26T14:00"));

        static BinderFile File(string path) => new(path, 1, Sha256Digest.Of([1]));
    }

    /// <summary>Looked at on every day, but for the first.</summary>
    private static RecordedClinic Days(RecordedClinic clinic, string point)
    {
        for (DateTimeOffset day = RecordedClinic.At("2026-04-02"); day < RecordedClinic.At("2026-07-01"); day = day.AddDays(1))
        {
            clinic.Measured(day.ToString("yyyy-MM-ddT00:10", CultureInfo.InvariantCulture), "met", point, "met", point);
        }

        return clinic;
    }
}
