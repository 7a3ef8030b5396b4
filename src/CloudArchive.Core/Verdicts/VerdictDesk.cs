using CloudArchive.Core.Alerts;
using CloudArchive.Core.Clinics;
using CloudArchive.Format;
using CloudArchive.Format.Verdicts;
using Microsoft.Extensions.Logging;

namespace CloudArchive.Core.Verdicts;

/// <summary>Takes computers' reports and has alerts follow them at once: what ransomware did is told before the day is over.</summary>
public sealed partial class VerdictDesk(VerdictReports reports, Agents agents, AlertDesk alerts, VerdictLimits limits, TimeProvider clock, ILogger<VerdictDesk> logger)
{
    /// <summary>Takes a report. It is kept also where an alert cannot be raised: the next look raises it.</summary>
    public async Task TakeAsync(AgentId id, AgentVerdict verdict, Requester by, CancellationToken cancellationToken)
    {
        (ReportedVerdict report, _) = await reports.AcceptAsync(id, verdict, by, cancellationToken);
        Agent agent = await agents.FindAsync(id, cancellationToken) ?? throw new RefusedException(Refusal.AgentUnknown, $"There is no agent {id}.");
        ComputerVerdict computer = ClinicRule.For(new ComputerFacts(id.ToString(), agent.EnrolledAt, verdict, report.ReceivedAt), limits, clock.GetUtcNow());
        try
        {
            await FollowAsync(id.Clinic, computer, agent.Name, await alerts.ListOpenAsync(id.Clinic.Value, cancellationToken), by, cancellationToken);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            LogNotRaised(logger, e, id);
        }
    }

    /// <summary>Raises what a computer's verdict stands for, and closes what it says no more. One alert's trouble keeps no other back; the first is thrown at the end.</summary>
    public async Task FollowAsync(ClinicId clinic, ComputerVerdict computer, string name, IReadOnlyList<OpenAlert> open, Requester by, CancellationToken cancellationToken)
    {
        List<Exception> failed = [];
        IReadOnlyList<Alert> wanted = VerdictAlerts.For(clinic, computer, name, clock.GetUtcNow());
        foreach (Alert alert in wanted)
        {
            await TryAsync(() => alerts.RaiseAsync(alert, by, cancellationToken));
        }

        foreach (OpenAlert over in open.Where(one => one.Subject == computer.Agent && VerdictAlerts.Own.Contains(one.Cause) && !wanted.Any(alert => alert.Cause == one.Cause)))
        {
            await TryAsync(() => alerts.EndAsync(clinic, over.Cause, over.Subject, by, cancellationToken));
        }

        if (failed.Count > 0)
        {
            throw new AggregateException(failed);
        }

        async Task TryAsync(Func<Task> work)
        {
            try
            {
                await work();
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                failed.Add(e);
            }
        }
    }

    [LoggerMessage(121, LogLevel.Error, "Alerts after the report of {Agent} could not all be raised or closed; the next look tries again.")]
    private static partial void LogNotRaised(ILogger logger, Exception exception, AgentId agent);
}
