using CloudArchive.Core.Alerts;
using CloudArchive.Format;
using Microsoft.Extensions.Logging;

namespace CloudArchive.Core.Clinics;

/// <summary>
/// Finds clinics whose agents have gone quiet: a computer that was switched off, replaced or taken away backs up nothing, and nobody notices.
/// An agent with nothing new to send still asks for tokens, so quiet is not idle.
/// </summary>
public sealed partial class SilenceWatch(ClinicDirectory clinics, Agents agents, AlertDesk alerts, SilenceLimit limit, TimeProvider clock, ILogger<SilenceWatch> logger)
{
    private const int PageSize = 100;

    /// <summary>
    /// Raises an alert for each clinic that was heard of last longer ago than the limit, and returns them. One that has no agent yet, or none
    /// any more, has nothing to say.
    /// </summary>
    public async Task<IReadOnlyList<ClinicId>> RunAsync(CancellationToken cancellationToken)
    {
        DateTimeOffset now = clock.GetUtcNow();
        Requester by = Requester.System("silence-watch", "silence-" + Guid.CreateVersion7(now).ToString("N"));
        List<ClinicId> silent = [];
        await foreach (ClinicId clinic in clinics.ReadAllAsync(cancellationToken))
        {
            try
            {
                if (await LastHeardAsync(clinic, cancellationToken) is { } last && now - last > limit.Longest)
                {
                    silent.Add(clinic);
                    LogSilent(logger, clinic, (int)(now - last).TotalDays);
                    string message = $"Nothing was heard of the clinic's agents since {last.UtcDateTime:yyyy-MM-dd}, so nothing new is backed up. Run 'cloudarchive status' on the clinic's computer.";
                    await alerts.RaiseAsync(new Alert(clinic, AlertCause.ClinicSilent, "agents", message), by, cancellationToken);
                }
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                // A clinic whose rows or log are not well must not keep the others from being looked at.
                LogFailed(logger, e, clinic);
            }
        }

        ArchiveMetrics.SilentClinics.Record(silent.Count);
        return silent;
    }

    /// <summary>When any agent that is not revoked last got a token, or enrolled; null where there is none.</summary>
    private async Task<DateTimeOffset?> LastHeardAsync(ClinicId clinic, CancellationToken cancellationToken)
    {
        DateTimeOffset? last = null;
        IReadOnlyList<Agent> page;
        AgentId? after = null;
        do
        {
            page = await agents.ListAsync(clinic, after, PageSize, cancellationToken);
            foreach (Agent agent in page)
            {
                DateTimeOffset heard = agent.LastSeenAt ?? agent.EnrolledAt;
                last = agent.Revoked || heard < last ? last : heard;
                after = agent.Id;
            }
        }
        while (page.Count == PageSize);
        return last;
    }

    [LoggerMessage(111, LogLevel.Warning, "Clinic {Clinic} was last heard of {Days} days ago.", EventName = "ClinicSilent")]
    private static partial void LogSilent(ILogger logger, ClinicId clinic, int days);

    [LoggerMessage(114, LogLevel.Error, "Whether clinic {Clinic} is silent could not be found out, or its alert not be raised; the next look tries again.")]
    private static partial void LogFailed(ILogger logger, Exception exception, ClinicId clinic);
}

/// <summary>How long nothing may be heard of a clinic's agents before it counts as silent.</summary>
public sealed record SilenceLimit(TimeSpan Longest)
{
    /// <summary>Longer than a long weekend.</summary>
    public static SilenceLimit Default { get; } = new(TimeSpan.FromDays(4));
}
