using System.Globalization;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;

namespace CloudArchive.Core.Reports;

/// <summary>A colour.</summary>
internal readonly record struct PdfColor(byte Red, byte Green, byte Blue)
{
    /// <summary>The operands of <c>rg</c> and <c>RG</c>.</summary>
    public string Operands => string.Create(CultureInfo.InvariantCulture, $"{Red / 255.0:0.###} {Green / 255.0:0.###} {Blue / 255.0:0.###}");
}

/// <summary>A point on a page.</summary>
internal readonly record struct PdfPoint(double X, double Y);

/// <summary>A rectangle on a page.</summary>
internal readonly record struct PdfBox(double X, double Y, double Width, double Height)
{
    public double Right => X + Width;

    public double Bottom => Y + Height;
}

/// <summary>A font at a size.</summary>
internal readonly record struct PdfTextStyle(PdfFont Font, double Size)
{
    public double Width(string text) => Font.Width(Font.Printable(text), Size);
}

/// <summary>
/// Writes PDF 1.7 (ISO 32000-1): text in embedded fonts, lines and filled shapes, no more. The same calls make the same bytes, so that
/// anyone can make a report from its evidence again and compare.
/// </summary>
internal sealed class PdfDocument(string title, string subject, string creator, DateTimeOffset at)
{
    /// <summary>US Letter, in points.</summary>
    public const double PageWidth = 612;

    /// <summary>US Letter, in points.</summary>
    public const double PageHeight = 792;

    private static readonly PdfFont[] Fonts = [PdfFont.Regular, PdfFont.Bold, PdfFont.Fixed];

    private readonly List<PdfPage> _pages = [];
    private readonly List<byte[]> _objects = [];

    public IReadOnlyList<PdfPage> Pages => _pages;

    public PdfPage AddPage()
    {
        _pages.Add(new PdfPage());
        return _pages[^1];
    }

    /// <summary>The resource name of a font.</summary>
    internal static string ResourceName(PdfFont font) => $"F{Array.IndexOf(Fonts, font)}";

    /// <summary>Writes the document.</summary>
    public byte[] Save()
    {
        _objects.Clear();
        int catalog = Reserve(), pages = Reserve();
        string fonts = string.Join(' ', Fonts.Select(font => $"/{ResourceName(font)} {AddFont(font)} 0 R"));
        List<int> kids = [];
        foreach (PdfPage page in _pages)
        {
            int content = AddStream("", Encoding.ASCII.GetBytes(page.Content));
            kids.Add(Add(Invariant($"<< /Type /Page /Parent {pages} 0 R /MediaBox [0 0 {PageWidth} {PageHeight}] /Resources << /Font << {fonts} >> >> /Contents {content} 0 R >>")));
        }

        Set(pages, $"<< /Type /Pages /Count {kids.Count} /Kids [{string.Join(' ', kids.Select(kid => $"{kid} 0 R"))}] >>");
        Set(catalog, $"<< /Type /Catalog /Pages {pages} 0 R /Lang (en-US) /ViewerPreferences << /DisplayDocTitle true >> >>");
        string time = at.UtcDateTime.ToString("'(D:'yyyyMMddHHmmss'Z)'", CultureInfo.InvariantCulture);
        int info = Add($"<< /Title {Text(title)} /Subject {Text(subject)} /Creator {Text(creator)} /CreationDate {time} /ModDate {time} >>");
        return Assemble(catalog, info);
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    /// <summary>A text string (§7.9.2.2): UTF-16BE with its mark, in hexadecimal.</summary>
    private static string Text(string text) => $"<FEFF{Convert.ToHexString(Encoding.BigEndianUnicode.GetBytes(text))}>";

    private int Reserve()
    {
        _objects.Add([]);
        return _objects.Count;
    }

    private void Set(int number, string content) => _objects[number - 1] = Encoding.Latin1.GetBytes(content);

    private int Add(string content)
    {
        _objects.Add(Encoding.Latin1.GetBytes(content));
        return _objects.Count;
    }

    private int AddStream(string entries, byte[] content)
    {
        using MemoryStream packed = new();
        using (ZLibStream deflate = new(packed, CompressionLevel.Optimal, leaveOpen: true))
        {
            deflate.Write(content);
        }

        byte[] head = Encoding.Latin1.GetBytes($"<< {entries}/Filter /FlateDecode /Length {packed.Length} >>\nstream\n");
        _objects.Add([.. head, .. packed.ToArray(), .. "\nendstream"u8]);
        return _objects.Count;
    }

    /// <summary>A composite font (§9.7): glyph numbers are the codes, and a map leads back to Unicode, for search, copying and screen readers.</summary>
    private int AddFont(PdfFont font)
    {
        int file = AddStream($"/Length1 {font.File.Length} ", font.File);
        int descriptor = Add($"<< /Type /FontDescriptor /FontName /{font.Name} /Flags 4 /FontBBox [{string.Join(' ', font.Box)}] /ItalicAngle 0 "
            + $"/Ascent {font.Ascent} /Descent {font.Descent} /CapHeight {font.CapHeight} /StemV 80 /FontFile2 {file} 0 R >>");
        int descendant = Add($"<< /Type /Font /Subtype /CIDFontType2 /BaseFont /{font.Name} /CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> "
            + $"/FontDescriptor {descriptor} 0 R /CIDToGIDMap /Identity /W [0 [{string.Join(' ', font.Widths)}]] >>");
        int unicode = AddStream("", Encoding.ASCII.GetBytes(UnicodeMap(font)));
        return Add($"<< /Type /Font /Subtype /Type0 /BaseFont /{font.Name} /Encoding /Identity-H /DescendantFonts [{descendant} 0 R] /ToUnicode {unicode} 0 R >>");
    }

    private static string UnicodeMap(PdfFont font)
    {
        StringBuilder map = new("/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def\n"
            + "/CMapName /Adobe-Identity-UCS def /CMapType 2 def 1 begincodespacerange <0000> <FFFF> endcodespacerange\n");

        // One character a glyph: where two share one, the first, so that a space is a space and not a no-break space. At most 100 a block.
        foreach (KeyValuePair<char, ushort>[] block in font.Characters.DistinctBy(pair => pair.Value).Chunk(100))
        {
            map.Append(CultureInfo.InvariantCulture, $"{block.Length} beginbfchar\n");
            foreach ((char character, ushort glyph) in block)
            {
                map.Append(CultureInfo.InvariantCulture, $"<{glyph:X4}> <{(int)character:X4}>\n");
            }

            map.Append("endbfchar\n");
        }

        return map.Append("endcmap CMapName currentdict /CMap defineresource pop end end").ToString();
    }

    private byte[] Assemble(int catalog, int info)
    {
        using MemoryStream output = new();
        List<long> offsets = [];
        output.Write("%PDF-1.7\n%\u00E2\u00E3\u00CF\u00D3\n"u8); // bytes above 127: this is no text file (§7.5.2)
        for (int i = 0; i < _objects.Count; i++)
        {
            offsets.Add(output.Position);
            output.Write(Encoding.ASCII.GetBytes($"{i + 1} 0 obj\n"));
            output.Write(_objects[i]);
            output.Write("\nendobj\n"u8);
        }

        string id = Convert.ToHexString(SHA256.HashData(output.ToArray()).AsSpan(0, 16));
        long table = output.Position;
        string references = string.Concat(offsets.Select(offset => $"{offset:D10} 00000 n \n"));
        output.Write(Encoding.ASCII.GetBytes($"xref\n0 {offsets.Count + 1}\n0000000000 65535 f \n{references}"
            + $"trailer\n<< /Size {offsets.Count + 1} /Root {catalog} 0 R /Info {info} 0 R /ID [<{id}> <{id}>] >>\nstartxref\n{table}\n%%EOF\n"));
        return output.ToArray();
    }
}

/// <summary>What is drawn on a page. Places are in points from the top left corner.</summary>
internal sealed class PdfPage
{
    private readonly StringBuilder _content = new();

