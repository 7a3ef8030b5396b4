using System.Globalization;
using CloudArchive.Core.Alerts;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Evidence;

namespace CloudArchive.Core.RestoreTests;

/// <summary>What evidence says of the service itself.</summary>
/// <param name="Product">Name and version.</param>
/// <param name="Contact">Whom an auditor asks.</param>
public sealed record EvidenceIssuer(string Product, EvidenceContact Contact);

/// <summary>Ends a run of which every pack has its result: canaries, evidence, alert, and the entry in the log, in this order. Each can be repeated.</summary>
public sealed class RestoreTestFinish(IRowStore rows, Canaries canaries, EvidenceStore evidence, RestoreTestLedger ledger, EvidenceIssuer issuer, TimeProvider clock)
{
    private const int MostRunsInHistory = 90;
    private const int MostNamedFailures = 20;
    private static readonly TimeSpan s_history = TimeSpan.FromDays(400);

    internal async Task RunAsync(RestoreTestRun run, WorkId id, IReadOnlyList<PackTestResult> results, RestoreTestLease lease, Requester by, CancellationToken cancellationToken)
    {
        Row row = await rows.FindAsync(RowTable.Work, run.Clinic.Value, RestoreTestRows.Run + id, cancellationToken) ?? throw new IntegrityException($"Restore test {id} lost its row.");
        run = RestoreTestRows.Read<RestoreTestRun>(row);
        if (run.Canaries is null)
        {
            // For an hour a canary that storage fails is tried again with the next run of the timer; then that is its result, and the run ends.
            DateTimeOffset lastTest = results.Select(result => result.StartedAt).DefaultIfEmpty(run.StartedAt).Max();
            bool patient = clock.GetUtcNow() - lastTest < SampledPackTest.TroublePatience;
            IReadOnlyList<CanaryResult> tested = await canaries.RunAsync(run.Clinic, by, cancellationToken, patient);

            // Kept before the evidence is written: a repeat after a crash writes the same.
            run = run with { Canaries = tested, FinishedAt = AuditLog.ToMilliseconds(clock.GetUtcNow()) };
            IReadOnlyList<string> etags = await rows.SubmitAsync(RowTable.Work, run.Clinic.Value, [new RowWrite.Replace(row.Key, RestoreTestRows.Values(run), row.ETag!)], cancellationToken);
            row = row with { ETag = etags[0] };
        }

        (EvidenceDocument document, Sha256Digest sha256) = await evidence.WriteAsync(await ComposeAsync(run, id, results, cancellationToken), cancellationToken);
        await ledger.AlertAsync(document, by, cancellationToken);
        run = run with { Outcome = new RestoreTestOutcome(document.Verdict, document.Faults, document.Summary, document.Statistics, sha256) };
        RowWrite[] writes =
        [
            new RowWrite.Replace(row.Key, RestoreTestRows.Values(run), row.ETag!),
            new RowWrite.Upsert(RestoreTestRows.Last, new Dictionary<string, object> { ["at"] = run.FinishedAt!.Value }),
            new RowWrite.Delete(lease.Row.Key, lease.Row.ETag!),
        ];
        await ledger.EndAsync(run.Clinic, writes, Entry(run, document, sha256, by), cancellationToken);
    }

    private static AuditEvent Entry(RestoreTestRun run, EvidenceDocument document, Sha256Digest sha256, Requester by)
    {
        PackTestResult[] failed = [.. document.Results.Where(result => result.Outcome == PackTestOutcome.Failed)];
        return new(
            run.Clinic.Value,
            AuditActions.RestoreTestFinished,
            document.Verdict == RunVerdict.Failed ? AuditOutcome.Failure : AuditOutcome.Success,
            by.Actor,
            new AuditSubject(run.Clinic.Value, Other: run.Id),
            by.Origin,
            Details: new Dictionary<string, string>
            {
                ["bytes"] = document.Summary.RecoveredBytes.ToString(CultureInfo.InvariantCulture),
                ["canaries"] = string.Create(CultureInfo.InvariantCulture, $"{document.Canaries.Count(canary => canary.AsExpected)}/{document.Canaries.Count}"),
                ["evidence"] = sha256.Hex,
                ["failed"] = failed.Length.ToString(CultureInfo.InvariantCulture),
                ["failures"] = string.Join(' ', failed.Take(MostNamedFailures).Select(result => $"{result.Pack}={result.Cause}")),
                ["instances"] = document.Summary.RecoveredFiles.ToString(CultureInfo.InvariantCulture),
                ["notTested"] = document.Summary.NotTested.ToString(CultureInfo.InvariantCulture),
                ["passed"] = document.Summary.Recovered.ToString(CultureInfo.InvariantCulture),
                ["verdict"] = System.Text.Json.JsonNamingPolicy.KebabCaseLower.ConvertName(document.Verdict.ToString()),
            },
            Once: $"test-finish:{run.Id}");
    }

