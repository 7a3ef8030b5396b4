using CloudArchive.Core.Losses;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using Microsoft.Extensions.Logging;

namespace CloudArchive.Core.Packs;

/// <summary>What a run did.</summary>
/// <param name="Completed">Packs that got their receipt.</param>
/// <param name="Cleared">Packs that were abandoned or rejected and are gone.</param>
/// <param name="Entries">Audit entries that a crash had left in an outbox.</param>
/// <param name="Failed">Packs and partitions that the next run has to look at again; each is in the log with its id.</param>
/// <param name="Finished">False where the run stopped at its bound: the next one goes on from there.</param>
public sealed record Reconciliation(int Completed, int Cleared, int Entries, int Failed, bool Finished);

/// <summary>
/// Finishes or clears what crashes left behind (docs/design.md, "Flow of a backup", 5). Runs on a timer; any number of runs at the same
/// time do no harm.
/// </summary>
public sealed partial class Reconciler(
    IRowStore rows, PackReconciliation packs, Rehydration rehydration, PackLosses losses, Outbox outbox, TimeProvider clock, ILogger<Reconciler> logger)
{
    private const string CursorPartition = "$reconciler";
    private const string CursorKey = "cursor";

    /// <summary>One run over all clinics, or from where the last one stopped, of at most <paramref name="most"/> packs.</summary>
    public async Task<Reconciliation> RunAsync(int most, CancellationToken cancellationToken)
    {
        string correlation = "reconcile-" + Guid.CreateVersion7(clock.GetUtcNow()).ToString("N");
        Row? cursor = await rows.FindAsync(RowTable.Work, CursorPartition, CursorKey, cancellationToken);
        string? after = cursor?.Text("after");
        Tally tally = new(most);
        string? last = null;
        foreach (RowTable table in (RowTable[])[RowTable.Clinics, RowTable.Work])
        {
            await foreach (string partition in rows.PartitionsAsync(table, cancellationToken))
            {
                string place = $"{table}:{partition}";
                if (after is not null && string.CompareOrdinal(place, after) <= 0)
                {
                    continue;
                }

                if (tally.Left == 0)
                {
                    await rows.SubmitAsync(RowTable.Work, CursorPartition, [new RowWrite.Upsert(CursorKey, new Dictionary<string, object> { ["after"] = last ?? after! })], cancellationToken);
                    return tally.Result(finished: false);
                }

                await DrainAsync(table, partition, tally, cancellationToken);
                if (table == RowTable.Work && ClinicId.TryParse(partition, null, out ClinicId clinic))
                {
                    await RunClinicAsync(clinic, correlation, tally, cancellationToken);
                }

                last = place;
            }
        }

        await rows.SubmitAsync(RowTable.Work, CursorPartition, [new RowWrite.Upsert(CursorKey, new Dictionary<string, object>())], cancellationToken);
        return tally.Result(finished: true);
    }

    // A clinic's partition or one of the archive's own, such as that of access: whoever changes a state has an outbox there.
    private async Task DrainAsync(RowTable table, string partition, Tally tally, CancellationToken cancellationToken)
    {
        try
        {
            tally.Entries += await outbox.DrainAsync(table, partition, PackReconciliation.Grace, cancellationToken);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            tally.Failed++;
            LogOutboxFailed(logger, e, table, partition);
        }
    }

    private async Task RunClinicAsync(ClinicId clinic, string correlation, Tally tally, CancellationToken cancellationToken)
    {
        try
        {
            await rehydration.RunAsync(clinic, Requester.System("reconciler", correlation), cancellationToken);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            tally.Failed++;
            LogRehydrationFailed(logger, e, clinic);
        }

        try
        {
            await losses.ReviewAsync(clinic, Requester.System("reconciler", correlation), cancellationToken);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            tally.Failed++;
            LogLossesFailed(logger, e, clinic);
        }

        try
        {
            await RunPacksAsync(clinic, correlation, tally, cancellationToken);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // One clinic's trouble must not keep the others waiting.
            tally.Failed++;
            LogClinicFailed(logger, e, clinic);
        }
    }

    private async Task RunPacksAsync(ClinicId clinic, string correlation, Tally tally, CancellationToken cancellationToken)
    {
        void Damaged(Row row)
        {
            tally.Failed++;
            LogRowDamaged(logger, clinic, row.Key);
        }

        PackId? after = null;
        while (tally.Left > 0)
        {
            IReadOnlyList<InFlightPack> page = await packs.ListAsync(clinic, after, Math.Min(tally.Left, 100), Damaged, cancellationToken);
            foreach (InFlightPack pack in page)
            {
                tally.Add(await packs.RunAsync(pack, correlation, cancellationToken));
                after = pack.Pack;
            }

            if (page.Count == 0)
            {
                return;
            }
        }
    }

    [LoggerMessage(101, LogLevel.Error, "The outbox of {Table}/{Partition} could not be worked off; the next run tries again.")]
    private static partial void LogOutboxFailed(ILogger logger, Exception exception, RowTable table, string partition);

    [LoggerMessage(104, LogLevel.Error, "Packs of clinic {Clinic} that are to come back from the archive tier could not all be asked for; the next run tries again.")]
    private static partial void LogRehydrationFailed(ILogger logger, Exception exception, ClinicId clinic);

    [LoggerMessage(107, LogLevel.Error, "Which lost packs of clinic {Clinic} are replaced could not be found out; the next run tries again.")]
    private static partial void LogLossesFailed(ILogger logger, Exception exception, ClinicId clinic);

    [LoggerMessage(105, LogLevel.Error, "Packs in flight of clinic {Clinic} could not be reconciled; the next run tries again.")]
    private static partial void LogClinicFailed(ILogger logger, Exception exception, ClinicId clinic);

    [LoggerMessage(106, LogLevel.Error, "Row {Row} of clinic {Clinic} says what cannot be: it was changed past the service. See docs/operations.md, integrity.", EventName = "RowDamaged")]
    private static partial void LogRowDamaged(ILogger logger, ClinicId clinic, string row);

    private sealed class Tally(int most)
    {
        private int _completed;
        private int _cleared;

        public int Left { get; private set; } = most;

        public int Entries { get; set; }

        public int Failed { get; set; }

        public void Add(PackOutcome outcome)
        {
            Left -= outcome == PackOutcome.NotDue ? 0 : 1;
            _completed += outcome == PackOutcome.Completed ? 1 : 0;
            _cleared += outcome == PackOutcome.Cleared ? 1 : 0;
            Failed += outcome == PackOutcome.Failed ? 1 : 0;
        }

        public Reconciliation Result(bool finished) => new(_completed, _cleared, Entries, Failed, finished);
    }
}
