using System.Text.Json;
using CloudArchive.Format.Verdicts;
using CloudArchive.Testing.Verdicts;

namespace CloudArchive.Format.Tests.Verdicts;

public class VerdictRuleTests
{
    public static TheoryData<string> Situations => [.. VerdictSituations.All.Select(s => s.Name)];

    [Theory]
    [MemberData(nameof(Situations))]
    public void The_rule_says_of_each_situation_what_the_table_says(string name)
    {
        VerdictSituation situation = VerdictSituations.All.Single(s => s.Name == name);
        AgentVerdict verdict = VerdictRule.For(situation.Facts);
        VerdictFinding[] findings = [.. verdict.Folders.SelectMany(f => f.Findings), .. verdict.Findings];
        Assert.Equal(situation.Safe, verdict.Safe);
        Assert.Equal(situation.NotSafe.Order(), findings.Where(f => f.NotSafe).Select(f => f.Cause).Order());
        Assert.Equal(situation.Remarks.Order(), findings.Where(f => !f.NotSafe).Select(f => f.Cause).Order());
        Assert.All(verdict.Folders, f => Assert.Equal(!f.Findings.Any(finding => finding.NotSafe), f.Safe));
    }

    [Fact]
    public void The_table_has_every_cause_that_a_computer_can_find()
    {
        VerdictCause[] ofTheClinic = [VerdictCause.NoReport, VerdictCause.NoAgent, VerdictCause.RestoreTestFailed, VerdictCause.NoRestoreTest];
        Assert.Equal(
            Enum.GetValues<VerdictCause>().Except(ofTheClinic).Order(),
            VerdictSituations.All.SelectMany(s => s.NotSafe.Concat(s.Remarks)).Distinct().Order());
        Assert.Equal(VerdictSituations.All.Count, VerdictSituations.All.Select(s => s.Name).Distinct(StringComparer.Ordinal).Count());
    }

    [Fact]
    public void All_findings_are_those_of_the_computer_and_of_its_folders_and_no_part_of_the_report()
    {
        VerdictFinding own = new(VerdictCause.LogAlarm, NotSafe: true), ofFolder = new(VerdictCause.FilesPending, NotSafe: true);
        AgentVerdict verdict = new(AgentVerdict.CurrentVersion, VerdictSituations.Now, false, [new FolderVerdict("f", false, 1, 0, 0, 1, null, [ofFolder])], [own]);
        Assert.Equal([own, ofFolder], verdict.All);
        using JsonDocument report = JsonDocument.Parse(JsonSerializer.Serialize(verdict, FormatJson.Options));
        Assert.Equal(["version", "at", "safe", "folders", "findings"], report.RootElement.EnumerateObject().Select(member => member.Name));
    }

    [Fact]
    public void Every_file_is_counted_once_and_none_is_forgotten()
    {
        FileTally one = new(1, 10);
        FolderFacts folder = new()
        {
            Folder = "f", Archived = one, Excluded = one, Pending = one, Held = one, Unreadable = one, NotArchived = one, ChangedWithoutNewTime = one,
        };
        FolderVerdict verdict = VerdictRule.For(folder, VerdictSituations.Now, VerdictRule.DefaultMaxAge);
        Assert.Equal((7, 70, 1, 1), (verdict.Files, verdict.Bytes, verdict.Archived, verdict.Excluded));
    }

    [Fact]
    public void Whatever_files_there_are_beside_archived_and_excluded_ones_it_is_not_safe()
    {
        FolderFacts good = VerdictSituations.All[0].Facts.Folders[0];
        FileTally one = new(1, 10);
        foreach (FolderFacts folder in (FolderFacts[])[
            good with { Pending = one }, good with { Held = one }, good with { Held = one, HeldSince = VerdictSituations.Now },
            good with { Unreadable = one }, good with { NotArchived = one }, good with { ChangedWithoutNewTime = one }])
        {
            Assert.NotEqual(folder.Found, folder.Archived + folder.Excluded);
            Assert.False(VerdictRule.For(folder, VerdictSituations.Now, VerdictRule.DefaultMaxAge).Safe);
        }
    }

    [Fact]
    public void The_grave_findings_come_first() => Assert.Equal(
        [VerdictCause.FilesLost, VerdictCause.PacksLost],
        VerdictRule.For(VerdictSituations.All[0].Facts with { PacksLost = 1, FilesLost = new FileTally(1, 1) }).Findings.Select(f => f.Cause));

