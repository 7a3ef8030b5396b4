using System.Text;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Retention;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Tests.Support;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Retention;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Tests.Retention;

public sealed class StudyDestructionTests(SharedStorage shared)
{
    private static readonly TimeSpan _elevenYears = TimeSpan.FromDays(4020);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_study_whose_time_is_over_is_destroyed_after_an_admin_s_approval_with_a_certificate_that_holds_offline()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        SealedPack pack = await archive.BackUpAsync();
        SealedPack second = await archive.BackUpAsync(study: pack.Sidecar.Study);
        await archive.RunAsync();
        Assert.Empty(await archive.Core.Destructions.ListAsync(archive.Clinic.Id, null, 10, Cancel));

        archive.Clock.Advance(_elevenYears);
        await archive.RunAsync();
        await archive.RunAsync();
        DestructionOrder order = Assert.Single(await archive.Core.Destructions.ListAsync(archive.Clinic.Id, null, 10, Cancel));
        Assert.Equal((DestructionStatus.PendingApproval, 2, "retention"), (order.Status, order.Packs, order.RequestedBy));
        Assert.Equal(6, archive.Vault.All(VaultArea.Packs).Count);
        await archive.Core.Destructions.ApproveAsync(archive.Clinic.Id, order.Id, Archive.OtherAdmin, Cancel);
        RetentionResult run = await archive.RunAsync(alsoPlan: false);
        Assert.Equal((1, 0), (run.Destroyed, run.Failed));

        Assert.Empty(archive.Vault.All(VaultArea.Packs));
        Assert.Null(await archive.Core.Catalog.FindStudyAsync(archive.Clinic.Id, pack.Sidecar.Study, Cancel));
        Assert.Empty(await archive.Rows.QueryAsync(RowTable.Catalog, archive.Clinic.Id.Value, "!", "~", 10, Cancel));
        Assert.Empty(await archive.Rows.QueryAsync(RowTable.Work, archive.Clinic.Id.Value, RowRange.Prefix("destruction-"), 10, Cancel));
        CertificateResponse issued = await archive.Core.Certificates.ReadAsync(order, Cancel);
        CertificateVerification verification = DestructionCertificates.Verify(Encoding.UTF8.GetBytes(issued.Certificate), issued.Signature, await shared.Keys.GetPublicKeysAsync(Cancel));
        Assert.Empty(verification.Findings);
        Assert.Equal([pack.Sidecar.Sha256, second.Sidecar.Sha256], verification.Certificate!.Packs.Select(gone => gone.Sha256));
        Assert.Equal(("retention", "bert"), (verification.Certificate.RequestedBy, verification.Certificate.ApprovedBy));
        AuditEntry entry = Assert.Single(await archive.Clinic.LogAsync(), entry => entry.Action == AuditActions.StudyDestroyed);
        Assert.Equal((pack.Sidecar.Study.Value, Sha256Digest.Of(Encoding.UTF8.GetBytes(issued.Certificate)).Hex), (entry.Subject.Study, entry.Details!["certificate"]));
        Assert.True((await archive.Vault.FindAsync(new BlobName(VaultArea.Records, $"{archive.Clinic.Id}/certificates/{order.Id}/certificate.json"), Cancel))!.Locked);

