using System.Security.Cryptography;
using CloudArchive.Core.Access;
using CloudArchive.Core.Alerts;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Catalog;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Disclosures;
using CloudArchive.Core.Doctor;
using CloudArchive.Core.Keys;
using CloudArchive.Core.Packs;
using CloudArchive.Core.Records;
using CloudArchive.Core.Restores;
using CloudArchive.Core.RestoreTests;
using CloudArchive.Core.Retention;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Tests.Audit;
using CloudArchive.Core.Tests.Retention;
using CloudArchive.Core.Tests.Support;
using CloudArchive.Core.Verdicts;
using CloudArchive.Format;
using CloudArchive.Format.Access;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Retention;
using CloudArchive.Format.Sealing;
using CloudArchive.Format.Signing;
using CloudArchive.Format.Wire;
using CloudArchive.Reports;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace CloudArchive.Core.Tests;

/// <summary>Every loop of the service over many things, with one of them not well: that one is named, and the others go on.</summary>
public sealed class OneBadItemTests(SharedStorage shared)
{
    private static readonly Requester _timer = Requester.System("timer", "test");

    private readonly FakeTimeProvider _clock = new(new DateTimeOffset(2026, 3, 4, 5, 6, 7, TimeSpan.Zero));

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_pack_in_flight_whose_row_is_damaged_keeps_no_other_from_being_reconciled()
    {
        (Archive archive, TroubledRows rows, _) = Create();
        TestClinic clinic = await TestClinic.CreateAsync(archive);
        SealedPack bad = await clinic.SealAsync(files: 1);
        SealedPack abandoned = await clinic.SealAsync(files: 1);
        await rows.AlterAsync(RowTable.Work, clinic.Id.Value, $"pack:{bad.Opened.Pack}", ("agent", 5L));
        _clock.Advance(PackReconciliation.AbandonAfter);
        Reconciliation run = await archive.Reconciler.RunAsync(clinic.Id, null, 100, Cancel);
        Assert.Equal((1, 1, null), (run.Cleared, run.Failed, run.Next));
        Assert.Null(await archive.Packs.FindAsync(clinic.Id, abandoned.Opened.Pack, Cancel));
    }

    [Fact]
    public async Task A_clinic_whose_packs_cannot_be_read_has_its_losses_reviewed_and_its_outbox_drained()
    {
        (Archive archive, TroubledRows rows, _) = Create();
        TestClinic clinic = await TestClinic.CreateAsync(archive);
        await clinic.SealAsync(files: 1);
        _clock.Advance(PackReconciliation.AbandonAfter);
        rows.Fails = (table, partition, key) => table == RowTable.Work && partition == clinic.Id.Value && key.StartsWith("pack:", StringComparison.Ordinal);
        Reconciliation run = await archive.Reconciler.RunAsync(clinic.Id, null, 100, Cancel);
        Assert.Equal((0, 1, null), (run.Cleared, run.Failed, run.Next));
        rows.Fails = (_, _, _) => false;
        Assert.Equal(1, (await archive.Reconciler.RunAsync(clinic.Id, null, 100, Cancel)).Cleared);
    }

    [Fact]
    public async Task An_entry_that_cannot_be_appended_keeps_none_behind_it_out_of_the_log()
    {
        (Archive archive, TroubledRows rows, _) = Create();
        TestClinic clinic = await TestClinic.CreateAsync(archive);
        Dictionary<string, object> Entry(string id) => new()
        {
            ["at"] = _clock.GetUtcNow(),
            ["entry"] = System.Text.Json.JsonSerializer.SerializeToUtf8Bytes(
                new AuditEvent(clinic.Id.Value, AuditActions.CatalogRebuilt, AuditOutcome.Success, _timer.Actor, new AuditSubject(clinic.Id.Value, Other: id), _timer.Origin, Once: id), FormatJson.Options),
        };
        RowWrite[] left = [new RowWrite.Insert("outbox:1", Entry("one")), new RowWrite.Insert("outbox:2", new Dictionary<string, object> { ["at"] = _clock.GetUtcNow(), ["entry"] = "{"u8.ToArray() }), new RowWrite.Insert("outbox:3", Entry("three"))];
        await rows.SubmitAsync(RowTable.Work, clinic.Id.Value, left, Cancel);
        await Assert.ThrowsAsync<AggregateException>(() => archive.Outbox.DrainAsync(RowTable.Work, clinic.Id.Value, TimeSpan.Zero, Cancel));
        Assert.Equal(["one", "three"], (await clinic.LogAsync()).Where(entry => entry.Action == AuditActions.CatalogRebuilt).Select(entry => entry.Subject.Other));
        Assert.Single(await rows.QueryAsync(RowTable.Work, clinic.Id.Value, RowRange.Prefix("outbox:"), 10, Cancel));
    }

