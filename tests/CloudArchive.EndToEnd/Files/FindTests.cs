using System.Text;
using System.Text.Json.Nodes;
using CloudArchive.Format;
using CloudArchive.Testing;
using Microsoft.Data.Sqlite;

namespace CloudArchive.EndToEnd.Files;

/// <summary>From what a person remembers to the images: found at the clinic, brought back by the archive, which was told an id and nothing else.</summary>
public sealed class FindTests
{
    [Fact]
    public async Task What_is_found_at_the_clinic_is_restored_by_the_id_that_is_shown()
    {
        await using Practice practice = await Practice.OpenAsync();
        string clinic = practice["clinic"];
        SampleStudies.WriteClinic(clinic, cbctSide: 8);
        SampleStudies.WriteNamed(Path.Combine(clinic, "2026", "m.dcm"), "mueller", "Müller^Jörg", "19511231", "0012", "Röntgen", "ISO_IR 100", Encoding.Latin1);
        ImagingFolder.Write(clinic, "letters/Befund Okafor.pdf", "%PDF-1.7 Okafor");
        await practice.BackUpAsync(clinic);

        // The archive is away: nobody is asked.
        await practice.StopArchiveAsync();
        JsonNode[] lindqvist = await FindAsync(practice, "anna", "lindq", "1970-01-01");
        Assert.Equal(2, lindqvist.Length);
        JsonNode films = lindqvist.Single(set => (int)set["files"]! == 4);
        Assert.Equal(("Lindqvist^Anna", 4, "IO"), ((string)films["patientNames"]![0]!, (int)films["archived"]!, (string)films["modalities"]![0]!));
        string mueller = (string)Assert.Single(await FindAsync(practice, "muller"))["set"]!, letters = (string)Assert.Single(await FindAsync(practice, "okafor", "befund"))["set"]!;
        Assert.Equal(14, (await practice.Agent.RunAsync("find", "nobody-of-that-name")).ExitCode);

        await practice.RestartArchiveAsync();
        foreach ((string set, string[] files) in (IEnumerable<(string, string[])>)[
            ((string)films["set"]!, [.. Enumerable.Range(1, 4).Select(i => $"Lindqvist_Anna/2026-03-11 Zahnfilme/IO{i:D2}.dcm")]), (mueller, ["2026/m.dcm"]), (letters, ["letters/Befund Okafor.pdf"])])
        {
            string target = practice[$"out-{set}"];
            (await practice.Admin.RunAsync("restore", "--clinic", practice.Clinic, "--study", set, "--out", target, "--purpose", "treatment", "--recipient", "Dr. Lee", "--json")).Expect(0);
            Assert.Equal(files, Directory.EnumerateFiles(target, "*", SearchOption.AllDirectories).Select(file => Path.GetRelativePath(target, file).Replace('\\', '/')).Order(StringComparer.Ordinal));
            Assert.All(files, file => Assert.Equal(Practice.HashOf(Path.Combine(clinic, file)), Practice.HashOf(Path.Combine(target, file))));
        }

        // With its state lost the computer finds again what it reads.
        foreach (string file in Directory.EnumerateFiles(practice.Agent.Home, $"{practice.Clinic}*"))
        {
            File.Delete(file);
        }

        Assert.Equal(0, (int)(await practice.BackUpAsync(clinic)).Json["uploaded"]!);
        Assert.Equal(mueller, (string)Assert.Single(await FindAsync(practice, "muller"))["set"]!);
    }

