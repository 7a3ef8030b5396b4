using System.Text;
using CloudArchive.Core.Alerts;
using CloudArchive.Core.Losses;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Verdicts;
using Microsoft.Extensions.Logging;

namespace CloudArchive.Core.Audit;

/// <summary>How a run went.</summary>
/// <param name="Checked">Logs that were looked at.</param>
/// <param name="Damaged">Of them, those that do not verify.</param>
/// <param name="Unchecked">Of them, those of which nobody knows: they could not be read.</param>
/// <param name="Finished">False where the run stopped at its bound: the next one goes on from there.</param>
public sealed record LogCheckResult(int Checked, IReadOnlyList<string> Damaged, IReadOnlyList<string> Unchecked, bool Finished);

/// <summary>
/// Reads every log once a day, whole, and hashes its entries anew: their root must be the one that the log's last checkpoint was signed
/// over. The hourly checkpoints compare the tree's own hashes with each other; only this sees an entry that was changed beside them. And the entries that
/// receipts name must be those of their packs.
/// </summary>
public sealed partial class LogCheck(
    IRowStore rows, AuditReader reader, Checkpoints checkpoints, CommitEntries commits, AlertDesk alerts, TimeProvider clock, ILogger<LogCheck> logger)
{
    private const string CursorKey = "cursor";
    private readonly LogStates _states = new(rows, clock);

    /// <summary>A little less than a day: a pass begins at the same time every day.</summary>
    private static readonly TimeSpan s_between = TimeSpan.FromHours(23);

    /// <summary>Goes on with today's pass, or begins it, for as long as <paramref name="budget"/> allows another log; one at least.</summary>
    public async Task<LogCheckResult> RunAsync(TimeSpan budget, CancellationToken cancellationToken)
    {
        long start = clock.GetTimestamp();
        Requester by = Requester.System("log-check", "log-check-" + Guid.CreateVersion7(clock.GetUtcNow()).ToString("N"));
        Row? cursor = await rows.FindAsync(RowTable.Work, LogStates.Partition, CursorKey, cancellationToken);
        string? after = cursor?.Text("after");
        DateTimeOffset begun = cursor?.Time("begun") ?? DateTimeOffset.MinValue;
        int done = 0;
        List<string> damaged = [], unknown = [];
        if (after is null)
        {
            if (clock.GetUtcNow() - begun < s_between)
            {
                return new LogCheckResult(0, damaged, unknown, true);
            }

            begun = clock.GetUtcNow();
        }

        await foreach (string log in rows.PartitionsAsync(RowTable.Audit, cancellationToken))
        {
            if (after is not null && string.CompareOrdinal(log, after) <= 0)
            {
                continue;
            }

            if (done > 0 && clock.GetElapsedTime(start) >= budget)
            {
                return new LogCheckResult(done, damaged, unknown, false);
            }

            switch (await HoldsAsync(log, by, cancellationToken))
            {
                case false:
                    damaged.Add(log);
                    break;
                case null:
                    unknown.Add(log);
                    break;
            }

            done++;
            await SaveAsync(log, begun, cancellationToken);
        }

        await SaveAsync(null, begun, cancellationToken);
        return new LogCheckResult(done, damaged, unknown, true);
    }

    private async Task SaveAsync(string? after, DateTimeOffset begun, CancellationToken cancellationToken)
    {
        Dictionary<string, object> values = new() { ["begun"] = begun };
        if (after is not null)
        {
            values["after"] = after;
        }

        await rows.SubmitAsync(RowTable.Work, LogStates.Partition, [new RowWrite.Upsert(CursorKey, values)], cancellationToken);
    }

    /// <summary>Whether it holds; null: not checked.</summary>
    private async Task<bool?> HoldsAsync(string log, Requester by, CancellationToken cancellationToken)
    {
        try
        {
            await ReadAndVerifyAsync(log, cancellationToken);
            bool holds = !ClinicId.TryParse(log, null, out ClinicId clinic) || await HasCommitsAsync(clinic, by, cancellationToken);
            if (log == AuditEntry.SystemLog)
            {
                await alerts.EndAsync(null, AlertCause.LogUnchecked, log, by, cancellationToken);
            }

            await (holds ? _states.NoteHoldsAsync(log, cancellationToken) : _states.NoteDamagedAsync(log, cancellationToken));
            return holds;
        }
        catch (AuditLogDamagedException e)
        {
            LogDamaged(logger, e, log);
            await RaiseAsync(log, by, cancellationToken);
            await TryNoteDamagedAsync(log, cancellationToken);
            return false;
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // Storage's trouble is no damage, and no "holds" either; the log has its turn again tomorrow, and one that has none for two days is an alert.
            LogFailed(logger, e, log);
            await RaiseUncheckedAsync(log, by, cancellationToken);
            return null;
        }
    }

    /// <summary>What cannot be read as this service writes it is damage, whatever the reader stumbled over: only storage that does not answer is "not checked".</summary>
    private async Task ReadAndVerifyAsync(string log, CancellationToken cancellationToken)
    {
        try
        {
            await VerifyAsync(log, cancellationToken);
        }
        catch (Exception e) when (e is IntegrityException || DamagedRow.Is(e))
        {
            throw new AuditLogDamagedException(log, "a row of it says what cannot be", e);
        }
    }

    /// <summary>The system's own log is no clinic's, so no clinic's watch sees that it is not checked.</summary>
    private async Task RaiseUncheckedAsync(string log, Requester by, CancellationToken cancellationToken)
    {
        if (log != AuditEntry.SystemLog)
        {
            return;
        }

        try
        {
            DateTimeOffset? at = (await _states.FindAsync(log, cancellationToken)).CheckedAt;
            if (at is null || clock.GetUtcNow() - at > VerdictLimits.LogCheck)
            {
                string since = at?.UtcDateTime.ToString("yyyy-MM-dd", System.Globalization.CultureInfo.InvariantCulture) ?? "never";
                await alerts.RaiseAsync(
                    new Alert(null, AlertCause.LogUnchecked, log, $"The audit log {log} could not be read; last checked: {since}. Nobody knows whether it holds. See docs/operations.md."), by, cancellationToken);
            }
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            LogFailed(logger, e, log); // storage may be what fails
        }
    }

    /// <summary>Whether every receipt of a clinic names its own entry. For the daily pass, and for a start after a machine died.</summary>
    public async Task<bool> HasCommitsAsync(ClinicId clinic, Requester by, CancellationToken cancellationToken)
    {
        IReadOnlyList<MissingEntry> missing = await commits.FindMissingAsync(clinic, cancellationToken);
        if (missing.Count == 0)
        {
            return true;
        }

        LogEntriesMissing(logger, clinic, missing.Count, missing[0].Pack, missing[0].Index);
        string message = $"{missing.Count} receipts of clinic {clinic} name entries of its audit log that are not theirs, the first is of pack {missing[0].Pack} and entry {missing[0].Index}: the log lost entries. Follow 'When entries of commits are missing' in docs/audit.md.";
        await alerts.RaiseAsync(new Alert(clinic, AlertCause.LogDamaged, "commits", message), by, cancellationToken);
        return false;
    }

    private async Task TryNoteDamagedAsync(string log, CancellationToken cancellationToken)
    {
        try
        {
            await _states.NoteDamagedAsync(log, cancellationToken);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            LogFailed(logger, e, log);
        }
    }

    private async Task RaiseAsync(string log, Requester by, CancellationToken cancellationToken)
    {
        try
        {
            await alerts.RaiseAsync(DamagedAlert(log), by, cancellationToken);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // The critical line above must do: the system's log may be the very one that is damaged.
            LogFailed(logger, e, AuditEntry.SystemLog);
        }
    }

    /// <summary>The alert about a log. It is the system's, not the clinic's: a damaged log takes no entry about itself.</summary>
    internal static Alert DamagedAlert(string log) => new(
        null, AlertCause.LogDamaged, log, $"The audit log {log} does not verify: somebody changed it in storage. Follow 'When a log is damaged' in docs/audit.md.");

    private async Task VerifyAsync(string log, CancellationToken cancellationToken)
    {
        if (await checkpoints.FindLastAsync(log, cancellationToken) is not { } last)
        {
            return; // Nobody has vouched for it yet.
        }

        CompactRange entries = new();
        while (entries.Size < last.Statement.Size)
        {
            IReadOnlyList<StoredEntry> page = await reader.ReadAsync(log, entries.Size, AuditReader.LargestRead, cancellationToken);
            foreach (StoredEntry entry in page.TakeWhile(_ => entries.Size < last.Statement.Size))
            {
                if (entry.Index != entries.Size)
                {
                    throw new AuditLogDamagedException(log, $"entry {entries.Size} is missing");
                }

                entries.Append(Merkle.LeafHash(Encoding.UTF8.GetBytes(entry.Json)));
            }

            if (page.Count == 0)
            {
                throw new AuditLogDamagedException(log, $"it ends at entry {entries.Size}, and its last checkpoint is of {last.Statement.Size}");
            }
        }

        if (entries.Root != last.Statement.Root)
        {
            throw new AuditLogDamagedException(log, $"its first {last.Statement.Size} entries are not those that its last checkpoint was signed over");
        }
    }

    [LoggerMessage(112, LogLevel.Critical, "The audit log {Log} does not verify. See 'When a log is damaged' in docs/audit.md.", EventName = "LogDamaged")]
    private static partial void LogDamaged(ILogger logger, Exception exception, string log);

    [LoggerMessage(115, LogLevel.Critical, "{Count} receipts of clinic {Clinic} name entries of its audit log that are not theirs; the first is of pack {Pack} and entry {Index}. See 'When entries of commits are missing' in docs/audit.md.", EventName = "LogEntriesMissing")]
    private static partial void LogEntriesMissing(ILogger logger, ClinicId clinic, int count, PackId pack, long index);

    [LoggerMessage(113, LogLevel.Error, "The audit log {Log} could not be checked, or its alert not be raised.")]
    private static partial void LogFailed(ILogger logger, Exception exception, string log);
}
