using CloudArchive.Core.Retention;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Tests.Support;
using CloudArchive.Format;
using CloudArchive.Format.Wire;
using Microsoft.Extensions.Logging.Abstractions;

namespace CloudArchive.Core.Tests.Retention;

/// <summary>Whether a pack that is not there any more went lawfully.</summary>
public sealed class DestroyedPacksTests(SharedStorage shared)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_certificate_that_names_a_pack_is_found_though_another_cannot_be_read()
    {
        (MemoryArchive archive, TroubledVault storage) = await CreateAsync();
        SealedPack[] packs = [await archive.BackUpAsync(), await archive.BackUpAsync(), await archive.BackUpAsync()];
        await DestroyAllAsync(archive);
        IReadOnlyList<DestructionOrder> all = await archive.Core.Destructions.ListAsync(archive.Clinic.Id, null, 100, Cancel);
        DestructionOrder[] orders = [.. packs.Select(pack => all.Single(order => order.Study == pack.Sidecar.Study))];
        DestroyedPacks destroyed = Destroyed(archive);

        // Whichever is read first, second or last.
        for (int bad = 0; bad < 3; bad++)
        {
            storage.Failing.Clear();
            storage.Failing.UnionWith(archive.Vault.All(VaultArea.Records).Select(blob => blob.Name).Where(name => name.Path.Contains(orders[bad].Id.ToString(), StringComparison.Ordinal)));
            Assert.NotEmpty(storage.Failing);
            for (int i = 0; i < 3; i++)
            {
                foreach (Uid? study in (Uid?[])[null, packs[i].Sidecar.Study])
                {
                    PackDestruction? found = await destroyed.FindAsync(archive.Clinic.Id, study, packs[i].Opened.Pack, Cancel);
                    if (i == bad)
                    {
                        Assert.Null(found); // nobody can say: taken for missing, which is told
                    }
                    else
                    {
                        Assert.Equal(orders[i].Id.ToString(), found?.Destruction);
                        Assert.NotNull(found?.At);
                    }
                }
            }
        }
    }

    [Fact]
    public async Task A_pack_of_a_study_that_is_being_destroyed_is_on_its_way_out_and_one_of_no_order_is_missing()
    {
        (MemoryArchive archive, TroubledVault storage) = await CreateAsync();
        SealedPack going = await archive.BackUpAsync(), kept = await archive.BackUpAsync(studyDate: "20350101", knowsPolicy: false);
        storage.Failing.Add(BlobName.Sidecar(archive.Clinic.Id, going.Opened.Pack));
        await DestroyAllAsync(archive);
        DestructionOrder order = Assert.Single(await archive.Core.Destructions.ListAsync(archive.Clinic.Id, null, 100, Cancel), order => order.Study == going.Sidecar.Study);
        Assert.Equal(DestructionStatus.Destroying, order.Status);
        Assert.Equal(new PackDestruction(null, null), await Destroyed(archive).FindAsync(archive.Clinic.Id, going.Sidecar.Study, going.Opened.Pack, Cancel));
        Assert.Null(await Destroyed(archive).FindAsync(archive.Clinic.Id, kept.Sidecar.Study, PackId.New(archive.Clock), Cancel));
        Assert.Null(await Destroyed(archive).FindAsync(archive.Clinic.Id, null, PackId.New(archive.Clock), Cancel));

        storage.Failing.Clear();
        await archive.RunAsync();
        Assert.Equal(order.Id.ToString(), (await Destroyed(archive).FindAsync(archive.Clinic.Id, going.Sidecar.Study, going.Opened.Pack, Cancel))?.Destruction);
    }

    private async Task<(MemoryArchive Archive, TroubledVault Storage)> CreateAsync()
    {
        TroubledVault? storage = null;
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared, wrap: vault => storage = new TroubledVault(vault));
        return (archive, storage!);
    }

    private static DestroyedPacks Destroyed(MemoryArchive archive) => new(archive.Rows, archive.Core.Destructions, archive.Core.Certificates, NullLogger<DestroyedPacks>.Instance);

    private static async Task DestroyAllAsync(MemoryArchive archive)
    {
        archive.Clock.Advance(TimeSpan.FromDays(366 * 11));
        await archive.RunAsync();
        await archive.ApproveAllAsync();
        await archive.RunAsync();
    }
}
