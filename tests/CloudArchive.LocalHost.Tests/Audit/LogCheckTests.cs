using CloudArchive.Core;
using CloudArchive.Core.Alerts;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Catalog;
using CloudArchive.Core.Losses;
using CloudArchive.Core.Packs;
using CloudArchive.Core.Storage;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Wire;
using CloudArchive.LocalHost.Tests.Storage;
using Microsoft.Extensions.Logging.Abstractions;

namespace CloudArchive.LocalHost.Tests.Audit;

public sealed class LogCheckTests(SharedStorage shared)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_entry_that_was_changed_beside_its_hashes_is_found_and_alerted_though_the_checkpoints_go_on()
    {
        using StoredLog good = await StoredLog.CreateAsync(shared), bad = await StoredLog.CreateAsync(shared);
        foreach (StoredLog log in (StoredLog[])[good, bad])
        {
            await log.AppendAsync(300);
            await log.Checkpoints.MakeAsync(log.Name, Cancel);
            await log.AppendAsync(5);
        }

        await bad.ChangeAsync(17, json => json.Replace("192.0.2.7", "192.0.2.8", StringComparison.Ordinal));
        await bad.Checkpoints.MakeAsync(bad.Name, Cancel);

        LogCheckResult result = await Check(good, bad).RunAsync(TimeSpan.FromHours(1), Cancel);
        Assert.Equal((2, true), (result.Checked, result.Finished));
        Assert.Equal([bad.Name], result.Damaged);
        RaisedAlert alert = Assert.Single(await AlertsAsync(good), alert => alert.Alert.Subject == bad.Name);
        Assert.Equal((AlertCause.LogDamaged, null), (alert.Alert.Cause, alert.Alert.Clinic));
    }

    [Fact]
    public async Task What_a_check_found_is_kept_and_one_that_could_not_be_made_is_no_answer()
    {
        using StoredLog good = await StoredLog.CreateAsync(shared), bad = await StoredLog.CreateAsync(shared), away = await StoredLog.CreateAsync(shared);
        foreach (StoredLog log in (StoredLog[])[good, bad, away])
        {
            await log.AppendAsync(3);
            await log.Checkpoints.MakeAsync(log.Name, Cancel);
        }

        await bad.ChangeAsync(1, json => json.Replace("192.0.2.7", "192.0.2.8", StringComparison.Ordinal));
        OwnCursor rows = new(good.Rows, [good.Name, bad.Name]);
        LogCheckResult result = await Check(rows, good, bad).RunAsync(TimeSpan.FromHours(1), Cancel);
        Assert.Equal([bad.Name], result.Damaged);
        Assert.Empty(result.Unchecked);
        LogStates states = new(rows, good.Clock);
        Assert.Equal(new LogState(good.Clock.GetUtcNow(), false), await states.FindAsync(good.Name, Cancel));
        Assert.Equal(new LogState(null, true), await states.FindAsync(bad.Name, Cancel));
        Assert.Equal(new LogState(null, false), await states.FindAsync(away.Name, Cancel));

        // A store that does not answer has neither said that it holds nor that it does not.
        OwnCursor broken = new(good.Rows, [away.Name]);
        LogCheck check = Check(broken, new AuditReader(new Unreadable(good.Rows)), away);
        LogCheckResult unknown = await check.RunAsync(TimeSpan.FromHours(1), Cancel);
        Assert.Empty(unknown.Damaged);
        Assert.Equal([away.Name], unknown.Unchecked);
        Assert.Equal(new LogState(null, false), await new LogStates(broken, good.Clock).FindAsync(away.Name, Cancel));
    }

    [Theory]
    [InlineData("e_0000000000000000x")]
    [InlineData("e_000000000000000x")]
    [InlineData("e_ 000000000000004")]
    [InlineData("e_00000000000000004")]
    public async Task A_row_whose_key_is_no_entrys_hides_no_altered_entry(string key)
    {
        using StoredLog log = await StoredLog.CreateAsync(shared);
        await log.AppendAsync(5);
        await log.Checkpoints.MakeAsync(log.Name, Cancel);
        await log.ChangeAsync(1, json => json.Replace("192.0.2.7", "192.0.2.8", StringComparison.Ordinal));
        Row entry = await log.EntryAsync(0);
        await log.WriteAsync(new RowWrite.Insert(key, entry.Values));
        LogCheckResult result = await Check(log).RunAsync(TimeSpan.FromHours(1), Cancel);
        Assert.Equal([log.Name], result.Damaged);
        Assert.Empty(result.Unchecked);
        Assert.Single(await AlertsAsync(log), alert => alert.Alert.Subject == log.Name && alert.Alert.Cause == AlertCause.LogDamaged);
    }

    [Fact]
    public async Task The_systems_log_that_nobody_could_read_for_two_days_is_an_alert_and_not_before()
    {
        using StoredLog any = await StoredLog.CreateAsync(shared);
        OwnCursor rows = new(any.Rows, [AuditEntry.SystemLog]);
        await any.Log.AppendAsync(new AuditEvent(AuditEntry.SystemLog, AuditActions.RequestRefused, AuditOutcome.Refused, new AuditActor("somebody", "anonymous"), new AuditSubject(), new AuditOrigin(null, "any")), Cancel);
        await new LogStates(rows, any.Clock).NoteHoldsAsync(AuditEntry.SystemLog, Cancel);
        DyingVault dead = new(any.Vault, fatal: 1, after: false);
        await Assert.ThrowsAsync<IOException>(() => dead.FindAsync(new BlobName(VaultArea.Records, "any"), Cancel));
        LogCheck check = Check(rows, new AuditReader(new Unreadable(any.Rows)), any.CheckpointsOn(dead), any);
        foreach ((double days, int alerts) in ((double, int)[])[(1, 0), (1, 0), (1, 1)])
        {
            any.Clock.Advance(TimeSpan.FromDays(days));
            Assert.Equal([AuditEntry.SystemLog], (await check.RunAsync(TimeSpan.FromHours(1), Cancel)).Unchecked);
            Assert.Equal(alerts, (await AlertsAsync(any)).Count(alert => alert.Alert.Cause == AlertCause.LogUnchecked && alert.Alert.Subject == AuditEntry.SystemLog));
        }
    }

    [Fact]
    public async Task An_entry_that_is_gone_is_found()
    {
        using StoredLog log = await StoredLog.CreateAsync(shared);
        await log.AppendAsync(20);
        await log.Checkpoints.MakeAsync(log.Name, Cancel);
        Row row = await log.EntryAsync(19);
        await log.WriteAsync(new RowWrite.Delete(row.Key, row.ETag!));
        Assert.Equal([log.Name], (await Check(log).RunAsync(TimeSpan.FromHours(1), Cancel)).Damaged);
    }

    [Fact]
    public async Task A_pass_that_stops_at_its_bound_goes_on_and_there_is_one_a_day()
    {
        using StoredLog one = await StoredLog.CreateAsync(shared), two = await StoredLog.CreateAsync(shared);
        foreach (StoredLog log in (StoredLog[])[one, two])
        {
            await log.AppendAsync(3);
            await log.Checkpoints.MakeAsync(log.Name, Cancel);
        }

        LogCheck check = Check(one, two);
        one.Clock.AutoAdvanceAmount = TimeSpan.FromMinutes(1);
        LogCheckResult first = await check.RunAsync(TimeSpan.FromMinutes(3), Cancel);
        Assert.Equal((1, false), (first.Checked, first.Finished));
        one.Clock.AutoAdvanceAmount = TimeSpan.Zero;
        LogCheckResult second = await check.RunAsync(TimeSpan.FromMinutes(3), Cancel);
        Assert.Equal((1, true), (second.Checked, second.Finished));
        Assert.Equal(0, (await check.RunAsync(TimeSpan.FromMinutes(3), Cancel)).Checked);
        one.Clock.Advance(TimeSpan.FromDays(1));
        Assert.Equal(2, (await check.RunAsync(TimeSpan.FromMinutes(3), Cancel)).Checked);
    }

    // Other tests' logs lie in the same tables, with other keys.
    private static LogCheck Check(params StoredLog[] logs) => Check(new OwnCursor(logs[0].Rows, [.. logs.Select(log => log.Name)]), logs);

    private static LogCheck Check(OwnCursor rows, params StoredLog[] logs) => Check(rows, logs[0].Reader, logs);

    private static LogCheck Check(OwnCursor rows, AuditReader reader, params StoredLog[] logs) =>
        Check(rows, reader, new Checkpoints(logs[0].Reader, logs[0].Vault, new KeysOfTwo(logs[0].Keys, logs[^1].Keys), logs[0].Clock), logs[0]);

    private static LogCheck Check(OwnCursor rows, AuditReader reader, Checkpoints checkpoints, StoredLog first)
    {
        AlertDesk alerts = new(first.Rows, new Outbox(first.Rows, first.Log, first.Clock), first.Clock, NullLogger<AlertDesk>.Instance);
        CommitEntries commits = new(first.Reader, new CatalogReader(first.Rows), first.Vault, new ReceiptIssuer(first.Keys, new StoredPacks(first.Vault)));
        return new LogCheck(rows, reader, checkpoints, commits, alerts, first.Clock, NullLogger<LogCheck>.Instance);
    }

    private static async Task<IReadOnlyList<RaisedAlert>> AlertsAsync(StoredLog log) =>
        (await new AlertList(log.Rows, null!, log.Clock).ListAsync(AuditEntry.SystemLog, alert => alert.Delivery.Status == AlertDeliveryStatus.Waiting, null, 1000, Cancel)).Alerts;

    /// <summary>A store that does not answer.</summary>
    private sealed class Unreadable(IRowStore inner) : IRowStore
    {
        public Task EnsureReadyAsync(CancellationToken cancellationToken) => inner.EnsureReadyAsync(cancellationToken);

        public Task<Row?> FindAsync(RowTable table, string partition, string key, CancellationToken cancellationToken) => throw new IOException("Storage answers 500.");

        public Task<IReadOnlyList<Row>> QueryAsync(RowTable table, string partition, string from, string to, int take, CancellationToken cancellationToken) =>
            throw new IOException("Storage answers 500.");

        public IAsyncEnumerable<string> PartitionsAsync(RowTable table, CancellationToken cancellationToken) => inner.PartitionsAsync(table, cancellationToken);

        public Task<IReadOnlyList<string>> SubmitAsync(RowTable table, string partition, IReadOnlyList<RowWrite> writes, CancellationToken cancellationToken) =>
            inner.SubmitAsync(table, partition, writes, cancellationToken);
    }

    /// <summary>A store in which only some logs can be found by listing, and with a cursor of its own.</summary>
    private sealed class OwnCursor(IRowStore inner, IReadOnlyList<string> logs) : IRowStore
    {
        private const string CursorPartition = "$log-check";
        private readonly string _own = "$check-" + Guid.NewGuid().ToString("N");

        public Task EnsureReadyAsync(CancellationToken cancellationToken) => inner.EnsureReadyAsync(cancellationToken);

        public Task<Row?> FindAsync(RowTable table, string partition, string key, CancellationToken cancellationToken) => inner.FindAsync(table, Own(partition), key, cancellationToken);

        public Task<IReadOnlyList<Row>> QueryAsync(RowTable table, string partition, string from, string to, int take, CancellationToken cancellationToken) =>
            inner.QueryAsync(table, Own(partition), from, to, take, cancellationToken);

        public IAsyncEnumerable<string> PartitionsAsync(RowTable table, CancellationToken cancellationToken) => inner.PartitionsAsync(table, cancellationToken).Where(partition => logs.Contains(partition));

        public Task<IReadOnlyList<string>> SubmitAsync(RowTable table, string partition, IReadOnlyList<RowWrite> writes, CancellationToken cancellationToken) =>
            inner.SubmitAsync(table, Own(partition), writes, cancellationToken);

        private string Own(string partition) => partition == CursorPartition ? _own : partition;
    }
}
