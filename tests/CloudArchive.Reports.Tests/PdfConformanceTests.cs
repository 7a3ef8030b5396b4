using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using CloudArchive.Reports;
using CloudArchive.Testing;
using CloudArchive.Testing.Evidence;

#pragma warning disable MA0009 // what is matched was made by the code under test, in this process

namespace CloudArchive.Reports.Tests;

/// <summary>
/// What ISO 19005-2 (PDF/A-2a) asks of a file that has text, lines and shapes only, as far as a test can tell: the clauses stand beside the checks.
/// Every report is held to it.
/// </summary>
public sealed class PdfConformanceTests : IDisposable
{
    private const string Name = "Zahnarzt Łódź 歯科";
    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string> Reports => ["evidence", "evidence-large", "month", "year", "hangul", "binder"];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("evidence")]
    [InlineData("month")]
    [InlineData("year")]
    public async Task A_name_in_any_of_the_scripts_that_the_fonts_have_can_be_read_and_found(string report)
    {
        byte[] pdf = await RenderAsync(report);
        Assert.Contains(Name, OpenedPdf.Flat(await new OpenedPdf(_folder).TextAsync(pdf)), StringComparison.Ordinal);
        Assert.Contains("NotoSansJP", Encoding.Latin1.GetString(pdf), StringComparison.Ordinal);
        Assert.InRange(pdf.Length, 10_000, 200_000); // subsets: the fonts themselves are over 5 MB
    }

    [Fact]
    public async Task A_name_that_no_font_has_gives_way_to_the_slug_and_question_marks_to_nothing()
    {
        byte[] pdf = await RenderAsync("hangul");
        string text = OpenedPdf.Flat(await new OpenedPdf(_folder).TextAsync(pdf));
        Assert.Contains("riverside-dental (its name has characters that this report's fonts lack)", text, StringComparison.Ordinal);
        Assert.DoesNotContain("??", text, StringComparison.Ordinal);
        PdfFile file = new(pdf);
        Assert.EndsWith(": 강남 치과", PdfFile.String(PdfFile.Entry(file.Object(file.Trailer, "Info"), "Title")!), StringComparison.Ordinal);
        string shaped = string.Concat(ReportStyle.Regular(9).Shape("ok 😀 \ud83d\tx").Select(glyph => glyph.Rune));
        Assert.Equal("ok [U+1F600] \uFFFD x", shaped);
        Assert.Equal("𠮷野家", string.Concat(ReportStyle.Bold(9).Shape("𠮷野家").Select(glyph => glyph.Rune)));
    }

    [Theory]
    [MemberData(nameof(Reports))]
    public async Task Poppler_calls_it_tagged(string report) => Assert.Matches(@"Tagged:\s+yes", await new OpenedPdf(_folder).InfoAsync(await RenderAsync(report)));

    /// <summary>6.7.2, 6.7.3.3: all content is a part of an element or an artifact, and the tree and the pages agree on which.</summary>
    [Theory]
    [MemberData(nameof(Reports))]
    public async Task All_content_is_tagged_or_an_artifact(string report)
    {
        PdfFile file = new(await RenderAsync(report));
        string catalog = file.Object(file.Trailer, "Root");
        Assert.Contains("/MarkInfo << /Marked true >>", catalog, StringComparison.Ordinal);
        Assert.Equal("(en-US)", PdfFile.Entry(catalog, "Lang"));
        string parents = PdfFile.Entry(file.Object(file.Object(catalog, "StructTreeRoot"), "ParentTree"), "Nums") is null
            ? "" : file.Object(file.Object(catalog, "StructTreeRoot"), "ParentTree");
        int[] pages = file.Pages();
        for (int i = 0; i < pages.Length; i++)
        {
            Assert.Equal(i.ToString(CultureInfo.InvariantCulture), PdfFile.Entry(file.Object(pages[i]), "StructParents"));
            string[] owners = Regex.Match(parents, $@"[\[ ]{i} \[([^\]]*)\]").Groups[1].Value.Split(" 0 R", StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
            string content = Encoding.ASCII.GetString(file.Stream(PdfFile.Reference(PdfFile.Entry(file.Object(pages[i]), "Contents")!)));
            int depth = 0, marks = 0;
            foreach (string line in content.Split('\n', StringSplitOptions.RemoveEmptyEntries))
            {
                if (Regex.Match(line, @"^/(\w+) <</MCID (\d+)>> BDC$") is { Success: true } begin)
                {
                    Assert.Equal(0, depth++);
                    Assert.Equal(marks.ToString(CultureInfo.InvariantCulture), begin.Groups[2].Value);
                    string element = file.Object(PdfFile.Reference(owners[marks]));
                    Assert.Equal($"/{begin.Groups[1].Value}", PdfFile.Entry(element, "S"));
                    Assert.Contains($"/Pg {pages[i]} 0 R /MCID {marks} >>", element, StringComparison.Ordinal);
                    marks++;
                }
                else if (line == "EMC")
                {
                    Assert.Equal(0, --depth);
                }
                else
                {
                    Assert.True(depth == 1 || (line.StartsWith("/Artifact BMC ", StringComparison.Ordinal) && line.EndsWith(" EMC", StringComparison.Ordinal)), line);
                }
            }

            Assert.Equal(0, depth);
            Assert.Equal(marks, owners.Length);

            // Text that is read to nobody: the footer's two lines, and the head of a table (of three columns at least) that goes on from the page before.
            int unread = Regex.Count(content, "^/Artifact BMC BT ", RegexOptions.Multiline);
            Assert.True(unread is 2 or >= 5, $"page {i + 1} has {unread} lines of text outside the structure");
        }
    }

    /// <summary>6.7.3: standard types, in an order that makes sense; what is a picture has words beside it (ISO 32000-1 §14.8.4, §14.9.3).</summary>
    [Theory]
    [MemberData(nameof(Reports))]
    public async Task The_structure_has_one_title_headings_tables_with_heads_and_words_for_each_chart(string report)
    {
        PdfFile file = new(await RenderAsync(report));
        (string Type, string Object)[] elements = [.. file.Numbers.Select(file.Object).Where(o => o.Contains("/Type /StructElem", StringComparison.Ordinal)).Select(o => (PdfFile.Entry(o, "S")![1..], o))];
        string[] standard = ["Document", "H1", "H2", "H3", "P", "Table", "TR", "TH", "TD", "L", "LI", "LBody", "Figure"];
        Assert.All(elements, element => Assert.Contains(element.Type, standard));
        Assert.Single(elements, element => element.Type == "Document");
        Assert.Single(elements, element => element.Type == "H1");
        Assert.True(elements.Count(element => element.Type == "H2") >= 3);
        (string Type, string Object)[] charts = [.. elements.Where(element => element.Type == "Figure")];
        Assert.Equal(report == "binder", charts.Length == 0); // a cover has none
        Assert.All(charts, chart => Assert.StartsWith("Chart. ", PdfFile.String(PdfFile.Entry(chart.Object, "Alt")!), StringComparison.Ordinal));
        foreach ((_, string table) in elements.Where(element => element.Type == "Table"))
        {
            string[] rows = [.. References(PdfFile.Entry(table, "K")!).Select(file.Object)];
            Assert.All(rows, row => Assert.Equal("/TR", PdfFile.Entry(row, "S")));
            string[][] cells = [.. rows.Select(row => References(PdfFile.Entry(row, "K")!).Select(file.Object).ToArray())];
            Assert.Single(cells.Select(row => row.Length).Distinct());
            Assert.All(cells[0], cell => Assert.True(cell == cells[0][^1] || PdfFile.Entry(cell, "S") == "/TH"));
            Assert.All(cells.SelectMany(row => row).Where(cell => PdfFile.Entry(cell, "S") == "/TH"), cell => Assert.Contains("/A << /O /Table /Scope /", cell, StringComparison.Ordinal));
        }
    }

    /// <summary>6.2.11.4 to 6.2.11.7: every font is embedded, as a subset that has every glyph that is shown, with the widths that are said, and leads back to Unicode.</summary>
    [Theory]
    [MemberData(nameof(Reports))]
    public async Task Every_glyph_that_is_shown_is_embedded_has_its_width_and_its_character(string report)
    {
        PdfFile file = new(await RenderAsync(report));
        int[] pages = file.Pages();
        string resources = file.Object(pages[0]);
        MatchCollection fonts = Regex.Matches(Regex.Match(resources, "/Font << (.*?) >>").Groups[1].Value, @"/(F\d) (\d+) 0 R");
        Assert.NotEmpty(fonts);
        string content = string.Concat(pages.Select(page => Encoding.ASCII.GetString(file.Stream(PdfFile.Reference(PdfFile.Entry(file.Object(page), "Contents")!)))));
        foreach (Match use in fonts)
        {
            string font = file.Object(int.Parse(use.Groups[2].Value, CultureInfo.InvariantCulture));
            string descendant = file.Object(References(PdfFile.Entry(font, "DescendantFonts")!).Single());
            string descriptor = file.Object(descendant, "FontDescriptor");
            string name = PdfFile.Entry(font, "BaseFont")!;
            Assert.Matches("^/[A-Z]{6}\\+Noto", name);
            Assert.Equal(name, PdfFile.Entry(descendant, "BaseFont"));
            Assert.Equal(name, PdfFile.Entry(descriptor, "FontName"));
            byte[] program = file.Stream(PdfFile.Reference(PdfFile.Entry(descriptor, "FontFile2")!));
            byte[] map = file.Stream(PdfFile.Reference(PdfFile.Entry(descendant, "CIDToGIDMap")!));
            string unicode = Encoding.ASCII.GetString(file.Stream(PdfFile.Reference(PdfFile.Entry(font, "ToUnicode")!)));
            Dictionary<int, int> widths = Regex.Matches(descendant, @"(\d+) \[(\d+)\]").ToDictionary(m => Number(m, 1), m => Number(m, 2));
            HashSet<int> shown = [.. Regex.Matches(content, $@"/{use.Groups[1].Value} [\d.]+ Tf (?:[\d.-]+ [\d.-]+ Td )?<([0-9A-F]*)>").SelectMany(m => m.Groups[1].Value.Chunk(4)).Select(digits => int.Parse(digits, NumberStyles.HexNumber, CultureInfo.InvariantCulture))];
            Assert.NotEmpty(shown);
            TrueType subset = new(program);
            Assert.Equal(0xB1B0AFBA, subset.Sum);
            foreach (int code in shown)
            {
                int glyph = BinaryPrimitives.ReadUInt16BigEndian(map.AsSpan(2 * code));
                Assert.InRange(glyph, 1, subset.Glyphs - 1); // 6.2.11.8: never .notdef
                Assert.Equal(widths[code], (int)Math.Round(subset.Advance(glyph) * 1000.0 / subset.UnitsPerEm));
                string character = Encoding.BigEndianUnicode.GetString(Convert.FromHexString(Regex.Match(unicode, $"<{code:X4}> <([0-9A-F]+)>\n").Groups[1].Value));
                Assert.DoesNotContain(character, new[] { "", "\0", "\uFEFF", "\uFFFE" });
                Assert.True(subset.HasOutline(glyph) || string.IsNullOrWhiteSpace(character), $"{name} has no outline for '{character}'");
            }
        }
    }

    /// <summary>6.6, 6.2.3, 6.1.3: metadata that agrees with the information dictionary, an output intent with a whole profile, an identifier.</summary>
    [Theory]
    [MemberData(nameof(Reports))]
    public async Task It_says_what_it_is_in_XMP_and_what_its_colours_are(string report)
    {
        PdfFile file = new(await RenderAsync(report));
        string catalog = file.Object(file.Trailer, "Root"), info = file.Object(file.Trailer, "Info");
        string metadata = file.Object(catalog, "Metadata");
        Assert.Null(PdfFile.Entry(metadata, "Filter"));
        string packet = Encoding.UTF8.GetString(file.Stream(PdfFile.Reference(PdfFile.Entry(catalog, "Metadata")!)));
        XElement xmp = XDocument.Parse(packet).Root!;
        string Value(string name) => xmp.Descendants().Single(element => element.Name.LocalName == name && !element.Elements().Any(child => child.Name.LocalName == name)).Value.Trim();
        Assert.Equal(("2", "A"), (Value("part"), Value("conformance")));
        Assert.Equal(PdfFile.String(PdfFile.Entry(info, "Title")!), Value("title"));
        Assert.Equal(PdfFile.String(PdfFile.Entry(info, "Subject")!), Value("description"));
        Assert.Equal(PdfFile.String(PdfFile.Entry(info, "Creator")!), Value("CreatorTool"));
        Assert.Equal(PdfFile.Entry(info, "CreationDate")!.Trim('(', ')'), "D:" + Value("CreateDate").Replace("-", "").Replace(":", "").Replace("T", ""));
        Assert.Matches(@"/ID \[<[0-9A-F]{32}> <[0-9A-F]{32}>\]", file.Trailer);
        Assert.Contains("/S /GTS_PDFA1", catalog, StringComparison.Ordinal);
        byte[] profile = file.Stream(PdfFile.Reference(PdfFile.Entry(catalog, "DestOutputProfile")!));
        Assert.Equal(profile.Length, BinaryPrimitives.ReadInt32BigEndian(profile));
        Assert.Equal("mntrRGB XYZ ", Encoding.ASCII.GetString(profile, 12, 12));
        Assert.Equal("acsp", Encoding.ASCII.GetString(profile, 36, 4));
        for (int i = 0; i < BinaryPrimitives.ReadInt32BigEndian(profile.AsSpan(128)); i++)
        {
            int at = BinaryPrimitives.ReadInt32BigEndian(profile.AsSpan(136 + (12 * i))), length = BinaryPrimitives.ReadInt32BigEndian(profile.AsSpan(140 + (12 * i)));
            Assert.True(at % 4 == 0 && at + length <= profile.Length);
        }

        string all = string.Concat(file.Numbers.Select(file.Object));
        Assert.All(["/Encrypt", "/JavaScript", "/LZWDecode", "/AA ", "/OpenAction", "/EmbeddedFiles", "/SMask"], forbidden => Assert.DoesNotContain(forbidden, all, StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_outline_leads_to_every_heading()
    {
        PdfFile file = new(await RenderAsync("evidence"));
        string outline = file.Object(file.Object(file.Trailer, "Root"), "Outlines");
        List<string> titles = [];
        for (string? next = PdfFile.Entry(outline, "First"); next is not null; next = PdfFile.Entry(file.Object(PdfFile.Reference(next)), "Next"))
        {
            string item = file.Object(PdfFile.Reference(next));
            titles.Add(PdfFile.String(PdfFile.Entry(item, "Title")!));
            Assert.Contains(References(PdfFile.Entry(item, "Dest")!)[0], file.Pages());
        }

        Assert.Equal(titles.Count.ToString(CultureInfo.InvariantCulture), PdfFile.Entry(outline, "Count"));
        Assert.Contains("How the sample was drawn", titles);
    }

    private static int Number(Match match, int group) => int.Parse(match.Groups[group].Value, CultureInfo.InvariantCulture);

    private static int[] References(string array) => [.. Regex.Matches(array, @"(\d+) 0 R").Select(match => Number(match, 1))];

    private static async Task<byte[]> RenderAsync(string report)
    {
        switch (report)
        {
            case "evidence" or "evidence-large" or "hangul":
                using (EvidenceSample sample = report == "evidence-large"
                    ? new() { ClinicName = Name, Packs = 400, Budget = CloudArchive.Format.Evidence.TestBudget.Everything, Fails = place => place % 50 == 0 ? CloudArchive.Format.Evidence.PackFailure.Missing : null }
                    : new() { ClinicName = report == "hangul" ? "강남 치과" : Name })
                {
                    return EvidenceReport.Render(await sample.DocumentAsync());
                }

            case "binder":
                return BinderCoverTests.Sample("quarter");

            default:
                RecordedClinic clinic = new RecordedClinic { Name = Name }.Run("2026-05-01", "2026-05-01T01:00", 20).Run("2026-05-02", "2026-05-02T01:00", 19, 1).Hold("2026-02-01", "2026-06-01");
                return RollUpReport.Render(clinic.Report(report == "year" ? "2026" : "2026-05", "2027-01-05"));
        }
    }

    /// <summary>The tables of a TrueType font that the checks need.</summary>
    private sealed class TrueType(byte[] file)
    {
        public int UnitsPerEm => U16("head", 18);

        public int Glyphs => U16("maxp", 4);

        public uint Sum => Enumerable.Range(0, file.Length / 4).Aggregate(0u, (sum, i) => sum + BinaryPrimitives.ReadUInt32BigEndian(file.AsSpan(4 * i)));

        public int Advance(int glyph) => U16("hmtx", 4 * glyph);

        public bool HasOutline(int glyph) => Place(glyph + 1) > Place(glyph);

        private int Place(int glyph) => BinaryPrimitives.ReadInt32BigEndian(Table("loca").AsSpan(4 * glyph));

        private int U16(string table, int at) => BinaryPrimitives.ReadUInt16BigEndian(Table(table).AsSpan(at));

        private byte[] Table(string tag)
        {
            int i = Enumerable.Range(0, BinaryPrimitives.ReadUInt16BigEndian(file.AsSpan(4))).Single(entry => Encoding.ASCII.GetString(file, 12 + (16 * entry), 4) == tag);
            int at = BinaryPrimitives.ReadInt32BigEndian(file.AsSpan(20 + (16 * i))), length = BinaryPrimitives.ReadInt32BigEndian(file.AsSpan(24 + (16 * i)));
            return file[at..(at + length)];
        }
    }
}
