using System.Globalization;
using CloudArchive.Core.Storage;

namespace CloudArchive.Contracts;

/// <summary>What every <see cref="IRowStore"/> guarantees.</summary>
public abstract class RowStoreContract
{
    private const RowTable Table = RowTable.Work;

    private static int s_partitions;

    // Each test has a partition of its own; the store is shared.
    private readonly string _partition = string.Create(CultureInfo.InvariantCulture, $"p{Interlocked.Increment(ref s_partitions):d6}");

    /// <summary>Unique to a test and the order in which tests began.</summary>
    protected string Partition => _partition;

    /// <summary>The store under test, ready.</summary>
    protected abstract IRowStore Rows { get; }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static Dictionary<string, object> Values(long number) => new() { ["Number"] = number };

    private async Task<string> InsertAsync(string key, long number = 1) => (await Rows.SubmitAsync(Table, _partition, [new RowWrite.Insert(key, Values(number))], Cancel))[0];

    [Fact]
    public async Task Making_the_tables_ready_twice_is_harmless()
    {
        await InsertAsync("a");
        await Rows.EnsureReadyAsync(Cancel);
        Assert.NotNull(await Rows.FindAsync(Table, _partition, "a", Cancel));
    }

    [Fact]
    public async Task A_row_that_is_not_there_is_null()
    {
        Assert.Null(await Rows.FindAsync(Table, _partition, "nothing", Cancel));
        Assert.Empty(await Rows.QueryAsync(Table, _partition, "", "~", 10, Cancel));
    }

    [Fact]
    public async Task Every_type_of_value_comes_back_as_it_was()
    {
        byte[] bytes = new byte[64 * 1024];
        for (int i = 0; i < bytes.Length; i++)
        {
            bytes[i] = (byte)(i * 31);
        }

        Dictionary<string, object> values = new()
        {
            ["Text"] = "Grüße, 日本 \"quoted\" 'single' <xml> & \\ / \n\t",
            ["Empty"] = "",
            ["Long"] = new string('x', 32 * 1024),
            ["Small"] = 7L,
            ["Max"] = long.MaxValue,
            ["Min"] = long.MinValue,
            ["Yes"] = true,
            ["No"] = false,
            ["Time"] = new DateTimeOffset(2026, 2, 28, 23, 59, 59, TimeSpan.Zero).AddTicks(1234567),
            ["Early"] = new DateTimeOffset(1900, 1, 1, 0, 0, 0, TimeSpan.Zero),
            ["Bytes"] = bytes,
            ["NoBytes"] = Array.Empty<byte>(),
        };
        await Rows.SubmitAsync(Table, _partition, [new RowWrite.Insert("row", values)], Cancel);
        Row row = (await Rows.FindAsync(Table, _partition, "row", Cancel))!;
        Assert.Equal((_partition, "row"), (row.Partition, row.Key));
        Assert.Equal(values.OrderBy(v => v.Key), row.Values.OrderBy(v => v.Key));
        Row queried = Assert.Single(await Rows.QueryAsync(Table, _partition, "row", "row~", 10, Cancel));
        Assert.Equal(values.OrderBy(v => v.Key), queried.Values.OrderBy(v => v.Key));
        Assert.Equal(row.ETag, queried.ETag);
    }

    [Fact]
    public async Task A_time_of_another_offset_is_the_same_instant()
    {
        DateTimeOffset time = new(2026, 3, 1, 1, 30, 0, TimeSpan.FromHours(5.5));
        await Rows.SubmitAsync(Table, _partition, [new RowWrite.Insert("row", new Dictionary<string, object> { ["Time"] = time })], Cancel);
        Assert.Equal(time, (await Rows.FindAsync(Table, _partition, "row", Cancel))!.Time("Time"));
    }

    [Fact]
    public async Task A_mebibyte_fits_in_a_row_and_four_in_a_transaction()
    {
        byte[] block = new byte[60 * 1024];
        Dictionary<string, object> values = Enumerable.Range(0, 16).ToDictionary(i => $"Block{i}", _ => (object)block);
        await Rows.SubmitAsync(Table, _partition, [new RowWrite.Insert("a", values), new RowWrite.Insert("b", values), new RowWrite.Insert("c", values)], Cancel);
        Assert.Equal(block, (await Rows.FindAsync(Table, _partition, "c", Cancel))!.Bytes("Block15"));
    }

