using System.Security.Cryptography;
using CloudArchive.Core.Losses;
using CloudArchive.Core.Packs;
using CloudArchive.Core.Restores;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Tests.Retention;
using CloudArchive.Core.Tests.Support;
using CloudArchive.Format;
using CloudArchive.Format.Signing;
using CloudArchive.Format.Wire;
using Microsoft.Extensions.Logging.Abstractions;

namespace CloudArchive.Core.Tests.Restores;

public sealed class ReportedDamageTests(SharedStorage shared)
{
    private static readonly RSA _mine = RSA.Create(2048);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_pack_that_a_restore_found_damaged_is_looked_at_and_lost_only_where_it_is_so()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared, requireApproval: false);
        SealedPack damaged = await archive.BackUpAsync(), missing = await archive.BackUpAsync(), whole = await archive.BackUpAsync(), other = await archive.BackUpAsync();
        Restore restore = await archive.Core.Restores.RequestAsync(
            archive.Clinic.Id, new RestoreRequest(JwkKeys.FromRsa(_mine), "p", "r", [damaged.Sidecar.Study, missing.Sidecar.Study, whole.Sidecar.Study]), Archive.Admin, Cancel);
        archive.Vault.Flip(BlobName.Pack(archive.Clinic.Id, damaged.Opened.Pack));
        archive.Vault.Lose(BlobName.Pack(archive.Clinic.Id, missing.Opened.Pack));
        archive.Vault.Flip(BlobName.Pack(archive.Clinic.Id, other.Opened.Pack)); // not of this restore
        PackId[] reported = [damaged.Opened.Pack, missing.Opened.Pack, whole.Opened.Pack, other.Opened.Pack, PackId.New(archive.Clock)];

        ReportedDamage damage = Damage(archive);
        await Assert.ThrowsAsync<RefusedException>(() => damage.CheckAsync(archive.Clinic.Id, restore.Id, reported, Archive.OtherAdmin, Cancel));
        Assert.Empty(await archive.Core.Losses.ListAsync(archive.Clinic.Id, Cancel));
        IReadOnlyList<PackId> lost = await damage.CheckAsync(archive.Clinic.Id, restore.Id, reported, Archive.Admin, Cancel);
        Assert.Equal([damaged.Opened.Pack, missing.Opened.Pack], lost);
        IReadOnlyDictionary<PackId, LostPack> losses = await archive.Core.Losses.ListAsync(archive.Clinic.Id, Cancel);
        Assert.Equal((2, PackLossCause.Damaged, PackLossCause.Missing), (losses.Count, losses[damaged.Opened.Pack].Cause, losses[missing.Opened.Pack].Cause));
        Assert.Empty(await damage.CheckAsync(archive.Clinic.Id, restore.Id, reported, Archive.Admin, Cancel));
    }

    [Fact]
    public async Task A_report_that_names_damaged_packs_is_the_same_report_when_it_comes_again()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared, requireApproval: false);
        SealedPack pack = await archive.BackUpAsync();
        Restore restore = await archive.Core.Restores.RequestAsync(archive.Clinic.Id, new RestoreRequest(JwkKeys.FromRsa(_mine), "p", "r", [pack.Sidecar.Study]), Archive.Admin, Cancel);
        for (int i = 0; i < 2; i++)
        {
            Restore reported = await archive.Core.Restores.ReportAsync(archive.Clinic.Id, restore.Id, new RestoreReport(0, 0, 1, 0, Damaged: [pack.Opened.Pack]), Archive.Admin, Cancel);
            Assert.Equal((RestoreStatus.Reported, new RestoreReport(0, 0, 1, 0)), (reported.Status, reported.Report));
        }
    }

    private ReportedDamage Damage(MemoryArchive archive)
    {
        PackStatements statements = new(archive.Core.Receipts, archive.Core.Stored, new CloudArchive.Core.Keys.RewrapRecords(archive.Vault, archive.Core.Stored, shared.Keys));
        return new ReportedDamage(archive.Core.Restores, archive.Rows, new PackRecords(archive.Core.Catalog, statements, archive.Vault), archive.Vault, archive.Core.Losses, NullLogger<ReportedDamage>.Instance);
    }
}
