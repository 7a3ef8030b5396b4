using CloudArchive.Core.Audit;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Audit;

namespace CloudArchive.Core.Tests.Audit;

public sealed class AuditReaderTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Proofs_for_every_old_size_of_a_log_verify_against_the_roots_it_had()
    {
        (MemoryRowStore rows, List<Sha256Digest> leaves, List<Sha256Digest> roots) = await BuildAsync(600);
        AuditReader reader = new(rows);
        for (int size = 1; size <= 600; size += size is > 250 and < 260 or > 508 and < 516 ? 1 : 7)
        {
            Assert.Equal(roots[size], await reader.RootAtAsync(Events.Log, size, Cancellation));
            for (int index = size % 13; index < size; index += 13)
            {
                Assert.True((await reader.ProveInclusionAsync(Events.Log, index, size, Cancellation)).Proves(leaves[index], roots[size]), $"{index} in {size}");
            }

            for (int from = size % 11; from <= size; from += 11)
            {
                Assert.True((await reader.ProveConsistencyAsync(Events.Log, from, size, Cancellation)).Proves(roots[from], roots[size]), $"{from} to {size}");
            }
        }
    }

    [Fact]
    public async Task The_leaves_come_in_any_portion()
    {
        (MemoryRowStore rows, List<Sha256Digest> leaves, _) = await BuildAsync(600);
        AuditReader reader = new(rows);
        Assert.Equal(leaves, await reader.ReadLeavesAsync(Events.Log, 0, 10_000, Cancellation));
        Assert.Equal(leaves[250..520], await reader.ReadLeavesAsync(Events.Log, 250, 270, Cancellation));
        Assert.Equal(leaves[599..], await reader.ReadLeavesAsync(Events.Log, 599, 1, Cancellation));
        Assert.Empty(await reader.ReadLeavesAsync(Events.Log, 600, 1, Cancellation));
        Assert.Empty(await reader.ReadLeavesAsync("no-such-log", 0, 1, Cancellation));
    }

    [Fact]
    public async Task What_a_log_has_not_got_cannot_be_proved()
    {
        (MemoryRowStore rows, _, _) = await BuildAsync(5);
        AuditReader reader = new(rows);
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => reader.ProveInclusionAsync(Events.Log, 5, 5, Cancellation));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => reader.ProveInclusionAsync(Events.Log, 0, 6, Cancellation));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => reader.ProveConsistencyAsync(Events.Log, 2, 6, Cancellation));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => reader.ProveConsistencyAsync(Events.Log, 3, 2, Cancellation));
        Assert.Equal(new TreeHead(0, Merkle.EmptyRoot), await reader.GetHeadAsync("no-such-log", Cancellation));
    }

    [Fact]
    public async Task A_tile_that_was_taken_away_is_named()
    {
        (MemoryRowStore rows, _, _) = await BuildAsync(300);
        rows.Tamper(RowTable.Audit, Events.Log, "t_0_0000000000000000", null);
        AuditLogDamagedException damaged = await Assert.ThrowsAsync<AuditLogDamagedException>(() => new AuditReader(rows).ProveInclusionAsync(Events.Log, 3, 300, Cancellation));
        Assert.Contains("t_0_0000000000000000", damaged.Message, StringComparison.Ordinal);
    }

    /// <summary>Issue: an inclusion proof at 1,000,000 entries costs at most 8 table queries. Measured at its dearest places, and beyond.</summary>
    [Fact]
    public async Task A_proof_at_a_million_entries_costs_at_most_8_queries()
    {
        const int size = 1_000_000;
        MemoryRowStore rows = new();
        AuditHead head = AuditHead.From(Events.Log, null);
        CompactRange range = new();
        Dictionary<int, Sha256Digest> leaves = [];
        Dictionary<long, Sha256Digest> roots = [];
        int[] indices = [0, 1, 255, 256, 65_535, 65_536, 131_072, 524_287, 524_288, 777_777, 983_039, 983_040, 999_935, 999_936, 999_998, 999_999];
        long[] sizes = [1, 65_536, 65_537, 524_288, 600_000, 999_424, 999_935, 999_999];
        for (int i = 0; i < size; i++)
        {
            Sha256Digest leaf = Merkle.LeafHash(BitConverter.GetBytes(i));
            if (indices.Contains(i))
            {
                leaves[i] = leaf;
            }

            range.Append(leaf);
            if (sizes.Contains(i + 1))
            {
                roots[i + 1] = range.Root;
            }

            foreach (Tile tile in head.Append(leaf, default))
            {
                await rows.SubmitAsync(
                    RowTable.Audit, Events.Log,
                    [new RowWrite.Insert(AuditRows.TileKey(tile.Name), new Dictionary<string, object> { [AuditRows.Hashes] = AuditRows.Join(tile.Hashes) })], Cancellation);
            }
        }

        await rows.SubmitAsync(RowTable.Audit, Events.Log, [new RowWrite.Insert(AuditRows.HeadKey, head.ToValues())], Cancellation);
        AuditReader reader = new(rows);
        Assert.Equal(new TreeHead(size, range.Root), await reader.GetHeadAsync(Events.Log, Cancellation));

        int most = 0;
        foreach (int index in indices)
        {
            int before = rows.Reads;
            Assert.True((await reader.ProveInclusionAsync(Events.Log, index, size, Cancellation)).Proves(leaves[index], range.Root), $"{index}");
            most = Math.Max(most, rows.Reads - before);
        }

        foreach (long from in sizes)
        {
            int before = rows.Reads;
            Assert.True((await reader.ProveConsistencyAsync(Events.Log, from, size, Cancellation)).Proves(roots[from], range.Root), $"{from}");
            most = Math.Max(most, rows.Reads - before);
            before = rows.Reads;
            Assert.True((await reader.ProveInclusionAsync(Events.Log, 0, from, Cancellation)).Proves(leaves[0], roots[from]), $"0 in {from}");
            most = Math.Max(most, rows.Reads - before);
        }

        TestContext.Current.TestOutputHelper?.WriteLine($"At most {most} queries.");
        Assert.InRange(most, 2, 8);
    }

    private static async Task<(MemoryRowStore Rows, List<Sha256Digest> Leaves, List<Sha256Digest> Roots)> BuildAsync(int size)
    {
        MemoryRowStore rows = new();
        AuditLog log = new(rows, TimeProvider.System);
        await Task.WhenAll(Enumerable.Range(0, size).Select(i => log.AppendAsync(Events.Make(i), Cancellation)));
        List<Sha256Digest> leaves = [], roots = [Merkle.EmptyRoot];
        CompactRange range = new();
        foreach (StoredEntry entry in await new AuditReader(rows).ReadAsync(Events.Log, 0, 1000, Cancellation))
        {
            leaves.Add(Merkle.LeafHash(System.Text.Encoding.UTF8.GetBytes(entry.Json)));
            range.Append(leaves[^1]);
            roots.Add(range.Root);
        }

        Assert.Equal(size, leaves.Count);
        return (rows, leaves, roots);
    }
}
