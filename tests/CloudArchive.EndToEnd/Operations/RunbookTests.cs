using System.Diagnostics;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using CloudArchive.Testing;

namespace CloudArchive.EndToEnd.Operations;

/// <summary>The steps of docs/operations.md that a single machine can take, with the commands that stand there.</summary>
public sealed partial class RunbookTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static string Page => File.ReadAllText(Path.Combine(Repository.Root, "docs", "operations.md")).ReplaceLineEndings("\n");

    [Fact]
    public async Task Rotate_keys()
    {
        await using Practice practice = await Practice.OpenAsync();
        SampleStudies.WriteMixed(practice["clinic"], 30);
        int packs = (int)(await practice.BackUpAsync(practice["clinic"])).Json["packs"]! + 1; // and the snapshot

        (int code, string version, string error) = await RotateAsync(practice.Archive.Data, practice.Clinic);
        Assert.True(code == 0, error);
        (await practice.RestoreEverythingAsync(practice["rotated"])).Expect(0);
        Assert.Equal(Practice.Contents(practice["clinic"]), Practice.Contents(practice["rotated"]));

        CliRun rewrap = (await practice.Admin.RunAsync("keys", "rewrap", "--clinic", practice.Clinic, "--json")).Expect(0);
        Assert.Equal((version, packs, packs), ((string)rewrap.Json["keyId"]!, (int)rewrap.Json["packs"]!, (int)rewrap.Json["rewrapped"]!));
        Assert.Equal(0, (int)(await practice.Admin.RunAsync("keys", "rewrap", "--clinic", practice.Clinic, "--json")).Expect(0).Json["rewrapped"]!);
        (await practice.Admin.RunAsync("restore-test", "run", "--clinic", practice.Clinic)).Expect(0);

        // The catalogue made anew takes the rewraps along; and a backup under the new version is one like any other.
        SampleStudies.WriteOne(Path.Combine(practice["clinic"], "after.dcm"), "after");
        await practice.BackUpAsync(practice["clinic"]);
        (await practice.Admin.RunAsync("catalog", "rebuild", "--clinic", practice.Clinic)).Expect(0);
        Assert.Equal(0, (int)(await practice.Admin.RunAsync("keys", "rewrap", "--clinic", practice.Clinic, "--json")).Expect(0).Json["rewrapped"]!);
        (await practice.RestoreEverythingAsync(practice["rewrapped"])).Expect(0);
        Assert.Equal(Practice.Contents(practice["clinic"]), Practice.Contents(practice["rewrapped"]));
    }

    [Fact]
    public async Task A_key_that_is_not_there_is_not_rotated()
    {
        await using Practice practice = await Practice.OpenAsync();
        (int code, _, string error) = await RotateAsync(practice.Archive.Data, "nobody");
        Assert.Equal(1, code);
        Assert.Contains("no key of 'nobody'", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Restore_one_study()
    {
        await using Practice practice = await Practice.OpenAsync(approval: true);
        SampleStudies.WriteMixed(practice["clinic"], 20);
        await practice.BackUpAsync(practice["clinic"]);
        using HttpClient admin = practice.Archive.Client(practice.Archive.AdminToken);
        JsonNode studies = JsonNode.Parse(await admin.GetStringAsync($"/v1/clinics/{practice.Clinic}/studies", Cancel))!;
        string study = (string)studies["items"]![0]!["study"]!;
        int instances = (int)studies["items"]![0]!["instances"]!;

        CliRun restored = (await practice.Admin.RunAsync("restore", "--clinic", practice.Clinic, "--study", study, "--out", practice["one"], "--purpose", "treatment", "--recipient", "the clinic", "--json")).Expect(0);
        Assert.Equal(instances, (int)restored.Json["restored"]!);
        Assert.Empty(Practice.Contents(practice["one"]).Except(Practice.Contents(practice["clinic"]), StringComparer.Ordinal));
    }

    [Fact]
    public async Task Lost_escrow_key()
    {
        await using Practice practice = await Practice.OpenAsync();
        SampleStudies.WriteMixed(practice["clinic"], 10);
        await practice.BackUpAsync(practice["clinic"]);
        File.Delete(practice.EscrowKey);
        (await practice.RestoreEverythingAsync(practice["restored"])).Expect(0);
        Assert.Equal(Practice.Contents(practice["clinic"]), Practice.Contents(practice["restored"]));

        // A clinic of another name, with an escrow key of its own.
        (await practice.Admin.RunAsync("clinic", "create", "test-clinic-2", "--name", "Test Clinic", "--no-approval")).Expect(0);
        CliRun code = (await practice.Admin.RunAsync("enrollment", "create", "--clinic", "test-clinic-2", "--json")).Expect(0);
        Cli agent = new(practice["agent-2"]);
        (await agent.RunAsync("enroll", "--url", practice.Archive.Url, "--code", (string)code.Json["code"]!, "--name", "test-pc", "--escrow-out", practice["escrow-2.pem"], "--escrow-passphrase-file", practice.PassphraseFile)).Expect(0);
        (await agent.RunAsync("backup", practice["restored"], "--json")).Expect(0);
        Assert.True(File.Exists(practice["escrow-2.pem"]));
    }

    [Fact]
    public async Task Doctor_finds_a_sound_archive_sound_and_names_what_is_not()
    {
        await using Practice practice = await Practice.OpenAsync();
        CliRun sound = (await practice.Admin.RunAsync("doctor", "--json")).Expect(0);
        Assert.Equal("both", (string)sound.Json["role"]!);
        Assert.Equal(["tls", "keys-served", "clock", "immutability", "storage-clock"], sound.Json["checks"]!.AsArray().Select(c => (string)c!["check"]!).Take(5));

        // The lifecycle of the account, as az prints it: the same with nulls is the same, another number is told.
        string rules = await File.ReadAllTextAsync(Path.Combine(Repository.Root, "infra", "lifecycle.json"), Cancel);
        string expected = Path.Combine(Repository.Root, "infra", "lifecycle.json");
        await File.WriteAllTextAsync(practice["deployed.json"], rules.Replace("\"actions\": {", "\"actions\": { \"snapshot\": null,", StringComparison.Ordinal), Cancel);
        (await practice.Admin.RunAsync("doctor", "--lifecycle", practice["deployed.json"], "--expected", expected)).Expect(0);
        await File.WriteAllTextAsync(practice["deployed.json"], rules.Replace(": 30 }", ": 3 }", StringComparison.Ordinal), Cancel);
        CliRun changed = (await practice.Admin.RunAsync("doctor", "--lifecycle", practice["deployed.json"], "--expected", expected)).Expect(13);
        Assert.Contains("packs-to-cold", changed.Output, StringComparison.Ordinal);

        // The clinic's key is gone.
        Directory.Delete(Path.Combine(practice.Archive.Data, "secrets", "keys", $"kek-{practice.Clinic}"), recursive: true);
        CliRun ill = (await practice.Admin.RunAsync("doctor", "--json")).Expect(13);
        JsonNode failed = Assert.Single(ill.Json["checks"]!.AsArray(), c => (string)c!["verdict"]! == "failed")!;
        Assert.Equal("clinic-keys", (string)failed["check"]!);
        Assert.Contains(practice.Clinic, (string)failed["found"]!, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_runbook_says_which_test_carries_it_out_and_that_test_exists()
    {
        string page = Page;
        string[] sources = Directory.GetFiles(Path.Combine(Repository.Root, "tests"), "*.cs", SearchOption.AllDirectories);
        foreach (string runbook in (string[])["### Rotate keys", "### Restore one study", "### Restore a clinic", "### Restore everything after losing the region", "### Lost Key Vault", "### Lost escrow key", "## A breach", "## An auditor's visit"])
        {
            int at = page.IndexOf($"\n{runbook}\n", StringComparison.Ordinal);
            Assert.True(at >= 0, $"docs/operations.md has no '{runbook}'.");
            int end = page.IndexOf("\n##", at + runbook.Length, StringComparison.Ordinal);
            Match[] named = [.. Named().Matches(page[at..end]).Cast<Match>()];
            Assert.NotEmpty(named);
            Assert.All(named, name => Assert.Contains(
                sources.Where(file => Path.GetFileNameWithoutExtension(file) == name.Groups["type"].Value),
                file => File.ReadAllText(file).Contains($" {name.Groups["method"].Value}(", StringComparison.Ordinal)));
        }
    }

    private static async Task<(int Code, string Output, string Error)> RotateAsync(string data, string clinic)
    {
        ProcessStartInfo info = new("dotnet", [ArchiveProcess.AssemblyOf("src/CloudArchive.LocalHost", "CloudArchive.LocalHost"), "rotate-key", "--data", data, clinic])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using Process process = Process.Start(info)!;
        Task<string> error = process.StandardError.ReadToEndAsync(Cancel);
        string output = await process.StandardOutput.ReadToEndAsync(Cancel);
        await process.WaitForExitAsync(Cancel);
        return (process.ExitCode, output.Trim(), await error);
    }

    [GeneratedRegex(@"`(?<type>\w+Tests)\.(?<method>\w+)`", RegexOptions.None, 1000)]
    private static partial Regex Named();
}
