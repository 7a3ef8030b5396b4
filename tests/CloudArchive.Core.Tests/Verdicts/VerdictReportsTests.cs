using System.Security.Cryptography;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Verdicts;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Verdicts;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Tests.Verdicts;

public sealed class VerdictReportsTests
{
    private readonly WatchedClinics _clinics = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_report_is_kept_by_the_services_time_and_one_that_says_the_same_again_has_no_entry()
    {
        AgentId agent = (await _clinics.AddAsync("riverside", "reception"))[0];
        AgentVerdict ahead = _clinics.Good() with { At = _clinics.Now.AddYears(40) };
        await _clinics.ReportAsync(agent, ahead);
        ReportedVerdict first = (await _clinics.Reports.FindAsync(agent, Cancel))!;
        Assert.Equal((WatchedClinics.Start, WatchedClinics.Start), (first.ReceivedAt, first.Since));
        Assert.Equal(ahead.At, first.Verdict.At);

        _clinics.Clock.Advance(TimeSpan.FromHours(1));
        await _clinics.ReportAsync(agent, _clinics.Of(_clinics.Folder() with { Files = 200, Archived = 190 }));
        ReportedVerdict same = (await _clinics.Reports.FindAsync(agent, Cancel))!;
        Assert.Equal((WatchedClinics.Start.AddHours(1), WatchedClinics.Start), (same.ReceivedAt, same.Since));
        Assert.Single(await VerdictEntriesAsync());

        // Another cause is another verdict; other counts of it are not; and being safe again is one too.
        await _clinics.ReportAsync(agent, _clinics.Good(new VerdictFinding(VerdictCause.FilesPending, true, 3)));
        await _clinics.ReportAsync(agent, _clinics.Good(new VerdictFinding(VerdictCause.FilesPending, true, 2)));
        await _clinics.ReportAsync(agent, _clinics.Good(new VerdictFinding(VerdictCause.FilesPending, true, 2), new VerdictFinding(VerdictCause.LinksNotCovered, true, 1)));
        await _clinics.ReportAsync(agent, _clinics.Good());
        Assert.Equal(
            [("true", ""), ("false", "files-pending"), ("false", "files-pending,links-not-covered"), ("true", "")],
            (await VerdictEntriesAsync()).Select(entry => (entry.Details!["safe"], entry.Details["causes"])));
    }

    [Fact]
    public async Task A_day_is_a_line_and_ninety_of_them_are_kept()
    {
        AgentId agent = (await _clinics.AddAsync("riverside", "reception"))[0];
        for (int day = 0; day < 100; day++)
        {
            await _clinics.ReportAsync(agent, _clinics.Good());
            await _clinics.ReportAsync(agent, day == 99 ? _clinics.Good(new VerdictFinding(VerdictCause.MassChange, true, 50)) : _clinics.Good());
            _clinics.Clock.Advance(TimeSpan.FromDays(1));
        }

        await _clinics.ReportAsync(agent, _clinics.Good());
        IReadOnlyList<VerdictDayResponse> days = await _clinics.Reports.DaysAsync(agent, Cancel);
        Assert.Equal(VerdictReports.DaysKept, days.Count);
        Assert.Equal(("2026-06-09", false, 2), (days[^2].Day, days[^2].Safe, days[^2].Reports));
        Assert.Equal(["mass-change"], days[^2].Causes);
        Assert.Equal(("2026-06-10", true, 1), (days[^1].Day, days[^1].Safe, days[^1].Reports));
        Assert.InRange((await _clinics.Memory.QueryAsync(Core.Storage.RowTable.Clinics, "riverside", "verdict-day:", "verdict-day;", 1000, Cancel)).Count, 90, 91);
    }

    [Fact]
    public async Task Reports_that_arrive_at_once_are_all_taken_and_the_days_line_counts_each()
    {
        AgentId agent = (await _clinics.AddAsync("riverside", "reception"))[0];
        await Task.WhenAll(Enumerable.Range(0, 12).Select(i => Task.Run(() => _clinics.ReportAsync(agent, i % 2 == 0 ? _clinics.Good() : _clinics.Good(new VerdictFinding(VerdictCause.FilesPending, true, 1))))));
        VerdictDayResponse day = Assert.Single(await _clinics.Reports.DaysAsync(agent, Cancel));
        Assert.Equal((12, false), (day.Reports, day.Safe));
    }

