using CloudArchive.Core.Clinics;
using CloudArchive.Core.RestoreTests;
using CloudArchive.Format.Wire;

namespace CloudArchive.Api.Portal.Pages;

/// <summary>Something about a clinic that somebody should look at.</summary>
/// <param name="Bad">Whether images may be lost over it; else it wants attention.</param>
/// <param name="What">One sentence.</param>
/// <param name="Page">The clinic's page that shows it.</param>
public sealed record HealthFinding(bool Bad, string What, string Page);

/// <summary>Whether a clinic is safe, and what says so.</summary>
/// <param name="Clinic">The clinic.</param>
/// <param name="LastBackup">When a pack was last committed.</param>
/// <param name="LastSeen">When one of its agents last got a token.</param>
/// <param name="Agents">Agents that are not revoked.</param>
/// <param name="LastTest">The last restore test that ended, of the last month.</param>
/// <param name="Findings">What somebody should look at, the worst first.</param>
public sealed record ClinicHealth(
    Clinic Clinic, DateTimeOffset? LastBackup, DateTimeOffset? LastSeen, int Agents, RestoreTestResponse? LastTest, IReadOnlyList<HealthFinding> Findings)
{
    /// <summary>A day without a test, and one that may run late.</summary>
    private static readonly TimeSpan _testedWithin = TimeSpan.FromHours(48);

    /// <summary>The state in a word.</summary>
    public string Word => Findings switch { [] => "Safe", [{ Bad: true }, ..] => "Not safe", _ => "Needs attention" };

    /// <summary>The state for <see cref="Parts.Status"/>.</summary>
    public string Kind => Findings switch { [] => "good", [{ Bad: true }, ..] => "bad", _ => "warn" };

    /// <summary>Judges.</summary>
    /// <param name="clinic">The clinic.</param>
    /// <param name="lastBackup">When a pack was last committed.</param>
    /// <param name="agents">Its agents.</param>
    /// <param name="runs">Its restore tests of the last month, the oldest first.</param>
    /// <param name="limit">How long nothing may be heard of its agents.</param>
    /// <param name="now">The time.</param>
    public static ClinicHealth Of(
        Clinic clinic, DateTimeOffset? lastBackup, IReadOnlyList<Agent> agents, IReadOnlyList<RestoreTestResponse> runs, SilenceLimit limit, DateTimeOffset now)
    {
        Agent[] active = [.. agents.Where(agent => !agent.Revoked)];
        DateTimeOffset? seen = active.Length == 0 ? null : active.Max(agent => agent.LastSeenAt ?? agent.EnrolledAt);
        RestoreTestResponse? last = runs.LastOrDefault(run => run.FinishedAt is not null);
        List<HealthFinding> findings = [];
        if (last?.Status == RestoreTestStatus.Failed)
        {
            findings.Add(new(true, "The last restore test failed.", "restore-tests"));
        }

        if (active.Length == 0)
        {
            findings.Add(new(false, agents.Count == 0 ? "No computer is enrolled yet." : "All of its computers are revoked.", "agents"));
        }
        else if (seen is { } heard && now - heard > limit.Longest)
        {
            findings.Add(new(false, $"None of its computers was heard of for {Show.Duration(now - heard)}.", "agents"));
        }

        if (lastBackup is null)
        {
            findings.Add(new(false, "Nothing was backed up yet.", "studies"));
        }
        else if (last is null)
        {
            findings.Add(new(false, "No restore test ended in the last 30 days.", "restore-tests"));
        }
        else if (now - last.FinishedAt > _testedWithin)
        {
            findings.Add(new(false, $"The last restore test was {Show.Distance(last.FinishedAt!.Value, now)}.", "restore-tests"));
        }

        return new(clinic, lastBackup, seen, active.Length, last, findings);
    }
}

/// <summary>Looks whether a clinic is safe: four queries.</summary>
internal sealed class ClinicCheck(ClinicDirectory clinics, Agents agents, RestoreTestDesk desk, SilenceLimit limit, TimeProvider clock)
{
    private static readonly TimeSpan _month = TimeSpan.FromDays(30);

    /// <summary>Looks.</summary>
    public async Task<ClinicHealth> RunAsync(Clinic clinic, CancellationToken cancellationToken)
    {
        DateTimeOffset now = clock.GetUtcNow();
        Task<DateTimeOffset?> backup = clinics.LastCommitAsync(clinic.Id, cancellationToken);
        Task<IReadOnlyList<Agent>> enrolled = agents.ListAsync(clinic.Id, null, 100, cancellationToken);
        Task<IReadOnlyList<RestoreTestResponse>> runs = desk.ListSinceAsync(clinic.Id, now - _month, cancellationToken);
        return ClinicHealth.Of(clinic, await backup, await enrolled, await runs, limit, now);
    }
}
