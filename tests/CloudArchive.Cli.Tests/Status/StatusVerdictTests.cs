using CloudArchive.Cli.Backup;
using CloudArchive.Cli.State;
using CloudArchive.Cli.Status;

namespace CloudArchive.Cli.Tests.Status;

public class StatusVerdictTests
{
    private static readonly DateTimeOffset Now = new(2026, 3, 4, 5, 6, 7, TimeSpan.Zero);
    private static readonly RunRecord Good = new(Now.AddHours(-2), Now.AddHours(-1), ExitCode.Ok, 0);
    private static readonly StatusFacts Fine = new(Counts(), [new FolderNow("/images", true, 0, 0)], Good, Good, new LogNow(null, Now.AddHours(-1)), Now, TimeSpan.FromHours(26));

    [Fact]
    public void A_recent_complete_backup_with_nothing_new_is_safe_and_has_nothing_to_tell() => Assert.Empty(StatusVerdict.For(Fine));

    public static TheoryData<string, StatusFacts> Unsafe => new()
    {
        { "never", Fine with { LastRun = null, LastGoodRun = null } },
        { "log-alarm", Fine with { Log = new LogNow("ALARM", Now) } },
        { "folder-missing", Fine with { Folders = [new FolderNow("/images", false, null, 0)] } },
        { "folder-unreadable", Fine with { Folders = [new FolderNow("/images", true, 0, 2)] } },
        { "pending", Fine with { Counts = Counts() with { Pending = 1 } } },
        { "unreadable", Fine with { Counts = Counts((SkipReason.Unreadable, 1)) } },
        { "changing", Fine with { Counts = Counts((SkipReason.Changing, 1)) } },
        { "never-complete", Fine with { LastGoodRun = null } },
        { "waiting", Old(Fine) with { Folders = [new FolderNow("/images", true, 3, 0)] } },
        { "old", Old(Fine) with { Folders = [new FolderNow("/images", true, null, 0)] } },
        { "interrupted", Old(Fine) with { LastRun = new RunRecord(Now, null, null, null) } },
        { "failed", Old(Fine) with { LastRun = new RunRecord(Now, Now, ExitCode.Unreachable, 1) } },
    };

    [Theory]
    [MemberData(nameof(Unsafe))]
    public void What_puts_files_at_risk_is_not_safe(string code, StatusFacts facts) => Assert.Contains(StatusVerdict.For(facts), f => f.Code == code && f.NotSafe);

    public static TheoryData<string, StatusFacts> Remarks => new()
    {
        { "waiting", Fine with { Folders = [new FolderNow("/images", true, 3, 0)] } },
        { "old", Old(Fine) },
        { "interrupted", Fine with { LastRun = new RunRecord(Now, null, null, null) } },
        { "failed", Fine with { LastRun = new RunRecord(Now, Now, ExitCode.Unreachable, 1) } },
        { "no-longer-dicom", Fine with { Counts = Counts((SkipReason.NoLongerDicom, 1)) } },
        { "not-archivable", Fine with { Counts = Counts((SkipReason.Damaged, 1)) } },
        { "log-unchecked", Fine with { Log = new LogNow(null, Now.AddDays(-8)) } },
    };

    [Theory]
    [MemberData(nameof(Remarks))]
    public void What_is_worth_knowing_is_told_and_leaves_the_files_safe(string code, StatusFacts facts)
    {
        IReadOnlyList<StatusFinding> findings = StatusVerdict.For(facts);
        Assert.Contains(findings, f => f.Code == code);
        Assert.DoesNotContain(findings, f => f.NotSafe);
    }

    [Fact]
    public void Files_that_are_no_images_are_nothing_to_tell() => Assert.Empty(StatusVerdict.For(Fine with { Counts = Counts((SkipReason.NotDicom, 9), (SkipReason.Dicomdir, 1), (SkipReason.Link, 1), (SkipReason.Empty, 1)) }));

    [Fact]
    public void The_grave_findings_come_first()
    {
        IReadOnlyList<StatusFinding> findings = StatusVerdict.For(Fine with { Counts = Counts((SkipReason.Damaged, 1), (SkipReason.Unreadable, 1)) });
        Assert.Equal([true, false], findings.Select(f => f.NotSafe));
    }

    private static StatusFacts Old(StatusFacts facts) => facts with { LastRun = Good with { FinishedAt = Now.AddDays(-3) }, LastGoodRun = Good with { FinishedAt = Now.AddDays(-3) } };

    private static FileCounts Counts(params (SkipReason Reason, long Number)[] skipped) => new(100, 90, 1000, 0, 0, skipped.ToDictionary(s => s.Reason, s => s.Number));
}
