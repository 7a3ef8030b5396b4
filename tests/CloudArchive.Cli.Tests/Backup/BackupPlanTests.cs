using CloudArchive.Cli.Backup;
using CloudArchive.Format;
using CloudArchive.Format.Packs;

namespace CloudArchive.Cli.Tests.Backup;

public class BackupPlanTests
{
    private static readonly Sha256Digest Patient = Sha256Digest.Of("patient"u8);
    private static readonly PackLimitsChosen Small = new(TargetBytes: 100, MaxInstances: 4);

    [Fact]
    public void Nothing_to_upload_makes_no_pack() => Assert.Empty(BackupPlan.For([]));

    [Fact]
    public void The_pack_with_the_newest_file_goes_first_whatever_its_study_is_called()
    {
        PendingFile[] files = [File("1", 10) with { ModifiedTicks = 5 }, File("2", 10) with { ModifiedTicks = 1 }, File("2", 10) with { ModifiedTicks = 9 }, File("3", 10) with { ModifiedTicks = 7 }];
        Assert.Equal(["2", "3", "1"], BackupPlan.NewestFirst(files).Select(pack => pack.Study.Study.Value));
    }

    [Fact]
    public void A_pack_holds_one_study_and_ends_with_it()
    {
        PlannedPack[] packs = [.. BackupPlan.For([File("1", 10), File("1", 10), File("2", 10)], Small)];
        Assert.Equal([2, 1], packs.Select(p => p.Files.Count));
        Assert.All(packs, p => Assert.Equal(PackReason.EndOfStudy, p.Reason));
        Assert.All(packs, p => Assert.All(p.Files, f => Assert.Equal(p.Study, f.File.Study)));
    }

    [Fact]
    public void Instances_of_one_study_that_belong_to_another_patient_or_visit_go_into_a_pack_of_their_own()
    {
        PendingFile other = File("1", 10) with { Study = new StudyKey(Uid.Parse("1"), Sha256Digest.Of("other"u8), null, null) };
        Assert.Equal(2, BackupPlan.For([File("1", 10), other], Small).Count());
    }

    [Fact]
    public void A_pack_ends_before_it_would_pass_the_target_size()
    {
        PlannedPack[] packs = [.. BackupPlan.For([File("1", 60), File("1", 40), File("1", 1)], Small)];
        Assert.Equal([100L, 1L], packs.Select(p => p.Bytes));
        Assert.Equal(PackReason.TargetSize, packs[0].Reason);
    }

    [Fact]
    public void An_instance_larger_than_the_target_size_is_alone_in_its_pack()
    {
        PlannedPack[] packs = [.. BackupPlan.For([File("1", 10), File("1", 500), File("1", 10)], Small)];
        Assert.Equal([10L, 500L, 10L], packs.Select(p => p.Bytes));
        Assert.Equal([PackReason.TargetSize, PackReason.LargeInstance, PackReason.EndOfStudy], packs.Select(p => p.Reason));
    }

    [Fact]
    public void A_large_instance_that_ends_its_study_says_that_it_is_large() =>
        Assert.Equal(PackReason.LargeInstance, Assert.Single(BackupPlan.For([File("1", 500)], Small)).Reason);

    [Fact]
    public void A_pack_holds_no_more_instances_than_it_may()
    {
        PlannedPack[] packs = [.. BackupPlan.For(Enumerable.Range(0, 9).Select(_ => File("1", 1)), Small)];
        Assert.Equal([4, 4, 1], packs.Select(p => p.Files.Count));
        Assert.Equal(PackReason.InstanceLimit, packs[0].Reason);
    }

    [Fact]
    public void Copies_of_the_same_bytes_are_uploaded_once_and_counted()
    {
        PendingFile file = File("1", 10);
        PlannedPack pack = Assert.Single(BackupPlan.For([file, file with { Id = 2, Path = "/data/copy" }, file with { Id = 3, Path = "/data/copy2" }, File("1", 10)], Small));
        Assert.Equal([2, 0], pack.Files.Select(f => f.Copies));
        Assert.Equal(20, pack.Bytes);
    }

    [Fact]
    public void Other_bytes_under_a_known_UID_are_a_new_version_beside_the_old_one()
    {
        PlannedPack pack = Assert.Single(BackupPlan.For([File("1", 10), File("1", 10) with { HasOtherVersion = true }], Small));
        Assert.Equal([UploadReason.New, UploadReason.NewVersion], pack.Files.Select(f => f.Reason));
    }

    [Fact]
    public void Every_file_is_in_exactly_one_pack_whatever_the_sizes()
    {
        for (int seed = 0; seed < 50; seed++)
        {
            Random random = new(seed);
            PendingFile[] files = [.. Enumerable.Range(0, 200).Select(i => File($"{i / random.Next(1, 40)}", random.Next(0, 250))).OrderBy(f => f.Study.Study.Value, StringComparer.Ordinal)];
            PlannedPack[] packs = [.. BackupPlan.For(files, Small)];
            Assert.Equal(files, packs.SelectMany(p => p.Files).Select(f => f.File));
            Assert.All(packs, p => Assert.True(p.Bytes <= Small.TargetBytes || p.Files.Count == 1));
            Assert.All(packs, p => Assert.True(p.Files.Count <= Small.MaxInstances));
        }
    }

    [Fact]
    public void A_plan_is_made_while_it_is_read()
    {
        int taken = 0;
        IEnumerable<PendingFile> Endless()
        {
            while (true)
            {
                taken++;
                yield return File("1", 60);
            }
        }

        Assert.Equal(3, BackupPlan.For(Endless(), Small).Take(3).Count());
        Assert.InRange(taken, 3, 6);
    }

    [Fact]
    public void A_path_in_the_manifest_is_below_the_folder_with_slashes()
    {
        string folder = Path.Combine(Path.GetTempPath(), "clinic");
        PendingFile file = File("1", 1) with { Folder = folder, Path = Path.Combine(folder, "Doe_Jane", "a.dcm") };
        Assert.Equal("Doe_Jane/a.dcm", file.ManifestPath);
    }

    private static int s_next;

    private static PendingFile File(string study, long length)
    {
        int n = Interlocked.Increment(ref s_next);
        SidecarInstance instance = new(Uid.Parse($"1.2.{n}"), Uid.Parse("1.2.3"), null, null, Uid.Parse("1.2.840.10008.1.2.1"), length, Sha256Digest.Of(BitConverter.GetBytes(n)));
        return new PendingFile(n, $"/data/{n}", "/data", length, 0, instance, new StudyKey(Uid.Parse(study), Patient, null, null), false);
    }
}
