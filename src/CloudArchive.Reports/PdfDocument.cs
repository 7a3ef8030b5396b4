using System.Globalization;
using System.IO.Compression;
using System.Security;
using System.Security.Cryptography;
using System.Text;

namespace CloudArchive.Reports;

/// <summary>
/// Writes PDF 1.7 (ISO 32000-1) as PDF/A-2a (ISO 19005-2): text in embedded, subset fonts, lines and filled shapes, all of it tagged or an
/// artifact. The same calls make the same bytes, so that anyone can make a report from its evidence again and compare.
/// </summary>
internal sealed class PdfDocument(string title, string subject, string creator, DateTimeOffset at)
{
    /// <summary>US Letter, in points.</summary>
    public const double PageWidth = 612;

    /// <summary>US Letter, in points.</summary>
    public const double PageHeight = 792;

    private readonly List<PdfPage> _pages = [];
    private readonly List<(string Title, int Page, double Y)> _bookmarks = [];
    private readonly List<byte[]> _objects = [];

    /// <summary>The root of what the document says, apart from how it looks (ISO 32000-1 §14.7).</summary>
    public PdfElement Structure { get; } = new("Document");

    public IReadOnlyList<PdfPage> Pages => _pages;

    public PdfPage AddPage()
    {
        _pages.Add(new PdfPage());
        return _pages[^1];
    }

    /// <summary>An entry of the outline that leads to a place on the last page.</summary>
    public void Bookmark(string text, double y) => _bookmarks.Add((text, _pages.Count - 1, PageHeight - y));

    /// <summary>Writes the document.</summary>
    public byte[] Save()
    {
        _objects.Clear();
        int catalog = Reserve(), tree = Reserve(), structure = Reserve();
        int[] pages = [.. _pages.Select(_ => Reserve())];
        int pageTree = Reserve();
        string fonts = string.Concat(PdfFontUse.Of(_pages).Select(use => $"/{use.ResourceName} {AddFont(use)} 0 R "));
        for (int i = 0; i < _pages.Count; i++)
        {
            int content = AddStream("", Encoding.ASCII.GetBytes(_pages[i].Content));
            Set(pages[i], Invariant($"<< /Type /Page /Parent {pageTree} 0 R /MediaBox [0 0 {PageWidth} {PageHeight}] /Resources << /Font << {fonts}>> >> /Contents {content} 0 R /StructParents {i} /Tabs /S >>"));
        }

        Set(pageTree, $"<< /Type /Pages /Count {pages.Length} /Kids [{string.Join(' ', pages.Select(page => $"{page} 0 R"))}] >>");
        AddStructure(tree, structure, pages);
        int metadata = AddMetadata(), profile = AddStream("/N 3 ", IccProfile.Srgb);
        Set(catalog, $"<< /Type /Catalog /Pages {pageTree} 0 R /Lang (en-US) /MarkInfo << /Marked true >> /StructTreeRoot {tree} 0 R /Metadata {metadata} 0 R "
            + $"/OutputIntents [<< /Type /OutputIntent /S /GTS_PDFA1 /OutputConditionIdentifier (sRGB IEC61966-2.1) /Info (sRGB IEC61966-2.1) /DestOutputProfile {profile} 0 R >>] "
            + $"{AddOutline(pages)}/ViewerPreferences << /DisplayDocTitle true >> >>");
        string time = at.UtcDateTime.ToString("'(D:'yyyyMMddHHmmss'Z)'", CultureInfo.InvariantCulture);
        int info = Add($"<< /Title {Text(title)} /Subject {Text(subject)} /Creator {Text(creator)} /CreationDate {time} /ModDate {time} >>");
        return Assemble(catalog, info);
    }

    /// <summary>A text string (§7.9.2.2): UTF-16BE with its mark, in hexadecimal.</summary>
    internal static string Text(string text) => $"<FEFF{Convert.ToHexString(Encoding.BigEndianUnicode.GetBytes(text))}>";

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

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

