using CloudArchive.Core.Limits;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Tests.Audit;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace CloudArchive.Core.Tests.Limits;

/// <summary>Allowances that instances share through one table.</summary>
public sealed class SharedAllowancesTests
{
    private readonly FakeTimeProvider _clock = new(new DateTimeOffset(2026, 3, 4, 5, 6, 7, TimeSpan.Zero));
    private readonly MemoryRowStore _rows = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Two_instances_give_out_one_allowance_and_no_more()
    {
        SharedAllowances one = Instance(), two = Instance();
        Allowance allowance = new("Open", "agent", 100);
        int granted = 0;
        for (int i = 0; i < 400; i++)
        {
            granted += await TakesAsync(i % 2 == 0 ? one : two, allowance) ? 1 : 0;
        }

        Assert.Equal(100, granted);

        // Somebody else's, and the same one's of another kind, are others.
        Assert.True(await TakesAsync(one, allowance with { Who = "another" }));
        Assert.True(await TakesAsync(one, allowance with { Kind = "Commit" }));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(39)]
    [InlineData(600)]
    public async Task However_many_instances_race_never_more_than_the_allowance_is_given_out(int perMinute)
    {
        SharedAllowances[] instances = [.. Enumerable.Range(0, 6).Select(_ => Instance())];
        Allowance allowance = new("Open", "agent", perMinute);
        int granted = 0;
        await Parallel.ForEachAsync(Enumerable.Range(0, 200 + (2 * perMinute)), new ParallelOptions { MaxDegreeOfParallelism = 24 }, async (i, _) =>
        {
            if (await TakesAsync(instances[i % instances.Length], allowance))
            {
                Interlocked.Increment(ref granted);
            }
        });
        Assert.InRange(granted, perMinute - (instances.Length * Math.Max(1, perMinute / SharedAllowances.Shares)), perMinute);

        // What is left, an instance took and did not give out: asked again it does.
        foreach (SharedAllowances instance in instances)
        {
            while (await TakesAsync(instance, allowance))
            {
                granted++;
            }
        }

        Assert.Equal(perMinute, granted);
    }

    [Fact]
    public async Task An_instance_is_told_to_wait_early_by_less_than_what_each_other_took_and_did_not_give_out()
    {
        SharedAllowances one = Instance(), two = Instance();
        Allowance allowance = new("Open", "agent", 100);
        Assert.True(await TakesAsync(two, allowance));
        int granted = 0;
        while (await TakesAsync(one, allowance))
        {
            granted++;
        }

        Assert.Equal(95, granted);
    }

    [Fact]
    public async Task Most_requests_cost_no_call_and_those_that_are_refused_cost_none()
    {
        SharedAllowances one = Instance();
        Allowance allowance = new("Open", "agent", 600);
        for (int i = 0; i < 600; i++)
        {
            Assert.True(await TakesAsync(one, allowance));
        }

        Assert.Equal((SharedAllowances.Shares, 0), (_rows.Submits, _rows.Reads));
        for (int i = 0; i < 100; i++)
        {
            Assert.False(await TakesAsync(one, allowance));
        }

        Assert.Equal((SharedAllowances.Shares, 0), (_rows.Submits, _rows.Reads));
    }

    [Fact]
    public async Task The_next_minute_has_an_allowance_of_its_own_and_the_answer_says_when_that_is()
    {
        SharedAllowances one = Instance(), two = Instance();
        Allowance allowance = new("Token", "address", 2);
        Assert.True(await TakesAsync(one, allowance));
        Assert.True(await TakesAsync(two, allowance));
        Assert.Equal(TimeSpan.FromSeconds(53), await one.TakeAsync(allowance, Cancel));
        _clock.Advance(TimeSpan.FromSeconds(52));
        Assert.Equal(TimeSpan.FromSeconds(1), await two.TakeAsync(allowance, Cancel));
        _clock.Advance(TimeSpan.FromSeconds(1));
        Assert.True(await TakesAsync(one, allowance));
        Assert.True(await TakesAsync(two, allowance));
        Assert.False(await TakesAsync(two, allowance));
    }

    [Fact]
    public async Task Where_the_table_does_not_answer_each_instance_counts_by_itself_and_asks_again_after_a_while()
    {
        Faulty rows = new(_rows) { Answer = Answer.Fails };
        SharedAllowances one = Instance(rows), two = Instance(rows);
        Allowance allowance = new("Token", "address", 3);
        foreach (SharedAllowances instance in (SharedAllowances[])[one, two])
        {
            bool[] taken = [await TakesAsync(instance, allowance), await TakesAsync(instance, allowance), await TakesAsync(instance, allowance), await TakesAsync(instance, allowance)];
            Assert.Equal([true, true, true, false], taken);
        }

        Assert.Equal(2, rows.Asked); // once each, not with every request
        rows.Answer = Answer.Works;
        _clock.Advance(SharedAllowances.Alone);
        Assert.True(await TakesAsync(one, allowance));
        Assert.Equal(3, rows.Asked);
    }

