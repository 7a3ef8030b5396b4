using System.Globalization;
using System.Text;
using CloudArchive.Cli.Service;
using CloudArchive.Cli.State;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Audit;

/// <summary>
/// Checks that the entries of the audit log that this computer's receipts name are the entries of their packs, each with its proof under a checkpoint.
/// Once proven is proven for good: the next checkpoints continue this one (<see cref="Witness"/>). A log that lost entries and went on continues what was
/// seen, and has others where the receipts point.
/// </summary>
public sealed class ReceiptEntries(ArchiveClient client, AgentState state)
{
    /// <summary>So many are checked at once; a computer with more is through after some runs. The newest first.</summary>
    private const int MostAtOnce = 1000;
    private const int PerRequest = 100;

    /// <summary>A checkpoint that was made so long after a receipt covers its entry, whatever the clocks of the service's hosts say.</summary>
    private static readonly TimeSpan s_skew = TimeSpan.FromHours(1);

    /// <summary>Checks what was not proven yet against a checkpoint that was checked.</summary>
    /// <exception cref="LogAlarmException">A receipt names an entry that is another's, or that the log does not have.</exception>
    public async Task CheckAsync(Checkpoint now, CancellationToken cancellationToken)
    {
        List<UnprovenReceipt> wrong = [];
        int looked = 0;
        foreach (UnprovenReceipt[] some in state.UnprovenReceipts(MostAtOnce).Chunk(PerRequest))
        {
            // What no checkpoint covers yet waits for the next one.
            UnprovenReceipt[] due = [.. some.Where(receipt => receipt.Receipt.AuditIndex < now.Size || receipt.Receipt.IssuedAt + s_skew < now.Time)];
            HashSet<PackId> proven = await ProveAsync(now, due, receipt => receipt.Receipt.AuditIndex, cancellationToken);

            // Where the log lost the entry, another may say so.
            proven.UnionWith(await ProveAsync(now, [.. due.Where(receipt => !proven.Contains(receipt.Receipt.Pack))], receipt => receipt.Reentered, cancellationToken));
            state.NoteInLog(proven);
            wrong.AddRange(due.Where(receipt => !proven.Contains(receipt.Receipt.Pack)));
            looked += due.Length;
        }

        if (wrong.Count > 0)
        {
            throw Witness.Alarm(
                now.Log,
                $"{wrong.Count} of {looked} receipts of this computer name entries that are not of their packs, such as that of pack {wrong[0].Receipt.Pack}, which names entry {wrong[0].Receipt.AuditIndex} of {now.Size}");
        }
    }

    private async Task<HashSet<PackId>> ProveAsync(Checkpoint now, IReadOnlyList<UnprovenReceipt> receipts, Func<UnprovenReceipt, long?> entryOf, CancellationToken cancellationToken)
    {
        (Receipt Receipt, long Index)[] asked = [.. receipts.Where(receipt => entryOf(receipt) < now.Size).Select(receipt => (receipt.Receipt, entryOf(receipt)!.Value))];
        if (asked.Length == 0)
        {
            return [];
        }

        string indexes = string.Concat(asked.Select(one => string.Create(CultureInfo.InvariantCulture, $"&index={one.Index}")));
        CommitEntryResponse[] answer = await client.GetAsync<CommitEntryResponse[]>($"{LogPath.Of(now.Log)}/commits?size={now.Size.ToString(CultureInfo.InvariantCulture)}{indexes}", cancellationToken);
        return
        [
            .. asked.Zip(answer)
                .Where(pair => pair.Second.Index == pair.First.Index && pair.Second.Entry is { } json && Proves(pair.Second, json, now) && CommitEntry.IsOf(pair.First.Receipt, pair.First.Index, json))
                .Select(pair => pair.First.Receipt.Pack),
        ];
    }

    private static bool Proves(CommitEntryResponse answer, string json, Checkpoint now) =>
        answer.Proof.Index == answer.Index && answer.Proof.Size == now.Size && answer.Proof.Proves(Merkle.LeafHash(Encoding.UTF8.GetBytes(json)), now.Root);
}
