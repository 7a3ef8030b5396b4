namespace CloudArchive.Reports;

/// <summary>Whether it is good, in a word, and the colours of that.</summary>
internal sealed record ReportVerdict(string Word, PdfColor Color, PdfColor Light)
{
    public static ReportVerdict Good(string word) => new(word, ReportColors.Good, ReportColors.GoodLight);

    public static ReportVerdict Bad(string word) => new(word, ReportColors.Bad, ReportColors.BadLight);

    public static ReportVerdict Warn(string word) => new(word, ReportColors.Warn, ReportColors.WarnLight);
}

/// <summary>A figure that stands out: its name, its value, and what it is of.</summary>
internal sealed record ReportTile(string Name, string Value, string Note);

/// <summary>What a report says first: the verdict, and the figures that matter most.</summary>
internal sealed class ReportBoxes(ReportPages pages)
{
    private const double LineHeight = 14.5;
    private const double Gap = 8;
    private const double TileHeight = 54;

    /// <summary>The verdict, and why.</summary>
    public void Verdict(ReportVerdict verdict, IEnumerable<string> sentences)
    {
        PdfTextStyle font = ReportStyle.Regular(10);
        IReadOnlyList<string> lines = ReportPages.Wrap(string.Join(" ", sentences), font, ReportPages.Width - 150);
        double height = Math.Max(44, 16 + (lines.Count * LineHeight));
        pages.Box(height, box =>
        {
            bool isLong = verdict.Word.Length > 8;
            pages.Page.Fill(verdict.Light, box);
            pages.Page.Fill(verdict.Color, new(box.X, box.Y, 5, box.Height));
            pages.DrawText(pages.Structure.Add("P"), verdict.Word, ReportStyle.Bold(isLong ? 12 : 16), verdict.Color, box.X + 18, box.Y + (box.Height / 2) - (isLong ? 8 : 11));
            PdfElement why = pages.Structure.Add("P");
            double y = box.Y + ((box.Height - (lines.Count * LineHeight)) / 2);
            foreach (string line in lines)
            {
                pages.DrawText(why, line, font, ReportColors.Ink, box.X + 134, y);
                y += LineHeight;
            }
        });
        pages.Space(12);
    }

    /// <summary>Tiles, so many a row.</summary>
    public void Tiles(int columns, IReadOnlyList<ReportTile> tiles)
    {
        double width = (ReportPages.Width - ((columns - 1) * Gap)) / columns;
        PdfElement list = pages.Structure.Add("L");
        foreach (ReportTile[] row in tiles.Chunk(columns))
        {
            pages.Box(TileHeight, box =>
            {
                for (int column = 0; column < row.Length; column++)
                {
                    Tile(list.Add("LI").Add("LBody"), row[column], box.X + (column * (width + Gap)), box.Y, width);
                }
            });
            pages.Space(Gap);
        }

        pages.Space(2);
    }

    private void Tile(PdfElement item, ReportTile tile, double x, double y, double width)
    {
        pages.Page.Fill(ReportColors.Shade, new(x, y, width, TileHeight));
        pages.DrawText(item, tile.Name + " ", ReportStyle.Regular(7.5), ReportColors.Muted, x + 8, y + 6);
        double size = Fitting([15, 13, 11, 9.5], ReportStyle.Bold, tile.Value, width);
        pages.DrawText(item, tile.Value + " ", ReportStyle.Bold(size), ReportColors.Ink, x + 8, y + 17 + ((15 - size) / 2));
        pages.DrawText(item, tile.Note, ReportStyle.Regular(Fitting([7.5, 7, 6.5, 6, 5.5], ReportStyle.Regular, tile.Note, width)), ReportColors.Muted, x + 8, y + 38);
    }

    /// <summary>The largest size at which the text fits into a tile; else the smallest.</summary>
    private static double Fitting(double[] sizes, Func<double, PdfTextStyle> font, string text, double width) =>
        sizes.FirstOrDefault(size => font(size).Width(text) <= width - 14, sizes[^1]);
}