    /// <summary>The content stream (§7.8.2).</summary>
    public string Content => _content.ToString();

    public void Fill(PdfColor color, PdfBox box) =>
        Append($"{color.Operands} rg {box.X:0.##} {Up(box.Bottom):0.##} {box.Width:0.##} {box.Height:0.##} re f");

    public void Line(PdfColor color, double width, PdfPoint from, PdfPoint to) => Polyline(color, width, [from, to]);

    public void Polyline(PdfColor color, double width, IReadOnlyList<PdfPoint> points) =>
        Append($"{color.Operands} RG {width:0.##} w 1 j {Path(points)} S");

    public void Polygon(PdfColor color, IReadOnlyList<PdfPoint> points) => Append($"{color.Operands} rg {Path(points)} f");

    public void Disc(PdfColor color, PdfPoint center, double radius)
    {
        // Four Bézier arcs; 0.5523 r is where their control points make the best circle.
        double x = center.X, y = Up(center.Y), r = radius, c = 0.5523 * radius;
        Append($"{color.Operands} rg {x - r:0.##} {y:0.##} m {x - r:0.##} {y + c:0.##} {x - c:0.##} {y + r:0.##} {x:0.##} {y + r:0.##} c {x + c:0.##} {y + r:0.##} {x + r:0.##} {y + c:0.##} {x + r:0.##} {y:0.##} c");
        Append($"{x + r:0.##} {y - c:0.##} {x + c:0.##} {y - r:0.##} {x:0.##} {y - r:0.##} c {x - c:0.##} {y - r:0.##} {x - r:0.##} {y - c:0.##} {x - r:0.##} {y:0.##} c f");
    }

    /// <summary>One line of text on a base line.</summary>
    public void Text(string text, PdfTextStyle style, PdfColor color, double x, double baseLine) =>
        Append($"BT /{PdfDocument.ResourceName(style.Font)} {style.Size:0.##} Tf {color.Operands} rg {x:0.##} {Up(baseLine):0.##} Td <{style.Font.Encode(style.Font.Printable(text))}> Tj ET");

    private static double Up(double y) => PdfDocument.PageHeight - y;

    private static string Path(IReadOnlyList<PdfPoint> points) =>
        string.Join(' ', points.Select((point, i) => string.Create(CultureInfo.InvariantCulture, $"{point.X:0.##} {Up(point.Y):0.##} {(i == 0 ? 'm' : 'l')}")));

    private void Append(FormattableString operators) => _content.Append(operators.ToString(CultureInfo.InvariantCulture)).Append('\n');
}
