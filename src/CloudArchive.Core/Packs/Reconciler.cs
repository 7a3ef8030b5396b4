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

                await DrainAsync(table, partition, correlation, tally, cancellationToken);
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
    private async Task DrainAsync(RowTable table, string partition, string correlation, Tally tally, CancellationToken cancellationToken)
    {
        try
        {
            tally.Entries += await outbox.DrainAsync(table, partition, PackReconciliation.Grace, cancellationToken);
            if (table == RowTable.Work && ClinicId.TryParse(partition, null, out ClinicId clinic))
            {
                await rehydration.RunAsync(clinic, Requester.System("reconciler", correlation), cancellationToken);
                await losses.NoteReplacedAsync(clinic, null, cancellationToken);
            }
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            tally.Failed++;
            LogOutboxFailed(logger, e, table, partition);
        }
    }

    private async Task RunClinicAsync(ClinicId clinic, string correlation, Tally tally, CancellationToken cancellationToken)
    {
        PackId? after = null;
        while (tally.Left > 0)
        {
            IReadOnlyList<InFlightPack> page = await packs.ListAsync(clinic, after, Math.Min(tally.Left, 100), cancellationToken);
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

    [LoggerMessage(101, LogLevel.Error, "The outbox of {Table}/{Partition}, or what is to come back from the archive tier, could not be worked off; the next run tries again.")]
    private static partial void LogOutboxFailed(ILogger logger, Exception exception, RowTable table, string partition);

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
