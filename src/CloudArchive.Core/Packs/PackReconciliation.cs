using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using Microsoft.Extensions.Logging;

namespace CloudArchive.Core.Packs;

/// <summary>What the reconciler did with a pack.</summary>
public enum PackOutcome
{
    /// <summary>Nothing: its request may still be running, or there is time left.</summary>
    NotDue,

    /// <summary>It has its receipt.</summary>
    Completed,

    /// <summary>It was rejected, abandoned or forgotten.</summary>
    Cleared,

    /// <summary>It could not be finished now; the log says why.</summary>
    Failed,
}

/// <summary>Finishes or clears one pack in flight.</summary>
public sealed partial class PackReconciliation(PackRows packs, PackCompletion completion, PackRemoval removal, TimeProvider clock, ILogger<PackReconciliation> logger)
{
    /// <summary>A pack that is not committed so long after its last upload URL is abandoned.</summary>
    public static readonly TimeSpan AbandonAfter = TimeSpan.FromHours(24);

    /// <summary>How long a rejected pack's row stays to answer a repeated commit.</summary>
    public static readonly TimeSpan ForgetAfter = TimeSpan.FromDays(7);

    /// <summary>What is younger may still have its request running.</summary>
    public static readonly TimeSpan Grace = TimeSpan.FromMinutes(5);

    /// <summary>A clinic's packs in flight, oldest first; <paramref name="damaged"/> takes the rows that cannot be read.</summary>
    public Task<IReadOnlyList<InFlightPack>> ListAsync(ClinicId clinic, PackId? after, int take, Action<Row> damaged, CancellationToken cancellationToken) =>
        packs.ListAsync(clinic, after, take, cancellationToken, damaged);

    /// <summary>Does what is due for a pack. One that cannot be finished does not throw: it must not keep the others from it.</summary>
    public async Task<PackOutcome> RunAsync(InFlightPack pack, string correlationId, CancellationToken cancellationToken)
    {
        TimeSpan age = clock.GetUtcNow() - pack.ChangedAt;
        bool isDue = age >= (pack.State switch
        {
            PackState.Open => AbandonAfter,
            PackState.Cleared => ForgetAfter,
            _ => Grace,
        });
        if (!isDue)
        {
            return PackOutcome.NotDue;
        }

        try
        {
            return await RunDueAsync(pack, age, correlationId, cancellationToken);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            LogPackFailed(logger, e, pack.Clinic, pack.Pack, pack.State);
            return PackOutcome.Failed;
        }
    }

    private async Task<PackOutcome> RunDueAsync(InFlightPack pack, TimeSpan age, string correlationId, CancellationToken cancellationToken)
    {
        Requester reconciler = Requester.System("reconciler", correlationId);

        // An agent asked for the commit; the archive only gets to its end.
        Requester agent = new(new AuditActor(pack.Agent.ToString(), "agent"), new AuditOrigin(null, correlationId));
        switch (pack.State)
        {
            case PackState.Open:
                return await removal.AbandonAsync(pack, reconciler, cancellationToken) ? PackOutcome.Cleared : PackOutcome.NotDue;

            case PackState.Committing or PackState.Verified:
                try
                {
                    await completion.RunAsync(pack, await packs.ReadSidecarAsync(pack, cancellationToken), agent, null, cancellationToken);
                    return PackOutcome.Completed;
                }
                catch (RefusedException e) when (e.Refusal is Refusal.PackMismatch or Refusal.PackNotOpen)
                {
                    return PackOutcome.Cleared;
                }
                catch (RefusedException e) when (e.Refusal == Refusal.PackNotUploaded && age >= AbandonAfter)
                {
                    return await removal.AbandonAsync(pack, reconciler, cancellationToken) ? PackOutcome.Cleared : PackOutcome.NotDue;
                }

            case PackState.Cleared:
                await removal.ForgetAsync(pack, cancellationToken);
                return PackOutcome.Cleared;

            default:
                await removal.FinishAsync(pack, pack.State == PackState.Rejected ? agent : reconciler, cancellationToken);
                return PackOutcome.Cleared;
        }
    }

    [LoggerMessage(102, LogLevel.Error, "Pack {Pack} of clinic {Clinic}, {State}, could not be reconciled; the next run tries again.")]
    private static partial void LogPackFailed(ILogger logger, Exception exception, ClinicId clinic, PackId pack, PackState state);
}
