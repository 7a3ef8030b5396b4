using System.Text.Json.Nodes;
using CloudArchive.Cli.Agent;
using CloudArchive.Cli.Backup;
using CloudArchive.Cli.Terminal;
using CloudArchive.Testing;

namespace CloudArchive.EndToEnd;

/// <summary>What a clinic is told, from the first backup through an attack, against a real archive.</summary>
public sealed class VerdictTests
{
    [Fact]
    public async Task Safe_is_said_only_as_long_as_every_file_is_archived_or_excluded_and_nothing_looks_like_an_attack()
    {
        await using Practice practice = await Practice.OpenAsync();
        string clinic = practice["clinic"];
        for (int i = 0; i < 60; i++) SampleStudies.WriteOne(Path.Combine(clinic, "study", $"{i:D2}.dcm"), $"image {i}", "one study");
        WriteOdd(Path.Combine(clinic, "odd", "future.dcm"), "99991231", "19800101");
        WriteOdd(Path.Combine(clinic, "odd", "unborn.dcm"), "20250101", "99800101");
        WriteOdd(Path.Combine(clinic, "odd", "both.dcm"), "99991231", "99900101");
        WriteOdd(Path.Combine(clinic, "odd", "soon.dcm"), "20990101", "20900101");
        Assert.Equal(["never-backed-up"], await CausesAsync(practice));
        Assert.Equal(64, (int)(await practice.BackUpAsync(clinic)).Json["backedUp"]!);
        Assert.Empty(await CausesAsync(practice));

        (await practice.Agent.RunAsync("backup", practice["clinik"])).Expect(2);
        (await practice.Agent.RunAsync("backup", Path.Combine(clinic, "study"))).Expect(2);
        Assert.Empty(await CausesAsync(practice));

        // Twenty files of sixty-four are rewritten, and an image is made.
        foreach (string file in Directory.GetFiles(Path.Combine(clinic, "study"))[..20]) await RewriteAsync(file);
        SampleStudies.WriteOne(Path.Combine(clinic, "new.dcm"), "new");
        Assert.Contains("files-pending", await CausesAsync(practice));
        JsonNode attacked = (await practice.Agent.RunAsync("backup", "--json")).Expect(4).Json;
        Assert.Equal((20, 1, 45, false), ((int)attacked["held"]!, (int)attacked["packs"]!, (int)attacked["backedUp"]!, (bool)attacked["safe"]!));
        Assert.Equal(["mass-change"], await CausesAsync(practice));
        (await practice.Agent.RunAsync("backup", "--json")).Expect(4);
        Assert.Equal(["mass-change"], await CausesAsync(practice));

        JsonNode accepted = (await practice.Agent.RunAsync("backup", "--accept-changes", "--json")).Expect(0).Json;
        Assert.Equal((0, 65, true), ((int)accepted["held"]!, (int)accepted["backedUp"]!, (bool)accepted["safe"]!));
        Assert.Empty(await CausesAsync(practice));

        await File.WriteAllTextAsync(Path.Combine(clinic, "photo.jpg"), "no DICOM");
        Assert.Contains("files-pending", await CausesAsync(practice));
        Assert.Equal(66, (int)(await practice.BackUpAsync(clinic)).Json["backedUp"]!);
        Assert.Empty(await CausesAsync(practice));
        await File.WriteAllTextAsync(Path.Combine(clinic, "new.dcm"), "an image no longer", TestContext.Current.CancellationToken);
        (await practice.Agent.RunAsync("backup")).Expect(4);
        Assert.Equal(["files-not-archived"], await CausesAsync(practice));
        SampleStudies.WriteOne(Path.Combine(clinic, "new.dcm"), "new");
        await practice.BackUpAsync(clinic);
        Assert.Empty(await CausesAsync(practice));
        (await practice.Agent.RunAsync("folders", "exclude", clinic, "*.jpg")).Expect(0);
        Assert.Equal(1, (int)(await practice.BackUpAsync(clinic)).Json["excluded"]!);
        Assert.Empty(await CausesAsync(practice));
        JsonNode shown = (await practice.Agent.RunAsync("folders", "show", clinic, "--json")).Expect(0).Json;
        Assert.Equal(("*.jpg", 1), ((string)shown["leftOut"]![0]!["rule"]!, (int)shown["leftOut"]![0]!["files"]!));

        // The drive is gone; then it is there and empty; then the folder is forgotten.
        Directory.Move(clinic, practice["elsewhere"]);
        Assert.Equal(["folder-missing"], await CausesAsync(practice));
        (await practice.Agent.RunAsync("backup")).Expect(4);
        Directory.CreateDirectory(clinic);
        JsonNode emptied = (await practice.Agent.RunAsync("backup", "--json")).Expect(4).Json;
        Assert.Equal(65, (int)emptied["backedUp"]!);
        Assert.Equal(["folder-empty"], await CausesAsync(practice));
        Directory.Delete(clinic);
        Directory.Move(practice["elsewhere"], clinic);
        Assert.Equal(0, (int)(await practice.BackUpAsync(clinic)).Json["packs"]!);
        Assert.Empty(await CausesAsync(practice));
        (await practice.Agent.RunAsync("folders", "remove", clinic)).Expect(0);
        Assert.Equal("[]", (await practice.Agent.RunAsync("folders", "list", "--json")).Expect(0).Output.Trim());
        Assert.Equal(["never-backed-up"], await CausesAsync(practice));
    }

