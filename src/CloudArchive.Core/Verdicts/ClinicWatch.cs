using CloudArchive.Core.Alerts;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Losses;
using CloudArchive.Format;
using CloudArchive.Format.Verdicts;
using Microsoft.Extensions.Logging;

namespace CloudArchive.Core.Verdicts;

/// <summary>What a look at every clinic found.</summary>
/// <param name="Silent">Clinics whose computers have all gone quiet.</param>
/// <param name="NotSafe">Clinics that are not safe.</param>
/// <param name="Failed">Clinics that could not be looked at, or of which an alert could not be raised.</param>
public sealed record WatchResult(IReadOnlyList<ClinicId> Silent, IReadOnlyList<ClinicId> NotSafe, IReadOnlyList<ClinicId> Failed);

/// <summary>
/// Looks at every clinic, for what no report tells: computers that report no more, clinics of which nothing is heard at all, logs that nobody checks. A computer
/// that was switched off, replaced or taken away backs up nothing, and nobody notices. An agent with nothing new to send still reports, so quiet is not idle.
/// </summary>
public sealed partial class ClinicWatch(ClinicDirectory clinics, ClinicCheck check, VerdictDesk desk, AlertDesk alerts, TimeProvider clock, ILogger<ClinicWatch> logger)
{
    private const string Agents = "agents";

    /// <summary>One look. One clinic's trouble does not keep the others from theirs.</summary>
    public async Task<WatchResult> RunAsync(CancellationToken cancellationToken)
    {
        Requester by = Requester.System("clinic-watch", "watch-" + Guid.CreateVersion7(clock.GetUtcNow()).ToString("N"));
        List<ClinicId> silent = [], notSafe = [], failed = [];
        await foreach (ClinicId id in clinics.ReadAllAsync(cancellationToken))
        {
            try
            {
                if (await clinics.FindAsync(id, cancellationToken) is not { } clinic)
                {
                    continue; // Being created.
                }

                CheckedClinic found = await check.RunAsync(clinic, cancellationToken);
                if (found.Verdict.State == VerdictState.NotSafe)
                {
                    notSafe.Add(id);
                }

                if (IsSilent(found))
                {
                    silent.Add(id);
                }

                await FollowAsync(found, by, cancellationToken);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                failed.Add(id);
                LogFailed(logger, e, id);
            }
        }

        ArchiveMetrics.SilentClinics.Record(silent.Count);
        ArchiveMetrics.ClinicsNotSafe.Record(notSafe.Count);
        return new WatchResult(silent, notSafe, failed);
    }

    /// <summary>Whether nothing was heard of any computer for too long. A clinic that has none has nothing to say.</summary>
    private bool IsSilent(CheckedClinic found) => found.LastHeard is { } last && clock.GetUtcNow() - last > check.Limits.Silent;

    private async Task FollowAsync(CheckedClinic found, Requester by, CancellationToken cancellationToken)
    {
        ClinicId id = found.Clinic.Id;
        IReadOnlyList<OpenAlert> open = await alerts.ListOpenAsync(id.Value, cancellationToken);
        List<Exception> failed = [];
        DateTimeOffset now = clock.GetUtcNow();
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
        && found.Agents.First(agent => agent.Id.ToString() == computer.Agent) is var agent && clock.GetUtcNow() - agent.EnrolledAt <= check.Limits.Silent;

    [LoggerMessage(111, LogLevel.Warning, "Clinic {Clinic} was last heard of {Days} days ago.", EventName = "ClinicSilent")]
    private static partial void LogSilent(ILogger logger, ClinicId clinic, int days);

    [LoggerMessage(114, LogLevel.Error, "Clinic {Clinic} could not be looked at whole; the next look does it.")]
    private static partial void LogFailed(ILogger logger, Exception exception, ClinicId clinic);
}
