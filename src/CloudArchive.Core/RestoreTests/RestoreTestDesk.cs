using System.Globalization;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Catalog;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.RestoreTests;

/// <summary>Starts runs of restore tests and tells how they stand.</summary>
public sealed class RestoreTestDesk(IRowStore rows, ClinicDirectory clinics, CatalogReader catalog, Checkpoints checkpoints, Outbox outbox, TimeProvider clock)
{
    /// <summary>The largest sample.</summary>
    public const int MostPacks = 200;

    /// <summary>
    /// Draws the sample and records the run; <see cref="RestoreTestRunner"/> does the work. The population is every pack whose commit is
    /// among the checkpoint's entries, so that anyone with the log can recompute it.
    /// </summary>
    public async Task<RestoreTestResponse> StartAsync(ClinicId clinic, int most, Requester by, CancellationToken cancellationToken)
    {
        if (most is < 1 or > MostPacks)
        {
            throw new RefusedException(Refusal.RequestInvalid, $"packs: 1 to {MostPacks}.");
        }

        await clinics.GetAsync(clinic, cancellationToken);
        SignedCheckpoint checkpoint = await checkpoints.MakeAsync(clinic.Value, cancellationToken);
        IReadOnlyList<Candidate> population = await PopulationAsync(clinic, checkpoint.Statement.Size, cancellationToken);
        if (population.Count == 0)
        {
            throw new RefusedException(Refusal.NothingToRestore, $"Clinic {clinic} has no committed pack to test.");
        }

        IReadOnlyList<SampledPack> sample = Sampling.Choose(population, checkpoint.Statement.Root, most);
        WorkId id = WorkId.New(clock);
        RestoreTestResponse run = new(
            id.ToString(), clinic, RestoreTestStatus.Running, by.Actor.Id, clock.GetUtcNow(), null, checkpoint.Jws, population.Count, sample.Count, 0, 0, 0, 0);

        // The packs first, the run last: a run that is there is whole.
        foreach (SampledPack[] batch in sample.Chunk(100))
        {
            await rows.SubmitAsync(
                RowTable.Work,
                clinic.Value,
                [.. batch.Select(pack => new RowWrite.Insert(
                    RestoreTestRows.PackKey(id, pack.Pack), RestoreTestRows.Values(new RestoreTestPackResponse(pack.Pack, pack.Study, pack.Pick, null, null, 0, 0, [], null))))],
                cancellationToken);
        }

        AuditEvent entry = new(
            clinic.Value,
            AuditActions.RestoreTestStarted,
            AuditOutcome.Success,
            by.Actor,
            new AuditSubject(clinic.Value, Other: run.Id),
            by.Origin,
            Details: new Dictionary<string, string>
            {
                ["checkpointRoot"] = checkpoint.Statement.Root.Hex,
                ["checkpointSize"] = checkpoint.Statement.Size.ToString(CultureInfo.InvariantCulture),
                ["population"] = population.Count.ToString(CultureInfo.InvariantCulture),
                ["sample"] = sample.Count.ToString(CultureInfo.InvariantCulture),
            },
            Once: $"test-start:{id}");
        RowWrite[] writes =
        [
            new RowWrite.Insert(RestoreTestRows.Run + id, RestoreTestRows.Values(run)),
            new RowWrite.Insert(RestoreTestRows.Open + id, new Dictionary<string, object>()),
        ];
        await outbox.SubmitAsync(RowTable.Work, clinic.Value, writes, entry, cancellationToken);
        return run;
    }

    /// <summary>A run with its packs; <see cref="Refusal.RestoreTestUnknown"/> where there is none.</summary>
    public async Task<RestoreTestResponse> GetAsync(ClinicId clinic, WorkId id, CancellationToken cancellationToken)
    {
        Row row = await rows.FindAsync(RowTable.Work, clinic.Value, RestoreTestRows.Run + id, cancellationToken)
            ?? throw new RefusedException(Refusal.RestoreTestUnknown, $"Clinic {clinic} has no restore test {id}. GET .../restore-tests lists those there are.");
        IReadOnlyList<Row> packs = await rows.QueryAsync(RowTable.Work, clinic.Value, RestoreTestRows.Packs(id), MostPacks, cancellationToken);
        return RestoreTestRows.Read<RestoreTestResponse>(row) with { Packs = [.. packs.Select(RestoreTestRows.Read<RestoreTestPackResponse>)] };
    }

    /// <summary>A clinic's runs without their packs, oldest first.</summary>
    public async Task<IReadOnlyList<RestoreTestResponse>> ListAsync(ClinicId clinic, WorkId? after, int take, CancellationToken cancellationToken) =>
        [.. (await rows.QueryAsync(RowTable.Work, clinic.Value, RowRange.After(RestoreTestRows.Run, after?.ToString()), take, cancellationToken)).Select(RestoreTestRows.Read<RestoreTestResponse>)];

    /// <summary>When each of a clinic's packs was last tested.</summary>
    public async Task<IReadOnlyDictionary<PackId, DateTimeOffset>> LastTestedAsync(ClinicId clinic, CancellationToken cancellationToken)
    {
        Dictionary<PackId, DateTimeOffset> tested = [];
        await foreach (Row row in rows.ReadAllAsync(RowTable.Work, clinic.Value, RowRange.Prefix(RestoreTestRows.Tested), cancellationToken))
        {
            tested[PackId.Parse(row.Key[RestoreTestRows.Tested.Length..])] = row.Time("at")!.Value;
        }

        return tested;
    }

    private async Task<IReadOnlyList<Candidate>> PopulationAsync(ClinicId clinic, long logSize, CancellationToken cancellationToken)
    {
        IReadOnlyDictionary<PackId, DateTimeOffset> tested = await LastTestedAsync(clinic, cancellationToken);
        List<Candidate> population = [];
        await foreach (CatalogPack pack in catalog.ReadPacksAsync(clinic, cancellationToken))
        {
            if (pack.AuditIndex < logSize)
            {
                population.Add(new Candidate(pack.Pack, pack.Study, tested.TryGetValue(pack.Pack, out DateTimeOffset at) ? at : null));
            }
        }

        return population;
    }
}
