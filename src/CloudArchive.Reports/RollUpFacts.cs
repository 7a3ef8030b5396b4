using CloudArchive.Core.Access;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Disclosures;
using CloudArchive.Core.Retention;
using CloudArchive.Format;
using CloudArchive.Format.Verdicts;
using CloudArchive.Format.Wire;

namespace CloudArchive.Reports;

/// <summary>A clinic, as a report names it, with its objectives as they are set now.</summary>
internal sealed record RollUpClinic(ClinicId Id, string Name, DateTimeOffset CreatedAt, RecoveryObjectives Objectives);

/// <summary>What rows say as they are now. Whom they are about stays here: reports count.</summary>
/// <param name="Clinic">The clinic.</param>
/// <param name="Runs">Restore tests, at least those that ended in the period.</param>
/// <param name="Agents">All, the revoked ones too.</param>
/// <param name="Staff">Everyone who was ever seen.</param>
/// <param name="Holds">All, the cleared ones too.</param>
/// <param name="HandedOut">All that was ever handed out.</param>
/// <param name="Unreadable">Rows that say what cannot be, and are in none of these.</param>
/// <param name="Verdicts">What each agent says now, and since when.</param>
internal sealed record RollUpRows(
    RollUpClinic Clinic, IReadOnlyList<RestoreTestResponse> Runs, IReadOnlyList<Agent> Agents, IReadOnlyList<StaffMember> Staff, IReadOnlyList<Hold> Holds, IReadOnlyList<HandedOut> HandedOut,
    int Unreadable = 0, IReadOnlyDictionary<string, VerdictNow>? Verdicts = null);

/// <summary>What a computer says now, since when.</summary>
internal sealed record VerdictNow(DateTimeOffset Since, bool Safe);

/// <summary>From when until when a computer said that its files are safe, or that they are not; null: nobody knows what it said. Without an end it still does.</summary>
internal sealed record VerdictSpan(DateTimeOffset From, DateTimeOffset? Until, bool? Safe);

/// <summary>From when until when something was on; until null, it still is.</summary>
internal sealed record Span(DateTimeOffset From, DateTimeOffset? Until);

