using CloudArchive.Core.Audit;
using CloudArchive.Core.Catalog;
using CloudArchive.Core.Packs;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Tests.Support;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Tests.Catalog;

public sealed class CatalogRebuildTests(SharedStorage shared)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Lost_tables_come_back_from_sidecars_alone_row_by_row()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        Uid study = TestClinic.NewStudy();
        for (int i = 0; i < 3; i++)
        {
            await clinic.BackUpAsync(i == 2 ? null : study);
        }

        Dictionary<string, string> before = await RowsAsync(clinic);
        await WipeAsync(clinic);
        Assert.Empty(await RowsAsync(clinic));

        int packs = 0;
        PackId? after = null;
        do
        {
            RebuildResponse part = await clinic.Archive.Rebuild.RunAsync(clinic.Id, after, 2, Archive.Admin, Cancel);
            Assert.Empty(part.Problems);
            packs += part.Packs;
            after = part.Next is null ? null : PackId.Parse(part.Next);
        }
        while (after is not null);
        Assert.Equal(3, packs);
        Assert.Equal(before, await RowsAsync(clinic));
        Assert.Equal(2, (await clinic.LogAsync()).Count(entry => entry.Action == AuditActions.CatalogRebuilt));
    }

    [Fact]
    public async Task Rebuilding_what_is_whole_changes_nothing()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        (SealedPack pack, string receipt) = await clinic.BackUpAsync();
        Dictionary<string, string> before = await RowsAsync(clinic);
        Assert.Equal(1, (await clinic.Archive.Rebuild.RunAsync(clinic.Id, null, 10, Archive.Admin, Cancel)).Packs);
        Assert.Equal(before, await RowsAsync(clinic));
        Assert.Equal(receipt, await clinic.CommitAsync(pack));
    }

    [Fact]
    public async Task After_all_tables_but_the_clinics_were_lost_a_commit_still_answers_the_same_receipt()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        (SealedPack pack, string receipt) = await clinic.BackUpAsync();
        await WipeAsync(clinic);
        Assert.Equal(receipt, await clinic.CommitAsync(pack));
    }

    [Fact]
    public async Task A_pack_that_crashed_before_its_receipt_gets_one_through_the_same_verification()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        SealedPack pack = await clinic.SealAsync();
        await TestClinic.UploadAsync(pack);

        // The service dies right before the receipt is written, and takes its tables with it.
        Archive dying = new(shared.Storage.Rows, new DiesAtReceipt(shared.Storage.Vault), shared.Keys, shared.Keys, shared.Keys, clinic.Archive.Clock);
        await Assert.ThrowsAsync<DeadException>(() => clinic.On(dying).CommitAsync(pack));
        await WipeAsync(clinic);
        RebuildResponse rebuilt = await clinic.Archive.Rebuild.RunAsync(clinic.Id, null, 10, Archive.Admin, Cancel);
        Assert.Empty(rebuilt.Problems);
        string receipt = await clinic.CommitAsync(pack);
        Receipt issued = Receipts.Verify(receipt, await shared.Keys.GetPublicKeysAsync(Cancel));
        Assert.Equal(pack.Sidecar.Sha256, issued.Sha256);
        Assert.Single(await clinic.LogAsync(), entry => entry.Action == AuditActions.PackCommitted);
    }

    [Fact]
    public async Task A_sidecar_without_its_blob_is_reported_and_the_rest_goes_on()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        await clinic.BackUpAsync();
        PackId lost = PackId.New(clinic.Archive.Clock);
        SealedPack model = await clinic.SealAsync();
        Sidecar sidecar = model.Sidecar with { Pack = lost };
        await shared.Storage.Vault.WriteNewAsync(BlobName.Sidecar(clinic.Id, lost), Sidecars.Serialize(sidecar), "application/json", Cancel);
        PackId broken = PackId.New(clinic.Archive.Clock);
        await shared.Storage.Vault.WriteNewAsync(BlobName.Sidecar(clinic.Id, broken), "{}"u8.ToArray(), "application/json", Cancel);
        await clinic.BackUpAsync();

        RebuildResponse rebuilt = await clinic.Archive.Rebuild.RunAsync(clinic.Id, null, 10, Archive.Admin, Cancel);
        Assert.Equal(4, rebuilt.Packs);
        Assert.Equal(2, rebuilt.Problems.Count);
        Assert.Contains(rebuilt.Problems, problem => problem.StartsWith(lost.ToString(), StringComparison.Ordinal));
        Assert.Contains(rebuilt.Problems, problem => problem.StartsWith(broken.ToString(), StringComparison.Ordinal));
        Assert.Equal(AuditOutcome.Failure, (await clinic.LogAsync())[^1].Outcome);
    }

    [Fact]
    public async Task A_receipt_of_another_pack_is_not_believed()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        (_, string receipt) = await clinic.BackUpAsync();
        SealedPack victim = await clinic.SealAsync();
        await shared.Storage.Vault.WriteNewAsync(BlobName.Sidecar(clinic.Id, victim.Opened.Pack), Sidecars.Serialize(victim.Sidecar), "application/json", Cancel);
        await shared.Storage.Vault.WriteNewAsync(BlobName.Receipt(clinic.Id, victim.Opened.Pack), System.Text.Encoding.ASCII.GetBytes(receipt), "application/jose", Cancel);
        RebuildResponse rebuilt = await clinic.Archive.Rebuild.RunAsync(clinic.Id, null, 10, Archive.Admin, Cancel);
        Assert.Single(rebuilt.Problems);
        Assert.Null(await clinic.Archive.Catalog.FindPackAsync(clinic.Id, victim.Opened.Pack, Cancel));
    }

    /// <summary>Every row of the clinic's catalogue, as text. When it was catalogued is the one thing that a rebuild cannot know to the tick.</summary>
    private static async Task<Dictionary<string, string>> RowsAsync(TestClinic clinic)
    {
        Dictionary<string, string> all = [];
        await foreach (Row row in clinic.Archive.Rows.ReadAllAsync(RowTable.Catalog, clinic.Id.Value, new RowRange("a", "~"), Cancel))
        {
            all[row.Key] = string.Join(';', row.Values.OrderBy(value => value.Key, StringComparer.Ordinal).Select(value => $"{value.Key}={(value.Value is byte[] bytes ? Convert.ToHexString(bytes) : value.Value)}"));
        }

        return all;
    }

    private static async Task WipeAsync(TestClinic clinic)
    {
        foreach (RowTable table in (RowTable[])[RowTable.Catalog, RowTable.Work])
        {
            while (await clinic.Archive.Rows.QueryAsync(table, clinic.Id.Value, "a", "~", 100, Cancel) is { Count: > 0 } some)
            {
                Assert.True(await clinic.Archive.Rows.TryDeleteAsync(table, clinic.Id.Value, some, Cancel));
            }
        }
    }

    private sealed class DiesAtReceipt(IBlobVault inner) : VaultDecorator(inner)
    {
        public override Task<string> WriteNewAsync(BlobName name, ReadOnlyMemory<byte> content, string contentType, CancellationToken cancellationToken) =>
            name.Path.EndsWith(".receipt.jws", StringComparison.Ordinal) ? throw new DeadException() : base.WriteNewAsync(name, content, contentType, cancellationToken);
    }
}
