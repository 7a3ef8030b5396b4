using System.Net;
using CloudArchive.Cli.Backup;
using CloudArchive.Cli.State;
using CloudArchive.Cli.Status;
using CloudArchive.Format;
using CloudArchive.Format.Verdicts;
using CloudArchive.Testing;

namespace CloudArchive.Cli.Tests.Backup;

/// <summary>Runs over real folders, without an archive: what they find, hold back and say.</summary>
public sealed class BackupRunTests : IDisposable
{
    private readonly Computers _computer = new();

    public void Dispose() => _computer.Dispose();

    [Fact]
    public async Task What_is_read_of_many_files_is_written_down_together()
    {
        _computer.Write([.. Enumerable.Range(0, 300).Select(i => $"{i % 10}/{i}")]);
        await _computer.RunAsync();
        Assert.Equal(300, _computer.Counts.Pending.Files);

        // File by file it is more than 30 KB for each, as each changes eight pages or so.
        string log = _computer.Session.Home.State(_computer.Session.Identity.Clinic) + "-wal";
        Assert.InRange(new FileInfo(log).Length, 1, 300 * 5_000);
    }

    [Fact]
    public async Task A_used_quota_ends_the_run_at_once_is_told_as_what_it_is_and_leaves_the_files_pending_and_not_safe()
    {
        _computer.Write(Names(6));
        _computer.QuotaLeft = TimeSpan.FromHours(5);
        QuotaUsedUpException error = await Assert.ThrowsAsync<QuotaUsedUpException>(() => _computer.RunAsync());
        Assert.Equal((ExitCode.Refused, "The clinic's daily quota is used up: It goes on at midnight."), Failures.Describe(error));

        // At most as many requests as there are packs at once: none is tried again for hours.
        Assert.InRange(_computer.Asked.Count(asked => asked.Path.EndsWith("/packs", StringComparison.Ordinal)), 1, 2);
        AgentVerdict verdict = Verdict();
        Assert.False(verdict.Safe);
        Assert.Contains(verdict.Findings, finding => finding is { Cause: VerdictCause.QuotaUsedUp, NotSafe: false });
        Assert.Contains(verdict.Folders[0].Findings, finding => finding.Cause == VerdictCause.FilesPending);
        Assert.DoesNotContain(verdict.Findings, finding => finding.Cause is VerdictCause.PacksLost or VerdictCause.LogAlarm);

        // When the day is over it is no reason any more.
        _computer.Clock.Advance(TimeSpan.FromHours(6));
        Assert.DoesNotContain(Verdict().Findings, finding => finding.Cause == VerdictCause.QuotaUsedUp);
    }

    [Fact]
    public async Task When_everything_is_archived_the_folder_is_safe_and_the_run_complete()
    {
        _computer.Write(Names(5));
        BackupOutcome outcome = await _computer.BackUpAsync();
        Assert.Equal((ExitCode.Ok, 5), (outcome.Code(false), outcome.Counts.Archived.Files));
        Assert.True(Verdict().Safe);
    }

    [Fact]
    public async Task Ransomware_that_rewrites_a_good_part_is_noticed_its_versions_are_held_back_and_new_images_go_on()
    {
        _computer.Write(Names(100));
        await _computer.BackUpAsync();
        foreach (string name in Names(30)) _computer.Rewrite(name);
        _computer.Write("new");
        List<string> told = [];
        BackupOptions options = new() { Held = (folder, _) => { told.Add(folder.Path); return Task.CompletedTask; } };
        await _computer.RunAsync(options);
        Assert.Equal([_computer.Images], told);
        Assert.Equal((30, 1), (_computer.Counts.Held.Files, _computer.Counts.Pending.Files));
        Assert.Equal("new", Path.GetFileName(Assert.Single(_computer.Pending).Path));

        _computer.Archive();
        BackupOutcome next = (await _computer.RunAsync(options))!;
        Assert.Equal((ExitCode.Incomplete, 30), (next.Code(false), next.Counts.Held.Files));
        Assert.Single(told); // said once, and held until a person says otherwise
        VerdictFinding finding = Assert.Single(Verdict().Folders[0].Findings, f => f.Cause == VerdictCause.MassChange);
        Assert.Equal((true, 30), (finding.NotSafe, finding.Count));

        await _computer.RunAsync(new BackupOptions(AcceptChanges: true));
        Assert.Equal((0, 30), (_computer.Counts.Held.Files, _computer.Counts.Pending.Files));
        _computer.Archive();
        Assert.Equal(ExitCode.Ok, (await _computer.RunAsync())!.Code(false));
        Assert.True(Verdict().Safe);
    }

