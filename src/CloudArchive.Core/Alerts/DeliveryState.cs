using CloudArchive.Core.Storage;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Alerts;

/// <summary>How far the delivery of something got: the same of an alert and of a letter.</summary>
/// <param name="Status">Where it stands.</param>
/// <param name="Attempts">How often it was tried since it began, or was begun anew by hand.</param>
/// <param name="NextAttemptAt">When it is tried next; null unless it is waiting.</param>
/// <param name="DeliveredAt">When the last channel took it.</param>
/// <param name="LastError">Why the last attempt failed; nothing that a receiver said but its status.</param>
/// <param name="Sent">The channels that took it.</param>
/// <param name="Refused">The channels that will not take it, however often they are asked.</param>
public sealed record DeliveryState(
    AlertDeliveryStatus Status, int Attempts, DateTimeOffset? NextAttemptAt, DateTimeOffset? DeliveredAt, string? LastError, IReadOnlyList<string> Sent, IReadOnlyList<string> Refused)
{
    /// <summary>Due at once.</summary>
    public static DeliveryState Begin(DateTimeOffset now) => new(AlertDeliveryStatus.Waiting, 0, now, null, null, [], []);

    /// <summary>As a row has it.</summary>
    internal static DeliveryState Read(Row row) => new(
        Enum.Parse<AlertDeliveryStatus>(row.Text("delivery")!),
        (int)row.Number("attempts")!.Value,
        row.Time("nextAt"),
        row.Time("deliveredAt"),
        row.Text("error"),
        Names(row.Text("sent")),
        Names(row.Text("refused")));

    /// <summary>Puts it into a row's values.</summary>
    internal void AddTo(Dictionary<string, object> values)
    {
        values["delivery"] = Status.ToString();
        values["attempts"] = (long)Attempts;
        values.AddUnlessNull("nextAt", NextAttemptAt);
        values.AddUnlessNull("deliveredAt", DeliveredAt);
        values.AddUnlessNull("error", LastError);
        values.AddUnlessNull("sent", Sent.Count == 0 ? null : string.Join(' ', Sent));
        values.AddUnlessNull("refused", Refused.Count == 0 ? null : string.Join(' ', Refused));
    }

    private static string[] Names(string? names) => (names ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries);
}
