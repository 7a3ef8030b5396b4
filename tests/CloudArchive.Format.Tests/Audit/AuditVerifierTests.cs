using System.Security.Cryptography;
using CloudArchive.Format.Audit;
using CloudArchive.Testing;

namespace CloudArchive.Format.Tests.Audit;

public sealed class AuditVerifierTests : IDisposable
{
    private readonly MadeUpLog _log = new(40, 10, 30);

    public void Dispose() => _log.Dispose();

    [Fact]
    public void A_log_that_nobody_touched_holds()
    {
        AuditReport report = _log.Verify();
        Assert.Empty(report.Findings);
        Assert.True(report.Holds);
        Assert.Equal((MadeUpLog.Name, 40, 30), (report.Log, report.Entries, report.Covered));
        Assert.Equal(_log.RootOf(40), report.Root);
        Assert.True(_log.VerifyBare().Holds);
    }

    [Fact]
    public void An_empty_log_with_a_checkpoint_holds()
    {
        using MadeUpLog empty = new(0, 0);
        Assert.True(empty.Verify().Holds);
        Assert.Equal(MadeUpLog.Name, empty.Verify().Log);
    }

    [Fact]
    public void Every_changed_entry_is_named_whichever_it_is()
    {
        for (int i = 0; i < 40; i++)
        {
            using MadeUpLog log = new(40, 10, 30);
            log.Entries[i] = MadeUpLog.Write(MadeUpLog.Entry(i) with { Outcome = AuditOutcome.Failure });
            Assert.Equal((AuditFault.Altered, i), Only(log.Verify()));
        }
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(9, 0)]
    [InlineData(10, 10)]
    [InlineData(29, 10)]
    public void Without_the_tiles_a_changed_entry_is_found_between_two_checkpoints(int changed, int from)
    {
        _log.Entries[changed] = MadeUpLog.Write(MadeUpLog.Entry(changed) with { Reason = "changed" });
        AuditReport report = _log.VerifyBare();
        Assert.Equal((AuditFault.RootMismatch, from), Only(report));
        Assert.Equal(from, report.Covered);
    }

    [Fact]
    public void A_changed_entry_is_found_though_the_tiles_and_the_head_were_changed_with_it()
    {
        _log.Entries[12] = MadeUpLog.Write(MadeUpLog.Entry(12) with { Reason = "changed" });
        _log.Leaves[12] = Merkle.LeafHash(System.Text.Encoding.UTF8.GetBytes(_log.Entries[12])).Hex;
        _log.Head = new TreeHead(40, _log.RootOf(40));
        Assert.Equal((AuditFault.RootMismatch, 10), Only(_log.Verify()));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(17)]
    [InlineData(35)]
    public void A_missing_entry_is_named(int missing)
    {
        _log.Entries.RemoveAt(missing);
        Assert.Equal((AuditFault.Missing, missing), Only(_log.Verify()));
        Assert.Equal((AuditFault.Missing, missing), Only(_log.VerifyBare()));
    }

    [Fact]
    public void The_first_of_two_swapped_entries_is_named()
    {
        (_log.Entries[4], _log.Entries[21]) = (_log.Entries[21], _log.Entries[4]);
        Assert.Equal((AuditFault.OutOfOrder, 4), Only(_log.Verify()));
    }

    [Fact]
    public void Two_entries_that_were_swapped_with_their_numbers_are_found_by_their_times()
    {
        AuditEntry fourth = MadeUpLog.Entry(4), fifth = MadeUpLog.Entry(5);
        _log.Entries[4] = MadeUpLog.Write(fifth with { Index = 4 });
        _log.Entries[5] = MadeUpLog.Write(fourth with { Index = 5 });
        Assert.Equal((AuditFault.TimeRunsBackwards, 5), Only(_log.Verify()));
    }

    [Fact]
    public void An_entry_that_is_there_twice_is_named()
    {
        _log.Entries.Insert(8, _log.Entries[7]);
        Assert.Equal((AuditFault.OutOfOrder, 8), Only(_log.Verify()));
    }

