using CloudArchive.Core.Retention;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Tests.Support;
using CloudArchive.Core.Work;
using CloudArchive.Format;
using CloudArchive.Format.Retention;
using Microsoft.Extensions.Logging.Abstractions;

namespace CloudArchive.Core.Tests.Retention;

public sealed class TieringTests(SharedStorage shared)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Packs_have_the_tag_of_their_clinic_s_policy_and_nothing_beside_them_has()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        SealedPack pack = await archive.BackUpAsync();
        TieringRun tiering = Tiering(archive);
        Assert.Equal(0, await tiering.RunAsync(archive.Clinic.Id, 100, Cancel));
        await SetAsync(archive, 2);
        Assert.Equal(1, await tiering.RunAsync(archive.Clinic.Id, 100, Cancel));
        Assert.Equal("2", Tag(archive, pack));
        Assert.Empty(archive.Vault.TagsOf(BlobName.Sidecar(archive.Clinic.Id, pack.Opened.Pack)));
        Assert.Empty(archive.Vault.TagsOf(BlobName.Receipt(archive.Clinic.Id, pack.Opened.Pack)));

        // Another age is set on all, none takes the tags off; and then there is nothing to do.
        await SetAsync(archive, 5);
        await tiering.RunAsync(archive.Clinic.Id, 100, Cancel);
        Assert.Equal("5", Tag(archive, pack));
        await SetAsync(archive, null);
        Assert.Equal(1, await tiering.RunAsync(archive.Clinic.Id, 100, Cancel));
        Assert.Null(Tag(archive, pack));
        archive.Clock.Advance(TimeSpan.FromDays(1));
        Assert.Equal(0, await tiering.RunAsync(archive.Clinic.Id, 100, Cancel));
    }

    [Fact]
    public async Task What_comes_later_is_tagged_within_a_day_and_what_is_tagged_is_left_alone()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        await archive.BackUpAsync();
        await SetAsync(archive, 1);
        TieringRun tiering = Tiering(archive);
        Assert.Equal(1, await tiering.RunAsync(archive.Clinic.Id, 100, Cancel));
        SealedPack later = await archive.BackUpAsync();
        Assert.Equal(0, await tiering.RunAsync(archive.Clinic.Id, 100, Cancel));
        archive.Clock.Advance(TimeSpan.FromDays(1));
        await tiering.RunAsync(archive.Clinic.Id, 100, Cancel);
        Assert.Equal("1", Tag(archive, later));
        archive.Clock.Advance(TimeSpan.FromDays(3));
        await tiering.RunAsync(archive.Clinic.Id, 100, Cancel);
        archive.Clock.Advance(TimeSpan.FromDays(3));
        Assert.Equal(0, await tiering.RunAsync(archive.Clinic.Id, 100, Cancel));
    }

    [Fact]
    public async Task A_run_that_was_cut_off_is_gone_on_with()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        List<SealedPack> packs = [];
        for (int i = 0; i < 5; i++)
        {
            packs.Add(await archive.BackUpAsync());
        }

        await SetAsync(archive, 3);
        TieringRun tiering = Tiering(archive);
        foreach (int tagged in (int[])[2, 2, 1, 0])
        {
            Assert.Equal(tagged, await tiering.RunAsync(archive.Clinic.Id, 2, Cancel));
        }

        Assert.All(packs, pack => Assert.Equal("3", Tag(archive, pack)));
    }

    [Fact]
    public async Task A_pack_whose_tag_storage_does_not_take_keeps_no_other_from_its_own_and_is_tried_again_with_every_run()
    {
        TroubledVault? storage = null;
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared, wrap: vault => storage = new TroubledVault(vault));
        SealedPack[] packs = [await archive.BackUpAsync(), await archive.BackUpAsync(), await archive.BackUpAsync()];
        await SetAsync(archive, 2);
        TieringRun tiering = Tiering(archive);
        storage!.Failing.Add(BlobName.Pack(archive.Clinic.Id, packs[1].Opened.Pack));
        Assert.Equal(2, await tiering.RunAsync(archive.Clinic.Id, 100, Cancel));
        Assert.Equal(["2", null, "2"], packs.Select(pack => Tag(archive, pack)));

        // Not due for the others, and they are left alone.
        Assert.Equal(0, await tiering.RunAsync(archive.Clinic.Id, 100, Cancel));
        SliceEnd end = await tiering.RunAsync(new Slice(archive.Clinic.Id.Value, archive.Clock.GetUtcNow(), 0, null, MemoryArchive.Timer), Cancel);
        Assert.Equal((true, 1), (end.Done, end.Failed));
        archive.Clock.Advance(TimeSpan.FromDays(1));
        await tiering.RunAsync(archive.Clinic.Id, 100, Cancel);
        Assert.Null(Tag(archive, packs[1]));

        // Long after the pass that it failed in, whose date keeps later ones from it.
        archive.Clock.Advance(TimeSpan.FromDays(10));
        await tiering.RunAsync(archive.Clinic.Id, 100, Cancel);
        storage.Failing.Clear();
        Assert.Equal(1, await tiering.RunAsync(archive.Clinic.Id, 100, Cancel));
        Assert.Equal("2", Tag(archive, packs[1]));
        end = await tiering.RunAsync(new Slice(archive.Clinic.Id.Value, archive.Clock.GetUtcNow(), 1, null, MemoryArchive.Timer), Cancel);
        Assert.Equal((true, 0), (end.Done, end.Failed));
    }

    [Fact]
    public async Task An_age_without_a_lifecycle_rule_is_refused()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        RefusedException refused = await Assert.ThrowsAsync<RefusedException>(() => SetAsync(archive, 4));
        Assert.Equal((Refusal.RequestInvalid, "archiveAfterYears: one of 1, 2, 3, 5."), (refused.Refusal, refused.Message));
    }

    private static TieringRun Tiering(MemoryArchive archive) => new(archive.Rows, archive.Core.Clinics, archive.Core.Catalog, archive.Core.Vault, archive.Clock, NullLogger<TieringRun>.Instance);

    private static Task<RetentionPolicy> SetAsync(MemoryArchive archive, int? years) =>
        archive.Core.Policies.ChangeAsync(archive.Clinic.Id, RetentionPolicy.ForYears(10) with { ArchiveAfterYears = years }, Archive.Admin, Cancel);

    private static string? Tag(MemoryArchive archive, SealedPack pack) =>
        archive.Vault.TagsOf(BlobName.Pack(archive.Clinic.Id, pack.Opened.Pack)).TryGetValue(TieringRun.Tag, out string? value) ? value : null;
}
