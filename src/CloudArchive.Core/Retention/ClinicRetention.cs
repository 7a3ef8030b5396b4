using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Wire;
using Microsoft.Extensions.Logging;

namespace CloudArchive.Core.Retention;

/// <summary>What a run did for one clinic.</summary>
/// <param name="Extended">Studies that are locked longer now.</param>
/// <param name="Requested">Destructions that were asked for.</param>
/// <param name="Destroyed">Studies that are gone.</param>
/// <param name="Failed">Studies that the next run has to look at again; each is in the log.</param>
/// <param name="Finished">False where the run stopped at its bound: the next one goes on.</param>
public sealed record RetentionResult(int Extended, int Requested, int Destroyed, int Failed, bool Finished);

/// <summary>Plans a clinic's retention and does what the plan says. What was done is not planned again, so a run that stopped anywhere is resumed by the next.</summary>
public sealed partial class ClinicRetention(
    RetentionPlanner planner, HoldEnforcement enforcement, PackProtection protection, DestructionDesk desk, StudyDestruction destruction, ILogger<ClinicRetention> logger)
{
    /// <summary>One run.</summary>
    /// <param name="clinic">Whose.</param>
    /// <param name="policy">The version that stands.</param>
    /// <param name="plan">False: only what was approved is done.</param>
    /// <param name="most">At most so many studies are extended, requested or destroyed.</param>
    /// <param name="by">The timer.</param>
    /// <param name="cancellationToken">Stops it.</param>
    public async Task<RetentionResult> RunAsync(ClinicId clinic, int policy, bool plan, int most, Requester by, CancellationToken cancellationToken)
    {
        Tally tally = new(most);
        if (plan)
        {
            await PlanAsync(clinic, policy, tally, by, cancellationToken);
        }

        (IReadOnlyList<DestructionOrder> open, IReadOnlyList<string> unreadable) = await desk.ReadOpenAsync(clinic, int.MaxValue, cancellationToken);
        foreach (string row in unreadable)
        {
            tally.Failed++;
            LogOrderUnreadable(logger, clinic, row);
        }

        foreach (DestructionOrder order in open.Where(order => order.Status is DestructionStatus.Approved or DestructionStatus.Destroying))
        {
            if (!tally.Take())
            {
                break;
            }

            tally.Destroyed += await TryAsync(clinic, order.Study, tally, async () => await destruction.RunAsync(order, by, cancellationToken) == DestructionOutcome.Destroyed) ? 1 : 0;
        }

        return tally.Result;
    }

    private async Task PlanAsync(ClinicId clinic, int policy, Tally tally, Requester by, CancellationToken cancellationToken)
    {
        IReadOnlyList<Hold> unsettled = await enforcement.UnsettledAsync(clinic, cancellationToken);
        IReadOnlyList<DestructionOrder> open = await desk.OpenAsync(clinic, cancellationToken);
        HashSet<Uid> going = [.. open.Where(order => order.Status == DestructionStatus.Destroying).Select(order => order.Study)];
        HashSet<Uid> requested = [.. open.Select(order => order.Study)];
        IReadOnlyList<RetentionLine> all = await planner.PlanAsync(clinic, cancellationToken);

        // Of studies that are being destroyed too: what storage did not let go of when its hold was cleared could else never be removed.
        await enforcement.RunAsync(clinic, unsettled, [.. all.Select(line => line.Facts)], (study, error) => Fail(clinic, study, tally, error), cancellationToken);
        RetentionLine[] lines = [.. all.Where(line => !going.Contains(line.Study))];
        foreach (RetentionLine line in lines.Where(line => line.Reason == RetentionReason.Unreadable))
        {
            tally.Failed++;
            LogStudyUnreadable(logger, clinic, line.Facts.Named);
        }

        Dictionary<Uid, DestructionOrder> waiting = open.Where(order => order.Status == DestructionStatus.PendingApproval).ToDictionary(order => order.Study);
        foreach (RetentionLine line in lines)
        {
            // Nobody is to approve what is not to go any more, or not as it was asked for. It is asked for anew when its time comes.
            if (waiting.TryGetValue(line.Study, out DestructionOrder? order) && StudyDestruction.WhyNot(order, line) is { } why)
            {
                if (!tally.Take())
                {
                    return;
                }

                if (await TryAsync(clinic, order.Study, tally, () => desk.WithdrawAsync(order, why, by, cancellationToken)))
                {
                    requested.Remove(order.Study);
                }
            }
        }

        foreach (RetentionLine line in lines
            .Where(line => line.Action == RetentionAction.Extend || (line.Action == RetentionAction.Destroy && !requested.Contains(line.Study)))
            .OrderBy(line => line.Action))
        {
            if (!tally.Take())
            {
                return;
            }

            if (line.Action == RetentionAction.Extend)
            {
                tally.Extended += await TryAsync(clinic, line.Study, tally, async () =>
                {
                    await protection.ExtendAsync(clinic, line, policy, by, cancellationToken);
                    return true;
                }) ? 1 : 0;
            }
            else
            {
                tally.Requested += await TryAsync(clinic, line.Study, tally, async () =>
                    await desk.RequestAsync(clinic, line, even: false, by, cancellationToken) is { } order && order.RequestedBy == by.Actor.Id) ? 1 : 0;
            }
        }
    }

    /// <summary>One study's trouble must not keep the others waiting.</summary>
    private async Task<bool> TryAsync(ClinicId clinic, Uid study, Tally tally, Func<Task<bool>> work)
    {
        try
        {
            return await work();
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            Fail(clinic, study, tally, e);
            return false;
        }
    }

    private void Fail(ClinicId clinic, Uid? study, Tally tally, Exception error)
    {
        tally.Failed++;
        if (study is { } one)
        {
            LogFailed(logger, error, clinic, Sets.Describe(one));
        }
        else if (error is IntegrityException)
        {
            LogHoldUnreadable(logger, error, clinic);
        }
        else
        {
            LogHoldNotNoted(logger, error, clinic);
        }
    }

    [LoggerMessage(121, LogLevel.Error, "Retention of {Set} of clinic {Clinic} failed; the next run tries again.", EventName = "RetentionFailed")]
    private static partial void LogFailed(ILogger logger, Exception exception, ClinicId clinic, string set);

    [LoggerMessage(125, LogLevel.Error, "A row of {Set} of clinic {Clinic} in the catalogue says what cannot be: it is kept and nothing is done with it. Run `cloudarchive catalog rebuild`.", EventName = "RetentionStudyUnreadable")]
    private static partial void LogStudyUnreadable(ILogger logger, ClinicId clinic, string set);

    [LoggerMessage(126, LogLevel.Error, "Row {Row} of clinic {Clinic}, of a destruction, cannot be read: what it is of is kept. See docs/operations.md, integrity.", EventName = "RetentionOrderUnreadable")]
    private static partial void LogOrderUnreadable(ILogger logger, ClinicId clinic, string row);

    [LoggerMessage(127, LogLevel.Error, "A hold of clinic {Clinic} cannot be read: nothing is destroyed until it is mended. See docs/operations.md, integrity.", EventName = "RetentionHoldUnreadable")]
    private static partial void LogHoldUnreadable(ILogger logger, Exception exception, ClinicId clinic);

    [LoggerMessage(130, LogLevel.Error, "How far storage follows a hold of clinic {Clinic} could not be noted; the next run tries again.", EventName = "RetentionHoldNotNoted")]
    private static partial void LogHoldNotNoted(ILogger logger, Exception exception, ClinicId clinic);

    private sealed class Tally(int most)
    {
        private int _left = most;
        private bool _finished = true;

        public int Extended { get; set; }

        public int Requested { get; set; }

        public int Destroyed { get; set; }

        public int Failed { get; set; }

        public RetentionResult Result => new(Extended, Requested, Destroyed, Failed, _finished);

        public bool Take()
        {
            _finished = _left > 0;
            return _left-- > 0;
        }
    }
}
