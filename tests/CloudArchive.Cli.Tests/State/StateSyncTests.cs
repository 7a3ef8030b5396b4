using System.Net;
using CloudArchive.Cli.Backup;
using CloudArchive.Cli.State;
using CloudArchive.Cli.Terminal;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Wire;

namespace CloudArchive.Cli.Tests.State;

/// <summary>What an agent learns of its clinic's packs before it plans.</summary>
public sealed class StateSyncTests : IDisposable
{
    private readonly Computers _computer = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => _computer.Dispose();

    [Fact]
    public async Task What_another_computer_of_the_clinic_archived_is_not_uploaded_again()
    {
        _computer.Write("a", "b");
        await _computer.RunAsync();
        IReadOnlyList<PendingFile> pending = _computer.Pending;
        Assert.Equal(2, pending.Count);
        ArchiveChange theirs = await ArchivedAsync([pending[0].Instance, pending[1].Instance], index: 3);
        _computer.Changes = after => new ChangesResponse(after < 3 ? [theirs] : [], 5, false);

        BackupOutcome outcome = (await _computer.RunAsync())!;
        Assert.Equal((1, 0L, 2L), (outcome.Sync.Receipts, outcome.Uploaded, _computer.Counts.Archived.Files));
        Assert.DoesNotContain(_computer.Asked, asked => asked.Path.EndsWith("/packs", StringComparison.Ordinal) && asked.Body.Contains("never", StringComparison.Ordinal));
        Assert.Empty(_computer.Pending);
    }

    [Fact]
    public async Task A_pack_that_the_archive_lost_is_pending_again_where_its_files_are_here_and_told_as_lost_where_they_are_not()
    {
        _computer.Write("a", "b");
        await _computer.BackUpAsync();
        PackId[] packs = PacksWithReceipts();
        Assert.Equal(2, packs.Length);
        File.Delete(_computer.Path("b"));
        await _computer.RunAsync();
        _computer.Changes = _ => new ChangesResponse([.. packs.Select(pack => new ArchiveChange(9, pack, Lost: new PackLoss(PackLossCause.Damaged, _computer.Clock.GetUtcNow())))], 9, false);
        Assert.Single((await _computer.RunAsync())!.FailedPacks); // it has something to send, which fails here
        Assert.Equal("a", Path.GetFileName(Assert.Single(_computer.Pending).Path));
        Losses losses = _computer.State.Losses();
        Assert.Equal((1, 1), (losses.Packs, losses.Files.Files));
        Assert.Empty(PacksWithReceipts());
    }

    [Fact]
    public async Task What_was_destroyed_after_its_time_goes_again_where_it_is_still_here_and_is_no_loss_where_it_is_not()
    {
        _computer.Write("a", "b");
        await _computer.BackUpAsync();
        PackId[] packs = PacksWithReceipts();
        File.Delete(_computer.Path("b"));
        await _computer.RunAsync();
        _computer.Changes = _ => new ChangesResponse(
            [.. packs.Select(pack => new ArchiveChange(9, pack, Lost: new PackLoss(PackLossCause.Destroyed, _computer.Clock.GetUtcNow(), Packs.Study)))], 9, false);
        BackupOutcome outcome = (await _computer.RunAsync())!;
        Assert.Equal((packs.Length, 0), (outcome.Sync.Destroyed, outcome.Sync.Lost));
        Assert.Equal("a", Path.GetFileName(Assert.Single(_computer.Pending).Path));
        Assert.Equal((0, 1, 0), (_computer.Counts.Excluded.Files, _computer.Counts.Pending.Files, _computer.State.Losses().Files.Files));
    }

    [Fact]
    public async Task Only_a_receipt_that_a_pinned_key_signed_over_these_very_instances_is_believed_and_one_that_is_not_keeps_no_other_back()
    {
        SidecarInstance one = Packs.Instance("1.1", [1]), two = Packs.Instance("1.2", [2]);
        ArchiveChange good = await ArchivedAsync([one], index: 1);
        ArchiveChange others = good with { Pack = PackId.New(TimeProvider.System) };
        ArchiveChange more = (await ArchivedAsync([two], index: 3)) is var change ? change with { Archived = change.Archived! with { Instances = [one, two] } } : null!;
        using Packs foreign = new();
        ArchiveChange unknown = await ArchivedAsync([two], index: 4, foreign);
        _computer.Changes = _ => new ChangesResponse([others, more, unknown, good], 4, false);
        SyncResult result = await LearnAsync();
        Assert.Equal((1, 3), (result.Receipts, result.Unproven!.Count));
        Assert.Equal(good.Pack, Assert.Single(_computer.State.Receipts()).Pack);
    }

