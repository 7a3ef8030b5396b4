using CloudArchive.Core.Storage;

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

    /// <summary>Notes that a log was read whole and verifies.</summary>
    public Task NoteHoldsAsync(string log, CancellationToken cancellationToken) =>
        SaveAsync(log, new Dictionary<string, object> { ["checkedAt"] = clock.GetUtcNow(), ["damaged"] = false }, cancellationToken);

    /// <summary>Notes that a log does not verify. It stays so until it verifies again.</summary>
    public async Task NoteDamagedAsync(string log, CancellationToken cancellationToken)
    {
        Dictionary<string, object> values = new() { ["damaged"] = true };
        if ((await FindAsync(log, cancellationToken)).CheckedAt is { } at)
        {
            values["checkedAt"] = at;
        }

        await SaveAsync(log, values, cancellationToken);
    }

    private async Task SaveAsync(string log, Dictionary<string, object> values, CancellationToken cancellationToken) =>
        await rows.SubmitAsync(RowTable.Work, Partition, [new RowWrite.Upsert(Prefix + log, values)], cancellationToken);
}
