using CloudArchive.Core.Audit;
using CloudArchive.Core.Catalog;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Losses;
using CloudArchive.Core.RestoreTests;
using CloudArchive.Format;
using CloudArchive.Format.Verdicts;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Verdicts;

/// <summary>A clinic, its verdict, and what people want to see beside it.</summary>
/// <param name="Clinic">The clinic.</param>
/// <param name="Verdict">Whether it is safe.</param>
/// <param name="Agents">Its computers, those that were revoked too.</param>
/// <param name="Reports">What each reported last.</param>
/// <param name="LastBackup">When a pack was last committed.</param>
/// <param name="LastTest">The last restore test that ended, of the last month.</param>
public sealed record CheckedClinic(
    Clinic Clinic,
    ClinicVerdict Verdict,
    IReadOnlyList<Agent> Agents,
    IReadOnlyDictionary<AgentId, ReportedVerdict> Reports,
    DateTimeOffset? LastBackup,
    RestoreTestResponse? LastTest)
{
    /// <summary>Whether its objectives are met.</summary>
    public required MeasuredObjectives Objectives { get; init; }

    /// <summary>Its computers that are not revoked.</summary>
    public IReadOnlyList<Agent> Active { get; } = [.. Agents.Where(agent => !agent.Revoked)];

    /// <summary>When one of those was last heard of: a report, a token, or the enrollment.</summary>
    public DateTimeOffset? LastHeard => Active.Count == 0 ? null : Active.Max(agent => HeardOf(agent));

    /// <summary>When a computer was last heard of.</summary>
    public DateTimeOffset HeardOf(Agent agent)
    {
        DateTimeOffset seen = agent.LastSeenAt ?? agent.EnrolledAt;
        return Reports.TryGetValue(agent.Id, out ReportedVerdict? report) && report.ReceivedAt > seen ? report.ReceivedAt : seen;
    }

    /// <summary>A computer's name.</summary>
    public string NameOf(string agent) => Agents.FirstOrDefault(one => one.Id.ToString() == agent)?.Name ?? agent;

    /// <summary>What a computer reported last, or null.</summary>
    public ReportedVerdict? ReportOf(string agent) => Reports.GetValueOrDefault(AgentId.Parse(agent));

    /// <summary>As the API answers it.</summary>
    public ClinicVerdictResponse ToResponse(DateTimeOffset now) => new(Clinic.Id, Verdict.State, now, Verdict.Findings, [.. Verdict.Computers.Select(ToResponse)], Objectives);

    private ComputerVerdictResponse ToResponse(ComputerVerdict computer)
    {
        ReportedVerdict? report = ReportOf(computer.Agent);
        return new ComputerVerdictResponse(
            computer.Agent, NameOf(computer.Agent), computer.State, report?.ReceivedAt, report?.Since, computer.ClockOff is { } off ? (long)off.TotalSeconds : null, computer.Findings, computer.Folders);
    }
}

/// <summary>Looks whether a clinic is safe: collects the facts for <see cref="ClinicRule"/>, in a handful of queries.</summary>
public sealed class ClinicCheck(ClinicDirectory clinics, VerdictReports reports, RestoreTestDesk tests, ClinicRecord record, VerdictLimits limits, TimeProvider clock)
{
    private static readonly TimeSpan s_month = TimeSpan.FromDays(30);

    /// <summary>By the clock that it looks with.</summary>
    internal DateTimeOffset Now => clock.GetUtcNow();

    /// <summary>From when on silence counts.</summary>
    public VerdictLimits Limits => limits;

    /// <summary>Looks.</summary>
    public async Task<CheckedClinic> RunAsync(Clinic clinic, CancellationToken cancellationToken)
    {
        DateTimeOffset now = clock.GetUtcNow();
        Task<DateTimeOffset?> backup = clinics.LastCommitAsync(clinic.Id, cancellationToken);
        Task<ClinicRecordFacts> known = record.ReadAsync(clinic.Id, cancellationToken);
        Task<IReadOnlyDictionary<AgentId, ReportedVerdict>> reported = reports.ListAsync(clinic.Id, cancellationToken);
        Task<IReadOnlyList<RestoreTestResponse>> runs = tests.ListSinceAsync(clinic.Id, now - s_month, cancellationToken);
        Task<DateTimeOffset?> tested = tests.LastFinishedAsync(clinic.Id, cancellationToken);
        await Task.WhenAll(backup, known, reported, runs, tested);
        ClinicRecordFacts facts = await known;
        RestoreTestResponse? last = (await runs).LastOrDefault(run => run.FinishedAt is not null);
        IReadOnlyDictionary<AgentId, ReportedVerdict> all = await reported;
        NamedComputer[] computers = [.. facts.Agents.Where(agent => !agent.Revoked).Select(agent => new NamedComputer(agent.Name, Facts(agent, all.GetValueOrDefault(agent.Id))))];
        ClinicFacts judged = new(
            [.. computers.Select(computer => computer.Facts)],
            facts.LostPacks,
            facts.LostBytes,
            facts.FirstPackAt,
            await tested,
            last?.Status == RestoreTestStatus.Failed,
            facts.Log.Damaged,
            facts.Log.CheckedAt,
            clinic.CreatedAt);
        return new CheckedClinic(clinic, ClinicRule.For(judged, limits, now), facts.Agents, all, await backup, last)
        {
            Objectives = ObjectiveRule.For(clinic.Objectives, last, computers, limits, now),
        };
    }

    private static ComputerFacts Facts(Agent agent, ReportedVerdict? report) => new(agent.Id.ToString(), agent.EnrolledAt, report?.Verdict, report?.ReceivedAt);
}

/// <summary>What the archive itself has about a clinic.</summary>
/// <param name="Agents">All of its computers.</param>
/// <param name="LostPacks">Packs that were lost and not uploaded again.</param>
/// <param name="LostBytes">Their bytes, as far as anything says still.</param>
/// <param name="FirstPackAt">When the first pack was committed.</param>
/// <param name="Log">How its audit log was found.</param>
public sealed record ClinicRecordFacts(IReadOnlyList<Agent> Agents, long LostPacks, long LostBytes, DateTimeOffset? FirstPackAt, LogState Log);

/// <summary>Reads <see cref="ClinicRecordFacts"/>.</summary>
public sealed class ClinicRecord(Agents agents, CatalogReader catalog, PackLosses losses, LogStates logs)
{
    private const int PageSize = 100;

    /// <summary>Reads them.</summary>
    public async Task<ClinicRecordFacts> ReadAsync(ClinicId clinic, CancellationToken cancellationToken)
    {
        List<Agent> all = [];
        IReadOnlyList<Agent> page;
        do
        {
            page = await agents.ListAsync(clinic, all.Count == 0 ? null : all[^1].Id, PageSize, cancellationToken);
            all.AddRange(page);
        }
        while (page.Count == PageSize);

        DateTimeOffset? first = (await catalog.ListPacksAsync(clinic, null, 1, cancellationToken)).Packs is [var pack, ..] ? pack.CommittedAt : null;
        LostPack[] lost = [.. (await losses.ListAsync(clinic, cancellationToken)).Values.Where(pack => pack.ReplacedAt is null)];
        return new ClinicRecordFacts(all, lost.Length, lost.Sum(pack => pack.Bytes), first, await logs.FindAsync(clinic.Value, cancellationToken));
    }
}
