using System.Security.Cryptography;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Losses;
using CloudArchive.Core.Restores;
using CloudArchive.Core.RestoreTests;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Tests.Retention;
using CloudArchive.Core.Tests.Support;
using CloudArchive.Format;
using CloudArchive.Format.Evidence;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Signing;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Tests.Restores;

public sealed class SnapshotRestoreTests(SharedStorage shared)
{
    private static readonly RSA _mine = RSA.Create(2048);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_snapshot_brings_itself_and_its_chain_first_and_then_all_that_they_need_and_nothing_else()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared, requireApproval: false);
        ClinicId id = archive.Clinic.Id;
        TestFile photo = PlainSets.Plain("2024/Lindqvist.jpg", "photo"), scan = PlainSets.Plain("2025/scan.stl", "scan");
        SealedPack photos = await archive.BackUpFolderAsync("2024", photo);
        SealedPack study = await archive.BackUpAsync();
        SealedPack first = await archive.BackUpSnapshotAsync([(photo, photos.Opened.Pack), (study.Files[0], study.Opened.Pack)]);
        SealedPack scans = await archive.BackUpFolderAsync("2025", scan);
        SealedPack later = await archive.BackUpFolderAsync("2026", PlainSets.Plain("2026/later.pdf", "later"));
        SealedPack second = await archive.BackUpSnapshotAsync([(scan, scans.Opened.Pack)], [first.Opened.Pack]);
        SealedPack third = await archive.BackUpSnapshotAsync([], [first.Opened.Pack, second.Opened.Pack]);

        Restore restore = await RequestAsync(archive, third.Opened.Pack);
        Assert.Equal(third.Opened.Pack, restore.Snapshot);
        Assert.Equal((3, 6), (restore.Totals.Studies, restore.Totals.Packs));
        RestorePage page = await archive.Core.Results.ReadAsync(id, restore.Id, null, Archive.Admin, Cancel);
        Assert.Equal(
            [first.Opened.Pack, second.Opened.Pack, third.Opened.Pack, photos.Opened.Pack, study.Opened.Pack, scans.Opened.Pack],
            page.Items.Select(pack => pack.Pack));
        Assert.DoesNotContain(page.Items, pack => pack.Pack == later.Opened.Pack);
        Assert.Equal("snapshot", (await archive.Clinic.LogAsync()).Single(entry => entry.Action == AuditActions.RestoreRequested).Details!["by"]);
        Assert.Equal(third.Opened.Pack.ToString(), (await archive.Clinic.LogAsync()).Single(entry => entry.Action == AuditActions.RestoreRequested).Details!["snapshot"]);
        Assert.Equal(third.Opened.Pack, restore.ToResponse(archive.Clock.GetUtcNow()).Snapshot);

        // As it was before the scan came.
        RestorePage before = await archive.Core.Results.ReadAsync(id, (await RequestAsync(archive, first.Opened.Pack)).Id, null, Archive.Admin, Cancel);
        Assert.Equal([first.Opened.Pack, photos.Opened.Pack, study.Opened.Pack], before.Items.Select(pack => pack.Pack));
    }

    [Fact]
    public async Task A_second_admin_has_to_approve_a_snapshot_however_little_it_names()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        ClinicId id = archive.Clinic.Id;
        TestFile photo = PlainSets.Plain("a.jpg", "photo");
        SealedPack photos = await archive.BackUpFolderAsync("", photo);
        SealedPack snapshot = await archive.BackUpSnapshotAsync([(photo, photos.Opened.Pack)]);
        Assert.Equal(RestoreStatus.PendingApproval, (await RequestAsync(archive, snapshot.Opened.Pack)).Status);

        // A folder's files alone are one set.
        Assert.Equal(RestoreStatus.Ready, (await archive.Core.Restores.RequestAsync(id, Request() with { Studies = [photos.Sidecar.Study] }, Archive.Admin, Cancel)).Status);
    }

    [Fact]
    public async Task What_is_lost_or_unknown_is_told_and_the_rest_comes_and_what_was_uploaded_again_with_it()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared, requireApproval: false);
        ClinicId id = archive.Clinic.Id;
        TestFile one = PlainSets.Plain("one.jpg", "one"), two = PlainSets.Plain("two.jpg", "two"), three = PlainSets.Plain("three.jpg", "three");
        SealedPack good = await archive.BackUpFolderAsync("good", one);
        SealedPack lost = await archive.BackUpFolderAsync("lost", two);
        archive.Clock.Advance(TimeSpan.FromMilliseconds(1));
        PackId unknown = PackId.New(archive.Clock);
        SealedPack snapshot = await archive.BackUpSnapshotAsync([(one, good.Opened.Pack), (two, lost.Opened.Pack), (three, unknown)]);
        await archive.Core.Losses.RecordAsync(id, lost.Opened.Pack, PackLossCause.Damaged, "test", Archive.Admin, Cancel);
        archive.Vault.Lose(BlobName.Pack(id, lost.Opened.Pack));

        RestorePage page = await archive.Core.Results.ReadAsync(id, (await RequestAsync(archive, snapshot.Opened.Pack)).Id, null, Archive.Admin, Cancel);
        Assert.Equal([snapshot.Opened.Pack, good.Opened.Pack], page.Items.Select(pack => pack.Pack));
        Assert.Equal([lost.Opened.Pack, unknown], page.Failed!.Select(failed => failed.Pack));
        Assert.All(page.Failed!, failed => Assert.Equal(PackFailure.Missing, failed.Cause));

        // Uploaded again: what the snapshot names is in another pack of the same folder now.
        SealedPack again = await archive.BackUpFolderAsync("lost", two);
        RestorePage mended = await archive.Core.Results.ReadAsync(id, (await RequestAsync(archive, snapshot.Opened.Pack)).Id, null, Archive.Admin, Cancel);
        Assert.Equal([snapshot.Opened.Pack, good.Opened.Pack, again.Opened.Pack], mended.Items.Select(pack => pack.Pack));
        Assert.Equal([unknown], mended.Failed!.Select(failed => failed.Pack));
    }

    [Fact]
    public async Task What_was_destroyed_in_its_time_is_told_with_the_day_and_the_certificate()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared, requireApproval: false);
        ClinicId id = archive.Clinic.Id;
        TestFile old = PlainSets.Plain("old.jpg", "old"), recent = PlainSets.Plain("recent.jpg", "recent");
        SealedPack gone = await archive.BackUpFolderAsync("old", old);
        archive.Clock.Advance(TimeSpan.FromDays(4000));
        SealedPack there = await archive.BackUpFolderAsync("recent", recent);
        SealedPack snapshot = await archive.BackUpSnapshotAsync([(old, gone.Opened.Pack), (recent, there.Opened.Pack)]);
        Assert.Equal(1, (await archive.RunAsync()).Destroyed + (await archive.RunAsync()).Destroyed);
        RestorePage page = await archive.Core.Results.ReadAsync(id, (await RequestAsync(archive, snapshot.Opened.Pack)).Id, null, Archive.Admin, Cancel);
        Assert.Equal([snapshot.Opened.Pack, there.Opened.Pack], page.Items.Select(pack => pack.Pack));
        RestorePackFailure told = Assert.Single(page.Failed!);
        Assert.Equal((gone.Opened.Pack, (Uid?)gone.Sidecar.Study, false, 1), (told.Pack, told.Study, told.Passing, told.Files));
        Assert.NotNull(told.Destroyed!.Destruction);
    }

    [Fact]
    public async Task A_part_of_a_list_a_pack_that_is_no_snapshot_and_two_wishes_are_refused()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared, requireApproval: false);
        ClinicId id = archive.Clinic.Id;
        TestFile photo = PlainSets.Plain("a.jpg", "photo");
        SealedPack photos = await archive.BackUpFolderAsync("", photo);
        SealedPack part = await archive.BackUpSnapshotAsync([(photo, photos.Opened.Pack)], isComplete: false);
        Assert.Equal(Refusal.RequestInvalid, (await Assert.ThrowsAsync<RefusedException>(() => RequestAsync(archive, part.Opened.Pack))).Refusal);
        Assert.Equal(Refusal.NothingToRestore, (await Assert.ThrowsAsync<RefusedException>(() => RequestAsync(archive, photos.Opened.Pack))).Refusal);
        Assert.Equal(Refusal.NothingToRestore, (await Assert.ThrowsAsync<RefusedException>(() => RequestAsync(archive, PackId.New(archive.Clock)))).Refusal);
        Assert.Equal(Refusal.RequestInvalid, (await Assert.ThrowsAsync<RefusedException>(() =>
            archive.Core.Restores.RequestAsync(id, Request() with { Snapshot = part.Opened.Pack, Everything = true }, Archive.Admin, Cancel))).Refusal);
        SealedPack whole = await archive.BackUpSnapshotAsync([], [part.Opened.Pack]);
        Assert.Equal(3, (await RequestAsync(archive, whole.Opened.Pack)).Totals.Packs);
    }

    [Fact]
    public async Task Where_the_sidecar_is_gone_the_catalogue_says_what_a_snapshot_needs_and_the_other_way_round()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared, requireApproval: false);
        ClinicId id = archive.Clinic.Id;
        TestFile photo = PlainSets.Plain("a.jpg", "photo");
        SealedPack photos = await archive.BackUpFolderAsync("", photo);
        SealedPack first = await archive.BackUpSnapshotAsync([(photo, photos.Opened.Pack)]);
        SealedPack second = await archive.BackUpSnapshotAsync([], [first.Opened.Pack]);
        foreach (SealedPack pack in (SealedPack[])[first, second])
        {
            archive.Vault.Lose(BlobName.Sidecar(id, pack.Opened.Pack));
        }

        Restore restore = await RequestAsync(archive, second.Opened.Pack);
        Assert.Equal((3, false), (restore.Totals.Packs, restore.CatalogueOnly));

        // Of one in the chain, neither: the restore says that there may be more.
        Row needs = (await archive.Rows.FindAsync(RowTable.Catalog, id.Value, $"n:{first.Sidecar.Study}:{first.Opened.Pack}", Cancel))!;
        await archive.Rows.DeleteUnchangedAsync(RowTable.Catalog, id.Value, [needs], Cancel);
        restore = await RequestAsync(archive, second.Opened.Pack);
        Assert.Equal((2, true), (restore.Totals.Packs, restore.CatalogueOnly));
    }

    [Fact]
    public void A_plan_of_ten_thousand_packs_has_the_chain_first_and_each_pack_once()
    {
        Microsoft.Extensions.Time.Testing.FakeTimeProvider clock = new(DateTimeOffset.UnixEpoch.AddYears(50));
        PackId[] ids = [.. Enumerable.Range(0, 10_065).Select(_ => Next())];
        PackId[] chain = ids[10_000..]; // opened after what they need
        CommittedPack[] packs = [.. ids.Select((id, i) => new CommittedPack(id, Uid.Parse($"1.2.{i % 500}"), 1000, 2, clock.GetUtcNow()))];
        RestorePlan plan = RestorePlan.OfSnapshot(new SnapshotParts(chain, [.. ids[..10_000], .. chain[..3]], true, true), packs, new Dictionary<PackId, LostPack>(), new Dictionary<PackId, LoggedPack>());
        Assert.Equal(ids.Length, plan.Packs.Count);
        Assert.Equal(chain, plan.Packs.TakeWhile(pack => pack.First).Select(pack => pack.Pack));
        Assert.Equal(ids[..10_000], plan.Packs.SkipWhile(pack => pack.First).Select(pack => pack.Pack));
        Assert.Equal(new RestoreTotals(500, ids.Length, 20_000, ids.Length * 1000L), plan.Totals);
        Assert.True(plan.IsOfMany);

        PackId Next()
        {
            clock.Advance(TimeSpan.FromMilliseconds(1));
            return PackId.New(clock);
        }
    }

    [Fact]
    public async Task Pages_go_on_behind_the_chain_however_long_it_is()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared, requireApproval: false);
        ClinicId id = archive.Clinic.Id;
        PackId[] unknown = [.. Enumerable.Range(0, 70).Select(_ => PackId.New(archive.Clock)).Order(Comparer<PackId>.Create((one, other) => string.CompareOrdinal(one.ToString(), other.ToString())))];
        TestFile file = PlainSets.Plain("a", "a");
        SealedPack snapshot = await archive.BackUpSnapshotAsync([.. unknown[40..].Select(pack => (file, pack))], unknown[..40]);
        Restore restore = await RequestAsync(archive, snapshot.Opened.Pack);
        List<PackId> handed = [];
        PackId? after = null;
        do
        {
            RestorePage page = await archive.Core.Results.ReadAsync(id, restore.Id, after, Archive.Admin, Cancel);
            handed.AddRange([.. page.Items.Select(pack => pack.Pack), .. (page.Failed ?? []).Select(pack => pack.Pack)]);
            after = page.Next is null ? null : PackId.Parse(page.Next);
        }
        while (after is not null);
        Assert.Equal(71, handed.Count);
        Assert.Equal(71, handed.Distinct().Count());
        Assert.Equal([.. unknown[..40], snapshot.Opened.Pack], handed[..41].ToHashSet().Order(Comparer<PackId>.Create((one, other) => string.CompareOrdinal(one.ToString(), other.ToString()))));
        Assert.True((await RestoreRows.FindPackAsync(archive.Rows, id, restore.Id, unknown[0], Cancel)) is not null);
    }

    [Fact]
    public async Task A_snapshot_that_needs_ten_thousand_packs_is_asked_for_and_its_first_and_its_last_page_come()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared, requireApproval: false);
        ClinicId id = archive.Clinic.Id;
        List<PackId> needs = [];
        while (needs.Count < Snapshots.NeedsPerPack)
        {
            archive.Clock.Advance(TimeSpan.FromMilliseconds(1));
            needs.Add(PackId.New(archive.Clock));
        }

        SealedPack first = await archive.BackUpSnapshotAsync([], needs: needs[..5000]);
        SealedPack second = await archive.BackUpSnapshotAsync([], [first.Opened.Pack], needs: needs[5000..]);
        Restore restore = await RequestAsync(archive, second.Opened.Pack);
        Assert.Equal(Snapshots.NeedsPerPack + 2, restore.Totals.Packs);
        RestorePage page = await archive.Core.Results.ReadAsync(id, restore.Id, null, Archive.Admin, Cancel);
        Assert.Equal([first.Opened.Pack, second.Opened.Pack], page.Items.Select(pack => pack.Pack));
        Assert.Equal(needs[..(RestoreResults.PacksPerPage - 2)], page.Failed!.Select(failed => failed.Pack));
        RestorePage last = await archive.Core.Results.ReadAsync(id, restore.Id, needs[^3], Archive.Admin, Cancel);
        Assert.Equal(needs[^2..], last.Failed!.Select(failed => failed.Pack));
        Assert.Null(last.Next);
    }

    private static RestoreRequest Request() => new(JwkKeys.FromRsa(_mine), "after an attack", "the practice");

    private static async Task<Restore> RequestAsync(MemoryArchive archive, PackId snapshot)
    {
        using RSA key = RSA.Create(2048);
        return await archive.Core.Restores.RequestAsync(archive.Clinic.Id, Request() with { PublicKey = JwkKeys.FromRsa(key), Snapshot = snapshot }, Archive.Admin, Cancel);
    }
}
