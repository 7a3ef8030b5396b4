using System.Text;
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
    private static readonly Requester s_by = Requester.System("log-check", "test");

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

        LogCheck check = Check(good, bad);
        Assert.Equal(new LogCheckResult(true, null), await RunAsync(check, good));
        Assert.Equal(new LogCheckResult(false, null), await RunAsync(check, bad));
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
        LogCheck check = Check(good, bad);
        await RunAsync(check, good);
        await RunAsync(check, bad);
        LogStates states = new(good.Rows, good.Clock);
        Assert.Equal(new LogState(good.Clock.GetUtcNow(), false), await states.FindAsync(good.Name, Cancel));
        Assert.Equal(new LogState(null, true), await states.FindAsync(bad.Name, Cancel));
        Assert.Equal(new LogState(null, false), await states.FindAsync(away.Name, Cancel));

        // A store that does not answer has neither said that it holds nor that it does not.
        Assert.Equal(new LogCheckResult(null, null), await RunAsync(Check(new AuditReader(new Unreadable(good.Rows)), away), away));
        Assert.Equal(new LogState(null, false), await states.FindAsync(away.Name, Cancel));
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
        Assert.False((await RunAsync(Check(log), log)).Holds);
        Assert.Single(await AlertsAsync(log), alert => alert.Alert.Subject == log.Name && alert.Alert.Cause == AlertCause.LogDamaged);
    }

    [Fact]
    public async Task The_systems_log_that_nobody_could_read_for_two_days_is_an_alert_and_not_before()
    {
        using StoredLog any = await StoredLog.CreateAsync(shared);
        await any.Log.AppendAsync(new AuditEvent(AuditEntry.SystemLog, AuditActions.RequestRefused, AuditOutcome.Refused, new AuditActor("somebody", "anonymous"), new AuditSubject(), new AuditOrigin(null, "any")), Cancel);
        await new LogStates(any.Rows, any.Clock).NoteHoldsAsync(AuditEntry.SystemLog, Cancel);
        DyingVault dead = new(any.Vault, fatal: 1, after: false);
        await Assert.ThrowsAsync<IOException>(() => dead.FindAsync(new BlobName(VaultArea.Records, "any"), Cancel));
        LogCheck check = Check(new AuditReader(new Unreadable(any.Rows)), any.CheckpointsOn(dead), any);
        foreach ((double days, int alerts) in ((double, int)[])[(1, 0), (1, 0), (1, 1)])
        {
            any.Clock.Advance(TimeSpan.FromDays(days));
            Assert.Equal(new LogCheckResult(null, null), await check.RunAsync(AuditEntry.SystemLog, null, TimeSpan.FromHours(1), s_by, Cancel));
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
        Assert.False((await RunAsync(Check(log), log)).Holds);
    }

    [Fact]
    public async Task A_check_that_stops_at_its_bound_goes_on_where_it_was()
    {
        using StoredLog log = await StoredLog.CreateAsync(shared);
        await log.AppendAsync(AuditReader.LargestRead + 5);
        await log.Checkpoints.MakeAsync(log.Name, Cancel);
        LogCheck check = Check(log);
        log.Clock.AutoAdvanceAmount = TimeSpan.FromMinutes(1);
        LogCheckResult first = await check.RunAsync(log.Name, null, TimeSpan.FromSeconds(1), s_by, Cancel);
        Assert.Equal((null, (long)AuditReader.LargestRead), (first.Holds, first.Next!.New.Size));
        LogCheckResult second = await check.RunAsync(log.Name, first.Next, TimeSpan.FromHours(1), s_by, Cancel);
        Assert.Equal(new LogCheckResult(true, null), second);
    }

    [Fact]
    public async Task Of_a_log_that_was_verified_a_damage_in_what_is_old_is_found_though_only_a_part_is_read_anew()
    {
        // As a log is checked of which a part is read a day: all is verified, and a page of it is read anew.
        using StoredLog log = await StoredLog.CreateAsync(shared);
        const int size = AuditReader.LargestRead + 30;
        await log.AppendAsync(size);
        await log.Checkpoints.MakeAsync(log.Name, Cancel);
        LogCheck check = Check(log);
        CompactRange tree = await TreeOfAsync(log, size);
        await log.ChangeAsync(AuditReader.LargestRead + 10, json => json.Replace("192.0.2.7", "192.0.2.8", StringComparison.Ordinal));
        LogPass part = new(LogTree.Of(tree), LogTree.Empty, 0, 10);
        Assert.True((await check.RunAsync(log.Name, part, TimeSpan.FromHours(1), s_by, Cancel)).Holds); // not met yet
        LogTree rolling = LogTree.Of(await TreeOfAsync(log, AuditReader.LargestRead));
        Assert.False((await check.RunAsync(log.Name, part with { Rolling = rolling }, TimeSpan.FromHours(1), s_by, Cancel)).Holds);
    }

    private static Task<LogCheckResult> RunAsync(LogCheck check, StoredLog log) => check.RunAsync(log.Name, null, TimeSpan.FromHours(1), s_by, Cancel);

    private static async Task<CompactRange> TreeOfAsync(StoredLog log, int size)
    {
        CompactRange tree = new();
        while (tree.Size < size)
        {
            foreach (StoredEntry entry in (await log.Reader.ReadAsync(log.Name, tree.Size, AuditReader.LargestRead, Cancel)).TakeWhile(_ => tree.Size < size))
            {
                tree.Append(Merkle.LeafHash(Encoding.UTF8.GetBytes(entry.Json)));
            }
        }

        return tree;
    }

    private static LogCheck Check(params StoredLog[] logs) => Check(logs[0].Reader, logs);

    private static LogCheck Check(AuditReader reader, params StoredLog[] logs) =>
        Check(reader, new Checkpoints(logs[0].Reader, logs[0].Vault, new KeysOfTwo(logs[0].Keys, logs[^1].Keys), logs[0].Clock), logs[0]);

    private static LogCheck Check(AuditReader reader, Checkpoints checkpoints, StoredLog first)
    {
        LogStates states = new(first.Rows, first.Clock);
        AlertDesk alerts = new(first.Rows, new Outbox(first.Rows, first.Log, first.Clock), first.Clock, NullLogger<AlertDesk>.Instance);
        CommitEntries commits = new(first.Reader, new CatalogReader(first.Rows), first.Vault, new ReceiptIssuer(first.Keys, new StoredPacks(first.Vault)));
        return new LogCheck(reader, checkpoints, commits, alerts, states, first.Clock, NullLogger<LogCheck>.Instance);
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
}