    [Fact]
    public void An_entry_that_was_added_without_the_head_is_named()
    {
        _log.Entries.Add(MadeUpLog.Write(MadeUpLog.Entry(40)));
        Assert.Equal((AuditFault.BeyondHead, 40), Only(_log.Verify()));
    }

    [Fact]
    public void Entries_that_were_cut_off_at_the_end_are_named()
    {
        _log.Entries.RemoveRange(25, 15);
        Assert.Equal((AuditFault.RolledBack, 25), Only(_log.Verify()));
    }

    [Fact]
    public void Entries_that_no_checkpoint_covers_and_that_were_cut_off_are_missed_by_the_head()
    {
        _log.Entries.RemoveRange(35, 5);
        Assert.Equal((AuditFault.Missing, 35), Only(_log.Verify()));
    }

    [Fact]
    public void A_log_that_was_rolled_back_with_everything_is_found_by_a_checkpoint_that_somebody_kept()
    {
        string kept = _log.Checkpoints[1];
        using MadeUpLog earlier = new(20, 10);
        _log.Entries.RemoveRange(20, 20);
        _log.Leaves.RemoveRange(20, 20);
        _log.Checkpoints.RemoveAt(1);
        _log.Head = new TreeHead(20, _log.RootOf(20));
        Assert.True(_log.Verify().Holds);
        Assert.Equal((AuditFault.RolledBack, 20), Only(_log.Verify(kept)));
    }

    [Fact]
    public void A_log_that_was_rewritten_and_signed_anew_is_found_by_a_checkpoint_that_somebody_kept()
    {
        string kept = _log.Checkpoints[1];
        _log.Entries[28] = MadeUpLog.Write(MadeUpLog.Entry(28) with { Reason = "changed" });
        _log.Leaves[28] = Merkle.LeafHash(System.Text.Encoding.UTF8.GetBytes(_log.Entries[28])).Hex;
        _log.Head = new TreeHead(40, _log.RootOf(40));
        _log.Checkpoints[1] = _log.Sign(35, MadeUpLog.Start.AddHours(35));
        Assert.True(_log.Verify().Holds);
        Assert.Equal((AuditFault.RootMismatch, 10), Only(_log.Verify(kept)));
    }

    [Fact]
    public void Two_roots_for_the_same_entries_are_a_fork()
    {
        string other = _log.Sign(30, MadeUpLog.Start.AddHours(31), Sha256Digest.Of("other"u8));
        AuditReport report = _log.Verify(other);
        Assert.Equal(AuditFault.Forked, report.Findings[0].Fault);
        Assert.False(report.Holds);
    }

    [Fact]
    public void A_checkpoint_that_was_made_while_the_clock_was_slow_is_remarked_and_is_no_alarm()
    {
        _log.Checkpoints.Add(_log.Sign(36, MadeUpLog.Start.AddHours(2)));
        _log.Checkpoints.Add(_log.Sign(38, MadeUpLog.Start.AddHours(38)));
        AuditReport report = _log.Verify();
        Assert.True(report.Holds);
        Assert.Contains("clock was wrong", Assert.Single(report.Remarks), StringComparison.Ordinal);
        Assert.Equal(38, report.Covered);

        // What a slow clock excuses is a date. Who rolled a log back and wrote on has other entries at that place.
        _log.Checkpoints[2] = _log.Sign(36, MadeUpLog.Start.AddHours(2), Sha256Digest.Of("other"u8));
        Assert.False(_log.Verify().Holds);
    }

    [Fact]
    public void Checkpoints_that_were_kept_and_are_handed_in_any_order_are_no_remark()
    {
        AuditReport report = AuditVerifier.Verify(new AuditExport(_log.Entries, [_log.Checkpoints[1], _log.Checkpoints[0]]), _log.Keys);
        Assert.True(report.Holds);
        Assert.Empty(report.Remarks);
    }

    [Fact]
    public void Two_processes_may_make_checkpoints_at_once()
    {
        _log.Checkpoints.Add(_log.Sign(29, MadeUpLog.Start.AddHours(30).AddSeconds(2)));
        Assert.True(_log.Verify().Holds);
    }

