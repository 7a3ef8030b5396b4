using System.Text;
using CloudArchive.Cli.Audit;
using CloudArchive.Cli.Backup;
using CloudArchive.Cli.State;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Tests.Audit;

/// <summary>The receipts of a computer against the log that they name entries of.</summary>
public sealed class ReceiptEntriesTests : IDisposable
{
    private static readonly AuditActor s_agent = new("agent-1", "agent");
    private readonly Computers _computer = new();
    private readonly List<string> _log = [];
    private int _asked;

    public ReceiptEntriesTests()
    {
        _computer.Commits = (size, indexes) =>
        {
            _asked += indexes.Count;
            return [.. indexes.Select(index => new CommitEntryResponse(index, _log[(int)index].Contains("pack-", StringComparison.Ordinal) ? _log[(int)index] : null, Proof(index, size)))];
        };
    }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private DateTimeOffset Now => _computer.Clock.GetUtcNow();

    public void Dispose() => _computer.Dispose();

    [Fact]
    public async Task Receipts_that_name_their_own_entries_are_proven_once()
    {
        Append("user-authentication/token-issued", null);
        for (int i = 0; i < 150; i++)
        {
            await BackUpAsync();
        }

        await CheckAsync();
        Assert.Equal(150, _asked);
        await BackUpAsync();
        await CheckAsync();
        Assert.Equal(151, _asked);
    }