    [Fact]
    public async Task A_pack_that_cannot_be_brought_back_from_the_archive_tier_keeps_no_other_there()
    {
        (Archive archive, TroubledRows rows, TroubledVault vault) = Create();
        TestClinic clinic = await TestClinic.CreateAsync(archive);
        SealedPack[] packs = [await BackUpAsync(archive, clinic, vault), await BackUpAsync(archive, clinic, vault), await BackUpAsync(archive, clinic, vault)];
        foreach (SealedPack pack in packs)
        {
            string version = (await vault.FindAsync(BlobName.Pack(clinic.Id, pack.Opened.Pack), Cancel))!.VersionId;
            await archive.Rehydration.RequestAsync(clinic.Id, pack.Opened.Pack, version, Archive.Admin with { Origin = new AuditOrigin(null, pack.Opened.Pack.ToString()) }, Cancel);
        }

        vault.Failing.Add(BlobName.Pack(clinic.Id, packs[0].Opened.Pack));
        await Assert.ThrowsAsync<AggregateException>(() => archive.Rehydration.RunAsync(clinic.Id, _timer, Cancel));
        Row left = Assert.Single(await rows.QueryAsync(RowTable.Work, clinic.Id.Value, RowRange.Prefix("rehydrate:"), 10, Cancel));
        Assert.EndsWith(packs[0].Opened.Pack.ToString(), left.Key, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_log_that_cannot_be_read_is_not_checked_and_the_others_are()
    {
        (Archive archive, TroubledRows rows, TroubledVault vault) = Create();
        TestClinic bad = await TestClinic.CreateAsync(archive), good = await TestClinic.CreateAsync(archive);
        LogStates states = new(rows, _clock);
        Checkpoints checkpoints = new(archive.Reader, vault, shared.Keys, _clock);
        await checkpoints.MakeAsync(bad.Id.Value, Cancel);
        await checkpoints.MakeAsync(good.Id.Value, Cancel);
        rows.Fails = (table, partition, key) => table == RowTable.Audit && partition == bad.Id.Value && key.StartsWith("e_", StringComparison.Ordinal);
        LogCheck check = new(archive.Reader, checkpoints, archive.Commits, archive.Alerts, states, _clock, NullLogger<LogCheck>.Instance);
        Assert.Equal(new LogCheckResult(null, null), await check.RunAsync(bad.Id.Value, null, TimeSpan.FromHours(1), _timer, Cancel));
        Assert.Equal(new LogCheckResult(true, null), await check.RunAsync(good.Id.Value, null, TimeSpan.FromHours(1), _timer, Cancel));
    }

    [Fact]
    public async Task An_alert_whose_rows_are_damaged_and_alerts_that_wait_keep_no_other_back()
    {
        (Archive archive, TroubledRows rows, _) = Create();
        TestClinic clinic = await TestClinic.CreateAsync(archive);
        for (int i = 0; i < 102; i++)
        {
            await archive.Alerts.RaiseAsync(new Alert(clinic.Id, AlertCause.RestoreTestFailed, $"run-{i}", "Look."), _timer, Cancel);
        }

        IReadOnlyList<Row> due = await rows.QueryAsync(RowTable.Work, clinic.Id.Value, RowRange.Prefix("alert-due:"), 1000, Cancel);
        Assert.Equal(102, due.Count);
        foreach (Row later in due.Take(100))
        {
            await rows.AlterAsync(RowTable.Work, clinic.Id.Value, later.Key, ("at", _clock.GetUtcNow() + TimeSpan.FromHours(24)));
        }

        await rows.AlterAsync(RowTable.Work, clinic.Id.Value, due[100].Key, ("at", "a text"));
        await rows.AlterAsync(RowTable.Work, clinic.Id.Value, due[100].Key.Replace("alert-due:", "alert:", StringComparison.Ordinal), ("alert", "{"), ("json", "{"));
        AlertDelivery delivery = new(rows, archive.Outbox, archive.Alerts, [], _clock, NullLogger<AlertDelivery>.Instance);
        Assert.Equal(1, (await delivery.RunAsync(_timer, Cancel)).GivenUp);
        Assert.Equal(101, (await new AlertList(rows, archive.Outbox, _clock).ListAsync(clinic.Id.Value, null, null, 1000, Cancel)).Alerts.Count);
    }

    [Fact]
    public async Task A_study_whose_row_is_damaged_is_kept_and_named_and_the_others_have_their_retention()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared, requireApproval: false);
        SealedPack bad = await archive.BackUpAsync();
        SealedPack good = await archive.BackUpAsync();
        await archive.Rows.AlterAsync(RowTable.Catalog, archive.Clinic.Id.Value, $"s:{bad.Sidecar.Study}:{bad.Opened.Pack}", ("committedAt", "a text"));
        archive.Clock.Advance(TimeSpan.FromDays(4020));
        RetentionResult run = await archive.RunAsync();
        Assert.Equal((1, 1, 1), (run.Requested, run.Destroyed, run.Failed));
        Assert.Null(await archive.Core.Catalog.FindStudyAsync(archive.Clinic.Id, good.Sidecar.Study, Cancel));
        RetentionLine line = Assert.Single(await archive.Core.Planner.PlanAsync(archive.Clinic.Id, Cancel));
        Assert.Equal((bad.Sidecar.Study, RetentionAction.Keep, RetentionReason.Unreadable), (line.Study, line.Action, line.Reason));
        RefusedException refused = await Assert.ThrowsAsync<RefusedException>(() => archive.Core.Destructions.RequestAsync(archive.Clinic.Id, bad.Sidecar.Study, Archive.Admin, Cancel));
        Assert.Equal(Refusal.NotDue, refused.Refusal);
        Assert.NotNull(await archive.Vault.FindAsync(BlobName.Pack(archive.Clinic.Id, bad.Opened.Pack), Cancel));
    }

