using System.Globalization;

namespace CloudArchive.Cli.Transport;

/// <summary>Hours of the day, local time, in which another limit stands.</summary>
/// <param name="From">Beginning.</param>
/// <param name="Until">End; before <paramref name="From"/> where it is on the next day.</param>
/// <param name="BytesPerSecond">The limit; null: none.</param>
public sealed record LimitHours(TimeOnly From, TimeOnly Until, long? BytesPerSecond)
{
    /// <summary>Whether it stands now.</summary>
    public bool Includes(TimeOnly now) => From <= Until ? From <= now && now < Until : From <= now || now < Until;
}

/// <summary>
/// How many bytes a second leave this computer for the archive: one limit for the whole process, whatever the number of packs and blocks under
/// way, so that a clinic can work meanwhile. A budget that is filled by time and emptied by sending.
/// </summary>
public sealed class RateLimit(TimeProvider clock, long? bytesPerSecond, IReadOnlyList<LimitHours> hours)
{
    /// <summary>Below, nothing ever gets through.</summary>
    public const long Least = 10_000;

    /// <summary>The limit of a request, among its options.</summary>
    internal static readonly HttpRequestOptionsKey<RateLimit> Option = new("CloudArchive.RateLimit");

    private static readonly TimeSpan LongestNap = TimeSpan.FromSeconds(1);
    private readonly Lock _gate = new();
    private double _budget;
    private long _filledAt = clock.GetTimestamp();

    /// <summary>The limit that stands now; null: none.</summary>
    public long? Current()
    {
        TimeOnly now = TimeOnly.FromDateTime(clock.GetLocalNow().DateTime);
        return hours.FirstOrDefault(h => h.Includes(now)) is { } other ? other.BytesPerSecond : bytesPerSecond;
    }

    /// <summary>Returns when so many bytes may go. Pieces must be small: a piece goes whole.</summary>
    public async ValueTask TakeAsync(int bytes, CancellationToken cancellationToken)
    {
        bool taken = false;
        while (true)
        {
            TimeSpan nap;
            lock (_gate)
            {
                long now = clock.GetTimestamp();
                TimeSpan passed = clock.GetElapsedTime(_filledAt, now);
                _filledAt = now;
                if (Current() is not { } rate)
                {
                    _budget = 0;
                    return;
                }

                // Half a second may be saved up, no more: a pause must not be followed by a burst.
                _budget = Math.Min(_budget + (passed.TotalSeconds * rate), rate / 2.0);
                if (!taken)
                {
                    _budget -= bytes;
                    taken = true;
                }

                if (_budget >= 0)
                {
                    return;
                }

                nap = TimeSpan.FromSeconds(-_budget / rate);
            }

            // Looked at again each second: another hour may begin.
            await Task.Delay(nap < LongestNap ? nap : LongestNap, clock, cancellationToken);
        }
    }

    /// <summary>Reads <c>2MB/s</c>, <c>500kB/s</c>, <c>20 Mbit/s</c>, <c>unlimited</c>.</summary>
    /// <exception cref="UsageException">It is none of these.</exception>
    public static long? ParseRate(string text)
    {
        string trimmed = text.Trim();
        if (trimmed is "unlimited" or "none")
        {
            return null;
        }

        foreach ((string unit, double bytes) in Units)
        {
            if (trimmed.EndsWith(unit, StringComparison.OrdinalIgnoreCase)
                && double.TryParse(trimmed[..^unit.Length], NumberStyles.AllowDecimalPoint | NumberStyles.AllowLeadingWhite | NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture, out double number))
            {
                double rate = number * bytes;
                return rate is >= Least and < 1e12 ? (long)rate : throw new UsageException($"'{text}' is no limit: {Least / 1000} kB/s is the least.");
            }
        }

        throw new UsageException($"'{text}' is no limit: it looks like 2MB/s, 500kB/s, 20Mbit/s or unlimited.");
    }

    /// <summary>Reads <c>08:00-18:00=500kB/s</c>.</summary>
    /// <exception cref="UsageException">It is something else.</exception>
    public static LimitHours ParseHours(string text)
    {
        string[] parts = text.Split('=', 2);
        string[] times = parts[0].Split('-', 2);
        return parts.Length == 2 && times.Length == 2 && Time(times[0]) is { } from && Time(times[1]) is { } until && from != until
            ? new LimitHours(from, until, ParseRate(parts[1]))
            : throw new UsageException($"'{text}' is no limit by hours: it looks like 08:00-18:00=500kB/s.");
    }

    // Longest first, so that "MB/s" is not read as "B/s".
    private static readonly (string Unit, double Bytes)[] Units =
        [("kbit/s", 125), ("Mbit/s", 125_000), ("Gbit/s", 125_000_000), ("kB/s", 1_000), ("MB/s", 1_000_000), ("GB/s", 1_000_000_000), ("B/s", 1)];

    private static TimeOnly? Time(string text) =>
        text.Trim() == "24:00" ? TimeOnly.MinValue : TimeOnly.TryParseExact(text.Trim(), ["HH:mm", "H:mm"], CultureInfo.InvariantCulture, DateTimeStyles.None, out TimeOnly time) ? time : null;
}
