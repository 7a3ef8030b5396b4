using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;
using CloudArchive.Format;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Alerts;

/// <summary>An alert's id within its log: the day (UTC) and a digest of cause and subject. So the same alert of the same day has the same id.</summary>
public readonly record struct AlertId : IParsable<AlertId>
{
    private const int DigestLength = 32;
    private readonly string? _value;

    private AlertId(string value) => _value = value;

    /// <summary>The id of an alert that is raised at a time.</summary>
    public static AlertId Of(Alert alert, DateTimeOffset at) => new($"{Text(at)}-{DigestOf(alert.Cause, alert.Subject)}");

    /// <summary>What is the same of every day's alert of that cause about that subject.</summary>
    public static string DigestOf(AlertCause cause, string subject) => Sha256Digest.Of(Encoding.UTF8.GetBytes($"{cause} {subject}")).Hex[..DigestLength];

    /// <summary>Its digest.</summary>
    public string Digest => (_value ?? "")[9..];

    /// <summary>The beginning of the day (UTC) on which it was raised.</summary>
    public DateTimeOffset Day => DateTimeOffset.TryParseExact((_value ?? "")[..8], "yyyyMMdd", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out DateTimeOffset day) ? day : default;

    /// <summary>An id that sorts before every one of that day (UTC) and later.</summary>
    public static AlertId Before(DateTimeOffset at) => new($"{Text(at)}-{new string('0', DigestLength)}");

    /// <inheritdoc/>
    public static AlertId Parse(string s, IFormatProvider? provider = null) => TryParse(s, provider, out AlertId id) ? id : throw new FormatException("An alert's id is a day, '-', and 32 hex digits.");

    /// <inheritdoc/>
    public static bool TryParse([NotNullWhen(true)] string? s, IFormatProvider? provider, out AlertId result)
    {
        bool valid = s is { Length: 9 + DigestLength } && s[8] == '-' && s[..8].All(char.IsAsciiDigit) && s[9..].All(c => char.IsAsciiDigit(c) || c is >= 'a' and <= 'f');
        result = valid ? new AlertId(s!) : default;
        return valid;
    }

    /// <inheritdoc/>
    public override string ToString() => _value ?? "";

    private static string Text(DateTimeOffset at) => at.UtcDateTime.ToString("yyyyMMdd", CultureInfo.InvariantCulture);
}

/// <summary>Why an alert is not open any more, beside that somebody acknowledged it.</summary>
public enum AlertClosing
{
    /// <summary>It is so no more.</summary>
    CauseEnded,

    /// <summary>It is still so, and a later day's alert says it.</summary>
    RaisedAgain,
}

/// <summary>That somebody has it in hand.</summary>
/// <param name="By">Who.</param>
/// <param name="At">When.</param>
/// <param name="Reason">What they said: for people, and not in the audit log.</param>
public sealed record AlertAcknowledgement(string By, DateTimeOffset At, string Reason);

/// <summary>What is open.</summary>
/// <param name="Cause">What.</param>
/// <param name="Subject">Which.</param>
/// <param name="Alert">The alert that says so.</param>
/// <param name="Since">Since when it is so.</param>
public sealed record OpenAlert(AlertCause Cause, string Subject, AlertId Alert, DateTimeOffset Since);

/// <summary>An alert that was raised, how far its delivery got, and what became of it.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Alert">What it says.</param>
/// <param name="RaisedAt">When.</param>
/// <param name="Delivery">How far its delivery got.</param>
/// <param name="Since">Since when it is so, by the first alert about it; null in rows of before alerts were closed.</param>
public sealed record RaisedAlert(AlertId Id, Alert Alert, DateTimeOffset RaisedAt, DeliveryState Delivery, DateTimeOffset? Since)
{
    /// <summary>What is still so is raised again every day: what was not, for as long as a look that failed once, is over. Of rows of before alerts were closed.</summary>
    private static readonly TimeSpan s_openOnce = TimeSpan.FromHours(48);

    /// <summary>Why it is closed; null where it is not.</summary>
    public AlertClosing? Closing { get; init; }

    /// <summary>When it was closed.</summary>
    public DateTimeOffset? ClosedAt { get; init; }

    /// <summary>Who has it in hand.</summary>
    public AlertAcknowledgement? Acknowledged { get; init; }

    /// <summary>Of the row.</summary>
    public string ETag { get; init; } = "";

    /// <summary>Whether it still wants somebody.</summary>
    public bool IsOpen(DateTimeOffset now) =>
        Acknowledged is null && Closing is null && (Since is not null || now - RaisedAt < s_openOnce || Delivery.Status != AlertDeliveryStatus.Delivered);

    /// <summary>As the API answers it.</summary>
    public AlertResponse ToResponse(DateTimeOffset now) => new(
        Id.ToString(), Alert.Clinic, Alert.CauseName, Alert.Subject, Alert.Message, RaisedAt, Delivery.Status, Delivery.Attempts, Delivery.NextAttemptAt, Delivery.DeliveredAt, Delivery.LastError)
    {
        Open = IsOpen(now),
        Since = Since,
        SentBy = Delivery.Sent,
        ClosedAt = ClosedAt,
        ClosedBecause = Closing switch { AlertClosing.CauseEnded => "cause-ended", AlertClosing.RaisedAgain => "raised-again", _ => null },
        AcknowledgedBy = Acknowledged?.By,
        AcknowledgedAt = Acknowledged?.At,
        AcknowledgedReason = Acknowledged?.Reason,
    };
}
