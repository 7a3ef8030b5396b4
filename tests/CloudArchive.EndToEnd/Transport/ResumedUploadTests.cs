using System.Net;
using System.Text.Json.Nodes;
using CloudArchive.Cli;
using CloudArchive.Testing;
using Microsoft.Data.Sqlite;

namespace CloudArchive.EndToEnd.Transport;

/// <summary>Runs that are cut off in the middle of their packs. What they leave is the state as it stands on the disk at that moment.</summary>
[Collection(BadlyConnected.Name)]
public sealed class ResumedUploadTests(BadlyConnectedPractice practice)
{
    private const int Rate = 500_000;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("one large instance", 1, 8_000_000)]
    [InlineData("many packs", 6, 1_300_000)]
    public async Task Killed_at_ninety_percent_at_most_fifteen_are_sent_again(string key, int studies, int bytes)
    {
        string folder = Write(key, studies, bytes);
        long before = practice.Storage.BytesUp;
        long needed = Directory.GetFiles(folder).Sum(f => new FileInfo(f).Length);
        await KillAsync(folder, (long)(needed * 0.9));

        practice.Set(new NetworkFaults { UpBytesPerSecond = Rate * 4 });
        await practice.BackUpAsync(folder);
        Assert.InRange(practice.Storage.BytesUp - before, needed, (long)(needed * 1.15) + 50_000);
        for (int i = 0; i < studies; i++)
        {
            await ExpectBackAsync($"{key} {i}", Path.Combine(folder, $"{i}.dcm"));
        }
    }

    [Fact]
    public async Task A_file_that_changed_meanwhile_goes_under_another_pack_and_key_and_the_old_key_is_gone()
    {
        string folder = Write("changed", 1, 3_000_000);
        await KillAsync(folder, 2_000_000);
        string begun = (string)Query("SELECT pack FROM packs_under_way")!;
        string file = Path.Combine(folder, "0.dcm");
        byte[] content = await File.ReadAllBytesAsync(file, Cancel);
        content[^1] ^= 1;
        await File.WriteAllBytesAsync(file, content, Cancel);

        practice.Set(new NetworkFaults());
        (JsonObject report, _, _) = await practice.BackUpAsync(folder);
        Assert.NotEqual(begun, (string)Assert.Single(report["packIds"]!.AsArray())!);
        Assert.Equal(0L, Query("SELECT count(*) FROM packs_under_way"));
        Assert.Equal(0L, Query("SELECT count(*) FROM blocks"));
        await ExpectBackAsync("changed 0", file);
    }

    [Fact]
    public async Task A_computer_that_was_enrolled_again_makes_the_packs_of_the_former_one_anew()
    {
        string folder = Write("again", 1, 3_000_000);
        await KillAsync(folder, 2_000_000);
        practice.Set(new NetworkFaults());
        await practice.Practice.EnrollAsync("--again");
        await practice.BackUpAsync(folder);
        await ExpectBackAsync("again 0", Path.Combine(folder, "0.dcm"));
    }

    [Fact]
    public async Task A_pack_whose_commit_always_fails_is_named_and_neither_the_others_nor_later_runs_wait_for_it()
    {
        practice.Set(new NetworkFaults());
        string folder = Write("commit", 3, 200_000);
        string? bad = null;
        HttpResponseMessage? Fail(HttpRequestMessage request)
        {
            string path = request.RequestUri!.AbsolutePath;
            if (request.Method != HttpMethod.Post || !path.EndsWith("/commit", StringComparison.Ordinal))
            {
                return null;
            }

            bad ??= path;
            return path == bad ? new HttpResponseMessage(HttpStatusCode.InternalServerError) { RequestMessage = request } : null;
        }

        (ExitCode code, string output, string error) = await InProcessCli.RunInsteadAsync(practice.Practice.Agent.Home, Fail, "backup", folder);
        Assert.True(code == ExitCode.Incomplete, $"{code} {output}{error}");
        Assert.Contains("HTTP 500", output, StringComparison.Ordinal);
        Assert.Contains(".dcm", output, StringComparison.Ordinal);

        // The next run scans, and backs up what is new, although the pack still fails.
        SampleStudies.WriteNoise(Path.Combine(folder, "new.dcm"), "commit new", 10_000, "commit new");
        (code, output, error) = await InProcessCli.RunInsteadAsync(practice.Practice.Agent.Home, Fail, "backup", folder, "--json");
        Assert.Equal(ExitCode.Incomplete, code);
        JsonObject report = JsonNode.Parse(output)!.AsObject();
        Assert.Equal((3, 1, 1), ((int)report["backedUp"]!, (int)report["pending"]!, (int)report["packs"]!));
        Assert.Single(report["failedPacks"]!.AsArray());
        Assert.Equal(ExitCode.NotSafe, (await practice.RunAsync("status")).Code);

        // And when it works again, nothing is uploaded a second time.
        long before = practice.Storage.BytesUp;
        (JsonObject last, _, _) = await practice.BackUpAsync(folder);
        Assert.Equal((4, 1), ((int)last["backedUp"]!, (int)last["packs"]!));
        Assert.InRange(practice.Storage.BytesUp - before, 0, 10_000);
    }

    [Fact]
    public async Task An_agent_of_another_enrollments_receipts_outstanding_is_not_held_up_by_them()
    {
        practice.Set(new NetworkFaults());
        string folder = Write("outstanding", 1, 200_000);
        (ExitCode code, _, _) = await InProcessCli.RunAsync(
            practice.Practice.Agent.Home,
            (request, answer) => request.RequestUri!.AbsolutePath.EndsWith("/commit", StringComparison.Ordinal) ? new HttpResponseMessage(HttpStatusCode.InternalServerError) : answer,
            "backup",
            folder);
        Assert.Equal(ExitCode.Incomplete, code);
        await practice.Practice.EnrollAsync("--again");
        await practice.BackUpAsync(folder);
        await ExpectBackAsync("outstanding 0", Path.Combine(folder, "0.dcm"));
    }

    /// <summary>Files of a study each.</summary>
    private string Write(string key, int studies, int bytes)
    {
        string folder = practice.Practice[key];
        for (int i = 0; i < studies; i++)
        {
            SampleStudies.WriteNoise(Path.Combine(folder, $"{i}.dcm"), $"{key} {i}", bytes, $"{key} {i}");
        }

        return folder;
    }

    /// <summary>Backs up until so many bytes are out; the data folder is then as a kill would have left it.</summary>
    private async Task KillAsync(string folder, long at)
    {
        practice.Set(new NetworkFaults { UpBytesPerSecond = Rate });
        long before = practice.Storage.BytesUp;
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        Task<(ExitCode Code, string Output, string Error)> running = practice.RunAsync(null, stop.Token, "backup", folder);
        while (practice.Storage.BytesUp - before < at)
        {
            Assert.False(running.IsCompleted, "It ended before it could be killed.");
            await Task.Delay(10, Cancel);
        }

        string home = practice.Practice.Agent.Home;
        string left = home + "-left";
        Directory.CreateDirectory(left);
        foreach (string file in Directory.GetFiles(home).Where(f => !f.Contains(".db", StringComparison.Ordinal) && !f.EndsWith(".lock", StringComparison.Ordinal)))
        {
            File.Copy(file, Path.Combine(left, Path.GetFileName(file)));
        }

        string state = Path.Combine(left, practice.Practice.Clinic + ".db");
        Query($"VACUUM INTO '{state}'"); // what is committed, and nothing of what the run's end would write
        practice.Storage.ResetAll();
        await stop.CancelAsync();
        Assert.Equal(ExitCode.Cancelled, (await running).Code);
        Directory.Delete(home, recursive: true);
        Directory.Move(left, home);
    }

    private object? Query(string sql)
    {
        using SqliteConnection connection = new(new SqliteConnectionStringBuilder { DataSource = Path.Combine(practice.Practice.Agent.Home, practice.Practice.Clinic + ".db"), Pooling = false }.ConnectionString);
        connection.Open();
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = sql;
        return command.ExecuteScalar();
    }

    private async Task ExpectBackAsync(string study, string file)
    {
        practice.Set(new NetworkFaults());
        string target = practice.Practice[$"back {study}"];
        (ExitCode code, string output, string error) = await practice.RunAsync("restore", "--study", SampleStudies.UidOf("study " + study), "--out", target, "--purpose", "test", "--recipient", "test");
        Assert.True(code == ExitCode.Ok, output + error);
        Assert.Equal(await File.ReadAllBytesAsync(file, Cancel), await File.ReadAllBytesAsync(Assert.Single(Directory.GetFiles(target, "*", SearchOption.AllDirectories)), Cancel));
    }
}
