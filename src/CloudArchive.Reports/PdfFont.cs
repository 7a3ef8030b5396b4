using System.Buffers.Binary;
using System.Reflection;
using System.Text;

namespace CloudArchive.Reports;

/// <summary>
/// An embedded TrueType font: what of it a PDF needs (OpenType 1.9: cmap formats 4 and 12, head, hhea, hmtx, OS/2, glyf). Fonts/OFL.txt has
/// the fonts' licence.
/// </summary>
internal sealed class PdfFont
{
    private static readonly string[] _hinting = ["cvt ", "fpgm", "prep"];
    private static readonly Lazy<PdfFont> _japanese = new(() => new("NotoSansJP-Regular.ttf", "NotoSansJP-Regular"));
    private readonly byte[] _file;
    private readonly Dictionary<Rune, ushort> _glyphs = [];
    private readonly ushort[] _advances;
    private readonly int _unitsPerEm;

    private PdfFont(string resource, string name)
    {
        Name = name;
        _file = Read(resource);
        ReadOnlySpan<byte> head = Table("head"), hhea = Table("hhea"), hmtx = Table("hmtx");
        _unitsPerEm = U16(head, 18);
        Box = [.. Enumerable.Range(0, 4).Select(i => Scale(I16(Table("head"), 36 + (2 * i))))];
        Ascent = Scale(I16(hhea, 4));
        Descent = Scale(I16(hhea, 6));
        CapHeight = Scale(I16(Table("OS/2"), 88));
        int advances = U16(hhea, 34), glyphs = U16(Table("maxp"), 4);
        _advances = new ushort[glyphs];
        for (int i = 0; i < glyphs; i++)
        {
            // hmtx leaves out the repeats of its last width.
            _advances[i] = U16(hmtx, 4 * Math.Min(i, advances - 1));
        }

        ReadCharacters(Table("cmap"));
    }

    /// <summary>Text: Latin, Greek and Cyrillic.</summary>
    public static PdfFont Regular { get; } = new("NotoSans-Regular.ttf", "NotoSans-Regular");

    /// <summary>Headings, and what must catch the eye.</summary>
    public static PdfFont Bold { get; } = new("NotoSans-Bold.ttf", "NotoSans-Bold");

    /// <summary>Ids and digests. ASCII only.</summary>
    public static PdfFont Fixed { get; } = new("NotoSansMono-Regular.ttf", "NotoSansMono-Regular");

    /// <summary>Kana and kanji: five megabytes, read when a text first has a character that the others lack.</summary>
    public static PdfFont Japanese => _japanese.Value;

    public string Name { get; }

    /// <summary>The bounding box of all glyphs; this and all metrics in thousandths of the font size.</summary>
    public int[] Box { get; }

    public int Ascent { get; }

    public int Descent { get; }

    public int CapHeight { get; }

    public int Glyphs => _advances.Length;

    /// <summary>The glyph of a character; false where the font has none.</summary>
    public bool TryGetGlyph(Rune rune, out ushort glyph) => _glyphs.TryGetValue(rune, out glyph);

    /// <summary>A glyph's width in thousandths of the font size.</summary>
    public int Width(ushort glyph) => Scale(_advances[glyph]);

