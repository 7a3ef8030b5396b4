using System.Globalization;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Wire;
using Microsoft.Extensions.Logging;

namespace CloudArchive.Core.RestoreTests;

/// <summary>
/// Works off runs, pack by pack; each result is kept before the next pack begins, so a run goes on where a crash or a host's time limit
/// stopped it.
/// </summary>
public sealed partial class RestoreTestRunner(IRowStore rows, PackTest test, Outbox outbox, TimeProvider clock, ILogger<RestoreTestRunner> logger)
{
    private const int MostNamedFailures = 20;

    /// <summary>Goes on with a clinic's open runs, oldest first, for as long as <paramref name="budget"/> allows another pack. True when none is left.</summary>
    public async Task<bool> RunAsync(ClinicId clinic, TimeSpan budget, Requester by, CancellationToken cancellationToken)
    {
        long start = clock.GetTimestamp();
        foreach (Row open in await rows.QueryAsync(RowTable.Work, clinic.Value, RowRange.Prefix(RestoreTestRows.Open), 100, cancellationToken))
        {
            WorkId run = WorkId.Parse(open.Key[RestoreTestRows.Open.Length..]);
            foreach (Row pack in await PacksAsync(clinic, run, cancellationToken))
            {
                if (RestoreTestRows.Read<RestoreTestPackResponse>(pack).Passed is not null)
                {
                    continue;
                }

                if (clock.GetElapsedTime(start) >= budget)
                {
                    return false;
                }

                await TestAsync(clinic, run, pack, cancellationToken);
            }

            await FinishAsync(clinic, run, open, by, cancellationToken);
        }

        return true;
    }

    private Task<IReadOnlyList<Row>> PacksAsync(ClinicId clinic, WorkId run, CancellationToken cancellationToken) =>
        rows.QueryAsync(RowTable.Work, clinic.Value, RestoreTestRows.Packs(run), RestoreTestDesk.MostPacks, cancellationToken);

    private async Task TestAsync(ClinicId clinic, WorkId run, Row row, CancellationToken cancellationToken)
    {
        RestoreTestPackResponse pack = RestoreTestRows.Read<RestoreTestPackResponse>(row);
        PackTestResult result = await test.RunAsync(clinic, pack.Pack, cancellationToken);
        DateTimeOffset now = clock.GetUtcNow();
        RestoreTestPackResponse tested = pack with
        {
            Passed = result.Cause is null,
            Cause = result.Cause,
            Instances = result.Instances,
            Bytes = result.Bytes,
            Steps = result.Steps,
            TestedAt = now,
        };
        if (result.Cause is { } cause)
        {
            LogFailed(logger, clinic, pack.Pack, run, cause);
        }

        RowWrite[] writes =
        [
            new RowWrite.Replace(row.Key, RestoreTestRows.Values(tested), row.ETag!),
            new RowWrite.Upsert(RestoreTestRows.Tested + pack.Pack, new Dictionary<string, object> { ["at"] = now, ["passed"] = result.Cause is null }),
        ];
        try
        {
            await rows.SubmitAsync(RowTable.Work, clinic.Value, writes, cancellationToken);
        }
        catch (RowConflictException)
        {
            // Another host went on with the same run; its result stands.
        }
    }

    private async Task FinishAsync(ClinicId clinic, WorkId id, Row open, Requester by, CancellationToken cancellationToken)
    {
        RestoreTestPackResponse[] packs = [.. (await PacksAsync(clinic, id, cancellationToken)).Select(RestoreTestRows.Read<RestoreTestPackResponse>)];
        Row row = await rows.FindAsync(RowTable.Work, clinic.Value, RestoreTestRows.Run + id, cancellationToken) ?? throw new IntegrityException($"Restore test {id} lost its row.");
        RestoreTestResponse run = RestoreTestRows.Read<RestoreTestResponse>(row);
        RestoreTestPackResponse[] failed = [.. packs.Where(pack => pack.Passed == false)];
        RestoreTestResponse finished = run with
        {
            Status = failed.Length == 0 ? RestoreTestStatus.Passed : RestoreTestStatus.Failed,
            FinishedAt = clock.GetUtcNow(),
            Passed = packs.Length - failed.Length,
            Failed = failed.Length,
            Instances = packs.Sum(pack => pack.Instances),
            Bytes = packs.Sum(pack => pack.Bytes),
        };
        AuditEvent entry = new(
            clinic.Value,
            AuditActions.RestoreTestFinished,
            failed.Length == 0 ? AuditOutcome.Success : AuditOutcome.Failure,
            by.Actor,
            new AuditSubject(clinic.Value, Other: run.Id),
            by.Origin,
            Details: new Dictionary<string, string>
            {
                ["bytes"] = finished.Bytes.ToString(CultureInfo.InvariantCulture),
                ["failed"] = failed.Length.ToString(CultureInfo.InvariantCulture),
                ["failures"] = string.Join(' ', failed.Take(MostNamedFailures).Select(pack => $"{pack.Pack}={pack.Cause}")),
                ["instances"] = finished.Instances.ToString(CultureInfo.InvariantCulture),
                ["passed"] = finished.Passed.ToString(CultureInfo.InvariantCulture),
            },
            Once: $"test-finish:{id}");
        try
        {
            RowWrite[] writes = [new RowWrite.Replace(row.Key, RestoreTestRows.Values(finished), row.ETag!), new RowWrite.Delete(open.Key, open.ETag!)];
            await outbox.SubmitAsync(RowTable.Work, clinic.Value, writes, entry, cancellationToken);
        }
        catch (RowConflictException)
        {
            // Another host finished it.
        }
    }

    [LoggerMessage(301, LogLevel.Error, "Pack {Pack} of clinic {Clinic} failed restore test {Run}: {Cause}.", EventName = "RestoreTestFailed")]
    private static partial void LogFailed(ILogger logger, ClinicId clinic, PackId pack, WorkId run, RestoreTestCause cause);
}
