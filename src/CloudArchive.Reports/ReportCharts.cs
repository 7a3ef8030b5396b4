using System.Globalization;

namespace CloudArchive.Reports;

/// <summary>A point in time with a value; a bar may have a bad part.</summary>
internal sealed record ChartPoint(DateTimeOffset At, double Value, double Bad = 0);

/// <summary>A month of a chart; without a value, nothing is known of it. Its bad part is at the foot.</summary>
internal sealed record ChartMonth(string Label, double? Value, double Bad = 0, string? Mark = null);

/// <summary>Small charts over time. Titles say what the chart shows and where it stands now; they and the values are what is read aloud in place of a chart.</summary>
internal sealed class ReportCharts(ReportPages pages)
{
    private const double TitleHeight = 30;
    private const double AxisHeight = 16;
    private const int MaxValuesAloud = 24;
    private const string NoRunsYet = "No runs yet";

    /// <summary>A bar a run, its bad part at the foot.</summary>
    public void Bars(PdfBox box, string title, string now, IReadOnlyList<ChartPoint> points, Func<double, string> label, string empty = NoRunsYet) =>
        Figure(box, title, now, Aloud(points, label, empty), () => DrawBars(box, title, now, points, label, empty));

    /// <summary>A line with the area under it.</summary>
    public void Line(PdfBox box, string title, string now, IReadOnlyList<ChartPoint> points, Func<double, string> label, double? most = null, string empty = NoRunsYet) =>
        Figure(box, title, now, Aloud(points, label, empty), () => DrawLine(box, title, now, points, label, most, empty));

    /// <summary>A bar a month, with the month under it and its mark in it, or above where it is too low; a dash where nothing is known.</summary>
    public void Months(PdfBox box, string title, string now, IReadOnlyList<ChartMonth> months, Func<double, string> label, (PdfColor Good, PdfColor Bad) colors, double? most = null)
    {
        IEnumerable<string> aloud = months.Select(month => month.Value is { } value
            ? $"{month.Label} {label(value)}{(month.Bad > 0 ? $", of them bad {label(month.Bad)}" : "")}{(month.Mark is { Length: > 0 } mark ? $" ({mark})" : "")}"
            : $"{month.Label} unknown");
        Figure(box, title, now, string.Join("; ", aloud), () => DrawMonths(box, title, now, months, label, colors, most));
    }

    private static string Aloud(IReadOnlyList<ChartPoint> points, Func<double, string> label, string empty)
    {
        // As many as anyone listens to; the tables and evidence.json have the others.
        IEnumerable<string> values = points.Skip(points.Count - MaxValuesAloud)
            .Select(point => $"{ReportText.Date(point.At)} {label(point.Value)}{(point.Bad > 0 ? $", of them bad {label(point.Bad)}" : "")}");
        return points.Count == 0 ? empty : $"{(points.Count > MaxValuesAloud ? $"The last {MaxValuesAloud} of {points.Count}: " : "")}{string.Join("; ", values)}";
    }

    private void Figure(PdfBox box, string title, string now, string values, Action draw)
    {
        string place = string.Create(CultureInfo.InvariantCulture, $"{box.X:0.##} {PdfDocument.PageHeight - box.Bottom:0.##} {box.Right:0.##} {PdfDocument.PageHeight - box.Y:0.##}");
        PdfElement figure = pages.Structure.Add("Figure", $"Chart. {title}. {now}. {values}.", $"/O /Layout /Placement /Block /BBox [{place}]");
        pages.Page.Tag(figure, draw);
    }

    private void DrawBars(PdfBox box, string title, string now, IReadOnlyList<ChartPoint> points, Func<double, string> label, string empty)
    {
        PdfBox plot = Frame(box, title, now, points, points.Count == 0 ? 1 : points.Max(point => point.Value), label, out double top, empty);
        double step = plot.Width / Math.Max(points.Count, 12);
        for (int i = 0; i < points.Count; i++)
        {
            double x = plot.X + (i * step), width = Math.Max(0.8, step - Math.Min(2, step * 0.25));
            double good = (points[i].Value - points[i].Bad) / top * plot.Height, bad = points[i].Bad / top * plot.Height;
            pages.Page.Fill(ReportColors.Bad, new(x, plot.Bottom - bad, width, bad));
            pages.Page.Fill(ReportColors.Good, new(x, plot.Bottom - bad - good, width, good));
        }

        Dates(plot, points, points.Count == 0 ? plot.X : plot.X + (step * points.Count));
    }

