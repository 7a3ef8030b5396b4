using CloudArchive.Core.Alerts;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Catalog;
using CloudArchive.Core.Losses;
using CloudArchive.Core.Restores;
using CloudArchive.Core.RestoreTests;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Tests.Retention;
using CloudArchive.Core.Tests.Support;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Evidence;
using CloudArchive.Format.Signing;
using CloudArchive.Format.Wire;
using Microsoft.Extensions.Logging.Abstractions;

namespace CloudArchive.Core.Tests.Losses;

/// <summary>Packs that storage lost: who finds it, what is said of it where, and how it is made good.</summary>
public sealed class PackLossTests(SharedStorage shared)
{
    private static readonly Requester s_timer = Requester.System("timer", "test");

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(PackLossCause.Missing)]
    [InlineData(PackLossCause.Damaged)]
    public async Task What_a_restore_test_finds_is_recorded_once_alerted_told_in_the_study_and_made_good_by_the_same_files_in_another_pack(PackLossCause cause)
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        ClinicId id = archive.Clinic.Id;
        SealedPack lost = await archive.BackUpAsync();
        SealedPack other = await archive.BackUpAsync();
        BlobName blob = BlobName.Pack(id, lost.Opened.Pack);
        if (cause == PackLossCause.Missing)
        {
            archive.Vault.Lose(blob);
        }
        else
        {
            archive.Vault.Flip(blob);
        }

        Assert.Equal(RestoreTestStatus.Failed, (await TestAsync(archive)).Status);
        Assert.Equal(RestoreTestStatus.Failed, (await TestAsync(archive)).Status);
        LostPack found = Assert.Single(await archive.Core.Losses.ListAsync(id, Cancel)).Value;
        Assert.Equal((lost.Opened.Pack, (Uid?)lost.Sidecar.Study, cause, 1, null), (found.Pack, found.Study, found.Cause, found.Instances, found.ReplacedAt));
        AuditEntry entry = Assert.Single(await archive.Clinic.LogAsync(), entry => entry.Action == AuditActions.PackLost);
        Assert.Equal((lost.Opened.Pack.ToString(), AuditOutcome.Failure), (entry.Subject.Pack, entry.Outcome));
        Assert.Single((await new AlertList(archive.Rows, archive.Core.Outbox, archive.Clock).ListAsync(id.Value, null, null, 100, Cancel)).Alerts, raised => raised.Alert.Cause == AlertCause.PackLost);

        // Told, not summed.
        StudyResponse study = (await archive.Core.Catalog.FindStudyAsync(id, lost.Sidecar.Study, Cancel))!;
        Assert.Equal((0, 0, 0L, 1), (study.Packs, study.Instances, study.Bytes, study.LostInstances));
        Assert.Equal(1, (await archive.Core.Catalog.ListStudiesAsync(id, new StudyFilter(), null, 10, Cancel)).Items.Sum(s => s.LostInstances));
        ChangesResponse changes = await archive.Core.Changes.ReadAsync(id, -1, 100, Cancel);
        Assert.Equal([(other.Opened.Pack, (PackLossCause?)null), (lost.Opened.Pack, cause)], changes.Items.Select(change => (change.Pack, change.Lost?.Cause)));
        Assert.Contains(lost.Opened.Pack, await PlanAsync(archive));

        // The same files again. The archive takes them, and what is lost is not asked for any more: neither by a test nor by a restore.
        SealedPack again = await archive.BackUpAsync(lost.Sidecar.Study, files: lost.Files);
        Assert.Equal(RestoreTestStatus.Passed, (await TestAsync(archive)).Status);
        Assert.NotNull(Assert.Single(await archive.Core.Losses.ListAsync(id, Cancel)).Value.ReplacedAt);
        study = (await archive.Core.Catalog.FindStudyAsync(id, lost.Sidecar.Study, Cancel))!;
        Assert.Equal((1, 1, 0), (study.Packs, study.Instances, study.LostInstances));
        Assert.Equal([other.Opened.Pack, again.Opened.Pack], await PlanAsync(archive));
        Assert.Equal([again.Opened.Pack], await PlanAsync(archive, instance: lost.Sidecar.Instances[0].SopInstance));
        changes = await archive.Core.Changes.ReadAsync(id, changes.Next, 100, Cancel);
        Assert.Equal((again.Opened.Pack, true), Assert.Single(changes.Items.Select(change => (change.Pack, change.Archived is not null))));
    }

    [Fact]
    public async Task A_loss_that_nobody_can_make_good_stays_in_every_test_and_every_restore_that_would_need_it()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        SealedPack lost = await archive.BackUpAsync();
        archive.Vault.Lose(BlobName.Pack(archive.Clinic.Id, lost.Opened.Pack));
        await TestAsync(archive);

        // Another image of the study is not the image that is lost; and a version of it with other bytes neither.
        await archive.BackUpAsync(lost.Sidecar.Study, files: [TestFile.Create(lost.Sidecar.Study, 2), TestFile.Create(lost.Sidecar.Study, 1)]);
        RestoreTestResponse run = await TestAsync(archive);
        Assert.Equal((RestoreTestStatus.Failed, 2), (run.Status, run.Population));
        Assert.Equal(1, (await archive.Core.Catalog.FindStudyAsync(archive.Clinic.Id, lost.Sidecar.Study, Cancel))!.LostInstances);
        Assert.Contains(lost.Opened.Pack, await PlanAsync(archive));
        Assert.Null(Assert.Single(await archive.Core.Losses.ListAsync(archive.Clinic.Id, Cancel)).Value.ReplacedAt);
    }

    [Fact]
    public async Task A_pack_that_is_there_again_and_passes_its_test_counts_again()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        SealedPack pack = await archive.BackUpAsync();
        object taken = archive.Vault.Take(BlobName.Pack(archive.Clinic.Id, pack.Opened.Pack));
        await TestAsync(archive);
        long seen = (await archive.Core.Changes.ReadAsync(archive.Clinic.Id, -1, 100, Cancel)).Next;
        archive.Vault.Return(BlobName.Pack(archive.Clinic.Id, pack.Opened.Pack), taken);
        Assert.Equal(RestoreTestStatus.Passed, (await TestAsync(archive)).Status);

        Assert.Empty(await archive.Core.Losses.ListAsync(archive.Clinic.Id, Cancel));
        Assert.Single(await archive.Clinic.LogAsync(), entry => entry.Action == AuditActions.PackReinstated && entry.Subject.Pack == pack.Opened.Pack.ToString());
        ArchiveChange change = Assert.Single((await archive.Core.Changes.ReadAsync(archive.Clinic.Id, seen, 100, Cancel)).Items);
        Assert.Equal(pack.Sidecar.Instances, change.Archived!.Instances);
        Assert.Equal((1, 0), (await archive.Core.Catalog.FindStudyAsync(archive.Clinic.Id, pack.Sidecar.Study, Cancel)) is { } study ? (study.Packs, study.LostInstances) : default);

        // And may be lost once more, with an entry of its own.
        archive.Vault.Lose(BlobName.Pack(archive.Clinic.Id, pack.Opened.Pack));
        await TestAsync(archive);
        Assert.Equal(2, (await archive.Clinic.LogAsync()).Count(entry => entry.Action == AuditActions.PackLost));
    }

    [Fact]
    public async Task Storage_that_does_not_answer_has_lost_nothing()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        SealedPack pack = await archive.BackUpAsync();
        Archive broken = new(archive.Rows, new DeafVault(archive.Vault, BlobName.Pack(archive.Clinic.Id, pack.Opened.Pack)), shared.Keys, shared.Keys, shared.Keys, archive.Clock);
        RestoreTestResponse started = await broken.Tests.StartAsync(archive.Clinic.Id, new TestBudget(100, 1L << 30), new RunTrigger(RunTriggerKind.OnDemand), Archive.Admin, Cancel);
        await Record.ExceptionAsync(() => broken.TestRunner.RunAsync(archive.Clinic.Id, TimeSpan.FromHours(1), s_timer, Cancel));
        Restore restore = await broken.Restores.RequestAsync(archive.Clinic.Id, Request(everything: true), Archive.Admin, Cancel);
        await Record.ExceptionAsync(() => broken.Results.ReadAsync(archive.Clinic.Id, restore.Id, null, Archive.Admin, Cancel));
        Assert.NotEmpty(started.Id);
        Assert.Empty(await archive.Core.Losses.ListAsync(archive.Clinic.Id, Cancel));
        Assert.DoesNotContain(await archive.Clinic.LogAsync(), entry => entry.Action == AuditActions.PackLost);
    }

    [Theory]
    [InlineData(PackFailure.Missing, "pack", PackTestStepName.Find, PackLossCause.Missing)]
    [InlineData(PackFailure.Missing, "receipt", PackTestStepName.Find, PackLossCause.Missing)]
    [InlineData(PackFailure.HashMismatch, "length", PackTestStepName.Fetch, PackLossCause.Damaged)]
    [InlineData(PackFailure.DecryptFailed, "region", PackTestStepName.Open, PackLossCause.Damaged)]
    [InlineData(PackFailure.ZipInvalid, "zip-invalid", PackTestStepName.Open, PackLossCause.Damaged)]
    [InlineData(PackFailure.CatalogueMismatch, "receipt", PackTestStepName.Find, PackLossCause.Damaged)]
    [InlineData(PackFailure.CatalogueMismatch, "sidecar", PackTestStepName.Find, PackLossCause.Damaged)]
    [InlineData(PackFailure.CatalogueMismatch, "catalogue", PackTestStepName.Catalogue, null)]
    [InlineData(PackFailure.CatalogueMismatch, "receipt", PackTestStepName.Immutability, null)]
    [InlineData(PackFailure.CatalogueMismatch, "uids", PackTestStepName.Parse, null)]
    [InlineData(PackFailure.ImmutabilityLost, "no policy", PackTestStepName.Immutability, null)]
    [InlineData(PackFailure.KeyUnavailable, "key", PackTestStepName.Unwrap, null)]
    [InlineData(PackFailure.DicomInvalid, null, PackTestStepName.Parse, null)]
    [InlineData(PackFailure.TimedOut, null, PackTestStepName.Fetch, null)]
    public void Only_what_another_upload_makes_good_is_a_loss(PackFailure cause, string? detail, PackTestStepName step, PackLossCause? loss)
    {
        PackTestResult failed = new(PackId.New(s_clock), PackTestOutcome.Failed, s_clock.GetUtcNow(), 0, 0, 0, [new PackTestStep(step, 1)], cause, detail);
        Assert.Equal(loss, failed.Loss());
        Assert.Null((failed with { Outcome = PackTestOutcome.Recovered, Cause = null }).Loss());
        Assert.Null((failed with { Outcome = PackTestOutcome.NotTestedArchived, Cause = null }).Loss());
    }

    [Fact]
    public async Task A_restore_and_a_request_to_the_archive_tier_that_find_nothing_say_so_and_a_study_that_is_destroyed_is_no_loss()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared, requireApproval: false);
        ClinicId id = archive.Clinic.Id;
        SealedPack one = await archive.BackUpAsync(), two = await archive.BackUpAsync();
        Restore restore = await archive.Core.Restores.RequestAsync(id, Request(everything: true), Archive.Admin, Cancel);
        archive.Vault.Lose(BlobName.Pack(id, one.Opened.Pack));
        await archive.Core.Results.ReadAsync(id, restore.Id, null, Archive.Admin, Cancel);
        Assert.Equal([one.Opened.Pack], (await archive.Core.Losses.ListAsync(id, Cancel)).Keys);

        await archive.Core.Rehydration.RequestAsync(id, two.Opened.Pack, "1", s_timer, Cancel);
        archive.Vault.Lose(BlobName.Pack(id, two.Opened.Pack));
        await archive.Core.Rehydration.RunAsync(id, s_timer, Cancel);
        Assert.Equal(2, (await archive.Core.Losses.ListAsync(id, Cancel)).Count);

        // Both studies' time is over: what is left of them goes, and with it the losses; agents hear that nothing is to be uploaded again.
        long before = (await archive.Core.Changes.ReadAsync(id, -1, 100, Cancel)).Next;
        archive.Clock.Advance(TimeSpan.FromDays(365 * 11));
        await archive.RunAsync();
        await archive.RunAsync();
        Assert.Equal(2, (await archive.Clinic.LogAsync()).Count(entry => entry.Action == AuditActions.StudyDestroyed));
        Assert.Empty(await archive.Core.Losses.ListAsync(id, Cancel));
        IReadOnlyList<ArchiveChange> changes = (await archive.Core.Changes.ReadAsync(id, before, 100, Cancel)).Items;
        Assert.Equal(
            [(one.Opened.Pack, one.Sidecar.Study), (two.Opened.Pack, two.Sidecar.Study)],
            changes.Select(change => (change.Pack, change.Lost!.Study!.Value)).OrderBy(change => change.Pack.ToString(), StringComparer.Ordinal));
        Assert.All(changes, change => Assert.Equal(PackLossCause.Destroyed, change.Lost!.Cause));
    }

    private static readonly TimeProvider s_clock = TimeProvider.System;

    private static async Task<RestoreTestResponse> TestAsync(MemoryArchive archive)
    {
        archive.Clock.Advance(TimeSpan.FromMinutes(1));
        TestBudget budget = new(100, 1L << 30);
        RestoreTestResponse started = await archive.Core.Tests.StartAsync(archive.Clinic.Id, budget, new RunTrigger(RunTriggerKind.OnDemand), Archive.Admin, Cancel);
        Assert.True(await archive.Core.TestRunner.RunAsync(archive.Clinic.Id, TimeSpan.FromHours(1), s_timer, Cancel));
        return await archive.Core.Tests.GetAsync(archive.Clinic.Id, WorkId.Parse(started.Id), Cancel);
    }

    private static async Task<PackId[]> PlanAsync(MemoryArchive archive, Uid? instance = null)
    {
        RestorePlan plan = await archive.Core.RestorePlanner.PlanAsync(archive.Clinic.Id, Request(instance is null, instance is { } one ? [one] : null), Cancel);
        return [.. plan.Packs.Select(pack => pack.Pack)];
    }

    private static RestoreRequest Request(bool everything, IReadOnlyList<Uid>? instances = null)
    {
        using System.Security.Cryptography.RSA key = System.Security.Cryptography.RSA.Create(2048);
        return new RestoreRequest(JwkKeys.FromRsa(key), "test", "test", Instances: instances, Everything: everything);
    }

    /// <summary>Answers nothing about one blob: neither that it is there nor that it is not.</summary>
    private sealed class DeafVault(IBlobVault inner, BlobName deaf) : VaultDecorator(inner)
    {
        public override Task<BlobState?> FindAsync(BlobName name, string versionId, CancellationToken cancellationToken) =>
            name == deaf ? throw new IOException("500") : base.FindAsync(name, versionId, cancellationToken);

        public override Task<Stream> OpenReadAsync(BlobName name, string versionId, CancellationToken cancellationToken) =>
            name == deaf ? throw new IOException("500") : base.OpenReadAsync(name, versionId, cancellationToken);
    }
}
