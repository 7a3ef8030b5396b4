using CloudArchive.Core.Storage;
using CloudArchive.Format;

namespace CloudArchive.Core.RestoreTests;

/// <summary>
/// The right to go on with a run, in its row <c>test-open:{run}</c>: of several hosts one has it, and whoever dies with it loses it in
/// time. It saves double work; what must not happen twice is decided by the ETags of the rows that it would change.
/// </summary>
internal sealed class RestoreTestLease(IRowStore rows, ClinicId clinic, TimeProvider clock)
{
    /// <summary>Longer than one pack may take.</summary>
    public static readonly TimeSpan Length = PackTest.Patience + TimeSpan.FromMinutes(5);

    private Row _row = new("", "", Free);

    /// <summary>The values of a lease that nobody has.</summary>
    public static IReadOnlyDictionary<string, object> Free { get; } = new Dictionary<string, object>();

    /// <summary>The row as it is now: deleting it ends the run.</summary>
    public Row Row => _row;

    /// <summary>Takes it; false where somebody else has it.</summary>
    public Task<bool> TryTakeAsync(Row open, CancellationToken cancellationToken)
    {
        _row = open;
        return open.Time("until") > clock.GetUtcNow() ? Task.FromResult(false) : TryRenewAsync(cancellationToken);
    }

    /// <summary>Keeps it; false where it ran out and somebody else has it.</summary>
    public Task<bool> TryRenewAsync(CancellationToken cancellationToken) =>
        TryReplaceAsync(new Dictionary<string, object> { ["until"] = clock.GetUtcNow() + Length }, cancellationToken);

    /// <summary>Gives it back, so that the next may go on at once.</summary>
    public Task ReleaseAsync() => TryReplaceAsync(Free, CancellationToken.None);

    private async Task<bool> TryReplaceAsync(IReadOnlyDictionary<string, object> values, CancellationToken cancellationToken)
    {
        try
        {
            IReadOnlyList<string> etags = await rows.SubmitAsync(RowTable.Work, clinic.Value, [new RowWrite.Replace(_row.Key, values, _row.ETag!)], cancellationToken);
            _row = _row with { Values = values, ETag = etags[0] };
            return true;
        }
        catch (RowConflictException)
        {
            return false;
        }
    }
}
