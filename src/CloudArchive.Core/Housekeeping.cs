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
        await TryAsync("codes and assertions", () => sweeper.SweepAsync(cancellationToken));
        await foreach (string partition in rows.PartitionsAsync(RowTable.Work, cancellationToken))
        {
            if (!ClinicId.TryParse(partition, null, out ClinicId clinic))
            {
                continue;
            }

            await TryAsync(partition, () => restores.SweepAsync(clinic, by, cancellationToken));
            TimeSpan left = budget - clock.GetElapsedTime(start);
            if (left > TimeSpan.Zero)
            {
                await TryAsync(partition, () => tests.RunAsync(clinic, left, by, cancellationToken));
            }
        }
    }

    /// <summary>One clinic's trouble, or that of one kind of work, must not keep the others waiting.</summary>
    private async Task TryAsync(string what, Func<Task> work)
    {
        try
        {
            await work();
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            LogFailed(logger, e, what);
        }
    }

    [LoggerMessage(103, LogLevel.Error, "Housekeeping of {What} failed; the next run tries again.")]
    private static partial void LogFailed(ILogger logger, Exception exception, string what);
}

/// <summary>Deletes enrollment codes and used assertions that expired.</summary>
public sealed class Sweeper(UsedAssertions assertions, Enrollments enrollments)
{
    /// <summary>One run; bounded. What is the matter with one kind does not keep the other from it.</summary>
    public Task SweepAsync(CancellationToken cancellationToken) => Task.WhenAll(assertions.SweepAsync(cancellationToken), enrollments.SweepAsync(cancellationToken));
}