    [Fact]
    public async Task The_list_is_read_to_its_end_and_then_from_there_and_from_the_beginning_where_the_archive_says_so()
    {
        List<long> asked = [];
        _computer.Changes = after =>
        {
            asked.Add(after);
            return after switch { -1 => new ChangesResponse([], 40, true), 40 => new ChangesResponse([], 90, false), 90 => new ChangesResponse([], -1, true), _ => throw new InvalidOperationException() };
        };
        await LearnAsync();
        Assert.Equal([-1L, 40], asked);

        // The log does not go as far as it did.
        await LearnAsync();
        Assert.Equal([-1L, 40, 90, -1, 40], asked);
    }

    [Fact]
    public async Task A_receipt_that_is_here_is_not_proven_a_second_time()
    {
        SidecarInstance instance = new(Uid.Parse("1.2.3"), Uid.Parse("1.2.840.10008.5.1.4.1.1.7"), null, null, Uid.Parse("1.2.840.10008.1.2.1"), 5, Sha256Digest.Of([2]));
        ArchiveChange mine = await ArchivedAsync([instance], index: 3);
        _computer.Changes = _ => new ChangesResponse([mine], 3, false);
        Assert.Equal(1, (await LearnAsync()).Receipts);

        // Its instances do not fit any more. What they are was decided when the receipt was stored; of another receipt they are looked at.
        ArchiveChange again = mine with { Index = 4, Archived = mine.Archived! with { Instances = [] } };
        _computer.Changes = _ => new ChangesResponse([again], 4, false);
        SyncResult known = await LearnAsync();
        Assert.Equal((0, 0), (known.Receipts, known.Unproven!.Count));
        ArchiveChange other = await ArchivedAsync([instance], index: 5);
        _computer.Changes = _ => new ChangesResponse([other with { Archived = other.Archived! with { Instances = [] } }], 5, false);
        Assert.Equal(other.Pack, Assert.Single((await LearnAsync()).Unproven!));
        Assert.Single(_computer.State.Receipts());
    }

    [Fact]
    public async Task A_fault_of_the_list_keeps_no_files_from_being_backed_up_but_a_computer_that_knows_nothing_waits_for_it()
    {
        _computer.Changes = _ => null;
        await Assert.ThrowsAsync<ServiceRefusedException>(LearnAsync);
        _computer.Changes = _ => new ChangesResponse([], 4, false);
        await LearnAsync();
        _computer.Changes = _ => null;
        Assert.NotNull((await LearnAsync()).NotLearned);
        _computer.Write("a");
        BackupOutcome? outcome = await _computer.RunAsync(new BackupOptions(DryRun: true));
        Assert.NotNull(outcome!.Sync.NotLearned);
        Assert.Single(outcome.Plan);

        // Whoever is not let in is told so.
        _computer.Answer = _ => HttpStatusCode.Forbidden;
        await Assert.ThrowsAsync<ServiceRefusedException>(LearnAsync);
    }

    private Task<SyncResult> LearnAsync() => StateSync.LearnAsync(_computer.Session, new QuietView(_ => { }), Cancel);

    /// <summary>The packs with files that have a receipt: none of a snapshot.</summary>
    private PackId[] PacksWithReceipts() => [.. _computer.State.Receipts().Select(receipt => receipt.Pack).Except(_computer.Snapshots.Select(snapshot => snapshot.Sidecar.Pack))];

    private async Task<ArchiveChange> ArchivedAsync(IReadOnlyList<SidecarInstance> instances, long index, Packs? signer = null)
    {
        PackId pack = PackId.New(TimeProvider.System);
        Receipt receipt = new(
            Receipt.CurrentFormat, Packs.Clinic, pack, Packs.Study, Sha256Digest.Of([1]), 1000, "v1", _computer.Clock.GetUtcNow().AddYears(10), InstancesRoot.Of(instances), instances.Count,
            Packs.Clinic.Value, index, _computer.Clock.GetUtcNow());
        return new ArchiveChange(index, pack, new ArchivedPack(await (signer ?? _computer.Sealed).SignAsync(receipt), instances));
    }
}
