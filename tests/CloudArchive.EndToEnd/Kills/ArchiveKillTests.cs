using System.Diagnostics;

namespace CloudArchive.EndToEnd.Kills;

/// <summary>SIGKILL for LocalHost, or for one of its three Azurites, while a backup runs: started again, a plain re-run ends complete.</summary>
public sealed class ArchiveKillTests
{
    [Fact]
    public Task A_LocalHost_that_is_killed_again_and_again_loses_nothing() => KillAsync("LocalHost", (archive, _) => archive.KillAsync());

    [Fact]
    public Task An_Azurite_that_is_killed_again_and_again_loses_nothing() => KillAsync("Azurite", async (archive, random) =>
    {
        using (Process azurite = Process.GetProcessById(archive.ProcessIds[random.Next(1, archive.ProcessIds.Count)]))
        {
            azurite.Kill();
        }

        await archive.WaitForEndAsync(); // LocalHost does not go on without its storage
    });

    private static async Task KillAsync(string what, Func<ArchiveProcess, Random, Task> killAsync)
    {
        await using Practice practice = await Practice.OpenAsync();
        Kills kills = new(what);
        LivingFolder folder = new(practice["clinic"], kills.Random);
        folder.Grow();
        long began = Stopwatch.GetTimestamp();
        await practice.BackUpAsync(folder.Path);
        kills.NoteWhole(Stopwatch.GetElapsedTime(began));
        while (kills.GoesOn)
        {
            folder.Grow();
            Task<CliRun> backup = practice.Agent.RunAsync("backup", folder.Path, "--json");
            await Task.WhenAny(backup, Task.Delay(kills.NextMoment(), TestContext.Current.CancellationToken));
            await killAsync(practice.Archive, kills.Random);
            kills.NoteKilled();
            await practice.RestartArchiveAsync();
            await backup; // however it ended: it may have waited for the archive
            await AfterKills.BackUpAsync(practice, folder, kills.Said);
            if (kills.IsCheckDue)
            {
                (await practice.Agent.RunAsync("status")).Expect(0);
            }
        }

        await AfterKills.CheckAsync(practice, folder, kills.Said);
    }
}
