using CloudArchive.Core.Audit;
using CloudArchive.Core.Losses;
using CloudArchive.Core.Retention;
using CloudArchive.Core.RestoreTests;
using CloudArchive.Core.Tests.Retention;
using CloudArchive.Core.Tests.Support;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Tests.RestoreTests;

/// <summary>What the audit log says is in the archive: by commits, and by entries of packs whose commits it lost.</summary>
public sealed class LoggedPacksTests(SharedStorage shared)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_pack_whose_commit_the_log_lost_is_known_by_the_entry_that_entered_it_again()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        ClinicId id = archive.Clinic.Id;
        SealedPack known = await archive.BackUpAsync();
        (PackId pack, Uid study) = (PackId.New(archive.Clock), TestClinic.NewStudy());
        archive.Clock.Advance(TimeSpan.FromDays(400));
        await AppendAsync(archive, AuditActions.PackReentered, study, pack, instances: 3);
        LoggedPacks log = Logged(archive);

        IReadOnlyDictionary<PackId, LoggedPack> found = await log.FindAsync(id, new HashSet<PackId> { pack, known.Opened.Pack, PackId.New(archive.Clock) }, Cancel);
        Assert.Equal(new[] { known.Opened.Pack, pack }.ToHashSet(), [.. found.Keys]);
        Assert.Equal(new LoggedPack(pack, study, 100, found[pack].CommittedAt, 3), found[pack]);
        Assert.Equal(new[] { known.Opened.Pack, pack }.ToHashSet(), [.. (await log.ReadAsync(id, Cancel)).Select(one => one.Pack)]);

        // A restore test that finds no trace of it learns that its time was over, and calls nothing missing.
        DateTimeOffset since = archive.Clock.GetUtcNow();
        Assert.False(await log.IsDestroyedAsync(id, pack, since, Cancel));
        archive.Clock.Advance(TimeSpan.FromDays(1));
        await AppendAsync(archive, AuditActions.StudyDestroyed, study, null);
        Assert.True(await log.IsDestroyedAsync(id, pack, since, Cancel));
        Assert.False(await log.IsDestroyedAsync(id, known.Opened.Pack, since, Cancel));
        Assert.Equal([known.Opened.Pack], (await log.ReadAsync(id, Cancel)).Select(one => one.Pack));
        Assert.Contains(pack, (await log.FindAsync(id, new HashSet<PackId> { pack }, Cancel)).Keys); // destroyed or not

        // No certificate lists what the study had: agents hear of it from the log itself.
        ArchiveChange gone = Assert.Single((await archive.Core.Changes.ReadAsync(id, -1, 100, Cancel)).Items, change => change.Lost is not null);
        Assert.Equal((pack, PackLossCause.Destroyed, study), (gone.Pack, gone.Lost!.Cause, gone.Lost.Study!.Value));
    }

    [Fact]
    public async Task A_pack_that_was_committed_and_entered_again_is_one_pack_and_of_its_first_moment()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        ClinicId id = archive.Clinic.Id;
        SealedPack pack = await archive.BackUpAsync();
        DateTimeOffset committed = Assert.Single(await Logged(archive).ReadAsync(id, Cancel)).CommittedAt;
        archive.Clock.Advance(TimeSpan.FromDays(400));
        await AppendAsync(archive, AuditActions.PackReentered, pack.Sidecar.Study, pack.Opened.Pack);
        Assert.Equal(committed, Assert.Single(await Logged(archive).ReadAsync(id, Cancel)).CommittedAt);
        Assert.Equal(committed, Assert.Single(await Logged(archive).FindAsync(id, new HashSet<PackId> { pack.Opened.Pack }, Cancel)).Value.CommittedAt);
    }

    private static LoggedPacks Logged(MemoryArchive archive) => new(archive.Core.Reader, new AuditSearch(archive.Core.Reader), archive.Core.Destructions);

    private static Task AppendAsync(MemoryArchive archive, string action, Uid study, PackId? pack, int instances = 1) => archive.Core.Log.AppendAsync(
        new AuditEvent(
            archive.Clinic.Id.Value,
            action,
            AuditOutcome.Success,
            Archive.Admin.Actor,
            new AuditSubject(archive.Clinic.Id.Value, study.Value, pack?.ToString()),
            Archive.Admin.Origin,
            Details: new Dictionary<string, string> { ["bytes"] = "100", ["instances"] = $"{instances}" }),
        Cancel);
}
