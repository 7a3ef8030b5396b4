using System.Globalization;
using CloudArchive.Cli.Service;
using CloudArchive.Format;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Restores;

/// <summary>Which snapshots a time means: of each computer the newest that was taken by then.</summary>
internal static class SnapshotChoice
{
    private static readonly (string Form, TimeSpan Precision)[] s_forms =
    [
        ("yyyy-MM-dd", TimeSpan.FromDays(1)), ("yyyy-MM-dd HH:mm", TimeSpan.FromMinutes(1)), ("yyyy-MM-dd'T'HH:mm", TimeSpan.FromMinutes(1)), ("yyyy-MM-dd HH:mm:ss", TimeSpan.FromSeconds(1)),
        ("yyyy-MM-dd'T'HH:mm:ss", TimeSpan.FromSeconds(1)), ("yyyy-MM-dd'T'HH:mm:ss.FFFFFFF", TimeSpan.FromTicks(1)),
    ];

    /// <summary>A time as a person says it, in this computer's zone where none is said; a day, a minute, a second mean their end: who copies a time from a list gets what is listed.</summary>
    public static DateTimeOffset ParseTime(string text, TimeProvider clock)
    {
        if (text is "latest" or "now")
        {
            return clock.GetUtcNow();
        }

        foreach ((string form, TimeSpan precision) in s_forms)
        {
            TimeSpan toItsEnd = precision - TimeSpan.FromTicks(1);
            if (DateTime.TryParseExact(text, form, CultureInfo.InvariantCulture, DateTimeStyles.None, out DateTime local) && local.Year < DateTime.MaxValue.Year)
            {
                return new DateTimeOffset(local + toItsEnd, clock.LocalTimeZone.GetUtcOffset(local + toItsEnd));
            }

            if (DateTimeOffset.TryParseExact(text, form + "K", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out DateTimeOffset time) && time.Year < DateTime.MaxValue.Year)
            {
                return time + toItsEnd;
            }
        }

        throw new UsageException($"\"{text}\" is no time. Examples: latest, 2026-11-24 (the end of that day), \"2026-11-24 18:00\", 2026-11-24T17:00:00Z.");
    }

    /// <summary>Of each computer the newest complete snapshot that was taken by a time.</summary>
    /// <param name="client">The service.</param>
    /// <param name="clinic">The clinic.</param>
    /// <param name="time">The time.</param>
    /// <param name="isNeeded">False: where the service has no snapshots to list, there are none.</param>
    /// <param name="cancellationToken">Stops.</param>
    public static async Task<IReadOnlyList<SnapshotResponse>> AtAsync(
        ArchiveClient client, ClinicId clinic, DateTimeOffset time, bool isNeeded, CancellationToken cancellationToken)
    {
        Dictionary<Uid, SnapshotResponse> newest = [];
        try
        {
            await foreach (Page<SnapshotResponse> page in client.GetEachPageAsync<SnapshotResponse>($"v1/clinics/{clinic}/snapshots", null, cancellationToken))
            {
                foreach (SnapshotResponse snapshot in page.Items.Where(s => s.IsComplete && s.TakenAt <= time))
                {
                    if (!newest.TryGetValue(snapshot.Set, out SnapshotResponse? known) || known.TakenAt < snapshot.TakenAt)
                    {
                        newest[snapshot.Set] = snapshot;
                    }
                }
            }
        }
        catch (ServiceRefusedException refused) when (!isNeeded && refused.Status is 403 or 404 or 405)
        {
            return []; // a service of before there were snapshots
        }

        return [.. newest.Values.OrderBy(snapshot => snapshot.Set.Value, StringComparer.Ordinal)];
    }

    /// <summary>Whether a set is of one of some computers, as a person names them: by the set or its beginning. None means all.</summary>
    public static bool IsOf(Uid set, IReadOnlyList<string> computers) => computers.Count == 0 || computers.Any(computer => set.Value.StartsWith(computer, StringComparison.Ordinal));

    /// <summary>Those of some computers; throws where there is none.</summary>
    public static IReadOnlyList<SnapshotResponse> Of(IReadOnlyList<SnapshotResponse> snapshots, IReadOnlyList<string> computers, DateTimeOffset time)
    {
        SnapshotResponse[] chosen = [.. snapshots.Where(s => IsOf(s.Set, computers))];
        return chosen.Length > 0
            ? chosen
            : throw new UsageException(
                $"There is no snapshot{(computers.Count > 0 ? " of that computer" : "")} from {time.ToLocalTime():yyyy-MM-dd HH:mm} or before. `cloudarchive snapshots` lists them; --everything restores what was archived before there were any.");
    }
}
