using System.Net;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Catalog;
using CloudArchive.Core.Packs;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Tests.Support;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Signing;

namespace CloudArchive.Core.Tests.Packs;

public sealed class PackCommitTests(SharedStorage shared)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_receipt_states_what_was_stored_verified_and_locked()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        (SealedPack pack, string jws) = await clinic.BackUpAsync();

        Receipt receipt = Receipts.Verify(jws, await shared.Keys.GetPublicKeysAsync(Cancel));
        Assert.Equal((clinic.Id, pack.Opened.Pack, pack.Sidecar.Study), (receipt.Clinic, receipt.Pack, receipt.Study));
        Assert.Equal((Sha256Digest.Of(pack.Ciphertext), pack.Ciphertext.LongLength), (receipt.Sha256, receipt.Length));
        Assert.Equal((pack.Sidecar.InstancesRoot, 2), (receipt.InstancesRoot, receipt.InstanceCount));

        BlobName[] names = [BlobName.Pack(clinic.Id, receipt.Pack), BlobName.Sidecar(clinic.Id, receipt.Pack), BlobName.Receipt(clinic.Id, receipt.Pack)];
        foreach (BlobName name in names)
        {
            BlobState? state = await shared.Storage.Vault.FindAsync(name, Cancel);
            Assert.True(state!.Locked, name.ToString());
            Assert.True(state.ImmutableUntil >= receipt.ImmutableUntil, name.ToString());
        }

        Assert.Equal((await shared.Storage.Vault.FindAsync(names[0], Cancel))!.VersionId, receipt.VersionId);
        Assert.True(receipt.ImmutableUntil >= clinic.Archive.Clock.GetUtcNow().AddYears(10));

        AuditEntry entry = (await clinic.LogAsync())[(int)receipt.AuditIndex];
        Assert.Equal((AuditActions.PackCommitted, AuditOutcome.Success, clinic.Agent.ToString()), (entry.Action, entry.Outcome, entry.Actor.Id));
        Assert.Equal(receipt.Pack.ToString(), entry.Subject.Pack);
        CatalogPack? catalogued = await clinic.Archive.Catalog.FindPackAsync(clinic.Id, receipt.Pack, Cancel);
        Assert.Equal((jws, receipt.AuditIndex), (catalogued!.Receipt, catalogued.AuditIndex));
        Assert.Null(await clinic.Archive.Packs.FindAsync(clinic.Id, receipt.Pack, Cancel));
    }

    [Fact]
    public async Task Repeating_a_commit_gives_the_same_receipt_and_no_second_entry()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        (SealedPack pack, string receipt) = await clinic.BackUpAsync();
        Assert.Equal(receipt, await clinic.CommitAsync(pack));
        Assert.Single(await clinic.LogAsync(), entry => entry.Action == AuditActions.PackCommitted);
    }

    [Fact]
    public async Task Commits_at_the_same_time_give_one_receipt_and_one_entry()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        SealedPack pack = await clinic.SealAsync();
        await TestClinic.UploadAsync(pack);
        string[] receipts = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => Task.Run(() => clinic.CommitAsync(pack))));
        Assert.Single(receipts.Distinct());
        Assert.Single(await clinic.LogAsync(), entry => entry.Action == AuditActions.PackCommitted);
        (IReadOnlyList<CatalogPack> packs, _, _) = await clinic.Archive.Catalog.ListPacksAsync(clinic.Id, null, 10, Cancel);
        Assert.Equal(receipts[0], Assert.Single(packs).Receipt);
    }

    [Fact]
    public async Task A_commit_without_an_upload_is_refused_and_can_be_repeated_after_it()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        SealedPack pack = await clinic.SealAsync();
        Assert.Equal(Refusal.PackNotUploaded, (await Assert.ThrowsAsync<RefusedException>(() => clinic.CommitAsync(pack))).Refusal);
        await TestClinic.UploadAsync(pack);
        Assert.NotEmpty(await clinic.CommitAsync(pack));
    }

    [Theory]
    [InlineData("bytes")]
    [InlineData("longer")]
    [InlineData("metadata")]
    [InlineData("escrow")]
    public async Task What_is_not_what_the_sidecar_says_is_refused_audited_once_and_removed(string what)
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        SealedPack pack = await clinic.SealAsync();
        byte[] bytes = [.. pack.Ciphertext];
        bytes[^20] ^= 1;
        await (what switch
        {
            "bytes" => TestClinic.UploadAsync(pack, bytes),
            "longer" => TestClinic.UploadAsync(pack, [.. pack.Ciphertext, 0]),
            "metadata" => TestClinic.UploadAsync(pack, metadata: pack.Sidecar with { Encryption = Format.Sealing.BlobEncryption.For(pack.Sidecar.Escrow) }),
            _ => TestClinic.UploadAsync(pack, metadata: pack.Sidecar with { Escrow = pack.Sidecar.Encryption.WrappedContentKey }),
        });

        RefusedException refused = await Assert.ThrowsAsync<RefusedException>(() => clinic.CommitAsync(pack));
        Assert.Equal((Refusal.PackMismatch, true), (refused.Refusal, refused.Audited));
        Assert.Null(await shared.Storage.Vault.FindAsync(BlobName.Pack(clinic.Id, pack.Opened.Pack), Cancel));
        AuditEntry entry = Assert.Single(await clinic.LogAsync(), e => e.Action == AuditActions.PackCommitted);
        Assert.Equal((AuditOutcome.Refused, "pack-mismatch"), (entry.Outcome, entry.Reason));

        // The right bytes under the same pack come too late: what was refused stays refused.
        await TestClinic.UploadAsync(pack);
        refused = await Assert.ThrowsAsync<RefusedException>(() => clinic.CommitAsync(pack));
        Assert.Equal((Refusal.PackMismatch, false), (refused.Refusal, refused.Audited));
    }

    [Fact]
    public async Task No_receipt_is_issued_when_storage_says_locked_and_is_not()
    {
        Archive honest = Archive.On(shared);
        TestClinic clinic = await TestClinic.CreateAsync(honest);
        Archive lying = new(shared.Storage.Rows, new LyingAboutLocks(shared.Storage.Vault), shared.Keys, shared.Keys, shared.Keys, honest.Clock);
        SealedPack pack = await clinic.SealAsync();
        await TestClinic.UploadAsync(pack);
        await Assert.ThrowsAsync<IntegrityException>(() => clinic.On(lying).CommitAsync(pack));
        Assert.Null(await shared.Storage.Vault.FindAsync(BlobName.Receipt(clinic.Id, pack.Opened.Pack), Cancel));
        Assert.DoesNotContain(await clinic.LogAsync(), entry => entry.Action == AuditActions.PackCommitted);

        // With honest storage the same commit comes to its end.
        Assert.NotEmpty(await clinic.CommitAsync(pack));
    }

    [Fact]
    public async Task No_receipt_is_issued_when_the_lock_is_shorter_than_asked_for()
    {
        Archive honest = Archive.On(shared);
        TestClinic clinic = await TestClinic.CreateAsync(honest);
        Archive stingy = new(shared.Storage.Rows, new ShortLocks(shared.Storage.Vault), shared.Keys, shared.Keys, shared.Keys, honest.Clock);
        SealedPack pack = await clinic.SealAsync();
        await TestClinic.UploadAsync(pack);
        await Assert.ThrowsAsync<IntegrityException>(() => clinic.On(stingy).CommitAsync(pack));
        Assert.Null(await shared.Storage.Vault.FindAsync(BlobName.Receipt(clinic.Id, pack.Opened.Pack), Cancel));
    }

    [Fact]
    public async Task Bytes_that_read_back_differently_than_they_were_written_are_refused()
    {
        Archive honest = Archive.On(shared);
        TestClinic clinic = await TestClinic.CreateAsync(honest);
        Archive rotten = new(shared.Storage.Rows, new RottenReads(shared.Storage.Vault), shared.Keys, shared.Keys, shared.Keys, honest.Clock);
        SealedPack pack = await clinic.SealAsync();
        await TestClinic.UploadAsync(pack);
        RefusedException refused = await Assert.ThrowsAsync<RefusedException>(() => clinic.On(rotten).CommitAsync(pack));
        Assert.Equal(Refusal.PackMismatch, refused.Refusal);
        Assert.Null(await shared.Storage.Vault.FindAsync(BlobName.Receipt(clinic.Id, pack.Opened.Pack), Cancel));
    }

    [Fact]
    public async Task What_is_uploaded_after_the_commit_leaves_the_committed_version_as_it_is()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        (SealedPack pack, string jws) = await clinic.BackUpAsync();
        Receipt receipt = Receipts.Verify(jws, await shared.Keys.GetPublicKeysAsync(Cancel));

        // The agent still has its SAS. Azure would make another version beside the locked one; the storage of this machine refuses.
        HttpStatusCode status = await TestClinic.TryUploadAsync(pack, new byte[pack.Ciphertext.Length], pack.Sidecar);
        Assert.True(status is HttpStatusCode.Created or HttpStatusCode.Conflict, status.ToString());
        BlobName name = BlobName.Pack(clinic.Id, receipt.Pack);
        await using Stream stored = await shared.Storage.Vault.OpenReadAsync(name, receipt.VersionId, Cancel);
        await PackVerifier.CheckCiphertextAsync(stored, receipt.Length, receipt.Sha256, Cancel);
        Assert.Equal(jws, await clinic.CommitAsync(pack));
    }

    [Fact]
    public async Task Bytes_that_are_swapped_between_verifying_and_locking_get_no_receipt()
    {
        Archive honest = Archive.On(shared);
        TestClinic clinic = await TestClinic.CreateAsync(honest);
        SealedPack pack = await clinic.SealAsync();
        await TestClinic.UploadAsync(pack);
        byte[] evil = new byte[pack.Ciphertext.Length];
        Archive raced = new(shared.Storage.Rows, new UploadBeforeLock(shared.Storage.Vault, () => TestClinic.UploadAsync(pack, evil)), shared.Keys, shared.Keys, shared.Keys, honest.Clock);

        // The storage of this machine keeps no version of what is not locked; Azure does, and would lock the one that was verified.
        RefusedException refused = await Assert.ThrowsAsync<RefusedException>(() => clinic.On(raced).CommitAsync(pack));
        Assert.Equal(Refusal.PackMismatch, refused.Refusal);
        Assert.Null(await shared.Storage.Vault.FindAsync(BlobName.Receipt(clinic.Id, pack.Opened.Pack), Cancel));
        Assert.Null(await shared.Storage.Vault.FindAsync(BlobName.Pack(clinic.Id, pack.Opened.Pack), Cancel));
        Assert.Equal(AuditOutcome.Refused, Assert.Single(await clinic.LogAsync(), entry => entry.Action == AuditActions.PackCommitted).Outcome);
    }

    [Fact]
    public async Task Another_agent_of_the_clinic_cannot_commit_or_renew_the_pack()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        SealedPack pack = await clinic.SealAsync();
        await TestClinic.UploadAsync(pack);
        (Core.Clinics.AgentId other, _) = await TestClinic.EnrollAsync(clinic.Archive, clinic.Id);
        RefusedException refused = await Assert.ThrowsAsync<RefusedException>(() => clinic.Archive.Commit.RunAsync(other, pack.Opened.Pack, pack.Sidecar, clinic.AsAgent, Cancel));
        Assert.Equal(Refusal.PackOfAnotherAgent, refused.Refusal);
        refused = await Assert.ThrowsAsync<RefusedException>(() => clinic.Archive.Intake.RenewAsync(other, pack.Opened.Pack, clinic.AsAgent, Cancel));
        Assert.Equal(Refusal.PackOfAnotherAgent, refused.Refusal);
    }

    [Fact]
    public async Task Another_clinics_agent_does_not_see_the_pack()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        TestClinic other = await TestClinic.CreateAsync(clinic.Archive);
        (SealedPack pack, _) = await clinic.BackUpAsync();
        RefusedException refused = await Assert.ThrowsAsync<RefusedException>(() => other.Archive.Commit.RunAsync(other.Agent, pack.Opened.Pack, pack.Sidecar, other.AsAgent, Cancel));
        Assert.Equal(Refusal.PackUnknown, refused.Refusal);
    }

    [Fact]
    public async Task Another_sidecar_for_a_committed_pack_is_refused()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        (SealedPack pack, _) = await clinic.BackUpAsync();
        SealedPack other = await clinic.SealAsync(pack.Opened, pack.Sidecar.Study, pack.Files);
        RefusedException refused = await Assert.ThrowsAsync<RefusedException>(() => clinic.CommitAsync(other));
        Assert.Equal(Refusal.CommitDiffers, refused.Refusal);
    }

    [Fact]
    public async Task An_upload_url_is_renewed_while_the_pack_is_open_and_not_after()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        SealedPack pack = await clinic.SealAsync();
        BlobGrant again = await clinic.Archive.Intake.RenewAsync(clinic.Agent, pack.Opened.Pack, clinic.AsAgent, Cancel);
        await TestClinic.UploadAsync(pack with { Opened = pack.Opened with { Upload = again } });
        await clinic.CommitAsync(pack);
        RefusedException refused = await Assert.ThrowsAsync<RefusedException>(() => clinic.Archive.Intake.RenewAsync(clinic.Agent, pack.Opened.Pack, clinic.AsAgent, Cancel));
        Assert.Equal(Refusal.PackUnknown, refused.Refusal);
        Assert.Single(await clinic.LogAsync(), entry => entry.Action == AuditActions.UploadUrlGranted);
    }

    [Fact]
    public async Task A_committed_pack_cannot_be_removed_by_the_one_place_that_deletes()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        (SealedPack pack, string jws) = await clinic.BackUpAsync();
        RefusedException refused = await Assert.ThrowsAsync<RefusedException>(() => clinic.Archive.Destruction.RemoveUncommittedAsync(clinic.Id, pack.Opened.Pack, Cancel));
        Assert.Equal(Refusal.Protected, refused.Refusal);

        // And storage itself refuses whoever goes past it.
        Receipt receipt = Receipts.Verify(jws, await shared.Keys.GetPublicKeysAsync(Cancel));
        await Assert.ThrowsAsync<BlobProtectedException>(() => shared.Storage.Vault.DeleteAsync(BlobName.Pack(clinic.Id, receipt.Pack), receipt.VersionId, Cancel));
    }

    [Fact]
    public async Task A_blob_under_hold_is_not_removed_even_without_a_receipt()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        SealedPack pack = await clinic.SealAsync();
        await TestClinic.UploadAsync(pack);
        BlobName name = BlobName.Pack(clinic.Id, pack.Opened.Pack);
        BlobState state = (await shared.Storage.Vault.FindAsync(name, Cancel))!;
        await shared.Storage.Vault.SetLegalHoldAsync(name, state.VersionId, hold: true, Cancel);
        RefusedException refused = await Assert.ThrowsAsync<RefusedException>(() => clinic.Archive.Destruction.RemoveUncommittedAsync(clinic.Id, pack.Opened.Pack, Cancel));
        Assert.Equal(Refusal.Protected, refused.Refusal);
        Assert.NotNull(await shared.Storage.Vault.FindAsync(name, Cancel));
    }

    [Fact]
    public async Task A_forged_receipt_beside_a_pack_is_found_out()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        SealedPack pack = await clinic.SealAsync();
        await TestClinic.UploadAsync(pack);
        using System.Security.Cryptography.ECDsa forger = System.Security.Cryptography.ECDsa.Create(System.Security.Cryptography.ECCurve.NamedCurves.nistP256);
        string forged = await Jws.SignAsync(Receipt.JwsType, "{}"u8.ToArray(), "me", (data, _) => Task.FromResult(forger.SignData(data.Span, System.Security.Cryptography.HashAlgorithmName.SHA256)), Cancel);
        await shared.Storage.Vault.WriteNewAsync(BlobName.Receipt(clinic.Id, pack.Opened.Pack), System.Text.Encoding.ASCII.GetBytes(forged), "application/jose", Cancel);
        await Assert.ThrowsAsync<IntegrityException>(() => clinic.CommitAsync(pack));
    }

    private sealed class LyingAboutLocks(IBlobVault inner) : VaultDecorator(inner)
    {
        public override Task LockAsync(BlobName name, string versionId, DateTimeOffset until, CancellationToken cancellationToken) => Task.CompletedTask;
    }

    private sealed class ShortLocks(IBlobVault inner) : VaultDecorator(inner)
    {
        public override Task LockAsync(BlobName name, string versionId, DateTimeOffset until, CancellationToken cancellationToken) => base.LockAsync(name, versionId, until.AddDays(-1), cancellationToken);
    }

    private sealed class RottenReads(IBlobVault inner) : VaultDecorator(inner)
    {
        public override async Task<Stream> OpenReadAsync(BlobName name, string versionId, CancellationToken cancellationToken)
        {
            MemoryStream copy = new();
            await using (Stream stream = await base.OpenReadAsync(name, versionId, cancellationToken))
            {
                await stream.CopyToAsync(copy, cancellationToken);
            }

            copy.GetBuffer()[copy.Length / 2] ^= 1;
            copy.Position = 0;
            return copy;
        }
    }

    private sealed class UploadBeforeLock(IBlobVault inner, Func<Task> upload) : VaultDecorator(inner)
    {
        private int _uploaded;

        public override async Task LockAsync(BlobName name, string versionId, DateTimeOffset until, CancellationToken cancellationToken)
        {
            if (Interlocked.Exchange(ref _uploaded, 1) == 0)
            {
                await upload();
            }

            await base.LockAsync(name, versionId, until, cancellationToken);
        }
    }
}
