using System.Text.Json.Nodes;
using CloudArchive.Cli;
using CloudArchive.Core;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Retention;
using CloudArchive.Core.Verdicts;
using CloudArchive.EndToEnd.RestoreTests;
using CloudArchive.Format;
using CloudArchive.Testing;
using Microsoft.Extensions.DependencyInjection;

namespace CloudArchive.EndToEnd.Losses;

/// <summary>Packs that are not what they were, or not there any more, past every protection or in their time: who still has the files sends them again, and where nobody does, everybody is told.</summary>
public sealed class LostPacksTests
{
    private static readonly TimeSpan s_later = TimeSpan.FromDays(400);
    private static readonly Requester s_by = Requester.System("test", "test");

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_was_flipped_deleted_or_destroyed_is_uploaded_again_and_the_next_restore_test_passes()
    {
        await using TamperedArchive archive = await TamperedArchive.CreateAsync(retentionYears: 1);
        (PackId flipped, PackId deleted) = await LoseAsync(archive);

        JsonObject failed = (await TestAsync(archive)).Expect(ExitCode.Integrity).Json;
        Assert.Equal(
            [(deleted, "missing"), (flipped, "hash-mismatch")],
            failed["packs"]!.AsArray().Where(pack => (string?)pack!["result"]!["cause"] is not null).Select(pack => (PackId.Parse((string)pack!["pack"]!), (string)pack["result"]!["cause"]!)).OrderByDescending(pack => pack.Item2));
        string page = await archive.ReadPageAsync();
        Assert.Contains("Not safe", page);
        Assert.Contains("The archive lost 2 packs", page);
        Assert.Contains("The last restore test failed", page);
        Assert.Equal(["pack-lost", "restore-test-failed"], await AlertsAsync(archive));

        JsonObject backup = (await archive.RunAgentAsync("backup", archive["clinic"], "--json")).Expect(ExitCode.Ok).Json;
        Assert.Equal((2, 1, 3, 4, true), ((int)backup["lostPacks"]!, (int)backup["destroyedPacks"]!, (int)backup["packs"]!, (int)backup["backedUp"]!, (bool)backup["safe"]!));
        Assert.Contains(" SAFE ", (await archive.RunAgentAsync("status")).Expect(ExitCode.Ok).Output);

        JsonObject passed = (await TestAsync(archive)).Expect(ExitCode.Ok).Json;
        Assert.Equal((4 + 5, 0), ((int)passed["passed"]!, (int)passed["failed"]!)); // four studies, and a snapshot of each backup
        await LookAsync(archive);
        Assert.Equal(["restore-test-failed"], await AlertsAsync(archive)); // what happened once is a person's to close
        page = await archive.ReadPageAsync();
        Assert.Contains("Every file that was found is in the archive, or was excluded on purpose.", page);

        foreach (string name in (string[])["flipped", "deleted", "destroyed", "whole"])
        {
            (await archive.RunAsync(
                "admin", "restore", "--clinic", TamperedArchive.Clinic, "--study", SampleStudies.UidOf("study study of " + name), "--out", archive["back"], "--purpose", "test", "--recipient", "test")).Expect(ExitCode.Ok);
        }

        Assert.Equal(Practice.Contents(archive["clinic"]), Practice.Contents(archive["back"]));

        // As it was before the loss: the snapshot of then names packs that are gone, and what they held is in others.
        JsonArray snapshots = JsonNode.Parse((await archive.RunAsync("admin", "snapshots", "--clinic", TamperedArchive.Clinic, "--json")).Expect(ExitCode.Ok).Output)!.AsArray();
        string before = snapshots.Select(snapshot => (string)snapshot!["takenAt"]!).Order(StringComparer.Ordinal).ElementAt(3);
        (await archive.RunApprovedAsync(
            "restore", "--clinic", TamperedArchive.Clinic, "--as-of", before, "--out", archive["then"], "--purpose", "test", "--recipient", "test")).Expect(ExitCode.Ok);
        Assert.Equal(Practice.Contents(archive["clinic"]), Practice.Contents(archive["then"]));
    }

