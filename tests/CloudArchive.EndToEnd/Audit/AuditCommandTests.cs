using System.Text.Json;
using CloudArchive.Cli;
using CloudArchive.Cli.Agent;
using CloudArchive.Cli.Audit;
using CloudArchive.Cli.Backup;
using CloudArchive.Core.Storage;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Signing;

namespace CloudArchive.EndToEnd.Audit;

public sealed class AuditCommandTests(AuditedArchive fixture)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_export_verifies_offline_and_the_live_log_verifies_too()
    {
        using AuditedClinic clinic = await AuditedClinic.CreateAsync(fixture);
        await clinic.AppendAsync(300);
        await clinic.CheckpointAsync();
        await clinic.AppendAsync(20);
        string export = await clinic.ExportAsync("export");

        AuditedClinic.Ran verified = (await clinic.RunAsync("nobody", "audit", "verify", export, "--key", clinic["keys.json"])).Expect(ExitCode.Ok);
        Assert.Contains("20 came after it", verified.Output, StringComparison.Ordinal);
        using JsonDocument json = JsonDocument.Parse((await clinic.RunAsync("nobody", "audit", "verify", export, "--key", clinic["keys.json"], "--json")).Expect(ExitCode.Ok).Output);
        Assert.True(json.RootElement.GetProperty("holds").GetBoolean());
        Assert.Equal(clinic.Name, json.RootElement.GetProperty("log").GetString());
        (await clinic.RunAsync("compliance", "audit", "verify", "--live", "--clinic", clinic.Name, "--key", clinic["keys.json"])).Expect(ExitCode.Ok);

        // An enrolled computer has the keys, which are the service's and not a clinic's.
        (await (await fixture.SharedAsync()).RunAsync("agent", "audit", "verify", export)).Expect(ExitCode.Ok);
    }

    [Fact]
    public async Task The_systems_log_exports_and_verifies()
    {
        AuditedClinic clinic = await fixture.SharedAsync();
        (await clinic.RunAsync("compliance", "audit", "export", clinic["system"], "--system")).Expect(ExitCode.Ok);
        Assert.Contains(AuditEntry.SystemLog, (await clinic.RunAsync("nobody", "audit", "verify", clinic["system"], "--key", clinic["keys.json"])).Expect(ExitCode.Ok).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_entry_that_was_changed_in_storage_is_named_offline_and_live()
    {
        using AuditedClinic clinic = await AuditedClinic.CreateAsync(fixture);
        await clinic.AppendAsync(300);
        await clinic.CheckpointAsync();
        await clinic.ChangeAsync(123, json => json.Replace("\"outcome\":\"success\"", "\"outcome\":\"refused\""));
        string export = await clinic.ExportAsync("export");
        foreach (AuditedClinic.Ran run in new[]
        {
            await clinic.RunAsync("nobody", "audit", "verify", export, "--key", clinic["keys.json"]),
            await clinic.RunAsync("compliance", "audit", "verify", "--live", "--clinic", clinic.Name, "--key", clinic["keys.json"]),
        })
        {
            Assert.Contains("DOES NOT HOLD", run.Expect(ExitCode.LogAlarm).Output, StringComparison.Ordinal);
            Assert.Contains("Entry 123 was changed", run.Output, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_row_that_nobody_appended_is_named_although_the_log_is_stopped_by_it()
    {
        using AuditedClinic clinic = await AuditedClinic.CreateAsync(fixture);
        await clinic.AppendAsync(10);
        await clinic.CheckpointAsync();
        Row last = (await clinic.RowsAsync()).Last(row => row.Key.StartsWith("e_", StringComparison.Ordinal));
        long next = long.Parse(last.Key[2..]) + 1;
        await clinic.Rows.SubmitAsync(RowTable.Audit, clinic.Name, [new RowWrite.Insert($"e_{next:D16}", last.Values)], Cancel);
        string export = await clinic.ExportAsync("export");
        Assert.Contains($"place {next} was not appended", (await clinic.RunAsync("nobody", "audit", "verify", export, "--key", clinic["keys.json"])).Expect(ExitCode.LogAlarm).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_log_without_a_checkpoint_yet_is_not_checked_and_raises_no_alarm()
    {
        using AuditedClinic clinic = await AuditedClinic.CreateAsync(fixture);
        await clinic.AppendAsync(3);
        AuditedClinic.Ran run = (await clinic.RunAsync("compliance", "audit", "verify", "--live", "--clinic", clinic.Name, "--key", clinic["keys.json"])).Expect(ExitCode.NotChecked);
        Assert.Contains("NOT CHECKED", run.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("HOLD", run.Output, StringComparison.Ordinal);
        await clinic.CheckpointAsync();
        (await clinic.RunAsync("compliance", "audit", "verify", "--live", "--clinic", clinic.Name, "--key", clinic["keys.json"])).Expect(ExitCode.Ok);
    }

    [Fact]
    public async Task A_damaged_head_is_an_alarm_and_no_outage_and_the_entries_can_be_taken_out_all_the_same()
    {
        using AuditedClinic clinic = await AuditedClinic.CreateAsync(fixture, enrolled: true);
        using AgentSession agent = clinic.OpenAgent();
        await clinic.AppendAsync(10);
        await clinic.CheckpointAsync();
        Assert.Null(await LogWatch.CheckAsync(agent, TimeProvider.System, Cancel));
        await clinic.AppendAsync(5);
        await clinic.CheckpointAsync();
        Row head = (await clinic.Rows.FindAsync(RowTable.Audit, clinic.Name, "head", Cancel))!;
        await clinic.Rows.SubmitAsync(RowTable.Audit, clinic.Name, [new RowWrite.Upsert("head", new Dictionary<string, object>(head.Values) { ["size"] = 1000L })], Cancel);

        AuditedClinic.Ran live = (await clinic.RunAsync("compliance", "audit", "verify", "--live", "--clinic", clinic.Name, "--key", clinic["keys.json"])).Expect(ExitCode.LogAlarm);
        Assert.Contains("DOES NOT HOLD", live.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("Nothing is lost", live.Output + live.Error, StringComparison.Ordinal);

        AuditedClinic.Ran export = (await clinic.RunAsync("compliance", "audit", "export", clinic["export"], "--clinic", clinic.Name)).Expect(ExitCode.LogAlarm);
        Assert.Contains("damaged", export.Error, StringComparison.Ordinal);
        Assert.True(File.ReadLines(clinic["export/entries.jsonl"]).Count() > 15);
        Assert.Contains("found the log damaged", (await clinic.RunAsync("nobody", "audit", "verify", clinic["export"], "--key", clinic["keys.json"])).Expect(ExitCode.LogAlarm).Output, StringComparison.Ordinal);

        // The agent, which is a witness, says the same; it is not "could not be checked".
        await Assert.ThrowsAsync<LogAlarmException>(() => LogWatch.CheckAsync(agent, TimeProvider.System, Cancel));
    }

    [Fact]
    public async Task A_checkpoint_that_was_kept_finds_a_log_that_was_rolled_back_and_lost_its_later_checkpoints()
    {
        using AuditedClinic clinic = await AuditedClinic.CreateAsync(fixture);
        await clinic.AppendAsync(10);
        await clinic.CheckpointAsync();
        await clinic.AppendAsync(10);
        string before = await clinic.ExportAsync("before");
        await File.WriteAllTextAsync(clinic["kept.jws"], (await clinic.CheckpointAsync()).Jws, Cancel);
        (await clinic.RunAsync("nobody", "audit", "verify", before, "--key", clinic["keys.json"])).Expect(ExitCode.Ok);
        Assert.Contains("rolled back", (await clinic.RunAsync("nobody", "audit", "verify", before, "--key", clinic["keys.json"], "--seen", clinic["kept.jws"])).Expect(ExitCode.LogAlarm).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_makes_no_sense_is_a_usage_error()
    {
        AuditedClinic clinic = await fixture.SharedAsync();
        string export = await clinic.ExportAsync("usage");
        (await clinic.RunAsync("nobody", "audit", "verify", "--key", clinic["keys.json"])).Expect(ExitCode.Usage);
        (await clinic.RunAsync("nobody", "audit", "verify", export, "--live", "--key", clinic["keys.json"])).Expect(ExitCode.Usage);
        (await clinic.RunAsync("nobody", "audit", "verify", export)).Expect(ExitCode.Usage);
        await File.WriteAllTextAsync(clinic["no-keys.json"], "{}", Cancel);
        (await clinic.RunAsync("nobody", "audit", "verify", export, "--key", clinic["no-keys.json"])).Expect(ExitCode.Usage);
        (await clinic.RunAsync("nobody", "audit", "verify", clinic["nothing"], "--key", clinic["keys.json"])).Expect(ExitCode.Local);
        (await clinic.RunAsync("compliance", "audit", "export", export, "--clinic", clinic.Name)).Expect(ExitCode.Usage);
    }

    [Fact]
    public async Task A_witness_follows_a_log_and_raises_the_alarm_when_it_was_rolled_back_or_rewritten()
    {
        using AuditedClinic clinic = await AuditedClinic.CreateAsync(fixture, enrolled: true);
        using AgentSession agent = clinic.OpenAgent();
        Witness witness = new(agent.Client, agent.Identity.SigningKeys, agent.Home.Path);
        Assert.Null(await witness.CheckAsync(clinic.Name, Cancel));
        await clinic.AppendAsync(10);
        await clinic.CheckpointAsync();
        IReadOnlyList<Row> early = await clinic.RowsAsync();
        Assert.Equal((await clinic.CheckpointAsync()).Statement, await witness.CheckAsync(clinic.Name, Cancel));
        Assert.Equal((await clinic.CheckpointAsync()).Statement, await witness.CheckAsync(clinic.Name, Cancel));
        await clinic.AppendAsync(300);
        Checkpoint seen = (await clinic.CheckpointAsync()).Statement;
        Assert.Equal(seen, await witness.CheckAsync(clinic.Name, Cancel));

        // Somebody rolls the log back and writes other entries, and has the service's key: storage keeps the checkpoints that were, and the
        // newest that a witness is shown is theirs.
        await clinic.RollBackAsync(early);
        await clinic.AppendAsync(350);
        TreeHead head = await clinic.GetAsync<TreeHead>("compliance", "head");
        string kid = await clinic.Archive.Keys.GetCurrentKeyIdAsync(Cancel);
        SignedCheckpoint forged = await SignedCheckpoint.SignAsync(
            seen with { Size = head.Size, Root = head.Root, Time = seen.Time.AddHours(1) }, kid, (data, ct) => clinic.Archive.Keys.SignAsync(kid, data, ct), Cancel);
        BlobName name = new(VaultArea.Records, $"{clinic.Name}/checkpoints/{head.Size:D16}-{forged.Statement.Time:yyyyMMdd'T'HHmmssfff'Z'}.jws");
        await clinic.Archive.Storage.Vault.WriteNewAsync(name, System.Text.Encoding.ASCII.GetBytes(forged.Jws), "application/jose", Cancel);

        LogAlarmException alarm = await Assert.ThrowsAsync<LogAlarmException>(() => witness.CheckAsync(clinic.Name, Cancel));
        Assert.Contains("rewritten", alarm.Message, StringComparison.Ordinal);
        Assert.Equal(ExitCode.LogAlarm, alarm.Code);

        // It stays an alarm, and what contradicts is kept.
        await Assert.ThrowsAsync<LogAlarmException>(() => witness.CheckAsync(clinic.Name, Cancel));
        Assert.Equal(forged.Jws, (await File.ReadAllTextAsync(Assert.Single(Directory.GetFiles(agent.Home.Path, "*.contradicted-*")), Cancel)).Trim());
    }

    [Fact]
    public async Task A_witness_does_not_believe_a_checkpoint_by_a_key_that_it_did_not_pin()
    {
        AuditedClinic clinic = await fixture.SharedAsync();
        using AgentSession agent = clinic.OpenAgent();
        Witness stranger = new(agent.Client, new JwkSet([]), agent.Home.Path);
        Assert.Contains("key that this computer does not know", (await Assert.ThrowsAsync<LogAlarmException>(() => stranger.CheckAsync(clinic.Name, Cancel))).Message, StringComparison.Ordinal);
    }
}