    [Fact]
    public void A_checkpoint_by_another_key_is_not_believed_even_under_the_same_name()
    {
        using ECDsa other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        Checkpoint statement = new(Checkpoint.CurrentFormat, MadeUpLog.Name, 30, _log.RootOf(30), MadeUpLog.Start.AddHours(30));
        _log.Checkpoints[1] = MadeUpLog.Sign(statement, other, "key-2");
        Assert.Equal((AuditFault.UnknownKey, null), Only(_log.Verify()));
        _log.Checkpoints[1] = MadeUpLog.Sign(statement, other, "key-1");
        Assert.Equal((AuditFault.BadCheckpoint, null), Only(_log.Verify()));
    }

    [Fact]
    public void Without_any_checkpoint_nothing_vouches_for_the_entries()
    {
        _log.Checkpoints.Clear();
        AuditReport report = _log.Verify();
        Assert.Equal(AuditVerdict.NotVouchedFor, report.Verdict);
        Assert.False(report.Holds);
        Assert.Empty(report.Findings);
    }

    [Fact]
    public void A_log_that_is_old_enough_for_a_checkpoint_and_has_none_was_robbed_of_it()
    {
        _log.Checkpoints.Clear();
        DateTimeOffset dayAfter = MadeUpLog.Start + AuditVerifier.FirstCheckpointAfter;
        AuditExport live = new(_log.Entries, _log.Checkpoints, _log.Leaves, _log.Head);
        Assert.Equal(AuditVerdict.NotVouchedFor, AuditVerifier.Verify(live, _log.Keys, now: dayAfter).Verdict);
        Assert.Equal((AuditFault.NoCheckpoint, null), Only(AuditVerifier.Verify(live, _log.Keys, now: dayAfter.AddMinutes(1))));

        // Of an export, its own entries say how old it is.
        using MadeUpLog old = new(24 * 60 + 2);
        Assert.Equal((AuditFault.NoCheckpoint, null), Only(old.Verify()));
    }

    [Fact]
    public void A_checkpoint_that_cannot_be_believed_is_no_reason_to_call_a_young_log_not_vouched_for()
    {
        _log.Checkpoints.Clear();
        _log.Checkpoints.Add("not a jws");
        AuditReport report = _log.Verify();
        Assert.Equal(AuditVerdict.Damaged, report.Verdict);
        Assert.Equal([AuditFault.BadCheckpoint, AuditFault.NoCheckpoint], report.Findings.Select(finding => finding.Fault));
    }

    [Fact]
    public void What_the_service_found_damaged_itself_is_a_finding_of_the_export()
    {
        using TemporaryFolder folder = new();
        File.WriteAllLines(folder[AuditExport.EntriesFile], _log.Entries);
        File.WriteAllLines(folder[AuditExport.CheckpointsFile], _log.Checkpoints);
        File.WriteAllText(folder[AuditExport.DamageFile], "the head is damaged\n");
        Assert.Equal((AuditFault.HeadDamaged, null), Only(AuditVerifier.Verify(AuditExport.Open(folder.Path), _log.Keys)));
    }

    [Fact]
    public void What_is_signed_must_be_a_checkpoint()
    {
        _log.Checkpoints.Add("not a jws");
        _log.Checkpoints.Add(_log.Checkpoints[0] + "A");
        Assert.Equal([AuditFault.BadCheckpoint, AuditFault.BadCheckpoint], _log.Verify().Findings.Select(finding => finding.Fault));
    }

