using System.Globalization;
using System.Text;

namespace CloudArchive.Reports;

/// <summary>
/// A roll-up as RFC 4180 has it: a header, then a row for each month and figure, then one for each figure of the whole period. A new
/// figure is a new row, so that a spreadsheet's columns stay where they are.
/// </summary>
internal static class RollUpCsv
{
    public static IReadOnlyList<string> Header { get; } = ["clinic", "period", "from", "until", "state", "metric", "value", "unit"];

    /// <summary>UTF-8, lines end in CR LF. The same roll-up makes the same bytes.</summary>
    public static byte[] Write(RollUp report)
    {
        StringBuilder csv = new();
        Append(csv, Header);
        foreach (RollUpSpan span in report.Period.IsMonth ? report.Months : [.. report.Months, report.Whole])
        {
            foreach (RollUpMetric metric in RollUpMetrics.All)
            {
                string value = span.Figures is { } figures && metric.Value(figures) is { } number ? number.ToString("0.####", CultureInfo.InvariantCulture) : "";
                Append(csv, [report.Clinic.Id.Value, span.Period.ToString(), Time(span.Period.From), Time(span.Until), State(span.State), metric.Name, value, metric.Unit]);
            }
        }

        return Encoding.UTF8.GetBytes(csv.ToString());
    }

    /// <summary>
    /// A field that a spreadsheet shows as text and takes for nothing else: one that begins as a formula does (=, +, -, @, tab, CR) gets an
    /// apostrophe before it, and quotes where RFC 4180 §2.6 wants them.
    /// </summary>
    internal static string Field(string text)
    {
        string harmless = text is ['=' or '+' or '-' or '@' or '\t' or '\r', ..] ? "'" + text : text;
        return harmless.AsSpan().IndexOfAny(",\"\r\n") < 0 ? harmless : $"\"{harmless.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
    }

    private static void Append(StringBuilder csv, IEnumerable<string> fields) => csv.AppendJoin(',', fields.Select(Field)).Append("\r\n");

    private static string State(SpanState state) => state switch { SpanState.Final => "final", SpanState.SoFar => "so-far", _ => "none" };

    private static string Time(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
}