    private async Task<EvidenceDocument> ComposeAsync(RestoreTestRun run, WorkId id, IReadOnlyList<PackTestResult> results, CancellationToken cancellationToken)
    {
        IReadOnlyList<PopulationPack> population = await RestoreTestRows.ReadPopulationAsync(rows, run.Clinic, id, cancellationToken);
        Checkpoint checkpoint = System.Text.Json.JsonSerializer.Deserialize<Checkpoint>(System.Buffers.Text.Base64Url.DecodeFromChars(run.Checkpoint!.Split('.')[1]), FormatJson.Options)!;
        return EvidenceWriter.Compose(new RunObservations(
            issuer.Product,
            run.Clinic,
            await ledger.NameAsync(run.Clinic, cancellationToken),
            run.Id,
            run.Trigger,
            run.StartedAt,
            run.FinishedAt!.Value,
            run.Checkpoint,
            run.Commitment!,
            run.Budget,
            population,
            Sampling.Draw(checkpoint.Root, population, run.Budget),
            results,
            run.Canaries!,
            await HistoryAsync(run, cancellationToken),
            issuer.Contact));
    }

    private async Task<IReadOnlyList<PreviousRun>> HistoryAsync(RestoreTestRun now, CancellationToken cancellationToken)
    {
        IReadOnlyList<RestoreTestRun> page = await rows.ReadNewestAsync(
            RowTable.Work, now.Clinic.Value, RestoreTestRows.Run, WorkId.KeyAt, null, now.FinishedAt ?? now.StartedAt, RowStoreExtensions.MostRows, RestoreTestRows.Read<RestoreTestRun>, cancellationToken,
            RowRange.Prefix(RestoreTestRows.Run) with { From = RestoreTestRows.Run + WorkId.KeyAt(now.StartedAt - s_history) });
        return
        [
            .. page
                .Where(run => run.Outcome is not null && run.FinishedAt <= now.FinishedAt)
                .Select(run => new PreviousRun(
                    run.Id,
                    run.FinishedAt!.Value,
                    run.Outcome!.Verdict,
                    run.Outcome.Summary.Tested,
                    run.Outcome.Summary.Recovered,
                    run.Outcome.Summary.PopulationPacks,
                    run.Outcome.Summary.CoveredPacks,
                    run.Outcome.Summary.FullRestoreSeconds))
                .OrderBy(run => run.FinishedAt)
                .TakeLast(MostRunsInHistory),
        ];
    }
}

/// <summary>Where the end of a run is told: the alert, the log.</summary>
public sealed class RestoreTestLedger(ClinicDirectory clinics, Outbox outbox, AlertDesk alerts)
{
    /// <summary>What people call the clinic.</summary>
    internal async Task<string> NameAsync(ClinicId clinic, CancellationToken cancellationToken) => (await clinics.GetAsync(clinic, cancellationToken)).Name;

    /// <summary>Calls for attention where the run failed. Before its end is recorded: a crash between would else keep it from everybody.</summary>
    internal async Task AlertAsync(EvidenceDocument document, Requester by, CancellationToken cancellationToken)
    {
        if (document.Faults.Contains(RunFault.PackFailed))
        {
            string message = $"{document.Summary.Failed} of {document.Summary.Tested} packs of clinic {document.Clinic} did not come back in restore test {document.Run}. See its evidence, and docs/operations.md, \"A restore test failed\".";
            await alerts.RaiseAsync(new Alert(document.Clinic, AlertCause.RestoreTestFailed, document.Run, message), by, cancellationToken);
        }

        if (document.Faults.Any(fault => fault is RunFault.CanaryNotAsExpected or RunFault.NoCanary))
        {
            string message = $"In restore test {document.Run} of clinic {document.Clinic} a pack that is damaged on purpose did not fail as it must: no result since the last good run is to be relied on. See docs/operations.md, \"A restore test failed\".";
            await alerts.RaiseAsync(new Alert(document.Clinic, AlertCause.CanaryFailed, document.Run, message), by, cancellationToken);
        }
    }

    /// <summary>Ends the run and writes its entry, together or not at all.</summary>
    internal async Task EndAsync(ClinicId clinic, IReadOnlyList<RowWrite> writes, AuditEvent entry, CancellationToken cancellationToken)
    {
        await outbox.SubmitAsync(RowTable.Work, clinic.Value, writes, entry, cancellationToken);
        ArchiveMetrics.RestoreTests.Add(1, new KeyValuePair<string, object?>("verdict", entry.Details!["verdict"]));
    }
}
