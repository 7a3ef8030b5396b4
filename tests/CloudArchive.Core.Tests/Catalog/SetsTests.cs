using CloudArchive.Core.Catalog;
using CloudArchive.Core.Losses;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Tests.Retention;
using CloudArchive.Core.Tests.Support;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Tests.Catalog;

/// <summary>Sets that are no studies: from the commit to lists, and back from sidecars alone.</summary>
public sealed class SetsTests(SharedStorage shared)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_folder_is_listed_with_its_kinds_beside_studies_and_snapshots_only_where_asked_for()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        SealedPack study = await archive.BackUpAsync();
        TestFile photo = PlainSets.Plain("2024/Lindqvist.jpg", "photo"), empty = PlainSets.Plain("2024/empty.txt", "");
        SealedPack folder = await archive.BackUpFolderAsync("2024", photo, empty);
        await archive.BackUpFolderAsync("2024", PlainSets.Plain("2024/scan.stl", "scan"), PlainSets.Plain("2024/again.jpg", "photo"), PlainSets.Plain("2024/once more.jpg", "photo"));
        SealedPack snapshot = await archive.BackUpSnapshotAsync([(photo, folder.Opened.Pack)]);

        StudyResponse[] all = await ListAsync(archive, new StudyFilter());
        Assert.Equal([study.Sidecar.Study, folder.Sidecar.Study], all.Select(one => one.Study).OrderBy(one => Sets.IsMadeUp(one)));
        StudyResponse found = all.Single(one => one.Set == SetKind.Folder);
        Assert.Equal((2, 5), (found.Packs, found.Instances));
        Assert.Equal([FileKind.Photo, FileKind.Surface, FileKind.Document], found.Kinds);
        Assert.Empty(found.Modalities);
        StudyResponse one = Assert.Single(await ListAsync(archive, new StudyFilter(Set: SetKind.Study)));
        Assert.Equal((study.Sidecar.Study, null, null), (one.Study, one.Set, one.Kinds));
        Assert.Equal(folder.Sidecar.Study, Assert.Single(await ListAsync(archive, new StudyFilter(Set: SetKind.Folder))).Study);
        Assert.Equal(snapshot.Sidecar.Study, Assert.Single(await ListAsync(archive, new StudyFilter(Set: SetKind.Snapshot))).Study);
        Assert.Equal(SetKind.Snapshot, Assert.Single(await ListAsync(archive, new StudyFilter(snapshot.Sidecar.Study))).Set);
        Assert.Empty(await ListAsync(archive, new StudyFilter(snapshot.Sidecar.Study, Set: SetKind.Study)));

        // Its files, one of which has no bytes; nobody looks for them by the id that stands in the place of a UID.
        Page<InstanceResponse> files = await archive.Core.Catalog.ListInstancesAsync(archive.Clinic.Id, folder.Sidecar.Study, null, 10, Cancel);
        Assert.Equal([FileKind.Photo, FileKind.Document, FileKind.Surface, FileKind.Photo, FileKind.Photo], files.Items.Select(file => file.Kind!.Value));
        Assert.Equal([5, 0, 4, 5, 5], files.Items.Select(file => (int)file.Length));
        Assert.DoesNotContain(await KeysAsync(archive), key => key.StartsWith("o:", StringComparison.Ordinal) && key.Contains(folder.Sidecar.Study.Value, StringComparison.Ordinal));
        Assert.Contains(await KeysAsync(archive), key => key.StartsWith("o:", StringComparison.Ordinal) && key.Contains(study.Sidecar.Study.Value, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Folders_are_not_looked_for_among_studies()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        await archive.BackUpAsync();
        List<Uid> folders = [];
        for (int i = 0; i < 3; i++)
        {
            folders.Add((await archive.BackUpFolderAsync($"{i}", PlainSets.Plain($"{i}/a.jpg", "photo"))).Sidecar.Study);
            await archive.BackUpFolderAsync($"{i}", PlainSets.Plain($"{i}/b.jpg", "another"));
        }

        TroubledRows rows = new(archive.Rows)
        {
            Fails = (table, _, from) => table == RowTable.Catalog && from.StartsWith("s:", StringComparison.Ordinal) && !from.StartsWith("s:2.25.", StringComparison.Ordinal),
        };
        CatalogReader catalog = new(rows);
        List<StudyResponse> listed = [];
        string? after = null;
        do
        {
            Page<StudyResponse> page = await catalog.ListStudiesAsync(archive.Clinic.Id, new StudyFilter(Set: SetKind.Folder), after, 1, Cancel);
            listed.AddRange(page.Items);
            after = page.Next;
        }
        while (after is not null);
        Assert.Equal(folders.Select(folder => folder.Value).Order(StringComparer.Ordinal), listed.Select(folder => folder.Study.Value));
        Assert.All(listed, folder => Assert.Equal(2, folder.Packs));
        Assert.Empty((await catalog.ListStudiesAsync(archive.Clinic.Id, new StudyFilter(Set: SetKind.Snapshot), null, 10, Cancel)).Items);
        await Assert.ThrowsAsync<IOException>(() => catalog.ListStudiesAsync(archive.Clinic.Id, new StudyFilter(), null, 10, Cancel));

        // The next of another list leads out of the folders: to their beginning, or behind their end.
        Assert.Equal(3, (await catalog.ListStudiesAsync(archive.Clinic.Id, new StudyFilter(Set: SetKind.Folder), "1.2.3", 10, Cancel)).Items.Count);
        Assert.Empty((await catalog.ListStudiesAsync(archive.Clinic.Id, new StudyFilter(Set: SetKind.Folder), "9.9", 10, Cancel)).Items);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(100)]
    public async Task The_latest_studies_come_first_then_folders(int take)
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        List<Uid> dated = [];
        string[] dates = ["20991231", "20260301", "20260228", "20260227", "20191231", "19990101", "19010101"];
        foreach (string date in dates.Reverse())
        {
            dated.Insert(0, (await archive.BackUpAsync(studyDate: date)).Sidecar.Study);
        }

        SealedPack undated = await archive.BackUpAsync(studyDate: null);
        string[] folders = [.. new[] { await archive.BackUpFolderAsync("a", PlainSets.Plain("a/a.jpg", "photo")), await archive.BackUpFolderAsync("b", PlainSets.Plain("b/b.jpg", "another")) }
            .Select(folder => folder.Sidecar.Study.Value).Order(StringComparer.Ordinal)];
        StudyFilter newest = new(NewestAt: archive.Clock.GetUtcNow());

        Assert.Equal([.. dated.Select(study => study.Value), .. folders], await ListAsync(newest));
        Assert.Equal(dated.Select(study => study.Value), await ListAsync(newest with { Set = SetKind.Study }));
        Assert.Equal(folders, await ListAsync(newest with { Set = SetKind.Folder }));
        Assert.Equal(dated.Skip(1).Take(4).Select(study => study.Value), await ListAsync(newest with { From = "20191231", To = "20260301" }));
        Assert.Equal(dated.Skip(5).Select(study => study.Value), await ListAsync(newest with { To = "19990101" }));
        Assert.Equal(dated.AsEnumerable().Reverse().Select(study => study.Value), await ListAsync(new StudyFilter(From: "0")));
        Assert.Contains(undated.Sidecar.Study.Value, await ListAsync(new StudyFilter()));

        async Task<List<string>> ListAsync(StudyFilter filter)
        {
            List<string> listed = [];
            string? after = null;
            do
            {
                Page<StudyResponse> page = await archive.Core.Catalog.ListStudiesAsync(archive.Clinic.Id, filter, after, take, Cancel);
                Assert.InRange(page.Items.Count, 0, take);
                listed.AddRange(page.Items.Select(study => study.Study.Value));
                after = page.Next;
            }
            while (after is not null);
            return listed;
        }
    }

    [Fact]
    public async Task A_snapshot_that_is_about_to_be_committed_is_not_listed_and_makes_no_loss_good()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        ClinicId id = archive.Clinic.Id;
        TestFile photo = PlainSets.Plain("a.jpg", "photo");
        SealedPack photos = await archive.BackUpFolderAsync("", photo);
        SealedPack first = await archive.BackUpSnapshotAsync([(photo, photos.Opened.Pack)]);
        SealedPack second = await archive.BackUpSnapshotAsync([(photo, photos.Opened.Pack)]);
        await archive.Core.Losses.RecordAsync(id, first.Opened.Pack, PackLossCause.Missing, "test", Archive.Admin, Cancel);

        // As the service leaves it that dies before the receipt: all rows are there.
        Row row = (await archive.Rows.FindAsync(RowTable.Catalog, id.Value, $"p:{second.Opened.Pack}", Cancel))!;
        Dictionary<string, object> intended = new(row.Values);
        Assert.True(intended.Remove("receipt"));
        await archive.Rows.SubmitAsync(RowTable.Catalog, id.Value, [new RowWrite.Upsert(row.Key, intended)], Cancel);
        Assert.Equal([first.Opened.Pack], (await archive.Core.Snapshots.ListAsync(id, null, null, 10, Cancel)).Items.Select(snapshot => snapshot.Pack));
        Assert.Null(Assert.Single(await archive.Core.Losses.NoteReplacedAsync(id, null, Cancel)).Value.ReplacedAt);

        await archive.Rows.SubmitAsync(RowTable.Catalog, id.Value, [new RowWrite.Upsert(row.Key, row.Values)], Cancel);
        Assert.Equal([second.Opened.Pack, first.Opened.Pack], (await archive.Core.Snapshots.ListAsync(id, null, null, 10, Cancel)).Items.Select(snapshot => snapshot.Pack));
        Assert.NotNull(Assert.Single(await archive.Core.Losses.NoteReplacedAsync(id, null, Cancel)).Value.ReplacedAt);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task What_a_snapshot_is_one_row_says_beside_its_packs(bool isComplete)
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        ClinicId id = archive.Clinic.Id;
        TestFile photo = PlainSets.Plain("a.jpg", "photo");
        SealedPack photos = await archive.BackUpFolderAsync("", photo);
        SealedPack taken = await archive.BackUpSnapshotAsync([(photo, photos.Opened.Pack)], isComplete: isComplete);
        TroubledRows rows = new(archive.Rows) { Fails = (_, _, from) => from.StartsWith("t:", StringComparison.Ordinal) };
        (Uid set, SnapshotNeeds needs) = (await new SnapshotCatalog(rows, new CatalogReader(rows)).FindAsync(id, taken.Opened.Pack, Cancel))!.Value;
        Assert.Equal((taken.Sidecar.Study, isComplete), (set, needs.IsComplete));
        Assert.Equal([photos.Opened.Pack], needs.Needs);
        Assert.Null(await archive.Core.Snapshots.FindAsync(id, photos.Opened.Pack, Cancel));
    }

    [Fact]
    public async Task Snapshots_are_listed_by_computer_the_latest_first_page_by_page_and_say_when_they_cannot_be_read()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        ClinicId id = archive.Clinic.Id;
        TestFile photo = PlainSets.Plain("a.jpg", "photo");
        SealedPack photos = await archive.BackUpFolderAsync("", photo);
        List<SealedPack> taken = [];
        for (int i = 0; i < 5; i++)
        {
            taken.Add(await archive.BackUpSnapshotAsync([(photo, photos.Opened.Pack)], [.. taken.Select(before => before.Opened.Pack)], isComplete: i != 3));
            archive.Clock.Advance(TimeSpan.FromHours(1));
        }

        // Another computer's, sealed and never committed.
        await archive.Clinic.SealSnapshotAsync([(photo, photos.Opened.Pack)]);
        List<SnapshotResponse> listed = [];
        string? after = null;
        do
        {
            Page<SnapshotResponse> page = await archive.Core.Snapshots.ListAsync(id, null, after, 2, Cancel);
            listed.AddRange(page.Items);
            after = page.Next;
        }
        while (after is not null);
        Assert.Equal(Enumerable.Reverse(taken).Select(pack => pack.Opened.Pack), listed.Select(snapshot => snapshot.Pack));
        Assert.Equal([4, 3, 2, 1, 0], listed.Select(snapshot => snapshot.Chain));
        Assert.Equal([true, false, true, true, true], listed.Select(snapshot => snapshot.IsComplete));
        SidecarSnapshot last = taken[^1].Sidecar.Snapshot!;
        Assert.Equal(new SnapshotResponse(taken[^1].Opened.Pack, archive.Clinic.SnapshotsOf(), last.TakenAt, 1, 1, 5, true, 4), listed[0]);
        Assert.Equal(5, (await archive.Core.Snapshots.ListAsync(id, archive.Clinic.SnapshotsOf(), null, 100, Cancel)).Items.Count);
        Assert.Empty((await archive.Core.Snapshots.ListAsync(id, archive.Clinic.SnapshotsOf("another"), null, 100, Cancel)).Items);
        Assert.Equal(Refusal.RequestInvalid, (await Assert.ThrowsAsync<RefusedException>(() => archive.Core.Snapshots.ListAsync(id, null, "x/y", 10, Cancel))).Refusal);

        // Without the second, none that goes on from it can be read.
        await archive.Core.Losses.RecordAsync(id, taken[1].Opened.Pack, PackLossCause.Missing, "test", Archive.Admin, Cancel);
        Assert.Equal([true, true, true, true, false], (await archive.Core.Snapshots.ListAsync(id, null, null, 100, Cancel)).Items.Select(snapshot => snapshot.IsLost));
    }

    [Fact]
    public async Task Rows_of_sets_come_back_from_sidecars_alone_and_one_that_was_changed_is_noticed()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        ClinicId id = archive.Clinic.Id;
        TestFile photo = PlainSets.Plain("a.jpg", "photo");
        SealedPack photos = await archive.BackUpFolderAsync("", photo);
        SealedPack first = await archive.BackUpSnapshotAsync([(photo, photos.Opened.Pack)]);
        SealedPack second = await archive.BackUpSnapshotAsync([], [first.Opened.Pack], needs: [.. Enumerable.Range(0, Snapshots.NeedsPerPack).Select(_ => PackId.New(archive.Clock))]);
        Dictionary<string, string> before = await RowsAsync(archive);
        Assert.Equal(2, before.Keys.Count(key => key.StartsWith("t:", StringComparison.Ordinal)));
        Assert.Equal(second.Sidecar.Snapshot!.Needs, (await archive.Core.Snapshots.FindNeedsAsync(id, second.Sidecar.Study, second.Opened.Pack, Cancel))!.Needs);
        foreach (SealedPack pack in (SealedPack[])[photos, first, second])
        {
            Assert.True(await HasRowsAsync(pack));
        }

        foreach (string key in before.Keys)
        {
            await archive.Rows.DeleteUnchangedAsync(RowTable.Catalog, id.Value, [(await archive.Rows.FindAsync(RowTable.Catalog, id.Value, key, Cancel))!], Cancel);
        }

        Assert.Empty((await archive.Core.Rebuild.RunAsync(id, null, 10, Archive.Admin, Cancel)).Problems);
        Assert.Equal(before, await RowsAsync(archive));

        foreach ((string prefix, string property) in ((string, string)[])[("t:", "files"), ("n:", "c00"), ("n:", "complete"), ("s:", "set"), ("p:", "kinds")])
        {
            Row row = (await archive.Rows.QueryAsync(RowTable.Catalog, id.Value, RowRange.Prefix(prefix), 10, Cancel)).Single(row => row.Key.EndsWith(second.Opened.Pack.ToString(), StringComparison.Ordinal));
            Dictionary<string, object> changed = new(row.Values);
            changed[property] = changed[property] switch { long => 17L, bool flag => !flag, string => property == "set" ? "Folder" : "Photo", _ => new byte[16] };
            await archive.Rows.SubmitAsync(RowTable.Catalog, id.Value, [new RowWrite.Upsert(row.Key, changed)], Cancel);
            Assert.False(await HasRowsAsync(second), prefix);
            await archive.Rows.SubmitAsync(RowTable.Catalog, id.Value, [new RowWrite.Upsert(row.Key, row.Values)], Cancel);
        }

        Assert.True(await HasRowsAsync(second));

        async Task<bool> HasRowsAsync(SealedPack pack)
        {
            CatalogPack row = (await archive.Core.Catalog.FindPackAsync(id, pack.Opened.Pack, Cancel))!;
            CatalogPack expected = CatalogPack.For(pack.Sidecar, row.VersionId, row.ImmutableUntil, row.CommittedAt, row.Receipt, row.AuditIndex);
            return await archive.Core.Catalog.HasRowsOfAsync(expected, pack.Sidecar, row.ImmutableUntil, Cancel);
        }
    }

    [Theory]
    [InlineData(SetKind.Folder)]
    [InlineData(SetKind.Snapshot)]
    [InlineData(SetKind.Study)]
    public async Task A_pack_of_another_kind_does_not_go_into_a_set(SetKind kind)
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        Uid set = archive.Clinic.FolderOf("2024");
        TestFile photo = PlainSets.Plain("a.jpg", "photo");
        TestFile part = PlainSets.Part(Snapshot.DocumentName, "{}"u8.ToArray());
        SidecarSnapshot snapshot = new(archive.Clock.GetUtcNow(), [], [], 0, 0, 0, true);
        Dictionary<SetKind, Func<Task<SealedPack>>> packs = new()
        {
            [SetKind.Study] = () => archive.Clinic.SealAsync(set),
            [SetKind.Folder] = () => archive.Clinic.SealSetAsync(set, new SetFacts(SetKind.Folder), photo),
            [SetKind.Snapshot] = () => archive.Clinic.SealSetAsync(set, new SetFacts(SetKind.Snapshot, snapshot), part),
        };
        await archive.BackUpAsync(await packs[kind]());
        foreach ((SetKind other, Func<Task<SealedPack>> seal) in packs)
        {
            if (other == kind)
            {
                await archive.BackUpAsync(await seal());
                continue;
            }

            RefusedException refused = await Assert.ThrowsAsync<RefusedException>(async () => await archive.BackUpAsync(await seal()));
            Assert.Equal(Refusal.SidecarInvalid, refused.Refusal);
        }

        Assert.Equal(2, (await archive.Core.Catalog.FindStudyAsync(archive.Clinic.Id, set, Cancel))!.Packs);
    }

    [Fact]
    public async Task A_lost_pack_of_more_plain_files_than_go_into_a_row_of_the_catalogue_is_made_good_by_the_same_files_in_another()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        TestFile[] files = [.. Enumerable.Range(0, PackedInstances.PerRow + 1).Select(i => PlainSets.Plain($"{i}.bin", $"{i}"))];
        SealedPack lost = await archive.BackUpFolderAsync("many", files);
        await archive.Core.Losses.RecordAsync(archive.Clinic.Id, lost.Opened.Pack, PackLossCause.Damaged, "test", Archive.Admin, Cancel);
        Assert.Null(Assert.Single(await archive.Core.Losses.NoteReplacedAsync(archive.Clinic.Id, null, Cancel)).Value.ReplacedAt);
        await archive.BackUpFolderAsync("many", files);
        Assert.NotNull(Assert.Single(await archive.Core.Losses.NoteReplacedAsync(archive.Clinic.Id, null, Cancel)).Value.ReplacedAt);

        // Agents learn of both, file by file.
        ChangesResponse changes = await archive.Core.Changes.ReadAsync(archive.Clinic.Id, -1, 100, Cancel);
        Assert.Equal([lost.Opened.Pack], changes.Items.Where(change => change.Lost is not null).Select(change => change.Pack));
        Assert.Equal(lost.Sidecar.Instances, Assert.Single(changes.Items, change => change.Archived is not null).Archived!.Instances);
    }

    [Fact]
    public async Task A_lost_snapshot_is_made_good_by_a_later_one_that_can_be_read_and_by_none_that_goes_on_from_it()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        ClinicId id = archive.Clinic.Id;
        TestFile photo = PlainSets.Plain("a.jpg", "photo");
        SealedPack photos = await archive.BackUpFolderAsync("", photo);
        SealedPack lost = await archive.BackUpSnapshotAsync([(photo, photos.Opened.Pack)]);
        await archive.Core.Losses.RecordAsync(id, lost.Opened.Pack, PackLossCause.Missing, "test", Archive.Admin, Cancel);
        await archive.BackUpSnapshotAsync([], [lost.Opened.Pack]);
        await archive.BackUpSnapshotAsync([(photo, photos.Opened.Pack)], isComplete: false);
        Assert.Null(Assert.Single(await archive.Core.Losses.NoteReplacedAsync(id, null, Cancel)).Value.ReplacedAt);
        SealedPack whole = await archive.BackUpSnapshotAsync([(photo, photos.Opened.Pack)]);
        Assert.NotNull(Assert.Single(await archive.Core.Losses.NoteReplacedAsync(id, null, Cancel)).Value.ReplacedAt);
        Assert.Equal([false, false, true, true], (await archive.Core.Snapshots.ListAsync(id, null, null, 10, Cancel)).Items.Select(snapshot => snapshot.IsLost));

        // One that is lost later than all others is not made good by them.
        await archive.Core.Losses.RecordAsync(id, whole.Opened.Pack, PackLossCause.Missing, "test", Archive.Admin, Cancel);
        Assert.Null((await archive.Core.Losses.NoteReplacedAsync(id, null, Cancel))[whole.Opened.Pack].ReplacedAt);
    }

    private static async Task<StudyResponse[]> ListAsync(MemoryArchive archive, StudyFilter filter) =>
        [.. (await archive.Core.Catalog.ListStudiesAsync(archive.Clinic.Id, filter, null, 100, Cancel)).Items];

    private static async Task<IReadOnlyList<string>> KeysAsync(MemoryArchive archive) => [.. (await RowsAsync(archive)).Keys];

    private static async Task<Dictionary<string, string>> RowsAsync(MemoryArchive archive)
    {
        Dictionary<string, string> all = [];
        await foreach (Row row in archive.Rows.ReadAllAsync(RowTable.Catalog, archive.Clinic.Id.Value, RowRange.All, Cancel))
        {
            all[row.Key] = string.Join(';', row.Values.OrderBy(value => value.Key, StringComparer.Ordinal).Select(value => $"{value.Key}={(value.Value is byte[] bytes ? Convert.ToHexString(bytes) : value.Value)}"));
        }

        return all;
    }
}