    /// <summary>
    /// A font file with these glyphs and those that they are composed of, under new numbers: 0 is <c>.notdef</c>, the others follow in their order.
    /// </summary>
    /// <returns>The file, and the new number of each old one.</returns>
    public (byte[] File, IReadOnlyDictionary<ushort, ushort> Numbers) Subset(IEnumerable<ushort> wanted)
    {
        SortedSet<ushort> glyphs = [0];
        Stack<ushort> open = new(wanted);
        while (open.TryPop(out ushort glyph))
        {
            if (glyphs.Add(glyph))
            {
                foreach (int at in Components(Outline(glyph)))
                {
                    open.Push(U16(Outline(glyph), at));
                }
            }
        }

        Dictionary<ushort, ushort> numbers = glyphs.Select((glyph, i) => (glyph, i)).ToDictionary(pair => pair.glyph, pair => (ushort)pair.i);
        using MemoryStream outlines = new();
        byte[] places = new byte[4 * (glyphs.Count + 1)], metrics = new byte[4 * glyphs.Count];
        foreach ((ushort old, ushort number) in numbers)
        {
            byte[] outline = Outline(old).ToArray();
            foreach (int at in Components(outline))
            {
                BinaryPrimitives.WriteUInt16BigEndian(outline.AsSpan(at), numbers[U16(outline, at)]);
            }

            BinaryPrimitives.WriteInt32BigEndian(places.AsSpan(4 * number), (int)outlines.Length);
            outlines.Write(outline);
            outlines.SetLength((outlines.Length + 3) & ~3); // grows by zeros
            outlines.Position = outlines.Length;
            BinaryPrimitives.WriteUInt16BigEndian(metrics.AsSpan(4 * number), _advances[old]);
            BinaryPrimitives.WriteInt16BigEndian(metrics.AsSpan((4 * number) + 2), LeftSideBearing(old));
        }

        BinaryPrimitives.WriteInt32BigEndian(places.AsSpan(4 * glyphs.Count), (int)outlines.Length);
        byte[] head = Table("head").ToArray(), hhea = Table("hhea").ToArray(), maxp = Table("maxp").ToArray();
        head.AsSpan(8, 4).Clear(); // checkSumAdjustment, set when the file is whole
        BinaryPrimitives.WriteInt16BigEndian(head.AsSpan(50), 1); // places of four bytes each
        BinaryPrimitives.WriteUInt16BigEndian(hhea.AsSpan(34), (ushort)glyphs.Count);
        BinaryPrimitives.WriteUInt16BigEndian(maxp.AsSpan(4), (ushort)glyphs.Count);
        List<(string Tag, byte[] Data)> tables = [("glyf", outlines.ToArray()), ("head", head), ("hhea", hhea), ("hmtx", metrics), ("loca", places), ("maxp", maxp)];
        tables.AddRange(_hinting.Where(HasTable).Select(tag => (tag, Table(tag).ToArray())));
        return (Assemble([.. tables.OrderBy(table => table.Tag, StringComparer.Ordinal)]), numbers);
    }

    private static byte[] Read(string resource)
    {
        using Stream stream = Assembly.GetExecutingAssembly().GetManifestResourceStream(resource)
            ?? throw new InvalidOperationException($"The font {resource} is not embedded.");
        byte[] file = new byte[stream.Length];
        stream.ReadExactly(file);
        return file;
    }

    /// <summary>Where an outline names the glyphs that it is composed of (glyf, "Composite glyph description").</summary>
    private static List<int> Components(ReadOnlySpan<byte> outline)
    {
        const int wordArguments = 0x1, scale = 0x8, more = 0x20, twoScales = 0x40, matrix = 0x80;
        List<int> places = [];
        if (outline.Length < 10 || I16(outline, 0) >= 0)
        {
            return places;
        }

        int at = 10, flags;
        do
        {
            flags = U16(outline, at);
            places.Add(at + 2);
            at += 4 + ((flags & wordArguments) != 0 ? 4 : 2) + ((flags & scale) != 0 ? 2 : (flags & twoScales) != 0 ? 4 : (flags & matrix) != 0 ? 8 : 0);
        }
        while ((flags & more) != 0);
        return places;
    }

    private static byte[] Assemble(IReadOnlyList<(string Tag, byte[] Data)> tables)
    {
        int power = (int)Math.Log2(tables.Count), length = 12 + (16 * tables.Count);
        byte[] file = new byte[length + tables.Sum(table => (table.Data.Length + 3) & ~3)];
        BinaryPrimitives.WriteUInt32BigEndian(file, 0x00010000);
        BinaryPrimitives.WriteUInt16BigEndian(file.AsSpan(4), (ushort)tables.Count);
        BinaryPrimitives.WriteUInt16BigEndian(file.AsSpan(6), (ushort)(16 << power));
        BinaryPrimitives.WriteUInt16BigEndian(file.AsSpan(8), (ushort)power);
        BinaryPrimitives.WriteUInt16BigEndian(file.AsSpan(10), (ushort)((16 * tables.Count) - (16 << power)));
        int headAt = 0;
        for (int i = 0; i < tables.Count; i++)
        {
            (string tag, byte[] data) = tables[i];
            data.CopyTo(file, length);
            Span<byte> entry = file.AsSpan(12 + (16 * i), 16);
            Encoding.ASCII.GetBytes(tag, entry);
            BinaryPrimitives.WriteUInt32BigEndian(entry[4..], Sum(file.AsSpan(length, (data.Length + 3) & ~3)));
            BinaryPrimitives.WriteInt32BigEndian(entry[8..], length);
            BinaryPrimitives.WriteInt32BigEndian(entry[12..], data.Length);
            headAt = tag == "head" ? length : headAt;
            length += (data.Length + 3) & ~3;
        }

        BinaryPrimitives.WriteUInt32BigEndian(file.AsSpan(headAt + 8), 0xB1B0AFBA - Sum(file));
        return file;
    }

