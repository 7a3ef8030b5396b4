using System.Text;
using CloudArchive.Cli.Background;
using CloudArchive.Cli.Watch;
using CloudArchive.Format.Verdicts;
using CloudArchive.Testing;

namespace CloudArchive.Cli.Tests.Watch;

[Collection("stand-ins")]
public class NoticeTests
{
    private static readonly DateTimeOffset s_now = new(2026, 3, 4, 5, 6, 7, TimeSpan.Zero);

    [Fact]
    public void What_is_grave_is_told_at_once_once_a_day_and_when_it_is_over()
    {
        NoticeMemory memory = new(WasSafe: true);
        Assert.Equal("CloudArchive: NOT SAFE", Tell(ref memory, s_now, VerdictCause.FolderMissing)?.Title);
        Assert.Null(Tell(ref memory, s_now.AddMinutes(15), VerdictCause.FolderMissing));
        Assert.NotNull(Tell(ref memory, s_now.AddHours(24), VerdictCause.FolderMissing));
        Assert.Equal("CloudArchive: SAFE again", Tell(ref memory, s_now.AddHours(25))?.Title);
        Assert.Null(Tell(ref memory, s_now.AddHours(26)));
    }

    [Fact]
    public void What_only_waits_for_the_next_backup_disturbs_nobody_for_an_hour()
    {
        NoticeMemory memory = new(WasSafe: true);
        Assert.Null(Tell(ref memory, s_now, VerdictCause.FilesPending));
        Assert.Null(Tell(ref memory, s_now.AddMinutes(30)));
        Assert.Null(Tell(ref memory, s_now.AddMinutes(40), VerdictCause.FilesPending));
        Assert.Null(Tell(ref memory, s_now.AddMinutes(90), VerdictCause.FilesPending));
        Assert.NotNull(Tell(ref memory, s_now.AddMinutes(101), VerdictCause.FilesPending));
    }

    [Fact]
    public void A_first_backup_has_a_day_and_its_end_is_told()
    {
        NoticeMemory memory = new();
        Assert.Null(Tell(ref memory, s_now, VerdictCause.NeverBackedUp, VerdictCause.FilesPending));
        Assert.Null(Tell(ref memory, s_now.AddHours(23), VerdictCause.NeverBackedUp));
        Assert.NotNull(Tell(ref memory, s_now.AddHours(24), VerdictCause.NeverBackedUp));
        memory = new NoticeMemory();
        Assert.Equal("CloudArchive: SAFE", Tell(ref memory, s_now)?.Title);
    }

    [Fact]
    public void The_gravest_cause_is_the_one_that_is_told()
    {
        NoticeMemory memory = new(WasSafe: true);
        Assert.Contains("lies on another", Tell(ref memory, s_now, VerdictCause.FilesPending, VerdictCause.VolumeChanged)!.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void What_a_desktop_is_given_cannot_be_taken_for_a_command_of_its_own()
    {
        Notice notice = new("CloudArchive: NOT SAFE", "it's \"all\" <gone> \\ $(rm)");
        Assert.Equal("display notification \"it's \\\"all\\\" <gone> \\\\ $(rm)\" with title \"CloudArchive: NOT SAFE\"", Notices.Describe(notice, Desktop.Mac).Arguments[1]);
        string script = Encoding.Unicode.GetString(Convert.FromBase64String(Notices.Describe(notice, Desktop.Windows).Arguments[^1]));
        Assert.Contains("<text>it&apos;s &quot;all&quot; &lt;gone&gt; \\ $(rm)</text>", script, StringComparison.Ordinal);
        Assert.Equal(notice.Text, Notices.Describe(notice, Desktop.Linux).Arguments[^1]);
    }

    [Fact]
    public async Task A_watch_tells_the_desktop_and_remembers_that_it_did()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "notify-send is Linux's");
        using Computers computer = new();
        using StandIns programs = new();
        programs.Add("notify-send", "");
        computer.Write("a.dcm", "b.dcm");
        await computer.BackUpAsync();
        Notices notices = new(computer.Session, Beside(programs, computer));
        await notices.TellAsync(TestContext.Current.CancellationToken);
        Assert.Contains("CloudArchive: SAFE", Assert.Single(programs.Asked("notify-send")), StringComparison.Ordinal);

        Directory.Move(computer.Images, computer["elsewhere"]);
        await notices.TellAsync(TestContext.Current.CancellationToken);
        await new Notices(computer.Session, Beside(programs, computer)).TellAsync(TestContext.Current.CancellationToken);
        Assert.Equal(2, programs.Asked("notify-send").Length);
        Assert.Contains("--urgency=critical CloudArchive: NOT SAFE", programs.Asked("notify-send")[1], StringComparison.Ordinal);
        Assert.DoesNotContain(computer.Images, programs.Asked("notify-send")[1], StringComparison.Ordinal);

        Directory.Move(computer["elsewhere"], computer.Images);
        await notices.TellAsync(TestContext.Current.CancellationToken);
        Assert.Contains("SAFE again", programs.Asked("notify-send")[2], StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_desktop_without_messages_stops_nothing()
    {
        using Computers computer = new();
        using StandIns programs = new();
        ProgramEnd end = await Notices.ShowAsync(Beside(programs, computer), new Notice("a", "b"), TestContext.Current.CancellationToken);
        Assert.Null(end.Code);
    }

    private static CliEnvironment Beside(StandIns programs, Computers computer) =>
        computer.Environment with { Variable = name => name == "PATH" ? programs.Bin : computer.Environment.Variable(name) };

    private static Notice? Tell(ref NoticeMemory memory, DateTimeOffset now, params VerdictCause[] causes)
    {
        VerdictFinding[] findings = [.. causes.Select(cause => new VerdictFinding(cause, NotSafe: true, 1))];
        (Notice? notice, memory) = NoticeRule.For(new AgentVerdict(AgentVerdict.CurrentVersion, now, findings.Length == 0, [], findings), memory, now);
        return notice;
    }
}
