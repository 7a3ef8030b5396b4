using System.Text.Json;
using CloudArchive.Core.Storage;
using CloudArchive.Format;

namespace CloudArchive.Core.Alerts;

/// <summary>
/// Alerts in <see cref="RowTable.Work"/>, in their log's partition: <c>alert:{id}</c>; while one waits to be delivered <c>alert-due:{id}</c>, which says
/// when it is tried next; and while its cause stands <c>alert-open:{digest}</c>, which says which alert says so.
/// </summary>
internal static class AlertRows
{
    public const string Alert = "alert:";
    public const string Due = "alert-due:";
    public const string Open = "alert-open:";

    /// <summary>
    /// The partition with a row for each log of which something is to be delivered, so that nobody has to look at all of them. A hint, written after the
    /// alert: where a crash comes between, <see cref="Verdicts.ClinicWatch"/> writes it.
    /// </summary>
    public const string Index = "$alerts";

    /// <summary>Prefixes of what is to be delivered.</summary>
    public static IReadOnlyList<string> AllDue { get; } = [Due, LetterRows.Due];

    /// <summary>Notes that something of a log is to be delivered now.</summary>
    public static Task NoteDueAsync(IRowStore rows, string log, CancellationToken cancellationToken) =>
        rows.SubmitAsync(RowTable.Work, Index, [new RowWrite.Upsert(log, new Dictionary<string, object>())], cancellationToken);

    public static Dictionary<string, object> DueAt(DateTimeOffset at) => new() { ["at"] = at };

    public static Dictionary<string, object> Values(RaisedAlert alert)
    {
        Dictionary<string, object> values = new()
        {
            ["at"] = alert.RaisedAt,
            ["alert"] = JsonSerializer.Serialize(alert.Alert, FormatJson.Options),
        };
        alert.Delivery.AddTo(values);
        values.AddUnlessNull("since", alert.Since);
        values.AddUnlessNull("closing", alert.Closing?.ToString());
        values.AddUnlessNull("closedAt", alert.ClosedAt);
        values.AddUnlessNull("acknowledged", alert.Acknowledged is null ? null : JsonSerializer.Serialize(alert.Acknowledged, FormatJson.Options));
        return values;
    }

    public static RaisedAlert Read(Row row) => new(
        AlertId.Parse(row.Key[Alert.Length..]),
        JsonSerializer.Deserialize<Alert>(row.Text("alert")!, FormatJson.Options)!,
        row.Time("at")!.Value,
        DeliveryState.Read(row),
        row.Time("since"))
    {
        Closing = row.Text("closing") is { } closing ? Enum.Parse<AlertClosing>(closing) : null,
        ClosedAt = row.Time("closedAt"),
        Acknowledged = row.Text("acknowledged") is { } json ? JsonSerializer.Deserialize<AlertAcknowledgement>(json, FormatJson.Options) : null,
        ETag = row.ETag!,
    };

    public static RowWrite WriteOpen(RaisedAlert alert, Row? before)
    {
        Dictionary<string, object> values = new()
        {
            ["alert"] = alert.Id.ToString(),
            ["cause"] = alert.Alert.Cause.ToString(),
            ["subject"] = alert.Alert.Subject,
            ["since"] = alert.Since ?? alert.RaisedAt,
        };
        string key = Open + alert.Id.Digest;
        return before is null ? new RowWrite.Insert(key, values) : new RowWrite.Replace(key, values, before.ETag!);
    }

    public static OpenAlert ReadOpen(Row row) =>
        new(Enum.Parse<AlertCause>(row.Text("cause")!), row.Text("subject")!, AlertId.Parse(row.Text("alert")!), row.Time("since")!.Value);
}
