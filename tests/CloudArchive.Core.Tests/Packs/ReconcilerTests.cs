using CloudArchive.Core.Audit;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Packs;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Tests.Retention;
using CloudArchive.Core.Tests.Support;
using CloudArchive.Format;
using CloudArchive.Format.Audit;

namespace CloudArchive.Core.Tests.Packs;

public sealed class ReconcilerTests(SharedStorage shared)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_run_completes_what_was_committed_clears_what_was_abandoned_and_leaves_what_is_young()
    {
        Archive archive = Archive.On(shared);
        TestClinic clinic = await TestClinic.CreateAsync(archive);
        SealedPack abandoned = await clinic.SealAsync();
        await TestClinic.UploadAsync(abandoned);
        archive.Clock.Advance(PackReconciliation.AbandonAfter);
        SealedPack committing = await clinic.SealAsync();
        await TestClinic.UploadAsync(committing);
        await RecordAsync(clinic, committing);
        archive.Clock.Advance(PackReconciliation.Grace);
        SealedPack young = await clinic.SealAsync();

        Reconciliation run = await archive.Reconciler.RunAsync(clinic.Id, null, 100, Cancel);
        Assert.Equal((1, 1, 0, null), (run.Completed, run.Cleared, run.Failed, run.Next));
        Assert.NotNull((await archive.Catalog.FindPackAsync(clinic.Id, committing.Opened.Pack, Cancel))!.Receipt);
        Assert.Null(await shared.Storage.Vault.FindAsync(BlobName.Pack(clinic.Id, abandoned.Opened.Pack), Cancel));
        Assert.Equal(PackState.Open, (await archive.Packs.FindAsync(clinic.Id, young.Opened.Pack, Cancel))!.State);
        AuditEntry entry = Assert.Single(await clinic.LogAsync(), e => e.Action == AuditActions.PackAbandoned);
        Assert.Equal(("reconciler", "system"), (entry.Actor.Id, entry.Actor.Role));
    }

    [Fact]
    public async Task What_was_uploaded_again_after_a_rejection_is_swept_with_its_row_versions_and_snapshots_too()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        ClinicId id = archive.Clinic.Id;
        SealedPack pack = await archive.Clinic.SealAsync();
        BlobName blob = BlobName.Pack(id, pack.Opened.Pack);
        await archive.Vault.WriteNewAsync(blob, "not what the sidecar says"u8.ToArray(), "application/octet-stream", MemoryArchive.Metadata(pack.Sidecar), Cancel);
        RefusedException refused = await Assert.ThrowsAsync<RefusedException>(() => archive.Clinic.CommitAsync(pack));
        Assert.Equal(Refusal.PackMismatch, refused.Refusal);
        Assert.Empty(archive.Vault.All(VaultArea.Packs));

        // The upload URL lives on for the rest of its hour.
        await archive.Vault.WriteNewAsync(blob, "again"u8.ToArray(), "application/octet-stream", Cancel);
        archive.Vault.Snapshot(blob);
        archive.Vault.Overwrite(blob, "and again"u8.ToArray());
        archive.Vault.Lease(blob);
        archive.Clock.Advance(PackReconciliation.ForgetAfter);
        Assert.Equal((1, 0), (await archive.Core.Reconciler.RunAsync(id, null, 100, Cancel)) is var run ? (run.Cleared, run.Failed) : default);
        Assert.Empty(archive.Vault.All(VaultArea.Packs));
        Assert.Empty(archive.Vault.AllSnapshots(VaultArea.Packs));
        Assert.Null(await archive.Core.Packs.FindAsync(id, pack.Opened.Pack, Cancel));
    }

    [Fact]
    public async Task A_run_is_bounded_also_by_what_is_not_due_and_the_next_one_goes_on_where_it_stopped()
    {
        Archive archive = Archive.On(shared);
        TestClinic clinic = await TestClinic.CreateAsync(archive);
        await clinic.SealAsync();
        await clinic.SealAsync();
        archive.Clock.Advance(PackReconciliation.AbandonAfter);
        SealedPack young = await clinic.SealAsync();
        PackId? after = null;
        List<int> cleared = [];
        do
        {
            Reconciliation run = await archive.Reconciler.RunAsync(clinic.Id, after, 1, Cancel);
            cleared.Add(run.Cleared);
            after = run.Next;
        }
        while (after is not null);
        Assert.Equal([1, 1, 0, 0], cleared);
        Assert.Equal([young.Opened.Pack], (await archive.Packs.ListAsync(clinic.Id, null, 10, Cancel)).Select(pack => pack.Pack));
    }

    [Fact]
    public async Task A_pack_that_cannot_be_finished_does_not_keep_the_others_from_it()
    {
        Archive archive = Archive.On(shared);
        TestClinic clinic = await TestClinic.CreateAsync(archive);
        SealedPack[] packs = [await clinic.SealAsync(), await clinic.SealAsync()];
        foreach (SealedPack pack in packs)
        {
            await TestClinic.UploadAsync(pack);
            await RecordAsync(clinic, pack);
        }

        // The first one's kept sidecar is damaged.
        Row chunk = (await shared.Storage.Rows.QueryAsync(RowTable.Work, clinic.Id.Value, RowRange.Prefix($"sidecar:{packs[0].Opened.Pack}:"), 1, Cancel))[0];
        await shared.Storage.Rows.SubmitAsync(RowTable.Work, clinic.Id.Value, [new RowWrite.Upsert(chunk.Key, new Dictionary<string, object> { ["bytes"] = new byte[] { 3, 0 } })], Cancel);
        archive.Clock.Advance(PackReconciliation.Grace);
        Reconciliation run = await archive.Reconciler.RunAsync(clinic.Id, null, 100, Cancel);
        Assert.Equal((1, 1), (run.Completed, run.Failed));
        Assert.NotNull((await archive.Catalog.FindPackAsync(clinic.Id, packs[1].Opened.Pack, Cancel))!.Receipt);
    }

    [Fact]
    public async Task A_rejected_pack_is_forgotten_after_a_week()
    {
        Archive archive = Archive.On(shared);
        TestClinic clinic = await TestClinic.CreateAsync(archive);
        SealedPack pack = await clinic.SealAsync();
        await TestClinic.UploadAsync(pack, [1, 2, 3]);
        await Assert.ThrowsAsync<RefusedException>(() => clinic.CommitAsync(pack));
        archive.Clock.Advance(PackReconciliation.ForgetAfter);
        await archive.Reconciler.RunAsync(clinic.Id, null, 100, Cancel);
        Assert.Null(await archive.Packs.FindAsync(clinic.Id, pack.Opened.Pack, Cancel));
        Assert.Empty(await shared.Storage.Rows.QueryAsync(RowTable.Work, clinic.Id.Value, RowRange.Prefix("sidecar:"), 10, Cancel));
    }

    [Fact]
    public async Task Runs_at_the_same_time_do_no_harm()
    {
        Archive archive = Archive.On(shared);
        TestClinic clinic = await TestClinic.CreateAsync(archive);
        SealedPack pack = await clinic.SealAsync();
        await TestClinic.UploadAsync(pack);
        await RecordAsync(clinic, pack);
        SealedPack bad = await clinic.SealAsync();
        await TestClinic.UploadAsync(bad, [1]);
        await RecordAsync(clinic, bad);
        SealedPack gone = await clinic.SealAsync();
        archive.Clock.Advance(PackReconciliation.AbandonAfter);
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() => archive.Reconciler.RunAsync(clinic.Id, null, 100, Cancel))));
        IReadOnlyList<AuditEntry> log = await clinic.LogAsync();
        Assert.Single(log, entry => entry.Action == AuditActions.PackCommitted && entry.Outcome == AuditOutcome.Success);
        Assert.Single(log, entry => entry.Action == AuditActions.PackCommitted && entry.Outcome == AuditOutcome.Refused);
        Assert.Single(log, entry => entry.Action == AuditActions.PackAbandoned && entry.Subject.Pack == gone.Opened.Pack.ToString());
    }

    private static async Task RecordAsync(TestClinic clinic, SealedPack pack)
    {
        InFlightPack row = (await clinic.Archive.Packs.FindAsync(clinic.Id, pack.Opened.Pack, Cancel))!;
        Clinic settings = await clinic.Archive.Clinics.GetAsync(clinic.Id, Cancel);
        Assert.NotNull(await clinic.Archive.Packs.RecordIntentAsync(row, Format.Packs.Sidecars.Serialize(pack.Sidecar), settings, pack.Sidecar.Length, Requester.System("test", "test"), Cancel));
    }
}
