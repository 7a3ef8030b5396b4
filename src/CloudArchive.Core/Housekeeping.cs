using CloudArchive.Core.Clinics;
using CloudArchive.Core.Restores;
using CloudArchive.Core.RestoreTests;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using Microsoft.Extensions.Logging;

namespace CloudArchive.Core;

/// <summary>
/// What the recovery host's timer does every few minutes: forgets codes and assertions that expired, ends restores that expired, goes on
/// with runs of restore tests. (<see cref="Packs.Reconciler"/> has a timer of its own, on the ingest host.)
/// </summary>
public sealed partial class Housekeeping(
    IRowStore rows, Sweeper sweeper, RestoreDesk restores, RestoreTestRunner tests, TimeProvider clock, ILogger<Housekeeping> logger)
{
    /// <summary>One run; goes on with restore tests for as long as <paramref name="budget"/> lasts.</summary>
    public async Task RunAsync(TimeSpan budget, CancellationToken cancellationToken)
    {
        long start = clock.GetTimestamp();
        Requester by = Requester.System("housekeeping", "housekeeping-" + Guid.CreateVersion7(clock.GetUtcNow()).ToString("N"));
        await sweeper.SweepAsync(cancellationToken);
        await foreach (string partition in rows.PartitionsAsync(RowTable.Work, cancellationToken))
        {
            if (!ClinicId.TryParse(partition, null, out ClinicId clinic))
            {
                continue;
            }

            try
            {
                await restores.SweepAsync(clinic, by, cancellationToken);
                TimeSpan left = budget - clock.GetElapsedTime(start);
                if (left > TimeSpan.Zero)
                {
                    await tests.RunAsync(clinic, left, by, cancellationToken);
                }
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                // One clinic's trouble must not keep the others waiting.
                LogFailed(logger, e, clinic);
            }
        }
    }

    [LoggerMessage(103, LogLevel.Error, "Housekeeping of clinic {Clinic} failed; the next run tries again.")]
    private static partial void LogFailed(ILogger logger, Exception exception, ClinicId clinic);
}

/// <summary>Deletes enrollment codes and used assertions that expired.</summary>
public sealed class Sweeper(UsedAssertions assertions, Enrollments enrollments)
{
    /// <summary>One run; bounded.</summary>
    public async Task SweepAsync(CancellationToken cancellationToken)
    {
        await assertions.SweepAsync(cancellationToken);
        await enrollments.SweepAsync(cancellationToken);
    }
}