        // The same images may be archived again, and are then due again in their own time.
        await archive.BackUpAsync(study: pack.Sidecar.Study);
        archive.Clock.Advance(_elevenYears);
        await archive.RunAsync();
        await archive.ApproveAllAsync();
        await archive.RunAsync();
        Assert.Equal(2, (await archive.Clinic.LogAsync()).Count(e => e.Action == AuditActions.StudyDestroyed));
    }

    [Theory]
    [InlineData("keptUntil", "2099")]
    [InlineData("approvedBy", "retention")]
    [InlineData("study", "1.2.3")]
    public async Task A_certificate_that_was_changed_does_not_hold(string member, string value)
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        await archive.BackUpAsync();
        archive.Clock.Advance(_elevenYears);
        await archive.RunAsync();
        await archive.ApproveAllAsync();
        await archive.RunAsync();
        DestructionOrder order = Assert.Single(await archive.Core.Destructions.ListAsync(archive.Clinic.Id, null, 10, Cancel));
        CertificateResponse issued = await archive.Core.Certificates.ReadAsync(order, Cancel);
        System.Text.Json.Nodes.JsonNode json = System.Text.Json.Nodes.JsonNode.Parse(issued.Certificate)!;
        string before = (string)json[member]!;
        string changed = issued.Certificate.Replace(before, value + (before.Length > value.Length && member == "keptUntil" ? before[value.Length..] : ""), StringComparison.Ordinal);
        Assert.NotEqual(issued.Certificate, changed);
        Assert.NotEmpty(DestructionCertificates.Verify(Encoding.UTF8.GetBytes(changed), issued.Signature, await shared.Keys.GetPublicKeysAsync(Cancel)).Findings);
    }

    [Fact]
    public async Task Who_asked_cannot_approve_and_what_is_not_due_is_refused()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        SealedPack pack = await archive.BackUpAsync();
        Assert.Equal(Refusal.NotDue, (await Assert.ThrowsAsync<RefusedException>(() => archive.Core.Destructions.RequestAsync(archive.Clinic.Id, pack.Sidecar.Study, Archive.Admin, Cancel))).Refusal);
        archive.Clock.Advance(_elevenYears);
        DestructionOrder order = await archive.Core.Destructions.RequestAsync(archive.Clinic.Id, pack.Sidecar.Study, Archive.Admin, Cancel);
        Assert.Equal(order.Id, (await archive.Core.Destructions.RequestAsync(archive.Clinic.Id, pack.Sidecar.Study, Archive.OtherAdmin, Cancel)).Id);
        Assert.Equal(Refusal.ApprovalByRequester, (await Assert.ThrowsAsync<RefusedException>(() => archive.Core.Destructions.ApproveAsync(archive.Clinic.Id, order.Id, Archive.Admin, Cancel))).Refusal);
        await archive.RunAsync();
        Assert.Equal(3, archive.Vault.All(VaultArea.Packs).Count);
        Assert.Single(await archive.Clinic.LogAsync(), entry => entry.Action == AuditActions.DestructionRequested);
    }

    [Fact]
    public async Task What_an_admin_rejected_is_not_asked_for_again_for_a_while()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        await archive.BackUpAsync();
        archive.Clock.Advance(_elevenYears);
        await archive.RunAsync();
        DestructionOrder order = Assert.Single(await archive.Core.Destructions.OpenAsync(archive.Clinic.Id, Cancel));
        await archive.Core.Destructions.RejectAsync(archive.Clinic.Id, order.Id, Archive.Admin, Cancel);
        await archive.RunAsync();
        Assert.Empty(await archive.Core.Destructions.OpenAsync(archive.Clinic.Id, Cancel));
        Assert.Equal(Refusal.DestructionOver, (await Assert.ThrowsAsync<RefusedException>(() => archive.Core.Destructions.ApproveAsync(archive.Clinic.Id, order.Id, Archive.OtherAdmin, Cancel))).Refusal);
        archive.Clock.Advance(DestructionDesk.NotAgainFor);
        await archive.RunAsync();
        Assert.Single(await archive.Core.Destructions.OpenAsync(archive.Clinic.Id, Cancel));
    }

    [Fact]
    public async Task What_waits_for_an_approval_and_is_not_due_any_more_ends_with_the_next_plan_and_is_asked_for_anew_in_its_time()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        SealedPack held = await archive.BackUpAsync();
        SealedPack late = await archive.BackUpAsync();
        archive.Clock.Advance(_elevenYears);
        await archive.RunAsync();
        await archive.Core.Holds.SetAsync(archive.Clinic.Id, held.Sidecar.Study, null, "case", Archive.Admin, Cancel);
        await archive.BackUpAsync(study: late.Sidecar.Study);
        await archive.RunAsync();
        Assert.Empty(await archive.Core.Destructions.OpenAsync(archive.Clinic.Id, Cancel));
        Assert.Equal(
            [("held", held.Sidecar.Study.Value), ("late-pack", late.Sidecar.Study.Value)],
            (await archive.Core.Destructions.ListAsync(archive.Clinic.Id, null, 10, Cancel)).Select(order => (order.Why ?? "", order.Study.Value)).OrderBy(order => order.Item1, StringComparer.Ordinal));

        // Found by RetentionPropertyTests: an order of before the late pack was approved when the study was due again, and nothing was destroyed.
        archive.Clock.Advance(_elevenYears);
        await archive.RunAsync();
        DestructionOrder order = Assert.Single(await archive.Core.Destructions.OpenAsync(archive.Clinic.Id, Cancel));
        Assert.Equal((late.Sidecar.Study, 2), (order.Study, order.Packs));
        await archive.ApproveAllAsync();
        Assert.Equal(1, (await archive.RunAsync()).Destroyed);
    }

    [Fact]
    public async Task An_order_of_before_a_late_pack_is_asked_for_anew_also_where_no_plan_was_made_until_all_of_it_was_due()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        SealedPack pack = await archive.BackUpAsync();
        archive.Clock.Advance(_elevenYears);
        await archive.RunAsync();
        await archive.BackUpAsync(study: pack.Sidecar.Study);
        archive.Clock.Advance(_elevenYears);
        await archive.RunAsync();
        IReadOnlyList<DestructionOrder> orders = await archive.Core.Destructions.ListAsync(archive.Clinic.Id, null, 10, Cancel);
        Assert.Equal([(DestructionStatus.Rejected, "late-pack", 1), (DestructionStatus.PendingApproval, "", 2)], orders.Select(order => (order.Status, order.Why ?? "", order.Packs)));
    }

    [Fact]
    public async Task What_was_approved_is_kept_after_all_where_a_hold_a_late_pack_or_a_longer_policy_came_before_it_was_done()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        SealedPack held = await archive.BackUpAsync();
        SealedPack late = await archive.BackUpAsync();
        archive.Clock.Advance(_elevenYears);
        await archive.RunAsync();
        await archive.ApproveAllAsync();
        Hold hold = await archive.Core.Holds.SetAsync(archive.Clinic.Id, held.Sidecar.Study, null, "case", Archive.Admin, Cancel);
        await archive.BackUpAsync(study: late.Sidecar.Study);
        await archive.RunAsync();
        Assert.Equal(
            [("held", held.Sidecar.Study.Value), ("not-yet", late.Sidecar.Study.Value)],
            (await archive.Core.Destructions.ListAsync(archive.Clinic.Id, null, 10, Cancel)).Select(order => (order.Why ?? "", order.Study.Value)).OrderBy(order => order.Item1, StringComparer.Ordinal));
        Assert.Equal(9, archive.Vault.All(VaultArea.Packs).Count);

        // An approval does not outlive what overruled it: when the hold is gone, it is asked for anew.
        await archive.Core.Holds.ClearAsync(archive.Clinic.Id, hold.Id, Archive.Admin, Cancel);
        await archive.Core.Holds.ApproveClearAsync(archive.Clinic.Id, hold.Id, Archive.OtherAdmin, Cancel);
        await archive.RunAsync();
        Assert.Equal(DestructionStatus.PendingApproval, Assert.Single(await archive.Core.Destructions.OpenAsync(archive.Clinic.Id, Cancel)).Status);
        await archive.Core.Policies.ChangeAsync(archive.Clinic.Id, RetentionPolicy.ForYears(40), Archive.Admin, Cancel);
        await archive.ApproveAllAsync();
        await archive.RunAsync();
        Assert.Empty(await archive.Core.Destructions.OpenAsync(archive.Clinic.Id, Cancel));
        Assert.Equal(9, archive.Vault.All(VaultArea.Packs).Count);
    }

    [Fact]
    public async Task A_hold_that_comes_while_a_study_is_being_destroyed_keeps_what_is_left()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        SealedPack first = await archive.BackUpAsync();
        SealedPack second = await archive.BackUpAsync(study: first.Sidecar.Study);
        archive.Clock.Advance(_elevenYears);
        await archive.RunAsync();
        await archive.ApproveAllAsync();
        BlobName blob = BlobName.Pack(archive.Clinic.Id, second.Opened.Pack);
        await archive.Vault.SetLegalHoldAsync(blob, (await archive.Vault.FindAsync(blob, Cancel))!.VersionId, true, Cancel);
        RetentionResult run = await archive.RunAsync(alsoPlan: false);
        Assert.Equal((0, 1), (run.Destroyed, run.Failed));
        Assert.Equal(3, archive.Vault.All(VaultArea.Packs).Count(left => left.Name.Path.Contains(second.Opened.Pack.ToString(), StringComparison.Ordinal)));
        Assert.DoesNotContain(await archive.Clinic.LogAsync(), entry => entry.Action == AuditActions.StudyDestroyed);
        await archive.Vault.SetLegalHoldAsync(blob, (await archive.Vault.FindAsync(blob, Cancel))!.VersionId, false, Cancel);
        await archive.RunAsync(alsoPlan: false);
        Assert.Empty(archive.Vault.All(VaultArea.Packs));
        Assert.Single(await archive.Clinic.LogAsync(), entry => entry.Action == AuditActions.StudyDestroyed);
    }

    [Fact]
    public async Task An_order_whose_row_changes_under_the_last_step_is_ended_all_the_same()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared, requireApproval: false);
        await archive.BackUpAsync();
        archive.Clock.Advance(_elevenYears);
        Archive changing = new(new ChangesAtTheEnd(archive.Rows), archive.Vault, shared.Keys, shared.Keys, shared.Keys, archive.Clock);
        RetentionResult run = await changing.Retention.RunAsync(archive.Clinic.Id, 100, MemoryArchive.Timer, Cancel);
        Assert.Equal((1, 0), (run.Destroyed, run.Failed));
        await AssertDestroyedOnceAsync(archive);
    }

    [Fact]
    public async Task An_order_that_was_left_without_its_rows_before_it_was_ended_is_ended_by_its_certificate()
    {
        // What one conflict left before: the packs and their rows gone, the certificate there, and the order begun for ever.
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared, requireApproval: false);
        await archive.BackUpAsync();
        archive.Clock.Advance(_elevenYears);
        Archive failing = new(new ChangesAtTheEnd(archive.Rows, fails: true), archive.Vault, shared.Keys, shared.Keys, shared.Keys, archive.Clock);
        Assert.Equal(1, (await failing.Retention.RunAsync(archive.Clinic.Id, 100, MemoryArchive.Timer, Cancel)).Failed);
        foreach (Row row in await archive.Rows.QueryAsync(RowTable.Work, archive.Clinic.Id.Value, RowRange.Prefix("destruction-pack:"), 10, Cancel))
        {
            Assert.True(await archive.Rows.TryDeleteAsync(RowTable.Work, archive.Clinic.Id.Value, [row], Cancel));
        }

        Assert.Equal((1, 0), await archive.RunAsync(alsoPlan: false) is var run ? (run.Destroyed, run.Failed) : default);
        await AssertDestroyedOnceAsync(archive);
    }

    [Fact]
    public async Task A_lease_a_snapshot_and_another_version_keep_nothing_past_its_time_and_nothing_is_left_of_them()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared, requireApproval: false);
        SealedPack first = await archive.BackUpAsync(), second = await archive.BackUpAsync();
        BlobName blob = BlobName.Pack(archive.Clinic.Id, first.Opened.Pack);
        archive.Vault.Overwrite(blob, "ransom"u8.ToArray());
        archive.Vault.Snapshot(blob);
        archive.Vault.Snapshot(blob);
        archive.Vault.Lease(blob);
        archive.Clock.Advance(_elevenYears);
        RetentionResult run = await archive.RunAsync();
        Assert.Equal((2, 0), (run.Destroyed, run.Failed));
        Assert.Empty(archive.Vault.All(VaultArea.Packs));
        Assert.Empty(archive.Vault.AllSnapshots(VaultArea.Packs));
        Assert.NotEqual(first.Sidecar.Study, second.Sidecar.Study);
    }

    [Fact]
    public async Task A_pack_that_storage_does_not_delete_keeps_its_own_study_alone_and_no_certificate_is_given_for_it()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared, requireApproval: false);
        SealedPack stuck = await archive.BackUpAsync(), other = await archive.BackUpAsync();
        archive.Clock.Advance(_elevenYears);
        Archive refusing = new(archive.Rows, new RefusesToDelete(archive.Vault, stuck.Opened.Pack), shared.Keys, shared.Keys, shared.Keys, archive.Clock);
        RetentionResult run = await refusing.Retention.RunAsync(archive.Clinic.Id, 100, MemoryArchive.Timer, Cancel);
        Assert.Equal((1, 1), (run.Destroyed, run.Failed));
        Assert.Equal(other.Sidecar.Study.Value, Assert.Single(await archive.Clinic.LogAsync(), entry => entry.Action == AuditActions.StudyDestroyed).Subject.Study);
        DestructionOrder order = Assert.Single(await archive.Core.Destructions.OpenAsync(archive.Clinic.Id, Cancel));
        Assert.Equal(Refusal.DestructionUnknown, (await Assert.ThrowsAsync<RefusedException>(() => archive.Core.Certificates.ReadAsync(order, Cancel))).Refusal);
        Assert.Equal(1, (await archive.RunAsync(alsoPlan: false)).Destroyed);
    }

    [Fact]
    public async Task An_open_restore_goes_on_without_what_was_destroyed_meanwhile_and_says_when_and_by_which_certificate()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared, requireApproval: false);
        SealedPack over = await archive.BackUpAsync();
        archive.Clock.Advance(_elevenYears);
        SealedPack young = await archive.BackUpAsync();
        using System.Security.Cryptography.RSA mine = System.Security.Cryptography.RSA.Create(2048);
        RestoreRequest request = new(CloudArchive.Format.Signing.JwkKeys.FromRsa(mine), "Moves away", "Dr. Weber", Everything: true);
        CloudArchive.Core.Restores.Restore restore = await archive.Core.Restores.RequestAsync(archive.Clinic.Id, request, Archive.Admin, Cancel);
        RetentionResult run = await archive.Core.Retention.RunAsync(archive.Clinic.Id, 100, MemoryArchive.Timer, Cancel);
        Assert.Equal(1, run.Destroyed);
        DestructionOrder order = Assert.Single(await archive.Core.Destructions.ListAsync(archive.Clinic.Id, null, 10, Cancel));

        RestorePage page = await archive.Core.Results.ReadAsync(archive.Clinic.Id, restore.Id, null, Archive.Admin, Cancel);
        Assert.Equal(young.Opened.Pack, Assert.Single(page.Items).Pack);
        RestorePackFailure gone = Assert.Single(page.Failed!);
        Assert.Equal((over.Opened.Pack, false, new PackDestruction(order.DestroyedAt, order.Id.ToString())), (gone.Pack, gone.Passing, gone.Destroyed));
        Assert.Empty(await archive.Core.Losses.ListAsync(archive.Clinic.Id, Cancel));
    }

    [Fact]
    public async Task A_pack_that_cannot_be_locked_longer_keeps_no_other_from_it_and_one_that_lost_its_blob_alone_is_a_loss()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        SealedPack stuck = await archive.BackUpAsync(), second = await archive.BackUpAsync(study: stuck.Sidecar.Study), other = await archive.BackUpAsync();
        archive.Vault.Lose(BlobName.Pack(archive.Clinic.Id, other.Opened.Pack));
        await archive.Core.Policies.ChangeAsync(archive.Clinic.Id, RetentionPolicy.ForYears(20), Archive.Admin, Cancel);
        Archive refusing = new(archive.Rows, new RefusesToLock(archive.Vault, stuck.Opened.Pack), shared.Keys, shared.Keys, shared.Keys, archive.Clock);
        RetentionResult run = await refusing.Retention.RunAsync(archive.Clinic.Id, 100, MemoryArchive.Timer, Cancel);
        Assert.Equal((1, 1), (run.Extended, run.Failed));
        DateTimeOffset twenty = archive.Clock.GetUtcNow().AddYears(19);
        Assert.True((await archive.Vault.FindAsync(BlobName.Pack(archive.Clinic.Id, second.Opened.Pack), Cancel))!.ImmutableUntil > twenty);
        Assert.True((await archive.Vault.FindAsync(BlobName.Sidecar(archive.Clinic.Id, other.Opened.Pack), Cancel))!.ImmutableUntil > twenty);
        Assert.Equal(other.Opened.Pack, Assert.Single(await archive.Core.Losses.ListAsync(archive.Clinic.Id, Cancel)).Key);

        // And the next run has the rest.
        Assert.Equal((1, 0), await archive.RunAsync() is var again ? (again.Extended, again.Failed) : default);
        Assert.True((await archive.Vault.FindAsync(BlobName.Pack(archive.Clinic.Id, stuck.Opened.Pack), Cancel))!.ImmutableUntil > twenty);
    }

    private async Task AssertDestroyedOnceAsync(MemoryArchive archive)
    {
        DestructionOrder order = Assert.Single(await archive.Core.Destructions.ListAsync(archive.Clinic.Id, null, 10, Cancel));
        Assert.Equal(DestructionStatus.Destroyed, order.Status);
        CertificateResponse issued = await archive.Core.Certificates.ReadAsync(order, Cancel);
        Assert.Empty(DestructionCertificates.Verify(Encoding.UTF8.GetBytes(issued.Certificate), issued.Signature, await shared.Keys.GetPublicKeysAsync(Cancel)).Findings);
        Assert.Single(await archive.Clinic.LogAsync(), entry => entry.Action == AuditActions.StudyDestroyed);
        Assert.Empty(await archive.Rows.QueryAsync(RowTable.Work, archive.Clinic.Id.Value, RowRange.Prefix("destruction-"), 10, Cancel));
    }

    /// <summary>Another writer touches the order's row just before it is ended, once; or storage fails then, once.</summary>
    private sealed class ChangesAtTheEnd(IRowStore inner, bool fails = false) : IRowStore
    {
        private bool _done;

        public Task EnsureReadyAsync(CancellationToken cancellationToken) => inner.EnsureReadyAsync(cancellationToken);

        public Task<Row?> FindAsync(RowTable table, string partition, string key, CancellationToken cancellationToken) => inner.FindAsync(table, partition, key, cancellationToken);

        public Task<IReadOnlyList<Row>> QueryAsync(RowTable table, string partition, string from, string to, int take, CancellationToken cancellationToken) =>
            inner.QueryAsync(table, partition, from, to, take, cancellationToken);

        public IAsyncEnumerable<string> PartitionsAsync(RowTable table, CancellationToken cancellationToken) => inner.PartitionsAsync(table, cancellationToken);

        public async Task<IReadOnlyList<string>> SubmitAsync(RowTable table, string partition, IReadOnlyList<RowWrite> writes, CancellationToken cancellationToken)
        {
            if (!_done && writes.OfType<RowWrite.Replace>().FirstOrDefault(write => write.Values.GetValueOrDefault("status") as string == "Destroyed") is { } last)
            {
                _done = true;
                if (fails)
                {
                    throw new IOException("Storage does not answer.");
                }

                Row row = (await inner.FindAsync(table, partition, last.Key, cancellationToken))!;
                await inner.SubmitAsync(table, partition, [new RowWrite.Replace(row.Key, row.Values, row.ETag!)], cancellationToken);
            }

            return await inner.SubmitAsync(table, partition, writes, cancellationToken);
        }
    }

    private sealed class RefusesToDelete(IBlobVault inner, PackId pack) : VaultDecorator(inner)
    {
        public override Task DeleteAsync(BlobName name, string versionId, CancellationToken cancellationToken) =>
            name.Path.Contains(pack.ToString(), StringComparison.Ordinal) ? throw new IOException("Storage refuses.") : base.DeleteAsync(name, versionId, cancellationToken);
    }

    private sealed class RefusesToLock(IBlobVault inner, PackId pack) : VaultDecorator(inner)
    {
        public override Task LockAsync(BlobName name, string versionId, DateTimeOffset until, CancellationToken cancellationToken) =>
            name.Path.EndsWith(pack.ToString(), StringComparison.Ordinal) ? throw new IOException("Storage refuses.") : base.LockAsync(name, versionId, until, cancellationToken);
    }

    [Fact]
    public async Task A_run_that_dies_after_any_call_is_finished_by_the_next_with_one_entry_and_one_certificate()
    {
        int died = 0;
        for (int call = 1; ; call++)
        {
            MemoryArchive archive = await MemoryArchive.CreateAsync(shared, requireApproval: false);
            SealedPack gone = await archive.BackUpAsync(patientId: "A");
            await archive.BackUpAsync(study: gone.Sidecar.Study, patientId: "A");
            archive.Clock.Advance(_elevenYears);
            SealedPack stays = await archive.BackUpAsync(patientId: "A");
            await archive.Core.Holds.SetAsync(archive.Clinic.Id, stays.Sidecar.Study, null, "case", Archive.Admin, Cancel);
            Doom doom = new(call);
            Archive doomed = new(new DoomedRows(archive.Rows, doom), new DoomedVault(archive.Vault, doom), shared.Keys, shared.Keys, new DoomedSigner(shared.Keys, doom), archive.Clock);
            try
            {
                await doomed.Retention.RunAsync(archive.Clinic.Id, 100, MemoryArchive.Timer, Cancel);
            }
            catch (DeadException)
            {
                // As it should, unless it was one item's failure to the run.
            }

            died += doom.Struck ? 1 : 0;

            // What the reconciler does with a dead one's outbox, and the next two runs.
            await archive.Core.Outbox.DrainAsync(RowTable.Work, archive.Clinic.Id.Value, TimeSpan.Zero, Cancel);
            await archive.Core.Outbox.DrainAsync(RowTable.Clinics, archive.Clinic.Id.Value, TimeSpan.Zero, Cancel);
            await archive.RunAsync();
            await archive.RunAsync();
            IReadOnlyList<AuditEntry> log = await archive.Clinic.LogAsync();
            Assert.Single(log, entry => entry.Action == AuditActions.DestructionRequested);
            AuditEntry destroyed = Assert.Single(log, entry => entry.Action == AuditActions.StudyDestroyed);
            DestructionOrder order = Assert.Single(await archive.Core.Destructions.ListAsync(archive.Clinic.Id, null, 10, Cancel));
            CertificateResponse issued = await archive.Core.Certificates.ReadAsync(order, Cancel);
            Assert.Empty(DestructionCertificates.Verify(Encoding.UTF8.GetBytes(issued.Certificate), issued.Signature, await shared.Keys.GetPublicKeysAsync(Cancel)).Findings);
            Assert.Equal(Sha256Digest.Of(Encoding.UTF8.GetBytes(issued.Certificate)).Hex, destroyed.Details!["certificate"]);
            Assert.Equal(3, archive.Vault.All(VaultArea.Packs).Count);
            Assert.All(archive.Vault.All(VaultArea.Packs), left => Assert.True(left.State.LegalHold));
            Assert.Equal([stays.Sidecar.Study], await archive.Core.Catalog.StudiesOfAsync(archive.Clinic.Id, [archive.Clinic.Secret.Hmac("A")!.Value], Cancel));
            Assert.Empty(await archive.Rows.QueryAsync(RowTable.Catalog, archive.Clinic.Id.Value, RowRange.Prefix($"k:{gone.Sidecar.Study}:"), 10, Cancel));
            if (!doom.Struck)
            {
                break;
            }
        }

        Assert.True(died >= 40, $"only {died} calls were found to die at");
    }
}
