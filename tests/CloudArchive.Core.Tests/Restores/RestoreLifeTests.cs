using System.Security.Cryptography;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Restores;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Tests.Retention;
using CloudArchive.Core.Tests.Support;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Signing;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Tests.Restores;

/// <summary>A restore lives as long as it makes progress, and not for ever.</summary>
public sealed class RestoreLifeTests(SharedStorage shared)
{
    private static readonly RSA _mine = RSA.Create(2048);
    private static readonly Requester _timer = Requester.System("housekeeping", "test");

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Each_page_that_is_read_lets_it_live_on_up_to_a_bound_and_the_log_says_until_when()
    {
        (MemoryArchive archive, Restore restore) = await RequestAsync();
        DateTimeOffset asked = archive.Clock.GetUtcNow();
        Assert.Equal(asked + RestoreDesk.Lifetime, restore.ExpiresAt);

        // A read every six days: it would have been over after three, and is not.
        TimeSpan between = TimeSpan.FromDays(6);
        while (archive.Clock.GetUtcNow() - asked + between < RestoreDesk.MaxLifetime)
        {
            await ReadAsync(archive, restore);
            DateTimeOffset until = (await GetAsync(archive, restore)).ExpiresAt;
            Assert.Equal(Earlier(archive.Clock.GetUtcNow() + RestoreDesk.Idle, asked + RestoreDesk.MaxLifetime), until);
            archive.Clock.Advance(archive.Clock.GetUtcNow() == asked ? TimeSpan.FromDays(2) : between);
        }

        await ReadAsync(archive, restore);
        Assert.Equal(asked + RestoreDesk.MaxLifetime, (await GetAsync(archive, restore)).ExpiresAt);
        archive.Clock.SetUtcNow(asked + RestoreDesk.MaxLifetime);
        Assert.Equal(Refusal.RestoreOver, (await Assert.ThrowsAsync<RefusedException>(() => ReadAsync(archive, restore))).Refusal);
        AuditEntry[] reads = [.. (await archive.Clinic.LogAsync()).Where(entry => entry.Action == AuditActions.RestoreResultRead && entry.Outcome == AuditOutcome.Success)];
        Assert.True(reads.Length > 5);
        Assert.Equal((asked + RestoreDesk.MaxLifetime).UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'"), reads[^1].Details!["until"]);
    }

    [Fact]
    public async Task One_that_nobody_reads_is_over_after_a_week_and_is_swept()
    {
        (MemoryArchive archive, Restore restore) = await RequestAsync();
        await ReadAsync(archive, restore);
        archive.Clock.Advance(RestoreDesk.Idle);
        Assert.Equal(RestoreStatus.Expired, archive.Core.Restores.StatusOf(await GetAsync(archive, restore)));
        await archive.Core.Restores.SweepAsync(archive.Clinic.Id, _timer, Cancel);
        Assert.Equal(1, await archive.Core.Restores.SweepAsync(archive.Clinic.Id, _timer, Cancel));
    }

    [Fact]
    public async Task A_partial_report_does_not_end_it_lets_it_live_on_and_is_what_remains_where_it_expires()
    {
        (MemoryArchive archive, Restore restore) = await RequestAsync();
        RestoreReport partial = new(3, 1, 2, 4000, Partial: true);
        archive.Clock.Advance(TimeSpan.FromDays(2));
        for (int i = 0; i < 2; i++)
        {
            Restore after = await archive.Core.Restores.ReportAsync(archive.Clinic.Id, restore.Id, partial, Archive.Admin, Cancel);
            Assert.Equal((RestoreStatus.Ready, partial, null, archive.Clock.GetUtcNow() + RestoreDesk.Idle), (after.Status, after.Progress, after.Report, after.ExpiresAt));
        }

        Assert.Single((await ReadAsync(archive, restore)).Items);
        archive.Clock.Advance(RestoreDesk.Idle);
        Assert.Equal(Refusal.RestoreOver, (await Assert.ThrowsAsync<RefusedException>(() => archive.Core.Restores.ReportAsync(archive.Clinic.Id, restore.Id, partial with { Bytes = 5000 }, Archive.Admin, Cancel))).Refusal);
        await archive.Core.Restores.SweepAsync(archive.Clinic.Id, _timer, Cancel);
        IReadOnlyList<AuditEntry> log = await archive.Clinic.LogAsync();
        Assert.Equal(("3", "2"), (Assert.Single(log, e => e.Action == AuditActions.RestoreProgressed).Details!["restored"], Assert.Single(log, e => e.Action == AuditActions.RestoreExpired).Details!["failed"]));
    }

    [Fact]
    public async Task A_final_report_after_a_partial_one_ends_it()
    {
        (MemoryArchive archive, Restore restore) = await RequestAsync();
        await archive.Core.Restores.ReportAsync(archive.Clinic.Id, restore.Id, new RestoreReport(0, 0, 1, 0, Partial: true), Archive.Admin, Cancel);
        RestoreReport last = new(1, 0, 0, 2000);
        Restore ended = await archive.Core.Restores.ReportAsync(archive.Clinic.Id, restore.Id, last, Archive.Admin, Cancel);
        Assert.Equal((RestoreStatus.Reported, last), (ended.Status, ended.Report));
    }

    [Fact]
    public async Task Pages_that_are_read_at_the_same_time_all_come_and_each_is_in_the_log()
    {
        (MemoryArchive archive, Restore restore) = await RequestAsync();
        archive.Clock.Advance(TimeSpan.FromDays(1));
        RestorePage[] pages = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => Task.Run(() => ReadAsync(archive, restore))));
        Assert.All(pages, page => Assert.Single(page.Items));
        Assert.Equal(6, (await archive.Clinic.LogAsync()).Count(entry => entry.Action == AuditActions.RestoreResultRead));
    }

    [Fact]
    public async Task A_restore_whose_row_is_damaged_keeps_no_other_from_being_listed_or_swept()
    {
        (MemoryArchive archive, Restore bad) = await RequestAsync();
        using RSA key = RSA.Create(2048);
        Restore good = await archive.Core.Restores.RequestAsync(archive.Clinic.Id, Request() with { PublicKey = JwkKeys.FromRsa(key) }, Archive.Admin, Cancel);
        await archive.Rows.AlterAsync(RowTable.Work, archive.Clinic.Id.Value, $"restore:{bad.Id}", ("status", "Nonsense"));
        Assert.Equal([good.Id], (await archive.Core.Restores.ListAsync(archive.Clinic.Id, null, 1, Cancel)).Select(restore => restore.Id));
        archive.Clock.Advance(RestoreDesk.Lifetime);
        await archive.Core.Restores.SweepAsync(archive.Clinic.Id, _timer, Cancel);
        Assert.Equal(1, await archive.Core.Restores.SweepAsync(archive.Clinic.Id, _timer, Cancel));
    }

    private static DateTimeOffset Earlier(DateTimeOffset one, DateTimeOffset other) => one < other ? one : other;

    private static RestoreRequest Request() => new(JwkKeys.FromRsa(_mine), "Why", "Who", Everything: true);

    private async Task<(MemoryArchive Archive, Restore Restore)> RequestAsync()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        await archive.BackUpAsync();
        return (archive, await archive.Core.Restores.RequestAsync(archive.Clinic.Id, Request(), Archive.Admin, Cancel));
    }

    private static Task<Restore> GetAsync(MemoryArchive archive, Restore restore) => archive.Core.Restores.GetAsync(archive.Clinic.Id, restore.Id, Cancel);

    private static Task<RestorePage> ReadAsync(MemoryArchive archive, Restore restore) => archive.Core.Results.ReadAsync(archive.Clinic.Id, restore.Id, null, Archive.Admin, Cancel);
}
