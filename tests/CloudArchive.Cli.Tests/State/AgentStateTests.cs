using CloudArchive.Cli.Backup;
using CloudArchive.Cli.State;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
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
        long run = Scan(Found("a", 5, 100));
        Read(run, "a", Content("1.1", "aaaaa"));
        Assert.Equal(FileChange.Unchanged, _state.Compare(Found("a", 5, 100)));
        Assert.Equal(FileChange.Changed, _state.Compare(Found("a", 6, 100)));
        Assert.Equal(FileChange.Changed, _state.Compare(Found("a", 5, 101)));
        Assert.Equal(FileChange.New, _state.Compare(Found("b", 5, 100)));
    }

    [Fact]
    public void A_file_that_was_seen_and_not_read_must_still_be_read()
    {
        Scan(Found("a", 5, 100));
        long run = Scan(Found("a", 5, 100));
        Assert.Equal("a", Path.GetFileName(Assert.Single(_state.FilesToRead(run)).Path));
        Assert.Equal((1, 5), _state.CountToRead(run));
    }

    [Theory]
    [InlineData(SkipReason.NotDicom, FileChange.Unchanged)]
    [InlineData(SkipReason.Dicomdir, FileChange.Unchanged)]
    [InlineData(SkipReason.Damaged, FileChange.Unchanged)]
    [InlineData(SkipReason.Unreadable, FileChange.Changed)]
    [InlineData(SkipReason.Changing, FileChange.Changed)]
    public void What_was_skipped_is_tried_again_only_where_that_may_help(SkipReason reason, FileChange expected)
    {
        long run = Scan(Found("a", 5, 100));
        _state.NoteSkipped(Assert.Single(_state.FilesToRead(run)).Id, reason, "why");
        Assert.Equal(expected, _state.Compare(Found("a", 5, 100)));
        Assert.Equal(new SkippedFile(Path.Combine(Root, "a"), reason, "why"), Assert.Single(_state.SkippedFiles(run)));
    }

    [Fact]
    public void A_link_that_became_a_file_is_read_and_a_file_that_became_a_link_is_skipped()
    {
        long run = Scan(Found("a", 0, 1) with { Skip = SkipReason.Link });
        Assert.Empty(_state.FilesToRead(run));
        run = Scan(Found("a", 0, 1));
        Assert.Single(_state.FilesToRead(run));
        Read(run, "a", Content("1.1", ""));
        run = Scan(Found("a", 0, 1) with { Skip = SkipReason.Link });
        Assert.Equal(SkipReason.Link, Assert.Single(_state.SkippedFiles(run)).Reason);
    }

    [Fact]
    public void Rehashing_reads_what_is_unchanged()
    {
        long run = Scan(Found("a", 5, 100));
        Read(run, "a", Content("1.1", "aaaaa"));
        run = _state.BeginRun(Now);
        _state.NoteFound(run, _state.Folder(Root), [Found("a", 5, 100)], rehash: true, (_, _) => { });
        Assert.Single(_state.FilesToRead(run));
    }

    [Fact]
    public async Task A_file_is_backed_up_when_its_receipt_is_stored_and_not_before()
    {
        long run = Scan(Found("a", 5, 100));
        Read(run, "a", Content("1.2.3.4.1", "aaaaa"));
        Assert.Equal((1, 5), _state.PreparePlan(run));
        Assert.Equal((0, 1), (_state.Count(run).BackedUp, _state.Count(run).Pending));

        Sidecar sidecar = await _packs.WriteAsync(_folder["packs"], PackId.New(TimeProvider.System), ("a", Packs.Bytes("aaaaa")));
        _state.NoteUploaded(sidecar, Now);
        Assert.Equal(0, _state.Count(run).BackedUp);
        Assert.Equal(sidecar.Pack, Assert.Single(_state.Uploads()).Pack);

        _state.StoreReceipt(await _packs.SignAsync(Packs.ReceiptFor(sidecar)), Packs.ReceiptFor(sidecar), sidecar.Instances);
        Assert.Equal((1, 0), (_state.Count(run).BackedUp, _state.Count(run).Pending));
        Assert.Empty(_state.Uploads());
        Assert.Equal((0, 0), _state.PreparePlan(run));
        Assert.Equal(sidecar.Instances, _state.InstancesOf(sidecar.Pack));

        _state.DropReceipt(sidecar.Pack);
        Assert.Equal((0, 1), (_state.Count(run).BackedUp, _state.Count(run).Pending));
    }

    [Fact]
    public async Task A_renamed_or_copied_file_is_known_by_its_bytes()
    {
        await StoreAsync(("a", "aaaaa"));
        long run = Scan(Found("renamed", 5, 999));
        Assert.False(Read(run, "renamed", Content("1.2.3.4.1", "aaaaa")));
        Assert.Equal((0, 0), _state.PreparePlan(run));
        Assert.Equal(1, _state.Count(run).BackedUp);
    }

    [Fact]
    public async Task Other_bytes_under_a_known_UID_are_pending_as_a_new_version()
    {
        await StoreAsync(("a", "aaaaa"));
        long run = Scan(Found("a", 5, 200));
        Assert.True(Read(run, "a", Content("1.2.3.4.1", "bbbbb")));
        _state.PreparePlan(run);
        Assert.True(Assert.Single(_state.PendingFiles()).HasOtherVersion);
    }

    [Fact]
    public void The_plan_is_in_the_order_in_which_packs_are_made()
    {
        long run = Scan([.. Enumerable.Range(0, 500).Select(i => Found($"f{i}", 1, 1))]);
        foreach (FileToRead file in _state.FilesToRead(run).ToList())
        {
            int n = int.Parse(Path.GetFileName(file.Path)[1..]);
            _state.NoteContent(file.Id, 1, 1, Content($"1.{n * 7919 % 500}", $"content {n}", $"9.{n % 7}"));
        }

        Assert.Equal((500, 500 * 9 + 390 + 500), (_state.PreparePlan(run).Contents, _state.PreparePlan(run).Bytes));
        PendingFile[] files = [.. _state.PendingFiles()];
        Assert.Equal(500, files.Length);
        Assert.Equal(files.OrderBy(f => f.Study.Study.Value, StringComparer.Ordinal).ThenBy(f => f.Instance.SopInstance.Value, StringComparer.Ordinal).Select(f => f.Id), files.Select(f => f.Id));
    }

    [Fact]
    public void A_plan_that_is_being_read_is_not_disturbed_by_receipts()
    {
        long run = Scan([.. Enumerable.Range(0, 450).Select(i => Found($"f{i}", 1, 1))]);
        foreach (FileToRead file in _state.FilesToRead(run).ToList()) _state.NoteContent(file.Id, 1, 1, Content($"1.{file.Id}", $"content {file.Id}"));
        _state.PreparePlan(run);
        List<long> seen = [];
        foreach (PendingFile file in _state.PendingFiles())
        {
            seen.Add(file.Id);
            PackId pack = PackId.New(TimeProvider.System);
            _state.StoreReceipt("jws", new Receipt(Receipt.CurrentFormat, Packs.Clinic, pack, file.Study.Study, file.Instance.Sha256, 1, "v", Now, file.Instance.Sha256, 1, "x", 0, Now), [file.Instance]);
        }

        Assert.Equal(450, seen.Distinct().Count());
    }

    [Fact]
    public void Files_that_are_gone_are_forgotten_except_where_the_scan_could_not_look()
    {
        long folder = _state.Folder(Root);
        Scan(Found("kept", 1, 1), Found("gone", 1, 1), Found("closed/inside", 1, 1), Found("closed-not/inside", 1, 1), Found("unsettled", 1, 1));
        long run = _state.BeginRun(Now);
        _state.NoteFound(run, folder, [Found("kept", 1, 1)], rehash: false, (_, _) => { });
        Assert.Equal(2, _state.EndScan(run, folder, [Path.Combine(Root, "closed")], [Path.Combine(Root, "unsettled")], Now));
        Assert.Equal(3, _state.Count(null).Files);
        Assert.Equal(FileChange.New, _state.Compare(Found("gone", 1, 1)));
        Assert.Equal(1, Assert.Single(_state.FolderRecords()).UnreadableFolders);
    }

    [Fact]
    public void What_never_reached_the_archive_and_no_file_has_any_more_is_forgotten()
    {
        long run = Scan(Found("a", 1, 1));
        Read(run, "a", Content("1.1", "first"));
        _state.EndRun(run, Now, ExitCode.Ok, 0);
        run = Scan(Found("a", 2, 2));
        Read(run, "a", Content("1.1", "second"));
        _state.EndRun(run, Now, ExitCode.Ok, 0);
        Assert.True(Read(Scan(Found("b", 1, 1)), "b", Content("1.1", "first")));
        Assert.Equal(1, _state.PreparePlan(run + 1).Contents);
    }

    [Fact]
    public async Task Claims_of_the_service_count_for_nothing_until_a_receipt_proves_them()
    {
        Sidecar sidecar = await _packs.WriteAsync(_folder["packs"], PackId.New(TimeProvider.System), ("b", Packs.Bytes("bbbbb")), ("a", Packs.Bytes("aaaaa")));
        _state.NoteClaims([.. sidecar.Instances.Select(i => new InstanceResponse(i.SopInstance, i.Sha256, i.Length, sidecar.Study, i.SopClass, i.Series, i.Modality, i.TransferSyntax, sidecar.Pack))]);
        long run = Scan(Found("a", 5, 1));
        Assert.True(Read(run, "a", Content("1.2.3.4.2", "aaaaa")));
        Assert.Equal(sidecar.Instances.OrderBy(i => i.SopInstance.Value, StringComparer.Ordinal), _state.ClaimsOf(sidecar.Pack));
        _state.StoreReceipt("jws", Packs.ReceiptFor(sidecar), _state.ClaimsOf(sidecar.Pack));
        Assert.Equal(1, _state.Count(run).BackedUp);
        Assert.Empty(_state.ClaimsOf(sidecar.Pack));
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
    public void Runs_tell_when_everything_was_backed_up_last()
    {
        _state.EndRun(_state.BeginRun(Now), Now.AddMinutes(1), ExitCode.Ok, 0);
        _state.EndRun(_state.BeginRun(Now.AddDays(1)), Now.AddDays(1), ExitCode.Unreachable, 3);
        _state.DropRun(_state.BeginRun(Now.AddDays(2)));
        (RunRecord? last, RunRecord? lastGood) = _state.LastRuns();
        Assert.Equal((ExitCode.Unreachable, 3L), (last!.Outcome!.Value, last.NotBackedUp!.Value));
        Assert.Equal(Now.AddMinutes(1), lastGood!.FinishedAt);
    }

    private FoundFile Found(string name, long length, long modified) => new(Path.Combine(Root, name.Replace('/', Path.DirectorySeparatorChar)), length, modified);

    private long Scan(params FoundFile[] files)
    {
        long run = _state.BeginRun(Now);
        _state.NoteFound(run, _state.Folder(Root), files, rehash: false, (_, _) => { });
        return run;
    }

    private bool Read(long run, string name, FileContent content)
    {
        FileToRead file = _state.FilesToRead(run).Single(f => Path.GetFileName(f.Path) == name);
        return _state.NoteContent(file.Id, file.Length, file.ModifiedTicks, content);
    }

    private static FileContent Content(string sop, string text, string study = "1.2.3.4") => new(Packs.Instance(sop, Packs.Bytes(text)), new StudyKey(Uid.Parse(study), null, null, null));

    private async Task<PackId> StoreAsync(params (string Name, string Content)[] files)
    {
        long run = Scan([.. files.Select(f => Found(f.Name, f.Content.Length, 100))]);
        for (int i = 0; i < files.Length; i++) Read(run, files[i].Name, Content($"1.2.3.4.{i + 1}", files[i].Content));
        Sidecar sidecar = await _packs.WriteAsync(_folder["packs"], PackId.New(TimeProvider.System), [.. files.Select(f => (f.Name, Packs.Bytes(f.Content)))]);
        _state.StoreReceipt(await _packs.SignAsync(Packs.ReceiptFor(sidecar)), Packs.ReceiptFor(sidecar), sidecar.Instances);
        return sidecar.Pack;
    }
}
