using Azure.Storage.Blobs;
using CloudArchive.Testing;

namespace CloudArchive.EndToEnd;

/// <summary>scripts/azure-trial.cs where there is no Azure: what it can try here it tries, and the rest it does not call tried.</summary>
public sealed class AzureTrialTests
{
    private static readonly string[] s_hold =
    [
        "a backup gets its receipts", "a version can be locked", "an agent is handed an upload URL", "a restore is handed a download URL", "delete a locked pack", "delete a locked version",
        "write a new blob over a locked pack", "change a locked version's metadata", "shorten a lock", "take a lock away", "extend a lock", "tags on a locked version", "write over a locked version",
        "upload URL: writes its blob", "upload URL: reads", "upload URL: lists", "upload URL: deletes", "upload URL: sets a lock", "download URL: reads", "download URL: writes", "download URL: lists",
        "download URL: deletes", "a URL that has run out", "delete under a legal hold", "the archive holds what is committed under a legal hold", "doctor: ingest", "doctor: recovery", "a study comes back", "a restore test",
        "sign-in: headers of a caller's own",
    ];

    private static readonly string[] s_onAzureAlone =
    [
        "a leased blob", "back from the archive tier", "sign-in: leads to Entra ID", "token: version, role, clinics", "token: acrs", "timers have run", "functions of the other app are off", "delete the account",
    ];

    // A minute and more where much else runs: LocalHost, its Azurite and a dozen runs of the CLI, as in a trial.
    [Fact]
    public async Task Every_row_that_LocalHost_can_answer_holds_there_and_the_others_are_not_checked()
    {
        using TemporaryFolder folder = new();
        foreach (string key in (string[])["one", "two", "three"])
        {
            SampleStudies.WriteOne(Path.Combine(folder["studies"], key == "three" ? "b" : "a", key + ".dcm"), key, key == "three" ? null : "study");
        }

        (int code, string output) = await RepositoryScript.RunAsync("azure-trial.cs", "--local", "--no-build", "--from", folder["studies"], "--out", folder["trial.md"]);
        Assert.True(code == 0, output);
        string[][] rows = Rows(folder["trial.md"]);
        Assert.Equal(s_hold.Order(StringComparer.Ordinal), Names(rows, "holds"));
        Assert.Equal(s_onAzureAlone.Order(StringComparer.Ordinal), Names(rows, "not checked"));
        Assert.Equal(s_hold.Length + s_onAzureAlone.Length, rows.Length);
    }

    [Fact]
    public async Task Storage_that_locks_nothing_is_told_row_by_row_and_ends_with_exit_code_1()
    {
        using TemporaryFolder folder = new();
        await using Azurite azurite = await Azurite.StartAsync(TestContext.Current.CancellationToken);
        BlobServiceClient service = new(azurite.ConnectionString);
        await service.GetBlobContainerClient("packs").CreateAsync(cancellationToken: TestContext.Current.CancellationToken);
        string[] wanted = ["a version can be locked", "write over a locked version", "delete under a legal hold", "delete a locked pack"];
        (int code, string output) = await RepositoryScript.RunAsync("azure-trial.cs", [
            "--local", "--no-build", "--out", folder["trial.md"], "--blobs", service.Uri.AbsoluteUri, .. wanted.SelectMany(row => (string[])["--rows", row])]);
        Assert.True(code == 1, output);
        string[][] rows = Rows(folder["trial.md"]);
        Assert.Equal(wanted[..3].Order(StringComparer.Ordinal), Names(rows, "DOES NOT HOLD"));

        // Without a backup there is no pack to try it on: that is no "holds".
        Assert.Equal(wanted[3..], Names(rows, "not checked"));
    }

    [Fact]
    public async Task Without_a_region_and_an_application_it_says_so_and_does_nothing()
    {
        (int code, string output) = await RepositoryScript.RunAsync("azure-trial.cs", "--yes");
        Assert.Equal(1, code);
        Assert.Equal("Say --client-id and --location, or --local: docs/operations.md, \"A trial on Azure\".", output.Trim());
    }

    [Fact]
    public async Task It_says_what_it_costs_and_asks_before_it_does_anything()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "The stand-ins for az and azd are shell scripts.");
        using TemporaryFolder folder = new();
        Directory.CreateDirectory(folder["bin"]);
        foreach (string program in (string[])["az", "azd"])
        {
            const string account = "{ \"name\": \"Trials\", \"id\": \"00000000-0000-0000-0000-000000000001\", \"user\": { \"name\": \"somebody\" } }";
            await File.WriteAllTextAsync(folder["bin/" + program], $"#!/bin/sh\necho \"{program} $*\" >> '{folder["calls"]}'\necho '{account}'\n", TestContext.Current.CancellationToken);
            if (!OperatingSystem.IsWindows())
            {
                File.SetUnixFileMode(folder["bin/" + program], UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            }
        }

        Dictionary<string, string> path = new() { ["PATH"] = $"{folder["bin"]}:{Environment.GetEnvironmentVariable("PATH")}" };
        (int code, string output) = await RepositoryScript.RunAsync("azure-trial.cs", ["--client-id", "the-application", "--location", "westeurope"], path);
        Assert.Equal(1, code);
        Assert.Contains("to 'Trials' (00000000-0000-0000-0000-000000000001), westeurope, as somebody", output, StringComparison.Ordinal);
        Assert.Contains("together", output, StringComparison.Ordinal);
        Assert.DoesNotContain("$0.00\n", output[output.IndexOf("together", StringComparison.Ordinal)..], StringComparison.Ordinal);
        Assert.EndsWith("Nothing was done.\n", output, StringComparison.Ordinal);
        Assert.Equal(["az account show --only-show-errors", "azd auth login --check-status"], await File.ReadAllLinesAsync(folder["calls"], TestContext.Current.CancellationToken));
    }

    private static string[][] Rows(string file) => [.. File.ReadAllLines(file).Where(line => line.StartsWith("| ", StringComparison.Ordinal)).Skip(1).Select(line => line.Split(" | "))];

    private static IEnumerable<string> Names(string[][] rows, string answer) =>
        rows.Where(row => row[^1] == answer + " |").Select(row => row[0][2..]).Order(StringComparer.Ordinal);
}
