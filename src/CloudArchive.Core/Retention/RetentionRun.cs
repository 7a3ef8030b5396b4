using CloudArchive.Core.Clinics;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Work;
using CloudArchive.Format;

namespace CloudArchive.Core.Retention;

/// <summary>
/// The retention job: enforces holds, extends locks, asks for destructions and executes those that were approved. For the host that may
/// change packs, which needs no right to unwrap a key. A clinic's whole plan is made once a day, and at once where its policy or a hold changed.
/// </summary>
public sealed class RetentionRun(IRowStore rows, ClinicDirectory clinics, Holds holds, ClinicRetention retention, TimeProvider clock) : IWork
{
    /// <summary>Row of <see cref="RowTable.Work"/> in the clinic's partition: when and under which policy its last whole plan was carried out.</summary>
    private const string StateKey = "retention";
    private static readonly TimeSpan s_planEvery = TimeSpan.FromHours(20);

    // Studies that are extended, asked for or destroyed in a slice.
    private const int StudiesOfSlice = 500;

    /// <inheritdoc/>
    public async Task<SliceEnd> RunAsync(Slice slice, CancellationToken cancellationToken)
    {
        RetentionResult run = await RunAsync(slice.Clinic!.Value, StudiesOfSlice, slice.By, cancellationToken);

        // Where nothing but failures filled it, the next time is early enough.
        return run.Finished || run.Extended + run.Requested + run.Destroyed == 0 ? SliceEnd.Finished(run.Failed) : SliceEnd.More(null, failed: run.Failed);
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
}
