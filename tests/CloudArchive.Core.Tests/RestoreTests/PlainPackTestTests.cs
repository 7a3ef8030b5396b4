using System.Text;
using CloudArchive.Core.RestoreTests;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Tests.Retention;
using CloudArchive.Core.Tests.Support;
using CloudArchive.Format;
using CloudArchive.Format.Evidence;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Tests.RestoreTests;

/// <summary>Restore tests of what is no study: hashes, how files begin, and that a snapshot's list can be read and names nothing that a restore would not ask for.</summary>
public sealed class PlainPackTestTests(SharedStorage shared)
{
    private static readonly byte[] s_png = [0x89, (byte)'P', (byte)'N', (byte)'G', 13, 10, 26, 10, 1, 2, 3];

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Plain_files_of_every_kind_and_of_no_bytes_pass()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        byte[] stl = new byte[84 + 50];
        stl[80] = 1;
        SealedPack pack = await archive.BackUpFolderAsync(
            "2024",
            PlainSets.Plain("photo.png", s_png),
            PlainSets.Plain("scan.stl", stl),
            PlainSets.Plain("report.pdf", "%PDF-1.7 and so on"),
            PlainSets.Plain("broken.dcm", new byte[3_000_000]),
            PlainSets.Plain("empty", ""));
        PackTestResult result = await archive.Core.PackTest.RunAsync(archive.Clinic.Id, pack.Opened.Pack, Cancel);
        Assert.Equal((PackTestOutcome.Recovered, 5, pack.Files.Sum(file => (long)file.Content.Length)), (result.Outcome, result.Files, result.FileBytes));
        Assert.Equal(PackTestStepName.Parse, result.Steps[^1].Step);

