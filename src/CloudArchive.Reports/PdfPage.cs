using System.Globalization;
using System.Text;

namespace CloudArchive.Reports;

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

/// <summary>An element of a document's structure: one of the standard types of ISO 32000-1 §14.8.4.</summary>
internal sealed class PdfElement(string type, PdfElement? parent = null)
{
    private readonly List<object> _kids = [];

    public string Type => type;

    public PdfElement? Parent => parent;

    /// <summary>What is read aloud in place of what is drawn.</summary>
    public string? Alternative { get; init; }

    /// <summary>The entries of its attribute dictionary (§14.8.5).</summary>
    public string? Attributes { get; init; }

    /// <summary>Elements and <see cref="PdfMark"/>s in reading order.</summary>
    public IReadOnlyList<object> Kids => _kids;

    public PdfElement Add(string type, string? alternative = null, string? attributes = null)
    {
        PdfElement element = new(type, this) { Alternative = alternative, Attributes = attributes };
        _kids.Add(element);
        return element;
    }

    public void Add(PdfMark mark) => _kids.Add(mark);

    public IEnumerable<PdfElement> Descendants() => _kids.OfType<PdfElement>().SelectMany(kid => kid.Descendants().Prepend(kid));
}

/// <summary>A piece of a page that an element consists of.</summary>
internal sealed record PdfMark(PdfPage Page, int Number);

/// <summary>
/// What is drawn on a page. Places are in points from the top left corner. What is drawn within <see cref="Tag"/> is a part of an element, all
/// else an artifact: rules, shades, page numbers (ISO 32000-1 §14.8.2.2).
/// </summary>
internal sealed class PdfPage
{
    private readonly StringBuilder _content = new();
    private readonly List<PdfElement> _marked = [];
    private readonly HashSet<PdfGlyph> _glyphs = [];
    private bool _isTagged;

    /// <summary>The content stream (§7.8.2).</summary>
    public string Content => _content.ToString();

    /// <summary>The element of each mark, by its number.</summary>
    public IReadOnlyList<PdfElement> Marked => _marked;

    /// <summary>The glyphs that are drawn.</summary>
    public IReadOnlyCollection<PdfGlyph> Glyphs => _glyphs;

    /// <summary>Draws a part of an element.</summary>
    public void Tag(PdfElement element, Action draw)
    {
        element.Add(new PdfMark(this, _marked.Count));
        _content.Append(CultureInfo.InvariantCulture, $"/{element.Type} <</MCID {_marked.Count}>> BDC\n");
        _marked.Add(element);
        _isTagged = true;
        draw();
        _isTagged = false;
        _content.Append("EMC\n");
    }

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
        Append($"{color.Operands} rg {x - r:0.##} {y:0.##} m {x - r:0.##} {y + c:0.##} {x - c:0.##} {y + r:0.##} {x:0.##} {y + r:0.##} c {x + c:0.##} {y + r:0.##} {x + r:0.##} {y + c:0.##} {x + r:0.##} {y:0.##} c {x + r:0.##} {y - c:0.##} {x + c:0.##} {y - r:0.##} {x:0.##} {y - r:0.##} c {x - c:0.##} {y - r:0.##} {x - r:0.##} {y - c:0.##} {x - r:0.##} {y:0.##} c f");
    }

    /// <summary>One line of text on a base line.</summary>
    public void Text(string text, PdfTextStyle style, PdfColor color, double x, double baseLine)
    {
        PdfGlyph[] glyphs = [.. style.Shape(text)];
        _glyphs.UnionWith(glyphs);
        StringBuilder shown = new();
        PdfFont? font = null;
        foreach (PdfGlyph glyph in glyphs)
        {
            if (glyph.Font != font)
            {
                shown.Append(font is null ? "" : "> Tj ").Append(CultureInfo.InvariantCulture, $"/{PdfFontUse.Name(glyph.Font)} {style.Size:0.##} Tf <");
                font = glyph.Font;
            }

            shown.Append(CultureInfo.InvariantCulture, $"{glyph.Index:X4}");
        }

        if (font is not null)
        {
            Append($"BT {color.Operands} rg {x:0.##} {Up(baseLine):0.##} Td {shown}> Tj ET");
        }
    }

    private static double Up(double y) => PdfDocument.PageHeight - y;

    private static string Path(IReadOnlyList<PdfPoint> points) =>
        string.Join(' ', points.Select((point, i) => string.Create(CultureInfo.InvariantCulture, $"{point.X:0.##} {Up(point.Y):0.##} {(i == 0 ? 'm' : 'l')}")));

    private void Append(FormattableString operators)
    {
        string text = operators.ToString(CultureInfo.InvariantCulture);
        _content.Append(_isTagged ? text : $"/Artifact BMC {text} EMC").Append('\n');
    }
}
