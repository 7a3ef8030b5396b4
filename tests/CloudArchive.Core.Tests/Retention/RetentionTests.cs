using CloudArchive.Core.Audit;
using CloudArchive.Core.Catalog;
using CloudArchive.Core.Retention;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Tests.Support;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Retention;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Tests.Retention;

public sealed class RetentionTests(SharedStorage shared)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_policy_is_versioned_audited_and_set_again_without_a_change_is_the_same()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        ClinicId clinic = archive.Clinic.Id;
        RetentionPolicy longer = await archive.Core.Policies.ChangeAsync(clinic, new RetentionPolicy(0, 12, 5, RetentionBasis.LastTreatment, 18, 7), Archive.Admin, Cancel);
        Assert.Equal(longer, await archive.Core.Policies.ChangeAsync(clinic, longer with { Version = 77 }, Archive.Admin, Cancel));
        await archive.Core.Policies.ChangeAsync(clinic, new RetentionPolicy(0, 3, 1), Archive.OtherAdmin, Cancel);
        IReadOnlyList<RetentionVersion> versions = await archive.Core.Policies.ListAsync(clinic, Cancel);
        Assert.Equal([1, 2, 3], versions.Select(version => version.Policy.Version));
        Assert.Equal([10, 12, 3], versions.Select(version => version.Policy.Years));
        Assert.Equal(versions[^1].Policy, (await archive.Core.Clinics.GetAsync(clinic, Cancel)).Retention);
        AuditEntry[] entries = [.. (await archive.Clinic.LogAsync()).Where(entry => entry.Action == AuditActions.RetentionPolicyChanged)];
        Assert.Equal(["2", "3"], entries.Select(entry => entry.Details!["version"]));
        Assert.Equal(["ada", "bert"], entries.Select(entry => entry.Actor.Id));
    }

    [Fact]
    public async Task A_clinic_of_before_policies_had_versions_keeps_its_years_and_gets_its_first_version_with_the_first_change()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        ClinicId clinic = archive.Clinic.Id;
        Row row = (await archive.Rows.FindAsync(RowTable.Clinics, clinic.Value, "clinic", Cancel))!;
        archive.Rows.Tamper(RowTable.Clinics, clinic.Value, "clinic", row.Values.Where(value => value.Key != "retention").ToDictionary());
        archive.Rows.Tamper(RowTable.Clinics, clinic.Value, "retention:000001", null);
        Assert.Equal(RetentionPolicy.ForYears(10), (await archive.Core.Clinics.GetAsync(clinic, Cancel)).Retention);
        Assert.Equal(RetentionPolicy.ForYears(10), Assert.Single(await archive.Core.Policies.ListAsync(clinic, Cancel)).Policy);
        await archive.Core.Clinics.ChangeAsync(clinic, 12, null, Archive.Admin, Cancel);
        Assert.Equal([10, 12], (await archive.Core.Policies.ListAsync(clinic, Cancel)).Select(version => version.Policy.Years));
    }

    [Theory]
    [InlineData(0, 1, null, 0)]
    [InlineData(101, 1, null, 0)]
    [InlineData(10, 0, null, 0)]
    [InlineData(10, 1, 26, 0)]
    [InlineData(10, 1, null, 3)]
    [InlineData(10, 1, 18, -1)]
    public async Task A_policy_that_breaks_a_rule_is_refused_and_changes_nothing(int years, int minimum, int? age, int more)
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        RetentionPolicy wrong = new(0, years, minimum, RetentionBasis.StudyDate, age, more);
        Assert.Equal(Refusal.RequestInvalid, (await Assert.ThrowsAsync<RefusedException>(() => archive.Core.Policies.ChangeAsync(archive.Clinic.Id, wrong, Archive.Admin, Cancel))).Refusal);
        Assert.Single(await archive.Core.Policies.ListAsync(archive.Clinic.Id, Cancel));
    }

    [Fact]
    public async Task A_longer_policy_extends_what_is_locked_once_and_a_shorter_one_leaves_it()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        SealedPack pack = await archive.BackUpAsync();
        DateTimeOffset before = LockOf(archive, pack);
        await archive.Core.Policies.ChangeAsync(archive.Clinic.Id, RetentionPolicy.ForYears(25), Archive.Admin, Cancel);
        RetentionResult first = await archive.RunAsync(alsoPlan: false);
        RetentionResult second = await archive.RunAsync();
        Assert.Equal((1, 0), (first.Extended, second.Extended));
        Assert.Equal(before.AddYears(15), LockOf(archive, pack));
        Assert.All(archive.Vault.All(VaultArea.Packs), blob => Assert.Equal((true, before.AddYears(15)), (blob.State.Locked, blob.State.ImmutableUntil)));
        CatalogPack catalogued = (await archive.Core.Catalog.FindPackAsync(archive.Clinic.Id, pack.Opened.Pack, Cancel))!;
        Assert.Equal(before.AddYears(15), catalogued.ImmutableUntil);
        Assert.Null((await archive.Core.PackTest.RunAsync(archive.Clinic.Id, pack.Opened.Pack, Cancel)).Cause);

        await archive.Core.Policies.ChangeAsync(archive.Clinic.Id, RetentionPolicy.ForYears(2), Archive.Admin, Cancel);
        await archive.RunAsync();
        Assert.Equal(before.AddYears(15), LockOf(archive, pack));
        AuditEntry entry = Assert.Single(await archive.Clinic.LogAsync(), entry => entry.Action == AuditActions.RetentionExtended);
        Assert.Equal(("policy-longer", pack.Sidecar.Study.Value), (entry.Reason, entry.Subject.Study));
    }

    [Fact]
    public async Task A_late_pack_keeps_the_whole_study_and_a_patient_who_comes_back_keeps_every_study()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        await archive.Core.Policies.ChangeAsync(archive.Clinic.Id, new RetentionPolicy(0, 5, 1, RetentionBasis.LastTreatment), Archive.Admin, Cancel);
        SealedPack first = await archive.BackUpAsync(studyDate: "20260101", patientId: "A");
        SealedPack other = await archive.BackUpAsync(studyDate: "20260101", patientId: "B");
        archive.Clock.Advance(TimeSpan.FromDays(1000));
        SealedPack back = await archive.BackUpAsync(studyDate: "20281101", patientId: "A");
        SealedPack late = await archive.BackUpAsync(study: other.Sidecar.Study, studyDate: null, patientId: "B");
        await archive.RunAsync();
        Assert.Equal(LockOf(archive, back), LockOf(archive, first));
        Assert.True(LockOf(archive, late) <= LockOf(archive, other));
        Assert.Equal(
            [("last-treatment", first.Sidecar.Study.Value), ("late-pack", other.Sidecar.Study.Value)],
            (await archive.Clinic.LogAsync()).Where(entry => entry.Action == AuditActions.RetentionExtended).Select(entry => (entry.Reason!, entry.Subject.Study!)).OrderBy(entry => entry.Item1, StringComparer.Ordinal));
    }

    [Fact]
    public async Task A_minor_s_study_is_kept_beyond_the_age_and_an_agent_that_knows_no_policy_loses_nothing_that_the_service_knows()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        await archive.Core.Policies.ChangeAsync(archive.Clinic.Id, new RetentionPolicy(0, 5, 2, RetentionBasis.StudyDate, 18, 7), Archive.Admin, Cancel);
        SealedPack minor = await archive.BackUpAsync(bornIn: 2020);
        SealedPack old = await archive.BackUpAsync(knowsPolicy: false);
        Assert.Equal(new DateTimeOffset(2046, 1, 1, 0, 0, 0, TimeSpan.Zero), LockOf(archive, minor));
        Assert.Equal(new DateTimeOffset(2031, 1, 3, 0, 0, 0, TimeSpan.Zero), LockOf(archive, old));

        // The year of birth is in the sidecar and in the catalogue, so a rule that comes later finds it.
        await archive.Core.Policies.ChangeAsync(archive.Clinic.Id, new RetentionPolicy(0, 5, 2, RetentionBasis.StudyDate, 21, 7), Archive.Admin, Cancel);
        await archive.RunAsync();
        Assert.Equal(new DateTimeOffset(2049, 1, 1, 0, 0, 0, TimeSpan.Zero), LockOf(archive, minor));
    }

    [Fact]
    public async Task A_hold_is_in_storage_on_what_was_there_and_on_what_comes_until_a_second_admin_cleared_it()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        SealedPack there = await archive.BackUpAsync(patientId: "A");
        SealedPack other = await archive.BackUpAsync(patientId: "B");
        Sha256Digest patient = archive.Clinic.Secret.Hmac("A")!.Value;
        Hold hold = await archive.Core.Holds.SetAsync(archive.Clinic.Id, null, [patient], "Letter of 2026-03-01", Archive.Admin, Cancel);
        Assert.Equal(hold.Id, (await archive.Core.Holds.SetAsync(archive.Clinic.Id, null, [patient], "Letter of 2026-03-01", Archive.Admin, Cancel)).Id);
        SealedPack between = await archive.BackUpAsync(patientId: "A");
        Assert.True(IsHeld(archive, between));
        Assert.False(IsHeld(archive, there));
        Assert.False(await archive.Core.Holds.IsHeldInStorageAsync(archive.Clinic.Id, there.Sidecar.Study, patient, Cancel));
        await archive.RunAsync(alsoPlan: false);
        Assert.True(IsHeld(archive, there));
        Assert.False(IsHeld(archive, other));
        Assert.Equal(2, (await archive.Core.Holds.GetAsync(archive.Clinic.Id, hold.Id, Cancel)).Packs);
        Assert.True(await archive.Core.Holds.IsHeldInStorageAsync(archive.Clinic.Id, there.Sidecar.Study, patient, Cancel));

        // A restore test sees a hold that somebody took off.
        Assert.Null((await archive.Core.PackTest.RunAsync(archive.Clinic.Id, there.Opened.Pack, Cancel)).Cause);
        BlobName blob = BlobName.Pack(archive.Clinic.Id, there.Opened.Pack);
        await archive.Vault.SetLegalHoldAsync(blob, (await archive.Vault.FindAsync(blob, Cancel))!.VersionId, false, Cancel);
        Assert.Equal(Format.Evidence.PackFailure.ImmutabilityLost, (await archive.Core.PackTest.RunAsync(archive.Clinic.Id, there.Opened.Pack, Cancel)).Cause);
        await archive.RunAsync();

        await archive.Core.Holds.ClearAsync(archive.Clinic.Id, hold.Id, Archive.Admin, Cancel);
        Assert.Equal(Refusal.ApprovalByRequester, (await Assert.ThrowsAsync<RefusedException>(() => archive.Core.Holds.ApproveClearAsync(archive.Clinic.Id, hold.Id, Archive.Admin, Cancel))).Refusal);
        archive.Clock.Advance(Holds.ClearLifetime + TimeSpan.FromMinutes(1));
        Assert.Equal(Refusal.HoldNotPending, (await Assert.ThrowsAsync<RefusedException>(() => archive.Core.Holds.ApproveClearAsync(archive.Clinic.Id, hold.Id, Archive.OtherAdmin, Cancel))).Refusal);
        await archive.RunAsync();
        Assert.True(IsHeld(archive, there));
        await archive.Core.Holds.ClearAsync(archive.Clinic.Id, hold.Id, Archive.Admin, Cancel);
        await archive.Core.Holds.ApproveClearAsync(archive.Clinic.Id, hold.Id, Archive.OtherAdmin, Cancel);
        await archive.RunAsync(alsoPlan: false);
        Assert.DoesNotContain(archive.Vault.All(VaultArea.Packs), blob => blob.State.LegalHold);
        Assert.Equal(
            [AuditActions.HoldSet, AuditActions.HoldClearRequested, AuditActions.HoldClearRequested, AuditActions.HoldCleared],
            (await archive.Clinic.LogAsync()).Select(entry => entry.Action).Where(action => action.StartsWith("retention/hold", StringComparison.Ordinal)));
        Assert.DoesNotContain(await archive.Clinic.LogAsync(), entry => entry.Details?.Values.Any(value => value.Contains("Letter", StringComparison.Ordinal)) == true);
    }

    [Fact]
    public async Task Two_holds_on_one_study_are_two_and_clearing_one_leaves_it_held()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared, requireApproval: false);
        SealedPack pack = await archive.BackUpAsync(patientId: "A");
        Hold ofPatient = await archive.Core.Holds.SetAsync(archive.Clinic.Id, null, [archive.Clinic.Secret.Hmac("A")!.Value], "one", Archive.Admin, Cancel);
        Hold ofStudy = await archive.Core.Holds.SetAsync(archive.Clinic.Id, pack.Sidecar.Study, null, "two", Archive.Admin, Cancel);
        await archive.RunAsync(alsoPlan: false);
        Assert.Equal(HoldStatus.Cleared, (await archive.Core.Holds.ClearAsync(archive.Clinic.Id, ofPatient.Id, Archive.Admin, Cancel)).Status);
        await archive.RunAsync(alsoPlan: false);
        Assert.True(IsHeld(archive, pack));
        await archive.Core.Holds.ClearAsync(archive.Clinic.Id, ofStudy.Id, Archive.Admin, Cancel);
        await archive.RunAsync(alsoPlan: false);
        Assert.False(IsHeld(archive, pack));
    }

    private static DateTimeOffset LockOf(MemoryArchive archive, SealedPack pack) => archive.Vault.All(VaultArea.Packs).Single(blob => blob.Name == BlobName.Pack(archive.Clinic.Id, pack.Opened.Pack)).State.ImmutableUntil!.Value;

    private static bool IsHeld(MemoryArchive archive, SealedPack pack)
    {
        bool[] held = [.. archive.Vault.All(VaultArea.Packs).Where(blob => blob.Name.Path.Contains(pack.Opened.Pack.ToString(), StringComparison.Ordinal)).Select(blob => blob.State.LegalHold)];
        Assert.Equal(3, held.Length);
        Assert.Single(held.Distinct());
        return held[0];
    }
}
