using System.Security.Cryptography;
using System.Text;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.LocalHost.Tests.Storage;

namespace CloudArchive.LocalHost.Tests.Audit;

/// <summary>Somebody has the key of the storage account and changes the log behind the service's back.</summary>
public sealed class AuditTamperTests(SharedStorage shared)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_log_that_nobody_touched_verifies()
    {
        using StoredLog log = await CreateAsync();
        AuditReport report = await log.VerifyAsync();
        Assert.Empty(report.Findings);
        Assert.Equal((300, 280), (report.Entries, report.Covered));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(255)]
    [InlineData(279)]
    [InlineData(290)]
    public async Task A_field_that_was_changed_is_found_and_its_entry_named(int index)
    {
        using StoredLog log = await CreateAsync();
        await log.ChangeAsync(index, json => json.Replace("\"outcome\":\"success\"", "\"outcome\":\"failure\""));
        Assert.Equal((AuditFault.Altered, index), Only(await log.VerifyAsync()));
    }

    [Fact]
    public async Task A_field_that_was_changed_together_with_every_hash_in_the_tables_is_found_by_the_checkpoint()
    {
        using StoredLog log = await CreateAsync();
        await log.ChangeAsync(260, json => json.Replace("agent-1", "agent-2"));
        List<Row> entries = [.. (await log.RowsAsync()).Where(row => row.Key.StartsWith("e_", StringComparison.Ordinal))];
        byte[] edge = [.. entries.Skip(256).SelectMany(row => Merkle.LeafHash(Encoding.UTF8.GetBytes(row.Text("json")!)).ToBytes())];
        Row head = (await log.Rows.FindAsync(RowTable.Audit, log.Name, "head", Cancel))!;
        await log.WriteAsync(new RowWrite.Upsert("head", new Dictionary<string, object>(head.Values) { ["tile0"] = edge }));

        Assert.Equal((AuditFault.RootMismatch, 120), Only(await log.VerifyAsync()));
        AuditLogDamagedException refused = await Assert.ThrowsAsync<AuditLogDamagedException>(() => log.Checkpoints.MakeAsync(log.Name, Cancel));
        Assert.Contains("rewritten", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_entry_that_was_deleted_is_named()
    {
        using StoredLog log = await CreateAsync();
        Row row = await log.EntryAsync(77);
        await log.WriteAsync(new RowWrite.Delete(row.Key, row.ETag!));
        Assert.Equal((AuditFault.Missing, 77), Only(await log.VerifyAsync()));
    }

    [Fact]
    public async Task The_last_entry_that_was_deleted_is_named()
    {
        using StoredLog log = await CreateAsync();
        Row row = await log.EntryAsync(299);
        await log.WriteAsync(new RowWrite.Delete(row.Key, row.ETag!));
        Assert.Equal((AuditFault.Missing, 299), Only(await log.VerifyAsync()));
    }

    [Fact]
    public async Task Two_entries_that_were_swapped_are_found_and_the_first_place_named()
    {
        using StoredLog log = await CreateAsync();
        Row one = await log.EntryAsync(40), other = await log.EntryAsync(200);
        await log.WriteAsync(new RowWrite.Upsert(one.Key, other.Values), new RowWrite.Upsert(other.Key, one.Values));
        Assert.Equal((AuditFault.OutOfOrder, 40), Only(await log.VerifyAsync()));
    }

    [Theory]
    [InlineData(300)]
    [InlineData(305)]
    public async Task An_entry_that_was_added_without_the_head_is_named_and_stops_the_log(int index)
    {
        using StoredLog log = await CreateAsync();
        Row last = await log.EntryAsync(299);
        string json = last.Text("json")!.Replace("\"index\":299", $"\"index\":{index}");
        await log.WriteAsync(new RowWrite.Insert(StoredLog.KeyOf(index), new Dictionary<string, object>(last.Values) { ["json"] = json }));

        Assert.Equal((AuditFault.BeyondHead, 300), Only(await log.VerifyAsync()));
        AuditLogDamagedException stopped = await Assert.ThrowsAsync<AuditLogDamagedException>(() => log.AppendAsync(10));
        Assert.Contains(StoredLog.KeyOf(index), stopped.Message, StringComparison.Ordinal);
        await log.WriteAsync(new RowWrite.Delete(StoredLog.KeyOf(index), (await log.EntryAsync(index)).ETag!));
        await log.AppendAsync(10);
        Assert.True((await log.VerifyAsync()).Holds);
    }

    [Fact]
    public async Task A_log_that_was_rolled_back_to_an_earlier_state_is_found_by_its_checkpoint_and_gets_no_other()
    {
        using StoredLog log = await CreateAsync();
        IReadOnlyList<Row> then = await log.RowsAsync();
        await log.AppendAsync(100);
        string kept = (await log.Checkpoints.MakeAsync(log.Name, Cancel)).Jws;
        await log.RollBackAsync(then);

        Assert.Equal((AuditFault.RolledBack, 300), Only(await log.VerifyAsync()));
        AuditLogDamagedException refused = await Assert.ThrowsAsync<AuditLogDamagedException>(() => log.Checkpoints.MakeAsync(log.Name, Cancel));
        Assert.Contains("rolled back", refused.Message, StringComparison.Ordinal);

        // Grown anew beyond where it was, with other entries.
        await log.AppendAsync(150, AuditActions.PackAbandoned);
        Assert.Equal((AuditFault.RootMismatch, 280), Only(await log.VerifyAsync()));
        Assert.Equal((AuditFault.RootMismatch, 280), Only(await log.VerifyAsync(kept)));
        refused = await Assert.ThrowsAsync<AuditLogDamagedException>(() => log.Checkpoints.MakeAsync(log.Name, Cancel));
        Assert.Contains("rewritten", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_log_that_was_emptied_is_found_by_its_checkpoint()
    {
        using StoredLog log = await CreateAsync();
        await log.RollBackAsync([]);
        Assert.Equal((AuditFault.RolledBack, 0), Only(await log.VerifyAsync()));
        await Assert.ThrowsAsync<AuditLogDamagedException>(() => log.Checkpoints.MakeAsync(log.Name, Cancel));
    }

    [Fact]
    public async Task A_checkpoint_cannot_be_deleted_to_hide_it()
    {
        using StoredLog log = await CreateAsync();
        int checkpoints = 0;
        await foreach (ListedBlob blob in log.Vault.ListAsync(VaultArea.Records, log.Name + "/checkpoints/", null, Cancel))
        {
            await Assert.ThrowsAsync<BlobProtectedException>(() => log.Vault.DeleteAsync(blob.Name, blob.VersionId, Cancel));
            checkpoints++;
        }

        Assert.Equal(2, checkpoints);
    }

    [Fact]
    public async Task A_log_that_was_rewritten_and_signed_with_another_key_is_found()
    {
        using StoredLog log = await CreateAsync();
        TreeHead head = await log.Reader.GetHeadAsync(log.Name, Cancel);
        using ECDsa other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        Checkpoint statement = new(Checkpoint.CurrentFormat, log.Name, head.Size, head.Root, log.Clock.GetUtcNow());

        // Under a name of its own, and under the name of the service's key.
        foreach (string kid in new[] { "other-key", await log.Keys.GetCurrentKeyIdAsync(Cancel) })
        {
            SignedCheckpoint forged = await SignedCheckpoint.SignAsync(statement, kid, (data, _) => Task.FromResult(other.SignData(data.Span, HashAlgorithmName.SHA256)), Cancel);
            BlobName name = new(VaultArea.Records, $"{log.Name}/checkpoints/{head.Size:D16}-{statement.Time:yyyyMMdd'T'HHmmssfff'Z'}.jws");
            string version = await log.Vault.WriteNewAsync(name, Encoding.ASCII.GetBytes(forged.Jws), "application/jose", Cancel);
            Assert.Equal(kid == "other-key" ? AuditFault.UnknownKey : AuditFault.BadCheckpoint, (await log.VerifyAsync()).Findings[0].Fault);
            await Assert.ThrowsAsync<AuditLogDamagedException>(() => log.Checkpoints.MakeAsync(log.Name, Cancel));
            await Assert.ThrowsAsync<AuditLogDamagedException>(() => log.Checkpoints.FindLastAsync(log.Name, Cancel));
            await log.Vault.DeleteAsync(name, version, Cancel);
        }

        Assert.True((await log.VerifyAsync()).Holds);
    }

    /// <summary>300 entries; checkpoints at 120 and 280.</summary>
    private async Task<StoredLog> CreateAsync()
    {
        StoredLog log = await StoredLog.CreateAsync(shared);
        await log.AppendAsync(120);
        await log.Checkpoints.MakeAsync(log.Name, Cancel);
        await log.AppendAsync(160);
        await log.Checkpoints.MakeAsync(log.Name, Cancel);
        await log.AppendAsync(20);
        return log;
    }

    private static (AuditFault, int?) Only(AuditReport report)
    {
        AuditFinding finding = Assert.Single(report.Findings);
        return (finding.Fault, (int?)finding.Index);
    }
}