    [Fact]
    public async Task What_no_computer_has_any_more_is_told_as_lost_by_status_portal_and_alerts_until_a_person_knows()
    {
        await using TamperedArchive archive = await TamperedArchive.CreateAsync(retentionYears: 1);
        await LoseAsync(archive);
        foreach (string name in (string[])["flipped", "deleted", "destroyed"])
        {
            File.Delete(Path.Combine(archive["clinic"], name + ".dcm"));
        }

        (await TestAsync(archive)).Expect(ExitCode.Integrity);
        JsonObject backup = (await archive.RunAgentAsync("backup", archive["clinic"], "--json")).Json;
        Assert.Equal((0, false), ((int)backup["packs"]!, (bool)backup["safe"]!));

        // What was destroyed in its time is no loss.
        TamperedArchive.Ran status = (await archive.RunAgentAsync("status")).Expect(ExitCode.NotSafe);
        Assert.Contains(" NOT SAFE ", status.Output);
        string told = string.Join(' ', status.Output.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)); // the terminal breaks lines
        Assert.Matches(@"! 2 archived files \([^)]+\) are lost: the archive lost the pack, and the computer no longer has the source\. Tell the archive's operator\.", told);
        string page = await archive.ReadPageAsync();
        Assert.Contains("Not safe", page);
        Assert.Contains("2 archived files", page);
        Assert.Contains("The archive lost 2 packs", page);
        Assert.Equal(["files-lost", "pack-lost", "restore-test-failed"], await AlertsAsync(archive));
        await LookAsync(archive);
        Assert.Equal(["files-lost", "pack-lost", "restore-test-failed"], await AlertsAsync(archive));

        JsonObject again = (await TestAsync(archive)).Expect(ExitCode.Integrity).Json;
        Assert.Equal((1 + 5, 2), ((int)again["passed"]!, (int)again["failed"]!)); // of the packs two; a snapshot of each backup
    }

    /// <summary>
    /// Four studies, a pack each: one is destroyed in its time with an admin's approval, of one a bit is flipped, one is deleted behind everybody's back,
    /// one stays whole.
    /// </summary>
    private static async Task<(PackId Flipped, PackId Deleted)> LoseAsync(TamperedArchive archive)
    {
        await BackUpAsync(archive, "destroyed");
        await (await archive.StopAsync()).DisposeAsync();
        await archive.StartAsync(s_later);
        PackId flipped = await BackUpAsync(archive, "flipped"), deleted = await BackUpAsync(archive, "deleted");
        await BackUpAsync(archive, "whole");

        RetentionRun retention = archive.Services.GetRequiredService<RetentionRun>();
        ClinicId clinic = ClinicId.Parse(TamperedArchive.Clinic);
        Assert.Equal((1, 0), await retention.RunAsync(clinic, 1000, s_by, Cancel) is var asked ? (asked.Requested, asked.Destroyed) : default);
        string order = (string)JsonNode.Parse((await archive.RunAsync("admin", "retention", "destructions", "--pending", "--clinic", TamperedArchive.Clinic, "--json")).Expect(ExitCode.Ok).Output)![0]!["destruction"]!;
        (await archive.RunAsync("admin", "retention", "approve", order, "--clinic", TamperedArchive.Clinic)).Expect(ExitCode.Ok);
        Assert.Equal((0, 1), await retention.RunAsync(clinic, 1000, s_by, Cancel) is var done ? (done.Requested, done.Destroyed) : default);

        await using (TamperedStorage storage = await archive.StopAsync())
        {
            await storage.ChangeAsync(flipped, "", bytes =>
            {
                bytes[bytes.Length / 2] ^= 1;
                return bytes;
            });
            await storage.DeleteAsync(deleted, "");
        }

        await archive.StartAsync(s_later);
        return (flipped, deleted);
    }

    private static async Task<PackId> BackUpAsync(TamperedArchive archive, string name)
    {
        SampleStudies.WriteOne(Path.Combine(archive["clinic"], name + ".dcm"), name);
        return Assert.Single(await archive.BackUpAsync("clinic"));
    }

    private static Task<TamperedArchive.Ran> TestAsync(TamperedArchive archive) =>
        archive.RunAsync("admin", "restore-test", "run", "--clinic", TamperedArchive.Clinic, "--packs", "100", "--bytes", "100000000000", "--json");

    /// <summary>What the service looks after by the hour.</summary>
    private static async Task LookAsync(TamperedArchive archive)
    {
        await archive.Services.GetRequiredService<LogCheck>().RunAsync(TamperedArchive.Clinic, null, TimeSpan.FromMinutes(30), s_by, Cancel);
        Assert.NotNull(await archive.Services.GetRequiredService<ClinicWatch>().RunAsync(ClinicId.Parse(TamperedArchive.Clinic), s_by, Cancel));
    }

    /// <summary>The causes of the clinic's open alerts.</summary>
    private static async Task<string[]> AlertsAsync(TamperedArchive archive) =>
    [
        .. JsonNode.Parse((await archive.RunAsync("admin", "alerts", "list", "--open", "--clinic", TamperedArchive.Clinic, "--json")).Expect(ExitCode.Ok).Output)!.AsArray()
            .Select(alert => (string)alert!["cause"]!).Order(StringComparer.Ordinal),
    ];
}
