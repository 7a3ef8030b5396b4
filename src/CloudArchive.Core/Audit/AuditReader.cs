using System.Text.Json;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Audit;

/// <summary>An entry as it lies in storage: nothing about it has been checked.</summary>
/// <param name="Index">Its row's place.</param>
/// <param name="Json">Its row's text: canonical JSON, if nobody changed it.</param>
public sealed record StoredEntry(long Index, string Json)
{
    /// <summary>The entry; null of what somebody made unreadable, which the check of the log tells of.</summary>
    public AuditEntry? TryRead()
    {
        try
        {
            return JsonSerializer.Deserialize<AuditEntry>(Json, FormatJson.Options);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}

/// <summary>Reads logs: entries, heads, proofs. A proof at a million entries costs about six reads of the table.</summary>
public sealed class AuditReader(IRowStore rows)
{
    /// <summary>How many entries one query gives at most.</summary>
    public const int LargestRead = 1000;

    private const int EntriesAtOnce = 100;

    /// <summary>The log's head; of an empty log where there is none.</summary>
    public async Task<TreeHead> GetHeadAsync(string log, CancellationToken cancellationToken)
    {
        AuditHead head = await ReadHeadAsync(log, cancellationToken);
        return new TreeHead(head.Size, head.Root);
    }

    /// <summary>
    /// Entries from <paramref name="from"/> on, as they lie in storage, whatever the head says: a row that is missing is missing here, and one
    /// that nobody appended is here too. A reader is to see what an attacker did.
    /// </summary>
    public async Task<IReadOnlyList<StoredEntry>> ReadAsync(string log, long from, int take, CancellationToken cancellationToken)
    {
        IReadOnlyList<Row> found = await rows.QueryAsync(
            RowTable.Audit, AuditRows.Partition(log), AuditRows.EntryKey(from), AuditRows.EntriesEnd, Math.Clamp(take, 1, LargestRead), cancellationToken);
        return [.. found.Select(row => Read(log, row))];
    }

    /// <summary>Whether an event with this <see cref="AuditEvent.Once"/> was appended.</summary>
    public async Task<bool> HasOnceAsync(string log, string once, CancellationToken cancellationToken) =>
        await rows.FindAsync(RowTable.Audit, AuditRows.Partition(log), AuditRows.OnceKey(once), cancellationToken) is not null;

    /// <summary>A row among the entries that is none is damage, and not a reader's trouble: whoever plants one must not keep the log from being checked.</summary>
    private static StoredEntry Read(string log, Row row) =>
        AuditRows.TryParseIndex(row.Key) is { } index
            ? new StoredEntry(index, row.Values.GetValueOrDefault(AuditRows.Json) as string ?? "")
            : throw new AuditLogDamagedException(log, $"row {row.Key} among its entries is none that this service wrote");

    /// <summary>The leaves' hashes as the tiles have them: with them a reader whose root does not fit can say which entry was changed.</summary>
    public async Task<IReadOnlyList<Sha256Digest>> ReadLeavesAsync(string log, long from, int take, CancellationToken cancellationToken)
    {
        Nodes nodes = await NodesAsync(log, cancellationToken);
        long end = Math.Min(nodes.Head.Size, from + take);
        for (long leaf = from; leaf < end; leaf += Tile.Width)
        {
            await nodes.LoadAsync(new MerkleNode(0, leaf), cancellationToken);
        }

        await nodes.LoadAsync(new MerkleNode(0, Math.Max(end - 1, 0)), cancellationToken);
        List<Sha256Digest> leaves = [];
        for (long leaf = from; leaf < end; leaf++)
        {
            leaves.Add(nodes.Hash(new MerkleNode(0, leaf)));
        }

        return leaves;
    }

    /// <summary>The root of the first <paramref name="size"/> entries.</summary>
    public async Task<Sha256Digest> RootAtAsync(string log, long size, CancellationToken cancellationToken) =>
        size == 0 ? Merkle.EmptyRoot : (await HashAsync(log, size, [new LeafRange(0, size)], cancellationToken))[0];

    /// <summary>The tree of the first <paramref name="size"/> entries, to be gone on with.</summary>
    public async Task<CompactRange> RangeAtAsync(string log, long size, CancellationToken cancellationToken)
    {
        Nodes nodes = await NodesAsync(log, cancellationToken);
        MerkleNode[] subtrees = [.. new LeafRange(0, size).Subtrees()];
        foreach (MerkleNode node in subtrees)
        {
            await nodes.LoadAsync(node, cancellationToken);
        }

        return new CompactRange(size, [.. subtrees.Select(nodes.Hash)]);
    }

    /// <summary>That the entry <paramref name="index"/> is among the first <paramref name="size"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The log has no such entry, or no such size yet.</exception>
    public async Task<InclusionProof> ProveInclusionAsync(string log, long index, long size, CancellationToken cancellationToken) =>
        new(index, size, await HashAsync(log, size, InclusionProof.Plan(index, size), cancellationToken));

    /// <summary>For each index the entry, where it is one of a commit, and the proof that it is among the first <paramref name="size"/>; the tree's tiles are read once for all.</summary>
    public async Task<IReadOnlyList<CommitEntryResponse>> ReadCommitsAsync(string log, IReadOnlyList<long> indexes, long size, CancellationToken cancellationToken)
    {
        Nodes nodes = await NodesAsync(log, cancellationToken);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(size, nodes.Head.Size);
        Dictionary<long, StoredEntry> entries = [];
        foreach (long index in indexes.Distinct().Order())
        {
            // As a rule receipts lie close together: one query for many.
            if (!entries.ContainsKey(index))
            {
                foreach (StoredEntry stored in await ReadAsync(log, index, EntriesAtOnce, cancellationToken))
                {
                    entries[stored.Index] = stored;
                }
            }
        }

        List<CommitEntryResponse> commits = [];
        foreach (long index in indexes)
        {
            IReadOnlyList<LeafRange> plan = InclusionProof.Plan(index, size);
            foreach (MerkleNode node in plan.SelectMany(range => range.Subtrees()))
            {
                await nodes.LoadAsync(node, cancellationToken);
            }

            string? json = entries.TryGetValue(index, out StoredEntry? stored) && stored.TryRead() is { Action: AuditActions.PackCommitted or AuditActions.PackReentered } ? stored.Json : null;
            commits.Add(new CommitEntryResponse(index, json, new InclusionProof(index, size, MerklePlan.Hash(plan, nodes.Hash))));
        }

        return commits;
    }

    /// <summary>That the first <paramref name="from"/> entries are the beginning of the first <paramref name="to"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The log has no such size yet, or <paramref name="to"/> is the smaller.</exception>
    public async Task<ConsistencyProof> ProveConsistencyAsync(string log, long from, long to, CancellationToken cancellationToken) =>
        new(from, to, await HashAsync(log, to, ConsistencyProof.Plan(from, to), cancellationToken));

    private async Task<IReadOnlyList<Sha256Digest>> HashAsync(string log, long size, IReadOnlyList<LeafRange> plan, CancellationToken cancellationToken)
    {
        Nodes nodes = await NodesAsync(log, cancellationToken);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(size, nodes.Head.Size);
        foreach (MerkleNode node in plan.SelectMany(range => range.Subtrees()))
        {
            await nodes.LoadAsync(node, cancellationToken);
        }

        return MerklePlan.Hash(plan, nodes.Hash);
    }

    private async Task<AuditHead> ReadHeadAsync(string log, CancellationToken cancellationToken) =>
        AuditHead.From(log, await rows.FindAsync(RowTable.Audit, AuditRows.Partition(log), AuditRows.HeadKey, cancellationToken));

    private async Task<Nodes> NodesAsync(string log, CancellationToken cancellationToken) => new(rows, log, await ReadHeadAsync(log, cancellationToken));

    /// <summary>The tree's nodes, out of the head and such tiles as were loaded.</summary>
    private sealed class Nodes(IRowStore rows, string log, AuditHead head)
    {
        private readonly Dictionary<TileName, Tile> _tiles = [];

        public AuditHead Head => head;

        public Sha256Digest Hash(MerkleNode node) => _tiles[Tile.Of(node)].Node(node);

        /// <summary>One query for a complete tile that was not loaded yet, else none.</summary>
        public async Task LoadAsync(MerkleNode node, CancellationToken cancellationToken)
        {
            TileName name = Tile.Of(node);
            if (!_tiles.ContainsKey(name))
            {
                _tiles[name] = head.Incomplete(name) ?? await ReadAsync(name, cancellationToken);
            }
        }

        private async Task<Tile> ReadAsync(TileName name, CancellationToken cancellationToken)
        {
            Row? row = await rows.FindAsync(RowTable.Audit, AuditRows.Partition(log), AuditRows.TileKey(name), cancellationToken);
            IReadOnlyList<Sha256Digest> hashes = AuditRows.Split(row?.Bytes(AuditRows.Hashes));
            return hashes.Count == Tile.Width ? new Tile(name, hashes) : throw new AuditLogDamagedException(log, $"tile {AuditRows.TileKey(name)} is missing or incomplete");
        }
    }
}
