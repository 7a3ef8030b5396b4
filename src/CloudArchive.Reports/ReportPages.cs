
namespace CloudArchive.Reports;

/// <summary>A column of a table.</summary>
/// <param name="Title">Its heading.</param>
/// <param name="Width">Points.</param>
/// <param name="Right">Whether it holds numbers, which stand at the right.</param>
/// <param name="Fixed">Whether it holds ids.</param>
internal sealed record ReportColumn(string Title, double Width, bool Right = false, bool Fixed = false);

/// <summary>A row of a table; <paramref name="Emphasis"/> colours its text.</summary>
internal sealed record ReportRow(IReadOnlyList<string> Cells, PdfColor? Emphasis = null);

/// <summary>
/// A report that flows from the top of a US Letter page to the bottom and on to the next: headings, text, tables, boxes of any content.
/// What does not fit on a page moves to the next as a whole; tables break between rows and repeat their heading.
/// </summary>
internal sealed class ReportPages
{
    public const double Left = 54;
    public const double Width = 504;
    private const double Top = 50;
    private const double Bottom = 732;

    private readonly PdfDocument _document;

    public ReportPages(string title, string subject, DateTimeOffset at)
    {
        _document = new PdfDocument(title, subject, "CloudArchive", at);
        Page = _document.AddPage();
        Y = Top;
    }

    /// <summary>The page that is being filled.</summary>
    public PdfPage Page { get; private set; }

    /// <summary>Where the next content goes.</summary>
    public double Y { get; private set; }

    /// <summary>The root of the structure: what is drawn outside an element is not read aloud.</summary>
    public PdfElement Structure => _document.Structure;

    public void Space(double points) => Y += points;

    public void NewPage()
    {
        Page = _document.AddPage();
        Y = Top;
    }

    /// <summary>Moves to the next page where fewer points than these are left.</summary>
    public void Need(double points)
    {
        if (Y + points > Bottom)
        {
            NewPage();
        }
    }

    /// <summary>Who and what the report is about, in a few lines of which one is its title.</summary>
    public void Title(string kind, string name, string what)
    {
        Text(kind, 7.5, ReportColors.Accent, bold: true);
        Text(name, ReportStyle.Bold(21).Width(name) <= Width ? 21 : 13, bold: true, type: "H1");
        Text(what, 9.5, ReportColors.Muted);
        Space(4);
    }

    /// <summary>A heading that stays with what follows it.</summary>
    public void Heading(string text, double followedBy = 60)
    {
        Need(34 + followedBy);
        Space(Y > Top ? 16 : 0);
        _document.Bookmark(text, Y);
        Line(Structure.Add("H2"), text, ReportStyle.Bold(13), ReportColors.Ink, Left, 16);
        Space(4);
    }

    /// <summary>A heading within what a heading began.</summary>
    public void SubHeading(string text, PdfColor color, double followedBy)
    {
        Need(followedBy);
        Text(text, 10, color, bold: true, type: "H3");
    }

    /// <summary>A paragraph over the page's width.</summary>
    public void Text(string text, double size = 9.5, PdfColor? color = null, bool bold = false, string type = "P")
    {
        PdfTextStyle font = bold ? ReportStyle.Bold(size) : ReportStyle.Regular(size);
        PdfElement element = Structure.Add(type);
        foreach (string line in Wrap(text, font, Width))
        {
            Need(size * 1.45);
            Line(element, line, font, color ?? ReportColors.Ink, Left, size * 1.45);
        }

        Space(size * 0.45);
    }

    /// <summary>A list of names and values; ids and digests in fixed width.</summary>
    public void Facts(IReadOnlyList<(string Name, string Value, bool Fixed)> facts)
    {
        const double nameWidth = 132;
        PdfElement table = Structure.Add("Table");
        foreach ((string name, string value, bool isFixed) in facts)
        {
            PdfTextStyle font = isFixed ? ReportStyle.Fixed(8) : ReportStyle.Regular(9.5);
            IReadOnlyList<string> lines = Wrap(value, font, Width - nameWidth);
            Need(lines.Count * 14);
            PdfElement row = table.Add("TR");
            DrawText(row.Add("TH", attributes: "/O /Table /Scope /Row"), name, ReportStyle.Regular(9.5), ReportColors.Muted, Left, Y);
            PdfElement cell = row.Add("TD");
            foreach (string line in lines)
            {
                Line(cell, line, font, ReportColors.Ink, Left + nameWidth, 14);
            }
        }

        Space(4);
    }

    /// <summary>A box of a height, drawn by the caller at the place it is given.</summary>
    public void Box(double height, Action<PdfBox> draw)
    {
        Need(height);
        draw(new PdfBox(Left, Y, Width, height));
        Y += height;
    }

