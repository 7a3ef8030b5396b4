using CloudArchive.Core.Clinics;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using Microsoft.Extensions.Logging;

namespace CloudArchive.Core.Retention;

/// <summary>
/// The retention timer: enforces holds, extends locks, asks for destructions and executes those that were approved. For the host that may
/// change packs, which needs no right to unwrap a key. A clinic's whole plan is made once a day, and at once where its policy or a hold changed.
/// </summary>
public sealed partial class RetentionRun(IRowStore rows, ClinicDirectory clinics, Holds holds, ClinicRetention retention, TimeProvider clock, ILogger<RetentionRun> logger)
{
    /// <summary>Row of <see cref="RowTable.Work"/> in the clinic's partition: when and under which policy its last whole plan was carried out.</summary>
    private const string StateKey = "retention";
    private static readonly TimeSpan s_planEvery = TimeSpan.FromHours(20);

    /// <summary>One run over all clinics; at most <paramref name="most"/> studies of each.</summary>
    public async Task<RetentionResult> RunAsync(int most, CancellationToken cancellationToken)
    {
        Requester by = Requester.System("retention", "retention-" + Guid.CreateVersion7(clock.GetUtcNow()).ToString("N"));
        RetentionResult all = new(0, 0, 0, 0, Finished: true);
        await foreach (ClinicId clinic in clinics.ReadAllAsync(cancellationToken))
        {
            try
            {
                RetentionResult one = await RunAsync(clinic, most, by, cancellationToken);
                all = new(all.Extended + one.Extended, all.Requested + one.Requested, all.Destroyed + one.Destroyed, all.Failed + one.Failed, all.Finished && one.Finished);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                // One clinic's trouble must not keep the others waiting.
                all = all with { Failed = all.Failed + 1 };
                LogFailed(logger, e, clinic);
            }
        }

        return all;
    }

    /// <summary>One run for one clinic.</summary>
    public async Task<RetentionResult> RunAsync(ClinicId id, int most, Requester by, CancellationToken cancellationToken)
    {
        // Read before the plan: a change in between is planned again.
        Clinic clinic = await clinics.GetAsync(id, cancellationToken);
        DateTimeOffset now = clock.GetUtcNow();
        Row? state = await rows.FindAsync(RowTable.Work, id.Value, StateKey, cancellationToken);
        bool plan = state is null
            || state.Time("at") + s_planEvery <= now
            || state.Number("policy") != clinic.Retention.Version
            || (await holds.UnsettledAsync(id, cancellationToken)).Any(hold => !hold.Unreadable && (hold.EnforcedAt is null || !hold.IsOn));
        RetentionResult result = await retention.RunAsync(id, clinic.Retention.Version, plan, most, by, cancellationToken);
        if (plan && result is { Finished: true, Failed: 0 })
        {
            Dictionary<string, object> values = new() { ["at"] = now, ["policy"] = (long)clinic.Retention.Version };
            await rows.SubmitAsync(RowTable.Work, id.Value, [new RowWrite.Upsert(StateKey, values)], cancellationToken);
        }

        return result;
    }

    [LoggerMessage(122, LogLevel.Error, "Retention of clinic {Clinic} failed; the next run tries again.", EventName = "RetentionFailed")]
    private static partial void LogFailed(ILogger logger, Exception exception, ClinicId clinic);
}
