using System.Text.Json;
using CloudArchive.Core.Storage;
using CloudArchive.Format;

namespace CloudArchive.Core.Audit;

/// <summary>How a log was found when it was last looked at: holds, damaged, or not checked (yet, or for long).</summary>
/// <param name="CheckedAt">When it last held; null where it never did, or was not checked yet.</param>
/// <param name="Damaged">Whether a check since then found that it does not verify.</param>
public sealed record LogState(DateTimeOffset? CheckedAt, bool Damaged);

/// <summary>The last answer of the checks of each log. A check that could not be made leaves the answer as it is, and so it grows old.</summary>
public sealed class LogStates(IRowStore rows, TimeProvider clock)
{
    internal const string Partition = "$log-check";
    private const string Prefix = "log:";

    /// <summary>How a log was found.</summary>
    public async Task<LogState> FindAsync(string log, CancellationToken cancellationToken) =>
        await rows.FindAsync(RowTable.Work, Partition, Prefix + log, cancellationToken) is { } row ? new LogState(row.Time("checkedAt"), row.Flag("damaged")) : new LogState(null, false);

    /// <summary>The tree up to which a log was verified; null where it is not known.</summary>
    public Task<LogTree?> FindVerifiedAsync(string log, CancellationToken cancellationToken) => FindTreeAsync(log, "verified", cancellationToken);

    /// <summary>The tree of what was read anew this month; null where it is not known.</summary>
    public Task<LogTree?> FindRollingAsync(string log, CancellationToken cancellationToken) => FindTreeAsync(log, "rolling", cancellationToken);

    /// <summary>Notes that a log verifies as far as it was read.</summary>
    public Task NoteHoldsAsync(string log, CancellationToken cancellationToken) =>
        ChangeAsync(log, values => (values["checkedAt"], values["damaged"]) = (clock.GetUtcNow(), false), cancellationToken);

    /// <summary>Notes that a log does not verify. It stays so until it verifies again, and is read from the begin then.</summary>
    public Task NoteDamagedAsync(string log, CancellationToken cancellationToken) => ChangeAsync(
        log,
        values =>
        {
            values["damaged"] = true;
            values.Remove("verified");
            values.Remove("rolling");
        },
        cancellationToken);

    /// <summary>Notes how far it was read.</summary>
    public Task NoteTreesAsync(string log, LogTree verified, LogTree rolling, CancellationToken cancellationToken) => ChangeAsync(
        log, values => (values["verified"], values["rolling"]) = (JsonSerializer.Serialize(verified, FormatJson.Options), JsonSerializer.Serialize(rolling, FormatJson.Options)), cancellationToken);

    private async Task<LogTree?> FindTreeAsync(string log, string name, CancellationToken cancellationToken)
    {
        Row? row = await rows.FindAsync(RowTable.Work, Partition, Prefix + log, cancellationToken);
        try
        {
            return row?.Text(name) is { } json ? JsonSerializer.Deserialize<LogTree>(json, FormatJson.Options) : null;
        }
        catch (Exception e) when (DamagedRow.Is(e))
        {
            return null; // Only a mark of how far: the log is read from the begin.
        }
    }

    // Written by the job that has the log's lease, and by the checkpoint's: of two at once either may win, for the next look says it again.
    private async Task ChangeAsync(string log, Action<Dictionary<string, object>> change, CancellationToken cancellationToken)
    {
        Row? row = await rows.FindAsync(RowTable.Work, Partition, Prefix + log, cancellationToken);
        Dictionary<string, object> values = row is null ? new() { ["damaged"] = false } : new(row.Values);
        change(values);
        await rows.SubmitAsync(RowTable.Work, Partition, [new RowWrite.Upsert(Prefix + log, values)], cancellationToken);
    }
}
