using CloudArchive.Core.Keys;
using CloudArchive.Format;
using CloudArchive.Format.Audit;

namespace CloudArchive.Core.Audit;

/// <summary>
/// Verifies a log as it lies in storage, now: every entry, its place, the tree's root, and checkpoints' signatures. The archive checks
/// itself here; who does not trust it does the same from outside (docs/verify-it-yourself.md).
/// </summary>
public sealed class AuditCheck(AuditReader reader, Checkpoints checkpoints, ISigner signer, TimeProvider clock)
{
    /// <summary>The largest log that is verified in one request; a larger one is verified from outside.</summary>
    public const long LargestLog = 50_000;

    /// <summary>What does not hold, or that everything does.</summary>
    /// <exception cref="RefusedException">The log is larger than <see cref="LargestLog"/>.</exception>
    public async Task<AuditReport> RunAsync(string log, CancellationToken cancellationToken)
    {
        TreeHead head = await reader.GetHeadAsync(log, cancellationToken);
        if (head.Size > LargestLog)
        {
            throw new RefusedException(Refusal.RequestInvalid, $"The log has {head.Size} entries, too many for one page. Verify it with: cloudarchive audit verify --live.");
        }

        List<string> entries = [];
        for (IReadOnlyList<StoredEntry>? page = null; entries.Count < head.Size && page is not { Count: 0 };)
        {
            // By position and not by count: a row that is missing shows as an entry out of its place.
            page = await reader.ReadAsync(log, page is null ? 0 : page[^1].Index + 1, AuditReader.LargestRead, cancellationToken);
            entries.AddRange(page.Where(entry => entry.Index < head.Size).Select(entry => entry.Json));
        }

        // The oldest vouch for the beginning, the last for all that it covers.
        (IReadOnlyList<string> signed, _) = await checkpoints.ListAsync(log, null, Checkpoints.LargestList, cancellationToken);
        if (await checkpoints.FindLastAsync(log, cancellationToken) is { } last && !signed.Contains(last.Jws))
        {
            signed = [.. signed, last.Jws];
        }

        return AuditVerifier.Verify(new AuditExport(entries, signed, await LeavesAsync(log, head.Size, cancellationToken), head), await signer.GetPublicKeysAsync(cancellationToken), now: clock.GetUtcNow());
    }

    private async Task<IReadOnlyList<string>?> LeavesAsync(string log, long size, CancellationToken cancellationToken)
    {
        try
        {
            return [.. (await reader.ReadLeavesAsync(log, 0, (int)size, cancellationToken)).Select(leaf => leaf.Hex)];
        }
        catch (AuditLogDamagedException)
        {
            // Only helps to say which entry was changed.
            return null;
        }
    }
}
