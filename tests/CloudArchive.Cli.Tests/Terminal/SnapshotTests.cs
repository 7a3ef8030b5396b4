using CloudArchive.Cli.Agent;
using CloudArchive.Cli.State;
using CloudArchive.Cli.Status;
using CloudArchive.Cli.Terminal;
using CloudArchive.Format.Verdicts;
using CloudArchive.Testing;
using CloudArchive.Testing.Verdicts;

namespace CloudArchive.Cli.Tests.Terminal;

/// <summary>
/// What stands in a terminal of 44, 80 and 120 columns, and in a pipe. The pictures are in snapshots/: where one changes, look at it, and write it anew
/// with CLOUDARCHIVE_SNAPSHOTS=write.
/// </summary>
public sealed class SnapshotTests : IDisposable
{
    private const string Study = "1.2.826.0.1.3680043.8.498.17638242194212383217";
    private readonly TestCli _cli = new();
    private readonly Packs _packs = new();

    /// <summary>0: a pipe.</summary>
    public static TheoryData<int> Widths => [44, 80, 120, 0];

    [Theory]
    [MemberData(nameof(Widths))]
    public void A_table_is_stacked_where_it_does_not_fit_and_never_breaks_an_id(int width)
    {
        string text = Draw(width, environment => environment.WriteTable(
            ["Study", "Status", "Requested", "Until"],
            [[Study, "done", "2026-11-02 08:15", "2026-11-09 08:15"], [Study + ".2", "awaiting approval", "2026-11-03 17:40", ""]],
            "Nothing."));
        Assert.Contains(Study + ".2", text, StringComparison.Ordinal);
        Assert.All(text.Split('\n'), line => Assert.True(width == 0 || line.Contains(Study, StringComparison.Ordinal) || line.Length <= width, line));
        Compare("table", width, text);
    }

    [Fact]
    public void A_wide_character_takes_two_places()
    {
        string[] columns = ["歯", "ab"];
        IReadOnlyList<string>[] rows = [["歯科歯科", "x"]];
        Assert.Contains("歯科歯科   x", Draw(17, environment => environment.WriteTable(columns, rows, "")), StringComparison.Ordinal);
        Assert.Equal(["歯  歯科歯科", "ab  x", ""], Draw(16, environment => environment.WriteTable(columns, rows, "")).Split(Environment.NewLine));
        Assert.Equal(["歯  歯科", "    歯科", ""], Draw(9, environment => environment.WriteBehind("歯  ", "歯科 歯科")).Split(Environment.NewLine));
    }

    [Theory]
    [MemberData(nameof(Widths))]
    public void Status_fits(int width)
    {
        AgentFacts facts = VerdictSituations.All[0].Facts;
        facts = facts with { Folders = [facts.Folders[0], facts.Folders[0] with { NotArchived = new FileTally(12, 3_400_000), LastCompleteAt = VerdictSituations.Now.AddHours(-31) }] };
        Compare("status", width, Draw(width, environment => new StatusText(Computers.Identity(_packs), LookOf(facts), VerdictRule.For(facts), null).Write(environment)));
    }

    [Theory]
    [MemberData(nameof(Widths))]
    public void The_command_alone_says_what_to_do_on_a_computer_that_is_not_set_up(int width) => Compare(
        "not-set-up", width, Draw(width, environment => Assert.Equal(ExitCode.NotEnrolled, WhereThingsStand.Tell(environment, CancellationToken.None))));

    [Fact]
    public void In_a_pipe_no_line_is_broken()
    {
        AgentFacts facts = VerdictSituations.All[0].Facts;
        facts = facts with { Folders = [facts.Folders[0] with { IsThere = false }] };
        string path = "/images/" + string.Join('/', Enumerable.Repeat("a folder with a rather long name", 8));
        AgentLook look = new([new FolderLook(new FolderRecord { Id = 1, Path = path }, facts.Folders[0], FileCounts.None)], facts);
        string text = Draw(0, environment => new StatusText(Computers.Identity(_packs), look, VerdictRule.For(facts), null).Write(environment));
        Assert.Contains(text.Split(Environment.NewLine), line => line.Contains("! ", StringComparison.Ordinal) && line.Contains(path, StringComparison.Ordinal));
    }

    public void Dispose()
    {
        _cli.Dispose();
        _packs.Dispose();
    }

    private string Draw(int width, Action<CliEnvironment> draw)
    {
        using StringWriter output = new();
        _cli.Variables["NO_COLOR"] = "1";
        draw(_cli.Environment(output, TextWriter.Null) with { Interactive = width > 0, Width = width > 0 ? width : null });
        return output.ToString();
    }

    private static void Compare(string name, int width, string text)
    {
        string file = Path.Combine(Repository.Root, "tests", "CloudArchive.Cli.Tests", "Terminal", "snapshots", $"{name}-{(width > 0 ? width.ToString() : "pipe")}.txt");
        text = System.Text.RegularExpressions.Regex.Replace(text, "\x1b\\[[0-9;]*m", "", System.Text.RegularExpressions.RegexOptions.None, TimeSpan.FromSeconds(1)); // whether there is colour is the terminal's to say
        string drawn = string.Join('\n', text.ReplaceLineEndings("\n").Split('\n').Select(line => line.TrimEnd()));
        if (Environment.GetEnvironmentVariable("CLOUDARCHIVE_SNAPSHOTS") == "write")
        {
            File.WriteAllText(file, drawn);
        }

        Assert.Equal(File.ReadAllText(file).ReplaceLineEndings("\n"), drawn);
    }

    private static AgentLook LookOf(AgentFacts facts) => new(
        [.. facts.Folders.Select((folder, i) => new FolderLook(new FolderRecord { Id = i, Path = $"/images/{i}", CompleteAt = folder.LastCompleteAt }, folder, FileCounts.None))], facts);
}
