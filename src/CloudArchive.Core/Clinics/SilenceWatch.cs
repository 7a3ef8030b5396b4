using CloudArchive.Format;
using Microsoft.Extensions.Logging;

namespace CloudArchive.Core.Clinics;

/// <summary>
/// Finds clinics whose agents have gone quiet: a computer that was switched off, replaced or taken away backs up nothing, and nobody notices.
/// An agent with nothing new to send still asks for tokens, so quiet is not idle.
/// </summary>
public sealed partial class SilenceWatch(ClinicDirectory clinics, Agents agents, TimeProvider clock, ILogger<SilenceWatch> logger)
{
    /// <summary>Longer than a long weekend.</summary>
    public static readonly TimeSpan Longest = TimeSpan.FromDays(4);

    private const int PageSize = 100;

    /// <summary>The clinics that were heard of last more than <see cref="Longest"/> ago. One that has no agent yet, or none any more, has nothing to say.</summary>
    public async Task<IReadOnlyList<ClinicId>> RunAsync(CancellationToken cancellationToken)
    {
        DateTimeOffset now = clock.GetUtcNow();
        List<ClinicId> silent = [];
        IReadOnlyList<ClinicId> page;
        ClinicId? after = null;
        do
        {
            page = await clinics.ListAsync(after, PageSize, cancellationToken);
            foreach (ClinicId clinic in page)
            {
                if (await LastHeardAsync(clinic, cancellationToken) is { } last && now - last > Longest)
                {
                    silent.Add(clinic);
                    LogSilent(logger, clinic, (int)(now - last).TotalDays);
                }

                after = clinic;
            }
        }
        while (page.Count == PageSize);
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
}
