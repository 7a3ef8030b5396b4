using System.Globalization;
using System.Text.Json;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Verdicts;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Verdicts;

/// <summary>What a computer reported last.</summary>
/// <param name="Agent">Which.</param>
/// <param name="Verdict">What it said.</param>
/// <param name="ReceivedAt">When, by the service's clock.</param>
/// <param name="Since">Since when it has said so: the same state for the same causes.</param>
public sealed record ReportedVerdict(AgentId Agent, AgentVerdict Verdict, DateTimeOffset ReceivedAt, DateTimeOffset Since)
{
    /// <summary>Whether it says safe, and nothing in it says otherwise.</summary>
    public bool IsSafe => VerdictForm.IsSafe(Verdict);
}

/// <summary>
/// The verdicts that computers report: of each the latest, and a line for each of its last ninety days with a report. One audit entry when what it says
/// changes (safe or not, or other causes), and none for a report that says the same again: agents report at every run.
/// </summary>
public sealed class VerdictReports(IRowStore rows, Outbox outbox, TimeProvider clock)
{
    /// <summary>The largest body of a report.</summary>
    public const long MostBytes = VerdictForm.MostBytes;

    /// <summary>How many days of a computer are kept.</summary>
    public const int DaysKept = 90;

    private const int PageSize = 500;

    /// <summary>Takes a report. The service's time of receipt counts, whatever the computer's clock says.</summary>
    /// <returns>It, and whether it says something else than the one before.</returns>
    /// <exception cref="RefusedException">It breaks a rule of the message.</exception>
    public async Task<(ReportedVerdict Report, bool Changed)> AcceptAsync(AgentId agent, AgentVerdict verdict, Requester by, CancellationToken cancellationToken)
    {
        VerdictForm.Check(verdict);
        string partition = agent.Clinic.Value;
        while (true)
        {
            DateTimeOffset now = clock.GetUtcNow();
            Row? latest = await rows.FindAsync(RowTable.Clinics, partition, VerdictRows.Latest + agent, cancellationToken);
            ReportedVerdict? before = latest is null ? null : VerdictRows.Read(latest);
            bool changed = before is null || VerdictForm.Gist(before.Verdict) != VerdictForm.Gist(verdict);
            ReportedVerdict report = new(agent, verdict, now, changed ? now : before!.Since);

            string dayKey = VerdictRows.DayOf(agent, now);
            Row? day = await rows.FindAsync(RowTable.Clinics, partition, dayKey, cancellationToken);
            RowWrite[] writes =
            [
                VerdictRows.Write(VerdictRows.Latest + agent, VerdictRows.Values(report), latest),
                VerdictRows.Write(dayKey, VerdictRows.DayValues(day, verdict, now), day),
            ];
            try
            {
                if (changed)
                {
                    await outbox.SubmitAsync(RowTable.Clinics, partition, writes, Entry(report, before, by), cancellationToken);
                }
                else
                {
                    await rows.SubmitAsync(RowTable.Clinics, partition, writes, cancellationToken);
                }
            }
            catch (RowConflictException)
            {
                continue; // Another report of the same computer: look at it anew.
            }

            if (day is null)
            {
                await ForgetOldAsync(agent, now, cancellationToken);
            }

            return (report, changed);
        }
    }

    /// <summary>What a computer reported last, or null.</summary>
    public async Task<ReportedVerdict?> FindAsync(AgentId agent, CancellationToken cancellationToken) =>
        await rows.FindAsync(RowTable.Clinics, agent.Clinic.Value, VerdictRows.Latest + agent, cancellationToken) is { } row ? VerdictRows.Read(row) : null;

    /// <summary>What each of a clinic's computers reported last, revoked ones too.</summary>
    public async Task<IReadOnlyDictionary<AgentId, ReportedVerdict>> ListAsync(ClinicId clinic, CancellationToken cancellationToken)
    {
        Dictionary<AgentId, ReportedVerdict> found = [];
        RowRange range = RowRange.Prefix(VerdictRows.Latest);
        IReadOnlyList<Row> page;
        do
        {
            page = await rows.QueryAsync(RowTable.Clinics, clinic.Value, range, PageSize, cancellationToken);
            foreach (Row row in page)
            {
                ReportedVerdict report = VerdictRows.Read(row);
                found[report.Agent] = report;
                range = range with { From = row.Key + "!" };
            }
        }
        while (page.Count == PageSize);
        return found;
    }

    /// <summary>A computer's days, the oldest first.</summary>
    public async Task<IReadOnlyList<VerdictDayResponse>> DaysAsync(AgentId agent, CancellationToken cancellationToken) =>
        [.. (await rows.QueryAsync(RowTable.Clinics, agent.Clinic.Value, RowRange.Prefix(VerdictRows.Days(agent)), PageSize, cancellationToken)).TakeLast(DaysKept).Select(VerdictRows.Day)];

    private async Task ForgetOldAsync(AgentId agent, DateTimeOffset now, CancellationToken cancellationToken)
    {
        string from = VerdictRows.Days(agent), to = VerdictRows.DayOf(agent, now.AddDays(-DaysKept));
        IReadOnlyList<Row> old = await rows.QueryAsync(RowTable.Clinics, agent.Clinic.Value, from, to, 100, cancellationToken);

        // Where another request is at it too, tomorrow's first report does the rest.
        await rows.DeleteUnchangedAsync(RowTable.Clinics, agent.Clinic.Value, old, cancellationToken);
    }

    private static AuditEvent Entry(ReportedVerdict report, ReportedVerdict? before, Requester by)
    {
        AgentVerdict verdict = report.Verdict;
        Dictionary<string, string> details = new()
        {
            ["safe"] = VerdictForm.IsSafe(verdict) ? "true" : "false",
            ["causes"] = string.Join(',', VerdictForm.Causes(verdict)),
            ["folders"] = verdict.Folders.Count.ToString(CultureInfo.InvariantCulture),
            ["files"] = verdict.Folders.Sum(folder => folder.Files).ToString(CultureInfo.InvariantCulture),
            ["archived"] = verdict.Folders.Sum(folder => folder.Archived).ToString(CultureInfo.InvariantCulture),
        };
        if (before is not null)
        {
            details["before"] = before.IsSafe ? "true" : "false";
        }

        return new AuditEvent(
            report.Agent.Clinic.Value,
            AuditActions.VerdictChanged,
            AuditOutcome.Success,
            by.Actor,
            new AuditSubject(report.Agent.Clinic.Value, Other: report.Agent.ToString()),
            by.Origin,
            Details: details);
    }
}
