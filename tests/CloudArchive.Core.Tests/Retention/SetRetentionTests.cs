using System.Text;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Retention;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Tests.Support;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Retention;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Tests.Retention;

/// <summary>How long folders and snapshots are kept, what holds them, and how they go.</summary>
public sealed class SetRetentionTests(SharedStorage shared)
{
    private static readonly TimeSpan s_elevenYears = TimeSpan.FromDays(4020);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_folder_is_kept_for_all_of_the_policys_years_from_when_it_was_archived()
    {
        RetentionPolicy policy = new(1, Years: 10, MinimumYears: 3);
        DateTimeOffset now = new(2026, 3, 4, 5, 6, 7, TimeSpan.Zero);
        Assert.Equal(now.AddYears(10), policy.Until(SetKind.Folder, null, now, null));
        Assert.Equal(now.AddYears(3), policy.Until(null, null, now, null));
        Assert.Equal(now.AddYears(3), policy.Until(SetKind.Snapshot, null, now, null));
        Assert.Equal(now.AddYears(12), (policy with { MinimumYears = 12 }).Until(SetKind.Folder, null, now, null));

        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        await archive.Core.Policies.ChangeAsync(archive.Clinic.Id, policy with { Version = 0, MinimumYears = 10, Years = 20 }, Archive.Admin, Cancel);
        SealedPack pack = await archive.BackUpFolderAsync("2024", PlainSets.Plain("a.jpg", "a"));
        DateTimeOffset locked = (await archive.Core.Catalog.FindPackAsync(archive.Clinic.Id, pack.Opened.Pack, Cancel))!.ImmutableUntil;
        Assert.InRange(locked, archive.Clock.GetUtcNow().AddYears(20).AddMinutes(-1), archive.Clock.GetUtcNow().AddYears(20).AddMinutes(1));
        RetentionLine line = Assert.Single(await archive.Core.Planner.PlanAsync(archive.Clinic.Id, Cancel));
        Assert.Equal((RetentionAction.Keep, RetentionReason.NotYet, locked), (line.Action, line.Reason, line.KeepUntil));
    }

    [Fact]
    public async Task A_folder_in_use_does_not_lock_all_it_has_anew_each_day_and_is_kept_whole_all_the_same()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        ClinicId id = archive.Clinic.Id;
        SealedPack first = await archive.BackUpFolderAsync("2024", PlainSets.Plain("first.jpg", "first"));
        List<(SealedPack Pack, DateTimeOffset Lock)> packs = [(first, await LockAsync(first))];
        DateTimeOffset once = packs[0].Lock;
        for (int day = 0; day < 5; day++)
        {
            archive.Clock.Advance(TimeSpan.FromDays(200));
            SealedPack pack = await archive.BackUpFolderAsync("2024", PlainSets.Plain($"{day}.jpg", $"{day}"));
            packs.Add((pack, await LockAsync(pack)));
            Assert.True(packs[^1].Lock > packs[^2].Lock.AddDays(190)); // or nothing below could fail
            RetentionResult run = await archive.RunAsync();
            Assert.Equal((0, 0), (run.Extended, run.Failed));
        }

        Assert.Equal(packs.Select(pack => pack.Lock), await LocksAsync());
        RetentionLine line = Assert.Single(await archive.Core.Planner.PlanAsync(id, Cancel));
        Assert.Equal((packs[^1].Lock, packs[0].Lock), (line.KeepUntil, line.LockedUntil));
        Assert.Equal((RetentionAction.Keep, RetentionReason.NotYet, SetKind.Folder), (line.Action, line.Reason, line.ToResponse().Set!.Value));

