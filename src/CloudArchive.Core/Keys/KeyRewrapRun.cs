using CloudArchive.Core.Packs;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Work;
using CloudArchive.Format;
using CloudArchive.Format.Signing;
using CloudArchive.Format.Wire;
using Microsoft.Extensions.Logging;

namespace CloudArchive.Core.Keys;

/// <summary>
/// Rewraps a clinic's keys. A row a clinic (<see cref="RowTable.Work"/>, <c>rewrap</c>) says for which key version it has been through, so that
/// a clinic whose key was not rotated costs one row and one key to look at.
/// </summary>
public sealed partial class KeyRewrapRun(IRowStore rows, IWrappingKeys keys, KeyRewrap rewrap, TimeProvider clock, ILogger<KeyRewrapRun> logger) : IWork
{
    // An agent that opened a pack right before the rotation may commit it much later, with the old version, behind where the pass has been.
    private static readonly TimeSpan s_settled = 2 * PackReconciliation.AbandonAfter;

    private const string Key = "rewrap";
    private const int PageSize = 100;

    /// <inheritdoc/>
    public async Task<SliceEnd> RunAsync(Slice slice, CancellationToken cancellationToken)
    {
        (_, int failed, bool finished) = await RunAsync(slice.Clinic!.Value, Job.Budget, slice.By, cancellationToken);
        return finished ? SliceEnd.Finished(failed) : SliceEnd.More(null, failed: failed);
    }

    /// <summary>Goes on with a clinic's pass for no longer than <paramref name="budget"/> (a step that was begun is finished): how many packs were wrapped to another version, how many could not be, and whether nothing is left for today.</summary>
    public async Task<(int Rewrapped, int Failed, bool Finished)> RunAsync(ClinicId clinic, TimeSpan budget, Requester by, CancellationToken cancellationToken)
    {
        long start = clock.GetTimestamp();
        string? current = (await RenewAsync(clinic, cancellationToken)).Kid;
        Row? row = await rows.FindAsync(RowTable.Work, clinic.Value, Key, cancellationToken);
        DateTimeOffset now = clock.GetUtcNow();
        Pass pass = row?.Text("keyId") == current ? Pass.Read(row!) : new Pass(current!, now, now, null, false);
        int rewrapped = 0;
        int failed = 0;
        bool finished = pass.Done;
        while (!pass.Done && clock.GetElapsedTime(start) < budget)
        {
            RewrapResponse step = await rewrap.RunAsync(clinic, pass.After, PageSize, by, cancellationToken);
            rewrapped += step.Rewrapped;
            failed += step.Problems.Count;
            foreach (string problem in step.Problems)
            {
                LogProblem(logger, clinic, problem);
            }

            bool ended = step.Next is null;
            bool troubled = pass.Troubled || step.Problems.Count > 0;
            bool done = ended && !troubled && pass.Began - pass.Since >= s_settled;
            pass = ended
                ? pass with { After = null, Began = clock.GetUtcNow(), Troubled = false, Done = done }
                : pass with { After = PackId.Parse(step.Next!), Troubled = troubled };
            await rows.SubmitAsync(RowTable.Work, clinic.Value, [new RowWrite.Upsert(Key, pass.Values())], cancellationToken);
            if (ended)
            {
                finished = true;
                break;
            }
        }

        return (rewrapped, failed, finished);
    }

    /// <summary>A key that cannot be renewed still wraps: what was rotated before is rewrapped all the same.</summary>
    private async Task<Jwk> RenewAsync(ClinicId clinic, CancellationToken cancellationToken)
    {
        try
        {
            return await keys.RenewAsync(clinic, cancellationToken);
        }
        catch (KeyUnavailableException e)
        {
            LogNotRenewed(logger, e, clinic);
            return await keys.GetCurrentAsync(clinic, cancellationToken);
        }
    }

    [LoggerMessage(122, LogLevel.Error, "A key of clinic {Clinic} was not rewrapped. {Problem}")]
    private static partial void LogProblem(ILogger logger, ClinicId clinic, string problem);

    [LoggerMessage(123, LogLevel.Error, "The key of clinic {Clinic} could not be renewed; it goes on as it is, and the next run tries again.")]
    private static partial void LogNotRenewed(ILogger logger, Exception exception, ClinicId clinic);

    /// <summary>A pass over a clinic's packs.</summary>
    /// <param name="KeyId">For which version.</param>
    /// <param name="Since">When that version was first seen here.</param>
    /// <param name="Began">When this pass began, or will have.</param>
    /// <param name="After">How far it is.</param>
    /// <param name="Troubled">Whether something could not be rewrapped.</param>
    /// <param name="Done">Whether nothing is left, nor can be.</param>
    private sealed record Pass(string KeyId, DateTimeOffset Since, DateTimeOffset Began, PackId? After, bool Troubled, bool Done = false)
    {
        public static Pass Read(Row row) => new(
            row.Text("keyId")!,
            row.Time("since")!.Value,
            row.Time("began")!.Value,
            row.Text("after") is { } after ? PackId.Parse(after) : null,
            row.Flag("troubled"),
            row.Flag("done"));

        public Dictionary<string, object> Values()
        {
            Dictionary<string, object> values = new() { ["keyId"] = KeyId, ["since"] = Since, ["began"] = Began, ["troubled"] = Troubled, ["done"] = Done };
            if (After is { } after)
            {
                values["after"] = after.ToString();
            }

            return values;
        }
    }
}
