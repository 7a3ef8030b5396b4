using System.Text.Json;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Evidence;
using CloudArchive.Format.Signing;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.RestoreTests;

/// <summary>
/// From a run's announcement to its sample. The checkpoint is kept before the sample is drawn from its root: after a crash the same
/// sample is drawn, and of two hosts that draw at once the one whose checkpoint is kept first decides for both.
/// </summary>
public sealed class RestoreTestDraw(IRowStore rows, IAuditLog log, AuditReader reader, Checkpoints checkpoints)
{
    /// <summary>Draws what is not drawn yet; repeating it changes nothing.</summary>
    internal async Task<RestoreTestRun> RunAsync(ClinicId clinic, WorkId id, CancellationToken cancellationToken)
    {
        while (true)
        {
            Row row = await rows.FindAsync(RowTable.Work, clinic.Value, RestoreTestRows.Run + id, cancellationToken) ?? throw new IntegrityException($"Restore test {id} lost its row.");
            RestoreTestRun run = RestoreTestRows.Read<RestoreTestRun>(row);
            if (run.Sample is not null)
            {
                return run;
            }

            RestoreTestRun next = run.Checkpoint is null ? await CheckpointAsync(run, cancellationToken) : await SampleAsync(run, id, cancellationToken);
            try
            {
                await rows.SubmitAsync(RowTable.Work, clinic.Value, [new RowWrite.Replace(row.Key, RestoreTestRows.Values(next), row.ETag!)], cancellationToken);
            }
            catch (RowConflictException)
            {
                // Another host was faster: its step stands.
            }
        }
    }

    private async Task<RestoreTestRun> CheckpointAsync(RestoreTestRun run, CancellationToken cancellationToken)
    {
        // Where the announcement died before the entry was in the log, this appends it; else it finds it.
        AuditPlace place = await log.AppendAsync(run.Start, cancellationToken);
        SignedCheckpoint checkpoint = await checkpoints.MakeAsync(run.Clinic.Value, cancellationToken);
        StoredEntry stored = (await reader.ReadAsync(run.Clinic.Value, place.Index, 1, cancellationToken))[0];
        AuditEntry entry = JsonSerializer.Deserialize<AuditEntry>(stored.Json, FormatJson.Options)!;
        InclusionProof proof = await reader.ProveInclusionAsync(run.Clinic.Value, place.Index, checkpoint.Statement.Size, cancellationToken);
        return run with { Checkpoint = checkpoint.Jws, Commitment = new RunCommitment(entry, proof) };
    }

    private async Task<RestoreTestRun> SampleAsync(RestoreTestRun run, WorkId id, CancellationToken cancellationToken)
    {
        // The run's own checkpoint, as this service signed and kept it a moment ago.
        Checkpoint checkpoint = JsonSerializer.Deserialize<Checkpoint>(System.Buffers.Text.Base64Url.DecodeFromChars(run.Checkpoint!.Split('.')[1]), FormatJson.Options)!;
        IReadOnlyList<PopulationPack> population = await RestoreTestRows.ReadPopulationAsync(rows, run.Clinic, id, cancellationToken);
        IReadOnlyList<SampledPack> sample = Sampling.Draw(checkpoint.Root, population, run.Budget);
        foreach ((int Index, SampledPack Pack)[] batch in sample.Index().Chunk(100))
        {
            try
            {
                await rows.SubmitAsync(
                    RowTable.Work,
                    run.Clinic.Value,
                    [.. batch.Select(item => new RowWrite.Insert(RestoreTestRows.PackKey(id, item.Index), RestoreTestRows.Values(new RestoreTestPackResponse(item.Pack.Pack, item.Pack.Reason, null))))],
                    cancellationToken);
            }
            catch (RowConflictException)
            {
                // Written before a crash, or by another host: anyone writes the same, and results may stand in it already.
            }
        }

        return run with { Sample = sample.Count };
    }
}
