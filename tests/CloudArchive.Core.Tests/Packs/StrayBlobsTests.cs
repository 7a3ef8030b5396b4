using CloudArchive.Core.Alerts;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Packs;
using CloudArchive.Core.Retention;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Tests.Retention;
using CloudArchive.Core.Tests.Support;
using CloudArchive.Core.Work;
using CloudArchive.Format;
using CloudArchive.Format.Audit;

namespace CloudArchive.Core.Tests.Packs;

/// <summary>What lies in storage and stands in no row of the tables.</summary>
public sealed class StrayBlobsTests(SharedStorage shared)
{
    private static readonly Requester s_by = Requester.System("reconcile", "test");

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_was_committed_and_lost_its_rows_is_catalogued_again_and_told()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        SealedPack[] packs = [await archive.BackUpAsync(), await archive.BackUpAsync(), await archive.BackUpAsync()];
        await archive.Rows.EraseAsync(archive.Clinic.Id, packs[1].Opened.Pack);
        Assert.Null(await archive.Core.Catalog.FindPackAsync(archive.Clinic.Id, packs[1].Opened.Pack, Cancel));

        // While it may be under way it is left alone.
        Assert.Equal(new StrayResult(0, 0, 0, 0, null), await LookAsync(archive));
        archive.Clock.Advance(StrayBlobs.Young);
        Assert.Equal(new StrayResult(1, 0, 0, 0, null), await LookAsync(archive));
        Assert.NotNull((await archive.Core.Catalog.FindPackAsync(archive.Clinic.Id, packs[1].Opened.Pack, Cancel))!.Receipt);
        Assert.Single(await archive.Core.Catalog.ListInstancesAsync(archive.Clinic.Id, packs[1].Sidecar.Study, null, 10, Cancel) is var page ? page.Items : []);
        Assert.Equal([AlertCause.StrayPacks], (await archive.Core.Alerts.ListOpenAsync(archive.Clinic.Id.Value, Cancel)).Select(alert => alert.Cause));
        Assert.Single(await archive.Clinic.LogAsync(), entry => entry.Action == AuditActions.CatalogRebuilt && entry.Outcome == AuditOutcome.Success);
        Assert.Equal(new StrayResult(0, 0, 0, 0, null), await LookAsync(archive));
    }

    [Fact]
    public async Task What_was_never_committed_goes_with_all_its_versions_snapshots_and_leases_once_no_url_can_be_good()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        SealedPack kept = await archive.BackUpAsync();
        SealedPack open = await archive.Clinic.SealAsync(files: 1), stray = await archive.Clinic.SealAsync(files: 1);
        foreach (SealedPack pack in (SealedPack[])[open, stray])
        {
            await archive.Vault.WriteNewAsync(Name(archive, pack), pack.Ciphertext, "application/octet-stream", MemoryArchive.Metadata(pack.Sidecar), Cancel);
        }

        archive.Vault.Overwrite(Name(archive, stray), "again"u8.ToArray());
        archive.Vault.Snapshot(Name(archive, stray));
        archive.Vault.Lease(Name(archive, stray));
        await ForgetAsync(archive, stray);
        archive.Clock.Advance(StrayBlobs.Young - TimeSpan.FromSeconds(1));
        Assert.Equal(0, (await LookAsync(archive)).Removed);
        archive.Clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(new StrayResult(0, 1, 0, 0, null), await LookAsync(archive));
        Assert.DoesNotContain(archive.Vault.All(VaultArea.Packs), blob => blob.Name.Path.Contains(stray.Opened.Pack.ToString(), StringComparison.Ordinal));
        Assert.Empty(archive.Vault.AllSnapshots(VaultArea.Packs));
        AuditEntry entry = Assert.Single(await archive.Clinic.LogAsync(), entry => entry.Action == AuditActions.PackAbandoned);
        Assert.Equal((stray.Opened.Pack.ToString(), "no-row"), (entry.Subject.Pack, entry.Details!["fault"]));

        // What a row names is that row's business; what is archived is.
        Assert.NotNull(await archive.Vault.FindAsync(Name(archive, open), Cancel));
        Assert.NotNull(await archive.Vault.FindAsync(Name(archive, kept), Cancel));
        Assert.Empty(await archive.Core.Alerts.ListOpenAsync(archive.Clinic.Id.Value, Cancel));
    }

    [Fact]
    public async Task What_is_locked_or_was_committed_by_the_log_stays_and_is_told()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);

        // Locked, and nothing says what it is.
        SealedPack locked = await archive.Clinic.SealAsync(files: 1);
        string version = await archive.Vault.WriteNewAsync(Name(archive, locked), locked.Ciphertext, "application/octet-stream", Cancel);
        await archive.Vault.LockAsync(Name(archive, locked), version, archive.Clock.GetUtcNow().AddYears(1), Cancel);
        await ForgetAsync(archive, locked);

        // Robbed of its rows, its sidecar and its receipt when its lock was over: the log still has its commit.
        SealedPack robbed = await archive.BackUpAsync();
        await archive.Rows.EraseAsync(archive.Clinic.Id, robbed.Opened.Pack);
        archive.Vault.Lose(BlobName.Sidecar(archive.Clinic.Id, robbed.Opened.Pack));
        archive.Vault.Lose(BlobName.Receipt(archive.Clinic.Id, robbed.Opened.Pack));
        archive.Clock.Advance(TimeSpan.FromDays(366 * 40));
        await archive.Vault.LockAsync(Name(archive, locked), version, archive.Clock.GetUtcNow().AddYears(1), Cancel);
        Assert.Equal(new StrayResult(0, 0, 2, 0, null), await LookAsync(archive));
        Assert.NotNull(await archive.Vault.FindAsync(Name(archive, locked), Cancel));
        Assert.NotNull(await archive.Vault.FindAsync(Name(archive, robbed), Cancel));
        Assert.DoesNotContain(await archive.Clinic.LogAsync(), entry => entry.Action == AuditActions.PackAbandoned);
        Assert.Equal([AlertCause.StrayPacks], (await archive.Core.Alerts.ListOpenAsync(archive.Clinic.Id.Value, Cancel)).Select(alert => alert.Cause));
    }

    [Fact]
    public async Task A_sidecar_that_nothing_can_be_made_of_and_a_name_of_nobodys_are_told_and_keep_nothing_else_from_it()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        SealedPack broken = await archive.BackUpAsync(), whole = await archive.BackUpAsync(), failing = await archive.BackUpAsync();
        archive.Vault.Lose(BlobName.Sidecar(archive.Clinic.Id, broken.Opened.Pack));
        await archive.Vault.WriteNewAsync(BlobName.Sidecar(archive.Clinic.Id, broken.Opened.Pack), "{"u8.ToArray(), "application/json", Cancel);
        await archive.Vault.WriteNewAsync(new BlobName(VaultArea.Packs, $"{archive.Clinic.Id}/notes.txt"), "x"u8.ToArray(), "text/plain", Cancel);
        foreach (SealedPack pack in (SealedPack[])[broken, whole, failing])
        {
            await archive.Rows.EraseAsync(archive.Clinic.Id, pack.Opened.Pack);
        }

        archive.Clock.Advance(StrayBlobs.Young);
        TroubledVault troubled = new(archive.Vault);
        troubled.Failing.Add(BlobName.Sidecar(archive.Clinic.Id, failing.Opened.Pack));
        Archive other = new(archive.Rows, troubled, shared.Keys, shared.Keys, shared.Keys, archive.Clock);
        Assert.Equal(new StrayResult(1, 0, 2, 1, null), await other.Strays.RunAsync(archive.Clinic.Id, null, 100, s_by, Cancel));
        Assert.NotNull(await archive.Core.Catalog.FindPackAsync(archive.Clinic.Id, whole.Opened.Pack, Cancel));
    }

    [Fact]
    public async Task A_look_is_cut_into_slices_and_is_begun_once_a_day_by_the_reconciler()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        List<SealedPack> packs = [];
        for (int i = 0; i < 7; i++)
        {
            packs.Add(await archive.BackUpAsync());
        }

        await archive.Rows.EraseAsync(archive.Clinic.Id, packs[0].Opened.Pack);
        await archive.Rows.EraseAsync(archive.Clinic.Id, packs[6].Opened.Pack);
        archive.Clock.Advance(StrayBlobs.Young);
        string? after = null;
        List<int> recovered = [];
        do
        {
            StrayResult slice = await archive.Core.Strays.RunAsync(archive.Clinic.Id, after, 3, s_by, Cancel);
            recovered.Add(slice.Recovered);
            after = slice.Next;
        }
        while (after is not null);
        Assert.Equal([1, 0, 1], recovered);

        // By the job: at its first run, not at the next of the same day, and again a day later.
        foreach ((TimeSpan later, bool looks) in new[] { (TimeSpan.Zero, true), (TimeSpan.FromHours(1), false), (TimeSpan.FromDays(1), true) })
        {
            archive.Clock.Advance(later);
            await archive.Rows.EraseAsync(archive.Clinic.Id, packs[3].Opened.Pack);
            SliceEnd end = await archive.Core.Reconciler.RunAsync(new Slice(archive.Clinic.Id.Value, archive.Clock.GetUtcNow(), 0, null, s_by), Cancel);
            Assert.Equal((true, 0), (end.Done, end.Failed));
            Assert.Equal(looks, await archive.Core.Catalog.FindPackAsync(archive.Clinic.Id, packs[3].Opened.Pack, Cancel) is not null);
            if (!looks)
            {
                await archive.Core.Rebuild.RecoverAsync(archive.Clinic.Id, packs[3].Opened.Pack, s_by, Cancel);
            }
        }

        SliceEnd next = await archive.Core.Reconciler.RunAsync(new Slice(archive.Clinic.Id.Value, archive.Clock.GetUtcNow(), 1, $"stored:{packs[5].Opened.Pack}", s_by), Cancel);
        Assert.Equal((true, 0), (next.Done, next.Failed));
    }

    /// <summary>The same against storage that says what it does by HTTP: Azurite, with its locks.</summary>
    [Fact]
    public async Task Storage_itself_is_looked_through_recovered_and_cleared()
    {
        Archive archive = Archive.On(shared);
        TestClinic clinic = await TestClinic.CreateAsync(archive);
        SealedPack lost = (await clinic.BackUpAsync(files: 1)).Pack;
        SealedPack stray = await clinic.SealAsync(files: 1), locked = await clinic.SealAsync(files: 1);
        await TestClinic.UploadAsync(stray);
        await TestClinic.UploadAsync(locked);
        BlobName name = BlobName.Pack(clinic.Id, locked.Opened.Pack);
        string version = (await archive.Vault.FindAsync(name, Cancel))!.VersionId;
        await archive.Vault.LockAsync(name, version, TimeProvider.System.GetUtcNow().AddDays(3), Cancel);
        await archive.Rows.EraseAsync(clinic.Id, lost.Opened.Pack);
        foreach (SealedPack pack in (SealedPack[])[stray, locked])
        {
            await archive.Packs.RemoveAsync((await archive.Packs.FindAsync(clinic.Id, pack.Opened.Pack, Cancel))!, Cancel);
        }

        archive.Clock.Advance(StrayBlobs.Young + TimeSpan.FromHours(1));
        Assert.Equal(new StrayResult(1, 1, 1, 0, null), await archive.Strays.RunAsync(clinic.Id, null, 100, s_by, Cancel));
        Assert.NotNull((await archive.Catalog.FindPackAsync(clinic.Id, lost.Opened.Pack, Cancel))!.Receipt);
        Assert.Null(await archive.Vault.FindAsync(BlobName.Pack(clinic.Id, stray.Opened.Pack), Cancel));
        Assert.NotNull(await archive.Vault.FindAsync(name, version, Cancel));
    }

    private static Task<StrayResult> LookAsync(MemoryArchive archive) => archive.Core.Strays.RunAsync(archive.Clinic.Id, null, 100, s_by, Cancel);

    private static BlobName Name(MemoryArchive archive, SealedPack pack) => BlobName.Pack(archive.Clinic.Id, pack.Opened.Pack);

    private static async Task ForgetAsync(MemoryArchive archive, SealedPack pack) =>
        await archive.Core.Packs.RemoveAsync((await archive.Core.Packs.FindAsync(archive.Clinic.Id, pack.Opened.Pack, Cancel))!, Cancel);
}
