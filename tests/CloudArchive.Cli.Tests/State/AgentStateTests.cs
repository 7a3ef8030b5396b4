using CloudArchive.Cli.Backup;
using CloudArchive.Cli.State;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Verdicts;
using CloudArchive.Format.Wire;
using CloudArchive.Testing;

namespace CloudArchive.Cli.Tests.State;

public sealed class AgentStateTests : IDisposable
{
    private static readonly DateTimeOffset Now = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);
    private readonly TemporaryFolder _folder = new();
    private readonly Packs _packs = new();
    private readonly AgentState _state;
    private string Root => Path.Combine(_folder.Path, "images");

    public AgentStateTests() => _state = AgentState.Open(_folder["state.db"]);

    public void Dispose()
    {
        _state.Dispose();
        _packs.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void A_file_that_was_read_and_has_the_same_size_and_time_is_unchanged()
    {
        Scan(Found("a", 5, 100));
        Read("a", Content("1.1", "aaaaa"));
        Assert.Equal(FileChange.Unchanged, Compare(Found("a", 5, 100)));
        Assert.Equal(FileChange.Changed, Compare(Found("a", 6, 100)));
        Assert.Equal(FileChange.Changed, Compare(Found("a", 5, 101)));
        Assert.Equal(FileChange.New, Compare(Found("b", 5, 100)));
    }

    [Fact]
    public void A_file_that_was_seen_and_not_read_must_still_be_read()
    {
        Scan(Found("a", 5, 100));
        Scan(Found("a", 5, 100));
        Assert.Equal(FileChange.Waiting, Compare(Found("a", 5, 100)));
        Assert.Equal(new WorkAhead(1, 5, 5), LineUp());
        Assert.Equal(Path.Combine(Root, "a"), Assert.Single(Take()!.ToRead).Path);
        Assert.Null(Take());
    }

    [Theory]
    [InlineData(SkipReason.TooLarge, FileChange.Unchanged)]
    [InlineData(SkipReason.NoLongerDicom, FileChange.Unchanged)]
    [InlineData(SkipReason.Unreadable, FileChange.Changed)]
    [InlineData(SkipReason.Changing, FileChange.Changed)]
    public void What_was_skipped_is_tried_again_only_where_that_may_help(SkipReason reason, FileChange expected)
    {
        Scan(Found("a", 5, 100));
        _state.NoteSkipped(Known("a").Id, reason, "why");
        Assert.Equal(expected, Compare(Found("a", 5, 100)));
        Assert.Equal(new SkippedFile(Path.Combine(Root, "a"), reason, "why"), Assert.Single(Skipped()));
    }

    [Fact]
    public void A_link_that_became_a_file_is_read_and_a_file_that_became_a_link_is_skipped()
    {
        Scan(Found("a", 0, 1) with { Skip = SkipReason.Link });
        Assert.Equal(0, LineUp().Files);
        Scan(Found("a", 0, 1));
        Assert.Equal(1, LineUp().Files);
        Read("a", Content("1.1", ""));
        Scan(Found("a", 0, 1) with { Skip = SkipReason.Link });
        Assert.Equal(SkipReason.Link, Assert.Single(Skipped()).Reason);
    }

    [Fact]
    public void Rehashing_reads_what_is_unchanged()
    {
        Scan(Found("a", 5, 100));
        Read("a", Content("1.1", "aaaaa"));
        Assert.Equal(FileChange.ToCheck, KnownFile.Compare(Known("a"), Found("a", 5, 100), rehash: true));
    }

    [Fact]
    public async Task A_file_is_backed_up_when_its_receipt_is_stored_and_not_before()
    {
        Scan(Found("a", 5, 100));
        Read("a", Content("1.2.3.4.1", "aaaaa"));
        Assert.Equal(5, LineUp().AllBytes);
        Assert.Equal((0, 1), Counted());

        Sidecar sidecar = await _packs.WriteAsync(_folder["packs"], PackId.New(TimeProvider.System), ("a", Packs.Bytes("aaaaa")));
        _state.NoteUploaded(sidecar, Now);
        Assert.Equal((0, 1), Counted());
        Assert.Equal(sidecar.Pack, Assert.Single(_state.Uploads()).Sidecar.Pack);

        _state.StoreReceipt(await _packs.SignAsync(Packs.ReceiptFor(sidecar)), Packs.ReceiptFor(sidecar), sidecar.Instances);
        Assert.Equal((1, 0), Counted());
        Assert.Empty(_state.Uploads());
        Assert.Equal(new WorkAhead(0, 0, 0), LineUp());
        Assert.Equal(sidecar.Instances, _state.InstancesOf(sidecar.Pack));

        _state.DropReceipt(sidecar.Pack, PackLossCause.Damaged);
        Assert.Equal((0, 1), Counted());
        Assert.Equal(new Losses(1, default), _state.Losses());
        _state.ForgetFiles([Known("a").Id]);
        Assert.Equal(new Losses(0, new FileTally(1, 5)), _state.Losses());
        _state.EndRun(_state.BeginRun(Now), Now, ExitCode.Ok, 0);
        Assert.Equal(1, _state.Losses().Files.Files);
        _state.StoreReceipt(await _packs.SignAsync(Packs.ReceiptFor(sidecar)), Packs.ReceiptFor(sidecar), sidecar.Instances); // another computer had it
        Assert.Equal(new Losses(0, default), _state.Losses());
    }

    [Fact]
    public async Task A_renamed_or_copied_file_is_known_by_its_bytes()
    {
        await StoreAsync(("a", "aaaaa"));
        Scan(Found("renamed", 5, 999));
        Assert.Equal(ReadResult.Known, Read("renamed", Content("1.2.3.4.1", "aaaaa")));
        Assert.Equal(new WorkAhead(0, 0, 0), LineUp());
        Assert.Equal((2, 0), Counted());
    }

    [Fact]
    public async Task Other_bytes_under_a_known_UID_are_pending_as_a_new_version()
    {
        await StoreAsync(("a", "aaaaa"));
        Scan(Found("a", 5, 200));
        Assert.Equal(ReadResult.Pending, Read("a", Content("1.2.3.4.1", "bbbbb")));
        LineUp();
        Assert.True(Assert.Single(_state.Pending(Take()!.All)).HasOtherVersion);
    }

    [Fact]
    public void The_plan_is_in_the_order_in_which_packs_are_made()
    {
        Scan([.. Enumerable.Range(0, 500).Select(i => Found($"f{i}", 1, 1))]);
        for (int i = 0; i < 500; i++) Read($"f{i}", Content($"1.{i * 7919 % 500}", $"content {i}", $"9.{i % 7}"));
        LineUp();
        PendingFile[] all = [.. _state.AllPending([Folder])];
        Assert.Equal(500, all.Length);
        Assert.Equal(all.OrderBy(f => f.Study.Study.Value, StringComparer.Ordinal).ThenBy(f => f.Instance.SopInstance.Value, StringComparer.Ordinal).Select(f => f.Id), all.Select(f => f.Id));
        Assert.Equal(all.Select(f => f.Id), _state.Pending(Take()!.All).Select(f => f.Id));
    }

    [Fact]
    public void What_goes_into_a_pack_goes_into_no_other_of_the_run_unless_the_pack_does_not_come_to_be()
    {
        Scan([.. Enumerable.Range(0, 450).Select(i => Found($"f{i}", 1, 1))]);
        for (int i = 0; i < 450; i++) Read($"f{i}", Content($"1.{i}", $"content {i}"));
        LineUp();
        PlannedPack[] packs = [.. BackupPlan.For(_state.AllPending([Folder]), new PackLimitsChosen(MaxInstances: 100))];
        Assert.Equal(5, packs.Length);
        foreach (PlannedPack pack in packs) _state.NoteTaken(pack);
        Assert.Empty(_state.AllPending([Folder]));
        _state.NoteReleased(packs[3]);
        Assert.Equal(100, _state.AllPending([Folder]).Count());
    }

    [Fact]
    public void The_newest_directories_come_first_and_what_is_only_checked_comes_last()
    {
        Scan("old", Found("old/1", 1, 100), Found("old/2", 1, 900));
        Scan("new", Found("new/1", 1, 5000));
        Scan("middle", Found("middle/1", 1, 800), Found("middle/2", 1, 1000));
        Scan("checked", Found("checked/1", 1, 9999));
        Read("checked/1", Content("1.9", "x"));
        _state.NoteFound(Folder, "checked", [new FileNote(Found("checked/1", 1, 9999), Known("checked/1"), FileChange.ToCheck)], Now);
        Assert.Equal(6, LineUp().Files);
        _state.PutFirst([Known("old/1").Id]);
        Assert.Equal(["old/1", "new/1"], Names(_state.Take(WorkQueue.Open, 2, 100)!));
        Assert.Equal(["middle/1", "middle/2", "old/1"], Names(_state.Take(WorkQueue.Open, 3, 100)!));
        Assert.Equal(["old/2", "checked/1"], Names(_state.Take(WorkQueue.Open, 3, 100)!));
        Assert.Null(_state.Take(WorkQueue.Open, 3, 100));

        static string[] Names(WorkSlice slice) => [.. slice.ToRead.Select(f => $"{Path.GetFileName(Path.GetDirectoryName(f.Path))}/{Path.GetFileName(f.Path)}")];
    }

    [Fact]
    public void A_slice_ends_where_it_would_be_too_large_and_holds_one_file_at_least()
    {
        Scan(Found("a", 60, 1), Found("b", 30, 1), Found("c", 30, 1), Found("d", 500, 1));
        LineUp();
        Assert.Equal([2, 1, 1], new[] { 100, 100, 100 }.Select(most => _state.Take(WorkQueue.Open, 10, most)!.All.Count));
    }

    [Fact]
    public async Task Files_of_a_folder_whose_changes_are_held_back_are_not_planned_and_new_ones_are()
    {
        await StoreAsync(("a", "aaaaa"));
        Scan(Found("a", 5, 200), Found("new", 5, 200));
        Read("a", Content("1.2.3.4.1", "bbbbb"));
        Read("new", Content("1.2.3.4.9", "ccccc"));
        _state.Hold(Folder, Now);
        LineUp();
        Assert.Equal("new", Path.GetFileName(Assert.Single(_state.Pending(Take()!.All)).Path));
        Assert.Equal((1, 1), (_state.Count()[Folder].Held.Files, _state.Count()[Folder].Pending.Files));
        _state.Accept(Folder, Now.AddHours(1));
        LineUp();
        Assert.Equal(2, _state.AllPending([Folder]).Count());
        Assert.Equal(0, _state.Count()[Folder].Held.Files);
    }

    [Fact]
    public async Task A_file_that_changed_without_a_new_time_is_told_apart_and_held_back()
    {
        await StoreAsync(("a", "aaaaa"));
        Recheck("a");
        Assert.Equal(ReadResult.ChangedWithoutNewTime, Read("a", Content("1.2.3.4.1", "rotten")));
        Assert.Equal(SkipReason.ChangedWithoutNewTime, Assert.Single(Skipped()).Reason);
        Assert.Equal((0, 0), Counted());
        Assert.Equal(FileChange.ToCheck, Compare(Found("a", 5, 100))); // looked at again by every run
        Recheck("a");
        Assert.Equal(SkipReason.ChangedWithoutNewTime, Assert.Single(_state.Count()[Folder].Skipped).Key); // while it waits, too
        Assert.Equal(ReadResult.Known, Read("a", Content("1.2.3.4.1", "aaaaa")));
        Assert.Equal((1, 0), Counted());

        Recheck("a");
        Read("a", Content("1.2.3.4.1", "edited"));
        _state.Accept(Folder, Now);
        Assert.Equal(ReadResult.Pending, Read("a", Content("1.2.3.4.1", "edited")));
    }

    [Fact]
    public void A_file_written_just_before_it_was_read_is_read_once_more_and_may_have_changed()
    {
        foreach ((long ticks, bool again) in new[] { (Now.AddSeconds(-1).Ticks, true), (Now.AddSeconds(-3).Ticks, false), (Now.AddSeconds(30).Ticks, true), (Now.AddYears(1).Ticks, false) })
        {
            Scan(Found($"{ticks}", 5, ticks));
            Read($"{ticks}", Content("1.1", "aaaaa"), Now);
            Assert.Equal(again ? FileChange.ToCheck : FileChange.Unchanged, Compare(Found($"{ticks}", 5, ticks)));
        }

        string name = $"{Now.AddSeconds(-1).Ticks}";
        Recheck(name);
        Assert.Equal(ReadResult.Pending, Read(name, Content("1.1", "later"), Now.AddMinutes(1)));
        Assert.Equal(FileChange.Unchanged, Compare(Found(name, 5, Now.AddSeconds(-1).Ticks)));
    }

    [Fact]
    public void One_file_in_ninety_is_read_again_a_day_those_first_that_were_not_read_for_longest()
    {
        Scan([.. Enumerable.Range(0, 200).Select(i => Found($"f{i}", 1, 1))]);
        for (int i = 0; i < 200; i++) Read($"f{i}", Content($"1.{i}", $"content {i}"), Now.AddDays(-1 - (i % 100)));
        Assert.Equal(3, _state.MarkForCheck([Folder], 90, Now));
        Assert.Equal(0, _state.MarkForCheck([Folder], 90, Now.AddHours(1)));
        LineUp();
        Assert.Equal(["f199", "f98", "f99"], Take()!.ToRead.Select(f => Path.GetFileName(f.Path)).Order(StringComparer.Ordinal));
        Assert.Equal((0, 200), Counted()); // what is checked stands as it stood
        Assert.Equal(3, _state.MarkForCheck([Folder], 90, Now.AddDays(1)));
        Assert.Equal(3, _state.MarkForCheck([Folder], 90, Now.AddDays(-300))); // a clock that was set back does not stop it
    }

    [Fact]
    public void Within_ninety_days_every_file_is_read_again()
    {
        Scan([.. Enumerable.Range(0, 300).Select(i => Found($"f{i}", 1, 1))]);
        for (int i = 0; i < 300; i++) Read($"f{i}", Content($"1.{i}", $"content {i}"), Now);
        HashSet<long> read = [];
        for (int day = 1; day <= 90; day++)
        {
            _state.MarkForCheck([Folder], 90, Now.AddDays(day));
            LineUp();
            foreach (FileToRead file in Take()!.ToRead)
            {
                read.Add(file.Id);
                int i = int.Parse(Path.GetFileName(file.Path)[1..]);
                _state.NoteContent(file.Id, 1, 1, Content($"1.{i}", $"content {i}"), Now.AddDays(day));
            }
        }

        Assert.Equal(300, read.Count);
    }

    [Fact]
    public void Notes_made_together_are_all_there_or_none()
    {
        Scan(Found("a", 1, 1), Found("b", 1, 1));
        Assert.Throws<InvalidOperationException>(() => _state.Together(() =>
        {
            Read("a", Content("1.1", "a"));
            throw new InvalidOperationException();
        }));
        Assert.Equal(FileState.ToRead, Known("a").State);
        _state.Together(() =>
        {
            Read("a", Content("1.1", "a"));
            Read("b", Content("1.2", "b"));
        });
        Assert.Equal((FileState.Read, FileState.Read), (Known("a").State, Known("b").State));
    }

    [Fact]
    public void What_never_reached_the_archive_and_no_file_has_any_more_is_forgotten()
    {
        Scan(Found("a", 1, 1));
        Read("a", Content("1.1", "first"));
        _state.EndRun(_state.BeginRun(Now), Now, ExitCode.Ok, 0);
        Scan(Found("a", 2, 2));
        Read("a", Content("1.1", "second"));
        _state.EndRun(_state.BeginRun(Now), Now, ExitCode.Ok, 0);
        Scan(Found("b", 1, 1));
        Assert.Equal(ReadResult.Pending, Read("b", Content("1.1", "first")));
        Assert.Equal(2, _state.Count()[Folder].Pending.Files);
    }

    [Fact]
    public async Task What_another_computer_archived_is_archived_here_and_its_loss_is_that_computers_to_tell()
    {
        Sidecar sidecar = await _packs.WriteAsync(_folder["packs"], PackId.New(TimeProvider.System), ("b", Packs.Bytes("bbbbb")), ("a", Packs.Bytes("aaaaa")));
        Scan(Found("a", 5, 1));
        Assert.Equal(ReadResult.Pending, Read("a", Content("1.2.3.4.2", "aaaaa")));
        LearnedChange archived = new(7, sidecar.Pack, new ArchivedPack("jws", sidecar.Instances), Packs.ReceiptFor(sidecar));
        Assert.Equal((1, 0, 0), _state.Learn([archived], "changes", "7"));
        Assert.Equal((1, 0), Counted());
        Assert.Equal((0, 0, 0), _state.Learn([archived], "changes", "8"));
        Assert.Equal("8", _state.Get("changes"));

        Assert.Equal((0, 1, 0), _state.Learn([new LearnedChange(9, sidecar.Pack, Lost: PackLossCause.Missing)], "changes", "9"));
        Assert.Equal(new Losses(1, default), _state.Losses());
        Assert.False(_state.HasReceipt(sidecar.Pack));
        Assert.Equal((0, 0, 0), _state.Learn([new LearnedChange(9, sidecar.Pack, Lost: PackLossCause.Missing)], "changes", "9"));
    }

    [Fact]
    public async Task What_is_stored_is_there_after_the_file_is_opened_again()
    {
        PackId pack = await StoreAsync(("a", "aaaaa"));
        _state.Set("name", "value");
        _state.Dispose();
        using AgentState again = AgentState.Open(_folder["state.db"]);
        Assert.Equal("value", again.Get("name"));
        Assert.Equal(pack, Assert.Single(again.Receipts()).Pack);
        using AgentState? reader = AgentState.OpenToRead(_folder["state.db"]);
        Assert.Equal(1, reader!.ReceiptSpan().Count);
    }

    [Fact]
    public async Task What_was_destroyed_after_its_time_is_pending_again_where_its_file_is_still_there()
    {
        PackId pack = await StoreAsync(("a", "aaaaa"));
        _state.DropReceipt(pack, PackLossCause.Destroyed);
        LineUp();
        Assert.Equal("a", Path.GetFileName(Assert.Single(_state.AllPending([Folder])).Path));
        Assert.Equal((0, 1, 0), (_state.Count()[Folder].Excluded.Files, _state.Count()[Folder].Pending.Files, _state.Losses().Files.Files));
    }

    [Fact]
    public void A_folder_that_is_taken_into_one_around_it_keeps_what_is_known_of_its_files()
    {
        Scan(Found("a", 5, 100));
        Scan("sub", Found("sub/b", 5, 100));
        Read("a", Content("1.1", "aaaaa"));
        Read("sub/b", Content("1.2", "bbbbb"));
        _state.Absorb(_state.FindFolder(Root)!, new FolderRecord { Id = _state.Folder(_folder.Path), Path = _folder.Path });
        Assert.Equal([_folder.Path], _state.Folders());
        FolderRecord outer = _state.FindFolder(_folder.Path)!;
        Assert.Equal(FileState.Read, _state.FindFile(outer, Path.Combine(Root, "a"))!.Value.State);
        Assert.Equal(FileState.Read, _state.FindFile(outer, Path.Combine(Root, "sub", "b"))!.Value.State);
        Assert.True(_state.Forget(_folder.Path));
        Assert.Empty(_state.Folders());
        Assert.False(_state.Forget(_folder.Path));
    }

    [Fact]
    public void A_state_of_version_2_keeps_its_files_folders_receipts_and_when_it_was_complete()
    {
        string path = _folder["version2.db"];
        using (Microsoft.Data.Sqlite.SqliteConnection connection = new($"Data Source={path};Pooling=False"))
        {
            connection.Open();
            using Microsoft.Data.Sqlite.SqliteCommand command = connection.CreateCommand();
            command.CommandText = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "State", "version2.sql")).Replace("ROOT/", Root + Path.DirectorySeparatorChar, StringComparison.Ordinal)
                .Replace("ROOT", Root, StringComparison.Ordinal).Replace('/', Path.DirectorySeparatorChar);
            command.ExecuteNonQuery();
        }

        using (AgentState? read = AgentState.OpenToRead(path)) Assert.Equal([Root], read!.Folders());
        using AgentState state = AgentState.Open(path);
        FolderRecord folder = Assert.Single(state.FolderRecords()); // the one that was never there is not remembered
        Assert.Equal((true, new DateTimeOffset(2026, 1, 1, 12, 0, 0, TimeSpan.Zero)), (folder.HeldFiles, folder.CompleteAt!.Value));
        Assert.Equal(FileChange.Unchanged, KnownFile.Compare(state.FindFile(folder, Path.Combine(Root, "sub", "deep", "b")), Found("sub/deep/b", 6, 200), rehash: false));
        Assert.Equal(FileState.ToRead, state.FindFile(folder, Path.Combine(Root, "c"))!.Value.State);
        FileCounts counts = state.Count()[folder.Id];
        Assert.Equal((2, 2, 0), (counts.Archived.Files, counts.Pending.Files, counts.SkippedFiles)); // what was skipped for being no image is archived now
        Assert.Equal(FileState.ToRead, state.FindFile(folder, Path.Combine(Root, "d e"))!.Value.State);
        Assert.Equal((Path.GetFileName(Root), true), (folder.Label, state.IsSnapshotDue));
        state.DropReceipt(Assert.Single(state.Receipts()).Pack, PackLossCause.Missing);
        Assert.Equal(1, state.Losses().Packs);
    }

    [Fact]
    public void A_state_that_a_newer_version_wrote_is_left_alone()
    {
        using (Microsoft.Data.Sqlite.SqliteConnection connection = new($"Data Source={_folder["newer.db"]};Pooling=False"))
        {
            connection.Open();
            using Microsoft.Data.Sqlite.SqliteCommand command = connection.CreateCommand();
            command.CommandText = "PRAGMA user_version = 99";
            command.ExecuteNonQuery();
        }

        Assert.Contains("newer version", Assert.Throws<LocalFailureException>(() => AgentState.Open(_folder["newer.db"])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Only_this_user_can_read_the_state()
    {
        if (OperatingSystem.IsWindows())
        {
            Assert.Skip("Windows keeps the user's data folder to the user.");
            return; // which the analyzer cannot know
        }

        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_folder["state.db"]));
    }

    [Fact]
    public void The_last_run_is_the_last_that_began_whatever_the_clock_says()
    {
        _state.EndRun(_state.BeginRun(Now), Now.AddMinutes(1), ExitCode.Ok, 0);
        _state.EndRun(_state.BeginRun(Now.AddDays(1)), Now.AddDays(1), ExitCode.Unreachable, 3);
        _state.DropRun(_state.BeginRun(Now.AddDays(2)));
        RunRecord last = _state.LastRun()!;
        Assert.Equal((ExitCode.Unreachable, 3L), (last.Outcome!.Value, last.NotBackedUp!.Value));
        _state.EndRun(_state.BeginRun(Now.AddYears(-1)), Now.AddYears(-1), ExitCode.Ok, 0);
        Assert.Equal(Now.AddYears(-1), _state.LastRun()!.StartedAt); // a clock that was set back
    }

    private FoundFile Found(string name, long length, long modified) => new(Path.Combine(Root, name.Replace('/', Path.DirectorySeparatorChar)), length, modified);

    private long Folder => _state.Folder(Root);

    private FolderRecord Record => _state.FindFolder(Root)!;

    private void Scan(params FoundFile[] files) => Scan("", files);

    private void Scan(string directory, params FoundFile[] files) => _state.NoteFound(
        Folder, directory, [.. files.Select(f => new FileNote(f, _state.FindFile(Record, f.Path), Compare(f))).Where(n => n.Change is FileChange.New or FileChange.Changed)], Now);

    private FileChange Compare(FoundFile file) => KnownFile.Compare(_state.Folder(Root) > 0 ? _state.FindFile(Record, file.Path) : null, file, rehash: false);

    private KnownFile Known(string name) => _state.FindFile(Record, Found(name, 0, 0).Path)!.Value;

    private void Recheck(string name) => _state.NoteFound(Folder, "", [new FileNote(Found(name, Known(name).Length, Known(name).ModifiedTicks), Known(name), FileChange.ToCheck)], Now);

    private ReadResult Read(string name, FileContent content, DateTimeOffset? at = null)
    {
        KnownFile file = Known(name);
        return _state.NoteContent(file.Id, file.Length, file.ModifiedTicks, content, at ?? Now);
    }

    private WorkAhead LineUp()
    {
        _state.BeginPlan();
        return _state.LineUp([Folder], []);
    }

    private WorkSlice? Take() => _state.Take(WorkQueue.Open, 100_000, long.MaxValue);

    private SkippedFile[] Skipped() => [.. _state.SkippedFiles([Folder])];

    private (long Archived, long Pending) Counted() => (_state.Count()[Folder].Archived.Files, _state.Count()[Folder].Pending.Files);

    private static FileContent Content(string sop, string text, string study = "1.2.3.4") => new(Packs.Instance(sop, Packs.Bytes(text)), new StudyKey(Uid.Parse(study), null, null, null));

    private async Task<PackId> StoreAsync(params (string Name, string Content)[] files)
    {
        Scan([.. files.Select(f => Found(f.Name, f.Content.Length, 100))]);
        for (int i = 0; i < files.Length; i++) Read(files[i].Name, Content($"1.2.3.4.{i + 1}", files[i].Content));
        Sidecar sidecar = await _packs.WriteAsync(_folder["packs"], PackId.New(TimeProvider.System), [.. files.Select(f => (f.Name, Packs.Bytes(f.Content)))]);
        _state.StoreReceipt(await _packs.SignAsync(Packs.ReceiptFor(sidecar)), Packs.ReceiptFor(sidecar), sidecar.Instances);
        return sidecar.Pack;
    }
}
