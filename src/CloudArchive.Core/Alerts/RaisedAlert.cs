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
    public static AlertId Of(Alert alert, DateTimeOffset at)
    {
        string same = Sha256Digest.Of(Encoding.UTF8.GetBytes($"{alert.Cause} {alert.Subject}")).Hex[..DigestLength];
        return new AlertId($"{Day(at)}-{same}");
    }

    /// <summary>An id that sorts before every one of that day (UTC) and later.</summary>
    public static AlertId Before(DateTimeOffset at) => new($"{Day(at)}-{new string('0', DigestLength)}");

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

    private static string Day(DateTimeOffset at) => at.UtcDateTime.ToString("yyyyMMdd", CultureInfo.InvariantCulture);
}

/// <summary>An alert that was raised, and how far its delivery got.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Alert">What it says.</param>
/// <param name="RaisedAt">When.</param>
/// <param name="Delivery">Where the delivery stands.</param>
/// <param name="Attempts">How often it was tried since it was raised, or retried by hand.</param>
/// <param name="NextAttemptAt">When it is tried next; null unless it is waiting.</param>
/// <param name="DeliveredAt">When the receiver took it.</param>
/// <param name="LastError">Why the last attempt failed; nothing that the receiver said but its status.</param>
/// <param name="ETag">Of the row.</param>
public sealed record RaisedAlert(
    AlertId Id,
    Alert Alert,
    DateTimeOffset RaisedAt,
    AlertDeliveryStatus Delivery,
    int Attempts,
    DateTimeOffset? NextAttemptAt,
    DateTimeOffset? DeliveredAt,
    string? LastError,
    string ETag)
{
    /// <summary>As the API answers it.</summary>
    public AlertResponse ToResponse() => new(
        Id.ToString(), Alert.Clinic, Alert.CauseName, Alert.Subject, Alert.Message, RaisedAt, Delivery, Attempts, NextAttemptAt, DeliveredAt, LastError);
}
