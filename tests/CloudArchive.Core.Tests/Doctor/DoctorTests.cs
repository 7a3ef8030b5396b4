using CloudArchive.Core.Audit;
using CloudArchive.Core.Catalog;
using CloudArchive.Core.Doctor;
using CloudArchive.Core.Keys;
using CloudArchive.Core.RestoreTests;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Tests.Audit;
using CloudArchive.Core.Tests.Support;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Signing;
using CloudArchive.Format.Wire;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using CloudArchive.LocalHost.Keys;
using CloudArchive.Testing;

namespace CloudArchive.Core.Tests.Doctor;

/// <summary>A sound archive is sound, and each fault that is seeded is told by the check that is meant for it, and by that one alone.</summary>
public sealed class DoctorTests(SharedStorage shared)
{
    private static readonly HostDuties s_ingest = new(Ingest: true, Recovery: false);
    private static readonly HostDuties s_recovery = new(Ingest: false, Recovery: true);
    private static readonly HostDuties s_both = new(Ingest: true, Recovery: true);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_sound_archive_is_sound_in_every_role()
    {
        (Archive archive, TestClinic clinic) = await SoundAsync();
        await clinic.BackUpAsync();
        await CheckpointAsync(archive, clinic);
        foreach ((HostDuties duties, Rights all) in ((HostDuties, Rights)[])[(s_both, new Rights(true, true, true)), (s_recovery, new Rights(false, false, true)), (s_ingest, new Rights(true, true, false))])
        {
            // Ingest may delete what is not locked among packs, and no record.
            Rights rights = duties == s_ingest ? all with { DeletesRecords = false } : all;
            IReadOnlyList<DoctorCheck> checks = await ExamineAsync(archive, duties, rights);
            Assert.DoesNotContain(checks, check => check.Verdict is DoctorVerdict.Failed or DoctorVerdict.Warning);
            Assert.All(checks, check => Assert.Null(check.WhatToDo));
            Assert.Equal(checks.Count, checks.DistinctBy(check => check.Check).Count());
        }
    }

    [Theory]
    [InlineData("refused-delete-packs", true, false, false)]
    [InlineData("refused-overwrite-packs", false, true, false)]
    [InlineData("refused-delete-records", false, false, true)]
    public async Task Recovery_that_may_delete_or_overwrite_is_told(string check, bool deletes, bool overwrites, bool deletesRecords)
    {
        (Archive archive, _) = await SoundAsync();
        await AssertFailsAsync(archive, s_recovery, new Rights(deletes, overwrites, true) { DeletesRecords = deletesRecords }, check);
    }