    [Fact]
    public async Task Ransomware_that_encrypts_and_renames_is_noticed()
    {
        _computer.Write(Names(100));
        await _computer.BackUpAsync();
        foreach (string name in Names(25))
        {
            File.WriteAllBytes(_computer.Path(name), new byte[500]);
            File.Move(_computer.Path(name), _computer.Path(name + ".locked"));
        }

        await _computer.RunAsync();
        Assert.NotNull(_computer.Folder.HeldSince);
        Assert.Contains(Verdict().Folders[0].Findings, f => f is { Cause: VerdictCause.MassChange, NotSafe: true, Count: 25 });
    }

    [Fact]
    public async Task Files_that_stop_being_DICOM_are_a_mass_change_too()
    {
        _computer.Write(Names(60));
        await _computer.BackUpAsync();
        foreach (string name in Names(20)) File.WriteAllBytes(_computer.Path(name), new byte[500]);
        BackupOutcome outcome = (await _computer.RunAsync())!;
        Assert.NotNull(_computer.Folder.HeldSince);
        Assert.Equal(20, outcome.Counts.Skipped[SkipReason.NoLongerDicom].Files);
    }

    [Fact]
    public async Task Changes_a_few_at_a_time_within_a_day_count_together()
    {
        _computer.Write(Names(100));
        await _computer.BackUpAsync();
        for (int i = 0; i < 24; i++)
        {
            _computer.Rewrite($"study/{i:D3}");
            FoundFile file = FolderScan.Find(_computer.Images, _computer.Path($"study/{i:D3}"), new ScanScope())!;
            await _computer.RunAsync(scope: new BackupScope([_computer.Images], Files: [file]));
            _computer.Archive();
            _computer.Clock.Advance(TimeSpan.FromMinutes(10));
            if (_computer.Folder.HeldSince is not null)
            {
                Assert.Equal(19, i);
                return;
            }
        }

        Assert.Fail("twenty changes of a hundred files, and nothing was held back");
    }

