using System.Text;
using System.Text.Json;
using CloudArchive.Core.Alerts;
using CloudArchive.Core.Losses;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Work;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Verdicts;
using Microsoft.Extensions.Logging;

namespace CloudArchive.Core.Audit;

/// <summary>What a check of a log found.</summary>
/// <param name="Holds">Whether it verifies; null: not checked.</param>
/// <param name="Next">Where the next slice goes on; null where this one came to the end of today's part.</param>
public sealed record LogCheckResult(bool? Holds, LogPass? Next);

/// <summary>
/// Reads logs and hashes their entries anew: their root must be the one that the log's last checkpoint was signed over. The hourly checkpoints compare
/// the tree's own hashes with each other; only this sees an entry that was changed beside them. And the entries that receipts name must be those of their
/// packs. A log is read whole every day; one of more than <see cref="EntriesOfDay"/> entries in a month, and what is new in it every day.
/// </summary>
public sealed partial class LogCheck(
    AuditReader reader, Checkpoints checkpoints, CommitEntries commits, AlertDesk alerts, LogStates states, TimeProvider clock, ILogger<LogCheck> logger) : IWork
{
    /// <summary>Of a larger log a thirtieth is read anew a day, and at least so many entries: 100 queries.</summary>
    public const int EntriesOfDay = 100_000;

    private const int Days = 30;

    /// <inheritdoc/>
    public async Task<SliceEnd> RunAsync(Slice slice, CancellationToken cancellationToken)
    {
        LogPass? pass = slice.Cursor is { } cursor ? JsonSerializer.Deserialize<LogPass>(cursor, FormatJson.Options) : null;
        LogCheckResult result = await RunAsync(slice.Scope, pass, Job.Budget, slice.By, cancellationToken);
        return result.Next is { } next ? SliceEnd.More(JsonSerializer.Serialize(next, FormatJson.Options)) : SliceEnd.Finished(result.Holds == true ? 0 : 1);
    }

    /// <summary>Goes on with a log's part of today, or begins it, for about <paramref name="budget"/>.</summary>
    public async Task<LogCheckResult> RunAsync(string log, LogPass? pass, TimeSpan budget, Requester by, CancellationToken cancellationToken)
    {
        long start = clock.GetTimestamp();
        try
        {
            if (await ReadAndVerifyAsync(log, pass, () => clock.GetElapsedTime(start) < budget, cancellationToken) is { } next)
            {
                return new LogCheckResult(null, next);
            }

            bool holds = !ClinicId.TryParse(log, null, out ClinicId clinic) || await HasCommitsAsync(clinic, by, cancellationToken);
            if (log == AuditEntry.SystemLog)
            {
                await alerts.EndAsync(null, AlertCause.LogUnchecked, log, by, cancellationToken);
            }

            await (holds ? states.NoteHoldsAsync(log, cancellationToken) : states.NoteDamagedAsync(log, cancellationToken));
            return new LogCheckResult(holds, null);
        }
        catch (AuditLogDamagedException e)
        {
            LogDamaged(logger, e, log);
            await RaiseAsync(log, by, cancellationToken);
            await TryNoteDamagedAsync(log, cancellationToken);
            return new LogCheckResult(false, null);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // Storage's trouble is no damage, and no "holds" either; the log has its turn again tomorrow, and one that has none for two days is an alert.
            LogFailed(logger, e, log);
            await RaiseUncheckedAsync(log, by, cancellationToken);
            return new LogCheckResult(null, null);
        }
    }

    /// <summary>What cannot be read as this service writes it is damage, whatever the reader stumbled over: only storage that does not answer is "not checked".</summary>
    private async Task<LogPass?> ReadAndVerifyAsync(string log, LogPass? pass, Func<bool> mayGoOn, CancellationToken cancellationToken)
    {
        try
        {
            return await VerifyAsync(log, pass, mayGoOn, cancellationToken);
        }
        catch (Exception e) when (e is IntegrityException || DamagedRow.Is(e))
        {
            throw new AuditLogDamagedException(log, "a row of it says what cannot be", e);
        }
    }

    /// <summary>Null where today's part is through.</summary>
    private async Task<LogPass?> VerifyAsync(string log, LogPass? pass, Func<bool> mayGoOn, CancellationToken cancellationToken)
    {
        if (await checkpoints.FindLastAsync(log, cancellationToken) is not { } last)
        {
            return null; // Nobody has vouched for it yet.
        }

        long size = last.Statement.Size;
        if (pass is null)
        {
            LogTree verified = await states.FindVerifiedAsync(log, cancellationToken) ?? LogTree.Empty, rolling = await states.FindRollingAsync(log, cancellationToken) ?? LogTree.Empty;
            long part = Math.Max(EntriesOfDay, (size + Days - 1) / Days);

            // What was verified is not believed for long: a log that is small enough is read whole, and of a larger one its part of the month.
            bool whole = size <= part || verified.Size > size;
            pass = new LogPass(whole ? LogTree.Empty : verified, whole || rolling.Size > size ? LogTree.Empty : rolling, 0, whole ? 0 : part);
        }

        (pass, bool through) = await ExtendAsync(log, pass, last.Statement, mayGoOn, cancellationToken);
        if (!through)
        {
            return pass;
        }

        await states.NoteTreesAsync(log, pass.New, pass.Rolling.Size == size ? LogTree.Empty : pass.Rolling, cancellationToken);
        return null;
    }

    /// <summary>First what is new, then today's part of what is old.</summary>
    private async Task<(LogPass Pass, bool Through)> ExtendAsync(string log, LogPass pass, Checkpoint last, Func<bool> mayGoOn, CancellationToken cancellationToken)
    {
        CompactRange entries = pass.New.ToRange();
        while (entries.Size < last.Size)
        {
            await ReadAsync(log, entries, last.Size, cancellationToken);
            pass = pass with { New = LogTree.Of(entries) };
            if (!mayGoOn())
            {
                return (pass, false);
            }
        }

        Check(log, entries, last);
        CompactRange again = pass.Rolling.ToRange();
        while (pass.Read < pass.Part && again.Size < last.Size)
        {
            long before = again.Size;
            await ReadAsync(log, again, last.Size, cancellationToken);
            pass = pass with { Rolling = LogTree.Of(again), Read = pass.Read + again.Size - before };
            if (again.Size == last.Size)
            {
                Check(log, again, last);
            }

            if (!mayGoOn())
            {
                return (pass, false);
            }
        }

        return (pass, true);
    }

    /// <summary>Appends a page of entries.</summary>
    private async Task ReadAsync(string log, CompactRange entries, long size, CancellationToken cancellationToken)
    {
        IReadOnlyList<StoredEntry> page = await reader.ReadAsync(log, entries.Size, AuditReader.LargestRead, cancellationToken);
        foreach (StoredEntry entry in page.TakeWhile(_ => entries.Size < size))
        {
            if (entry.Index != entries.Size)
            {
                throw new AuditLogDamagedException(log, $"entry {entries.Size} is missing");
            }

            entries.Append(Merkle.LeafHash(Encoding.UTF8.GetBytes(entry.Json)));
        }

        if (page.Count == 0)
        {
            throw new AuditLogDamagedException(log, $"it ends at entry {entries.Size}, and its last checkpoint is of {size}");
        }
    }

    private static void Check(string log, CompactRange entries, Checkpoint last)
    {
        if (entries.Root != last.Root)
        {
            throw new AuditLogDamagedException(log, $"its first {last.Size} entries are not those that its last checkpoint was signed over");
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
            DateTimeOffset? at = (await states.FindAsync(log, cancellationToken)).CheckedAt;
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
            await states.NoteDamagedAsync(log, cancellationToken);
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

    [LoggerMessage(112, LogLevel.Critical, "The audit log {Log} does not verify. See 'When a log is damaged' in docs/audit.md.", EventName = "LogDamaged")]
    private static partial void LogDamaged(ILogger logger, Exception exception, string log);

    [LoggerMessage(115, LogLevel.Critical, "{Count} receipts of clinic {Clinic} name entries of its audit log that are not theirs; the first is of pack {Pack} and entry {Index}. See 'When entries of commits are missing' in docs/audit.md.", EventName = "LogEntriesMissing")]
    private static partial void LogEntriesMissing(ILogger logger, ClinicId clinic, int count, PackId pack, long index);

    [LoggerMessage(113, LogLevel.Error, "The audit log {Log} could not be checked, or its alert not be raised.")]
    private static partial void LogFailed(ILogger logger, Exception exception, string log);
}

/// <summary>How far a check of a log is.</summary>
/// <param name="New">The tree of what was verified before, and of what is new.</param>
/// <param name="Rolling">The tree of what was read anew this month; empty where the whole is read every day.</param>
/// <param name="Read">How much of that was read today.</param>
/// <param name="Part">How much is to be.</param>
public sealed record LogPass(LogTree New, LogTree Rolling, long Read, long Part);

/// <summary>A Merkle tree over a log's first entries, as it is saved.</summary>
/// <param name="Size">How many entries.</param>
/// <param name="Subtrees">Its perfect subtrees' roots.</param>
public sealed record LogTree(long Size, IReadOnlyList<Sha256Digest> Subtrees)
{
    /// <summary>Of none.</summary>
    public static LogTree Empty { get; } = new(0, []);

    /// <summary>As it stands.</summary>
    public static LogTree Of(CompactRange range) => new(range.Size, [.. range.Subtrees]);

    /// <summary>To go on with.</summary>
    public CompactRange ToRange() => new(Size, Subtrees);
}