    [Fact]
    public async Task An_order_that_became_unreadable_destroys_nothing_and_keeps_no_other_from_being_executed()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        SealedPack[] packs = [await archive.BackUpAsync(), await archive.BackUpAsync()];
        archive.Clock.Advance(TimeSpan.FromDays(4020));
        await archive.RunAsync();
        await archive.ApproveAllAsync();
        DestructionOrder bad = (await archive.Core.Destructions.ListAsync(archive.Clinic.Id, null, 10, Cancel)).Single(order => order.Study == packs[0].Sidecar.Study);
        await archive.Rows.AlterAsync(RowTable.Work, archive.Clinic.Id.Value, $"destruction:{bad.Id}", ("policy", "{"));
        RetentionResult run = await archive.RunAsync();
        Assert.Equal((1, true), (run.Destroyed, run.Failed > 0));
        Assert.NotNull(await archive.Vault.FindAsync(BlobName.Pack(archive.Clinic.Id, packs[0].Opened.Pack), Cancel));
        Assert.Single(await archive.Core.Destructions.ListAsync(archive.Clinic.Id, null, 10, Cancel));
    }

    [Fact]
    public async Task A_hold_that_cannot_be_read_keeps_everything_is_listed_and_lets_backups_and_other_holds_go_on()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared, requireApproval: false);
        SealedPack pack = await archive.BackUpAsync();
        Hold bad = await archive.Core.Holds.SetAsync(archive.Clinic.Id, TestClinic.NewStudy(), null, "case 1", Archive.Admin, Cancel);
        Hold good = await archive.Core.Holds.SetAsync(archive.Clinic.Id, pack.Sidecar.Study, null, "case 2", Archive.Admin, Cancel);
        await archive.Rows.AlterAsync(RowTable.Clinics, archive.Clinic.Id.Value, $"hold:{bad.Id}", ("status", "Nonsense"));
        SealedPack later = await archive.BackUpAsync();
        Assert.False((await archive.Vault.FindAsync(BlobName.Pack(archive.Clinic.Id, later.Opened.Pack), Cancel))!.LegalHold);

        RetentionResult run = await archive.RunAsync();
        Assert.True(run.Failed > 0);
        Assert.NotNull((await archive.Core.Holds.GetAsync(archive.Clinic.Id, good.Id, Cancel)).EnforcedAt);
        Assert.True((await archive.Vault.FindAsync(BlobName.Pack(archive.Clinic.Id, pack.Opened.Pack), Cancel))!.LegalHold);
        Assert.Equal(2, (await archive.Core.Holds.ListAsync(archive.Clinic.Id, null, 10, Cancel)).Count);
        await Assert.ThrowsAsync<IntegrityException>(() => archive.Core.Holds.GetAsync(archive.Clinic.Id, bad.Id, Cancel));

        // Nobody knows what it names: nothing is destroyed.
        archive.Clock.Advance(TimeSpan.FromDays(4020));
        run = await archive.RunAsync();
        Assert.Equal((0, 0), (run.Requested, run.Destroyed));
    }

    [Fact]
    public async Task A_pack_that_storage_does_not_hold_keeps_no_other_from_its_hold_and_the_hold_is_not_noted_as_enforced()
    {
        (Archive archive, _, TroubledVault vault) = Create();
        TestClinic clinic = await TestClinic.CreateAsync(archive);
        SealedPack[] packs = [await BackUpAsync(archive, clinic, vault), await BackUpAsync(archive, clinic, vault), await BackUpAsync(archive, clinic, vault)];
        Hold hold = await archive.Holds.SetAsync(clinic.Id, null, [packs[0].Sidecar.PatientHmac!.Value], "case", Archive.Admin, Cancel);
        BlobName failing = BlobName.Pack(clinic.Id, packs[0].Opened.Pack);
        vault.Failing.Add(failing);
        RetentionResult run = await archive.Retention.RunAsync(clinic.Id, 100, _timer, Cancel);
        Assert.Equal(1, run.Failed);
        Assert.Null((await archive.Holds.GetAsync(clinic.Id, hold.Id, Cancel)).EnforcedAt);
        Assert.True((await vault.FindAsync(BlobName.Pack(clinic.Id, packs[2].Opened.Pack), Cancel))!.LegalHold);
        vault.Failing.Clear();
        await archive.Retention.RunAsync(clinic.Id, 100, _timer, Cancel);
        Assert.Equal(3, (await archive.Holds.GetAsync(clinic.Id, hold.Id, Cancel)).Packs);
        Assert.True((await vault.FindAsync(failing, Cancel))!.LegalHold);
    }

    [Fact]
    public async Task A_pack_whose_tag_storage_does_not_take_keeps_no_other_from_its_own_and_is_tried_again()
    {
        (Archive archive, TroubledRows rows, TroubledVault vault) = Create();
        TestClinic clinic = await TestClinic.CreateAsync(archive);
        SealedPack[] packs = [await BackUpAsync(archive, clinic, vault), await BackUpAsync(archive, clinic, vault)];
        await archive.Policies.ChangeAsync(clinic.Id, RetentionPolicy.ForYears(10) with { ArchiveAfterYears = 2 }, Archive.Admin, Cancel);
        vault.Failing.Add(BlobName.Pack(clinic.Id, packs[0].Opened.Pack));
        TieringRun tiering = new(rows, archive.Clinics, archive.Catalog, vault, _clock, NullLogger<TieringRun>.Instance);
        Assert.Equal(1, await tiering.RunAsync(clinic.Id, 100, Cancel));
        Assert.Equal(0, await tiering.RunAsync(clinic.Id, 100, Cancel));
        vault.Failing.Clear();
        Assert.Equal(1, await tiering.RunAsync(clinic.Id, 100, Cancel));
        Assert.Equal(0, await tiering.RunAsync(clinic.Id, 100, Cancel));
    }

    [Fact]
    public async Task A_sidecar_that_storage_fails_at_is_a_problem_of_the_rebuild_and_the_others_are_catalogued()
    {
        (Archive archive, TroubledRows rows, TroubledVault vault) = Create();
        TestClinic clinic = await TestClinic.CreateAsync(archive);
        SealedPack[] packs = [await BackUpAsync(archive, clinic, vault), await BackUpAsync(archive, clinic, vault)];
        foreach (SealedPack pack in packs)
        {
            await rows.EraseAsync(clinic.Id, pack.Opened.Pack);
        }

        vault.Failing.Add(BlobName.Sidecar(clinic.Id, packs[0].Opened.Pack));
        RebuildResponse rebuilt = await archive.Rebuild.RunAsync(clinic.Id, null, 100, Archive.Admin, Cancel);
        Assert.Equal((2, null), (rebuilt.Packs, rebuilt.Next));
        Assert.StartsWith(packs[0].Opened.Pack.ToString(), Assert.Single(rebuilt.Problems), StringComparison.Ordinal);
        Assert.NotNull(await archive.Catalog.FindPackAsync(clinic.Id, packs[1].Opened.Pack, Cancel));
    }

    [Fact]
    public async Task A_pack_whose_row_is_damaged_is_a_problem_of_the_rewrap_and_is_passed_over_by_listings()
    {
        (Archive archive, TroubledRows rows, TroubledVault vault) = Create();
        TestClinic clinic = await TestClinic.CreateAsync(archive);
        SealedPack[] packs = [await BackUpAsync(archive, clinic, vault), await BackUpAsync(archive, clinic, vault), await BackUpAsync(archive, clinic, vault)];
        PackId bad = packs[1].Opened.Pack;
        await rows.AlterAsync(RowTable.Catalog, clinic.Id.Value, $"p:{bad}", ("length", null));
        RewrapResponse rewrap = await archive.Rewrap.RunAsync(clinic.Id, null, 10, Archive.Admin, Cancel);
        Assert.StartsWith(bad.ToString(), Assert.Single(rewrap.Problems), StringComparison.Ordinal);

        // Page by page, none is left out but the one that cannot be read, and that is said.
        List<PackId> listed = [];
        PackId? after = null;
        do
        {
            PackPage page = await archive.Catalog.ListPacksAsync(clinic.Id, after, 1, Cancel);
            listed.AddRange(page.Packs.Select(pack => pack.Pack));
            Assert.All(page.Unreadable, pack => Assert.Equal(bad, pack));
            after = page.Next;
        }
        while (after is not null);
        Assert.Equal([packs[0].Opened.Pack, packs[2].Opened.Pack], listed);
    }

    [Fact]
    public async Task Studies_and_instances_with_a_damaged_row_keep_no_other_from_being_listed()
    {
        (Archive archive, TroubledRows rows, TroubledVault vault) = Create();
        TestClinic clinic = await TestClinic.CreateAsync(archive);
        SealedPack[] packs = [await BackUpAsync(archive, clinic, vault), await BackUpAsync(archive, clinic, vault)];
        await rows.AlterAsync(RowTable.Catalog, clinic.Id.Value, $"s:{packs[0].Sidecar.Study}:{packs[0].Opened.Pack}", ("instances", "a text"));
        IReadOnlyList<StudyResponse> studies = (await archive.Catalog.ListStudiesAsync(clinic.Id, new StudyFilter(), null, 10, Cancel)).Items;
        Assert.Equal((2, 1, 0), (studies.Count, studies.Single(study => study.Study == packs[0].Sidecar.Study).UnreadablePacks, studies.Single(study => study.Study == packs[1].Sidecar.Study).UnreadablePacks));

        IReadOnlyList<Row> instances = await rows.QueryAsync(RowTable.Catalog, clinic.Id.Value, RowRange.Prefix("k:"), 10, Cancel);
        string part = instances[0].Values.Keys.First();
        await rows.AlterAsync(RowTable.Catalog, clinic.Id.Value, instances[0].Key, (part, new byte[] { 1, 2, 3 }));
        Assert.Single((await archive.Catalog.ListInstancesAsync(clinic.Id, null, null, 10, Cancel)).Items);
    }

    [Fact]
    public async Task A_clinic_that_the_doctor_cannot_look_at_keeps_no_other_from_being_looked_at()
    {
        (Archive archive, TroubledRows rows, TroubledVault vault) = Create();
        TestClinic bad = await TestClinic.CreateAsync(archive), good = await TestClinic.CreateAsync(archive);
        await BackUpAsync(archive, good, vault);
        _clock.Advance(TimeSpan.FromDays(10));
        rows.Fails = (table, partition, _) => table == RowTable.Catalog && partition == bad.Id.Value;
        DoctorCheck[] checks = await new ClinicDoctor(archive.Clinics, archive.Catalog, vault, archive.Tests, archive.Losses, archive.Agents, _clock).ExamineAsync(new HostDuties(true, true), Cancel).ToArrayAsync(Cancel);
        Assert.Equal(DoctorVerdict.Failed, checks.Single(check => check.Check == "clinics-readable").Verdict);
        DoctorCheck untested = checks.Single(check => check.Check == "restore-tests-run");
        Assert.Equal((DoctorVerdict.Failed, true), (untested.Verdict, untested.Found.Contains(good.Id.Value, StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_disclosure_whose_restore_cannot_be_read_is_told_with_the_others_and_a_record_that_cannot_be_is_counted()
    {
        (Archive archive, TroubledRows rows, TroubledVault vault) = Create();
        TestClinic clinic = await TestClinic.CreateAsync(archive, requireApproval: false);
        List<Restore> restores = [];
        for (int i = 0; i < 3; i++)
        {
            SealedPack pack = await BackUpAsync(archive, clinic, vault);
            using RSA mine = RSA.Create(2048);
            RestoreRequest request = new(JwkKeys.FromRsa(mine), $"purpose {i}", "Dr. Beispiel", [pack.Sidecar.Study]);
            Restore restore = await archive.Restores.RequestAsync(clinic.Id, request, Archive.Admin, Cancel);
            await archive.Results.ReadAsync(clinic.Id, restore.Id, null, Archive.Admin, Cancel);
            restores.Add(restore);
        }

        DisclosureLog disclosures = new(rows, archive.Identifiers, archive.Restores, archive.Log, _clock);
        await rows.AlterAsync(RowTable.Work, clinic.Id.Value, $"restore:{restores[0].Id}", ("requestedAt", "a text"));
        DisclosuresResponse found = await disclosures.FindAsync(clinic.Id, "PID-7", Archive.Admin, Cancel);
        Assert.Equal((3, 0), (found.Items.Count, found.Unreadable));
        Assert.Contains("could not be read", found.Items.Single(item => item.Restore == restores[0].Id.ToString()).Recipient, StringComparison.Ordinal);

        Row record = (await rows.QueryAsync(RowTable.Work, clinic.Id.Value, RowRange.Prefix("disclosed:"), 10, Cancel)).Single(row => row.Key.Contains(restores[1].Id.ToString(), StringComparison.Ordinal));
        await rows.AlterAsync(RowTable.Work, clinic.Id.Value, record.Key, ("at", "a text"));
        found = await disclosures.FindAsync(clinic.Id, "PID-7", Archive.Admin, Cancel);
        Assert.Equal((2, 1), (found.Items.Count, found.Unreadable));
    }

    [Fact]
    public async Task Who_cannot_be_read_is_on_the_list_of_who_can_act_as_such_hides_no_other_and_lets_nobody_attest_it()
    {
        (Archive archive, TroubledRows rows, TroubledVault vault) = Create();
        TestClinic good = await TestClinic.CreateAsync(archive), bad = await TestClinic.CreateAsync(archive);
        (AgentId second, _) = await TestClinic.EnrollAsync(archive, bad.Id);
        AccessReviews reviews = new(
            new StaffRegister(rows, archive.Outbox, _clock), archive.Clinics, archive.Agents, new RecordStore(vault, archive.Stored, shared.Keys, _clock), archive.Log, _clock, NullLogger<AccessReviews>.Instance);
        await reviews.AttestAsync(null, AccessReviewDocument.FingerprintOf(await reviews.ListAsync(null, Cancel)), Archive.Admin, Cancel);

        await rows.AlterAsync(RowTable.Clinics, bad.Id.Value, $"agent:{second}", ("key", "no key"));
        IReadOnlyList<AccessPrincipal> listed = await reviews.ListAsync(null, Cancel);
        Assert.Equal([AccessReviews.UnreadRole], Assert.Single(listed, one => one.Id.Contains(second.ToString(), StringComparison.Ordinal)).Roles);
        Assert.Contains(listed, one => one.Id == good.Agent.ToString());
        Assert.Contains(listed, one => one.Id == bad.Agent.ToString());
        RefusedException refused = await Assert.ThrowsAsync<RefusedException>(() => reviews.AttestAsync(null, AccessReviewDocument.FingerprintOf(listed), Archive.Admin, Cancel));
        Assert.Contains(second.ToString(), refused.Message, StringComparison.Ordinal);

        rows.Fails = (table, partition, key) => table == RowTable.Clinics && partition == bad.Id.Value && key.StartsWith("agent:", StringComparison.Ordinal);
        listed = await reviews.ListAsync(null, Cancel);
        Assert.Equal(2, listed.Count(one => one.Clinics is [var clinic] && (clinic == good.Id || clinic == bad.Id)));
        await Assert.ThrowsAsync<RefusedException>(() => reviews.AttestAsync(null, AccessReviewDocument.FingerprintOf(listed), Archive.Admin, Cancel));
        await reviews.AttestAsync(good.Id, AccessReviewDocument.FingerprintOf(await reviews.ListAsync(good.Id, Cancel)), Archive.Admin, Cancel);
    }

    [Fact]
    public async Task A_report_counts_the_rows_that_say_what_cannot_be_and_is_made_of_the_others()
    {
        (Archive archive, TroubledRows rows, TroubledVault vault) = Create();
        TestClinic clinic = await TestClinic.CreateAsync(archive);
        (AgentId second, _) = await TestClinic.EnrollAsync(archive, clinic.Id);
        await BackUpAsync(archive, clinic, vault);
        await rows.AlterAsync(RowTable.Clinics, clinic.Id.Value, $"agent:{second}", ("key", "no key"));
        DisclosureLog disclosures = new(rows, archive.Identifiers, archive.Restores, archive.Log, _clock);
        RollUps reports = new(
            new RollUpLogs(new AuditSearch(archive.Reader), archive.Reader),
            new RollUpRowReader(archive.Tests, archive.Agents, new VerdictReports(rows, archive.Outbox, _clock), new StaffRegister(rows, archive.Outbox, _clock), archive.Holds, disclosures),
            archive.Clinics,
            archive.Log,
            _clock);
        _clock.Advance(TimeSpan.FromDays(1));
        string csv = System.Text.Encoding.UTF8.GetString(await reports.MakeAsync(clinic.Id, ReportPeriod.Parse("2026-03"), ReportForm.Csv, Archive.Admin, Cancel));
        Assert.Contains("rows-damaged,1,", csv, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_clinic_whose_key_cannot_be_looked_at_keeps_no_other_from_being_looked_at()
    {
        (Archive archive, _, _) = Create();
        TestClinic bad = await TestClinic.CreateAsync(archive), good = await TestClinic.CreateAsync(archive);
        KeyDoctor doctor = new(shared.Keys, shared.Keys.Inner.Tokens, new TroubledKeys(shared.Keys, bad.Id), new AllRights(), archive.Clinics);
        DoctorCheck keys = (await doctor.ExamineAsync(new HostDuties(true, true), Cancel).ToArrayAsync(Cancel)).Single(check => check.Check == "clinic-keys");
        Assert.Equal(DoctorVerdict.Failed, keys.Verdict);
        Assert.Contains($"not looked at: {bad.Id} (IOException)", keys.Found, StringComparison.Ordinal);
        Assert.DoesNotContain(good.Id.Value, keys.Found, StringComparison.Ordinal);
    }

    private sealed class AllRights : IKeyRights
    {
        public Task<bool> MayUnwrapAsync(string keyId, CancellationToken cancellationToken) => Task.FromResult(true);
    }

    private sealed class TroubledKeys(IWrappingKeys inner, ClinicId bad) : IWrappingKeys
    {
        public Task<Jwk> EnsureAsync(ClinicId clinic, CancellationToken cancellationToken) => inner.EnsureAsync(clinic, cancellationToken);

        public Task<Jwk> GetCurrentAsync(ClinicId clinic, CancellationToken cancellationToken) =>
            clinic == bad ? throw new IOException("The key store answers HTTP 500.") : inner.GetCurrentAsync(clinic, cancellationToken);
    }

    private (Archive Archive, TroubledRows Rows, TroubledVault Vault) Create()
    {
        TroubledRows rows = new(new MemoryRowStore());
        TroubledVault vault = new(new MemoryVault(_clock));
        return (new Archive(rows, vault, shared.Keys, shared.Keys, shared.Keys, _clock), rows, vault);
    }

    private static async Task<SealedPack> BackUpAsync(Archive archive, TestClinic clinic, IBlobVault vault)
    {
        SealedPack pack = await clinic.SealAsync(files: 1);
        Dictionary<string, string> metadata = new()
        {
            [BlobEncryption.MetadataName] = BlobEncryption.ToMetadata(pack.Sidecar.Encryption),
            [BlobEncryption.EscrowMetadataName] = BlobEncryption.ToMetadata(BlobEncryption.For(pack.Sidecar.Escrow)),
        };
        await vault.WriteNewAsync(BlobName.Pack(clinic.Id, pack.Opened.Pack), pack.Ciphertext, "application/octet-stream", metadata, Cancel);
        await archive.Commit.RunAsync(clinic.Agent, pack.Opened.Pack, pack.Sidecar, clinic.AsAgent, Cancel);
        return pack;
    }
}
