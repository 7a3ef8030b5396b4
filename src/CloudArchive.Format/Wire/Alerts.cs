namespace CloudArchive.Format.Wire;

/// <summary>Where an alert's delivery to the webhook stands.</summary>
public enum AlertDeliveryStatus
{
    /// <summary>It is tried, or tried again, when its time comes.</summary>
    Waiting,

    /// <summary>The receiver took it.</summary>
    Delivered,

    /// <summary>It is tried no more: a dead letter.</summary>
    Failed,
}

/// <summary><c>GET /v1/clinics/{clinic}/alerts</c> and <c>GET /v1/alerts</c>: a page of these.</summary>
/// <param name="Id">Its id, unique in its clinic.</param>
/// <param name="Clinic">Whose; null where it is about the archive as a whole.</param>
/// <param name="Cause">What: <c>restore-test-failed</c>, <c>canary-failed</c>, <c>clinic-silent</c>, <c>log-damaged</c>, <c>schedule-missed</c>, <c>pack-lost</c>.</param>
/// <param name="Subject">Which: a run, a log.</param>
/// <param name="Message">For people. No PHI.</param>
/// <param name="RaisedAt">When.</param>
/// <param name="Delivery">Where the delivery stands.</param>
/// <param name="Attempts">How often it was tried.</param>
/// <param name="NextAttemptAt">When it is tried next.</param>
/// <param name="DeliveredAt">When the receiver took it.</param>
/// <param name="LastError">Why the last attempt failed.</param>
public sealed record AlertResponse(
    string Id,
    ClinicId? Clinic,
    string Cause,
    string Subject,
    string Message,
    DateTimeOffset RaisedAt,
    AlertDeliveryStatus Delivery,
    int Attempts,
    DateTimeOffset? NextAttemptAt = null,
    DateTimeOffset? DeliveredAt = null,
    string? LastError = null);

/// <summary>The body that the webhook's receiver gets; docs/alerts.md has its schema and how to check its signature.</summary>
/// <param name="Type"><see cref="AlertRaised"/>. A receiver ignores types that it does not know.</param>
/// <param name="Timestamp">When the alert was raised.</param>
/// <param name="Data">The alert.</param>
public sealed record AlertWebhook(string Type, DateTimeOffset Timestamp, AlertWebhookData Data)
{
    /// <summary>The one type that there is.</summary>
    public const string AlertRaised = "alert.raised";
}

/// <summary>An alert as its receiver gets it. No PHI.</summary>
public sealed record AlertWebhookData(string Id, ClinicId? Clinic, string Cause, string Subject, string Message);
