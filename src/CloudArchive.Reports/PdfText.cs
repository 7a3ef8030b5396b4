using System.Text;

namespace CloudArchive.Reports;

/// <summary>A character, and the font and the glyph that draw it.</summary>
internal readonly record struct PdfGlyph(PdfFont Font, ushort Index, Rune Rune);

/// <summary>A font at a size. What the font lacks is drawn in one that has it.</summary>
internal readonly record struct PdfTextStyle(PdfFont Font, double Size)
{
    /// <summary>The width of a text in points.</summary>
    public double Width(string text) => Shape(text).Sum(glyph => glyph.Font.Width(glyph.Index)) * Size / 1000;

    /// <summary>The glyphs of a text. What no font has is written as its number, such as <c>[U+1F600]</c>: never as something that it is not.</summary>
    public IEnumerable<PdfGlyph> Shape(string text)
    {
        foreach (Rune rune in PdfText.Printable(text))
        {
            if (PdfText.Find(rune, Font) is { } glyph)
            {
                yield return glyph;
                continue;
            }

            foreach (Rune digit in $"[U+{rune.Value:X4}]".EnumerateRunes())
            {
                yield return PdfText.Find(digit, Font)!.Value;
            }
        }
    }

    /// <summary>Whether there is a glyph for every character of a text.</summary>
    public bool CanDraw(string text)
    {
        PdfFont font = Font;
        return PdfText.Printable(text).All(rune => PdfText.Find(rune, font) is not null);
    }
}

/// <summary>From characters to glyphs.</summary>
internal static class PdfText
{
    /// <summary>The characters of a text, with spaces for line ends and other control characters, and U+FFFD for half a surrogate pair.</summary>
    public static IEnumerable<Rune> Printable(string text) => text.EnumerateRunes().Select(rune => Rune.IsControl(rune) ? new Rune(' ') : rune);

    /// <summary>The glyph in the font itself or in the first other one that has it.</summary>
    public static PdfGlyph? Find(Rune rune, PdfFont font) =>
        font.TryGetGlyph(rune, out ushort glyph) ? new(font, glyph, rune)
        : font != PdfFont.Regular && PdfFont.Regular.TryGetGlyph(rune, out glyph) ? new(PdfFont.Regular, glyph, rune)
        : PdfFont.Japanese.TryGetGlyph(rune, out glyph) ? new(PdfFont.Japanese, glyph, rune)
        : null;
}