    [Fact]
    public void Every_cause_has_a_name_and_a_sentence_of_its_own_in_the_singular_and_the_plural()
    {
        VerdictCause[] causes = Enum.GetValues<VerdictCause>();
        foreach (long count in (long[])[0, 1, 1234])
        {
            string[] texts = [.. causes.Select(c => VerdictTexts.Describe(new VerdictFinding(c, true, count, 5_000_000, VerdictSituations.Now.AddDays(-3)), VerdictSituations.Now))];
            Assert.All(texts, text => Assert.Matches(@"^[A-Z0-9].*[.?>a-z]$", text));
            Assert.DoesNotContain(texts, text => text.Contains("1 files", StringComparison.Ordinal) || text.Contains("1 folders", StringComparison.Ordinal));
            Assert.Equal(causes.Length, texts.Distinct(StringComparer.Ordinal).Count());
        }

        Assert.Equal("files-not-archived", VerdictTexts.Name(VerdictCause.FilesNotArchived));
        Assert.All(causes, cause => Assert.Equal($"\"{VerdictTexts.Name(cause)}\"", JsonSerializer.Serialize(cause, FormatJson.Options)));
    }

    [Fact]
    public void A_verdict_is_the_same_after_it_was_sent()
    {
        AgentVerdict verdict = VerdictRule.For(VerdictSituations.All[14].Facts);
        AgentVerdict read = JsonSerializer.Deserialize<AgentVerdict>(JsonSerializer.Serialize(verdict, FormatJson.Options), FormatJson.Options)!;
        Assert.Equivalent(verdict, read, strict: true);
    }

    [Fact]
    public void A_computer_with_more_folders_than_a_report_names_tells_of_the_others_together()
    {
        FolderFacts good = VerdictSituations.All[0].Facts.Folders[0];
        FolderFacts[] folders =
        [
            .. Enumerable.Range(0, 700).Select(i => good with { Folder = $"f{i}", Archived = new FileTally(i, i), Pending = i is 600 or 650 ? new FileTally(1, 10) : default, LastCompleteAt = VerdictSituations.Now.AddMinutes(-i) }),
        ];
        AgentVerdict all = VerdictRule.For(VerdictSituations.All[0].Facts with { Folders = folders }), sent = VerdictRule.Shorten(all);
        Assert.Equal(AgentVerdict.MaxFolders, sent.Folders.Count);
        Assert.Equal(AgentVerdict.MaxFolders, sent.Folders.Select(folder => folder.Folder).Distinct().Count());
        Assert.Equal(
            (all.Safe, all.Folders.Sum(f => f.Files), all.Folders.Sum(f => f.Archived), all.Folders.Sum(f => f.Bytes)),
            (sent.Safe, sent.Folders.Sum(f => f.Files), sent.Folders.Sum(f => f.Archived), sent.Folders.Sum(f => f.Bytes)));
        Assert.Contains(sent.Folders, folder => folder is { Folder: "f600", Safe: false }); // the bad ones stand for themselves
        Assert.Contains(sent.Folders, folder => folder is { Folder: "f650", Safe: false });
        Assert.True(sent.Folders[^1] is { Folder: AgentVerdict.OtherFolders, Safe: true });

        // Where all of them are bad, so are the others, for the same causes.
        AgentVerdict bad = VerdictRule.For(VerdictSituations.All[0].Facts with { Folders = [.. folders.Select(folder => folder with { Pending = new FileTally(1, 10) })] });
        FolderVerdict others = VerdictRule.Shorten(bad).Folders[^1];
        VerdictFinding finding = Assert.Single(others.Findings);
        Assert.Equal((false, VerdictCause.FilesPending, 201L, 2010L), (others.Safe, finding.Cause, finding.Count, finding.Bytes));
        Assert.Same(all.Folders[0], VerdictRule.Shorten(all with { Folders = [all.Folders[0]] }).Folders[0]);
    }

    /// <summary>The archive takes half a megabyte: a computer of which everything is wrong must be heard all the same.</summary>
    [Fact]
    public void A_report_of_many_folders_with_every_cause_is_not_too_long_to_be_taken()
    {
        VerdictFinding[] findings = [.. Enum.GetValues<VerdictCause>().Select(cause => new VerdictFinding(cause, NotSafe: true, 1_000_000_000, 1_000_000_000_000, VerdictSituations.Now.AddTicks(1)))];
        FolderVerdict[] folders = [.. Enumerable.Range(0, AgentVerdict.MaxFolders).Select(i =>
            new FolderVerdict($"{i:x64}", false, 1_000_000_000, 1_000_000_000, 1_000_000_000, 1_000_000_000_000, VerdictSituations.Now.AddTicks(1), findings))];
        AgentVerdict sent = VerdictRule.Shorten(new AgentVerdict(AgentVerdict.CurrentVersion, VerdictSituations.Now, false, folders, findings));

        Assert.InRange(JsonSerializer.SerializeToUtf8Bytes(sent, FormatJson.Options).Length, 100_000, 500_000);
        Assert.Equal(folders.Sum(folder => folder.Files), sent.Folders.Sum(folder => folder.Files));
        Assert.Equal(AgentVerdict.OtherFolders, sent.Folders[^1].Folder);
        Assert.Equal(findings.Length, sent.Folders[^1].Findings.Count);
    }
}
