using System.Text.Json;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Alerts;

/// <summary>
/// Alerts in <see cref="RowTable.Work"/>, in their log's partition: <c>alert:{id}</c>, and while one waits to be delivered
/// <c>alert-due:{id}</c>, which says when it is tried next.
/// </summary>
internal static class AlertRows
{
    public const string Alert = "alert:";
    public const string Due = "alert-due:";

    public static Dictionary<string, object> DueAt(DateTimeOffset at) => new() { ["at"] = at };

    public static Dictionary<string, object> Values(RaisedAlert alert)
    {
        Dictionary<string, object> values = new()
        {
            ["at"] = alert.RaisedAt,
            ["alert"] = JsonSerializer.Serialize(alert.Alert, FormatJson.Options),
            ["delivery"] = alert.Delivery.ToString(),
            ["attempts"] = (long)alert.Attempts,
        };
        Add("nextAt", alert.NextAttemptAt);
        Add("deliveredAt", alert.DeliveredAt);
        Add("error", alert.LastError);
        return values;

        void Add(string name, object? value)
        {
            if (value is not null)
            {
                values[name] = value;
            }
        }
    }

    public static RaisedAlert Read(Row row) => new(
        AlertId.Parse(row.Key[Alert.Length..]),
        JsonSerializer.Deserialize<Alert>(row.Text("alert")!, FormatJson.Options)!,
        row.Time("at")!.Value,
        Enum.Parse<AlertDeliveryStatus>(row.Text("delivery")!),
        (int)row.Number("attempts")!.Value,
        row.Time("nextAt"),
        row.Time("deliveredAt"),
        row.Text("error"),
        row.ETag!);
}