    private void DrawLine(PdfBox box, string title, string now, IReadOnlyList<ChartPoint> points, Func<double, string> label, double? most, string empty)
    {
        PdfBox plot = Frame(box, title, now, points, most ?? (points.Count == 0 ? 1 : points.Max(point => point.Value)), label, out double top, empty);
        if (points.Count > 0)
        {
            double from = points[0].At.UtcTicks, span = Math.Max(1, points[^1].At.UtcTicks - from);
            PdfPoint[] line = [.. points.Select(point => new PdfPoint(
                points.Count == 1 ? plot.Right : plot.X + ((point.At.UtcTicks - from) / span * plot.Width), plot.Bottom - (point.Value / top * plot.Height)))];
            if (line.Length > 1)
            {
                pages.Page.Polygon(ReportColors.AccentLight, [new(line[0].X, plot.Bottom), .. line, new(line[^1].X, plot.Bottom)]);
                pages.Page.Polyline(ReportColors.Accent, 1.4, line);
            }

            pages.Page.Disc(ReportColors.Accent, line[^1], 2.4);
        }

        Dates(plot, points, plot.Right);
    }

    private void DrawMonths(PdfBox box, string title, string now, IReadOnlyList<ChartMonth> months, Func<double, string> label, (PdfColor Good, PdfColor Bad) colors, double? most)
    {
        PdfTextStyle font = ReportStyle.Regular(7);
        PdfBox plot = Frame(box, title, now, [], most ?? months.Max(month => month.Value) ?? 0, label, out double top, empty: "");
        double step = plot.Width / months.Count;
        for (int i = 0; i < months.Count; i++)
        {
            double x = plot.X + (i * step), width = Math.Min(30, step * 0.7), left = x + ((step - width) / 2);
            Centred(months[i].Label, ReportColors.Muted, x, plot.Bottom + 3);
            if (months[i].Value is not { } value)
            {
                Centred("–", ReportColors.Muted, x, plot.Bottom - 12);
                continue;
            }

            double bad = months[i].Bad / top * plot.Height, all = value / top * plot.Height;
            pages.Page.Fill(colors.Bad, new(left, plot.Bottom - bad, width, bad));
            pages.Page.Fill(colors.Good, new(left, plot.Bottom - all, width, all - bad));
            bool fits = all - bad > 14;
            Centred(months[i].Mark ?? "", fits ? ReportColors.Paper : ReportColors.Muted, x, plot.Bottom - all + (fits ? 3 : -10));
        }

        void Centred(string text, PdfColor color, double x, double y) => pages.DrawText(text, font, color, x + ((step - font.Width(text)) / 2), y);
    }

    private PdfBox Frame(PdfBox box, string title, string now, IReadOnlyList<ChartPoint> points, double most, Func<double, string> label, out double top, string empty)
    {
        pages.DrawText(title, ReportStyle.Bold(9), ReportColors.Ink, box.X, box.Y);
        pages.DrawText(ReportPages.Wrap(now, ReportStyle.Regular(8), box.Width)[0], ReportStyle.Regular(8), ReportColors.Muted, box.X, box.Y + 13);
        (double step, top) = Scale(most);
        PdfTextStyle font = ReportStyle.Regular(7);
        int lines = (int)Math.Round(top / step);
        double labelWidth = Enumerable.Range(0, lines + 1).Max(i => font.Width(label(i * step))) + 5;
        PdfBox plot = new(box.X + labelWidth, box.Y + TitleHeight, box.Width - labelWidth, box.Height - TitleHeight - AxisHeight);
        for (int i = 0; i <= lines; i++)
        {
            double y = plot.Bottom - (i * step / top * plot.Height);
            string text = label(i * step);
            pages.Page.Line(i == 0 ? ReportColors.Muted : ReportColors.Rule, 0.5, new(plot.X, y), new(plot.Right, y));
            pages.DrawText(text, font, ReportColors.Muted, plot.X - 5 - font.Width(text), y - 5);
        }

        if (points.Count == 0)
        {
            pages.DrawText(empty, ReportStyle.Regular(8), ReportColors.Muted, plot.X + 6, plot.Y + (plot.Height / 2) - 6);
        }

        return plot;
    }

    private void Dates(PdfBox plot, IReadOnlyList<ChartPoint> points, double lastX)
    {
        if (points.Count == 0)
        {
            return;
        }

        PdfTextStyle font = ReportStyle.Regular(7);
        string last = ReportText.Date(points[^1].At), first = ReportText.Date(points[0].At);
        double lastWidth = font.Width(last), x = Math.Max(plot.X, lastX - lastWidth);
        if (points.Count > 1 && plot.X + font.Width(first) + 6 < x)
        {
            pages.DrawText(first, font, ReportColors.Muted, plot.X, plot.Bottom + 3);
        }

        pages.DrawText(last, font, ReportColors.Muted, x, plot.Bottom + 3);
    }

    /// <summary>Steps of 1, 2 or 5 times a power of ten, at most four to the top.</summary>
    private static (double Step, double Top) Scale(double most)
    {
        if (most <= 0)
        {
            return (1, 1);
        }

        double power = Math.Pow(10, Math.Floor(Math.Log10(most)) - 1);
        double step = new[] { 1, 2, 2.5, 5, 10, 20, 25, 50 }.Select(times => times * power).First(candidate => Math.Ceiling((most / candidate) - 1e-9) <= 4);
        return (step, step * Math.Ceiling((most / step) - 1e-9));
    }
}
