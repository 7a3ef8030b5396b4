using CloudArchive.Core;
using CloudArchive.Core.Access;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Disclosures;
using CloudArchive.Core.RestoreTests;
using CloudArchive.Core.Retention;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Verdicts;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Wire;

namespace CloudArchive.Reports;

/// <summary>In what form a roll-up is made.</summary>
public enum ReportForm
{
    /// <summary>For spreadsheets.</summary>
    Csv,

    /// <summary>For people.</summary>
    Pdf,
}

/// <summary>Monthly, quarterly and yearly reports of a clinic. Whoever gets one is in the audit log.</summary>
public sealed class RollUps(RollUpLogs logs, RollUpRowReader rows, ClinicDirectory clinics, IAuditLog log, TimeProvider clock)
{
    /// <summary>Parses what a caller typed.</summary>
    public static ReportPeriod Period(string text) =>
        ReportPeriod.TryParse(text, null, out ReportPeriod? period) ? period : throw new RefusedException(Refusal.RequestInvalid, $"period: {ReportPeriod.Shapes}.");

    /// <summary>Makes a report.</summary>
    /// <exception cref="RefusedException"><see cref="Refusal.ReportUnknown"/>: the period has not begun, or was over before the clinic was there.</exception>
    public async Task<byte[]> MakeAsync(ClinicId id, ReportPeriod period, ReportForm form, Requester by, CancellationToken cancellationToken)
    {
        RollUp report = await WorkOutAsync(await clinics.GetAsync(id, cancellationToken), period, cancellationToken);
        byte[] content = form == ReportForm.Csv ? RollUpCsv.Write(report) : RollUpReport.Render(report);
        Dictionary<string, string> details = new() { ["form"] = form == ReportForm.Csv ? "csv" : "pdf", ["period"] = period.ToString() };
        await log.AppendAsync(new AuditEvent(id.Value, AuditActions.ReportRead, AuditOutcome.Success, by.Actor, new AuditSubject(id.Value), by.Origin, Details: details), cancellationToken);
        return content;
    }

    /// <summary>Works a report out. Whoever hands it out records that.</summary>
    internal async Task<RollUp> WorkOutAsync(Clinic found, ReportPeriod period, CancellationToken cancellationToken)
    {
        RollUpClinic clinic = new(found.Id, found.Name, found.CreatedAt, found.Objectives);
        DateTimeOffset now = clock.GetUtcNow();
        if (period.From >= now || period.To <= clinic.CreatedAt)
        {
            throw new RefusedException(
                Refusal.ReportUnknown,
                period.From >= now ? $"{period} has not begun." : $"The archive has nothing of clinic {found.Id} from before {ReportPeriod.MonthOf(clinic.CreatedAt)}: ask for that month or a later one.");
        }

        (RollUpLog recorded, LogSection? section) = await logs.ReadAsync(found.Id, period.From, period.To, cancellationToken);
        return RollUp.Of(RollUpFacts.Of(recorded, await rows.ReadAsync(clinic, period.From, period.To, cancellationToken)), period, now, section);
    }

    /// <summary>The figures of any span, and the runs that ended in it.</summary>
    internal async Task<(RollUpFigures Figures, IReadOnlyList<EndedRun> Runs)> FiguresAsync(Clinic found, DateTimeOffset from, DateTimeOffset to, CancellationToken cancellationToken)
    {
        RollUpClinic clinic = new(found.Id, found.Name, found.CreatedAt, found.Objectives);
        (RollUpLog recorded, _) = await logs.ReadAsync(found.Id, from, to, cancellationToken);
        RollUpFacts facts = RollUpFacts.Of(recorded, await rows.ReadAsync(clinic, from, to, cancellationToken));
        DateTimeOffset now = clock.GetUtcNow();
        return (RollUpFigures.Of(facts, from, to < now ? to : now), [.. facts.Runs.Where(run => run.EndedAt >= from && run.EndedAt < to)]);
    }
}

/// <summary>Reads what the logs have of a period.</summary>
public sealed class RollUpLogs(AuditSearch search, AuditReader reader)
{
    /// <summary>The system's log first: see <see cref="RollUpLog"/>. What a period's last day ended is watched into the day after.</summary>
    internal async Task<(RollUpLog Log, LogSection? Section)> ReadAsync(ClinicId clinic, DateTimeOffset from, DateTimeOffset to, CancellationToken cancellationToken)
    {
        RollUpLog recorded = new(clinic, to);
        foreach (string name in new[] { AuditEntry.SystemLog, clinic.Value })
        {
            await foreach (AuditEntry entry in search.ReadAsync(name, from, to + RollUpLog.Watched, cancellationToken))
            {
                recorded.Add(entry);
            }
        }

        LogSection? section = recorded is { First: { } first, Last: { } last } ? new(first, last, await reader.RootAtAsync(clinic.Value, last + 1, cancellationToken)) : null;
        return (recorded, section);
    }
}

/// <summary>Reads what rows have.</summary>
public sealed class RollUpRowReader(RestoreTestDesk tests, Agents agents, VerdictReports verdicts, StaffRegister staff, Holds holds, DisclosureLog disclosures)
{
    private const int PageSize = 1000;

    /// <summary>A run that waits for packs of the archive tier ends days after it began, never months.</summary>
    private static readonly TimeSpan s_longestRun = TimeSpan.FromDays(100);

    /// <summary>A row that says what cannot be is counted, and leaves out nothing but itself.</summary>
    internal async Task<RollUpRows> ReadAsync(RollUpClinic clinic, DateTimeOffset from, DateTimeOffset to, CancellationToken cancellationToken)
    {
        int unreadable = 0;
        IReadOnlyList<Agent> enrolled = await agents.ReadEachAsync(clinic.Id, _ => unreadable++, cancellationToken);
        Dictionary<string, VerdictNow> said = [];
        foreach (Agent agent in enrolled)
        {
            try
            {
                if (await verdicts.FindAsync(agent.Id, cancellationToken) is { } now)
                {
                    said[agent.Id.ToString()] = new VerdictNow(now.Since, now.IsSafe);
                }
            }
            catch (Exception error) when (DamagedRow.Is(error) || error is IntegrityException or InvalidDataException)
            {
                unreadable++;
            }
        }

        RollUpRows read = new(
            clinic,
            await RunsAsync(clinic.Id, from, to, cancellationToken),
            enrolled,
            await staff.ListAsync(_ => unreadable++, cancellationToken),
            await holds.AllAsync(clinic.Id, cancellationToken).ToListAsync(cancellationToken),
            await disclosures.CountAsync(clinic.Id, _ => unreadable++, cancellationToken).ToListAsync(cancellationToken));
        Hold[] known = [.. read.Holds.Where(hold => !hold.Unreadable)];
        return read with { Verdicts = said, Holds = known, Unreadable = unreadable + read.Holds.Count - known.Length };
    }

    private async Task<List<RestoreTestResponse>> RunsAsync(ClinicId clinic, DateTimeOffset from, DateTimeOffset to, CancellationToken cancellationToken)
    {
        List<RestoreTestResponse> runs = [];
        IReadOnlyList<RestoreTestResponse> page;
        WorkId after = WorkId.Before(from - s_longestRun);
        do
        {
            page = await tests.ListAsync(clinic, after, PageSize, cancellationToken);
            runs.AddRange(page);
            after = page.Count > 0 ? WorkId.Parse(page[^1].Id) : after;
        }
        while (page.Count == PageSize && page[^1].RequestedAt < to);
        return runs;
    }
}
