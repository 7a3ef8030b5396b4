using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Audit;

namespace CloudArchive.Core.Alerts;

/// <summary>What is told.</summary>
public enum NoticeKind
{
    /// <summary>An alert.</summary>
    AlertRaised,

    /// <summary>That the cause of an alert is over.</summary>
    AlertClosed,

    /// <summary>The weekly letter: all safe, or not, and why.</summary>
    Weekly,
}

/// <summary>Something to be told, whatever the channel. No PHI.</summary>
/// <param name="Id">The same for every attempt: a receiver knows a repetition by it.</param>
/// <param name="Log">The clinic's id, or <see cref="AuditEntry.SystemLog"/>.</param>
/// <param name="Kind">What is told.</param>
/// <param name="At">When it became so.</param>
/// <param name="Title">In a few words.</param>
/// <param name="Lines">What, and what to do; paragraphs.</param>
/// <param name="Alert">The alert that it is about.</param>
/// <param name="AlertId">Its id.</param>
public sealed record Notice(string Id, string Log, NoticeKind Kind, DateTimeOffset At, string Title, IReadOnlyList<string> Lines, Alert? Alert = null, string? AlertId = null)
{
    /// <summary>Whose; null where it is about the archive as a whole.</summary>
    [JsonIgnore]
    public ClinicId? Clinic => Log == AuditEntry.SystemLog ? null : ClinicId.Parse(Log);

    /// <summary>Of an alert.</summary>
    public static Notice Of(RaisedAlert alert) => new(
        alert.Id.ToString(), alert.Alert.Log, NoticeKind.AlertRaised, alert.RaisedAt, Words(alert.Alert), [alert.Alert.Message], alert.Alert, alert.Id.ToString());

    /// <summary>A cause as words: "Files not backed up".</summary>
    public static string Words(Alert alert)
    {
        string words = alert.CauseName.Replace('-', ' ');
        return char.ToUpperInvariant(words[0]) + words[1..];
    }
}

/// <summary>What is sent once and then forgotten, unlike an alert: a row, <c>letter:{id}</c>, until it is delivered or given up; the audit log has what became of it.</summary>
/// <param name="Id">A day and 32 hex digits, as an alert's.</param>
/// <param name="Notice">What it says.</param>
/// <param name="Delivery">How far its delivery got.</param>
public sealed record Letter(string Id, Notice Notice, DeliveryState Delivery)
{
    /// <summary>Of the row.</summary>
    public string ETag { get; init; } = "";

    /// <summary>That an alert's cause is over.</summary>
    public static Letter Closed(RaisedAlert alert, DateTimeOffset now)
    {
        string id = NewId($"closed {alert.Id} {now.UtcTicks}", now);
        string[] lines = ["It is so no more. It was said before:", alert.Alert.Message];
        return new Letter(id, new Notice(id, alert.Alert.Log, NoticeKind.AlertClosed, now, $"Over: {Notice.Words(alert.Alert).ToLowerInvariant()}", lines, alert.Alert, alert.Id.ToString()), DeliveryState.Begin(now));
    }

    /// <summary>The id of what is the same letter.</summary>
    public static string NewId(string same, DateTimeOffset now) =>
        $"{now.UtcDateTime.ToString("yyyyMMdd", CultureInfo.InvariantCulture)}-{Sha256Digest.Of(Encoding.UTF8.GetBytes(same)).Hex[..32]}";
}

/// <summary>Letters in <see cref="RowTable.Work"/>, in their log's partition: <c>letter:{id}</c>, and <c>letter-due:{id}</c> as alerts have it.</summary>
internal static class LetterRows
{
    public const string Letter = "letter:";
    public const string Due = "letter-due:";

    public static RowWrite[] Insert(Letter letter, DateTimeOffset now) =>
        [new RowWrite.Insert(Letter + letter.Id, Values(letter)), new RowWrite.Insert(Due + letter.Id, AlertRows.DueAt(now))];

    public static Dictionary<string, object> Values(Letter letter)
    {
        Dictionary<string, object> values = new() { ["notice"] = JsonSerializer.Serialize(letter.Notice, FormatJson.Options) };
        letter.Delivery.AddTo(values);
        return values;
    }

    public static Letter Read(Row row) => new(row.Key[Letter.Length..], JsonSerializer.Deserialize<Notice>(row.Text("notice")!, FormatJson.Options)!, DeliveryState.Read(row)) { ETag = row.ETag! };
}