        // In the last year of the first one's lock: it, and those that end within two years, are locked as long as the last; the others are not touched yet.
        archive.Clock.Advance(once - archive.Clock.GetUtcNow() - TimeSpan.FromDays(300));
        line = Assert.Single(await archive.Core.Planner.PlanAsync(id, Cancel));
        Assert.Equal((RetentionAction.Extend, RetentionReason.LatePack), (line.Action, line.Reason));
        Assert.Equal(1, (await archive.RunAsync()).Extended);
        Assert.Equal([line.KeepUntil, line.KeepUntil, line.KeepUntil, packs[3].Lock, packs[4].Lock, packs[5].Lock], await LocksAsync());
        Assert.Equal(0, (await archive.RunAsync()).Extended);
        line = Assert.Single(await archive.Core.Planner.PlanAsync(id, Cancel));
        Assert.Equal((RetentionAction.Keep, RetentionReason.NotYet, packs[3].Lock), (line.Action, line.Reason, line.LockedUntil));

        async Task<DateTimeOffset[]> LocksAsync() => [.. await Task.WhenAll(packs.Select(pack => LockAsync(pack.Pack)))];

        async Task<DateTimeOffset> LockAsync(SealedPack pack) => (await archive.Vault.FindAsync(BlobName.Pack(id, pack.Opened.Pack), Cancel))!.ImmutableUntil!.Value;
    }

    [Fact]
    public async Task A_raised_policy_locks_folders_and_snapshots_longer_at_once()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        SealedPack folder = await archive.BackUpFolderAsync("2024", PlainSets.Plain("a.jpg", "a"));
        await archive.BackUpSnapshotAsync([(folder.Files[0], folder.Opened.Pack)]);
        await archive.Core.Policies.ChangeAsync(archive.Clinic.Id, new RetentionPolicy(0, 30, 30), Archive.Admin, Cancel);
        Assert.Equal(2, (await archive.RunAsync()).Extended);
        Assert.All(await archive.Core.Planner.PlanAsync(archive.Clinic.Id, Cancel), line => Assert.True(line.LockedUntil > archive.Clock.GetUtcNow().AddYears(29)));
    }

    [Fact]
    public async Task A_snapshot_is_locked_as_long_as_the_agent_says_of_what_it_names_within_reason()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        RetentionPolicy policy = (await archive.Core.Clinics.GetAsync(archive.Clinic.Id, Cancel)).Retention;
        SealedPack folder = await archive.BackUpFolderAsync("2024", PlainSets.Plain("a.jpg", "a"));
        DateTimeOffset until = new(policy.Latest(archive.Clock.GetUtcNow()).AddDays(-1).Date, TimeSpan.Zero);
        SealedPack snapshot = await archive.BackUpSnapshotAsync([(folder.Files[0], folder.Opened.Pack)], until: until);
        Assert.Equal(until, (await archive.Core.Catalog.FindPackAsync(archive.Clinic.Id, snapshot.Opened.Pack, Cancel))!.ImmutableUntil);
        RefusedException refused = await Assert.ThrowsAsync<RefusedException>(() => archive.BackUpSnapshotAsync([], until: policy.Latest(archive.Clock.GetUtcNow()).AddDays(1)));
        Assert.Equal(Refusal.SidecarInvalid, refused.Refusal);
        Assert.DoesNotContain("study until", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Snapshots_go_when_their_time_is_over_and_all_that_they_name_is_gone_with_a_certificate()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        ClinicId id = archive.Clinic.Id;
        SealedPack folder = await archive.BackUpFolderAsync("2024", PlainSets.Plain("Lindqvist.jpg", "a"));
        SealedPack first = await archive.BackUpSnapshotAsync([(folder.Files[0], folder.Opened.Pack)]);
        SealedPack second = await archive.BackUpSnapshotAsync([], [first.Opened.Pack]);
        Uid snapshots = first.Sidecar.Study;
        archive.Clock.Advance(s_elevenYears);
        await archive.RunAsync();
        DestructionOrder order = Assert.Single(await archive.Core.Destructions.OpenAsync(id, Cancel));
        Assert.Equal((folder.Sidecar.Study, SetKind.Folder, SetKind.Folder), (order.Study, order.Set!.Value, order.ToResponse().Set!.Value));
        RetentionLine line = (await archive.Core.Planner.FindAsync(id, snapshots, Cancel))!;
        Assert.Equal((RetentionAction.Keep, RetentionReason.Needed), (line.Action, line.Reason));
        Assert.Equal(("needed", SetKind.Snapshot), (line.ToResponse().Reason, line.ToResponse().Set!.Value));
        RefusedException refused = await Assert.ThrowsAsync<RefusedException>(() => archive.Core.Destructions.RequestAsync(id, snapshots, Archive.Admin, Cancel));
        Assert.Equal(Refusal.NotDue, refused.Refusal);
        Assert.Contains("still in the archive", refused.Message, StringComparison.Ordinal);

        await archive.ApproveAllAsync();
        Assert.Equal(1, (await archive.RunAsync()).Destroyed);
        await archive.RunAsync();
        await archive.ApproveAllAsync();
        Assert.Equal(1, (await archive.RunAsync()).Destroyed);
        Assert.Empty(archive.Vault.All(VaultArea.Packs));
        Assert.Empty(await archive.Rows.QueryAsync(RowTable.Catalog, id.Value, "!", "~", 10, Cancel));
        Assert.Empty((await archive.Core.Snapshots.ListAsync(id, null, null, 10, Cancel)).Items);
        DestructionOrder gone = (await archive.Core.Destructions.ListAsync(id, null, 10, Cancel)).Single(one => one.Study == snapshots);
        CertificateResponse issued = await archive.Core.Certificates.ReadAsync(gone, Cancel);
        CertificateVerification verification = DestructionCertificates.Verify(Encoding.UTF8.GetBytes(issued.Certificate), issued.Signature, await shared.Keys.GetPublicKeysAsync(Cancel));
        Assert.Empty(verification.Findings);
        Assert.Equal([first.Opened.Pack, second.Opened.Pack], verification.Certificate!.Packs.Select(pack => pack.Pack));
        ChangesResponse changes = await archive.Core.Changes.ReadAsync(id, -1, 100, Cancel);
        Assert.Equal(3, changes.Items.Count(change => change.Lost?.Cause == PackLossCause.Destroyed));
        Assert.DoesNotContain(await archive.Clinic.LogAsync(), entry => entry.ToString().Contains(PlainSets.Name, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_hold_keeps_a_folder_whatever_its_date_is()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared, requireApproval: false);
        ClinicId id = archive.Clinic.Id;
        SealedPack folder = await archive.BackUpFolderAsync("2024", PlainSets.Plain("a.jpg", "a"));
        Hold hold = await archive.Core.Holds.SetAsync(id, folder.Sidecar.Study, null, "a case", Archive.Admin, Cancel);
        archive.Clock.Advance(s_elevenYears);
        await archive.RunAsync();
        Assert.True((await archive.Vault.FindAsync(BlobName.Pack(id, folder.Opened.Pack), Cancel))!.LegalHold);
        RetentionLine line = (await archive.Core.Planner.FindAsync(id, folder.Sidecar.Study, Cancel))!;
        Assert.Equal((RetentionReason.Held, hold.Id), (line.Reason, line.Hold!.Value));
        string why = (await Assert.ThrowsAsync<RefusedException>(() => archive.Core.Destructions.RequestAsync(id, folder.Sidecar.Study, Archive.Admin, Cancel))).Message;
        Assert.Contains($"folder {folder.Sidecar.Study}", why, StringComparison.Ordinal);
        Assert.DoesNotContain("study", why, StringComparison.OrdinalIgnoreCase);
        await archive.Core.Holds.ClearAsync(id, hold.Id, Archive.Admin, Cancel);
        await archive.RunAsync();
        await archive.RunAsync();
        Assert.Empty(archive.Vault.All(VaultArea.Packs));
    }
}
