using System.Buffers.Binary;
using System.Globalization;
using System.Reflection;
using System.Text;

namespace CloudArchive.Core.Reports;

/// <summary>An embedded TrueType font: what of it a PDF needs (OpenType 1.9: cmap format 4, head, hhea, hmtx, OS/2). Fonts/OFL.txt has the fonts' licence.</summary>
internal sealed class PdfFont
{
    private readonly Dictionary<char, ushort> _glyphs = [];
    private readonly ushort[] _advances;
    private readonly int _unitsPerEm;

    private PdfFont(string resource, string name)
    {
        Name = name;
        File = Read(resource);
        ReadOnlySpan<byte> head = Table("head"), hhea = Table("hhea"), hmtx = Table("hmtx");
        _unitsPerEm = U16(head, 18);
        Box = [.. Enumerable.Range(0, 4).Select(i => Scale(BinaryPrimitives.ReadInt16BigEndian(Table("head")[(36 + (2 * i))..])))];
        Ascent = Scale(BinaryPrimitives.ReadInt16BigEndian(hhea[4..]));
        Descent = Scale(BinaryPrimitives.ReadInt16BigEndian(hhea[6..]));
        CapHeight = Scale(BinaryPrimitives.ReadInt16BigEndian(Table("OS/2")[88..]));
        int advances = U16(hhea, 34), glyphs = U16(Table("maxp"), 4);
        _advances = new ushort[glyphs];
        for (int i = 0; i < glyphs; i++)
        {
            // hmtx leaves out the repeats of its last width.
            _advances[i] = U16(hmtx, 4 * Math.Min(i, advances - 1));
        }

        ReadCharacters(Table("cmap"));
    }

    /// <summary>Text.</summary>
    public static PdfFont Regular { get; } = new("NotoSans-Regular.ttf", "NotoSans-Regular");

    /// <summary>Headings, and what must catch the eye.</summary>
    public static PdfFont Bold { get; } = new("NotoSans-Bold.ttf", "NotoSans-Bold");

    /// <summary>Ids and digests. ASCII only.</summary>
    public static PdfFont Fixed { get; } = new("NotoSansMono-Regular.ttf", "NotoSansMono-Regular");

    public string Name { get; }

    /// <summary>The font file.</summary>
    public byte[] File { get; }

    /// <summary>The bounding box of all glyphs; this and all metrics in thousandths of the font size.</summary>
    public int[] Box { get; }

    public int Ascent { get; }

    public int Descent { get; }

    public int CapHeight { get; }

    /// <summary>The widths of all glyphs, in order.</summary>
    public IEnumerable<int> Widths => _advances.Select(advance => Scale(advance));

    /// <summary>The characters that there are, with their glyphs, in order.</summary>
    public IEnumerable<KeyValuePair<char, ushort>> Characters => _glyphs.OrderBy(pair => pair.Key);

    /// <summary>The text with a space for control characters and '?' for what the font does not have: the fonts hold Latin, Greek and Cyrillic.</summary>
    public string Printable(string text)
    {
        StringBuilder printable = new(text.Length);
        foreach (Rune rune in text.EnumerateRunes())
        {
            printable.Append(Rune.IsControl(rune) ? ' ' : rune.IsBmp && _glyphs.ContainsKey((char)rune.Value) ? (char)rune.Value : '?');
        }

        return printable.ToString();
    }

    /// <summary>The glyphs of printable text as hexadecimal digits, two bytes each.</summary>
    public string Encode(string printable) => string.Concat(printable.Select(c => _glyphs[c].ToString("X4", CultureInfo.InvariantCulture)));

    /// <summary>The width of printable text in points.</summary>
    public double Width(string printable, double size) => printable.Sum(c => (double)_advances[_glyphs[c]]) * size / _unitsPerEm;

    private static byte[] Read(string resource)
    {
        using Stream stream = Assembly.GetExecutingAssembly().GetManifestResourceStream(resource) ?? throw new InvalidOperationException($"The font {resource} is not embedded.");
        byte[] file = new byte[stream.Length];
        stream.ReadExactly(file);
        return file;
    }

    private static ushort U16(ReadOnlySpan<byte> data, int at) => BinaryPrimitives.ReadUInt16BigEndian(data[at..]);

    private int Scale(int units) => (int)Math.Round(units * 1000.0 / _unitsPerEm);

    private ReadOnlySpan<byte> Table(string tag)
    {
        for (int i = 0; i < U16(File, 4); i++)
        {
            ReadOnlySpan<byte> entry = File.AsSpan(12 + (16 * i), 16);
            if (Encoding.ASCII.GetString(entry[..4]) == tag)
            {
                return File.AsSpan(BinaryPrimitives.ReadInt32BigEndian(entry[8..]), BinaryPrimitives.ReadInt32BigEndian(entry[12..]));
            }
        }

        throw new InvalidOperationException($"The font has no table {tag}.");
    }

    private void ReadCharacters(ReadOnlySpan<byte> cmap)
    {
        for (int i = 0; i < U16(cmap, 2); i++)
        {
            ReadOnlySpan<byte> table = cmap[BinaryPrimitives.ReadInt32BigEndian(cmap[(8 + (8 * i))..])..];
            if (U16(table, 0) == 4)
            {
                ReadSegments(table);
                return;
            }
        }

        throw new InvalidOperationException("The font has no character map of format 4.");
    }

    private void ReadSegments(ReadOnlySpan<byte> table)
    {
        int segments = U16(table, 6) / 2;
        for (int i = 0; i < segments; i++)
        {
            int end = U16(table, 14 + (2 * i)), start = U16(table, 16 + (2 * (segments + i)));
            int delta = U16(table, 16 + (2 * ((2 * segments) + i))), offsetAt = 16 + (2 * ((3 * segments) + i)), offset = U16(table, offsetAt);
            for (int c = start; c <= end && c != 0xFFFF; c++)
            {
                int glyph = offset == 0 ? c : U16(table, offsetAt + offset + (2 * (c - start)));
                glyph = offset != 0 && glyph == 0 ? 0 : (glyph + delta) & 0xFFFF;
                if (glyph != 0)
                {
                    _glyphs[(char)c] = (ushort)glyph;
                }
            }
        }
    }
}
