using CloudArchive.Core.Audit;
using CloudArchive.Core.Retention;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Tests.Support;
using CloudArchive.Format;
using CloudArchive.Format.Retention;
using CloudArchive.Format.Sealing;
using CloudArchive.LocalHost.Storage;
using CloudArchive.Testing;
using Microsoft.Extensions.Time.Testing;

namespace CloudArchive.Core.Tests.Retention;

/// <summary>Thirty years through the very storage that LocalHost runs: Azurite and its WORM layer, whose clock the test moves.</summary>
public sealed class RetentionThroughStorageTests(SharedStorage shared)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Over_thirty_years_each_study_goes_in_the_year_after_its_time_and_a_held_one_when_its_hold_is_cleared()
    {
        using TemporaryFolder folder = new();
        FakeTimeProvider clock = new(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));
        await using LocalStorage storage = await LocalStorage.StartAsync(new LocalStorageOptions(folder["storage"]), clock, Cancel);
        Archive archive = new(storage.Rows, storage.Vault, shared.Keys, shared.Keys, shared.Keys, clock);
        TestClinic clinic = await TestClinic.CreateAsync(archive, requireApproval: false);
        Uid plain = await BackUpAsync(archive, clinic, TestClinic.NewStudy(), "A");
        Uid late = await BackUpAsync(archive, clinic, TestClinic.NewStudy(), "B");
        Uid held = await BackUpAsync(archive, clinic, TestClinic.NewStudy(), "C");
        Hold hold = await archive.Holds.SetAsync(clinic.Id, null, [clinic.Secret.Hmac("C")!.Value], "case", Archive.Admin, Cancel);
        Dictionary<Uid, int> goneIn = [];
        for (int year = 1; year <= 30; year++)
        {
            clock.Advance(TimeSpan.FromDays(365.25));
            switch (year)
            {
                case 4:
                    await archive.Policies.ChangeAsync(clinic.Id, RetentionPolicy.ForYears(15), Archive.Admin, Cancel);
                    break;
                case 6:
                    await BackUpAsync(archive, clinic, late, "B");
                    break;
                case 8:
                    await archive.Policies.ChangeAsync(clinic.Id, RetentionPolicy.ForYears(2), Archive.Admin, Cancel);
                    break;
                case 25:
                    await archive.Holds.ClearAsync(clinic.Id, hold.Id, Archive.Admin, Cancel);
                    break;
            }

            RetentionResult run = await archive.Retention.RunAsync(clinic.Id, 100, Requester.System("retention", "test"), Cancel);
            Assert.Equal(0, run.Failed);
            foreach (Uid study in (Uid[])[plain, late, held])
            {
                IReadOnlyList<PackId> packs = await archive.Catalog.PacksOfAsync(clinic.Id, study, Cancel);
                if (packs.Count == 0)
                {
                    goneIn.TryAdd(study, year);
                    continue;
                }

                foreach (ListedBlob blob in await storage.Vault.ListVersionsAsync(VaultArea.Packs, $"{clinic.Id}/{packs[0]}", Cancel).ToListAsync(Cancel))
                {
                    // Storage says no by itself, whoever asks.
                    await Assert.ThrowsAsync<BlobProtectedException>(() => storage.Vault.DeleteAsync(blob.Name, blob.VersionId, Cancel));
                }
            }
        }

        // 10 years became 15, and stayed; the late pack of year 6 keeps its study until 21; the hold keeps what was due in 15.
        Assert.Equal((16, 22, 25), (goneIn[plain], goneIn[late], goneIn[held]));
        Assert.Empty(await storage.Vault.ListVersionsAsync(VaultArea.Packs, $"{clinic.Id}/", Cancel).ToListAsync(Cancel));
        Assert.Equal(3, (await clinic.LogAsync()).Count(entry => entry.Action == AuditActions.StudyDestroyed));
    }

    /// <summary>Through the vault: an agent's URL is signed for Azurite, which has a clock of its own.</summary>
    private static async Task<Uid> BackUpAsync(Archive archive, TestClinic clinic, Uid study, string patientId)
    {
        SealedPack pack = await clinic.SealAsync(study, files: 1, studyDate: null, patientId);
        Dictionary<string, string> metadata = new()
        {
            [BlobEncryption.MetadataName] = BlobEncryption.ToMetadata(pack.Sidecar.Encryption),
            [BlobEncryption.EscrowMetadataName] = BlobEncryption.ToMetadata(BlobEncryption.For(pack.Sidecar.Escrow)),
        };
        await archive.Vault.WriteNewAsync(BlobName.Pack(clinic.Id, pack.Opened.Pack), pack.Ciphertext, "application/octet-stream", metadata, Cancel);
        await clinic.CommitAsync(pack);
        return study;
    }
}
