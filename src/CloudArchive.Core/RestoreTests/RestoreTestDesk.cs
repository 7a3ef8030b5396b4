using System.Globalization;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Evidence;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.RestoreTests;

/// <summary>Starts runs of restore tests and tells how they stand.</summary>
public sealed class RestoreTestDesk(IRowStore rows, ClinicDirectory clinics, RestoreTestPopulation population, RestoreTestDraw draw, Outbox outbox, TimeProvider clock)
{
    /// <summary>
    /// Announces a run in the clinic's log, with the digest of budget and population; then draws the sample by a checkpoint that is signed
    /// after that (docs/restore-tests.md). <see cref="RestoreTestRunner"/> does the work, and draws where this was interrupted.
    /// </summary>
    public async Task<RestoreTestResponse> StartAsync(ClinicId clinic, ClinicBudget spends, RunTrigger trigger, Requester by, CancellationToken cancellationToken)
    {
        RestoreTestBudgets.Check(spends);
        await clinics.GetAsync(clinic, cancellationToken);
        IReadOnlyList<PopulationPack> packs = await population.ReadAsync(clinic, cancellationToken);
        if (packs.Count == 0)
        {
            throw new RefusedException(Refusal.NothingToRestore, $"Clinic {clinic} has no committed pack to test.");
        }

        TestBudget budget = spends.For(packs);
        WorkId id = WorkId.New(clock);
        DateTimeOffset now = AuditLog.ToMilliseconds(clock.GetUtcNow());
        AuditEvent start = new(
            clinic.Value,
            AuditActions.RestoreTestStarted,
            AuditOutcome.Success,
            by.Actor,
            new AuditSubject(clinic.Value, Other: id.ToString()),
            by.Origin,
            Details: new Dictionary<string, string>
            {
                ["budgetBytes"] = budget.Bytes.ToString(CultureInfo.InvariantCulture),
                ["budgetPacks"] = budget.Packs.ToString(CultureInfo.InvariantCulture),
                [RunCommitment.DetailName] = RunCommitment.Digest(budget, packs).Hex,
                ["population"] = packs.Count.ToString(CultureInfo.InvariantCulture),
            },
            Once: $"test-start:{id}");
        RestoreTestRun run = new(id.ToString(), clinic, trigger, by.Actor.Id, now, budget, packs.Count, start);

        // The population first: a run that is there has it. Without a run it is swept.
        await RestoreTestRows.WritePopulationAsync(rows, clinic, id, packs, cancellationToken);
        RowWrite[] writes =
        [
            new RowWrite.Insert(RestoreTestRows.Run + id, RestoreTestRows.Values(run)),
            new RowWrite.Insert(RestoreTestRows.Open + id, RestoreTestLease.Free),
        ];
        await outbox.SubmitAsync(RowTable.Work, clinic.Value, writes, start, cancellationToken);
        return (await draw.RunAsync(clinic, id, cancellationToken)).ToResponse();
    }

    /// <summary>Whether the schedule started a run of the clinic at a time or later.</summary>
    public async Task<bool> WasScheduledAsync(ClinicId clinic, DateTimeOffset since, CancellationToken cancellationToken)
    {
        RowRange range = new(RestoreTestRows.Run + WorkId.Before(since), RowRange.Prefix(RestoreTestRows.Run).To);
        return await rows.ReadAllAsync(RowTable.Work, clinic.Value, range, cancellationToken)
            .AnyAsync(row => DamagedRow.ReadEach([row], RestoreTestRows.Read<RestoreTestRun>).Any(run => run.Trigger.Kind == RunTriggerKind.Scheduled), cancellationToken);
    }

    /// <summary>Whether a run of the clinic is under way.</summary>
    public async Task<bool> IsRunningAsync(ClinicId clinic, CancellationToken cancellationToken) =>
        (await rows.QueryAsync(RowTable.Work, clinic.Value, RowRange.Prefix(RestoreTestRows.Open), 1, cancellationToken)).Count > 0;

    /// <summary>A run with its packs; <see cref="Refusal.RestoreTestUnknown"/> where there is none.</summary>
    public async Task<RestoreTestResponse> GetAsync(ClinicId clinic, WorkId id, CancellationToken cancellationToken)
    {
        Row row = await rows.FindAsync(RowTable.Work, clinic.Value, RestoreTestRows.Run + id, cancellationToken)
            ?? throw new RefusedException(Refusal.RestoreTestUnknown, $"Clinic {clinic} has no restore test {id}. GET .../restore-tests lists those there are.");
        List<RestoreTestPackResponse> packs = [];
        await foreach (Row pack in rows.ReadAllAsync(RowTable.Work, clinic.Value, RestoreTestRows.Packs(id), cancellationToken))
        {
            packs.Add(RestoreTestRows.Read<RestoreTestPackResponse>(pack));
        }

        return RestoreTestRows.Read<RestoreTestRun>(row).ToResponse(packs);
    }

    /// <summary>A clinic's runs without their packs, oldest first.</summary>
    public async Task<IReadOnlyList<RestoreTestResponse>> ListAsync(ClinicId clinic, WorkId? after, int take, CancellationToken cancellationToken, Action<Row>? damaged = null) =>
        await rows.ReadPageAsync(
            RowTable.Work, clinic.Value, RowRange.After(RestoreTestRows.Run, after?.ToString()), take, row => RestoreTestRows.Read<RestoreTestRun>(row).ToResponse(), cancellationToken, damaged);

    /// <summary>A clinic's runs that began since a time, oldest first, at most a thousand.</summary>
    public Task<IReadOnlyList<RestoreTestResponse>> ListSinceAsync(ClinicId clinic, DateTimeOffset since, CancellationToken cancellationToken) =>
        ListAsync(clinic, WorkId.Before(since), RowStoreExtensions.MostRows, cancellationToken);

    /// <summary>A clinic's runs, the newest first, <paramref name="before"/> being the last one of the page before.</summary>
    public Task<IReadOnlyList<RestoreTestResponse>> NewestAsync(ClinicId clinic, WorkId? before, int take, CancellationToken cancellationToken) =>
        rows.ReadNewestAsync(
            RowTable.Work, clinic.Value, RestoreTestRows.Run, WorkId.KeyAt, before?.ToString(), before?.MadeAt ?? clock.GetUtcNow(), take,
            row => RestoreTestRows.Read<RestoreTestRun>(row).ToResponse(), cancellationToken);

    /// <summary>When a run of the clinic ended last, or null.</summary>
    public async Task<DateTimeOffset?> LastFinishedAsync(ClinicId clinic, CancellationToken cancellationToken) =>
        (await rows.FindAsync(RowTable.Work, clinic.Value, RestoreTestRows.Last, cancellationToken))?.Time("at");
}
