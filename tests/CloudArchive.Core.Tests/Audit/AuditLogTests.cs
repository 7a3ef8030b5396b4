using CloudArchive.Core.Audit;
using CloudArchive.Core.Storage;
using CloudArchive.Format.Audit;
using Microsoft.Extensions.Time.Testing;

namespace CloudArchive.Core.Tests.Audit;

public sealed class AuditLogTests
{
    private readonly MemoryRowStore _rows = new();
    private readonly FakeTimeProvider _clock = new(new DateTimeOffset(2026, 7, 1, 8, 0, 0, TimeSpan.Zero));

    private AuditLog Log => new(_rows, _clock);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Entries_get_consecutive_places_and_say_what_was_appended()
    {
        AuditLog log = Log;
        for (int i = 0; i < 5; i++)
        {
            Assert.Equal(new AuditPlace(Events.Log, i), await log.AppendAsync(Events.Make(i), Cancellation));
            _clock.Advance(TimeSpan.FromSeconds(1));
        }

        IReadOnlyList<AuditEntry> entries = await Events.CheckAsync(_rows);
        Assert.Equal(5, entries.Count);
        AuditEvent expected = Events.Make(3);
        AuditEntry third = entries[3];
        Assert.Equal((expected.Action, expected.Outcome, expected.Actor, expected.Subject, expected.Origin), (third.Action, third.Outcome, third.Actor, third.Subject, third.Origin));
        Assert.Equal("3", third.Details!["number"]);
        Assert.Equal(_clock.Start + TimeSpan.FromSeconds(3), third.Time);
    }

    [Fact]
    public async Task Logs_are_apart()
    {
        await Log.AppendAsync(Events.Make(0), Cancellation);
        Assert.Equal(0, (await Log.AppendAsync(Events.Make(0, AuditEntry.SystemLog), Cancellation)).Index);
        Assert.Single(await Events.CheckAsync(_rows));
        Assert.Single(await Events.CheckAsync(_rows, AuditEntry.SystemLog));
    }

    [Theory]
    [InlineData("")]
    [InlineData("a/b")]
    [InlineData("$other")]
    [InlineData("UPPER")]
    public async Task A_log_with_no_possible_name_is_refused(string log) =>
        await Assert.ThrowsAsync<ArgumentException>(() => Log.AppendAsync(Events.Make(0, log), Cancellation));

    [Fact]
    public async Task An_entry_that_is_too_large_fails_alone()
    {
        AuditLog log = Log;
        Task<AuditPlace>[] appends = [.. Enumerable.Range(0, 9).Select(i => log.AppendAsync(Events.Make(i) with { Reason = i is 3 or 5 ? new string('x', AuditLog.LargestEntry) : null }, Cancellation))];
        await Assert.ThrowsAsync<AuditEntryTooLargeException>(() => appends[3]);
        await Assert.ThrowsAsync<AuditEntryTooLargeException>(() => appends[5]);
        Assert.Equal(6, (await appends[8]).Index);
        Assert.Equal(7, (await Events.CheckAsync(_rows)).Count);
    }

    [Theory]
    [InlineData(255)]
    [InlineData(256)]
    [InlineData(257)]
    [InlineData(1000)]
    public async Task A_burst_of_appends_is_one_log_in_few_transactions(int count)
    {
        AuditLog log = Log;
        AuditPlace[] places = await Task.WhenAll(Enumerable.Range(0, count).Select(i => log.AppendAsync(Events.Make(i), Cancellation)));
        Assert.Equal(Enumerable.Range(0, count).Select(i => (long)i), places.Select(place => place.Index).Order());
        IReadOnlyList<AuditEntry> entries = await Events.CheckAsync(_rows);
        Assert.Equal(count, entries.Count);
        foreach ((AuditPlace place, int i) in places.Select((place, i) => (place, i)))
        {
            Assert.Equal(i.ToString(), entries[(int)place.Index].Details!["number"]);
        }

        Assert.InRange(_rows.Submits, 1, (count / 20) + 4);
    }

    [Fact]
    public async Task Appends_of_the_largest_size_go_in_several_transactions_and_all_arrive()
    {
        AuditLog log = Log;
        await Task.WhenAll(Enumerable.Range(0, 120).Select(i => log.AppendAsync(Events.Make(i) with { Reason = new string('"', (AuditLog.LargestEntry / 2) - 500) }, Cancellation)));
        Assert.Equal(120, (await Events.CheckAsync(_rows)).Count);
        Assert.InRange(_rows.Submits, 120 / 32, 120);
    }