    [Fact]
    public async Task A_report_of_as_many_folders_as_may_be_is_read_back_as_it_came()
    {
        AgentId agent = (await _clinics.AddAsync("riverside", "reception"))[0];
        VerdictFinding[] findings = [.. Enum.GetValues<VerdictCause>().Where(cause => cause < VerdictCause.NoReport).Select((cause, i) => new VerdictFinding(cause, true, RandomNumberGenerator.GetInt32(1, int.MaxValue), i * 977))];
        AgentVerdict large = _clinics.Of([.. Enumerable.Range(0, 500).Select(i => _clinics.Folder(Convert.ToHexString(RandomNumberGenerator.GetBytes(32))) with { Safe = false, Findings = findings })]);
        await _clinics.ReportAsync(agent, large);
        AgentVerdict kept = (await _clinics.Reports.FindAsync(agent, Cancel))!.Verdict;
        Assert.Equal(large.Folders.Select(folder => folder.Folder), kept.Folders.Select(folder => folder.Folder));
        Assert.Equal(large.Folders.SelectMany(folder => folder.Findings), kept.Folders.SelectMany(folder => folder.Findings));
    }

    public static TheoryData<string> Wrong => [.. Mistakes.Keys];

    private static readonly Dictionary<string, Func<AgentVerdict, FolderVerdict, AgentVerdict>> Mistakes = new()
    {
        ["a version that nobody knows"] = (verdict, _) => verdict with { Version = 2 },
        ["a path for a pseudonym"] = (verdict, folder) => verdict with { Folders = [folder with { Folder = @"C:\Patients\Miller" }] },
        ["a name for a pseudonym"] = (verdict, folder) => verdict with { Folders = [folder with { Folder = "Miller Anna" }] },
        ["no pseudonym"] = (verdict, folder) => verdict with { Folders = [folder with { Folder = "" }] },
        ["a folder twice"] = (verdict, folder) => verdict with { Folders = [folder, folder] },
        ["too many folders"] = (verdict, folder) => verdict with { Folders = [.. Enumerable.Range(0, 501).Select(i => folder with { Folder = $"f{i}" })] },
        ["a negative count"] = (verdict, folder) => verdict with { Folders = [folder with { Files = -1 }] },
        ["more archived than found"] = (verdict, folder) => verdict with { Folders = [folder with { Archived = 101 }] },
        ["more archived and excluded than found"] = (verdict, folder) => verdict with { Folders = [folder with { Archived = 95, Excluded = 10 }] },
        ["a negative count of a finding"] = (verdict, _) => verdict with { Findings = [new VerdictFinding(VerdictCause.FilesPending, true, -1)] },
        ["what only the archive can know"] = (verdict, _) => verdict with { Findings = [new VerdictFinding(VerdictCause.NoAgent, true)] },
        ["too many findings"] = (verdict, _) => verdict with { Findings = [.. Enumerable.Repeat(new VerdictFinding(VerdictCause.FilesPending, true, 1), 41)] },
    };

    [Theory]
    [MemberData(nameof(Wrong))]
    public async Task What_is_no_report_is_refused_and_changes_nothing(string mistake)
    {
        AgentId agent = (await _clinics.AddAsync("riverside", "reception"))[0];
        RefusedException refused = await Assert.ThrowsAsync<RefusedException>(() => _clinics.ReportAsync(agent, Mistakes[mistake](_clinics.Good(), _clinics.Folder())));
        Assert.Equal(Refusal.RequestInvalid, refused.Refusal);
        Assert.DoesNotContain("Miller", refused.Message, StringComparison.Ordinal);
        Assert.Null(await _clinics.Reports.FindAsync(agent, Cancel));
        Assert.Empty(await _clinics.LogAsync("riverside"));
    }

    private async Task<IReadOnlyList<AuditEntry>> VerdictEntriesAsync() => [.. (await _clinics.LogAsync("riverside")).Where(entry => entry.Action == AuditActions.VerdictChanged)];
}
