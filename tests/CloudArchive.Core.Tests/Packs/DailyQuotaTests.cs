using CloudArchive.Core.Alerts;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Packs;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Tests.Retention;
using CloudArchive.Core.Tests.Support;
using CloudArchive.Format.Audit;

namespace CloudArchive.Core.Tests.Packs;

/// <summary>How much a clinic may archive in a day.</summary>
public sealed class DailyQuotaTests(SharedStorage shared)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Beyond_the_quota_nothing_is_opened_or_committed_until_the_next_day_and_nothing_is_lost()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        await SetAsync(archive, packs: 2);
        SealedPack[] packs = [await UploadAsync(archive), await UploadAsync(archive), await UploadAsync(archive)];
        await archive.Clinic.CommitAsync(packs[0]);
        await archive.Clinic.CommitAsync(packs[1]);
        RefusedException refused = await Assert.ThrowsAsync<RefusedException>(() => archive.Clinic.CommitAsync(packs[2]));
        Assert.Equal(Refusal.QuotaUsedUp, refused.Refusal);
        Assert.Equal(archive.Clock.GetUtcNow().UtcDateTime.Date.AddDays(1), (archive.Clock.GetUtcNow() + refused.RetryAfter!.Value).UtcDateTime);
        Assert.Equal(Refusal.QuotaUsedUp, (await Assert.ThrowsAsync<RefusedException>(() => archive.Clinic.SealAsync(files: 1))).Refusal);

        // What has its receipt keeps it, and is answered again.
        await archive.Clinic.CommitAsync(packs[0]);

        archive.Clock.Advance(refused.RetryAfter.Value);
        Assert.NotEmpty(await archive.Clinic.CommitAsync(packs[2]));
        await archive.Clinic.SealAsync(files: 1);
    }

    [Fact]
    public async Task A_pack_is_counted_once_by_its_length_however_often_its_commit_is_repeated()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        SealedPack one = await UploadAsync(archive), two = await UploadAsync(archive);
        foreach (SealedPack pack in (SealedPack[])[one, one, two, two])
        {
            await archive.Clinic.CommitAsync(pack);
        }

        Assert.Equal(new DailyUse(one.Sidecar.Length + two.Sidecar.Length, 2), await archive.Core.Quotas.ReadAsync(archive.Clinic.Id, Cancel));
        archive.Clock.Advance(TimeSpan.FromDays(1));
        Assert.Equal(default, await archive.Core.Quotas.ReadAsync(archive.Clinic.Id, Cancel));
    }

    [Fact]
    public async Task The_pack_that_goes_beyond_is_taken_so_that_one_larger_than_the_quota_is_too_and_the_next_is_not()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        await SetAsync(archive, bytes: 1);
        SealedPack one = await UploadAsync(archive), two = await UploadAsync(archive);
        await archive.Clinic.CommitAsync(one);
        Assert.Equal(Refusal.QuotaUsedUp, (await Assert.ThrowsAsync<RefusedException>(() => archive.Clinic.CommitAsync(two))).Refusal);
    }

    [Fact]
    public async Task Of_many_commits_at_once_as_many_are_taken_as_the_quota_has()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        await SetAsync(archive, packs: 4);
        List<SealedPack> packs = [];
        for (int i = 0; i < 9; i++)
        {
            packs.Add(await UploadAsync(archive));
        }

        int taken = 0, refused = 0;
        await Parallel.ForEachAsync(packs, new ParallelOptions { MaxDegreeOfParallelism = 9 }, async (pack, _) =>
        {
            try
            {
                await archive.Clinic.CommitAsync(pack);
                Interlocked.Increment(ref taken);
            }
            catch (RefusedException e) when (e.Refusal == Refusal.QuotaUsedUp)
            {
                Interlocked.Increment(ref refused);
            }
        });
        Assert.Equal((4, 5), (taken, refused));
    }

    [Fact]
    public async Task A_used_quota_is_one_alert_that_is_over_when_the_quota_is_raised_or_the_day_is_over()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        await SetAsync(archive, packs: 1);
        await archive.BackUpAsync();
        for (int i = 0; i < 3; i++)
        {
            await Assert.ThrowsAsync<RefusedException>(() => archive.Clinic.SealAsync(files: 1));
        }

        OpenAlert open = Assert.Single(await archive.Core.Alerts.ListOpenAsync(archive.Clinic.Id.Value, Cancel));
        Assert.Equal(AlertCause.QuotaUsedUp, open.Cause);
        await FollowAsync(archive);
        Assert.Single(await archive.Core.Alerts.ListOpenAsync(archive.Clinic.Id.Value, Cancel));

        await SetAsync(archive, packs: 2);
        await archive.Clinic.SealAsync(files: 1);
        await FollowAsync(archive);
        Assert.Empty(await archive.Core.Alerts.ListOpenAsync(archive.Clinic.Id.Value, Cancel));
        AuditEntry changed = (await archive.Clinic.LogAsync()).Last(entry => entry.Action == AuditActions.ClinicSettingsChanged);
        Assert.Equal("2", changed.Details!["dailyPacks"]);
    }

    [Fact]
    public async Task A_clinic_of_which_nothing_was_set_has_the_default_and_what_makes_no_sense_is_refused()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        Assert.Equal(DailyQuota.Default, (await archive.Core.Clinics.GetAsync(archive.Clinic.Id, Cancel)).Quota);
        Assert.Equal(DailyQuota.Default with { Packs = 7 }, (await SetAsync(archive, packs: 7)).Quota);
        Assert.Equal(DailyQuota.Default with { Packs = 7 }, (await archive.Core.Clinics.GetAsync(archive.Clinic.Id, Cancel)).Quota);
        foreach ((long? bytes, int? packs) in new (long?, int?)[] { (0, null), (null, 0), (DailyQuota.Max.Bytes + 1, null), (null, DailyQuota.Max.Packs + 1) })
        {
            Assert.Equal(Refusal.RequestInvalid, (await Assert.ThrowsAsync<RefusedException>(() => SetAsync(archive, bytes, packs))).Refusal);
        }
    }

    [Fact]
    public async Task A_count_that_cannot_be_read_keeps_no_clinic_from_its_backup_and_one_that_cannot_be_written_ends_the_commit()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        await archive.BackUpAsync();
        await archive.Rows.AlterAsync(RowTable.Work, archive.Clinic.Id.Value, "quota", ("bytes", "many"));
        await archive.BackUpAsync();
        Assert.Equal(1, (await archive.Core.Quotas.ReadAsync(archive.Clinic.Id, Cancel)).Packs);

        SealedPack pack = await UploadAsync(archive);
        TroubledRows troubled = new(archive.Rows) { Fails = (table, _, key) => table == RowTable.Work && key == "quota" };
        Archive other = new(troubled, archive.Vault, shared.Keys, shared.Keys, shared.Keys, archive.Clock);
        await Assert.ThrowsAsync<IOException>(() => archive.Clinic.On(other).CommitAsync(pack));
        Assert.Equal(PackState.Open, (await archive.Core.Packs.FindAsync(archive.Clinic.Id, pack.Opened.Pack, Cancel))!.State);
    }

    private static async Task<SealedPack> UploadAsync(MemoryArchive archive)
    {
        SealedPack pack = await archive.Clinic.SealAsync(files: 1);
        await archive.Vault.WriteNewAsync(BlobName.Pack(archive.Clinic.Id, pack.Opened.Pack), pack.Ciphertext, "application/octet-stream", MemoryArchive.Metadata(pack.Sidecar), Cancel);
        return pack;
    }

    private static Task<Clinic> SetAsync(MemoryArchive archive, long? bytes = null, int? packs = null) =>
        archive.Core.Clinics.ChangeAsync(archive.Clinic.Id, null, null, Archive.Admin, Cancel, bytes, packs);

    private static async Task FollowAsync(MemoryArchive archive) =>
        await archive.Core.Quotas.FollowAsync(await archive.Core.Clinics.GetAsync(archive.Clinic.Id, Cancel), Requester.System("watch", "test"), Cancel);
}