    [Fact]
    public async Task What_happens_once_has_one_entry_however_often_it_is_appended()
    {
        AuditLog log = Log;
        AuditPlace first = await log.AppendAsync(Events.Make(0, once: "commit/7"), Cancellation);
        await log.AppendAsync(Events.Make(1), Cancellation);
        Assert.Equal(first, await log.AppendAsync(Events.Make(2, once: "commit/7"), Cancellation));
        Assert.Equal(first, await Log.AppendAsync(Events.Make(3, once: "commit/7"), Cancellation));
        Assert.Equal(2, (await log.AppendAsync(Events.Make(4, once: "commit/8"), Cancellation)).Index);
        Assert.Equal(3, (await Events.CheckAsync(_rows)).Count);
    }

    [Fact]
    public async Task What_happens_once_has_one_entry_within_a_burst_too()
    {
        AuditLog log = Log;
        await log.AppendAsync(Events.Make(0, once: "id-3"), Cancellation);
        AuditPlace[] places = await Task.WhenAll(Enumerable.Range(0, 200).Select(i => log.AppendAsync(Events.Make(i, once: "id-" + (i % 10)), Cancellation)));
        Assert.Equal(10, (await Events.CheckAsync(_rows)).Count);
        Assert.Equal(0, places[3].Index);
        Assert.All(places.Index(), place => Assert.Equal(places[place.Index % 10], place.Item));
    }

    [Fact]
    public async Task The_same_value_of_once_in_another_log_is_another_event()
    {
        await Log.AppendAsync(Events.Make(0, once: "x"), Cancellation);
        await Log.AppendAsync(Events.Make(0, AuditEntry.SystemLog, "x"), Cancellation);
        Assert.Single(await Events.CheckAsync(_rows));
        Assert.Single(await Events.CheckAsync(_rows, AuditEntry.SystemLog));
    }

    [Fact]
    public async Task Time_does_not_run_backwards_in_a_log_when_a_clock_does()
    {
        await Log.AppendAsync(Events.Make(0), Cancellation);
        FakeTimeProvider behind = new(_clock.Start - TimeSpan.FromHours(1));
        await new AuditLog(_rows, behind).AppendAsync(Events.Make(1), Cancellation);
        IReadOnlyList<AuditEntry> entries = await Events.CheckAsync(_rows);
        Assert.Equal(entries[0].Time, entries[1].Time);
    }

    [Fact]
    public async Task An_append_that_was_cancelled_before_its_turn_is_not_written()
    {
        using CancellationTokenSource cancelled = new();
        await cancelled.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Log.AppendAsync(Events.Make(0), cancelled.Token));
        await Log.AppendAsync(Events.Make(1), Cancellation);
        Assert.Equal("1", Assert.Single(await Events.CheckAsync(_rows)).Details!["number"]);
    }

    [Fact]
    public async Task A_row_that_nobody_appended_stops_the_log_and_is_named()
    {
        await Log.AppendAsync(Events.Make(0), Cancellation);
        _rows.Tamper(RowTable.Audit, Events.Log, AuditRows.EntryKey(1), new Dictionary<string, object> { [AuditRows.Json] = "{}" });
        AuditLogDamagedException damaged = await Assert.ThrowsAsync<AuditLogDamagedException>(() => Log.AppendAsync(Events.Make(1), Cancellation));
        Assert.Contains(AuditRows.EntryKey(1), damaged.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_head_that_was_taken_away_stops_the_log()
    {
        await Log.AppendAsync(Events.Make(0), Cancellation);
        _rows.Tamper(RowTable.Audit, Events.Log, AuditRows.HeadKey, null);
        await Assert.ThrowsAsync<AuditLogDamagedException>(() => Log.AppendAsync(Events.Make(1), Cancellation));
    }

    [Fact]
    public async Task A_head_with_hashes_for_another_size_stops_the_log()
    {
        await Log.AppendAsync(Events.Make(0), Cancellation);
        _rows.Tamper(RowTable.Audit, Events.Log, AuditRows.HeadKey, new Dictionary<string, object> { ["size"] = 5L, ["tile0"] = new byte[32] });
        await Assert.ThrowsAsync<AuditLogDamagedException>(() => Log.AppendAsync(Events.Make(1), Cancellation));
    }
}
