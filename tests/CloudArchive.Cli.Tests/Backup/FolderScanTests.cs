using CloudArchive.Cli.Backup;
using CloudArchive.Testing;

namespace CloudArchive.Cli.Tests.Backup;

public sealed class FolderScanTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly List<UnreadableFolder> _unreadable = [];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Finds_every_file_below_hidden_ones_and_odd_names_too()
    {
        string[] names = [".hidden", "sub/.hidden/x", "Größe & Maß/ü.dcm", "患者/画像", "no extension", "a/b/c/d/e/f/g/h/i/j/" + new string('n', 200)];
        foreach (string name in names) Write(name);
        Assert.Equal(names.Order(StringComparer.Ordinal), Walk().Select(f => Path.GetRelativePath(_folder.Path, f.Path).Replace('\\', '/')).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Finds_files_whose_path_is_longer_than_the_systems_old_limit()
    {
        string deep = string.Join('/', Enumerable.Repeat(new string('d', 50), 12));
        Write(deep + "/file");
        FoundFile found = Assert.Single(Walk());
        Assert.True(found.Path.Length > 600);
        Assert.Equal(1, found.Length);
    }

    [Fact]
    public void Tells_links_and_does_not_follow_them_so_that_a_cycle_ends()
    {
        Write("real/file");
        Directory.CreateSymbolicLink(_folder["real/up"], _folder.Path);
        File.CreateSymbolicLink(_folder["real/alias"], _folder["real/file"]);
        File.CreateSymbolicLink(_folder["dangling"], _folder["nowhere"]);
        Dictionary<string, SkipReason?> found = Walk().ToDictionary(f => Path.GetFileName(f.Path), f => f.Skip);
        Assert.Equal(4, found.Count);
        Assert.Null(found["file"]);
        Assert.Equal(SkipReason.Link, found["up"]);
        Assert.Equal(SkipReason.Link, found["alias"]);
        Assert.Equal(SkipReason.Link, found["dangling"]);
    }

    [Fact]
    public void Tells_empty_files_and_pipes_without_opening_them()
    {
        Write("empty", "");
        if (!OperatingSystem.IsWindows())
        {
            using System.Diagnostics.Process mkfifo = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("mkfifo", [_folder["pipe"]]) { UseShellExecute = false })!;
            mkfifo.WaitForExit();
        }

        Assert.All(Walk(), f => Assert.Equal(SkipReason.Empty, f.Skip));
    }

    [Fact]
    public void A_folder_that_cannot_be_listed_is_told_and_the_others_are_walked()
    {
        if (OperatingSystem.IsWindows())
        {
            Assert.Skip("Needs a folder that this user may not list.");
            return; // which the analyzer cannot know
        }

        Assert.SkipWhen(Environment.UserName == "root", "Needs a folder that this user may not list.");
        Write("closed/file");
        Write("open/file");
        File.SetUnixFileMode(_folder["closed"], UnixFileMode.None);
        try
        {
            Assert.Equal(_folder["open/file"], Assert.Single(Walk()).Path);
            Assert.Equal(_folder["closed"], Assert.Single(_unreadable).Path);
        }
        finally
        {
            File.SetUnixFileMode(_folder["closed"], UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
    }

    [Fact]
    public void Names_that_are_no_text_are_told_and_not_read()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Only Linux has names that are not Unicode.");
        using (System.Diagnostics.Process bash = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("bash", ["-c", "printf x > $'file\\xff'; mkdir $'folder\\xff'; printf x > $'folder\\xff/inside'"]) { UseShellExecute = false, WorkingDirectory = _folder.Path })!)
        {
            bash.WaitForExit();
            Assert.Equal(0, bash.ExitCode);
        }

        Write("good");
        List<FoundFile> found = Walk();
        Assert.Equal([null, SkipReason.Unreadable], found.Select(f => f.Skip).Order());
        Assert.Single(_unreadable);
    }

    [Fact]
    public void A_folder_that_is_gone_is_told()
    {
        Assert.Empty(FolderScan.Walk(_folder["gone"], [], _unreadable.Add, TestContext.Current.CancellationToken));
        Assert.Contains("gone", Assert.Single(_unreadable).Why, StringComparison.Ordinal);
    }

    [Fact]
    public void Leaves_out_the_agents_own_data()
    {
        Write("agent/state.db");
        Write("images/file");
        Assert.Equal(_folder["images/file"], Assert.Single(FolderScan.Walk(_folder.Path, [_folder["agent"]], _unreadable.Add, TestContext.Current.CancellationToken)).Path);
    }

    [Fact]
    public void A_folder_inside_another_is_walked_once()
    {
        Write("a/b/file");
        Write("ab/file");
        Assert.Equal([_folder["a"], _folder["ab"]], FolderScan.ResolveAll([_folder["a/b"], _folder["a"], _folder["ab"], _folder["a"] + Path.DirectorySeparatorChar]));
    }

    [Fact]
    public void A_folder_that_is_not_there_does_not_keep_the_others_from_being_backed_up()
    {
        Directory.CreateDirectory(_folder["there"]);
        Assert.Equal([_folder["not-there"], _folder["there"]], FolderScan.ResolveAll([_folder["there"], _folder["not-there"]]));
        Assert.Throws<UsageException>(() => FolderScan.ResolveAll([_folder["not-there"]]));
    }

    [Fact]
    public void A_link_that_the_person_named_is_followed()
    {
        Write("real/file");
        Directory.CreateSymbolicLink(_folder["link"], _folder["real"]);
        Assert.Equal([_folder["real"]], FolderScan.ResolveAll([_folder["link"]]));
    }

    [Fact]
    public void A_file_is_no_folder()
    {
        Write("file");
        Assert.Throws<UsageException>(() => FolderScan.ResolveAll([_folder["file"]]));
    }

    [Theory]
    [InlineData("Access to the path '/home/doe_jane/x' is denied.", "Access to the path is denied")]
    [InlineData("Could not find file '/it's/x'.", "Could not find file")]
    [InlineData("Disk broken.", "Disk broken")]
    public void A_systems_message_is_told_without_the_path_in_it(string message, string expected) => Assert.Equal(expected, FolderScan.WithoutPath(message));

    private List<FoundFile> Walk() => [.. FolderScan.Walk(_folder.Path, [], _unreadable.Add, TestContext.Current.CancellationToken)];

    private void Write(string name, string content = "x")
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_folder[name])!);
        File.WriteAllText(_folder[name], content);
    }
}