    [Fact]
    public async Task An_image_that_comes_meanwhile_does_not_wait_for_the_backlog()
    {
        await using Practice practice = await Practice.OpenAsync();
        string clinic = practice["clinic"];
        for (int i = 0; i < 12; i++)
        {
            string file = Path.Combine(clinic, $"{i * 7 % 12:D2}", "image.dcm");
            SampleStudies.WriteOne(file, $"backlog {i}");
            File.SetLastWriteTimeUtc(file, new DateTime(2024, 1, 1 + i, 0, 0, 0, DateTimeKind.Utc));
        }

        string arriving = Path.Combine(clinic, "arriving", "image.dcm");
        using AgentSession session = AgentSession.Open(InProcessCli.Environment(practice.Agent.Home));
        BackupOptions options = new(Packs: 1)
        {
            Arrivals = () =>
            {
                if (File.Exists(arriving)) return [];
                SampleStudies.WriteOne(arriving, "arriving");
                return [FolderScan.Find(clinic, arriving, new ScanScope())!];
            },
        };
        BackupOutcome outcome = await new BackupRun(session, InProcessCli.Environment(practice.Agent.Home), new QuietView(_ => { }), options).RunAsync([clinic], TestContext.Current.CancellationToken);

        Assert.Equal(13, outcome.Counts.Archived.Files);
        List<string> studies = [.. outcome.Plan.Select(line => line.Study.Value)];
        int arrived = studies.IndexOf(SampleStudies.UidOf("study study of arriving"));
        Assert.InRange(arrived, 0, 6);
        studies.RemoveAt(arrived);
        Assert.Equal(Enumerable.Range(0, 12).Select(i => SampleStudies.UidOf($"study study of backlog {i}")).Order(StringComparer.Ordinal), studies.Order(StringComparer.Ordinal));
    }

    private static async Task<string[]> CausesAsync(Practice practice)
    {
        CliRun status = await practice.Agent.RunAsync("status", "--json");
        string[] causes = [.. status.Json["findings"]!.AsArray().Concat(status.Json["folders"]!.AsArray().SelectMany(f => f!["findings"]!.AsArray()))
            .Where(f => (bool)f!["notSafe"]!).Select(f => (string)f!["cause"]!).Distinct().Order(StringComparer.Ordinal)];
        Assert.Equal(causes.Length == 0, (bool)status.Json["safe"]!);
        status.Expect(causes.Length == 0 ? 0 : 10);
        return causes;
    }

    private static async Task RewriteAsync(string file)
    {
        byte[] bytes = await File.ReadAllBytesAsync(file);
        bytes[^1] ^= 0xff;
        await File.WriteAllBytesAsync(file, bytes);
    }

    private static void WriteOdd(string file, string studyDate, string birthDate)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        using FileStream stream = File.Create(file);
        using DicomWriter writer = new(stream, "1.2.840.10008.1.2.1");
        writer.Meta("1.2.840.10008.5.1.4.1.1.7", SampleStudies.UidOf(file));
        writer.Text(0x0008_0016, "UI", "1.2.840.10008.5.1.4.1.1.7");
        writer.Text(0x0008_0018, "UI", SampleStudies.UidOf(file));
        writer.Text(0x0008_0020, "DA", studyDate);
        writer.Text(0x0008_0060, "CS", "OT");
        writer.Text(0x0010_0020, "LO", "odd");
        writer.Text(0x0010_0030, "DA", birthDate);
        writer.Text(0x0020_000D, "UI", SampleStudies.UidOf("study of " + file));
    }
}
