using System.Collections.Concurrent;
using System.Diagnostics.Metrics;

namespace CloudArchive.Core.Tests.Alerts;

/// <summary>What the archive's meter measures while this lives: <c>{instrument} {value} {tag}={value}</c>.</summary>
internal sealed class MetricsOf : IDisposable
{
    private readonly MeterListener _listener = new();

    public MetricsOf()
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Name == ArchiveMetrics.MeterName)
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) =>
            Measured.Enqueue(string.Join(' ', [instrument.Name, value.ToString(System.Globalization.CultureInfo.InvariantCulture), .. tags.ToArray().Select(tag => $"{tag.Key}={tag.Value}")])));
        _listener.Start();
    }

    public ConcurrentQueue<string> Measured { get; } = new();

    public void Dispose() => _listener.Dispose();
}