        return AddRaw($"{entries}/Filter /FlateDecode ", packed.ToArray());
    }

    private int AddRaw(string entries, byte[] content)
    {
        _objects.Add([.. Encoding.Latin1.GetBytes($"<< {entries}/Length {content.Length} >>\nstream\n"), .. content, .. "\nendstream"u8]);
        return _objects.Count;
    }

    /// <summary>
    /// A composite font (§9.7). The codes are the glyph numbers of the whole font, and a map leads from them to the subset's, so that pages can be
    /// written before the subset is known; another leads back to Unicode, for search, copying and screen readers.
    /// </summary>
    private int AddFont(PdfFontUse use)
    {
        PdfFont font = use.Font;
        (byte[] subset, IReadOnlyDictionary<ushort, ushort> numbers) = font.Subset(use.Glyphs.Keys);
        byte[] map = new byte[2 * (use.Glyphs.Keys.Max() + 1)];
        foreach (ushort glyph in use.Glyphs.Keys)
        {
            (map[2 * glyph], map[(2 * glyph) + 1]) = ((byte)(numbers[glyph] >> 8), (byte)numbers[glyph]);
        }

        string name = $"{Tag(subset)}+{font.Name}";
        int file = AddStream($"/Length1 {subset.Length} ", subset), glyphs = AddStream("", map);
        int descriptor = Add($"<< /Type /FontDescriptor /FontName /{name} /Flags 4 /FontBBox [{string.Join(' ', font.Box)}] /ItalicAngle 0 "
            + $"/Ascent {font.Ascent} /Descent {font.Descent} /CapHeight {font.CapHeight} /StemV 80 /FontFile2 {file} 0 R >>");
        string widths = string.Join(' ', use.Glyphs.Keys.Select(glyph => $"{glyph} [{font.Width(glyph)}]"));
        int descendant = Add($"<< /Type /Font /Subtype /CIDFontType2 /BaseFont /{name} /CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> "
            + $"/FontDescriptor {descriptor} 0 R /CIDToGIDMap {glyphs} 0 R /W [{widths}] >>");
        int unicode = AddStream("", Encoding.ASCII.GetBytes(UnicodeMap(use)));
        return Add($"<< /Type /Font /Subtype /Type0 /BaseFont /{name} /Encoding /Identity-H /DescendantFonts [{descendant} 0 R] /ToUnicode {unicode} 0 R >>");
    }

    /// <summary>Six letters that mark a subset (§9.6.4): the same subset has the same.</summary>
    private static string Tag(byte[] subset) => string.Concat(SHA256.HashData(subset).Take(6).Select(value => (char)('A' + (value % 26))));

    private static string UnicodeMap(PdfFontUse use)
    {
        StringBuilder map = new("/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def\n"
            + "/CMapName /Adobe-Identity-UCS def /CMapType 2 def 1 begincodespacerange <0000> <FFFF> endcodespacerange\n");
        foreach (KeyValuePair<ushort, Rune>[] block in use.Glyphs.Chunk(100))
        {
            map.Append(CultureInfo.InvariantCulture, $"{block.Length} beginbfchar\n");
            foreach ((ushort glyph, Rune rune) in block)
            {
                map.Append(CultureInfo.InvariantCulture, $"<{glyph:X4}> <{Convert.ToHexString(Encoding.BigEndianUnicode.GetBytes(rune.ToString()))}>\n");
            }

            map.Append("endbfchar\n");
        }

        return map.Append("endcmap CMapName currentdict /CMap defineresource pop end end").ToString();
    }

    /// <summary>The structure tree, and for each page the elements that its marked contents belong to (§14.7.4.4).</summary>
    private void AddStructure(int tree, int root, int[] pages)
    {
        Dictionary<PdfElement, int> numbers = new() { [Structure] = root };
        foreach (PdfElement element in Structure.Descendants())
        {
            numbers[element] = Reserve();
        }

        foreach ((PdfElement element, int number) in numbers)
        {
            string kids = string.Join(' ', element.Kids.Select(kid => kid switch
            {
                PdfElement child => $"{numbers[child]} 0 R",
                PdfMark mark => $"<< /Type /MCR /Pg {pages[_pages.IndexOf(mark.Page)]} 0 R /MCID {mark.Number} >>",
                _ => "",
            }));
            int parent = element.Parent is null ? tree : numbers[element.Parent];
            Set(number, $"<< /Type /StructElem /S /{element.Type} /P {parent} 0 R {(element.Alternative is { } text ? $"/Alt {Text(text)} " : "")}"
                + $"{(element.Attributes is { } attributes ? $"/A << {attributes} >> " : "")}/K [{kids}] >>");
        }

        string parents = string.Join(' ', _pages.Select((page, i) => $"{i} [{string.Join(' ', page.Marked.Select(element => $"{numbers[element]} 0 R"))}]"));
        int parentTree = Add($"<< /Nums [{parents}] >>");
        Set(tree, $"<< /Type /StructTreeRoot /K [{root} 0 R] /ParentTree {parentTree} 0 R /ParentTreeNextKey {_pages.Count} >>");
    }

    private string AddOutline(int[] pages)
    {
        if (_bookmarks.Count == 0)
        {
            return "";
        }

        int outline = Reserve(), first = _objects.Count + 1;
        for (int i = 0; i < _bookmarks.Count; i++)
        {
            (string text, int page, double y) = _bookmarks[i];
            string before = i > 0 ? $"/Prev {first + i - 1} 0 R " : "", after = i < _bookmarks.Count - 1 ? $"/Next {first + i + 1} 0 R " : "";
            Add(Invariant($"<< /Title {Text(text)} /Parent {outline} 0 R {before}{after}/Dest [{pages[page]} 0 R /XYZ 0 {y:0.##} null] >>"));
        }

        Set(outline, $"<< /Type /Outlines /First {first} 0 R /Last {first + _bookmarks.Count - 1} 0 R /Count {_bookmarks.Count} >>");
        return $"/Outlines {outline} 0 R ";
    }

    /// <summary>XMP (ISO 16684-1). It says what the document's information says, and that this is PDF/A-2a; unfiltered, so that any program can read it.</summary>
    private int AddMetadata()
    {
        string time = at.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
        string packet =
            $"""
            <?xpacket begin="{'\uFEFF'}" id="W5M0MpCehiHzreSzNTczkc9d"?>
            <x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
            <rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/">
            <pdfaid:part>2</pdfaid:part><pdfaid:conformance>A</pdfaid:conformance>
            <dc:format>application/pdf</dc:format>
            <dc:title><rdf:Alt><rdf:li xml:lang="x-default">{SecurityElement.Escape(title)}</rdf:li></rdf:Alt></dc:title>
            <dc:description><rdf:Alt><rdf:li xml:lang="x-default">{SecurityElement.Escape(subject)}</rdf:li></rdf:Alt></dc:description>
            <dc:language><rdf:Bag><rdf:li>en-US</rdf:li></rdf:Bag></dc:language>
            <xmp:CreatorTool>{SecurityElement.Escape(creator)}</xmp:CreatorTool><xmp:CreateDate>{time}</xmp:CreateDate><xmp:ModifyDate>{time}</xmp:ModifyDate>
            </rdf:Description></rdf:RDF></x:xmpmeta>
            <?xpacket end="r"?>
            """;
        return AddRaw("/Type /Metadata /Subtype /XML ", Encoding.UTF8.GetBytes(packet.ReplaceLineEndings("\n")));
    }

    private byte[] Assemble(int catalog, int info)
    {
        using MemoryStream output = new();
        List<long> offsets = [];
        output.Write([.. "%PDF-1.7\n%"u8, 0xE2, 0xE3, 0xCF, 0xD3, (byte)'\n']); // bytes above 127: this is no text file (§7.5.2)
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

/// <summary>The glyphs of a font that a document uses, each with the character that it stands for.</summary>
internal sealed record PdfFontUse(PdfFont Font, SortedDictionary<ushort, Rune> Glyphs)
{
    /// <summary>The font's name in a page's resources.</summary>
    public string ResourceName => Name(Font);

    public static string Name(PdfFont font) => font == PdfFont.Regular ? "F0" : font == PdfFont.Bold ? "F1" : font == PdfFont.Fixed ? "F2" : "F3";

    public static IReadOnlyList<PdfFontUse> Of(IEnumerable<PdfPage> pages)
    {
        SortedDictionary<string, PdfFontUse> uses = new(StringComparer.Ordinal);
        foreach (PdfGlyph glyph in pages.SelectMany(page => page.Glyphs))
        {
            string name = Name(glyph.Font);
            if (!uses.TryGetValue(name, out PdfFontUse? use))
            {
                uses[name] = use = new PdfFontUse(glyph.Font, []);
            }

            // Where two characters share a glyph, the first: a space is a space and not a no-break space.
            if (!use.Glyphs.TryGetValue(glyph.Index, out Rune known) || glyph.Rune < known)
            {
                use.Glyphs[glyph.Index] = glyph.Rune;
            }
        }

        return [.. uses.Values];
    }
}