    [Fact]
    public async Task Changes_of_many_days_do_not_add_up()
    {
        _computer.Write(Names(100));
        await _computer.BackUpAsync();
        for (int day = 0; day < 4; day++)
        {
            foreach (string name in Names(100).Skip(day * 15).Take(15)) _computer.Rewrite(name);
            await _computer.RunAsync();
            _computer.Archive();
            _computer.Clock.Advance(TimeSpan.FromHours(25));
        }

        Assert.Null(_computer.Folder.HeldSince);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_drive_that_goes_away_while_its_files_are_read_loses_no_row(bool leavesAnEmptyFolder)
    {
        _computer.Write(Names(6));
        await _computer.BackUpAsync();
        _computer.Rewrite(Names(6)[0]);
        _computer.Write("new");
        Hooked view = new(title =>
        {
            if (title.StartsWith("Reading", StringComparison.Ordinal) && Directory.Exists(_computer.Path("study")))
            {
                Directory.Move(_computer.Images, _computer["away"]);
                if (leavesAnEmptyFolder)
                {
                    Directory.CreateDirectory(_computer.Images);
                    _computer.Volume = "disk-2";
                }
            }
        });
        BackupOutcome outcome = await RunAsync(view);
        Assert.Equal((ExitCode.Incomplete, 7), (outcome.Code(false), _computer.Counts.Files));

        if (leavesAnEmptyFolder)
        {
            Directory.Delete(_computer.Images);
            _computer.Volume = "disk-1";
        }

        Directory.Move(_computer["away"], _computer.Images);
        outcome = await _computer.BackUpAsync();
        Assert.Equal((ExitCode.Ok, 7), (outcome.Code(false), outcome.Counts.Archived.Files));
    }

    [Fact]
    public async Task Another_drive_under_the_same_path_loses_no_row_in_a_run_over_some_directories()
    {
        _computer.Write(Names(6));
        await _computer.BackUpAsync();
        Directory.Move(_computer.Images, _computer["away"]);
        Directory.CreateDirectory(_computer.Path("study"));
        _computer.Volume = "disk-2";
        _computer.Write("study/other");
        await _computer.RunAsync(scope: new BackupScope([_computer.Images], Directories: [_computer.Path("study")]));
        Assert.Equal(7, _computer.Counts.Files);
    }

    [Fact]
    public async Task A_file_that_is_really_gone_is_forgotten()
    {
        _computer.Write(Names(3));
        Hooked view = new(title =>
        {
            if (title.StartsWith("Reading", StringComparison.Ordinal))
            {
                File.Delete(_computer.Path(Names(3)[0]));
            }
        });
        try
        {
            await new BackupRun(_computer.Session, _computer.Environment, view, new BackupOptions()).RunAsync(new BackupScope([_computer.Images]), TestContext.Current.CancellationToken);
        }
        catch (CliException)
        {
            // There is no archive to send the others to.
        }

        Assert.Equal(2, _computer.Counts.Files);
    }

    [Fact]
    public async Task A_pack_that_was_begun_with_changes_that_are_held_back_waits_for_the_person_who_looks_at_them()
    {
        _computer.Write(Names(100));
        await _computer.BackUpAsync();
        _computer.Rewrite(Names(100)[0]);
        await _computer.RunAsync();
        PendingFile file = Assert.Single(_computer.Pending);
        PackId pack = PackId.New(_computer.Clock);
        using (Format.Sealing.ContentKey key = Format.Sealing.ContentKey.Create())
        {
            Format.Packs.PackHeader header = new(Packs.Clinic, pack, file.Study.Study, _computer.Clock.GetUtcNow());
            Format.Sealing.WrappedContentKey wrapped = Format.Sealing.KeyWrapping.Wrap(key, Format.Signing.JwkKeys.FromRsa(_computer.Sealed.Wrapping));
            UploadFile begun = new(file.Path, file.Folder, file.Length, file.ModifiedTicks, file.Instance);
            _computer.State.BeginUpload(new UploadPlan(header, file.Study, wrapped, wrapped, null, [begun]), key);
        }

        Assert.Single(new UnfinishedUploads(_computer.Session).ToResume());
        foreach (string name in Names(30).Skip(1)) _computer.Rewrite(name);
        await _computer.RunAsync();
        Assert.NotNull(_computer.Folder.HeldSince);
        Assert.Empty(new UnfinishedUploads(_computer.Session).ToResume());
        Assert.Equal(pack, Assert.Single(_computer.State.PacksUnderWay()).Header.Pack); // kept: it goes on once somebody said so
        _computer.State.Accept(_computer.Folder.Id, _computer.Clock.GetUtcNow());
        Assert.Single(new UnfinishedUploads(_computer.Session).ToResume());
    }

    [Fact]
    public async Task Files_that_were_only_touched_are_no_mass_change()
    {
        _computer.Write(Names(50));
        await _computer.BackUpAsync();
        foreach (string name in Names(50)) File.SetLastWriteTimeUtc(_computer.Path(name), _computer.Clock.GetUtcNow().UtcDateTime.AddMinutes(-10));
        BackupOutcome outcome = (await _computer.RunAsync())!;
        Assert.Null(_computer.Folder.HeldSince);
        Assert.Equal((ExitCode.Ok, 50, 50), (outcome.Code(false), outcome.Read, outcome.AlreadyArchived));
    }

    [Fact]
    public async Task Many_new_images_are_no_mass_change()
    {
        _computer.Write(Names(30));
        await _computer.BackUpAsync();
        _computer.Write([.. Enumerable.Range(0, 200).Select(i => $"tomorrow/{i}")]);
        await _computer.BackUpAsync();
        Assert.Null(_computer.Folder.HeldSince);
        Assert.True(Verdict().Safe);
    }

    [Fact]
    public async Task Bit_rot_is_found_by_the_rolling_check_and_the_good_bytes_stay_the_archives()
    {
        _computer.Write(Names(3));
        await _computer.BackUpAsync();
        DateTime time = File.GetLastWriteTimeUtc(_computer.Path("study/001"));
        _computer.Rewrite("study/001");
        File.SetLastWriteTimeUtc(_computer.Path("study/001"), time);
        Assert.Equal(3, (await _computer.RunAsync())!.Unchanged);
        for (int day = 0; day < 3; day++)
        {
            _computer.Clock.Advance(TimeSpan.FromDays(1));
            await _computer.RunAsync();
        }

        Assert.Equal(1, _computer.Counts.Skipped[SkipReason.ChangedWithoutNewTime].Files);
        Assert.Contains(Verdict().Folders[0].Findings, f => f is { Cause: VerdictCause.ChangedWithoutNewTime, NotSafe: true, Count: 1 });
        Assert.Empty(_computer.Pending);

        _computer.Rewrite("study/001"); // as it was
        File.SetLastWriteTimeUtc(_computer.Path("study/001"), time);
        Assert.Equal(ExitCode.Ok, (await _computer.RunAsync())!.Code(false));
        Assert.True(Verdict().Safe);
    }

    [Fact]
    public async Task Another_volume_and_an_emptied_folder_forget_nothing_until_a_person_accepts_it()
    {
        _computer.Write(Names(3));
        await _computer.BackUpAsync();
        _computer.Volume = "disk-2";
        foreach (string name in Names(3)) File.Delete(_computer.Path(name));
        BackupOutcome moved = (await _computer.RunAsync())!;
        Assert.Equal((ExitCode.Incomplete, 3), (moved.Code(false), moved.Counts.Archived.Files));
        Assert.Contains(Verdict().Folders[0].Findings, f => f is { Cause: VerdictCause.VolumeChanged, NotSafe: true });

        _computer.Volume = "disk-1";
        await _computer.RunAsync();
        Assert.Equal(3, _computer.Counts.Archived.Files);
        Assert.Equal([VerdictCause.FolderEmpty], Verdict().Folders[0].Findings.Select(f => f.Cause));

        _computer.Volume = "disk-3";
        _computer.Write("study/000");
        Assert.Equal(ExitCode.Ok, (await _computer.RunAsync(new BackupOptions(AcceptChanges: true)))!.Code(false));
        Assert.Equal((1, "disk-3"), (_computer.Counts.Archived.Files, _computer.Folder.Volume));
        Assert.Equal(ExitCode.Ok, (await _computer.RunAsync())!.Code(false));
        Assert.True(Verdict().Safe);
    }

    [Fact]
    public async Task A_folder_that_is_gone_is_missing_and_its_files_stay_known()
    {
        _computer.Write(Names(3));
        await _computer.BackUpAsync();
        Directory.Delete(_computer.Images, recursive: true);
        Assert.Equal(ExitCode.Incomplete, (await _computer.RunAsync())!.Code(false));
        Assert.Equal(3, _computer.Counts.Archived.Files);
        Assert.Contains(Verdict().Folders[0].Findings, f => f is { Cause: VerdictCause.FolderMissing, NotSafe: true });
    }

    [Fact]
    public async Task A_photograph_is_archived_like_any_file_and_excluded_only_on_purpose()
    {
        _computer.Write(Names(2));
        File.WriteAllText(_computer.Path("photo.jpg"), "not DICOM");
        File.WriteAllText(_computer.Path("Thumbs.db"), "litter");
        await _computer.RunAsync();
        Assert.False(Verdict().Safe); // not yet
        BackupOutcome outcome = await _computer.BackUpAsync();
        Assert.Equal((ExitCode.Ok, 3, 1), (outcome.Code(false), outcome.Counts.Archived.Files, outcome.Counts.Excluded.Files));
        Assert.True(Verdict().Safe);

        _computer.State.Exclude(_computer.Folder.Id, "*.jpg");
        outcome = (await _computer.RunAsync())!;
        Assert.Equal((ExitCode.Ok, 2, 2), (outcome.Code(false), outcome.Counts.Archived.Files, outcome.Counts.Excluded.Files));
        Assert.True(Verdict().Safe);
        Assert.Equal(new FileTally(1, 9), _computer.State.LeftOut(_computer.Folder.Id).Single(rule => rule.Rule == "*.jpg").Files);

        _computer.State.Exclude(_computer.Folder.Id, "*.jpg", undo: true);
        outcome = (await _computer.RunAsync())!;
        Assert.Equal((ExitCode.Ok, 3), (outcome.Code(false), outcome.Counts.Archived.Files)); // the archive has it still
    }

    [Fact]
    public async Task A_link_to_a_place_that_no_folder_covers_is_not_safe_and_one_to_a_covered_place_is()
    {
        _computer.Write(Names(1));
        Directory.CreateDirectory(_computer["elsewhere"]);
        File.CreateSymbolicLink(_computer.Path("inside"), _computer.Path("study/000"));
        Assert.True((await _computer.BackUpAsync()).Code(false) == ExitCode.Ok && Verdict().Safe);
        Directory.CreateSymbolicLink(_computer.Path("outside"), _computer["elsewhere"]);
        await _computer.RunAsync();
        Assert.Equal([VerdictCause.LinksNotCovered], Verdict().Folders[0].Findings.Select(f => f.Cause));
        _computer.State.Folder(_computer["elsewhere"]);
        await _computer.RunAsync();
        Assert.Empty(Verdict().Folders.Single(f => f.Files > 0).Findings);
    }

    [Fact]
    public async Task One_impossible_file_among_others_is_that_files_alone()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Made with names and dates that only Linux has.");
        _computer.Write(Names(3));
        WriteOdd("future", "99991231", "19800101");
        WriteOdd("unborn", "20250101", "99800101");
        WriteOdd("infant-of-the-future", "99991231", "99800101");
        string script = "printf x > $'bad\\xff'; mkdir $'dir\\xff'; touch -d '1000-01-01' study/000; ln -s circle circle";
        using (System.Diagnostics.Process bash = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("bash", ["-c", script]) { UseShellExecute = false, WorkingDirectory = _computer.Images })!)
        {
            bash.WaitForExit();
            Assert.Equal(0, bash.ExitCode);
        }

