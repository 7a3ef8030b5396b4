using CloudArchive.Core.Packs;
using CloudArchive.Core.Records;
using CloudArchive.Core.Retention;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Tests.Retention;
using CloudArchive.Core.Tests.Support;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Retention;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Tests.Losses;

public sealed class ChangeFeedTests(SharedStorage shared)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Each_pack_comes_once_in_the_logs_order_and_then_only_what_is_new()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        List<SealedPack> packs = [];
        for (int i = 0; i < 5; i++)
        {
            packs.Add(await archive.BackUpAsync());
        }

        List<ArchiveChange> seen = [];
        long after = -1;
        ChangesResponse page;
        do
        {
            page = await archive.Core.Changes.ReadAsync(archive.Clinic.Id, after, 2, Cancel);
            Assert.InRange(page.Items.Count, 0, 2);
            seen.AddRange(page.Items);
            after = page.Next;
        }
        while (page.More);
        Assert.Equal(packs.Select(pack => pack.Opened.Pack), seen.Select(change => change.Pack));
        foreach ((ArchiveChange change, SealedPack pack) in seen.Zip(packs))
        {
            Receipt receipt = Receipts.Verify(change.Archived!.Receipt, await shared.Keys.GetPublicKeysAsync(Cancel));
            Assert.Equal((pack.Opened.Pack, change.Index), (receipt.Pack, receipt.AuditIndex));
            Assert.Equal(pack.Sidecar.Instances, change.Archived.Instances);
        }

        Assert.Empty((await archive.Core.Changes.ReadAsync(archive.Clinic.Id, after, 100, Cancel)).Items);
        SealedPack late = await archive.BackUpAsync();
        Assert.Equal(late.Opened.Pack, Assert.Single((await archive.Core.Changes.ReadAsync(archive.Clinic.Id, after, 100, Cancel)).Items).Pack);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("{")]
    public async Task Of_a_study_that_was_destroyed_agents_hear_though_its_certificate_cannot_be_read(string? instead)
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        ClinicId id = archive.Clinic.Id;
        Uid study = TestClinic.NewStudy();
        SealedPack[] gone = [await archive.BackUpAsync(study), await archive.BackUpAsync(study)];
        archive.Clock.Advance(TimeSpan.FromDays(366 * 60));
        await archive.RunAsync();
        await archive.ApproveAllAsync();
        await archive.RunAsync();
        SealedPack kept = await archive.BackUpAsync();
        ChangesResponse whole = await archive.Core.Changes.ReadAsync(id, -1, 100, Cancel);
        DestructionOrder order = Assert.Single(await archive.Core.Destructions.ListAsync(id, null, 10, Cancel), order => order.Status == DestructionStatus.Destroyed);
        BlobName certificate = RecordStore.Name(id.Value, DestructionCertificate.Kind, order.Id.ToString(), DestructionCertificate.File);
        archive.Vault.Lose(certificate);
        if (instead is not null)
        {
            await archive.Vault.WriteNewAsync(certificate, System.Text.Encoding.UTF8.GetBytes(instead), "application/json", Cancel);
        }

        ChangesResponse read = await archive.Core.Changes.ReadAsync(id, -1, 100, Cancel);
        Assert.Equal(whole.Next, read.Next);
        Assert.Equal(
            gone.Select(pack => pack.Opened.Pack).ToHashSet(),
            [.. read.Items.Where(change => change.Lost is { Cause: PackLossCause.Destroyed } lost && lost.Study == study).Select(change => change.Pack)]);
        Assert.Equal([kept.Opened.Pack], read.Items.Where(change => change.Archived is not null).Select(change => change.Pack));
    }

    [Fact]
    public async Task A_commit_that_is_under_way_holds_back_what_comes_after_it_but_not_for_ever()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        SealedPack first = await archive.BackUpAsync();

        // The entry is in the log, and the process dies before the receipt is anywhere.
        bool died = false;
        for (int call = 1; !died; call++)
        {
            Doom doom = new(call);
            Archive dying = new(archive.Rows, archive.Vault, shared.Keys, shared.Keys, new DoomedSigner(shared.Keys, doom), archive.Clock);
            SealedPack pack = await archive.BackUpAsync(beforeCommit: async pack =>
            {
                await Record.ExceptionAsync(() => archive.Clinic.On(dying).CommitAsync(pack));
                died = doom.Struck;
                if (died)
                {
                    ChangesResponse held = await archive.Core.Changes.ReadAsync(archive.Clinic.Id, -1, 100, Cancel);
                    Assert.Equal(first.Opened.Pack, Assert.Single(held.Items).Pack);
                    Assert.False(held.More);
                    archive.Clock.Advance(TimeSpan.FromHours(2));
                    ChangesResponse waited = await archive.Core.Changes.ReadAsync(archive.Clinic.Id, held.Next, 100, Cancel);
                    Assert.Empty(waited.Items);
                    Assert.True(waited.Next > held.Next);
                }
            });

            // The agent repeats its commit, and the pack is known.
            Assert.Contains((await archive.Core.Changes.ReadAsync(archive.Clinic.Id, -1, 100, Cancel)).Items, change => change.Pack == pack.Opened.Pack);
        }
    }

    [Fact]
    public async Task A_pack_of_which_the_catalogue_lost_its_rows_is_told_of_by_what_lies_beside_it()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        SealedPack pack = await archive.BackUpAsync();
        IReadOnlyList<Row> rows = await archive.Rows.QueryAsync(RowTable.Catalog, archive.Clinic.Id.Value, "!", "~", 1000, Cancel);
        Assert.True(await archive.Rows.TryDeleteAsync(RowTable.Catalog, archive.Clinic.Id.Value, rows, Cancel));
        Assert.Equal(pack.Sidecar.Instances, Assert.Single((await archive.Core.Changes.ReadAsync(archive.Clinic.Id, -1, 100, Cancel)).Items).Archived!.Instances);

        // Without its receipt nothing proves it, and the others are told of all the same.
        archive.Vault.Lose(BlobName.Receipt(archive.Clinic.Id, pack.Opened.Pack));
        SealedPack other = await archive.BackUpAsync();
        Assert.Equal(other.Opened.Pack, Assert.Single((await archive.Core.Changes.ReadAsync(archive.Clinic.Id, -1, 100, Cancel)).Items).Pack);
    }

    [Fact]
    public async Task Who_saw_more_than_the_log_has_begins_again_and_a_row_that_nobody_appended_leads_nowhere()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        await archive.BackUpAsync();
        long size = (await archive.Core.Reader.GetHeadAsync(archive.Clinic.Id.Value, Cancel)).Size;
        ChangesResponse answer = await archive.Core.Changes.ReadAsync(archive.Clinic.Id, size + 7, 100, Cancel);
        Assert.Equal((0, -1L, true), (answer.Items.Count, answer.Next, answer.More));

        await archive.Rows.SubmitAsync(RowTable.Audit, archive.Clinic.Id.Value, [new RowWrite.Insert("e_0000000000999999", new Dictionary<string, object> { ["json"] = "{}" })], Cancel);
        Assert.Equal(size - 1, (await archive.Core.Changes.ReadAsync(archive.Clinic.Id, -1, 100, Cancel)).Next);
    }
}