    private static uint Sum(ReadOnlySpan<byte> data)
    {
        uint sum = 0;
        for (int i = 0; i < data.Length; i += 4)
        {
            sum += BinaryPrimitives.ReadUInt32BigEndian(data[i..]);
        }

        return sum;
    }

    private static ushort U16(ReadOnlySpan<byte> data, int at) => BinaryPrimitives.ReadUInt16BigEndian(data[at..]);

    private static short I16(ReadOnlySpan<byte> data, int at) => BinaryPrimitives.ReadInt16BigEndian(data[at..]);

    private int Scale(int units) => (int)Math.Round(units * 1000.0 / _unitsPerEm);

    private ReadOnlySpan<byte> Outline(ushort glyph)
    {
        ReadOnlySpan<byte> loca = Table("loca");
        bool isLong = U16(Table("head"), 50) == 1;
        int from = Place(loca, glyph, isLong), to = Place(loca, glyph + 1, isLong);
        return Table("glyf")[from..to];

        static int Place(ReadOnlySpan<byte> loca, int glyph, bool isLong) => isLong ? BinaryPrimitives.ReadInt32BigEndian(loca[(4 * glyph)..]) : 2 * U16(loca, 2 * glyph);
    }

    private short LeftSideBearing(ushort glyph)
    {
        int advances = U16(Table("hhea"), 34);
        return I16(Table("hmtx"), glyph < advances ? (4 * glyph) + 2 : (4 * advances) + (2 * (glyph - advances)));
    }

    private bool HasTable(string tag) => Find(tag) is not null;

    private ReadOnlySpan<byte> Table(string tag) => Find(tag) is { } found ? _file.AsSpan(found) : throw new InvalidOperationException($"The font has no table {tag}.");

    private Range? Find(string tag)
    {
        for (int i = 0; i < U16(_file, 4); i++)
        {
            ReadOnlySpan<byte> entry = _file.AsSpan(12 + (16 * i), 16);
            if (Encoding.ASCII.GetString(entry[..4]) == tag)
            {
                int from = BinaryPrimitives.ReadInt32BigEndian(entry[8..]);
                return from..(from + BinaryPrimitives.ReadInt32BigEndian(entry[12..]));
            }
        }

        return null;
    }

    private void ReadCharacters(ReadOnlySpan<byte> cmap)
    {
        bool found = false;
        for (int i = 0; i < U16(cmap, 2); i++)
        {
            ReadOnlySpan<byte> table = cmap[BinaryPrimitives.ReadInt32BigEndian(cmap[(8 + (8 * i))..])..];
            switch (U16(table, 0))
            {
                case 4:
                    ReadSegments(table);
                    found = true;
                    break;
                case 12:
                    ReadGroups(table);
                    found = true;
                    break;
            }
        }

        if (!found)
        {
            throw new InvalidOperationException("The font has no character map of format 4 or 12.");
        }
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
                Note(c, offset != 0 && glyph == 0 ? 0 : (glyph + delta) & 0xFFFF);
            }
        }
    }

    private void ReadGroups(ReadOnlySpan<byte> table)
    {
        int groups = BinaryPrimitives.ReadInt32BigEndian(table[12..]);
        for (int i = 0; i < groups; i++)
        {
            ReadOnlySpan<byte> group = table[(16 + (12 * i))..];
            int start = BinaryPrimitives.ReadInt32BigEndian(group), end = BinaryPrimitives.ReadInt32BigEndian(group[4..]), glyph = BinaryPrimitives.ReadInt32BigEndian(group[8..]);
            for (int c = start; c <= end; c++)
            {
                Note(c, glyph + c - start);
            }
        }
    }

    private void Note(int character, int glyph)
    {
        if (glyph != 0 && Rune.TryCreate(character, out Rune rune))
        {
            _glyphs[rune] = (ushort)glyph;
        }
    }
}