        BackupOutcome outcome = await _computer.BackUpAsync();
        Assert.Equal((ExitCode.Incomplete, 6, 1), (outcome.Code(false), outcome.Counts.Archived.Files, outcome.Counts.Skipped[SkipReason.Unreadable].Files));
        Assert.Single(outcome.UnreadableFolders);
        Assert.Empty(_computer.Pending);
    }

    [Fact]
    public async Task A_study_date_that_cannot_be_true_does_not_go_to_the_archive_and_the_image_does()
    {
        WriteOdd("future", "99991231", "99800101");
        WriteOdd("old", "17500101", "17400101");
        await _computer.RunAsync();
        Assert.Equal(2, _computer.Pending.Count);
        Assert.All(_computer.Pending, file => Assert.Equal((null, null), (file.Study.Date, file.Study.BornIn)));
    }

    [Fact]
    public async Task The_verdict_is_reported_without_a_path_or_a_name_and_an_archive_that_knows_none_is_no_failure()
    {
        _computer.Write("Doe_Jane/secret.dcm");
        await _computer.BackUpAsync();
        _computer.Asked.Clear();
        (_, AgentVerdict verdict, string? notSent) = await VerdictReport.SendAsync(_computer.Session, _computer.Clock, TestContext.Current.CancellationToken);
        Assert.Null(notSent);
        (string path, string body) = Assert.Single(_computer.Asked);
        Assert.Equal("/v1/clinics/demo-dental/agents/agent-1/verdict", path);
        Assert.DoesNotContain("Jane", body, StringComparison.Ordinal);
        Assert.DoesNotContain("images", body, StringComparison.Ordinal);
        Assert.Contains("\"safe\":true", body, StringComparison.Ordinal);
        Assert.Matches("^[0-9a-f]{16}$", verdict.Folders[0].Folder);

        _computer.Answer = static _ => HttpStatusCode.Forbidden;
        Assert.NotNull((await VerdictReport.SendAsync(_computer.Session, _computer.Clock, TestContext.Current.CancellationToken)).NotSent);
    }

    [Fact]
    public async Task A_rehearsal_remembers_no_folder()
    {
        _computer.Write(Names(2));
        BackupOutcome outcome = (await _computer.RunAsync(new BackupOptions(DryRun: true)))!;
        Assert.Equal((2, ExitCode.Ok), (outcome.Plan.Sum(p => p.Files), outcome.Code(dryRun: true)));
        Assert.Empty(_computer.State.Folders());
        Assert.Empty(_computer.Asked);
    }

    private AgentVerdict Verdict() => VerdictRule.For(AgentLook.Of(_computer.State, _computer.Session.Identity, _computer.Session.Secret, _computer.Clock.GetUtcNow()).Facts with { LogCheckedAt = _computer.Clock.GetUtcNow() });

    private static string[] Names(int count) => [.. Enumerable.Range(0, count).Select(i => $"study/{i:D3}")];

    private void WriteOdd(string name, string studyDate, string birthDate)
    {
        Directory.CreateDirectory(_computer.Images);
        using FileStream stream = File.Create(_computer.Path(name));
        using DicomWriter writer = new(stream, "1.2.840.10008.1.2.1");
        writer.Meta("1.2.840.10008.5.1.4.1.1.7", SampleStudies.UidOf(name));
        writer.Text(0x0008_0016, "UI", "1.2.840.10008.5.1.4.1.1.7");
        writer.Text(0x0008_0018, "UI", SampleStudies.UidOf(name));
        writer.Text(0x0008_0020, "DA", studyDate);
        writer.Text(0x0008_0060, "CS", "OT");
        writer.Text(0x0010_0020, "LO", name);
        writer.Text(0x0010_0030, "DA", birthDate);
        writer.Text(0x0020_000D, "UI", SampleStudies.UidOf("study of " + name));
    }

    /// <summary>A run, whose waits pass as fast as they are asked for.</summary>
    private async Task<BackupOutcome> RunAsync(CloudArchive.Cli.Terminal.IProgressView view)
    {
        CancellationToken cancel = TestContext.Current.CancellationToken;
        Task<BackupOutcome> run = Task.Run(() => new BackupRun(_computer.Session, _computer.Environment, view, new BackupOptions()).RunAsync(new BackupScope([_computer.Images]), cancel), cancel);
        while (!run.IsCompleted)
        {
            _computer.Clock.Advance(TimeSpan.FromSeconds(1));
            await Task.WhenAny(run, Task.Delay(TimeSpan.FromMilliseconds(10), TimeProvider.System, cancel));
        }

        return await run;
    }

    /// <summary>Told of each step as it begins.</summary>
    private sealed class Hooked(Action<string> begins) : CloudArchive.Cli.Terminal.IProgressView, CloudArchive.Cli.Terminal.IProgressStep
    {
        public CloudArchive.Cli.Terminal.IProgressStep Begin(string title, CloudArchive.Cli.Terminal.ProgressUnit unit, long? total)
        {
            begins(title);
            return this;
        }

        public void Add(long amount)
        {
        }

        public void Note(string line)
        {
        }

        public void Dispose()
        {
        }
    }
}