    [Theory]
    [InlineData("with space")]
    [InlineData("quote'and''more")]
    [InlineData("a+b&c=d;e,f")]
    [InlineData("(paren)[bracket]{brace}")]
    [InlineData("$!*~@:^`|<>\"")]
    [InlineData(".")]
    [InlineData("1.2.840.10008.1.1")]
    public async Task A_key_of_any_allowed_character_names_one_row(string key)
    {
        string partition = _partition + key;
        IReadOnlyList<string> tags = await Rows.SubmitAsync(Table, partition, [new RowWrite.Insert(key, Values(1))], Cancel);
        tags = await Rows.SubmitAsync(Table, partition, [new RowWrite.Replace(key, Values(2), tags[0])], Cancel);
        Row row = (await Rows.FindAsync(Table, partition, key, Cancel))!;
        Assert.Equal((partition, key, 2L, tags[0]), (row.Partition, row.Key, row.Number("Number"), row.ETag));
        Assert.Equal([key], (await Rows.QueryAsync(Table, partition, key, key + "~", 5, Cancel)).Select(r => r.Key));
        await Rows.SubmitAsync(Table, partition, [new RowWrite.Delete(key, tags[0])], Cancel);
        Assert.Null(await Rows.FindAsync(Table, partition, key, Cancel));
    }

    [Theory]
    [InlineData("")]
    [InlineData("a/b")]
    [InlineData("a\\b")]
    [InlineData("a#b")]
    [InlineData("a?b")]
    [InlineData("a%b")]
    [InlineData("a\tb")]
    [InlineData("ü")]
    public async Task A_key_of_any_other_character_is_refused(string key)
    {
        await Assert.ThrowsAsync<ArgumentException>(() => Rows.FindAsync(Table, _partition, key, Cancel));
        await Assert.ThrowsAsync<ArgumentException>(() => Rows.FindAsync(Table, key, "a", Cancel));
        await Assert.ThrowsAsync<ArgumentException>(() => InsertAsync(key));
    }

    [Fact]
    public async Task Keys_differ_by_case()
    {
        await InsertAsync("Key", 1);
        await InsertAsync("key", 2);
        Assert.Equal(1, (await Rows.FindAsync(Table, _partition, "Key", Cancel))!.Number("Number"));
        Assert.Equal(2, (await Rows.FindAsync(Table, _partition, "key", Cancel))!.Number("Number"));
    }

    [Fact]
    public async Task A_query_gives_rows_in_ordinal_order_from_the_first_bound_up_to_the_second()
    {
        string[] keys = ["b", "a", "B", "-", "10", "2", "a-", "a0", "aa", "_", "Z", "~"];
        foreach (string key in keys)
        {
            await InsertAsync(key);
        }

        string[] sorted = [.. keys.Order(StringComparer.Ordinal)];
        Assert.Equal(sorted, (await Rows.QueryAsync(Table, _partition, "", "\uffff", 100, Cancel)).Select(r => r.Key));
        Assert.Equal(["a", "a-", "a0", "aa"], (await Rows.QueryAsync(Table, _partition, "a", "b", 100, Cancel)).Select(r => r.Key));
        Assert.Equal(sorted[..5], (await Rows.QueryAsync(Table, _partition, "", "\uffff", 5, Cancel)).Select(r => r.Key));
        Assert.Empty(await Rows.QueryAsync(Table, _partition, "b", "a", 100, Cancel));
        Assert.Empty(await Rows.QueryAsync(Table, _partition, "a", "b", 0, Cancel));
    }

    [Fact]
    public async Task A_query_takes_more_than_a_page_and_stays_in_its_partition()
    {
        const int count = 1150;
        string[] keys = [.. Enumerable.Range(0, count).Select(i => i.ToString("d6", CultureInfo.InvariantCulture))];
        foreach (string[] chunk in keys.Reverse().Chunk(100))
        {
            await Rows.SubmitAsync(Table, _partition, [.. chunk.Select(key => new RowWrite.Insert(key, Values(1)))], Cancel);
            await Rows.SubmitAsync(Table, _partition + "-other", [.. chunk.Select(key => new RowWrite.Insert(key, Values(2)))], Cancel);
        }

        IReadOnlyList<Row> rows = await Rows.QueryAsync(Table, _partition, "", "~", 1100, Cancel);
        Assert.Equal(keys.Take(1100), rows.Select(r => r.Key));
        Assert.All(rows, row => Assert.Equal(1, row.Number("Number")));
        Assert.Equal(count, (await Rows.QueryAsync(Table, _partition, "", "~", 5000, Cancel)).Count);
    }