    [Theory]
    [InlineData("{\"action\"", "{ \"action\"", "the space between its members")]
    [InlineData("\"role\":\"agent\"", "\"role\":\"\\u0061gent\"", "$.actor.role")]
    [InlineData("\"index\":7", "\"index\":7.0", "$.index")]
    [InlineData("\"id\":\"agent-1\",\"role\":\"agent\"", "\"role\":\"agent\",\"id\":\"agent-1\"", "$.actor.id")]
    public void A_member_that_is_not_canonical_is_named(string written, string changed, string where)
    {
        Assert.Contains(written, _log.Entries[7], StringComparison.Ordinal);
        _log.Entries[7] = _log.Entries[7].Replace(written, changed);
        AuditReport report = _log.Verify();
        Assert.Equal((AuditFault.NotCanonical, 7), Only(report));
        Assert.Contains(where, report.Findings[0].What, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("{}")]
    [InlineData("[1]")]
    [InlineData("{\"a\":1,\"a\":2}")]
    [InlineData("not json")]
    [InlineData("{\"format\":\"cloudarchive/audit-entry/2\"}")]
    public void What_is_no_entry_is_named(string line)
    {
        _log.Entries[7] = line;
        Assert.Equal((AuditFault.NotCanonical, 7), Only(_log.Verify()));
    }

    [Fact]
    public void An_entry_of_another_format_is_named()
    {
        _log.Entries[7] = MadeUpLog.Write(MadeUpLog.Entry(7) with { Format = "cloudarchive/audit-entry/2" });
        Assert.Equal((AuditFault.NotCanonical, 7), Only(_log.Verify()));
    }

    [Fact]
    public void An_entry_of_another_log_is_named()
    {
        _log.Entries[7] = MadeUpLog.Write(MadeUpLog.Entry(7) with { Log = "other-clinic" });
        Assert.Equal((AuditFault.WrongLog, 7), Only(_log.Verify()));
    }

    [Fact]
    public void The_checkpoints_of_one_log_vouch_for_no_other()
    {
        using MadeUpLog other = new(30, 30);
        AuditExport mixed = new(other.Entries.Select(line => line.Replace(MadeUpLog.Name, "other-clinic")), _log.Checkpoints);
        Assert.Equal((AuditFault.WrongLog, 0), Only(AuditVerifier.Verify(mixed, _log.Keys)));
    }

    [Fact]
    public void Tiles_that_were_changed_are_told_from_entries_that_were()
    {
        _log.Leaves[20] = Merkle.EmptyRoot.Hex;
        Assert.Equal((AuditFault.TilesWrong, 20), Only(_log.Verify()));
    }

    [Fact]
    public void A_head_with_another_root_is_found()
    {
        _log.Head = new TreeHead(40, Merkle.EmptyRoot);
        Assert.Equal((AuditFault.RootMismatch, 30), Only(_log.Verify()));
    }

    [Fact]
    public void A_member_that_a_newer_writer_added_is_part_of_the_leaf_and_no_fault()
    {
        using MadeUpLog log = new(3);
        log.Entries[2] = log.Entries[2].Replace("\"time\":", "\"timbre\":\"new\",\"time\":");
        log.Leaves[2] = Merkle.LeafHash(System.Text.Encoding.UTF8.GetBytes(log.Entries[2])).Hex;
        log.Head = new TreeHead(3, log.RootOf(3));
        log.Checkpoints.Add(log.Sign(3, MadeUpLog.Start.AddHours(9)));
        Assert.Empty(log.Verify().Findings);
    }

    [Fact]
    public void An_export_is_read_from_its_folder_with_and_without_its_unsigned_files()
    {
        using TemporaryFolder folder = new();
        File.WriteAllLines(folder[AuditExport.EntriesFile], _log.Entries);
        File.WriteAllLines(folder[AuditExport.CheckpointsFile], _log.Checkpoints);
        AuditExport bare = AuditExport.Open(folder.Path);
        Assert.Null(bare.Head);
        Assert.True(AuditVerifier.Verify(bare, _log.Keys).Holds);
        File.WriteAllLines(folder[AuditExport.LeavesFile], _log.Leaves);
        File.WriteAllBytes(folder[AuditExport.HeadFile], CanonicalJson.Serialize(_log.Head!));
        AuditExport full = AuditExport.Open(folder.Path);
        Assert.Equal(_log.Head, full.Head);
        Assert.True(AuditVerifier.Verify(full, _log.Keys).Holds);
    }

    private static (AuditFault, int?) Only(AuditReport report)
    {
        AuditFinding finding = Assert.Single(report.Findings);
        Assert.False(report.Holds);
        return (finding.Fault, (int?)finding.Index);
    }
}
