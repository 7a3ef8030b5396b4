using CloudArchive.Core.Alerts;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Losses;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Tests.Audit;
using CloudArchive.Core.Tests.Retention;
using CloudArchive.Core.Tests.Support;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Wire;
using Microsoft.Extensions.Logging.Abstractions;

namespace CloudArchive.Core.Tests.Losses;

/// <summary>A table store that died before it wrote to the disk: the log verifies, and receipts name entries of other packs.</summary>
public sealed class CommitEntriesTests(SharedStorage shared)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Receipts_whose_entries_were_lost_are_found_alerted_and_entered_again_by_the_rebuild()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        ClinicId id = archive.Clinic.Id;
        SealedPack kept = await archive.BackUpAsync();
        Assert.Empty(await archive.Core.Commits.FindMissingAsync(id, Cancel));
        object copy = archive.Rows.Copy();
        SealedPack one = await archive.BackUpAsync(), two = await archive.BackUpAsync();
        archive.Rows.PutBack(copy);
        Archive again = new(archive.Rows, archive.Vault, shared.Keys, shared.Keys, shared.Keys, archive.Clock);
        SealedPack[] later = [await BackUpAsync(again), await BackUpAsync(again)];

        // Nothing but the receipts knows: two of five name entries of the later ones.
        LogStates states = new(archive.Rows, archive.Clock);
        Checkpoints checkpoints = new(again.Reader, archive.Vault, shared.Keys, archive.Clock);
        await checkpoints.MakeAsync(id.Value, Cancel);
        IReadOnlyList<MissingEntry> missing = await again.Commits.FindMissingAsync(id, Cancel);
        Assert.Equal([(one.Opened.Pack, later[0].Opened.Pack), (two.Opened.Pack, later[1].Opened.Pack)], missing.Select(entry => (entry.Pack, entry.Other!.Value)));
        LogCheck check = new(again.Reader, checkpoints, again.Commits, again.Alerts, states, archive.Clock, NullLogger<LogCheck>.Instance);
        Assert.False((await check.RunAsync(id.Value, null, TimeSpan.FromHours(1), Archive.Admin, Cancel)).Holds);
        RaisedAlert alert = Assert.Single((await new AlertList(archive.Rows, again.Outbox, archive.Clock).ListAsync(id.Value, null, null, 100, Cancel)).Alerts);
        Assert.Equal((AlertCause.LogDamaged, "commits"), (alert.Alert.Cause, alert.Alert.Subject));

        // The rebuild says in the log what it lost; agents hear of these packs from there.
        long seen = (await again.Changes.ReadAsync(id, -1, 100, Cancel)).Next;
        await again.Rebuild.RunAsync(id, null, 100, Archive.Admin, Cancel);
        await again.Rebuild.RunAsync(id, null, 100, Archive.Admin, Cancel);
        Assert.Empty(await again.Commits.FindMissingAsync(id, Cancel));
        Assert.True(await check.HasCommitsAsync(id, Archive.Admin, Cancel));
        AuditEntry[] entered = [.. (await TestClinic.LogAsync(again, id.Value)).Where(entry => entry.Action == AuditActions.PackReentered)];
        Assert.Equal(new[] { one, two }.Select(pack => pack.Opened.Pack.ToString()).Order(StringComparer.Ordinal), entered.Select(entry => entry.Subject.Pack!).Order(StringComparer.Ordinal));
        Assert.Equal(missing.Select(entry => entry.Index.ToString()).Order(StringComparer.Ordinal), entered.Select(entry => entry.Details!["index"]).Order(StringComparer.Ordinal));
        Assert.Equal(
            new[] { one, two }.Select(pack => pack.Opened.Pack).ToHashSet(),
            [.. (await again.Changes.ReadAsync(id, seen, 100, Cancel)).Items.Where(change => change.Archived is not null).Select(change => change.Pack)]);
        Assert.Equal(5, (await again.Population.ReadAsync(id, Cancel)).Count);
        Assert.NotEqual(kept.Opened.Pack, one.Opened.Pack);

        async Task<SealedPack> BackUpAsync(Archive on)
        {
            SealedPack pack = await archive.Clinic.On(on).SealAsync(files: 1);
            await archive.Vault.WriteNewAsync(BlobName.Pack(id, pack.Opened.Pack), pack.Ciphertext, "application/octet-stream", MemoryArchive.Metadata(pack.Sidecar), Cancel);
            await archive.Clinic.On(on).CommitAsync(pack);
            return pack;
        }
    }

    [Fact]
    public async Task Tables_that_were_put_back_get_no_checkpoint_beside_the_one_that_was()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        string log = archive.Clinic.Id.Value;
        Checkpoints checkpoints = new(archive.Core.Reader, archive.Vault, shared.Keys, archive.Clock);
        await archive.BackUpAsync();
        await checkpoints.MakeAsync(log, Cancel);
        object copy = archive.Rows.Copy();
        await archive.BackUpAsync();
        long size = (await checkpoints.MakeAsync(log, Cancel)).Statement.Size;
        archive.Rows.PutBack(copy);
        Archive again = new(archive.Rows, archive.Vault, shared.Keys, shared.Keys, shared.Keys, archive.Clock);
        await archive.Clinic.On(again).SealAsync(); // an entry that was not there before
        await Assert.ThrowsAsync<AuditLogDamagedException>(() => new Checkpoints(again.Reader, archive.Vault, shared.Keys, archive.Clock).MakeAsync(log, Cancel));
        Assert.Equal(size, (await checkpoints.FindLastAsync(log, Cancel))!.Statement.Size);
    }

    [Fact]
    public async Task A_receipt_that_nothing_can_read_is_no_proof_that_the_log_lost_nothing()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        ClinicId id = archive.Clinic.Id;
        SealedPack pack = await archive.BackUpAsync();
        await archive.BackUpAsync();
        Row row = (await archive.Rows.FindAsync(RowTable.Catalog, id.Value, "p:" + pack.Opened.Pack, Cancel))!;
        await archive.Rows.SubmitAsync(RowTable.Catalog, id.Value, [new RowWrite.Delete(row.Key, row.ETag!)], Cancel);
        Assert.Empty(await archive.Core.Commits.FindMissingAsync(id, Cancel));
        archive.Vault.Lose(BlobName.Receipt(id, pack.Opened.Pack));
        await archive.Vault.WriteNewAsync(BlobName.Receipt(id, pack.Opened.Pack), "no receipt"u8.ToArray(), "application/jose", Cancel);
        IntegrityException e = await Assert.ThrowsAsync<IntegrityException>(() => archive.Core.Commits.FindMissingAsync(id, Cancel));
        Assert.Contains(pack.Opened.Pack.ToString(), e.Message, StringComparison.Ordinal);

        // For the daily pass that is "not checked".
        LogStates states = new(archive.Rows, archive.Clock);
        Checkpoints checkpoints = new(archive.Core.Reader, archive.Vault, shared.Keys, archive.Clock);
        LogCheck check = new(archive.Core.Reader, checkpoints, archive.Core.Commits, archive.Core.Alerts, states, archive.Clock, NullLogger<LogCheck>.Instance);
        Assert.Equal(new LogCheckResult(null, null), await check.RunAsync(id.Value, null, TimeSpan.FromHours(1), Archive.Admin, Cancel));
    }

    [Fact]
    public async Task An_agent_gets_the_entries_of_commits_with_proofs_and_of_others_the_proof_alone()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        await archive.BackUpAsync();
        TreeHead head = await archive.Core.Reader.GetHeadAsync(archive.Clinic.Id.Value, Cancel);
        IReadOnlyList<AuditEntry> log = await archive.Clinic.LogAsync();
        long[] all = [.. Enumerable.Range(0, (int)head.Size)];
        IReadOnlyList<CommitEntryResponse> read = await archive.Core.Reader.ReadCommitsAsync(archive.Clinic.Id.Value, all, head.Size, Cancel);
        Assert.Equal(all, read.Select(entry => entry.Index));
        foreach (CommitEntryResponse entry in read)
        {
            Assert.Equal(log[(int)entry.Index].Action == AuditActions.PackCommitted, entry.Entry is not null);
            Assert.Equal(entry.Entry is not null, entry.Entry is { } json && entry.Proof.Proves(Merkle.LeafHash(System.Text.Encoding.UTF8.GetBytes(json)), head.Root));
        }
    }

    [Fact]
    public async Task Losses_come_back_from_the_log_and_a_rebuild_that_finds_no_blob_records_one()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        ClinicId id = archive.Clinic.Id;
        SealedPack lost = await archive.BackUpAsync(), whole = await archive.BackUpAsync(), gone = await archive.BackUpAsync();
        await archive.Core.Losses.RecordAsync(id, lost.Opened.Pack, PackLossCause.Damaged, "hash-mismatch", Archive.Admin, Cancel);
        await archive.Core.Losses.RecordAsync(id, whole.Opened.Pack, PackLossCause.Damaged, "hash-mismatch", Archive.Admin, Cancel);
        await archive.Core.Losses.ReinstateAsync(id, whole.Opened.Pack, Archive.Admin, Cancel);
        Row row = Assert.Single(await archive.Rows.QueryAsync(RowTable.Work, id.Value, RowRange.Prefix("lost:"), 10, Cancel));
        Assert.True(await archive.Rows.TryDeleteAsync(RowTable.Work, id.Value, [row], Cancel));
        archive.Vault.Lose(BlobName.Pack(id, gone.Opened.Pack));

        await archive.Core.Rebuild.RunAsync(id, null, 100, Archive.Admin, Cancel);
        IReadOnlyDictionary<PackId, LostPack> losses = await archive.Core.Losses.ListAsync(id, Cancel);
        Assert.Equal([(lost.Opened.Pack, PackLossCause.Damaged), (gone.Opened.Pack, PackLossCause.Missing)], losses.Values.OrderBy(loss => loss.Pack.ToString(), StringComparer.Ordinal).Select(loss => (loss.Pack, loss.Cause)));
        Assert.Equal(row.Values, (await archive.Rows.FindAsync(RowTable.Work, id.Value, row.Key, Cancel))!.Values);
        Assert.Equal(2, (await archive.Clinic.LogAsync()).Count(entry => entry.Action == AuditActions.PackLost && entry.Subject.Pack != whole.Opened.Pack.ToString()));
    }

    [Fact]
    public async Task Retention_locks_the_others_of_a_study_of_which_a_pack_is_lost_and_records_it_once()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        ClinicId id = archive.Clinic.Id;
        SealedPack lost = await archive.BackUpAsync();
        SealedPack other = await archive.BackUpAsync(lost.Sidecar.Study);
        DateTimeOffset before = (await archive.Vault.FindAsync(BlobName.Pack(id, other.Opened.Pack), Cancel))!.ImmutableUntil!.Value;
        foreach (BlobName blob in (BlobName[])[BlobName.Pack(id, lost.Opened.Pack), BlobName.Sidecar(id, lost.Opened.Pack), BlobName.Receipt(id, lost.Opened.Pack)])
        {
            archive.Vault.Lose(blob);
        }

        await archive.Core.Policies.ChangeAsync(id, Format.Retention.RetentionPolicy.ForYears(25), Archive.Admin, Cancel);
        await archive.RunAsync(alsoPlan: false);
        Assert.Equal(before.AddYears(15), (await archive.Vault.FindAsync(BlobName.Pack(id, other.Opened.Pack), Cancel))!.ImmutableUntil);
        Assert.Equal([lost.Opened.Pack], (await archive.Core.Losses.ListAsync(id, Cancel)).Keys);
        Assert.Equal(0, (await archive.RunAsync()).Extended);
    }
}