    [Fact]
    public async Task Partitions_come_once_each_in_order()
    {
        string[] names = [_partition + "b", _partition + "a", _partition + "B", _partition + "a-1"];
        foreach (string name in names)
        {
            await Rows.SubmitAsync(RowTable.Clinics, name, [new RowWrite.Insert("x", Values(1)), new RowWrite.Insert("y", Values(1))], Cancel);
        }

        List<string> found = await Rows.PartitionsAsync(RowTable.Clinics, Cancel).Where(p => p.StartsWith(_partition, StringComparison.Ordinal)).ToListAsync(Cancel);
        Assert.Equal(names.Order(StringComparer.Ordinal), found);
    }

    [Fact]
    public async Task An_insert_over_a_row_conflicts_and_leaves_it()
    {
        await InsertAsync("taken", 1);
        RowConflictException e = await Assert.ThrowsAsync<RowConflictException>(() => InsertAsync("taken", 2));
        Assert.Equal("taken", e.Key);
        Assert.Equal(1, (await Rows.FindAsync(Table, _partition, "taken", Cancel))!.Number("Number"));
    }

    [Fact]
    public async Task A_replace_needs_the_etag_of_what_is_there()
    {
        string first = await InsertAsync("row", 1);
        string second = (await Rows.SubmitAsync(Table, _partition, [new RowWrite.Replace("row", new Dictionary<string, object> { ["Other"] = "x" }, first)], Cancel))[0];
        Assert.NotEqual(first, second);
        Row row = (await Rows.FindAsync(Table, _partition, "row", Cancel))!;
        Assert.Equal(second, row.ETag);
        Assert.Equal(["Other"], row.Values.Keys);
        RowConflictException e = await Assert.ThrowsAsync<RowConflictException>(() => Rows.SubmitAsync(Table, _partition, [new RowWrite.Replace("row", Values(3), first)], Cancel));
        Assert.Equal("row", e.Key);
    }

    [Fact]
    public async Task A_replace_or_delete_of_what_is_gone_conflicts()
    {
        string etag = await InsertAsync("row");
        Assert.Equal([""], await Rows.SubmitAsync(Table, _partition, [new RowWrite.Delete("row", etag)], Cancel));
        await Assert.ThrowsAsync<RowConflictException>(() => Rows.SubmitAsync(Table, _partition, [new RowWrite.Replace("row", Values(2), etag)], Cancel));
        await Assert.ThrowsAsync<RowConflictException>(() => Rows.SubmitAsync(Table, _partition, [new RowWrite.Delete("row", etag)], Cancel));
        Assert.Null(await Rows.FindAsync(Table, _partition, "row", Cancel));
    }

    [Fact]
    public async Task A_delete_needs_the_etag_of_what_is_there()
    {
        string first = await InsertAsync("row");
        await Rows.SubmitAsync(Table, _partition, [new RowWrite.Upsert("row", Values(2))], Cancel);
        await Assert.ThrowsAsync<RowConflictException>(() => Rows.SubmitAsync(Table, _partition, [new RowWrite.Delete("row", first)], Cancel));
        Assert.Equal(2, (await Rows.FindAsync(Table, _partition, "row", Cancel))!.Number("Number"));
    }

    [Fact]
    public async Task An_upsert_writes_whatever_is_there()
    {
        await Rows.SubmitAsync(Table, _partition, [new RowWrite.Upsert("row", Values(1))], Cancel);
        await Rows.SubmitAsync(Table, _partition, [new RowWrite.Upsert("row", new Dictionary<string, object> { ["Other"] = true })], Cancel);
        Row row = (await Rows.FindAsync(Table, _partition, "row", Cancel))!;
        Assert.Equal(["Other"], row.Values.Keys);
    }

    [Fact]
    public async Task A_transaction_is_all_or_nothing_and_names_what_did_not_fit()
    {
        string etag = await InsertAsync("m", 1);
        await InsertAsync("taken", 1);
        RowWrite[] writes = [new RowWrite.Insert("a", Values(9)), new RowWrite.Replace("m", Values(9), etag), new RowWrite.Upsert("u", Values(9)), new RowWrite.Insert("taken", Values(9)), new RowWrite.Insert("z", Values(9))];
        RowConflictException e = await Assert.ThrowsAsync<RowConflictException>(() => Rows.SubmitAsync(Table, _partition, writes, Cancel));
        Assert.Equal("taken", e.Key);
        IReadOnlyList<Row> rows = await Rows.QueryAsync(Table, _partition, "", "~", 10, Cancel);
        Assert.Equal([("m", 1L), ("taken", 1L)], rows.Select(r => (r.Key, r.Number("Number")!.Value)));
        Assert.Equal(etag, rows[0].ETag);
    }