    [Fact]
    public async Task Two_of_fifteen_receipts_that_name_entries_of_other_packs_are_an_alarm_until_the_log_says_what_it_lost()
    {
        for (int i = 0; i < 13; i++)
        {
            await BackUpAsync();
        }

        // The table store dies with these two in memory; two others take their places, and the log goes on and verifies.
        Receipt[] lost = [await BackUpAsync(), await BackUpAsync()];
        _log.RemoveRange(13, 2);
        Receipt[] others = [Receipt(13), Receipt(14)];
        others.ToList().ForEach(receipt => Append(CommitEntry.Action, receipt));
        Append("user-authentication/token-issued", null);
        LogAlarmException alarm = await Assert.ThrowsAsync<LogAlarmException>(CheckAsync);
        Assert.Contains("2 of 15 receipts", alarm.Message, StringComparison.Ordinal);
        Assert.Contains("Do not delete anything", alarm.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<LogAlarmException>(CheckAsync);

        // Told of an entry that is another's, it stays one.
        Learn(lost[0], 15);
        Learn(lost[1], 15);
        await Assert.ThrowsAsync<LogAlarmException>(CheckAsync);
        foreach (Receipt receipt in lost)
        {
            Append(CommitEntry.ReenteredAction, receipt);
            Learn(receipt, _log.Count - 1);
        }

        await CheckAsync();
        await CheckAsync();
    }

    [Fact]
    public async Task A_log_that_ends_before_an_entry_that_a_receipt_names_is_an_alarm_once_a_checkpoint_should_have_it()
    {
        Receipt receipt = await BackUpAsync();
        string entry = _log[0];
        _log[0] = entry.Replace("pack-committed", "pack-opened", StringComparison.Ordinal);
        await BackUpAsync();
        _log.RemoveAt(1);
        _log[0] = entry;

        // Made a moment before: it does not cover the entry yet.
        await CheckAsync();
        _computer.Clock.Advance(TimeSpan.FromHours(2));
        LogAlarmException alarm = await Assert.ThrowsAsync<LogAlarmException>(CheckAsync);
        Assert.Contains("1 of 1 receipts", alarm.Message, StringComparison.Ordinal);
        Assert.Equal(0, receipt.AuditIndex);
    }

    [Theory]
    [InlineData("proof")]
    [InlineData("pack")]
    [InlineData("sha256")]
    [InlineData("nothing")]
    public async Task A_service_that_answers_with_something_else_proves_nothing(string what)
    {
        Receipt receipt = await BackUpAsync();
        Append("user-authentication/token-issued", null);
        string true_ = _log[0];
        _computer.Commits = (size, indexes) => what switch
        {
            "nothing" => [],
            "proof" => [new CommitEntryResponse(0, true_.Replace("192.0.2.1", "192.0.2.2", StringComparison.Ordinal), Proof(0, size))],
            "pack" => [new CommitEntryResponse(0, Entry(CommitEntry.Action, receipt with { Pack = PackId.New(TimeProvider.System) }, 0), Proof(0, size))],
            _ => [new CommitEntryResponse(0, Entry(CommitEntry.Action, receipt with { Sha256 = Sha256Digest.Of([9]) }, 0), Proof(0, size))],
        };
        if (what is "pack" or "sha256")
        {
            _log[0] = _computer.Commits(2, [0])[0].Entry!; // such an entry is in the log, with a proof that holds
        }

        await Assert.ThrowsAsync<LogAlarmException>(CheckAsync);
    }

    [Fact]
    public async Task An_alarm_has_the_list_of_changes_read_again_from_its_beginning()
    {
        await BackUpAsync();
        _computer.State.Set(StateSync.CursorName, "77");
        _log[0] = _log[0].Replace("pack-committed", "pack-opened", StringComparison.Ordinal);
        string checkpoint = await SignedAsync();
        _computer.Latest = checkpoint;
        await Assert.ThrowsAsync<LogAlarmException>(() => LogWatch.CheckAsync(_computer.Session, _computer.Clock, Cancel));
        Assert.Equal("-1", _computer.State.Get(StateSync.CursorName));
        Assert.Contains("1 of 1", _computer.State.Get(LogWatch.AlarmName), StringComparison.Ordinal);
    }

    private Task CheckAsync() => new ReceiptEntries(_computer.Session.Client, _computer.State).CheckAsync(Checkpoint(), Cancel);

    private Checkpoint Checkpoint() => new(Format.Audit.Checkpoint.CurrentFormat, Packs.Clinic.Value, _log.Count, Root(0, _log.Count), Now);

    private Task<string> SignedAsync() => _computer.Sealed.SignAsync(Format.Audit.Checkpoint.JwsType, CanonicalJson.Serialize(Checkpoint()));

    private async Task<Receipt> BackUpAsync()
    {
        Receipt receipt = Receipt(_log.Count);
        Append(CommitEntry.Action, receipt);
        _computer.State.StoreReceipt(await _computer.Sealed.SignAsync(receipt), receipt, [Packs.Instance($"1.2.{_log.Count}", BitConverter.GetBytes(_log.Count))]);
        return receipt;
    }

    private Receipt Receipt(long index) => new(
        Format.Packs.Receipt.CurrentFormat, Packs.Clinic, PackId.New(TimeProvider.System), Packs.Study, Sha256Digest.Of(BitConverter.GetBytes(index)), 1000, "v1", Now.AddYears(10), Sha256Digest.Of([1]), 1,
        Packs.Clinic.Value, index, Now);

    private void Learn(Receipt receipt, long index) => _computer.State.Learn([new LearnedChange(index, receipt.Pack, new ArchivedPack("jws", []), receipt)], StateSync.CursorName, "1");

    private void Append(string action, Receipt? receipt) => _log.Add(Entry(action, receipt, _log.Count));

    private string Entry(string action, Receipt? receipt, long index)
    {
        Dictionary<string, string> details = receipt is null ? [] : new() { ["index"] = receipt.AuditIndex.ToString(), ["sha256"] = receipt.Sha256.Hex, ["versionId"] = receipt.VersionId };
        AuditEntry entry = new(
            AuditEntry.CurrentFormat, Packs.Clinic.Value, index, Now, action, AuditOutcome.Success, s_agent, new AuditSubject(Packs.Clinic.Value, Pack: receipt?.Pack.ToString()), new AuditOrigin("192.0.2.1", "x"), Details: details);
        return Encoding.UTF8.GetString(CanonicalJson.Serialize(entry));
    }

    private Sha256Digest Root(long start, long end) => Merkle.RootOf(_log.Skip((int)start).Take((int)(end - start)).Select(json => (ReadOnlyMemory<byte>)Encoding.UTF8.GetBytes(json)));

    private InclusionProof Proof(long index, long size) =>
        new(index, size, MerklePlan.Hash(InclusionProof.Plan(index, size), node => Root(node.Index << node.Level, Math.Min((node.Index + 1) << node.Level, size))));
}
