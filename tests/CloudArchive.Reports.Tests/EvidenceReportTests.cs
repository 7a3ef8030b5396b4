using System.Globalization;
using CloudArchive.Format;
using CloudArchive.Format.Evidence;
using CloudArchive.Reports;
using CloudArchive.Testing;
using CloudArchive.Testing.Evidence;

namespace CloudArchive.Reports.Tests;

/// <summary>The PDF is opened with poppler's tools as an auditor would open it; without them these tests are skipped, and say so.</summary>
public sealed class EvidenceReportTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string> Kinds => ["passed", "failed", "empty", "everything", "archived", "large", "awkward", "first-run", "canary-passed"];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task The_facts_of_the_evidence_are_in_the_report()
    {
        using EvidenceSample sample = Sample("failed");
        EvidenceDocument evidence = await sample.DocumentAsync();
        string text = await TextAsync(EvidenceReport.Render(evidence));
        string[] facts =
        [
            "Riverside Dental", evidence.Run, "Failed", "schedule 0 0 3 * * *", "22 Nov 2026 03:00:02 UTC", "Archive operations, archive@riverside.example, +1 555 0100",
            $"{evidence.Summary.Recovered} of {evidence.Summary.Tested}", $"at least {evidence.Statistics.AtLeastRecoverable} of the {evidence.Statistics.Population} packs",
            "95% confidence", "Recovery point", "Over time", "How the sample was drawn", "cloudarchive evidence verify", Sha256Digest.Of(EvidenceWriter.Serialize(evidence)).Hex,
            evidence.Commitment.Entry.Index.ToString(CultureInfo.InvariantCulture), "deleted blob",
        ];
        Assert.All(facts, fact => Assert.Contains(Flat(fact), Flat(text)));
        Assert.All(evidence.Results, result => Assert.Contains(result.Pack.ToString(), text));
        foreach (PackFailure cause in evidence.Summary.Causes.Keys)
        {
            Assert.Contains(Flat(cause.InPlainWords()), Flat(text));
            Assert.Contains(Flat(cause.FirstStep()), Flat(text));
        }
    }

    [Fact]
    public async Task A_run_that_passed_says_so_and_lists_no_failures()
    {
        using EvidenceSample sample = Sample("passed");
        string text = await TextAsync(EvidenceReport.Render(await sample.DocumentAsync()));
        Assert.Contains("Passed", text);
        Assert.DoesNotContain("What did not come back", text);
        Assert.DoesNotContain("NOT AS EXPECTED", text);
        Assert.DoesNotContain("? ", text.Replace("Can the test see damage?", ""));
    }

    [Fact]
    public async Task An_archive_that_comes_back_in_seconds_has_an_axis_in_seconds()
    {
        using EvidenceSample sample = Sample("first-run");
        EvidenceDocument evidence = await sample.DocumentAsync();
        Assert.InRange(evidence.Summary.FullRestoreSeconds!.Value, 1, 60);
        string text = await TextAsync(EvidenceReport.Render(evidence));
        Assert.DoesNotContain("0 min", text, StringComparison.Ordinal); // The axis went from "0 min" to "0.02 min", twice.
        Assert.Contains("0 s", text);
    }

    [Fact]
    public async Task A_canary_that_passed_makes_the_report_say_that_good_results_mean_nothing()
    {
        using EvidenceSample sample = Sample("canary-passed");
        string text = await TextAsync(EvidenceReport.Render(await sample.DocumentAsync()));
        Assert.Contains("NOT AS EXPECTED", text);
        Assert.Contains("cannot be relied on", Flat(text));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task No_word_is_clipped_and_no_two_overlap(string kind)
    {
        using EvidenceSample sample = Sample(kind);
        Assert.True(await new OpenedPdf(_folder).CheckWordsAsync(EvidenceReport.Render(await sample.DocumentAsync())) > 150);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Every_page_can_be_drawn_and_none_is_blank(string kind)
    {
        using EvidenceSample sample = Sample(kind);
        await new OpenedPdf(_folder).CheckPagesAsync(EvidenceReport.Render(await sample.DocumentAsync()));
    }

    [Fact]
    public async Task A_run_over_thousands_of_packs_stays_readable()
    {
        using EvidenceSample sample = new() { Packs = 3000, Budget = TestBudget.Everything, Fails = place => place == 2900 ? PackFailure.Missing : null };
        EvidenceDocument evidence = await sample.DocumentAsync();
        string text = await TextAsync(EvidenceReport.Render(evidence));
        Assert.Contains("The other 2,599 packs came back as well", Flat(text));
        Assert.Contains(evidence.Results[2900].Pack.ToString(), text);
    }

    [Fact]
    public async Task The_same_evidence_makes_the_same_bytes()
    {
        using EvidenceSample sample = Sample("passed");
        EvidenceDocument evidence = await sample.DocumentAsync();
        Assert.Equal(EvidenceReport.Render(evidence), EvidenceReport.Render(evidence));
    }

    private static EvidenceSample Sample(string kind) => kind switch
    {
        "passed" => new(),
        "failed" => new() { Packs = 160, Budget = new(24, 4_000_000_000), Fails = place => place % 2 == 0 && place / 2 < 9 ? (PackFailure)(place / 2) : null, Archived = place => place == 23 },
        "empty" => new() { Packs = 0, History = [] },
        "everything" => new() { Packs = 300, Budget = TestBudget.Everything },
        "archived" => new() { Packs = 40, Archived = _ => true },
        "large" => new() { Packs = 2500, Budget = new(900, 1L << 42), Fails = place => place % 7 == 0 ? PackFailure.HashMismatch : null },
        "awkward" => new()
        {
            ClinicName = "Zahnarztpraxis Dr. Łukaszewska-Öztürk & Γεωργιάδης, Kieferorthopädie und Oralchirurgie am Donaudampfschifffahrtsgesellschaftskapitänsplatz 東京",
            Fails = place => place == 0 ? PackFailure.CatalogueMismatch : null,
        },
        "first-run" => new() { Packs = 3, History = [] },
        "canary-passed" => new() { Canaries = [new("sound", PackTestOutcome.Recovered), new("flipped-byte", PackTestOutcome.Recovered, PackFailure.HashMismatch)] },
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "No such kind."),
    };

    private static string Flat(string text) => OpenedPdf.Flat(text);

    private Task<string> TextAsync(byte[] pdf) => new OpenedPdf(_folder).TextAsync(pdf);
}