    [Fact]
    public async Task A_transaction_with_a_stale_etag_changes_nothing()
    {
        string stale = await InsertAsync("head", 1);
        await Rows.SubmitAsync(Table, _partition, [new RowWrite.Replace("head", Values(2), stale)], Cancel);
        RowConflictException e = await Assert.ThrowsAsync<RowConflictException>(() =>
            Rows.SubmitAsync(Table, _partition, [new RowWrite.Insert("entry", Values(9)), new RowWrite.Replace("head", Values(9), stale)], Cancel));
        Assert.Equal("head", e.Key);
        Assert.Equal(["head"], (await Rows.QueryAsync(Table, _partition, "", "~", 10, Cancel)).Select(r => r.Key));
    }

    [Fact]
    public async Task A_hundred_writes_are_one_transaction_and_every_etag_is_told()
    {
        RowWrite[] writes = [.. Enumerable.Range(0, 100).Select(i => new RowWrite.Insert(i.ToString("d3", CultureInfo.InvariantCulture), Values(i)))];
        IReadOnlyList<string> tags = await Rows.SubmitAsync(Table, _partition, writes, Cancel);
        IReadOnlyList<Row> rows = await Rows.QueryAsync(Table, _partition, "", "~", 100, Cancel);
        Assert.Equal(tags, rows.Select(r => r.ETag!));
        Assert.Equal(Enumerable.Range(0, 100).Select(i => (long?)i), rows.Select(r => r.Number("Number")));
    }

    [Fact]
    public async Task A_transaction_of_no_writes_of_too_many_or_of_one_row_twice_is_refused()
    {
        RowWrite[] tooMany = [.. Enumerable.Range(0, 101).Select(i => new RowWrite.Upsert($"{i}", Values(i)))];
        await Assert.ThrowsAsync<ArgumentException>(() => Rows.SubmitAsync(Table, _partition, [], Cancel));
        await Assert.ThrowsAsync<ArgumentException>(() => Rows.SubmitAsync(Table, _partition, tooMany, Cancel));
        await Assert.ThrowsAsync<ArgumentException>(() => Rows.SubmitAsync(Table, _partition, [new RowWrite.Upsert("a", Values(1)), new RowWrite.Upsert("a", Values(2))], Cancel));
        Assert.Empty(await Rows.QueryAsync(Table, _partition, "", "~", 10, Cancel));
    }

    [Fact]
    public async Task A_value_of_another_type_or_too_large_is_refused()
    {
        foreach (object value in (object[])[1, 1.0, DateTime.UnixEpoch, Guid.Empty, new byte[(64 * 1024) + 1], new string('x', (32 * 1024) + 1)])
        {
            await Assert.ThrowsAsync<ArgumentException>(() => Rows.SubmitAsync(Table, _partition, [new RowWrite.Insert("row", new Dictionary<string, object> { ["Value"] = value })], Cancel));
        }

        await Assert.ThrowsAsync<ArgumentException>(() => Rows.SubmitAsync(Table, _partition, [new RowWrite.Insert("row", new Dictionary<string, object> { ["RowKey"] = "x" })], Cancel));
    }

    [Fact]
    public async Task Of_writers_that_race_for_one_etag_one_wins()
    {
        string etag = await InsertAsync("head", 0);
        async Task<bool> TryAsync(int writer)
        {
            try
            {
                await Rows.SubmitAsync(Table, _partition, [new RowWrite.Insert($"entry-{writer}", Values(writer)), new RowWrite.Replace("head", Values(writer), etag)], Cancel);
                return true;
            }
            catch (RowConflictException)
            {
                return false;
            }
        }

        bool[] won = await Task.WhenAll(Enumerable.Range(1, 8).Select(TryAsync));
        int winner = 1 + Array.IndexOf(won, true);
        Assert.Single(won, w => w);
        Assert.Equal([$"entry-{winner}", "head"], (await Rows.QueryAsync(Table, _partition, "", "~", 10, Cancel)).Select(r => r.Key));
        Assert.Equal(winner, (await Rows.FindAsync(Table, _partition, "head", Cancel))!.Number("Number"));
    }
}
