using System.Diagnostics.Metrics;

namespace CloudArchive.Core;

/// <summary>
/// What the archive counts, as docs/operations.md lists it. A dimension is one of a few names that the archive chose itself: never a
/// clinic's or a person's, never anything of a patient's.
/// </summary>
public static class ArchiveMetrics
{
    /// <summary>The meter's name.</summary>
    public const string MeterName = "CloudArchive";

    private static readonly Meter s_meter = new(MeterName);

    /// <summary>By <c>cause</c>.</summary>
    public static readonly Counter<long> AlertsRaised = s_meter.CreateCounter<long>("cloudarchive.alerts.raised", "{alert}", "Alerts raised.");

    /// <summary>By <c>outcome</c>: delivered, failed (to be repeated), given-up.</summary>
    public static readonly Counter<long> AlertDeliveries = s_meter.CreateCounter<long>("cloudarchive.alerts.deliveries", "{attempt}", "Attempts to deliver an alert or a letter.");

    /// <summary>By <c>verdict</c>.</summary>
    public static readonly Counter<long> RestoreTests = s_meter.CreateCounter<long>("cloudarchive.restore_tests.finished", "{run}", "Restore tests that ended.");

    /// <summary>Packs that got their receipt.</summary>
    public static readonly Counter<long> PacksCommitted = s_meter.CreateCounter<long>("cloudarchive.packs.committed", "{pack}", "Packs that got their receipt.");

    /// <summary>Their bytes, sealed.</summary>
    public static readonly Counter<long> BytesCommitted = s_meter.CreateCounter<long>("cloudarchive.packs.bytes", "By", "Bytes of the packs that got their receipt.");

    /// <summary>By <c>cause</c>.</summary>
    public static readonly Counter<long> PacksLost = s_meter.CreateCounter<long>("cloudarchive.packs.lost", "{pack}", "Packs that are not in storage any more, or not as they were archived.");

    /// <summary>By <c>reason</c>: the problem type.</summary>
    public static readonly Counter<long> Refusals = s_meter.CreateCounter<long>("cloudarchive.requests.refused", "{request}", "Requests refused.");

    /// <summary>Rows that were passed over because they say what cannot be: changed past the service, or damaged by storage.</summary>
    public static readonly Counter<long> RowsDamaged = s_meter.CreateCounter<long>("cloudarchive.rows.damaged", "{row}", "Rows that say what cannot be, each time one was passed over.");

    /// <summary>By <c>cause</c>: missing, catalogue-mismatch, key-unavailable, timed-out.</summary>
    public static readonly Counter<long> PacksNotReleased = s_meter.CreateCounter<long>("cloudarchive.restores.packs_not_released", "{pack}", "Packs of restores that could not be handed out.");

    /// <summary>As the last look found it.</summary>
    public static readonly Gauge<long> SilentClinics = s_meter.CreateGauge<long>("cloudarchive.clinics.silent", "{clinic}", "Clinics whose agents were not heard of for too long.");

    /// <summary>As the last look found it.</summary>
    public static readonly Gauge<long> ClinicsNotSafe = s_meter.CreateGauge<long>("cloudarchive.clinics.not_safe", "{clinic}", "Clinics that are not safe.");
}
