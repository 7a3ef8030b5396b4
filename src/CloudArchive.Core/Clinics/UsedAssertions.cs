using System.Globalization;
using System.Text;
using CloudArchive.Core.Storage;
using CloudArchive.Format;

namespace CloudArchive.Core.Clinics;

/// <summary>
/// The client assertions that were used, so that none works twice (RFC 7523 §3). A row each, in <see cref="RowTable.Work"/>, until the
/// assertion has expired and would not pass anyway.
/// </summary>
public sealed class UsedAssertions(IRowStore rows, TimeProvider clock)
{
    private const string Partition = "$jti";

    /// <summary>Uses an assertion up; false where it was used before.</summary>
    public async Task<bool> TryUseAsync(AgentId agent, string jti, DateTimeOffset expires, CancellationToken cancellationToken)
    {
        // By expiry first, so that sweeping is a range; the jti is hashed, so that it cannot hold what a key must not.
        string key = $"{Prefix(expires)}:{Sha256Digest.Of(Encoding.UTF8.GetBytes($"{agent} {jti}"))}";
        try
        {
            await rows.SubmitAsync(RowTable.Work, Partition, [new RowWrite.Insert(key, new Dictionary<string, object>())], cancellationToken);
            return true;
        }
        catch (RowConflictException)
        {
            return false;
        }
    }

    /// <summary>Forgets what expired a good while ago, at most 1000; returns how many.</summary>
    public async Task<int> SweepAsync(CancellationToken cancellationToken)
    {
        string to = Prefix(clock.GetUtcNow() - TimeSpan.FromMinutes(10));
        IReadOnlyList<Row> expired = await rows.QueryAsync(RowTable.Work, Partition, "0", to, RowStoreExtensions.MostRows, cancellationToken);
        foreach (Row[] batch in expired.Chunk(100))
        {
            await rows.DeleteUnchangedAsync(RowTable.Work, Partition, batch, cancellationToken);
        }

        return expired.Count;
    }

    private static string Prefix(DateTimeOffset time) => time.ToUnixTimeSeconds().ToString("d12", CultureInfo.InvariantCulture);
}
