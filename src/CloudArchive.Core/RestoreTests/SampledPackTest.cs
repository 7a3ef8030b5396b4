using System.Text.Json;
using CloudArchive.Core.Losses;
using CloudArchive.Core.Packs;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Evidence;
using CloudArchive.Format.Wire;
using Microsoft.Extensions.Logging;

namespace CloudArchive.Core.RestoreTests;

/// <summary>Tests one pack of a run's sample and keeps what came of it; waits for one that has to come back from the archive tier first.</summary>
public sealed partial class SampledPackTest(
    IRowStore rows, PackTest test, LoggedPacks log, Rehydration rehydration, PackLosses losses, TimeProvider clock, ILogger<SampledPackTest> logger)
{
    /// <summary>For so long a pack that could not be tested, because storage or another store failed, is tried again before that is its result.</summary>
    public static readonly TimeSpan TroublePatience = TimeSpan.FromHours(1);

    private const string Troubled = "troubledSince";

    /// <summary>Standard priority takes up to 15 hours; what takes two days does not come.</summary>
    public static readonly TimeSpan RehydrationPatience = TimeSpan.FromHours(48);

    private const string Since = "rehydratingSince";

    /// <summary>The bytes that a run's packs have on their way back from the archive tier, or had.</summary>
    internal static long ArchivedBytes(Row row) => row.Number("archivedBytes") ?? 0;

    /// <summary>Tests a pack that has no result yet. Null where its result has to wait.</summary>
    /// <param name="run">The run.</param>
    /// <param name="row">The pack's row.</param>
    /// <param name="archivedBytesLeft">What the run may still bring back from the archive tier.</param>
    /// <param name="by">The run's requester.</param>
    /// <param name="cancellationToken">Stops it; nothing is kept then.</param>
    internal async Task<(Row Row, PackTestResult? Result)> RunAsync(RestoreTestRun run, Row row, long archivedBytesLeft, Requester by, CancellationToken cancellationToken)
    {
        RestoreTestPackResponse pack = RestoreTestRows.Read<RestoreTestPackResponse>(row);
        try
        {
            return await RunAsync(run, row, pack, archivedBytesLeft, by, cancellationToken);
        }
        catch (Exception e) when (e is not (OperationCanceledException or RowConflictException))
        {
            return await WaitAsync(run, row, pack, e, cancellationToken);
        }
    }

    /// <summary>Storage, or another store, failed and not the pack: the others go on, and this one is tried again until it has been tried for long enough.</summary>
    private async Task<(Row Row, PackTestResult? Result)> WaitAsync(RestoreTestRun run, Row row, RestoreTestPackResponse pack, Exception error, CancellationToken cancellationToken)
    {
        LogTroubled(logger, error, pack.Pack, run.Clinic, run.Id);
        if (row.Time(Troubled) is { } since)
        {
            return clock.GetUtcNow() - since < TroublePatience
                ? (row, null)
                : await KeepAsync(run, row, pack, NotTested(pack.Pack, PackTestOutcome.Failed) with { Cause = PackFailure.TimedOut, Detail = "storage" }, cancellationToken);
        }

        Dictionary<string, object> values = new(row.Values) { [Troubled] = clock.GetUtcNow() };
        IReadOnlyList<string> etags = await rows.SubmitAsync(RowTable.Work, run.Clinic.Value, [new RowWrite.Replace(row.Key, values, row.ETag!)], cancellationToken);
        return (row with { Values = values, ETag = etags[0] }, null);
    }

    private async Task<(Row Row, PackTestResult? Result)> RunAsync(
        RestoreTestRun run, Row row, RestoreTestPackResponse pack, long archivedBytesLeft, Requester by, CancellationToken cancellationToken)
    {
        if (await rehydration.FindArchivedAsync(run.Clinic, pack.Pack, cancellationToken) is not { } archived)
        {
            PackTestResult result = await test.RunAsync(run.Clinic, pack.Pack, cancellationToken);
            if (result.Cause is PackFailure.Missing or PackFailure.CatalogueMismatch && await log.IsDestroyedAsync(run.Clinic, pack.Pack, run.StartedAt, cancellationToken))
            {
                result = NotTested(pack.Pack, PackTestOutcome.NotTestedDestroyed);
            }

            await NoteLossAsync(run.Clinic, result, by, cancellationToken);
            return await KeepAsync(run, row, pack, result, cancellationToken);
        }

        if (row.Time(Since) is { } since)
        {
            return clock.GetUtcNow() - since < RehydrationPatience
                ? (row, null)
                : await KeepAsync(run, row, pack, NotTested(pack.Pack, PackTestOutcome.Failed) with { Cause = PackFailure.TimedOut, Detail = "rehydration" }, cancellationToken);
        }

        if (archived.Length > archivedBytesLeft)
        {
            return await KeepAsync(run, row, pack, NotTested(pack.Pack, PackTestOutcome.NotTestedArchived), cancellationToken);
        }

        await rehydration.RequestAsync(run.Clinic, pack.Pack, archived.VersionId, by, cancellationToken);
        Dictionary<string, object> values = new(row.Values) { [Since] = clock.GetUtcNow(), ["archivedBytes"] = archived.Length };
        IReadOnlyList<string> etags = await rows.SubmitAsync(RowTable.Work, run.Clinic.Value, [new RowWrite.Replace(row.Key, values, row.ETag!)], cancellationToken);
        return (row with { Values = values, ETag = etags[0] }, null);
    }

    /// <summary>What the test says of whether the pack counts. Before the result is kept: a crash between would else keep it from the agents.</summary>
    private async Task NoteLossAsync(ClinicId clinic, PackTestResult result, Requester by, CancellationToken cancellationToken)
    {
        if (result.Loss() is { } cause)
        {
            await losses.RecordAsync(clinic, result.Pack, cause, JsonNamingPolicy.KebabCaseLower.ConvertName(result.Cause!.Value.ToString()), by, cancellationToken);
        }
        else if (result.Outcome == PackTestOutcome.Recovered)
        {
            await losses.ReinstateAsync(clinic, result.Pack, by, cancellationToken);
        }
    }

    private PackTestResult NotTested(PackId pack, PackTestOutcome outcome) => new(pack, outcome, Audit.AuditLog.ToMilliseconds(clock.GetUtcNow()), 0, 0, 0, []);

    private async Task<(Row Row, PackTestResult? Result)> KeepAsync(RestoreTestRun run, Row row, RestoreTestPackResponse pack, PackTestResult result, CancellationToken cancellationToken)
    {
        Dictionary<string, object> values = RestoreTestRows.Values(pack with { Result = result });
        values["archivedBytes"] = ArchivedBytes(row);
        List<RowWrite> writes = [new RowWrite.Replace(row.Key, values, row.ETag!)];
        if (result.IsTested)
        {
            writes.Add(new RowWrite.Upsert(RestoreTestRows.Tested + pack.Pack, new Dictionary<string, object> { ["at"] = result.StartedAt, ["passed"] = result.Outcome == PackTestOutcome.Recovered }));
        }

        IReadOnlyList<string> etags = await rows.SubmitAsync(RowTable.Work, run.Clinic.Value, writes, cancellationToken);
        return (row with { Values = values, ETag = etags[0] }, result);
    }

    [LoggerMessage(308, LogLevel.Warning, "Pack {Pack} of clinic {Clinic} could not be tested in {Run}: storage, or another store, fails. It is tried again for an hour; the others go on.")]
    private static partial void LogTroubled(ILogger logger, Exception exception, PackId pack, ClinicId clinic, string run);
}
