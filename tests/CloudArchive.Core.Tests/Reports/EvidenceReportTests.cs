using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using CloudArchive.Core.Reports;
using CloudArchive.Format;
using CloudArchive.Format.Evidence;
using CloudArchive.Testing;
using CloudArchive.Testing.Evidence;

namespace CloudArchive.Core.Tests.Reports;

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
        await File.WriteAllBytesAsync(_folder["report.pdf"], EvidenceReport.Render(await sample.DocumentAsync()), TestContext.Current.CancellationToken);
        await RunAsync("pdftotext", "-bbox", _folder["report.pdf"], _folder["words.html"]);
        string html = Regex.Replace(await File.ReadAllTextAsync(_folder["words.html"], TestContext.Current.CancellationToken), "<(!DOCTYPE|meta)[^>]*>", "", RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture);
        int words = 0;
        foreach (XElement page in XDocument.Parse(html).Descendants().Where(element => element.Name.LocalName == "page"))
        {
            Word[] onPage = [.. page.Elements().Select(Word.Of)];
            words += onPage.Length;
            Assert.All(onPage, word => Assert.True(word is { Left: >= 53, Right: <= 559, Top: >= 40, Bottom: <= 770 }, $"{word} leaves the page's margins"));
            for (int i = 0; i < onPage.Length; i++)
            {
                Word a = onPage[i];
                Assert.DoesNotContain(onPage[(i + 1)..], b => a.Overlaps(b));
            }
        }

        Assert.True(words > 150);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Every_page_can_be_drawn_and_none_is_blank(string kind)
    {
        using EvidenceSample sample = Sample(kind);
        await File.WriteAllBytesAsync(_folder["report.pdf"], EvidenceReport.Render(await sample.DocumentAsync()), TestContext.Current.CancellationToken);
        string errors = await RunAsync("pdftoppm", "-r", "40", "-gray", _folder["report.pdf"], _folder["page"]);
        Assert.Equal("", errors);
        string[] pages = Directory.GetFiles(_folder.Path, "page*.pgm");
        Assert.NotEmpty(pages);
        foreach (string page in pages)
        {
            byte[] pixels = await File.ReadAllBytesAsync(page, TestContext.Current.CancellationToken);
            Assert.True(pixels.AsSpan(20).Count((byte)255) < pixels.Length - 1000, $"{Path.GetFileName(page)} is blank");
        }
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

    private static string Flat(string text) => Regex.Replace(text, "\\s+", " ", RegexOptions.NonBacktracking);

    private async Task<string> TextAsync(byte[] pdf)
    {
        await File.WriteAllBytesAsync(_folder["report.pdf"], pdf, TestContext.Current.CancellationToken);
        await RunAsync("pdftotext", "-layout", _folder["report.pdf"], _folder["report.txt"]);
        return await File.ReadAllTextAsync(_folder["report.txt"], TestContext.Current.CancellationToken);
    }

    private static async Task<string> RunAsync(string program, params string[] arguments)
    {
        Process process;
        try
        {
            process = Process.Start(new ProcessStartInfo(program, arguments) { UseShellExecute = false, RedirectStandardError = true })!;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Skip($"There is no {program} on the PATH (Debian: poppler-utils).");
            throw;
        }

        using (process)
        {
            string errors = await process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
            await process.WaitForExitAsync(TestContext.Current.CancellationToken);
            Assert.True(process.ExitCode == 0, errors);
            return errors;
        }
    }

    private sealed record Word(string Text, double Left, double Top, double Right, double Bottom)
    {
        public static Word Of(XElement word) => new(word.Value, Number(word, "xMin"), Number(word, "yMin"), Number(word, "xMax"), Number(word, "yMax"));

        /// <summary>Boxes reach from ascender to descender and so may touch between lines: a fifth of the smaller box is an overlap.</summary>
        public bool Overlaps(Word other)
        {
            double width = Math.Min(Right, other.Right) - Math.Max(Left, other.Left), height = Math.Min(Bottom, other.Bottom) - Math.Max(Top, other.Top);
            return width > 0.5 && height > 0.35 * Math.Min(Bottom - Top, other.Bottom - other.Top);
        }

        private static double Number(XElement element, string name) => double.Parse(element.Attribute(name)!.Value, CultureInfo.InvariantCulture);
    }
}
