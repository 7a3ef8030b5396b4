using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using CloudArchive.Testing;

namespace CloudArchive.EndToEnd.Kills;

/// <summary>SIGKILL for the agent, at any moment: a plain re-run ends complete, byte for byte, and the audit log verifies.</summary>
public sealed class AgentKillTests
{
    [Fact]
    public async Task A_backup_that_is_killed_again_and_again_ends_complete()
    {
        await using Practice practice = await Practice.OpenAsync();
        Kills kills = new("backup");
        LivingFolder folder = new(practice["clinic"], kills.Random);
        folder.Grow();
        await practice.BackUpAsync(folder.Path);
        for (folder.Grow(); kills.GoesOn; folder.Grow())
        {
            if (kills.Done == 0)
            {
                long began = Stopwatch.GetTimestamp();
                await practice.BackUpAsync(folder.Path);
                kills.NoteWhole(Stopwatch.GetElapsedTime(began));
                folder.Grow();
            }

            if (await kills.KillAsync(practice.Agent, "backup", folder.Path, "--json") && kills.IsCheckDue)
            {
                await AfterKills.BackUpAsync(practice, folder, kills.Said);
            }
        }

        await AfterKills.CheckAsync(practice, folder, kills.Said);
    }

    [Fact]
    public async Task A_watch_that_is_killed_again_and_again_ends_complete()
    {
        await using Practice practice = await Practice.OpenAsync();
        Kills kills = new("watch");
        LivingFolder folder = new(practice["clinic"], kills.Random);
        kills.NoteWhole(TimeSpan.FromSeconds(6));
        string[] watch = ["watch", folder.Path, "--settle", "1", "--rescan", "1"];
        folder.Grow();
        while (kills.GoesOn)
        {
            Task<bool> killed = kills.KillAsync(practice.Agent, watch);
            await Task.Delay(TimeSpan.FromSeconds(2 * kills.Random.NextDouble()), TestContext.Current.CancellationToken);
            folder.Grow();
            Assert.True(await killed, $"watch ended by itself ({kills.Said})");
            if (kills.IsCheckDue)
            {
                await WatchUntilSafeAsync(practice, watch, kills.Said);
            }
        }

        await AfterKills.CheckAsync(practice, folder, kills.Said);
    }

    [Fact]
    public async Task A_restore_that_is_killed_again_and_again_ends_complete()
    {
        await using Practice practice = await Practice.OpenAsync();
        Kills kills = new("restore");
        LivingFolder folder = new(practice["clinic"], kills.Random);
        for (int i = 0; i < 6; i++)
        {
            folder.Grow();
        }

        await practice.BackUpAsync(folder.Path);
        long began = Stopwatch.GetTimestamp();
        (await practice.RestoreEverythingAsync(practice["whole"])).Expect(0);
        kills.NoteWhole(Stopwatch.GetElapsedTime(began));
        HashSet<string> known = [.. Practice.Contents(practice["whole"])];

        string target = practice["restored"];
        while (kills.GoesOn)
        {
            if (!await kills.KillAsync(practice.Admin, RestoreEverything(practice, target)))
            {
                Directory.Delete(target, recursive: true);
                continue;
            }

            // All but what is on its way, which lies under names of its own.
            string[] whole = [.. Directory.Exists(target) ? Directory.GetFiles(target, "*", SearchOption.AllDirectories).Where(file => !Path.GetRelativePath(target, file).StartsWith(".cloudarchive-", StringComparison.Ordinal)) : []];
            Assert.All(whole, file => Assert.Contains(Practice.HashOf(file), known));
            if (kills.IsCheckDue)
            {
                (await practice.Admin.RunAsync(RestoreEverything(practice, target))).Expect(0);
                folder.Compare(target, kills.Said);
                Directory.Delete(target, recursive: true);
            }
        }

        await AfterKills.CheckLogAsync(practice);
    }

    private static string[] RestoreEverything(Practice practice, string target) =>
        ["restore", "--clinic", practice.Clinic, "--everything", "--out", target, "--purpose", "test", "--recipient", "test", "--json"];

    /// <summary>A watch is at work until <c>status</c> finds everything safe; then it is ended as a service manager ends it.</summary>
    private static async Task WatchUntilSafeAsync(Practice practice, string[] watch, string said)
    {
        using Process process = practice.Agent.Start(watch);
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> errors = process.StandardError.ReadToEndAsync();
        JsonObject status;
        int patience = 90;
        do
        {
            await Task.Delay(1000, TestContext.Current.CancellationToken);
            status = (await practice.Agent.RunAsync("status", "--json")).Json;
        }
        while (!(bool)status["safe"]! && --patience > 0 && !process.HasExited);

        bool ended = process.HasExited;
        Terminate(process);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.True(!ended && (bool)status["safe"]!, $"not safe after a watch ({said})\n{status}\n{await output}\n{await errors}");
    }

    private static void Terminate(Process process)
    {
        if (OperatingSystem.IsWindows())
        {
            process.Kill();
        }
        else if (!process.HasExited)
        {
            _ = Kill(process.Id, 15);
        }
    }

    [DllImport("libc", EntryPoint = "kill")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Kill(int pid, int signal);
}

/// <summary>What must hold after kills.</summary>
internal static class AfterKills
{
    /// <summary>A plain backup ends complete.</summary>
    public static async Task BackUpAsync(Practice practice, LivingFolder folder, string said)
    {
        CliRun run = await practice.Agent.RunAsync("backup", folder.Path, "--json");
        Assert.True(run.ExitCode == 0, $"backup ended with {run.ExitCode} ({said})\n{run.Output}\n{run.Error}");
        Assert.Equal(folder.Files, (int)run.Json["backedUp"]!);
    }

    /// <summary>All of it: backed up, safe, receipts and log verify, and everything comes back.</summary>
    public static async Task CheckAsync(Practice practice, LivingFolder folder, string said)
    {
        await BackUpAsync(practice, folder, said);
        (await practice.Agent.RunAsync("status")).Expect(0);
        (await practice.Agent.RunAsync("receipts", "verify")).Expect(0);
        (await practice.RestoreEverythingAsync(practice["after"])).Expect(0);
        folder.Compare(practice["after"], said);
        await CheckLogAsync(practice);
    }

    /// <summary>The audit log verifies, with the keys that this clinic's computer pinned, up to the checkpoint that a restore test makes.</summary>
    public static async Task CheckLogAsync(Practice practice)
    {
        (await practice.Admin.RunAsync("restore-test", "run", "--clinic", practice.Clinic, "--packs", "3")).Expect(0);
        Cli auditor = new(practice.Agent.Home, practice.Archive.Url, practice.Archive.ComplianceToken);
        CliRun verify = await auditor.RunAsync("audit", "verify", "--live", "--clinic", practice.Clinic);
        Assert.True(verify.ExitCode == 0, verify.Output + verify.Error);
    }
}
