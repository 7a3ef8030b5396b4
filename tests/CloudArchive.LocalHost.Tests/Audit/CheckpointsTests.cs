using CloudArchive.Core;
using CloudArchive.Core.Alerts;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Storage;
using CloudArchive.Format.Audit;
using CloudArchive.LocalHost.Tests.Storage;
using Microsoft.Extensions.Logging.Abstractions;

namespace CloudArchive.LocalHost.Tests.Audit;

public sealed class CheckpointsTests(SharedStorage shared)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_checkpoint_states_the_log_is_signed_and_locked_for_seven_years()
    {
        using StoredLog log = await StoredLog.CreateAsync(shared);
        await log.AppendAsync(5);
        SignedCheckpoint made = await log.Checkpoints.MakeAsync(log.Name, Cancel);
        Assert.Equal((log.Name, 5L), (made.Statement.Log, made.Statement.Size));
        Assert.Equal((await log.Reader.GetHeadAsync(log.Name, Cancel)).Root, made.Statement.Root);
        Assert.Equal(made.Statement, SignedCheckpoint.Verify(made.Jws, await log.Keys.GetPublicKeysAsync(Cancel)).Statement);

        BlobState state = Assert.Single(await BlobsAsync(log));
        Assert.True(state.Locked);
        Assert.True(state.ImmutableUntil > log.Clock.GetUtcNow().AddYears(6));
    }

    [Fact]
    public async Task A_log_that_did_not_grow_keeps_its_checkpoint()
    {
        using StoredLog log = await StoredLog.CreateAsync(shared);
        await log.AppendAsync(5);
        SignedCheckpoint made = await log.Checkpoints.MakeAsync(log.Name, Cancel);
        log.Clock.Advance(TimeSpan.FromHours(1));
        Assert.Equal(made.Jws, (await log.Checkpoints.MakeAsync(log.Name, Cancel)).Jws);
        Assert.Equal(made.Jws, (await log.Checkpoints.FindLastAsync(log.Name, Cancel))!.Jws);
        Assert.Single(await BlobsAsync(log));
    }

    [Fact]
    public async Task An_empty_log_has_a_checkpoint_too()
    {
        using StoredLog log = await StoredLog.CreateAsync(shared);
        Assert.Null(await log.Checkpoints.FindLastAsync(log.Name, Cancel));
        Assert.Equal(Merkle.EmptyRoot, (await log.Checkpoints.MakeAsync(log.Name, Cancel)).Statement.Root);
        await log.AppendAsync(3);
        Assert.Equal(3, (await log.Checkpoints.MakeAsync(log.Name, Cancel)).Statement.Size);
        Assert.True((await log.VerifyAsync()).Holds);
    }

    [Fact]
    public async Task Checkpoints_of_all_times_verify_after_the_signing_key_was_rotated()
    {
        using StoredLog log = await StoredLog.CreateAsync(shared);
        await log.AppendAsync(5);
        await log.Checkpoints.MakeAsync(log.Name, Cancel);
        await log.Keys.RotateSigningKeyAsync(Cancel);
        await log.AppendAsync(5);
        await log.Checkpoints.MakeAsync(log.Name, Cancel);
        AuditReport report = await log.VerifyAsync();
        Assert.Empty(report.Findings);
        Assert.Equal(10, report.Covered);
    }

    [Fact]
    public async Task They_are_listed_in_order_and_in_pages()
    {
        using StoredLog log = await StoredLog.CreateAsync(shared);
        List<string> made = [];
        for (int i = 0; i < 5; i++)
        {
            await log.AppendAsync(1);
            made.Add((await log.Checkpoints.MakeAsync(log.Name, Cancel)).Jws);
        }

        List<string> listed = [];
        string? after = null;
        do
        {
            (IReadOnlyList<string> page, after) = await log.Checkpoints.ListAsync(log.Name, after, 2, Cancel);
            Assert.InRange(page.Count, 1, 2);
            Assert.True(after is null || Checkpoints.IsName(after));
            listed.AddRange(page);
        }
        while (after is not null);
        Assert.Equal(made, listed);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_crash_between_any_two_calls_to_storage_is_mended_by_the_next_run(bool after)
    {
        bool survived = false;
        for (int fatal = 1; !survived; fatal++)
        {
            using StoredLog log = await StoredLog.CreateAsync(shared);
            await log.AppendAsync(3);
            await log.Checkpoints.MakeAsync(log.Name, Cancel);
            await log.AppendAsync(3);
            DyingVault vault = new(log.Vault, fatal, after);
            try
            {
                await log.CheckpointsOn(vault).MakeAsync(log.Name, Cancel);
                survived = !vault.Dead;
            }
            catch (IOException)
            {
                Assert.True(vault.Dead);
            }

            await log.AppendAsync(3);
            Assert.Equal(9, (await log.Checkpoints.MakeAsync(log.Name, Cancel)).Statement.Size);
            Assert.All(await BlobsAsync(log), blob => Assert.True(blob.Locked));
            Assert.Empty((await log.VerifyAsync()).Findings);
            Assert.True(fatal < 20);
        }
    }

    [Fact]
    public async Task A_log_that_was_rolled_back_gets_no_checkpoint_and_raises_an_alarm()
    {
        using StoredLog good = await StoredLog.CreateAsync(shared), bad = await StoredLog.CreateAsync(shared);
        await good.AppendAsync(3);
        await bad.AppendAsync(3);
        await bad.Checkpoints.MakeAsync(bad.Name, Cancel);
        await bad.RollBackAsync([]);
        await bad.AppendAsync(1);

        LogStates states = new(good.Rows, good.Clock);
        Checkpoints checkpoints = new(good.Reader, good.Vault, new KeysOfTwo(good.Keys, bad.Keys), good.Clock);
        AlertDesk alerts = new(good.Rows, new Outbox(good.Rows, good.Log, good.Clock), good.Clock, NullLogger<AlertDesk>.Instance);
        CheckpointRun run = new(checkpoints, good.Log, alerts, states, NullLogger<CheckpointRun>.Instance);
        Assert.True(await run.MakeAsync(good.Name, "run-1", Cancel));
        Assert.False(await run.MakeAsync(bad.Name, "run-1", Cancel));
        Assert.False(await run.MakeAsync(bad.Name, "run-2", Cancel));
        Assert.True((await states.FindAsync(bad.Name, Cancel)).Damaged);
        Assert.Equal(3, (await checkpoints.FindLastAsync(good.Name, Cancel))!.Statement.Size);
        Assert.Equal(3, (await checkpoints.FindLastAsync(bad.Name, Cancel))!.Statement.Size);
        IReadOnlyList<StoredEntry> system = await good.Reader.ReadAsync(AuditEntry.SystemLog, 0, 1000, Cancel);
        Assert.Equal(2, system.Count(entry => entry.Json.Contains(AuditActions.LogDamaged, StringComparison.Ordinal) && entry.Json.Contains(bad.Name, StringComparison.Ordinal)));
        Assert.Single(system, entry => entry.Json.Contains(AuditActions.AlertRaised, StringComparison.Ordinal) && entry.Json.Contains(bad.Name, StringComparison.Ordinal));
    }

    private static async Task<List<BlobState>> BlobsAsync(StoredLog log)
    {
        List<BlobState> blobs = [];
        await foreach (ListedBlob blob in log.Vault.ListAsync(VaultArea.Records, log.Name + "/checkpoints/", null, Cancel))
        {
            blobs.Add((await log.Vault.FindAsync(blob.Name, Cancel))!);
        }

        return blobs;
    }
}