/// <summary>
/// What was recorded, as far as a report speaks of it. What happened within a period is the log's to say, because nobody can rewrite it
/// unnoticed; rows add what the log does not have, and what was before.
/// </summary>
/// <param name="Clinic">The clinic.</param>
/// <param name="Log">The logs' part.</param>
/// <param name="Runs">Runs that ended, with their measures.</param>
/// <param name="Endings">Whose access to this clinic was ended.</param>
/// <param name="Agents">When there were agents that could be heard.</param>
/// <param name="Holds">When holds were on.</param>
/// <param name="HandedOut">What was handed out.</param>
/// <param name="Verdicts">What the clinic's computers said, and when.</param>
/// <param name="Unreadable">Rows that say what cannot be.</param>
internal sealed record RollUpFacts(
    RollUpClinic Clinic, RollUpLog Log, IReadOnlyList<EndedRun> Runs, IReadOnlyList<AccessEnding> Endings, IReadOnlyList<Span> Agents, IReadOnlyList<Span> Holds, IReadOnlyList<HandedOut> HandedOut, IReadOnlyList<VerdictSpan> Verdicts, int Unreadable)
{
    /// <summary>Puts together what the logs and the rows say.</summary>
    public static RollUpFacts Of(RollUpLog log, RollUpRows rows)
    {
        Dictionary<string, RestoreTestResponse> runs = rows.Runs.ToDictionary(run => run.Id, StringComparer.Ordinal);
        return new RollUpFacts(
            rows.Clinic,
            log,
            [.. log.Runs.Select(run => run with { Measures = Measures(run, runs.GetValueOrDefault(run.Id)) })],
            [.. log.Endings.Where(ending => ending.OfAgent || rows.Staff.Any(member => member.Subject == ending.Subject && member.Reaches(rows.Clinic.Id))).Select(ending => LetIn(ending, rows))],
            [.. rows.Agents.Select(agent => new Span(agent.EnrolledAt, agent.Revoked ? agent.RevokedAt ?? agent.LastSeenAt ?? agent.EnrolledAt : null))],
            Kept(log, rows.Holds),
            rows.HandedOut,
            [.. rows.Agents.SelectMany(agent => Said(agent, [.. log.Verdicts.Where(entry => entry.Agent == agent.Id.ToString())], rows.Verdicts?.GetValueOrDefault(agent.Id.ToString())))],
            rows.Unreadable);
    }

    /// <summary>A row is believed where it is of the evidence whose hash the log has.</summary>
    private static RunMeasures? Measures(EndedRun run, RestoreTestResponse? row) =>
        row is { Summary: { } summary } && row.EvidenceSha256 == run.Evidence && (row.Passed, row.Failed, row.NotTested) == (run.Recovered, run.Failed, run.NotTested)
            ? new RunMeasures(summary.PopulationPacks, summary.CoveredPacks, summary.FullRestoreSeconds, summary.RecoveryPoint is { } newest ? (long)Math.Ceiling((row.RequestedAt - newest).TotalSeconds) : null, summary.PopulationBytes)
            : null;

    /// <summary>Not every request is in a log: the row has when the last one was let in, while the access is still ended.</summary>
    private static AccessEnding LetIn(AccessEnding ending, RollUpRows rows)
    {
        DateTimeOffset? seen = ending.OfAgent
            ? rows.Agents.FirstOrDefault(agent => agent.Id.ToString() == ending.Subject)?.LastSeenAt
            : rows.Staff.FirstOrDefault(member => member.Subject == ending.Subject && member.BlockedAt is not null && ending.UndoneAt is null)?.LastAcceptedAt;
        if (seen is not { } at)
        {
            return ending;
        }

        // As exact as entries are: else who came in the very millisecond of the end would seem to have come after it.
        DateTimeOffset last = AuditLog.ToMilliseconds(at);
        return last > ending.At && !(last <= ending.LastLetIn) ? ending with { LastLetIn = last } : ending;
    }

    /// <summary>
    /// The log has an entry where a computer's verdict changed. What it was before the first of them that entry tells; where there is none, what the computer
    /// says now, if it has said so since before.
    /// </summary>
    private static IEnumerable<VerdictSpan> Said(Agent agent, VerdictEntry[] changes, VerdictNow? now)
    {
        DateTimeOffset? end = agent.Revoked ? agent.RevokedAt ?? agent.LastSeenAt ?? agent.EnrolledAt : null;
        if (changes.Length == 0)
        {
            yield return new VerdictSpan(agent.EnrolledAt, now?.Since ?? end, null);
            if (now is not null)
            {
                yield return new VerdictSpan(now.Since, end, now.Safe);
            }

            yield break;
        }

        yield return new VerdictSpan(agent.EnrolledAt, changes[0].At, changes[0].Before);
        for (int i = 0; i < changes.Length; i++)
        {
            yield return new VerdictSpan(changes[i].At, i + 1 < changes.Length ? changes[i + 1].At : end, changes[i].Safe);
        }
    }

    private static List<Span> Kept(RollUpLog log, IReadOnlyList<Hold> holds)
    {
        Dictionary<string, Hold> byId = holds.ToDictionary(hold => hold.Id.ToString(), StringComparer.Ordinal);
        return
        [
            .. byId.Keys.Union(log.HoldsSet.Keys).Select(id => new Span(
                log.HoldsSet.TryGetValue(id, out DateTimeOffset set) ? set : byId[id].SetAt,
                log.HoldsCleared.TryGetValue(id, out DateTimeOffset cleared) ? cleared : byId.GetValueOrDefault(id)?.ClearedAt)),
        ];
    }
}