    [Fact]
    public async Task A_table_that_hangs_is_waited_for_two_seconds_and_no_longer()
    {
        Faulty rows = new(_rows) { Answer = Answer.Hangs };
        SharedAllowances one = Instance(rows);
        Allowance allowance = new("Token", "address", 3);
        Task<bool> taking = TakesAsync(one, allowance);
        Assert.False(taking.IsCompleted);
        _clock.Advance(SharedAllowances.Patience);
        Assert.True(await taking);
        Assert.True(await TakesAsync(one, allowance)); // and the next not at all
    }

    [Fact]
    public async Task A_row_that_somebody_made_unreadable_lets_nobody_wait()
    {
        Allowance allowance = new("Token", "address", 3);
        Assert.True(await TakesAsync(Instance(), allowance));
        (string partition, Row row) = Assert.Single(await RowsAsync());
        await _rows.SubmitAsync(RowTable.Work, partition, [new RowWrite.Replace(row.Key, new Dictionary<string, object> { ["taken"] = "many" }, row.ETag!)], Cancel);
        Assert.True(await TakesAsync(Instance(), allowance));
    }

    [Fact]
    public async Task Rows_of_minutes_that_are_over_are_swept_and_hold_no_address()
    {
        SharedAllowances one = Instance();
        for (int i = 0; i < 40; i++)
        {
            await one.TakeAsync(new Allowance("Token", $"address 203.0.113.{i}", 5), Cancel);
        }

        IReadOnlyList<(string, Row)> before = await RowsAsync();
        Assert.Equal(40, before.Count);
        Assert.DoesNotContain(before, row => row.Item2.Key.Contains("203", StringComparison.Ordinal) && row.Item2.Key.Contains("113", StringComparison.Ordinal));
        Assert.Equal(0, await one.SweepAsync(Cancel));
        _clock.Advance(TimeSpan.FromMinutes(12));
        await one.TakeAsync(new Allowance("Token", "address new", 5), Cancel);
        Assert.Equal(40, await one.SweepAsync(Cancel));
        Assert.Single(await RowsAsync());
    }

    private static async Task<bool> TakesAsync(SharedAllowances instance, Allowance allowance) => await instance.TakeAsync(allowance, Cancel) is null;

    private SharedAllowances Instance(IRowStore? rows = null) => new(rows ?? _rows, _clock, NullLogger<SharedAllowances>.Instance);

    private async Task<IReadOnlyList<(string Partition, Row Row)>> RowsAsync()
    {
        List<(string, Row)> all = [];
        await foreach (string partition in _rows.PartitionsAsync(RowTable.Work, Cancel))
        {
            all.AddRange((await _rows.QueryAsync(RowTable.Work, partition, RowRange.All, 1000, Cancel)).Select(row => (partition, row)));
        }

        return all;
    }

    private enum Answer
    {
        Works,
        Fails,
        Hangs,
    }

    private sealed class Faulty(IRowStore inner) : IRowStore
    {
        public Answer Answer { get; set; }

        public int Asked { get; private set; }

        public Task EnsureReadyAsync(CancellationToken cancellationToken) => inner.EnsureReadyAsync(cancellationToken);

        public Task<Row?> FindAsync(RowTable table, string partition, string key, CancellationToken cancellationToken) => inner.FindAsync(table, partition, key, cancellationToken);

        public Task<IReadOnlyList<Row>> QueryAsync(RowTable table, string partition, string from, string to, int take, CancellationToken cancellationToken) =>
            inner.QueryAsync(table, partition, from, to, take, cancellationToken);

        public IAsyncEnumerable<string> PartitionsAsync(RowTable table, CancellationToken cancellationToken) => inner.PartitionsAsync(table, cancellationToken);

        public async Task<IReadOnlyList<string>> SubmitAsync(RowTable table, string partition, IReadOnlyList<RowWrite> writes, CancellationToken cancellationToken)
        {
            Asked++;
            switch (Answer)
            {
                case Answer.Fails:
                    throw new IOException("Tables answer HTTP 500.");
                case Answer.Hangs:
                    await Task.Delay(Timeout.InfiniteTimeSpan, cancellationToken);
                    break;
                default:
                    break;
            }

            return await inner.SubmitAsync(table, partition, writes, cancellationToken);
        }
    }
}
