using CloudArchive.Core.Audit;
using CloudArchive.Format.Audit;

namespace CloudArchive.Core.Tests.Audit;

public sealed class AuditLogConcurrencyTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>An <see cref="AuditLog"/> stands for a process: they share nothing but storage.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    [InlineData(32)]
    public async Task Thirty_two_writers_in_any_number_of_processes_make_one_log(int processes)
    {
        const int writers = 32, each = 20;
        MemoryRowStore rows = new();
        AuditLog[] logs = [.. Enumerable.Range(0, processes).Select(_ => new AuditLog(new FaultyRowStore(rows, _ => Fault.None), TimeProvider.System))];
        AuditPlace[][] places = await Task.WhenAll(Enumerable.Range(0, writers).Select(writer => Task.Run(
            async () =>
            {
                List<AuditPlace> mine = [];
                for (int i = 0; i < each; i++)
                {
                    mine.Add(await logs[writer % processes].AppendAsync(Events.Make((writer * each) + i), Cancellation));
                }

                return mine.ToArray();
            },
            Cancellation)));

        IReadOnlyList<AuditEntry> entries = await Events.CheckAsync(rows);
        Assert.Equal(writers * each, entries.Count);
        foreach ((AuditPlace place, int number) in places.SelectMany(mine => mine).Select((place, number) => (place, number)))
        {
            Assert.Equal(number.ToString(), entries[(int)place.Index].Details!["number"]);
        }

        Assert.All(places, mine => Assert.Equal(mine.OrderBy(place => place.Index), mine));
    }

    [Fact]
    public async Task Processes_that_append_the_same_event_once_agree_on_its_place()
    {
        MemoryRowStore rows = new();
        AuditPlace[] places = await Task.WhenAll(Enumerable.Range(0, 64).Select(i => Task.Run(
            () => new AuditLog(new FaultyRowStore(rows, _ => Fault.None), TimeProvider.System).AppendAsync(Events.Make(i, once: "event-" + (i % 4)), Cancellation), Cancellation)));
        Assert.Equal(4, (await Events.CheckAsync(rows)).Count);
        Assert.Equal(4, places.Distinct().Count());
    }

    /// <summary>
    /// A process appends 250 events to a log of 200 and dies at its n-th call to storage, for every n until it survives. Another then appends
    /// the same events, as a caller does that got no answer.
    /// </summary>
    [Theory]
    [InlineData(nameof(Fault.DiesBefore))]
    [InlineData(nameof(Fault.DiesAfter))]
    public async Task A_crash_between_any_two_calls_to_storage_leaves_a_log_that_verifies_and_goes_on(string how)
    {
        bool survived = false;
        int runs = 0;
        for (int fatal = 1; !survived; fatal++)
        {
            MemoryRowStore rows = new();
            AuditLog healthy = new(rows, TimeProvider.System);
            await Task.WhenAll(Enumerable.Range(0, 200).Select(i => healthy.AppendAsync(Events.Make(i, once: "old-" + i), Cancellation)));

            FaultyRowStore unlucky = new(rows, call => call == fatal ? Enum.Parse<Fault>(how) : Fault.None);
            AuditLog dying = new(unlucky, TimeProvider.System);
            Task<AuditPlace>[] appends = [.. Enumerable.Range(0, 250).Select(i => dying.AppendAsync(Events.Make(1000 + i, once: "new-" + i), Cancellation))];
            await Task.WhenAll(appends).ContinueWith(_ => { }, TaskScheduler.Default);
            survived = !unlucky.Dead;
            Assert.Equal(survived, appends.All(append => append.IsCompletedSuccessfully));

            int atDeath = (await Events.CheckAsync(rows)).Count;
            AuditPlace[] places = await Task.WhenAll(Enumerable.Range(0, 250).Select(i => healthy.AppendAsync(Events.Make(2000 + i, once: "new-" + i), Cancellation)));
            IReadOnlyList<AuditEntry> entries = await Events.CheckAsync(rows);
            Assert.InRange(atDeath, 200, 450);
            Assert.Equal(450, entries.Count);
            for (int i = 0; i < 250; i++)
            {
                // What was promised before the crash holds after it.
                Assert.Equal(places[i].Index < atDeath ? 1000 + i : 2000 + i, int.Parse(entries[(int)places[i].Index].Details!["number"]));
                Assert.True(!appends[i].IsCompletedSuccessfully || await appends[i] == places[i]);
            }

            runs++;
        }

        Assert.True(runs > 4, $"Only {runs} runs: the crashes missed the log.");
    }

    [Fact]
    public async Task A_transaction_whose_answer_got_lost_and_that_the_client_repeats_is_written_once()
    {
        MemoryRowStore rows = new();
        AuditLog log = new(new FaultyRowStore(rows, _ => Fault.AnswerLost), TimeProvider.System);
        for (int round = 0; round < 3; round++)
        {
            await Task.WhenAll(Enumerable.Range(0, 120).Select(i => log.AppendAsync(Events.Make(i, once: i % 2 == 0 ? $"{round}-{i}" : null), Cancellation)));
        }

        Assert.Equal(360, (await Events.CheckAsync(rows)).Count);
    }

    [Fact]
    public async Task A_storage_failure_reaches_those_who_waited_and_the_log_goes_on()
    {
        MemoryRowStore rows = new();
        AuditLog log = new(new FaultyRowStore(rows, call => call is 2 or 3 ? Fault.Fails : Fault.None), TimeProvider.System);
        await Assert.ThrowsAsync<IOException>(() => log.AppendAsync(Events.Make(0), Cancellation));
        await Assert.ThrowsAsync<IOException>(() => log.AppendAsync(Events.Make(1), Cancellation));
        Assert.Equal(0, (await log.AppendAsync(Events.Make(2), Cancellation)).Index);
        Assert.Single(await Events.CheckAsync(rows));
    }
}
