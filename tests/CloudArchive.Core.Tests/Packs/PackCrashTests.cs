using CloudArchive.Core.Audit;
using CloudArchive.Core.Catalog;
using CloudArchive.Core.Packs;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Tests.Support;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Wire;
using Microsoft.Extensions.Time.Testing;

namespace CloudArchive.Core.Tests.Packs;

/// <summary>
/// The process dies after every single call to storage, tables and keys (which is before the next one); then the agent repeats, or the
/// reconciler comes by.
/// </summary>
public sealed class PackCrashTests(SharedStorage shared)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_commit_that_dies_after_any_call_ends_in_one_receipt_and_one_entry(bool reconciled)
    {
        Archive archive = Archive.On(shared);
        TestClinic clinic = await TestClinic.CreateAsync(archive);
        int died = 0;
        for (int call = 1; ; call++)
        {
            SealedPack pack = await clinic.SealAsync();
            await TestClinic.UploadAsync(pack);
            Doom doom = new(call);
            try
            {
                await clinic.On(Doomed(doom, archive.Clock)).CommitAsync(pack);
            }
            catch (DeadException)
            {
                died++;
            }

            InFlightPack? left = await archive.Packs.FindAsync(clinic.Id, pack.Opened.Pack, Cancel);
            if (reconciled && left is not null && left.State != PackState.Open)
            {
                archive.Clock.Advance(PackReconciliation.Grace);
                await ReconcileAsync(archive, left);
                Assert.Null(await archive.Packs.FindAsync(clinic.Id, pack.Opened.Pack, Cancel));
            }

            // The agent got no answer, or one that it lost: it repeats.
            string receipt = await clinic.CommitAsync(pack);
            await AssertCommittedOnceAsync(clinic, pack, receipt);
            if (!doom.Struck)
            {
                break;
            }
        }

        Assert.True(died >= 20, $"only {died} calls were found to die at");
    }

    /// <summary>
    /// What a commit asks of storage and keys, one after the other: with 60 small packs it is what a clinic waits for. More calls want a reason, and a change here.
    /// </summary>
    [Fact]
    public async Task A_commit_asks_no_more_than_it_needs()
    {
        Archive archive = Archive.On(shared);
        TestClinic clinic = await TestClinic.CreateAsync(archive);
        await clinic.CommitAsync(await UploadedAsync(clinic)); // the log's first entry costs more
        SealedPack pack = await UploadedAsync(clinic);
        Doom count = Doom.None();
        await clinic.On(Doomed(count, archive.Clock)).CommitAsync(pack);
        int first = count.Calls;
        await clinic.On(Doomed(count, archive.Clock)).CommitAsync(pack);

        // One of them reads what the clinic used of its daily quota, which is written with the intent.
        Assert.Equal((27, 2), (first, count.Calls - first));
    }

    private static async Task<SealedPack> UploadedAsync(TestClinic clinic)
    {
        SealedPack pack = await clinic.SealAsync();
        await TestClinic.UploadAsync(pack);
        return pack;
    }

    [Fact]
    public async Task A_rejection_that_dies_after_any_call_ends_with_one_entry_and_no_blob()
    {
        Archive archive = Archive.On(shared);
        TestClinic clinic = await TestClinic.CreateAsync(archive);
        for (int call = 1; ; call++)
        {
            SealedPack pack = await clinic.SealAsync();
            await TestClinic.UploadAsync(pack, new byte[pack.Ciphertext.Length]);
            Doom doom = new(call);
            await Assert.ThrowsAnyAsync<Exception>(() => clinic.On(Doomed(doom, archive.Clock)).CommitAsync(pack));
            await Assert.ThrowsAsync<RefusedException>(() => clinic.CommitAsync(pack));
            archive.Clock.Advance(PackReconciliation.Grace);
            InFlightPack left = (await archive.Packs.FindAsync(clinic.Id, pack.Opened.Pack, Cancel))!;
            await ReconcileAsync(archive, left);

            Assert.Equal(PackState.Cleared, (await archive.Packs.FindAsync(clinic.Id, pack.Opened.Pack, Cancel))!.State);
            Assert.Null(await shared.Storage.Vault.FindAsync(BlobName.Pack(clinic.Id, pack.Opened.Pack), Cancel));
            AuditEntry entry = Assert.Single(await clinic.LogAsync(), e => e.Action == AuditActions.PackCommitted && e.Subject.Pack == pack.Opened.Pack.ToString());
            Assert.Equal((AuditOutcome.Refused, clinic.Agent.ToString()), (entry.Outcome, entry.Actor.Id));
            if (!doom.Struck)
            {
                break;
            }
        }
    }

    [Fact]
    public async Task Opening_that_dies_after_any_call_leaves_one_entry_for_each_pack_that_is_open()
    {
        Archive archive = Archive.On(shared);
        TestClinic clinic = await TestClinic.CreateAsync(archive);
        for (int call = 1; ; call++)
        {
            Doom doom = new(call);
            Archive doomed = Doomed(doom, archive.Clock);
            try
            {
                await doomed.Intake.OpenAsync(clinic.Agent, TestClinic.NewStudy(), 1, clinic.AsAgent, Cancel);
            }
            catch (DeadException)
            {
                // As it should.
            }

            archive.Clock.Advance(PackReconciliation.Grace);
            await archive.Outbox.DrainAsync(RowTable.Work, clinic.Id.Value, TimeSpan.Zero, Cancel);
            string[] open = [.. (await archive.Packs.ListAsync(clinic.Id, null, 100, Cancel)).Select(pack => pack.Pack.ToString())];
            string?[] entries = [.. (await clinic.LogAsync()).Where(entry => entry.Action == AuditActions.PackOpened).Select(entry => entry.Subject.Pack)];
            Assert.Equal(open.Order(), entries.Order());
            if (!doom.Struck)
            {
                break;
            }
        }
    }

    [Fact]
    public async Task What_is_abandoned_is_cleared_with_its_blob_and_one_entry_wherever_the_reconciler_dies()
    {
        Archive archive = Archive.On(shared);
        TestClinic clinic = await TestClinic.CreateAsync(archive);
        for (int call = 1; ; call++)
        {
            SealedPack pack = await clinic.SealAsync();
            await TestClinic.UploadAsync(pack);
            archive.Clock.Advance(PackReconciliation.AbandonAfter);
            Doom doom = new(call);
            await ReconcileAsync(Doomed(doom, archive.Clock), (await archive.Packs.FindAsync(clinic.Id, pack.Opened.Pack, Cancel))!);
            archive.Clock.Advance(PackReconciliation.AbandonAfter);
            if (await archive.Packs.FindAsync(clinic.Id, pack.Opened.Pack, Cancel) is { } left)
            {
                await ReconcileAsync(archive, left);
            }

            await archive.Outbox.DrainAsync(RowTable.Work, clinic.Id.Value, TimeSpan.Zero, Cancel);
            Assert.Null(await archive.Packs.FindAsync(clinic.Id, pack.Opened.Pack, Cancel));
            Assert.Null(await shared.Storage.Vault.FindAsync(BlobName.Pack(clinic.Id, pack.Opened.Pack), Cancel));
            Assert.Single(await clinic.LogAsync(), entry => entry.Action == AuditActions.PackAbandoned && entry.Subject.Pack == pack.Opened.Pack.ToString());
            Assert.Equal(Refusal.PackUnknown, (await Assert.ThrowsAsync<RefusedException>(() => clinic.CommitAsync(pack))).Refusal);
            if (!doom.Struck)
            {
                break;
            }
        }
    }

    private static async Task ReconcileAsync(Archive archive, InFlightPack pack) => await archive.Reconciliation.RunAsync(pack, "test", Cancel);

    private Archive Doomed(Doom doom, FakeTimeProvider clock) =>
        new(new DoomedRows(shared.Storage.Rows, doom), new DoomedVault(shared.Storage.Vault, doom), shared.Keys, shared.Keys, new DoomedSigner(shared.Keys, doom), clock);

    private async Task AssertCommittedOnceAsync(TestClinic clinic, SealedPack pack, string jws)
    {
        Receipt receipt = Receipts.Verify(jws, await shared.Keys.GetPublicKeysAsync(Cancel));
        Assert.Equal((pack.Sidecar.Sha256, pack.Opened.Pack), (receipt.Sha256, receipt.Pack));
        AuditEntry entry = Assert.Single(await clinic.LogAsync(), e => e.Action == AuditActions.PackCommitted && e.Subject.Pack == receipt.Pack.ToString());
        Assert.Equal((receipt.AuditIndex, AuditOutcome.Success, clinic.Agent.ToString()), (entry.Index, entry.Outcome, entry.Actor.Id));
        Assert.True((await shared.Storage.Vault.FindAsync(BlobName.Pack(clinic.Id, receipt.Pack), receipt.VersionId, Cancel))!.Locked);
        CatalogPack? catalogued = await clinic.Archive.Catalog.FindPackAsync(clinic.Id, receipt.Pack, Cancel);
        Assert.Equal(jws, catalogued!.Receipt);
        StudyResponse? study = await clinic.Archive.Catalog.FindStudyAsync(clinic.Id, receipt.Study, Cancel);
        Assert.Equal((1, 2), (study!.Packs, study.Instances));
        Assert.Null(await clinic.Archive.Packs.FindAsync(clinic.Id, receipt.Pack, Cancel));
    }
}
