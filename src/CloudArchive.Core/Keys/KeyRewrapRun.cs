using CloudArchive.Core.Clinics;
using CloudArchive.Core.Packs;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Signing;
using CloudArchive.Format.Wire;
using Microsoft.Extensions.Logging;

namespace CloudArchive.Core.Keys;

/// <summary>What a run did.</summary>
/// <param name="Rewrapped">Packs that were wrapped to another version.</param>
/// <param name="Failed">Clinics with trouble; each is in the log with its id, and the next run tries again.</param>
/// <param name="Finished">False where time ran out: the next run goes on from there.</param>
public sealed record RewrapRunResult(int Rewrapped, int Failed, bool Finished);

/// <summary>
/// The timer's rewrap of all clinics. A row a clinic (<see cref="RowTable.Work"/>, <c>rewrap</c>) says for which key version it has been through, so that
/// a clinic whose key was not rotated costs one row and one key to look at.
/// </summary>
public sealed partial class KeyRewrapRun(IRowStore rows, ClinicDirectory clinics, IWrappingKeys keys, KeyRewrap rewrap, TimeProvider clock, ILogger<KeyRewrapRun> logger)
{
    // An agent that opened a pack right before the rotation may commit it much later, with the old version, behind where the pass has been.
    private static readonly TimeSpan s_settled = 2 * PackReconciliation.AbandonAfter;

    private const string Key = "rewrap";
    private const int PageSize = 100;

    /// <summary>One run over all clinics, for no longer than <paramref name="budget"/> (a step that was begun is finished).</summary>
    public async Task<RewrapRunResult> RunAsync(TimeSpan budget, CancellationToken cancellationToken)
    {
        long start = clock.GetTimestamp();
        Requester by = Requester.System("rewrap", "rewrap-" + Guid.CreateVersion7(clock.GetUtcNow()).ToString("N"));
        int rewrapped = 0;
        int failed = 0;
        await foreach (ClinicId clinic in clinics.ReadAllAsync(cancellationToken))
        {
            TimeSpan left = budget - clock.GetElapsedTime(start);
            if (left <= TimeSpan.Zero)
            {
                return new RewrapRunResult(rewrapped, failed, Finished: false);
            }

            try
            {
                rewrapped += await RunClinicAsync(clinic, left, by, cancellationToken);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                failed++;
                LogFailed(logger, e, clinic);
            }
        }

        return new RewrapRunResult(rewrapped, failed, Finished: true);
    }

    private async Task<int> RunClinicAsync(ClinicId clinic, TimeSpan budget, Requester by, CancellationToken cancellationToken)
    {
        long start = clock.GetTimestamp();
        string? current = (await RenewAsync(clinic, cancellationToken)).Kid;
        Row? row = await rows.FindAsync(RowTable.Work, clinic.Value, Key, cancellationToken);
        DateTimeOffset now = clock.GetUtcNow();
        Pass pass = row?.Text("keyId") == current ? Pass.Read(row!) : new Pass(current!, now, now, null, false);
        int rewrapped = 0;
        List<string> problems = [];
        while (!pass.Done && clock.GetElapsedTime(start) < budget)
        {
            RewrapResponse step = await rewrap.RunAsync(clinic, pass.After, PageSize, by, cancellationToken);
            rewrapped += step.Rewrapped;
            problems.AddRange(step.Problems);
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
                break;
            }
        }

        return problems.Count == 0 ? rewrapped : throw new IntegrityException($"{problems.Count} keys of clinic {clinic} could not be rewrapped; the log names each.");
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

    [LoggerMessage(121, LogLevel.Error, "The keys of clinic {Clinic} could not all be rewrapped; the next run tries again.")]
    private static partial void LogFailed(ILogger logger, Exception exception, ClinicId clinic);

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
