using CloudArchive.Cli.Restores;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Testing;

namespace CloudArchive.Cli.Tests.Restores;

public sealed class TargetFolderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly PackId _pack = PackId.New(TimeProvider.System);
    private string Target => _folder["target"];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_file_is_written_whole_with_its_time_and_nothing_else_is_left()
    {
        FileReport report = await WriteAsync("Doe_Jane/2020/a.dcm", "content");
        Assert.Equal(FileOutcome.Restored, report.Outcome);
        Assert.Equal("content", File.ReadAllText(Path.Combine(Target, "Doe_Jane", "2020", "a.dcm")));
        Assert.Equal(Packs.Modified(0).UtcDateTime, File.GetLastWriteTimeUtc(Path.Combine(Target, "Doe_Jane", "2020", "a.dcm")));
        Assert.Single(Directory.GetFiles(Target, "*", SearchOption.AllDirectories));
    }

    [Theory]
    [InlineData("../evil")]
    [InlineData("a/../../evil")]
    [InlineData("/etc/evil")]
    [InlineData("a//b")]
    [InlineData("./a")]
    [InlineData("")]
    [InlineData("a/\0/b")]
    public async Task A_name_that_leaves_the_target_or_is_none_is_refused(string name)
    {
        FileReport report = await WriteAsync(name, "evil");
        Assert.Equal(FileOutcome.Failed, report.Outcome);
        Assert.True(report.Integrity);
        Assert.Empty(Directory.GetFiles(_folder.Path, "*", SearchOption.AllDirectories));
    }

    [Theory]
    [InlineData("..\\evil")]
    [InlineData("C:\\evil")]
    [InlineData("C:evil")]
    public async Task What_leads_out_on_Windows_is_a_name_like_any_other_elsewhere(string name)
    {
        FileReport report = await WriteAsync(name, "content");
        Assert.Equal(OperatingSystem.IsWindows() ? FileOutcome.Failed : FileOutcome.Restored, report.Outcome);
        Assert.All(Directory.GetFiles(_folder.Path, "*", SearchOption.AllDirectories), file => Assert.Equal(Target, Path.GetDirectoryName(file)));
    }

    [Fact]
    public async Task A_link_in_the_target_is_not_followed_out_of_it()
    {
        Directory.CreateDirectory(_folder["outside"]);
        Directory.CreateDirectory(Target);
        Directory.CreateSymbolicLink(Path.Combine(Target, "sub"), _folder["outside"]);
        Assert.Equal(FileOutcome.Failed, (await WriteAsync("sub/file", "evil", overwrite: true)).Outcome);
        Assert.Empty(Directory.GetFiles(_folder["outside"]));
    }

    [Fact]
    public async Task A_file_that_is_a_link_is_replaced_and_not_written_through()
    {
        File.WriteAllText(_folder["outside"], "precious");
        Directory.CreateDirectory(Target);
        File.CreateSymbolicLink(Path.Combine(Target, "file"), _folder["outside"]);
        Assert.Equal(FileOutcome.Exists, (await WriteAsync("file", "new")).Outcome);
        Assert.Equal(FileOutcome.Restored, (await WriteAsync("file", "new", overwrite: true)).Outcome);
        Assert.Equal("precious", File.ReadAllText(_folder["outside"]));
        Assert.Null(new FileInfo(Path.Combine(Target, "file")).LinkTarget);
    }

    [Fact]
    public async Task Another_file_of_the_name_is_kept_unless_overwriting_was_asked_for()
    {
        Directory.CreateDirectory(Target);
        File.WriteAllText(Path.Combine(Target, "file"), "mine");
        Assert.Equal(FileOutcome.Exists, (await WriteAsync("file", "theirs")).Outcome);
        Assert.Equal("mine", File.ReadAllText(Path.Combine(Target, "file")));
        Assert.Equal(FileOutcome.Restored, (await WriteAsync("file", "theirs", overwrite: true)).Outcome);
        Assert.Equal("theirs", File.ReadAllText(Path.Combine(Target, "file")));
    }

    [Fact]
    public async Task The_same_file_that_is_there_already_is_left_alone()
    {
        await WriteAsync("file", "content");
        File.SetLastWriteTimeUtc(Path.Combine(Target, "file"), DateTime.UnixEpoch);
        Assert.Equal(FileOutcome.AlreadyThere, (await WriteAsync("file", "content", overwrite: true)).Outcome);
        Assert.Equal(DateTime.UnixEpoch, File.GetLastWriteTimeUtc(Path.Combine(Target, "file")));
    }

    [Fact]
    public async Task Bytes_that_are_not_what_was_captured_never_get_the_files_name()
    {
        TargetFolder target = new(Target, overwrite: false);
        FileReport report = await WriteAsync(target, _pack, Entry("file", "content"), async (stream, cancellation) =>
        {
            await stream.WriteAsync(Packs.Bytes("cont"), cancellation);
            throw new PackException(PackFault.InstanceMismatch, "Instance has fewer bytes.");
        });
        Assert.Equal(FileOutcome.Failed, report.Outcome);
        Assert.True(report.Integrity);
        Assert.Empty(Directory.GetFiles(Target, "*", SearchOption.AllDirectories));
    }

    [Fact]
    public async Task An_interrupted_write_leaves_nothing()
    {
        TargetFolder target = new(Target, overwrite: false);
        await Assert.ThrowsAsync<OperationCanceledException>(() => WriteAsync(target, _pack, Entry("file", "content"), (_, _) => throw new OperationCanceledException()));
        Assert.Empty(Directory.GetFiles(Target, "*", SearchOption.AllDirectories));
    }

    [Fact]
    public async Task An_older_version_of_the_same_name_stands_beside_the_newer()
    {
        TargetFolder target = new(Target, overwrite: false);
        FileReport newer = await WriteAsync(target, "a/file.dcm", "newer");
        FileReport older = await WriteAsync(target, "a/file.dcm", "older");
        Assert.Equal("a/file.dcm", newer.Path);
        Assert.Equal(FileOutcome.Restored, older.Outcome);
        Assert.Matches("^a/file~[0-9a-f]{8}\\.dcm$", older.Path);
        Assert.Equal("newer", File.ReadAllText(Path.Combine(Target, newer.Path!)));
        Assert.Equal("older", File.ReadAllText(Path.Combine(Target, older.Path!)));

        // Repeating the whole restore finds both.
        TargetFolder again = new(Target, overwrite: false);
        Assert.Equal(FileOutcome.AlreadyThere, (await WriteAsync(again, "a/file.dcm", "newer")).Outcome);
        Assert.Equal(FileOutcome.AlreadyThere, (await WriteAsync(again, "a/file.dcm", "older")).Outcome);
    }

    [Fact]
    public async Task No_file_of_a_pack_has_its_name_before_all_of_them_are_whole()
    {
        using TargetFolder target = new(Target, overwrite: false);
        using (StagedPack staged = target.Stage(_pack))
        {
            await staged.AddAsync(Entry("a/1.dcm", "one"), Content("one"), TestContext.Current.CancellationToken);
            await staged.AddAsync(Entry("a/2.dcm", "two"), (_, _) => throw new PackException(PackFault.InstanceMismatch, "x"), TestContext.Current.CancellationToken);
            await staged.AddAsync(Entry("b/3.dcm", "three"), Content("three"), TestContext.Current.CancellationToken);
            Assert.All(Directory.GetFiles(Target, "*", SearchOption.AllDirectories), file => Assert.EndsWith(".part", file, StringComparison.Ordinal));
            FileOutcome[] outcomes = [.. (await staged.PlaceAsync(TestContext.Current.CancellationToken)).Select(report => report.Outcome)];
            Assert.Equal([FileOutcome.Restored, FileOutcome.Failed, FileOutcome.Restored], outcomes);
        }

        Assert.Equal(["1.dcm", "3.dcm"], Directory.GetFiles(Target, "*", SearchOption.AllDirectories).Select(Path.GetFileName).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task A_pack_that_is_given_up_leaves_nothing_of_what_was_staged()
    {
        using TargetFolder target = new(Target, overwrite: false);
        using (StagedPack staged = target.Stage(_pack))
        {
            await staged.AddAsync(Entry("file", "content"), Content("content"), TestContext.Current.CancellationToken);
        }

        Assert.Empty(Directory.GetFiles(Target, "*", SearchOption.AllDirectories));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Of_versions_that_are_staged_side_by_side_the_newest_has_the_name_in_whatever_order_they_are_placed(bool newestFirst)
    {
        PackId[] packs = [.. Enumerable.Range(0, 3).Select(_ => PackId.New(TimeProvider.System)).OrderBy(pack => pack.ToString(), StringComparer.Ordinal)];
        using TargetFolder target = new(Target, overwrite: false);
        List<StagedPack> staged = [];
        for (int i = 0; i < packs.Length; i++)
        {
            staged.Add(target.Stage(packs[i]));
            await staged[i].AddAsync(Entry("file.dcm", $"version {i}"), Content($"version {i}"), TestContext.Current.CancellationToken);
        }

        foreach (StagedPack one in newestFirst ? Enumerable.Reverse(staged) : staged)
        {
            Assert.Equal(FileOutcome.Restored, Assert.Single(await one.PlaceAsync(TestContext.Current.CancellationToken)).Outcome);
            one.Dispose();
        }

        Assert.Equal("version 2", File.ReadAllText(Path.Combine(Target, "file.dcm")));
        Assert.Equal(["version 0", "version 1"], Directory.GetFiles(Target, "file~*.dcm").Select(File.ReadAllText).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task A_file_that_was_there_when_it_was_looked_for_and_is_gone_when_it_is_placed_is_written_then()
    {
        await WriteAsync("file", "content");
        using TargetFolder target = new(Target, overwrite: false);
        using StagedPack staged = target.Stage(_pack);
        await staged.AddAsync(Entry("file", "content"), Content("content"), TestContext.Current.CancellationToken);
        File.Delete(Path.Combine(Target, "file"));
        Assert.Equal(FileOutcome.Restored, Assert.Single(await staged.PlaceAsync(TestContext.Current.CancellationToken)).Outcome);
        Assert.Equal("content", File.ReadAllText(Path.Combine(Target, "file")));
    }

    [Fact]
    public async Task A_file_that_cannot_be_flushed_to_the_disk_is_not_reported_as_restored_and_keeps_none_from_it()
    {
        using TargetFolder target = new(Target, overwrite: false);
        using StagedPack staged = target.Stage(_pack);
        await staged.AddAsync(Entry("1", "one"), Content("one"), TestContext.Current.CancellationToken);
        File.Delete(Assert.Single(Directory.GetFiles(Target, "*.part", SearchOption.AllDirectories)));
        await staged.AddAsync(Entry("2", "two"), Content("two"), TestContext.Current.CancellationToken);
        FileOutcome[] outcomes = [.. (await staged.PlaceAsync(TestContext.Current.CancellationToken)).Select(report => report.Outcome)];
        Assert.Equal([FileOutcome.Failed, FileOutcome.Restored], outcomes);
    }

    [Fact]
    public async Task A_folder_that_is_not_there_any_more_cannot_be_flushed_and_that_is_told()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has renames in its journal.");
        Assert.Null(await DiskFlush.FoldersAsync([_folder.Path]));
        Assert.NotNull(await DiskFlush.FoldersAsync([_folder.Path, _folder["gone"]]));
    }

    [Fact]
    public async Task A_file_in_the_place_of_a_folder_or_a_folder_in_the_place_of_a_file_fails_that_file_only()
    {
        TargetFolder target = new(Target, overwrite: true);
        await WriteAsync(target, "x", "file");
        await WriteAsync(target, "y/inner", "file");
        Assert.Equal(FileOutcome.Failed, (await WriteAsync(target, "x/inner", "evil")).Outcome);
        Assert.Equal(FileOutcome.Failed, (await WriteAsync(target, "y", "evil")).Outcome);
        Assert.Equal(FileOutcome.Restored, (await WriteAsync(target, "z", "good")).Outcome);
    }

    [Fact]
    public void A_file_is_no_target()
    {
        File.WriteAllText(Target, "x");
        Assert.Throws<UsageException>(() => new TargetFolder(Target, overwrite: false));
    }

    [Fact]
    public void The_temporary_file_for_sealed_bytes_goes_when_it_is_closed()
    {
        using (FileStream file = new TargetFolder(Target, overwrite: false).CreateTemporary()) file.WriteByte(1);
        Assert.Empty(Directory.GetFiles(Target));
    }

    private Task<FileReport> WriteAsync(string name, string content, bool overwrite = false) => WriteAsync(new TargetFolder(Target, overwrite), name, content);

    private Task<FileReport> WriteAsync(TargetFolder target, string name, string content) => WriteAsync(target, _pack, name, content);

    private static Task<FileReport> WriteAsync(TargetFolder target, PackId pack, string name, string content) => WriteAsync(target, pack, Entry(name, content), Content(content));

    private static async Task<FileReport> WriteAsync(TargetFolder target, PackId pack, ManifestInstance entry, Func<Stream, CancellationToken, Task> extract)
    {
        using StagedPack staged = target.Stage(pack);
        await staged.AddAsync(entry, extract, TestContext.Current.CancellationToken);
        return Assert.Single(await staged.PlaceAsync(TestContext.Current.CancellationToken));
    }

    private static Func<Stream, CancellationToken, Task> Content(string content) => (stream, cancellation) => stream.WriteAsync(Packs.Bytes(content), cancellation).AsTask();

    private static ManifestInstance Entry(string name, string content) => new(name, name, Packs.Modified(0), Packs.Instance("1.2", Packs.Bytes(content)));
}
