using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Evidence;
using CloudArchive.Format.Wire;
using Microsoft.Extensions.Logging;

namespace CloudArchive.Core.RestoreTests;

/// <summary>
/// Works off runs, pack by pack, one host at a time; each result is kept before the next pack begins, so a run goes on where a crash or a
/// host's time limit stopped it.
/// </summary>
public sealed partial class RestoreTestRunner(IRowStore rows, RestoreTestDraw draw, SampledPackTest packs, RestoreTestFinish finish, TimeProvider clock, ILogger<RestoreTestRunner> logger)
{
    /// <summary>
    /// Goes on with a clinic's open runs, oldest first, for as long as <paramref name="budget"/> allows another pack. True when none is left;
    /// false where one waits for the archive tier, for another host or for the next time.
    /// </summary>
    public async Task<bool> RunAsync(ClinicId clinic, TimeSpan budget, Requester by, CancellationToken cancellationToken)
    {
        long start = clock.GetTimestamp();
        bool done = true;
        foreach (Row open in await rows.QueryAsync(RowTable.Work, clinic.Value, RowRange.Prefix(RestoreTestRows.Open), 100, cancellationToken))
        {
            RestoreTestLease lease = new(rows, clinic, clock);
            if (!await lease.TryTakeAsync(open, cancellationToken))
            {
                done = false;
                continue;
            }

            bool ended = false;
            try
            {
                ended = await RunAsync(clinic, WorkId.Parse(open.Key[RestoreTestRows.Open.Length..]), lease, () => clock.GetElapsedTime(start) < budget, by, cancellationToken);
            }
            catch (RowConflictException e)
            {
                // The lease had run out, and another host went on with the run: its results stand.
                LogOvertaken(logger, e, clinic, open.Key);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                // One run's trouble must not keep the clinic's others from going on; the next time it is tried again, and the watch alerts.
                LogStopped(logger, e, clinic, open.Key);
            }
            finally
            {
                if (!ended)
                {
                    await lease.ReleaseAsync();
                }
            }

            done &= ended;
        }

        await RestoreTestRows.SweepPopulationsAsync(rows, clinic, cancellationToken);
        return done;
    }

    private async Task<bool> RunAsync(ClinicId clinic, WorkId id, RestoreTestLease lease, Func<bool> mayGoOn, Requester by, CancellationToken cancellationToken)
    {
        RestoreTestRun run = await draw.RunAsync(clinic, id, cancellationToken);
        List<Row> sample = [];
        await foreach (Row row in rows.ReadAllAsync(RowTable.Work, clinic.Value, RestoreTestRows.Packs(id), cancellationToken))
        {
            sample.Add(row);
        }

        long archivedLeft = run.Budget.ArchivedBytes - sample.Sum(SampledPackTest.ArchivedBytes);
        List<PackTestResult> results = [];
        for (int i = 0; i < sample.Count; i++)
        {
            if (RestoreTestRows.Read<RestoreTestPackResponse>(sample[i]).Result is { } before)
            {
                results.Add(before);
                continue;
            }

            if (!mayGoOn() || !await lease.TryRenewAsync(cancellationToken))
            {
                return false;
            }

            long spent = SampledPackTest.ArchivedBytes(sample[i]);
            (sample[i], PackTestResult? result) = await packs.RunAsync(run, sample[i], archivedLeft, by, cancellationToken);
            archivedLeft -= SampledPackTest.ArchivedBytes(sample[i]) - spent;
            if (result is null)
            {
                continue;
            }

            results.Add(result);
            if (result.Cause is { } cause)
            {
                LogFailed(logger, clinic, result.Pack, id, cause);
            }
        }

        if (results.Count < sample.Count || !await lease.TryRenewAsync(cancellationToken))
        {
            return false;
        }

        await finish.RunAsync(run, id, results, lease, by, cancellationToken);
        return true;
    }

    [LoggerMessage(301, LogLevel.Error, "Pack {Pack} of clinic {Clinic} failed restore test {Run}: {Cause}.", EventName = "RestoreTestFailed")]
    private static partial void LogFailed(ILogger logger, ClinicId clinic, PackId pack, WorkId run, PackFailure cause);

    [LoggerMessage(309, LogLevel.Error, "{Run} of clinic {Clinic} could not go on; it is tried again.", EventName = "RestoreTestStopped")]
    private static partial void LogStopped(ILogger logger, Exception exception, ClinicId clinic, string run);

    [LoggerMessage(303, LogLevel.Warning, "Another host went on with {Run} of clinic {Clinic}.")]
    private static partial void LogOvertaken(ILogger logger, Exception exception, ClinicId clinic, string run);
}
