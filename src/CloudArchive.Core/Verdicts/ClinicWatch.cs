using CloudArchive.Core.Alerts;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Losses;
using CloudArchive.Core.Packs;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Work;
using CloudArchive.Format;
using CloudArchive.Format.Verdicts;
using Microsoft.Extensions.Logging;

namespace CloudArchive.Core.Verdicts;

/// <summary>
/// Looks at every clinic, for what no report tells: computers that report no more, clinics of which nothing is heard at all, logs that nobody checks. A computer
/// that was switched off, replaced or taken away backs up nothing, and nobody notices. An agent with nothing new to send still reports, so quiet is not idle.
/// What was found of each lies in one partition, so that all of them are counted in a few queries.
/// </summary>
public sealed partial class ClinicWatch(
    IRowStore rows, ClinicDirectory clinics, ClinicCheck check, VerdictDesk desk, AlertDesk alerts, ObjectiveDesk objectives, DailyQuotas quotas, ILogger<ClinicWatch> logger) : IWork
{
    private const string Agents = "agents";

    /// <summary>The partition of <see cref="RowTable.Work"/> with a row for each clinic: what the last look found.</summary>
    internal const string Partition = "$watch";

    /// <inheritdoc/>
    public async Task<SliceEnd> RunAsync(Slice slice, CancellationToken cancellationToken)
    {
        if (slice.Clinic is { } clinic)
        {
            await RunAsync(clinic, slice.By, cancellationToken);
        }
        else
        {
            await CountAsync(cancellationToken);
        }

        return SliceEnd.Finished();
    }

    /// <summary>Looks at a clinic; null where it is only being created. What could not be raised is thrown at the end, all together.</summary>
    public async Task<WatchedClinic?> RunAsync(ClinicId id, Requester by, CancellationToken cancellationToken)
    {
        if (await clinics.FindAsync(id, cancellationToken) is not { } clinic)
        {
            return null;
        }

        CheckedClinic found = await check.RunAsync(clinic, cancellationToken);
        WatchedClinic watched = new(id, IsSilent(found), found.Verdict.State);
        Dictionary<string, object> values = new() { ["silent"] = watched.IsSilent, ["state"] = watched.State.ToString(), ["at"] = check.Now, ["name"] = clinic.Name };
        await rows.SubmitAsync(RowTable.Work, Partition, [new RowWrite.Upsert(id.Value, values)], cancellationToken);
        await NoteDueAsync(id, cancellationToken);
        await FollowAsync(found, by, cancellationToken);
        return watched;
    }

    /// <summary>Counts what the last looks at all clinics found, for the metrics.</summary>
    public async Task CountAsync(CancellationToken cancellationToken)
    {
        int silent = 0, notSafe = 0;
        await foreach (Row row in rows.ReadAllAsync(RowTable.Work, Partition, RowRange.All, cancellationToken))
        {
            silent += row.Values.GetValueOrDefault("silent") is true ? 1 : 0;
            notSafe += row.Values.GetValueOrDefault("state") is nameof(VerdictState.NotSafe) ? 1 : 0;
        }

        ArchiveMetrics.SilentClinics.Record(silent);
        ArchiveMetrics.ClinicsNotSafe.Record(notSafe);
    }

    /// <summary>An alert or a letter that waits, and of which the delivery was not told because a host died in that moment.</summary>
    private async Task NoteDueAsync(ClinicId clinic, CancellationToken cancellationToken)
    {
        bool waits = false;
        foreach (string kind in AlertRows.AllDue)
        {
            waits = waits || (await rows.QueryAsync(RowTable.Work, clinic.Value, RowRange.Prefix(kind), 1, cancellationToken)).Count > 0;
        }

        if (waits && await rows.FindAsync(RowTable.Work, AlertRows.Index, clinic.Value, cancellationToken) is null)
        {
            await AlertRows.NoteDueAsync(rows, clinic.Value, cancellationToken);
        }
    }

    /// <summary>Whether nothing was heard of any computer for too long. A clinic that has none has nothing to say.</summary>
    private bool IsSilent(CheckedClinic found) => found.LastHeard is { } last && check.Now - last > check.Limits.Silent;

    private async Task FollowAsync(CheckedClinic found, Requester by, CancellationToken cancellationToken)
    {
        ClinicId id = found.Clinic.Id;
        IReadOnlyList<OpenAlert> open = await alerts.ListOpenAsync(id.Value, cancellationToken);
        List<Exception> failed = [];
        DateTimeOffset now = check.Now;
        bool silent = IsSilent(found);
        if (silent)
        {
            LogSilent(logger, id, (int)(now - found.LastHeard!.Value).TotalDays);
            string message = $"Nothing was heard of the clinic's agents since {found.LastHeard.Value.UtcDateTime:yyyy-MM-dd}, so nothing new is backed up. Run 'cloudarchive status' on the clinic's computer.";
            await TryAsync(() => alerts.RaiseAsync(new Alert(id, AlertCause.ClinicSilent, Agents, message), by, cancellationToken));
        }
        else if (open.Any(alert => alert is { Cause: AlertCause.ClinicSilent, Subject: Agents }))
        {
            await TryAsync(() => alerts.EndAsync(id, AlertCause.ClinicSilent, Agents, by, cancellationToken));
        }

        foreach (ComputerVerdict computer in found.Verdict.Computers)
        {
            // That the whole clinic is silent is one alert, and not one for each computer besides; nor is what they do not say over.
            ComputerVerdict said = IsNew(found, computer) ? computer with { Findings = [] } : silent ? WithoutSilence(computer) : computer;
            await TryAsync(() => desk.FollowAsync(id, said, found.NameOf(computer.Agent), silent ? [] : open, by, cancellationToken));
        }

        // Of computers that were revoked since.
        HashSet<string> agents = [.. found.Verdict.Computers.Select(computer => computer.Agent)];
        foreach (OpenAlert gone in open.Where(alert => VerdictAlerts.Own.Contains(alert.Cause) && AgentId.TryParse(alert.Subject, null, out _) && !agents.Contains(alert.Subject)))
        {
            await TryAsync(() => alerts.EndAsync(id, gone.Cause, gone.Subject, by, cancellationToken));
        }

        VerdictFinding? stale = found.Verdict.Findings.FirstOrDefault(finding => finding.Cause == VerdictCause.LogUnchecked);
        if (stale is not null)
        {
            string message = $"The clinic's audit log was last checked {stale.Since?.UtcDateTime:yyyy-MM-dd}: nobody knows whether it holds. Does the service's LogCheck run, and does it end? See docs/operations.md.";
            await TryAsync(() => alerts.RaiseAsync(new Alert(id, AlertCause.LogUnchecked, id.Value, message), by, cancellationToken));
        }
        else if (open.Any(alert => alert.Cause == AlertCause.LogUnchecked))
        {
            await TryAsync(() => alerts.EndAsync(id, AlertCause.LogUnchecked, id.Value, by, cancellationToken));
        }

        if (found.Verdict.Findings.FirstOrDefault(finding => finding.Cause == VerdictCause.PacksLost) is { } lost)
        {
            string message = $"{VerdictTexts.Describe(lost, now)} See docs/operations.md, \"A pack is lost\".";
            await TryAsync(() => alerts.RaiseAsync(new Alert(id, AlertCause.PackLost, PackLosses.AlertSubject, message), by, cancellationToken));
        }
        else
        {
            await TryAsync(() => alerts.EndAsync(id, AlertCause.PackLost, PackLosses.AlertSubject, by, cancellationToken));
        }

        await TryAsync(() => objectives.FollowAsync(found, silent, by, cancellationToken));
        if (open.Any(alert => alert.Cause == AlertCause.QuotaUsedUp))
        {
            await TryAsync(() => quotas.FollowAsync(found.Clinic, by, cancellationToken));
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

    private static ComputerVerdict WithoutSilence(ComputerVerdict computer)
    {
        return computer with { Findings = Others(computer.Findings), Folders = [.. computer.Folders.Select(folder => folder with { Findings = Others(folder.Findings) })] };

        static VerdictFinding[] Others(IReadOnlyList<VerdictFinding> findings) =>
            [.. findings.Where(finding => finding.Cause is not (VerdictCause.NoReport or VerdictCause.NoCompleteBackup))];
    }

    /// <summary>A computer that enrolled a moment ago and has not reported yet is not safe, and no alert either: its first backup may be under way.</summary>
    private bool IsNew(CheckedClinic found, ComputerVerdict computer) =>
        !found.Reports.ContainsKey(AgentId.Parse(computer.Agent))
        && found.Agents.First(agent => agent.Id.ToString() == computer.Agent) is var agent && check.Now - agent.EnrolledAt <= check.Limits.Silent;

    [LoggerMessage(111, LogLevel.Warning, "Clinic {Clinic} was last heard of {Days} days ago.", EventName = "ClinicSilent")]
    private static partial void LogSilent(ILogger logger, ClinicId clinic, int days);
}

/// <summary>What a look at a clinic found.</summary>
/// <param name="Clinic">The clinic.</param>
/// <param name="IsSilent">Whether its computers have all gone quiet.</param>
/// <param name="State">Whether it is safe.</param>
public sealed record WatchedClinic(ClinicId Clinic, bool IsSilent, VerdictState State);
