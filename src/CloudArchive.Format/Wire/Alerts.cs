namespace CloudArchive.Format.Wire;

/// <summary>Where an alert's delivery stands.</summary>
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
/// <param name="Cause">What: docs/alerts.md lists the causes.</param>
/// <param name="Subject">Which: a run, a log, an agent.</param>
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
    string? LastError = null)
{
    /// <summary>Whether it still wants somebody: nobody acknowledged it, and its cause is not known to be over.</summary>
    public bool Open { get; init; }

    /// <summary>Since when it is so, by the first alert about it.</summary>
    public DateTimeOffset? Since { get; init; }

    /// <summary>Who was told: of <c>webhook</c>, <c>mail-operator</c>, <c>mail-clinic</c>.</summary>
    public IReadOnlyList<string> SentBy { get; init; } = [];

    /// <summary>When it was closed.</summary>
    public DateTimeOffset? ClosedAt { get; init; }

    /// <summary><c>cause-ended</c>: it is so no more; <c>raised-again</c>: a later day's alert says it.</summary>
    public string? ClosedBecause { get; init; }

    /// <summary>Who has it in hand.</summary>
    public string? AcknowledgedBy { get; init; }

    /// <summary>Since when.</summary>
    public DateTimeOffset? AcknowledgedAt { get; init; }

    /// <summary>What they said.</summary>
    public string? AcknowledgedReason { get; init; }
}

/// <summary><c>POST .../alerts/{alert}/acknowledge</c>, by an admin.</summary>
/// <param name="Reason">What is being done about it, or why nothing needs to be. Kept with the alert; no patient's name.</param>
public sealed record AcknowledgeAlertRequest(string Reason);

/// <summary>The body that the webhook's receiver gets; docs/alerts.md has its schema and how to check its signature.</summary>
/// <param name="Type"><see cref="AlertRaised"/>. A receiver ignores types that it does not know.</param>
/// <param name="Timestamp">When the alert was raised, or closed.</param>
/// <param name="Data">The alert.</param>
public sealed record AlertWebhook(string Type, DateTimeOffset Timestamp, AlertWebhookData Data)
{
    /// <summary>An alert.</summary>
    public const string AlertRaised = "alert.raised";

    /// <summary>The cause of an alert is over.</summary>
    public const string AlertClosed = "alert.closed";
}

/// <summary>An alert as its receiver gets it. No PHI.</summary>
public sealed record AlertWebhookData(string Id, ClinicId? Clinic, string Cause, string Subject, string Message);
