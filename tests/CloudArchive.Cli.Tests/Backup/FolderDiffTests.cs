using CloudArchive.Cli.Backup;
using CloudArchive.Cli.State;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Testing;

namespace CloudArchive.Cli.Tests.Backup;

/// <summary>Real folders against a real state.</summary>
public sealed class FolderDiffTests : IDisposable
{
    private static readonly DateTimeOffset Now = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);
    private readonly TemporaryFolder _folder = new();
    private readonly AgentState _state;

    public FolderDiffTests()
    {
        _state = AgentState.Open(_folder["state.db"]);
        Directory.CreateDirectory(Root);
    }

    private string Root => _folder["images"];

    private FolderRecord Record => _state.FindFolder(Root)!;

    public void Dispose()
    {
        _state.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void A_scan_that_finds_everything_as_it_was_writes_nothing_for_it()
    {
        for (int i = 0; i < 3000; i++) Write($"{i % 30}/{i}");
        Assert.Equal((3000, 0), (Scan().Found, Scan().Unchanged)); // seen, and not read yet
        ReadAll();
        Assert.Equal(3000, Scan().Unchanged);
        Checkpoint();
        FolderDifference again = Scan();
        Assert.Equal((3000, 3000, 0, 0), (again.Found, again.Unchanged, again.Vanished, again.News.Files));
        Assert.True(!File.Exists(_folder["state.db-wal"]) || new FileInfo(_folder["state.db-wal"]).Length == 0, "the write-ahead log is not empty");
    }

    [Fact]
    public void New_changed_and_vanished_files_and_directories_are_noted_and_nothing_else()
    {
        foreach (string name in (string[])["same", "changed", "gone", "dir/gone", "dir/sub/gone", "other/same"]) Write(name);
        Scan();
        ReadAll();
        Write("changed", "longer than before");
        Write("new");
        File.Delete(Path("gone"));
        Directory.Delete(Path("dir"), recursive: true);
        FolderDifference difference = Scan();
        Assert.Equal((4, 2, 2, 3), (difference.Found, difference.Unchanged, difference.News.Files, difference.Vanished));
        Assert.Equal(["changed", "new", "other/same", "same"], Known());
        Assert.Equal(["", "other"], _state.Directories(Record.Id).Keys.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Looking_without_writing_finds_the_same_and_changes_nothing()
    {
        foreach (string name in (string[])["a", "b", "sub/c"]) Write(name);
        Scan();
        ReadAll();
        Directory.Delete(Path("sub"), recursive: true);
        Write("new");
        FolderDifference seen = Scan(write: false);
        Assert.Equal((1, 1), (seen.News.Files, seen.Vanished));
        Assert.Equal(["a", "b", "sub/c"], Known());
    }

    [Fact]
    public void A_folder_that_is_suddenly_empty_is_told_and_nothing_is_forgotten_until_a_person_accepts_it()
    {
        Write("a");
        Write("sub/b");
        Scan();
        ReadAll();
        File.Delete(Path("a"));
        Directory.Delete(Path("sub"), recursive: true);
        Write("Thumbs.db");
        Assert.True(Scan().IsEmptied);
        Assert.True(Scan().IsEmptied);
        Assert.Equal(["a", "sub/b"], Known());
        Assert.False(Scan(acceptEmpty: true).IsEmptied);
        Assert.Empty(Known());
    }

    [Fact]
    public void A_folder_that_is_not_there_or_lies_on_another_volume_forgets_nothing()
    {
        Write("a");
        Write("sub/b");
        Scan();
        ReadAll();
        File.Delete(Path("a"));
        Scan(forget: false);
        Assert.Equal(["a", "sub/b"], Known());
        Directory.Delete(Root, recursive: true);
        FolderDifference gone = Scan();
        Assert.False(gone.IsEmptied);
        Assert.Equal(Root, Assert.Single(gone.Unreadable).Path);
        Assert.Equal(["a", "sub/b"], Known());
    }

    [Fact]
    public void What_is_excluded_from_now_on_is_no_file_that_vanished()
    {
        foreach (string name in (string[])["a.dcm", "a.jpg", "cache/x", "cache/deep/y"]) Write(name);
        Scan();
        ReadAll();
        FolderDifference difference = Scan(exclude: ["*.jpg", "cache/"]);
        Assert.Equal((1, 0), (difference.Found, difference.Vanished));
        Assert.Equal(["a.dcm"], Known());
        Assert.Equal((1, 2), (difference.LeftOut["*.jpg"].Files, difference.LeftOut["cache/"].Files));
        Assert.False(Scan(exclude: ["*"]).IsEmptied);
    }

    [Fact]
    public void A_part_of_a_folder_forgets_only_what_is_gone_from_that_part()
    {
        foreach (string name in (string[])["a/x", "a/sub/y", "ab/z"]) Write(name);
        Scan();
        ReadAll();
        File.Delete(Path("a/x"));
        File.Delete(Path("ab/z"));
        Directory.Delete(Path("a/sub"), recursive: true);
        Write("a/new");
        Scan(start: Path("a"));
        Assert.Equal(["a/new", "ab/z"], Known());
    }

    [Fact]
    public void A_file_that_stands_where_one_of_nearly_the_same_name_stood_is_renamed()
    {
        string[] names = ["1.dcm", "2.dcm", "3.dcm", "4", "other/5.dcm", "6.dcm"];
        foreach (string name in names) Write(name);
        Scan();
        ReadAll();
        Move("1.dcm", "1.dcm.locked");
        Move("2.dcm", "2.locked");
        Move("3.dcm", "3.dcm.id-7.[mail].xyz");
        Move("4", "4.ransom");
        Move("other/5.dcm", "moved.dcm");
        Move("6.dcm", "aGVsbG8");
        Write("brand-new-1");
        Write("brand-new-2");
        Scan();
        Assert.Equal(4, _state.CountChanges(Record.Id, DateTimeOffset.UnixEpoch).Changed);

        // As many of the new ones as are gone may be the others, encrypted: they are if they are no DICOM.
        Assert.Equal(1, _state.CountChanges(Record.Id, DateTimeOffset.UnixEpoch).MayHave);
        _state.BeginPlan();
        _state.LineUp([Record.Id], []);
        foreach (FileToRead file in _state.Take(WorkQueue.Open, 100, long.MaxValue)!.ToRead) NotePlain(file);
        Assert.Equal(5, _state.CountChanges(Record.Id, DateTimeOffset.UnixEpoch).Changed);
    }

    [Fact]
    public void An_image_that_lost_all_its_bytes_is_read_again_as_one_that_was_DICOM()
    {
        Write("image");
        Write("empty", "");
        Scan();
        ReadAll();
        Write("image", "");
        Scan();
        _state.BeginPlan();
        _state.LineUp([Record.Id], []);
        FileToRead again = Assert.Single(_state.Take(WorkQueue.Open, 100, long.MaxValue)!.ToRead);
        Assert.True(again.WasDicom);
        _state.NoteSkipped(again.Id, SkipReason.NoLongerDicom, null, Now);
        Assert.Equal(1, _state.CountChanges(Record.Id, DateTimeOffset.UnixEpoch).Changed);
        Assert.Equal([SkipReason.NoLongerDicom], _state.Count()[Record.Id].Skipped.Keys);
        Assert.Equal(2, Scan().Unchanged);
    }

    [Theory]
    [InlineData(19, 100, false)]
    [InlineData(20, 100, true)]
    [InlineData(20, 200, true)]
    [InlineData(20, 201, false)]
    [InlineData(5000, 60_000, false)]
    [InlineData(6000, 60_000, true)]
    [InlineData(20, 20, true)]
    public void Twenty_files_and_a_tenth_of_the_folder_are_a_mass_change(long changed, long all, bool expected) => Assert.Equal(expected, MassChange.Is(changed, all));

    private FolderDifference Scan(bool write = true, bool forget = true, bool acceptEmpty = false, string? start = null, string[]? exclude = null)
    {
        _state.Folder(Root);
        FolderDiff diff = new(_state, Record) { Write = write, Forget = forget, AcceptEmpty = acceptEmpty };
        ScanScope scope = new() { Start = start, Exclusions = Exclusions.Of(exclude ?? []) };
        return diff.Run(FolderScan.Walk(Root, scope, TestContext.Current.CancellationToken), start, Now);
    }

    /// <summary>Reads a file that is no image.</summary>
    private void NotePlain(FileToRead file)
    {
        Sha256Digest sha256 = Sha256Digest.Of(System.Text.Encoding.UTF8.GetBytes(file.Path));
        FileContent content = new(SidecarInstance.Plain(FileKind.Other, file.Length, sha256), new StudyKey(Uid.Parse("2.25.1"), null, null, null, Set: SetKind.Folder));
        _state.NoteContent(file.Id, file.Length, file.ModifiedTicks, content, Now);
    }

    private void ReadAll()
    {
        _state.BeginPlan();
        _state.LineUp([Record.Id], []);
        while (_state.Take(WorkQueue.Open, 10_000, long.MaxValue) is { } slice)
        {
            foreach (FileToRead file in slice.ToRead)
            {
                _state.NoteContent(
                    file.Id, file.Length, file.ModifiedTicks, new FileContent(Packs.Instance($"1.{file.Id}", Packs.Bytes(file.Path)), new StudyKey(Uid.Parse("1.2"), null, null, null)), Now.AddYears(1));
            }
        }
    }

    private string[] Known() => [.. _state.Directories(Record.Id).SelectMany(d => _state.FilesIn(d.Value).Keys.Select(name => d.Key.Length == 0 ? name : $"{d.Key.Replace('\\', '/')}/{name}")).Order(StringComparer.Ordinal)];

    private void Checkpoint()
    {
        using Microsoft.Data.Sqlite.SqliteConnection connection = new($"Data Source={_folder["state.db"]};Pooling=False");
        connection.Open();
        using Microsoft.Data.Sqlite.SqliteCommand command = connection.CreateCommand();
        command.CommandText = "PRAGMA wal_checkpoint(TRUNCATE)";
        command.ExecuteNonQuery();
    }

    private string Path(string name) => System.IO.Path.Combine(Root, name.Replace('/', System.IO.Path.DirectorySeparatorChar));

    private void Move(string from, string to) => File.Move(Path(from), Path(to));

    private void Write(string name, string content = "x")
    {
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(Path(name))!);
        File.WriteAllText(Path(name), content);
    }
}