    [Fact]
    public async Task A_version_that_is_disabled_is_shown_and_a_key_of_tokens_that_signs_nothing_is_told()
    {
        using TemporaryFolder folder = new();
        using LocalKeys keys = await LocalKeys.OpenAsync(folder["keys"], Cancel);
        (Archive archive, _) = await SoundAsync();
        string signing = await keys.GetCurrentKeyIdAsync(Cancel), tokens = await keys.Tokens.GetCurrentKeyIdAsync(Cancel);
        await keys.RotateSigningKeyAsync(Cancel);
        await keys.DisableAsync(signing, Cancel);
        IReadOnlyList<DoctorCheck> checks = await ExamineAsync(archive, s_both, new Rights(true, true, true), signer: keys, tokens: keys.Tokens);
        Assert.EndsWith($"; disabled: {signing}", checks.Single(check => check.Check == "signing-key").Found, StringComparison.Ordinal);
        Assert.DoesNotContain(checks, check => check.Verdict == DoctorVerdict.Failed);

        await keys.DisableAsync(tokens, Cancel);
        checks = await ExamineAsync(archive, s_both, new Rights(true, true, true), signer: keys, tokens: keys.Tokens);
        DoctorCheck failed = Assert.Single(checks, check => check.Verdict == DoctorVerdict.Failed);
        Assert.Equal("token-key", failed.Check);
        Assert.Contains(tokens, failed.Found, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Ingest_that_may_unwrap_and_recovery_that_may_not_are_told()
    {
        (Archive archive, _) = await SoundAsync();
        await AssertFailsAsync(archive, s_ingest, new Rights(true, true, true) { DeletesRecords = false }, "refused-unwrap");
        await AssertFailsAsync(archive, s_recovery, new Rights(false, false, false), "allowed-unwrap");
    }

    [Fact]
    public async Task A_clock_that_is_off_is_told()
    {
        (Archive archive, _) = await SoundAsync();
        await AssertFailsAsync(archive, s_both, new Rights(true, true, true) { Ahead = TimeSpan.FromMinutes(3) }, "storage-clock");
    }

    [Fact]
    public async Task Storage_that_locks_no_versions_is_told()
    {
        (Archive archive, _) = await SoundAsync(new NoImmutability(shared.Storage.Vault));
        await AssertFailsAsync(archive, s_both, new Rights(true, true, true), "immutability");
    }

    [Fact]
    public async Task A_clinic_without_a_key_and_a_signing_key_that_is_not_published_are_told()
    {
        (Archive archive, TestClinic clinic) = await SoundAsync();
        await AssertFailsAsync(archive, s_both, new Rights(true, true, true), "clinic-keys", keys: new NoKeyOf(clinic.Id, shared.Keys));
        await AssertFailsAsync(archive, s_both, new Rights(true, true, true), "signing-key", signer: new Unpublished(shared.Keys));
    }

    [Fact]
    public async Task Entries_that_no_checkpoint_covers_for_two_hours_are_told()
    {
        (Archive archive, TestClinic clinic) = await SoundAsync();
        await CheckpointAsync(archive, clinic);
        await clinic.BackUpAsync();
        Rights rights = new(true, true, true);
        archive.Clock.Advance(TimeSpan.FromMinutes(119));
        Assert.Equal(DoctorVerdict.Ok, (await CheckAsync(archive, rights, "checkpoints")).Verdict);
        archive.Clock.Advance(TimeSpan.FromMinutes(2));
        DoctorCheck stale = await CheckAsync(archive, rights, "checkpoints");
        Assert.Equal(DoctorVerdict.Failed, stale.Verdict);
        Assert.Contains(clinic.Id.Value, stale.Found, StringComparison.Ordinal);
        await CheckpointAsync(archive, clinic);
        Assert.Equal(DoctorVerdict.Ok, (await CheckAsync(archive, rights, "checkpoints")).Verdict);
    }

    [Fact]
    public async Task A_pack_that_is_not_locked_as_the_catalogue_says_is_told_by_its_id()
    {
        (Archive archive, TestClinic clinic) = await SoundAsync();
        (SealedPack pack, _) = await clinic.BackUpAsync();
        Archive robbed = new(archive.Rows, new NoLocks(shared.Storage.Vault), shared.Keys, shared.Keys, shared.Keys, archive.Clock);
        DoctorCheck check = await CheckAsync(robbed, new Rights(true, true, true), "packs-locked");
        Assert.Equal(DoctorVerdict.Failed, check.Verdict);
        Assert.Contains($"{clinic.Id}/{pack.Opened.Pack}", check.Found, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_pack_that_is_not_there_is_told_and_recorded_as_lost()
    {
        MemoryVault vault = new(new FakeTimeProvider(DateTimeOffset.UtcNow));
        Archive archive = new(new MemoryRowStore(), vault, shared.Keys, shared.Keys, shared.Keys, new FakeTimeProvider(DateTimeOffset.UtcNow));
        TestClinic clinic = await TestClinic.CreateAsync(archive);
        SealedPack pack = await clinic.SealAsync();
        await vault.WriteNewAsync(BlobName.Pack(clinic.Id, pack.Opened.Pack), pack.Ciphertext, "application/octet-stream", Retention.MemoryArchive.Metadata(pack.Sidecar), Cancel);
        await clinic.CommitAsync(pack);
        Assert.Equal(DoctorVerdict.Ok, (await CheckAsync(archive, new Rights(true, true, true), "packs-there")).Verdict);
        vault.Lose(BlobName.Pack(clinic.Id, pack.Opened.Pack));
        DoctorCheck check = await CheckAsync(archive, new Rights(true, true, true), "packs-there");
        Assert.Equal(DoctorVerdict.Failed, check.Verdict);
        Assert.Contains($"{clinic.Id}/{pack.Opened.Pack}", check.Found, StringComparison.Ordinal);
        Assert.Equal([pack.Opened.Pack], (await archive.Losses.ListAsync(clinic.Id, Cancel)).Keys);
    }

    [Fact]
    public async Task A_clinic_that_is_not_tested_or_silent_is_told()
    {
        (Archive archive, TestClinic clinic) = await SoundAsync();
        await clinic.BackUpAsync();
        Rights rights = new(true, true, true);
        archive.Clock.Advance(RestoreTestWatch.Longest);
        Assert.Equal(DoctorVerdict.Ok, (await CheckAsync(archive, rights, "restore-tests-run")).Verdict);
        archive.Clock.Advance(TimeSpan.FromHours(1));
        Assert.Equal(DoctorVerdict.Failed, (await CheckAsync(archive, rights, "restore-tests-run")).Verdict);
        Assert.Equal(DoctorVerdict.Ok, (await CheckAsync(archive, rights, "agents-heard")).Verdict);
        archive.Clock.Advance(TimeSpan.FromDays(3));
        Assert.Equal(DoctorVerdict.Warning, (await CheckAsync(archive, rights, "agents-heard")).Verdict);
    }

    [Fact]
    public async Task A_doctor_that_cannot_look_is_a_check_that_failed_and_keeps_no_other_from_looking()
    {
        (Archive archive, _) = await SoundAsync();
        IReadOnlyList<DoctorCheck> checks = await ExamineAsync(archive, s_both, new Rights(true, true, true) { Broken = true });
        Assert.Equal(DoctorVerdict.Failed, checks.Single(check => check.Check == nameof(StorageDoctor)).Verdict);
        Assert.Contains(checks, check => check.Check == "checkpoints");
    }

    /// <summary>An archive of one clinic: the tables are this test's own.</summary>
    private async Task<(Archive Archive, TestClinic Clinic)> SoundAsync(IBlobVault? vault = null)
    {
        Archive archive = new(new MemoryRowStore(), vault ?? shared.Storage.Vault, shared.Keys, shared.Keys, shared.Keys, new FakeTimeProvider(DateTimeOffset.UtcNow));
        return (archive, await TestClinic.CreateAsync(archive));
    }

    private async Task CheckpointAsync(Archive archive, TestClinic clinic)
    {
        Checkpoints checkpoints = new(archive.Reader, archive.Vault, shared.Keys, archive.Clock);
        await checkpoints.MakeAsync(clinic.Id.Value, Cancel);
    }

    private async Task<IReadOnlyList<DoctorCheck>> ExamineAsync(Archive archive, HostDuties duties, Rights rights, IWrappingKeys? keys = null, ISigner? signer = null, ITokenSigner? tokens = null)
    {
        IWrappingKeys wrapping = keys ?? shared.Keys;
        rights.Clock = archive.Clock;
        IDoctor[] doctors =
        [
            new StorageDoctor(archive.Vault, rights, archive.Clock),
            new KeyDoctor(signer ?? shared.Keys, tokens ?? shared.Keys.Inner.Tokens, wrapping, rights, archive.Clinics),
            new LogDoctor(archive.Reader, new Checkpoints(archive.Reader, archive.Vault, shared.Keys, archive.Clock), archive.Clinics, archive.Clock),
            new ClinicDoctor(archive.Clinics, archive.Catalog, archive.Vault, archive.Tests, archive.Losses, archive.Agents, archive.Clock),
        ];
        return await new ServiceDoctor(doctors, NullLogger<ServiceDoctor>.Instance).ExamineAsync(duties, Cancel);
    }

    private async Task<DoctorCheck> CheckAsync(Archive archive, Rights rights, string check) => (await ExamineAsync(archive, s_both, rights)).Single(c => c.Check == check);

    private async Task AssertFailsAsync(Archive archive, HostDuties duties, Rights rights, string check, IWrappingKeys? keys = null, ISigner? signer = null)
    {
        IReadOnlyList<DoctorCheck> checks = await ExamineAsync(archive, duties, rights, keys, signer);
        DoctorCheck failed = Assert.Single(checks, c => c.Verdict == DoctorVerdict.Failed);
        Assert.Equal(check, failed.Check);
        Assert.NotNull(failed.WhatToDo);
    }

    private sealed record Rights(bool Deletes, bool Overwrites, bool Unwraps) : IStorageRights, IKeyRights
    {
        public bool DeletesRecords { get; init; } = Deletes;

        public TimeSpan Ahead { get; init; }

        public bool Broken { get; init; }

        public TimeProvider Clock { get; set; } = TimeProvider.System;

        public Task<bool> MayDeleteAsync(VaultArea area, CancellationToken cancellationToken) => Task.FromResult(area == VaultArea.Packs ? Deletes : DeletesRecords);

        public Task<bool> MayOverwriteAsync(VaultArea area, CancellationToken cancellationToken) => Task.FromResult(Overwrites);

        public Task<DateTimeOffset> GetTimeAsync(CancellationToken cancellationToken) => Broken ? throw new IOException("no answer") : Task.FromResult(Clock.GetUtcNow() + Ahead);

        public Task<bool> MayUnwrapAsync(string keyId, CancellationToken cancellationToken) => Task.FromResult(Unwraps);
    }

    private sealed class NoImmutability(IBlobVault inner) : VaultDecorator(inner)
    {
        public override Task EnsureReadyAsync(CancellationToken cancellationToken) => throw new ImmutabilityUnavailableException("account");
    }

    private sealed class NoLocks(IBlobVault inner) : VaultDecorator(inner)
    {
        public override async Task<BlobState?> FindAsync(BlobName name, string versionId, CancellationToken cancellationToken) =>
            await base.FindAsync(name, versionId, cancellationToken) is { } state ? state with { Locked = false } : null;
    }

    private sealed class NoKeyOf(ClinicId clinic, IWrappingKeys inner) : IWrappingKeys
    {
        public Task<Jwk> EnsureAsync(ClinicId id, CancellationToken cancellationToken) => inner.EnsureAsync(id, cancellationToken);

        public Task<Jwk> GetCurrentAsync(ClinicId id, CancellationToken cancellationToken) =>
            id == clinic ? throw new KeyUnavailableException($"kek-{id}", "there is no such key") : inner.GetCurrentAsync(id, cancellationToken);
    }

    private sealed class Unpublished(ISigner inner) : ISigner
    {
        public Task<string> GetCurrentKeyIdAsync(CancellationToken cancellationToken) => inner.GetCurrentKeyIdAsync(cancellationToken);

        public Task<byte[]> SignAsync(string keyId, ReadOnlyMemory<byte> data, CancellationToken cancellationToken) => inner.SignAsync(keyId, data, cancellationToken);

        public Task<JwkSet> GetPublicKeysAsync(CancellationToken cancellationToken) => Task.FromResult(new JwkSet([]));

        public Task<IReadOnlyList<string>> GetDisabledAsync(CancellationToken cancellationToken) => inner.GetDisabledAsync(cancellationToken);
    }
}