    [Fact]
    public async Task An_ID_is_found_held_restored_and_accounted_for_in_the_spellings_that_the_clinic_takes_for_the_same()
    {
        await using Practice practice = await Practice.OpenAsync();
        string[] of = ["--clinic", practice.Clinic];
        foreach (string id in (string[])["0012", "12", "112", "ab 7"])
        {
            SampleStudies.WriteNamed(Path.Combine(practice["clinic"], $"{id}.dcm"), id, "Nobody^Real", "19511231", id, "Single", "ISO_IR 192", Encoding.UTF8);
        }

        await practice.BackUpAsync(practice["clinic"]);
        string[] restore = ["restore", .. of, "--purpose", "treatment", "--recipient", "Dr. Lee", "--json"];
        Assert.Equal(1, (int)(await practice.Admin.RunAsync([.. restore, "--patient", "12", "--out", practice["exact"]])).Expect(0).Json["restored"]!);
        Assert.Equal(14, (await practice.Admin.RunAsync([.. restore, "--patient", "AB7", "--out", practice["nothing"]])).ExitCode);
        Assert.Contains("0012 and 12", (await practice.Admin.RunAsync(["clinic", "identifiers", .. of, "--match", "zeros"])).Expect(0).Output, StringComparison.Ordinal);
        Assert.Equal(2, (await practice.Admin.RunAsync(["clinic", "identifiers", .. of, "--match", "some"])).ExitCode);

        Assert.Equal(2, (int)(await practice.Admin.RunAsync([.. restore, "--patient", "12", "--out", practice["zeros"]])).Expect(0).Json["restored"]!);
        Assert.Equal(1, (int)(await practice.Admin.RunAsync([.. restore, "--patient", "AB7", "--out", practice["spelling"]])).Expect(0).Json["restored"]!);
        CliRun hold = (await practice.Admin.RunAsync(["hold", "set", .. of, "--patient", "00012", "--reason", "case"])).Expect(0);
        Assert.Contains("(2 studies in the archive)", hold.Output, StringComparison.Ordinal);
        Assert.Contains("0012 and 12: the hold keeps all of them, one patient's or not.", hold.Error, StringComparison.Ordinal);
        CliRun told = (await practice.Admin.RunAsync(["disclosures", .. of, "--patient", "12"])).Expect(0);
        Assert.Contains("what was handed out of any of them is listed", told.Error, StringComparison.Ordinal);
        Assert.Equal(3, told.Output.Split('\n').Count(line => line.Contains("Dr. Lee", StringComparison.Ordinal)));
        Assert.Contains("and so are 0012 and 12", (await practice.Admin.RunAsync(["clinic", "show", .. of])).Output, StringComparison.Ordinal);

        (await practice.Admin.RunAsync(["clinic", "identifiers", .. of, "--match", "exact"])).Expect(0);
        Assert.Equal(1, (int)(await practice.Admin.RunAsync([.. restore, "--patient", "0012", "--out", practice["again"]])).Expect(0).Json["restored"]!);
    }

    [Fact]
    public async Task Two_folders_of_one_name_on_one_computer_come_back_apart()
    {
        await using Practice practice = await Practice.OpenAsync();
        foreach (string root in (string[])["left/images", "right/images"])
        {
            SampleStudies.WriteOne(Path.Combine(practice[root], "2024", "0001.dcm"), root);
            ImagingFolder.Write(practice[root], "2024/note.txt", root);
        }

        (await practice.Agent.RunAsync("backup", practice["left/images"], practice["right/images"], "--json")).Expect(0);
        (await RestoreAsync(practice, practice["out"], "--as-of", "latest")).Expect(0);
        await ImagingFolder.AssertSameTreeAsync(practice["left/images"], practice["out/test-pc/images"]);
        await ImagingFolder.AssertSameTreeAsync(practice["right/images"], practice["out/test-pc/images (right)"]);
        (await RestoreAsync(practice, practice["everything"], "--everything")).Expect(0);
        Assert.Equal(4, Directory.EnumerateFiles(practice["everything"], "*", SearchOption.AllDirectories).Count());
        Assert.Equal(Practice.HashOf(Path.Combine(practice["right/images"], "2024", "note.txt")), Practice.HashOf(Path.Combine(practice["everything/test-pc/images (right)"], "2024", "note.txt")));
        CliRun refused = await practice.Agent.RunAsync("folders", "label", practice["right/images"], "Images");
        Assert.Equal(2, refused.ExitCode);
        Assert.Contains($"{practice["left/images"]} has the label Images", refused.Error, StringComparison.Ordinal);

        // A snapshot of an agent that did not see to it.
        using (SqliteConnection state = new($"Data Source={Path.Combine(practice.Agent.Home, practice.Clinic + ".db")};Pooling=False"))
        {
            state.Open();
            using SqliteCommand command = state.CreateCommand();
            command.CommandText = "UPDATE folders SET label = 'IMAGES' WHERE label <> 'images'; DELETE FROM snapshots; UPDATE snapshot_due SET due = 1";
            command.ExecuteNonQuery();
        }

        Assert.NotNull((await practice.Agent.RunAsync("backup", "--json")).Expect(0).Json["snapshot"]);
        CliRun restored = (await RestoreAsync(practice, practice["older"], "--as-of", "latest")).Expect(0);
        await ImagingFolder.AssertSameTreeAsync(practice["left/images"], practice["older/test-pc/images"]);
        await ImagingFolder.AssertSameTreeAsync(practice["right/images"], practice["older/test-pc/IMAGES (2)"]);
        Assert.Contains("comes back as IMAGES (2): another folder of test-pc has the label IMAGES too", restored.Output + restored.Error, StringComparison.Ordinal);
        (await RestoreAsync(practice, practice["one"], "--as-of", "latest", "--root", "IMAGES (2)")).Expect(0);
        await ImagingFolder.AssertSameTreeAsync(practice["right/images"], practice["one"]);
    }

    private static async Task<JsonNode[]> FindAsync(Practice practice, params string[] words) =>
        [.. (await practice.Agent.RunAsync(["find", .. words, "--json"])).Expect(0).Json["found"]!.AsArray().Select(set => set!)];

    private static Task<CliRun> RestoreAsync(Practice practice, string target, params string[] what) =>
        practice.Admin.RunAsync(["restore", "--clinic", practice.Clinic, "--out", target, "--purpose", "test", "--recipient", "test", .. what]);
}
