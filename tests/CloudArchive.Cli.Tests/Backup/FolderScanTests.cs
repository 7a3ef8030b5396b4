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
    public void Tells_an_empty_file_from_a_pipe_without_opening_it()
    {
        Write("empty", "");
        if (!OperatingSystem.IsWindows())
        {
            using System.Diagnostics.Process mkfifo = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("mkfifo", [_folder["pipe"]]) { UseShellExecute = false })!;
            mkfifo.WaitForExit();
        }

        Assert.All(Walk(), f => Assert.Equal(Path.GetFileName(f.Path) == "empty" ? null : SkipReason.Special, f.Skip));
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
    public void A_name_with_half_a_character_is_no_text()
    {
        const char high = (char)0xD83E, low = (char)0xDD9F; // xUnit writes theory data down, which halves do not survive
        Assert.All(["plain", "Größe 患者", $"{high}{low} tooth"], name => Assert.True(FolderScan.IsText(name)));
        Assert.All([$"half {high}", $"{low} other half", $"{high}{low}{high}"], name => Assert.False(FolderScan.IsText(name)));
    }

    [Fact]
    public void A_folder_that_is_gone_is_told()
    {
        Assert.Empty(FolderScan.Files(_folder["gone"], _unreadable.Add, TestContext.Current.CancellationToken));
        Assert.Contains("gone", Assert.Single(_unreadable).Why, StringComparison.Ordinal);
    }

    [Fact]
    public void Leaves_out_the_agents_own_data()
    {
        Write("agent/state.db");
        Write("images/file");
        Assert.Equal(_folder["images/file"], Assert.Single(Walk(new ScanScope { Avoid = [_folder["agent"]] }).OfType<FoundFile>()).Path);
    }

    [Fact]
    public void A_folder_inside_another_is_walked_once()
    {
        Write("a/b/file");
        Write("ab/file");
        Assert.Equal([_folder["a"], _folder["ab"]], FolderScan.ResolveAll([_folder["a/b"], _folder["a"], _folder["ab"], _folder["a"] + Path.DirectorySeparatorChar], static _ => false));
    }

    [Fact]
    public void A_folder_that_is_remembered_and_not_there_does_not_keep_the_others_from_being_backed_up_and_a_mistyped_one_is_refused()
    {
        Directory.CreateDirectory(_folder["there"]);
        Assert.Equal([_folder["not-there"], _folder["there"]], FolderScan.ResolveAll([_folder["there"], _folder["not-there"]], folder => folder == _folder["not-there"]));
        UsageException refused = Assert.Throws<UsageException>(() => FolderScan.ResolveAll([_folder["there"], _folder["their"]], static _ => false));
        Assert.Contains(_folder["their"], refused.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(_folder["there"] + ",", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_link_that_the_person_named_is_followed()
    {
        Write("real/file");
        Directory.CreateSymbolicLink(_folder["link"], _folder["real"]);
        Assert.Equal([_folder["real"]], FolderScan.ResolveAll([_folder["link"]], static _ => false));
    }

    [Fact]
    public void A_file_is_no_folder()
    {
        Write("file");
        Assert.Throws<UsageException>(() => FolderScan.ResolveAll([_folder["file"]], static _ => false));
    }

    [Theory]
    [InlineData("Access to the path '/home/doe_jane/x' is denied.", "Access to the path is denied")]
    [InlineData("Could not find file '/it's/x'.", "Could not find file")]
    [InlineData("Disk broken.", "Disk broken")]
    public void A_systems_message_is_told_without_the_path_in_it(string message, string expected) => Assert.Equal(expected, FolderScan.WithoutPath(message));

    [Fact]
    public void A_link_tells_whether_a_backed_up_folder_covers_what_it_leads_to()
    {
        Write("images/file");
        Write("elsewhere/file");
        Write("covered/file");
        File.CreateSymbolicLink(_folder["images/inside"], _folder["images/file"]);
        File.CreateSymbolicLink(_folder["images/other"], _folder["covered/file"]);
        Directory.CreateSymbolicLink(_folder["images/outside"], _folder["elsewhere"]);
        File.CreateSymbolicLink(_folder["images/dangling"], _folder["unplugged/file"]);
        File.CreateSymbolicLink(_folder["images/circle"], _folder["images/circle"]);
        string[] folders = [_folder["images"], _folder["covered"]];
        ScanScope scope = new() { IsCovered = path => folders.Any(f => path == f || FolderScan.IsBelow(path, f)) };
        Dictionary<string, SkipReason?> found = FolderScan.Walk(_folder["images"], scope, TestContext.Current.CancellationToken).OfType<FoundFile>().ToDictionary(f => Path.GetFileName(f.Path), f => f.Skip);
        Assert.Equal(SkipReason.Link, found["inside"]);
        Assert.Equal(SkipReason.Link, found["other"]);
        Assert.Equal(SkipReason.Link, found["circle"]);
        Assert.Equal(SkipReason.LinkNotCovered, found["outside"]);
        Assert.Equal(SkipReason.LinkNotCovered, found["dangling"]);
    }

    [Fact]
    public void A_folder_whose_path_is_longer_than_the_system_takes_is_told_and_the_others_are_walked()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Elsewhere such a path cannot be made.");
        Write("good");
        string script = $"cd '{_folder.Path}'; for i in $(seq 21); do mkdir {new string('d', 200)}; cd {new string('d', 200)}; done; printf x > file";
        using (System.Diagnostics.Process bash = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("bash", ["-c", script]) { UseShellExecute = false })!)
        {
            bash.WaitForExit();
            Assert.Equal(0, bash.ExitCode);
        }

        try
        {
            Assert.Equal("good", Path.GetFileName(Assert.Single(Walk()).Path));
            Assert.Contains("too long", Assert.Single(_unreadable).Why, StringComparison.Ordinal);
        }
        finally
        {
            using System.Diagnostics.Process rm = System.Diagnostics.Process.Start("rm", ["-rf", _folder[new string('d', 200)]]);
            rm.WaitForExit();
        }
    }

    [Fact]
    public void What_is_excluded_is_told_with_its_rule_and_a_closed_folder_in_it_is_nobodys_business()
    {
        Write("a.jpg");
        Write("a.dcm");
        Write("cache/deep/x");
        Write("keep/cache.dcm");
        Write("sub/.cloudarchiveignore", "# what a person wrote\n*.tmp\n/only-here/\n!important.tmp\n");
        Write("sub/x.tmp");
        Write("sub/important.tmp");
        Write("sub/only-here/x");
        Write("sub/more/only-here/x");
        Write("sub/more/y.tmp");
        Write("x.tmp");
        Write("Thumbs.db");
        Write(".cloudarchive-0123.part");
        List<Found> found = Walk(new ScanScope { Exclusions = Exclusions.Of(["*.JPG", "cache/"]) });
        string[] names = ["a.dcm", "keep/cache.dcm", "sub/.cloudarchiveignore", "sub/important.tmp", "sub/more/only-here/x", "x.tmp"];
        Assert.Equal(names, found.OfType<FoundFile>().Select(f => Path.GetRelativePath(_folder.Path, f.Path).Replace('\\', '/')).Order(StringComparer.Ordinal));
        Dictionary<string, int> rules = found.OfType<ExcludedFile>().GroupBy(f => f.Rule).ToDictionary(g => g.Key, g => g.Count());
        Assert.Equal(
            new Dictionary<string, int> { ["*.JPG"] = 1, ["cache/"] = 1, ["sub/.cloudarchiveignore: *.tmp"] = 2, ["sub/.cloudarchiveignore: /only-here/"] = 1, [Exclusions.LitterRule] = 2 }, rules);
        Assert.DoesNotContain(found.OfType<DirectoryBegins>(), d => d.Path.Contains("cache", StringComparison.Ordinal));
    }

    [Fact]
    public void A_file_that_is_noticed_is_excluded_by_the_same_rules()
    {
        Write("cache/deep/x");
        Write("sub/.cloudarchiveignore", "*.tmp");
        Write("sub/a/x.tmp");
        Write("sub/a/x");
        ScanScope scope = new() { Exclusions = Exclusions.Of(["cache/"]), Avoid = [_folder["own"]] };
        Write("own/state.db");
        Assert.Null(FolderScan.Find(_folder.Path, _folder["cache/deep/x"], scope));
        Assert.Null(FolderScan.Find(_folder.Path, _folder["sub/a/x.tmp"], scope));
        Assert.Null(FolderScan.Find(_folder.Path, _folder["own/state.db"], scope));
        Assert.Null(FolderScan.Find(_folder.Path, _folder["gone"], scope));
        Assert.Equal(1, FolderScan.Find(_folder.Path, _folder["sub/a/x"], scope)!.Length);
    }

    [Fact]
    public void A_part_of_a_folder_is_walked_under_the_rules_of_the_directories_above()
    {
        Write(".cloudarchiveignore", "*.tmp");
        Write("sub/a/x.tmp");
        Write("sub/a/x");
        Write("sub/b/y");
        Assert.Equal([_folder["sub/a/x"]], Walk(new ScanScope { Start = _folder["sub/a"] }).OfType<FoundFile>().Select(f => f.Path));
    }

    [Theory]
    [InlineData("300000000000")]
    [InlineData("-99999999999999")]
    public void A_time_of_a_year_that_no_calendar_knows_is_one_files_oddity(string seconds)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && Directory.Exists("/dev/shm"), "Needs a file system with 64-bit times.");
        string folder = $"/dev/shm/cloudarchive-{Guid.CreateVersion7():N}";
        Directory.CreateDirectory(folder);
        try
        {
            File.WriteAllText(Path.Combine(folder, "odd"), "x");
            File.WriteAllText(Path.Combine(folder, "other"), "x");
            using (System.Diagnostics.Process touch = System.Diagnostics.Process.Start("touch", ["-d", "@" + seconds, Path.Combine(folder, "odd")]))
            {
                touch.WaitForExit();
                Assert.Equal(0, touch.ExitCode);
            }

            List<FoundFile> found = [.. FolderScan.Files(folder, _unreadable.Add, TestContext.Current.CancellationToken)];
            Assert.Equal(2, found.Count);
            Assert.Equal(FileTimes.Impossible, found.Single(f => f.Path.EndsWith("odd", StringComparison.Ordinal)).ModifiedTicks);
            Assert.Equal((1, FileTimes.Impossible), FileInspection.Stat(Path.Combine(folder, "odd")));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private List<FoundFile> Walk() => [.. FolderScan.Files(_folder.Path, _unreadable.Add, TestContext.Current.CancellationToken)];

    private List<Found> Walk(ScanScope scope) => [.. FolderScan.Walk(_folder.Path, scope, TestContext.Current.CancellationToken)];

    private void Write(string name, string content = "x")
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_folder[name])!);
        File.WriteAllText(_folder[name], content);
    }
}