    /// <summary>A table. Cells wrap; a row never breaks.</summary>
    public void Table(IReadOnlyList<ReportColumn> columns, IEnumerable<ReportRow> rows)
    {
        PdfElement table = Structure.Add("Table");
        TableHead(columns, table.Add("TR"));
        int number = 0;
        foreach (ReportRow row in rows)
        {
            IReadOnlyList<string>[] cells = [.. row.Cells.Select((cell, i) => Wrap(cell, CellFont(columns[i]), columns[i].Width - 8))];
            double height = (cells.Max(cell => cell.Count) * 11) + 5;
            if (Y + height > Bottom)
            {
                NewPage();
                TableHead(columns, row: null);
            }

            if (number++ % 2 == 1)
            {
                Page.Fill(ReportColors.Shade, new(Left, Y, Width, height));
            }

            double x = Left;
            PdfElement tableRow = table.Add("TR");
            for (int i = 0; i < columns.Count; i++)
            {
                PdfElement cell = tableRow.Add("TD");
                for (int line = 0; line < cells[i].Count; line++)
                {
                    Cell(cell, cells[i][line], CellFont(columns[i]), row.Emphasis ?? ReportColors.Ink, columns[i], x, Y + 2.5 + (line * 11));
                }

                x += columns[i].Width;
            }

            Y += height;
        }

        Page.Line(ReportColors.Rule, 0.75, new(Left, Y), new(Left + Width, Y));
        Space(10);
    }

    /// <summary>One line of an element at a place; <paramref name="y"/> is the line's top.</summary>
    public void DrawText(PdfElement element, string text, PdfTextStyle font, PdfColor color, double x, double y) =>
        Page.Tag(element, () => DrawText(text, font, color, x, y));

    /// <summary>One line at a place, as a part of whatever is being drawn.</summary>
    public void DrawText(string text, PdfTextStyle font, PdfColor color, double x, double y) =>
        Page.Text(text, font, color, x, y + (font.Size * 1.07));

    /// <summary>
    /// Breaks text into lines of at most a width: between words, and inside a word that is wider than a line. A line that ends between words ends
    /// with a space: whoever reads the lines in a row, a screen reader or a search, needs it.
    /// </summary>
    public static IReadOnlyList<string> Wrap(string text, PdfTextStyle font, double width)
    {
        List<string> lines = [];
        string line = "";
        foreach (string word in string.Concat(PdfText.Printable(text)).Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            string joined = line.Length == 0 ? word : line + " " + word;
            if (font.Width(joined) <= width)
            {
                line = joined;
                continue;
            }

            if (line.Length > 0)
            {
                lines.Add(line + " ");
            }

            line = word;
            while (font.Width(line) > width)
            {
                int fits = Enumerable.Range(1, line.Length - 1).LastOrDefault(length => !char.IsHighSurrogate(line[length - 1]) && font.Width(line[..length]) <= width, defaultValue: 1);
                fits += char.IsHighSurrogate(line[fits - 1]) ? 1 : 0;
                if (fits == line.Length)
                {
                    break;
                }

                lines.Add(line[..fits]);
                line = line[fits..];
            }
        }

        lines.Add(line);
        return lines;
    }

    /// <summary>Writes the footers and returns the PDF.</summary>
    public byte[] Save(string footer)
    {
        PdfTextStyle font = ReportStyle.Regular(7.5);
        for (int i = 0; i < _document.Pages.Count; i++)
        {
            Page = _document.Pages[i];
            string number = $"Page {i + 1} of {_document.Pages.Count}";
            double numberWidth = font.Width(number);
            Page.Line(ReportColors.Rule, 0.75, new(Left, 746), new(Left + Width, 746));
            DrawText(Wrap(footer, font, Width - numberWidth - 20)[0], font, ReportColors.Muted, Left, 751);
            DrawText(number, font, ReportColors.Muted, Left + Width - numberWidth, 751);
        }

        return _document.Save();
    }

    private static PdfTextStyle CellFont(ReportColumn column) => column.Fixed ? ReportStyle.Fixed(7.2) : ReportStyle.Regular(8);

    private void Line(PdfElement element, string text, PdfTextStyle font, PdfColor color, double x, double height)
    {
        DrawText(element, text, font, color, x, Y);
        Y += height;
    }

    /// <summary>The head of a table; on a page on which the table goes on, without a row: it was read already.</summary>
    private void TableHead(IReadOnlyList<ReportColumn> columns, PdfElement? row)
    {
        Need(60);
        double x = Left;
        foreach (ReportColumn column in columns)
        {
            Cell(row?.Add("TH", attributes: "/O /Table /Scope /Column"), column.Title, ReportStyle.Bold(8), ReportColors.Muted, column, x, Y + 2);
            x += column.Width;
        }

        Y += 16;
        Page.Line(ReportColors.Muted, 0.75, new(Left, Y), new(Left + Width, Y));
    }

    private void Cell(PdfElement? element, string text, PdfTextStyle font, PdfColor color, ReportColumn column, double x, double y)
    {
        double left = column.Right ? x + column.Width - 4 - font.Width(text.TrimEnd(' ')) : x + 4;
        if (element is null)
        {
            DrawText(text, font, color, left, y);
        }
        else
        {
            DrawText(element, text, font, color, left, y);
        }
    }
}
