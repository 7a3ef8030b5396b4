using CloudArchive.Core.Losses;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Work;
using CloudArchive.Format;
using Microsoft.Extensions.Logging;

namespace CloudArchive.Core.Packs;

/// <summary>What a run did.</summary>
/// <param name="Completed">Packs that got their receipt.</param>
/// <param name="Cleared">Packs that were abandoned or rejected and are gone.</param>
/// <param name="Entries">Audit entries that a crash had left in an outbox.</param>
/// <param name="Failed">Packs and partitions that the next run has to look at again; each is in the log with its id.</param>
/// <param name="Next">The pack after which the next run goes on; null where this one came to the end.</param>
public sealed record Reconciliation(int Completed, int Cleared, int Entries, int Failed, PackId? Next);

/// <summary>
/// Finishes or clears what crashes left behind (docs/design.md, "Flow of a backup", 5). Any number of runs at the same time do no harm.
/// </summary>
public sealed partial class Reconciler(
    IRowStore rows, PackReconciliation packs, Rehydration rehydration, PackLosses losses, StrayBlobs strays, Outbox outbox, TimeProvider clock, ILogger<Reconciler> logger) : IWork
{
    // Packs in flight that are looked at in a slice, due or not.
    private const int PacksOfSlice = 500;

    // Packs in storage that are looked for in the tables in a slice: some listings and queries, and no call for each.
    private const int StoredOfSlice = 5000;

    // How the cursor of a look through storage begins; what else is one is a pack in flight.
    private const string OfStrays = "stored:";

    /// <inheritdoc/>
    public async Task<SliceEnd> RunAsync(Slice slice, CancellationToken cancellationToken)
    {
        if (slice.Clinic is not { } clinic)
        {
            Reconciliation own = await RunOwnAsync(cancellationToken);
            return SliceEnd.Finished(own.Failed);
        }

        if (slice.Cursor?.StartsWith(OfStrays, StringComparison.Ordinal) == true)
        {
            return await LookForStraysAsync(clinic, slice.Cursor[OfStrays.Length..], slice.By, 0, cancellationToken);
        }

        Reconciliation run = await RunAsync(clinic, slice.Cursor is { } cursor ? PackId.Parse(cursor) : null, PacksOfSlice, cancellationToken);
        return run.Next is { } next ? SliceEnd.More(next.ToString(), failed: run.Failed)
            : await strays.TryBeginAsync(clinic, cancellationToken) ? await LookForStraysAsync(clinic, null, slice.By, run.Failed, cancellationToken)
            : SliceEnd.Finished(run.Failed);
    }

    /// <summary>Once a day, when all else is done.</summary>
    private async Task<SliceEnd> LookForStraysAsync(ClinicId clinic, string? after, Requester by, int failed, CancellationToken cancellationToken)
    {
        try
        {
            StrayResult result = await strays.RunAsync(clinic, after, StoredOfSlice, by, cancellationToken);
            failed += result.Failed;
            return result.Next is { } next ? SliceEnd.More(OfStrays + next, failed: failed) : SliceEnd.Finished(failed);
        }
        catch (Exception e) when (e is not OperationCanceledException && after is null)
        {
            // What goes before is done, and need not be done again because storage could not be listed; the slices that follow are tried again.
            LogStraysFailed(logger, e, clinic);
            return SliceEnd.Finished(failed + 1);
        }
    }

    /// <summary>Works off the outboxes of the archive's own partitions, such as that of access: whoever changes a state has an outbox there.</summary>
    public async Task<Reconciliation> RunOwnAsync(CancellationToken cancellationToken)
    {
        Tally tally = new(0);
        foreach (RowTable table in (RowTable[])[RowTable.Clinics, RowTable.Work])
        {
            // They come before the clinics', whose ids begin with a letter or a digit.
            await foreach (string partition in rows.PartitionsAsync(table, cancellationToken).TakeWhile(partition => partition[0] == '$'))
            {
                await DrainAsync(table, partition, tally, cancellationToken);
            }
        }

        return tally.Result(null);
    }

    /// <summary>One run for a clinic over at most so many packs in flight, from the first after <paramref name="after"/>; what is not of packs is done at the begin.</summary>
    public async Task<Reconciliation> RunAsync(ClinicId clinic, PackId? after, int most, CancellationToken cancellationToken)
    {
        string correlation = "reconcile-" + Guid.CreateVersion7(clock.GetUtcNow()).ToString("N");
        Tally tally = new(most);
        if (after is null)
        {
            await DrainAsync(RowTable.Clinics, clinic.Value, tally, cancellationToken);
            await DrainAsync(RowTable.Work, clinic.Value, tally, cancellationToken);
            Requester by = Requester.System("reconciler", correlation);
            await TryAsync(() => rehydration.RunAsync(clinic, by, cancellationToken), e => LogRehydrationFailed(logger, e, clinic), tally);
            await TryAsync(() => losses.ReviewAsync(clinic, by, cancellationToken), e => LogLossesFailed(logger, e, clinic), tally);
        }

        PackId? next = after;
        await TryAsync(
            async () => next = await RunPacksAsync(clinic, after, correlation, tally, cancellationToken),
            e =>
            {
                LogClinicFailed(logger, e, clinic);
                next = null;
            },
            tally);
        return tally.Result(next);
    }

    /// <summary>What is the matter with one kind of work must not keep the others waiting.</summary>
    private static async Task TryAsync(Func<Task> work, Action<Exception> log, Tally tally)
    {
        try
        {
            await work();
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            tally.Failed++;
            log(e);
        }
    }

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

    /// <summary>The last pack of a run that stopped at its bound; null where it came to the end.</summary>
    private async Task<PackId?> RunPacksAsync(ClinicId clinic, PackId? after, string correlation, Tally tally, CancellationToken cancellationToken)
    {
        void Damaged(Row row)
        {
            tally.Failed++;
            LogRowDamaged(logger, clinic, row.Key);
        }

        while (tally.Left > 0)
        {
            int wanted = Math.Min(tally.Left, 100);
            IReadOnlyList<InFlightPack> page = await packs.ListAsync(clinic, after, wanted, Damaged, cancellationToken);
            foreach (InFlightPack pack in page)
            {
                tally.Add(await packs.RunAsync(pack, correlation, cancellationToken));
                after = pack.Pack;
            }

            if (page.Count < wanted)
            {
                return null;
            }
        }

        return after;
    }

    [LoggerMessage(101, LogLevel.Error, "The outbox of {Table}/{Partition} could not be worked off; the next run tries again.")]
    private static partial void LogOutboxFailed(ILogger logger, Exception exception, RowTable table, string partition);

    [LoggerMessage(104, LogLevel.Error, "Packs of clinic {Clinic} that are to come back from the archive tier could not all be asked for; the next run tries again.")]
    private static partial void LogRehydrationFailed(ILogger logger, Exception exception, ClinicId clinic);

    [LoggerMessage(108, LogLevel.Error, "Storage of clinic {Clinic} could not be looked through for packs that no row names; the next day tries again.")]
    private static partial void LogStraysFailed(ILogger logger, Exception exception, ClinicId clinic);

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
            Left--;
            _completed += outcome == PackOutcome.Completed ? 1 : 0;
            _cleared += outcome == PackOutcome.Cleared ? 1 : 0;
            Failed += outcome == PackOutcome.Failed ? 1 : 0;
        }

        public Reconciliation Result(PackId? next) => new(_completed, _cleared, Entries, Failed, next);
    }
}