        // They are in the population like any other, and a run counts their files.
        SealedPack snapshot = await archive.BackUpSnapshotAsync([(pack.Files[0], pack.Opened.Pack)]);
        Assert.Equal([pack.Opened.Pack, snapshot.Opened.Pack], (await archive.Core.Population.ReadAsync(archive.Clinic.Id, Cancel)).Select(one => one.Pack));
        RestoreTestResponse run = await RunAsync(archive);
        Assert.Equal((RestoreTestStatus.Passed, 2), (run.Status, run.Passed));
        Assert.Equal(7, run.Instances);
    }

    [Theory]
    [InlineData("reception", "Imaging", null)]
    [InlineData("reception", "", "roots")]
    [InlineData("", "Imaging", "roots")]
    public async Task A_root_without_a_computer_or_a_label_is_a_catalogue_mismatch(string computer, string label, string? detail)
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        TestFile file = PlainSets.Plain("photo.png", s_png) with { Root = new ManifestRoot(computer, label) };
        PackTestResult result = await TestAsync(archive, await archive.Clinic.SealSetAsync(archive.Clinic.FolderOf("2024"), new SetFacts(SetKind.Folder), file));
        Assert.Equal((detail is null ? null : PackFailure.CatalogueMismatch, detail), (result.Cause, result.Detail));
    }

    [Fact]
    public async Task A_rotten_plain_file_is_a_hash_mismatch()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        SealedPack pack = await archive.BackUpFolderAsync("2024", PlainSets.Plain("photo.png", s_png));
        archive.Vault.Flip(BlobName.Pack(archive.Clinic.Id, pack.Opened.Pack));
        Assert.Equal(PackFailure.HashMismatch, (await archive.Core.PackTest.RunAsync(archive.Clinic.Id, pack.Opened.Pack, Cancel)).Cause);
    }

    [Fact]
    public async Task A_manifest_that_says_another_kind_of_set_than_the_sidecar_is_a_catalogue_mismatch()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        TestFile part = PlainSets.Part(Snapshot.DocumentName, "{}"u8.ToArray());
        SealedPack pack = await archive.Clinic.SealSetAsync(archive.Clinic.SnapshotsOf(), new SetFacts(SetKind.Folder), part);
        Sidecar sidecar = pack.Sidecar with { Set = SetKind.Snapshot, Snapshot = new SidecarSnapshot(archive.Clock.GetUtcNow(), [], [], 0, 0, 0, true) };
        await AssertMismatchAsync(archive, pack with { Sidecar = sidecar }, "manifest", PackTestStepName.Extract);
    }

    [Fact]
    public async Task A_snapshot_whose_list_is_whole_passes_however_it_is_cut()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        TestFile photo = PlainSets.Plain("Lindqvist/photo.png", s_png);
        SealedPack photos = await archive.BackUpFolderAsync("Lindqvist", photo);
        (TestFile, PackId)[] files = [.. Enumerable.Range(0, 3000).Select(i => (PlainSets.Plain($"{new string('ü', 80)}/{i}.png", s_png), photos.Opened.Pack))];
        SealedPack first = await archive.BackUpSnapshotAsync(files);
        SealedPack second = await archive.BackUpSnapshotAsync([], [first.Opened.Pack]);
        foreach (SealedPack pack in (SealedPack[])[first, second])
        {
            PackTestResult result = await archive.Core.PackTest.RunAsync(archive.Clinic.Id, pack.Opened.Pack, Cancel);
            Assert.Equal((PackTestOutcome.Recovered, 2, null), (result.Outcome, result.Files, result.Detail));
        }
    }

    [Fact]
    public async Task A_snapshot_that_names_a_pack_which_its_sidecar_does_not_is_found()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        TestFile photo = PlainSets.Plain("photo.png", s_png);
        SealedPack photos = await archive.BackUpFolderAsync("", photo);
        await AssertMismatchAsync(archive, await archive.Clinic.SealSnapshotAsync([(photo, photos.Opened.Pack)], needs: [PackId.New(archive.Clock)]), "needs", PackTestStepName.Extract);
        Assert.Equal(PackTestOutcome.Recovered, (await TestAsync(archive, await archive.Clinic.SealSnapshotAsync([(photo, photos.Opened.Pack)], needs: [PackId.New(archive.Clock), photos.Opened.Pack]))).Outcome);
    }

    [Theory]
    [InlineData("another time")]
    [InlineData("another root")]
    [InlineData("no document")]
    [InlineData("a line that does not end")]
    [InlineData("an empty line")]
    public async Task A_snapshot_that_cannot_be_what_its_sidecar_says_is_a_catalogue_mismatch(string what) =>
        await AssertMismatchAsync(await MemoryArchive.CreateAsync(shared), what, "snapshot");

    [Fact]
    public async Task A_line_that_is_none_is_told_as_what_is_inside_being_invalid()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        PackTestResult result = await TestAsync(archive, await SealAsync(archive, "{\"root\":1}\n"));
        Assert.Equal((PackFailure.ZipInvalid, "manifest-invalid"), (result.Cause!.Value, result.Detail));
        result = await TestAsync(archive, await SealAsync(archive, new string('x', 1_000_000)));
        Assert.Equal((PackFailure.CatalogueMismatch, "snapshot"), (result.Cause!.Value, result.Detail));
    }

    [Theory]
    [InlineData(FileSignature.Png, null)]
    [InlineData(null, null)]
    [InlineData(FileSignature.Jpeg, "signature")]
    public async Task A_file_that_does_not_begin_as_it_did_when_it_was_captured_is_found_and_one_of_which_nothing_was_said_is_not_looked_at(FileSignature? captured, string? detail)
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        SetFacts facts = new(SetKind.Folder)
        {
            Manifest = manifest => manifest with { Instances = [.. manifest.Instances.Select(file => file.Entry == "photo.png" ? file with { Signature = captured } : file)] },
        };
        SealedPack pack = await archive.Clinic.SealSetAsync(archive.Clinic.FolderOf("2024"), facts, PlainSets.Plain("first.txt", "any"), PlainSets.Plain("photo.png", s_png), PlainSets.Plain("last.txt", "any"));
        PackTestResult result = await TestAsync(archive, pack);
        Assert.Equal((detail is null ? null : PackFailure.CatalogueMismatch, detail), (result.Cause, result.Detail));
        Assert.Equal((detail is null ? 3 : 1, PackTestStepName.Parse), (result.Files, result.Steps[^1].Step));
    }

    [Fact]
    public async Task A_manifest_of_another_moment_than_the_sidecar_is_a_catalogue_mismatch_before_any_file_is_read()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        SetFacts facts = new(SetKind.Folder) { Manifest = manifest => manifest with { CreatedAt = manifest.CreatedAt.AddSeconds(1) } };
        PackTestResult result = await TestAsync(archive, await archive.Clinic.SealSetAsync(archive.Clinic.FolderOf("2024"), facts, PlainSets.Plain("photo.png", s_png)));
        Assert.Equal((PackFailure.CatalogueMismatch, "manifest", 0), (result.Cause!.Value, result.Detail, result.Files));
    }

    private static async Task AssertMismatchAsync(MemoryArchive archive, string what, string detail)
    {
        const string gone = "{\"path\":\"a.jpg\",\"root\":1}";
        SealedPack pack = what switch
        {
            "another time" => await SealAsync(archive, gone + "\n", time: archive.Clock.GetUtcNow().AddDays(1)),
            "another root" => await SealAsync(archive, gone.Replace(":1", ":2", StringComparison.Ordinal) + "\n"),
            "no document" => await SealAsync(archive, gone + "\n", name: "list.json"),
            "a line that does not end" => await SealAsync(archive, gone),
            _ => await SealAsync(archive, gone + "\n\n"),
        };
        await AssertMismatchAsync(archive, pack, detail, PackTestStepName.Extract);
    }

    private static Task<SealedPack> SealAsync(MemoryArchive archive, string lines, string name = Snapshot.DocumentName, DateTimeOffset? time = null)
    {
        DateTimeOffset now = archive.Clock.GetUtcNow();
        Snapshot snapshot = new(Snapshot.CurrentFormat, archive.Clinic.Id, "reception", time ?? now, [new SnapshotRoot(1, "Imaging", @"C:\Imaging")], [], 0, 0, true);
        SetFacts facts = new(SetKind.Snapshot, new SidecarSnapshot(now, [], [], 1, 0, 0, true));
        return archive.Clinic.SealSetAsync(
            archive.Clinic.SnapshotsOf(), facts, PlainSets.Part(name, System.Text.Json.JsonSerializer.SerializeToUtf8Bytes(snapshot, FormatJson.Options)), PlainSets.Part(Snapshot.PartName(1), Encoding.UTF8.GetBytes(lines)));
    }

    private static async Task AssertMismatchAsync(MemoryArchive archive, SealedPack pack, string detail, PackTestStepName step)
    {
        PackTestResult result = await TestAsync(archive, pack);
        Assert.Equal((PackFailure.CatalogueMismatch, detail), (result.Cause, result.Detail));
        Assert.Contains(result.Steps[^1].Step, (PackTestStepName[])[step, PackTestStepName.Parse]);
    }

    private static async Task<PackTestResult> TestAsync(MemoryArchive archive, SealedPack pack)
    {
        await archive.BackUpAsync(pack);
        return await archive.Core.PackTest.RunAsync(archive.Clinic.Id, pack.Opened.Pack, Cancel);
    }

    private static async Task<RestoreTestResponse> RunAsync(MemoryArchive archive)
    {
        archive.Clock.Advance(TimeSpan.FromHours(2)); // a commit younger than an hour may be under way
        RestoreTestResponse started = await archive.Core.Tests.StartAsync(archive.Clinic.Id, new TestBudget(100, 1L << 30), new RunTrigger(RunTriggerKind.OnDemand), Archive.Admin, Cancel);
        Assert.True(await archive.Core.TestRunner.RunAsync(archive.Clinic.Id, TimeSpan.FromHours(1), Archive.Admin, Cancel));
        return await archive.Core.Tests.GetAsync(archive.Clinic.Id, WorkId.Parse(started.Id), Cancel);
    }
}
