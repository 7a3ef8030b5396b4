using CloudArchive.Core.Catalog;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Tests.Audit;
using CloudArchive.Core.Tests.Retention;
using CloudArchive.Core.Tests.Support;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Tests.Catalog;

/// <summary>A pack's instances in few rows: found as before, read beside rows as they were once written, replaced by the rebuild.</summary>
public sealed class PackedInstanceTests(SharedStorage shared)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(2000)]
    [InlineData(9001)]
    public async Task A_packs_rows_are_few_and_each_of_its_instances_is_found(int count)
    {
        (MemoryRowStore rows, CatalogReader reader, Sidecar sidecar) = await CatalogueAsync(InSeries(count));
        IReadOnlyList<Row> all = await AllAsync(rows, sidecar.Clinic);
        Assert.InRange(all.Count, 1, 6 + 4 + (count / PackedInstances.PerRow));
        Assert.Equal(sidecar.Instances, await reader.InstancesOfAsync(sidecar.Clinic, sidecar.Study, sidecar.Pack, Cancel));
        Assert.Equal(sidecar.Instances.Count, await PagesAsync(reader, sidecar.Clinic, null, 700).CountAsync(Cancel));
        foreach (SidecarInstance instance in (SidecarInstance[])[sidecar.Instances[0], sidecar.Instances[count / 2], sidecar.Instances[^1]])
        {
            InstanceResponse found = Assert.Single(await reader.FindInstanceAsync(sidecar.Clinic, instance.SopInstance, Cancel));
            Assert.Equal((instance.Sha256, sidecar.Pack, sidecar.Study, instance.Series), (found.Sha256, found.Pack, found.Study, found.Series));
        }

        Assert.Empty(await reader.FindInstanceAsync(sidecar.Clinic, Uid.Parse("1.2.3.4.5.99999999"), Cancel));
        Assert.Empty(await reader.FindInstanceAsync(sidecar.Clinic, Uid.Parse("1.2.3"), Cancel));
    }

    [Fact]
    public async Task Random_uids_below_one_root_take_few_rows_too()
    {
        Random random = new(7);
        Uid[] uids = [.. Enumerable.Range(0, 500).Select(_ => Uid.Parse($"2.25.{random.NextInt64():d}{random.NextInt64():d}"))];
        (MemoryRowStore rows, CatalogReader reader, Sidecar sidecar) = await CatalogueAsync([.. uids.OrderBy(uid => uid.Value, StringComparer.Ordinal).Select((uid, i) => Instance(uid, i))]);
        Assert.InRange((await AllAsync(rows, sidecar.Clinic)).Count, 1, 10);
        Assert.Equal(uids[17], Assert.Single(await reader.FindInstanceAsync(sidecar.Clinic, uids[17], Cancel)).SopInstance);
    }

    [Fact]
    public void With_the_longest_uids_there_are_a_row_stays_below_what_a_row_holds()
    {
        Random random = new(8);
        Uid Longest() => Uid.Parse("1." + string.Concat(Enumerable.Range(0, 62).Select(_ => (char)('1' + random.Next(9)))));
        SidecarInstance[] instances = [.. Enumerable.Range(0, PackedInstances.PerRow).Select(i => new SidecarInstance(Longest(), Longest(), Longest(), "A_B_C_D_E_F_G_12", Longest(), random.NextInt64(1, 16L << 30), Sha256Digest.Of(BitConverter.GetBytes(i))))];
        Dictionary<string, object> values = [];
        PackedInstances.Write(values, instances);
        Assert.InRange(values.Values.Sum(value => ((byte[])value).Length), 1, 1000 * 1024);
        Assert.Equal(instances, PackedInstances.Read(new Row("p", "k", values)));
    }

    [Fact]
    public async Task Rows_as_they_were_once_written_are_read_pass_a_restore_test_and_are_replaced_by_the_rebuild()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        ClinicId id = archive.Clinic.Id;
        Uid study = TestClinic.NewStudy();
        SealedPack old = await archive.BackUpAsync(study, files: [TestFile.Create(study, 1), TestFile.Create(study, 2)]);
        SealedPack both = await archive.BackUpAsync(study, files: [TestFile.Create(study, 2), TestFile.Create(study, 3)]);
        SealedPack other = await archive.BackUpAsync();
        await WriteAsOnceAsync(archive, old);
        await WriteAsOnceAsync(archive, both);
        HashSet<InstanceResponse> expected = [.. new[] { old, both, other }.SelectMany(Responses)];
        await HoldsAsync();
        Assert.Equal(Format.Evidence.PackTestOutcome.Recovered, (await archive.Core.PackTest.RunAsync(id, old.Opened.Pack, Cancel)).Outcome);

        await archive.Core.Rebuild.RunAsync(id, null, 100, Archive.Admin, Cancel);
        await HoldsAsync();
        IReadOnlyList<Row> rows = await AllAsync(archive.Rows, id);
        Assert.DoesNotContain(rows, row => row.Key.StartsWith("i:", StringComparison.Ordinal));
        Assert.All(rows.Where(row => row.Key.StartsWith("o:", StringComparison.Ordinal)), row => Assert.Equal(4, row.Key.Split(':').Length));
        foreach (SealedPack pack in (SealedPack[])[old, both, other])
        {
            Assert.Equal(Format.Evidence.PackTestOutcome.Recovered, (await archive.Core.PackTest.RunAsync(id, pack.Opened.Pack, Cancel)).Outcome);
        }

        async Task HoldsAsync()
        {
            foreach (int take in (int[])[1, 2, 1000])
            {
                Assert.Equal(expected, await PagesAsync(archive.Core.Catalog, id, null, take).ToHashSetAsync(null, Cancel));
            }

            Assert.Equal([.. expected.Where(i => i.Study == study)], await PagesAsync(archive.Core.Catalog, id, study, 2).ToHashSetAsync(null, Cancel));
            Assert.Equal(2, (await archive.Core.Catalog.FindInstanceAsync(id, Uid.Parse($"{study}.2"), Cancel)).Count);
            Assert.Equal(old.Opened.Pack, Assert.Single(await archive.Core.Catalog.FindInstanceAsync(id, Uid.Parse($"{study}.1"), Cancel)).Pack);
            Assert.Equal(old.Sidecar.Instances, await archive.Core.Catalog.InstancesOfAsync(id, study, old.Opened.Pack, Cancel));
        }
    }

    [Fact]
    public async Task What_is_destroyed_leaves_no_row_behind_and_what_stays_is_found()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        ClinicId id = archive.Clinic.Id;
        Uid study = TestClinic.NewStudy();
        SealedPack gone = await archive.BackUpAsync(study, files: [TestFile.Create(study, 1)]);
        SealedPack stays = await archive.BackUpAsync(study, files: [TestFile.Create(study, 1), TestFile.Create(study, 2)]);
        await new CatalogRemoval(archive.Rows).RunAsync(id, study, new HashSet<PackId> { gone.Opened.Pack }, Cancel);
        Assert.DoesNotContain(await AllAsync(archive.Rows, id), row => row.Key.Contains(gone.Opened.Pack.ToString(), StringComparison.Ordinal));
        Assert.Equal(stays.Opened.Pack, Assert.Single(await archive.Core.Catalog.FindInstanceAsync(id, Uid.Parse($"{study}.1"), Cancel)).Pack);
        await new CatalogRemoval(archive.Rows).RunAsync(id, study, new HashSet<PackId> { stays.Opened.Pack }, Cancel);
        Assert.Empty(await AllAsync(archive.Rows, id));
    }

    [Theory]
    [InlineData("i00", true)]
    [InlineData("i00", false)]
    [InlineData("f00", true)]
    public async Task A_row_that_somebody_changed_fails_the_packs_restore_test(string property, bool truncate)
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        SealedPack pack = await archive.BackUpAsync();
        Row row = (await AllAsync(archive.Rows, archive.Clinic.Id)).Single(row => row.Bytes(property) is not null);
        byte[] bytes = truncate ? row.Bytes(property)![..^1] : [.. row.Bytes(property)!.Select((b, i) => i == 9 ? (byte)(b ^ 1) : b)];
        Dictionary<string, object> values = new(row.Values) { [property] = bytes };
        await archive.Rows.SubmitAsync(RowTable.Catalog, archive.Clinic.Id.Value, [new RowWrite.Replace(row.Key, values, row.ETag!)], Cancel);
        Format.Evidence.PackTestResult result = await archive.Core.PackTest.RunAsync(archive.Clinic.Id, pack.Opened.Pack, Cancel);
        Assert.Equal((Format.Evidence.PackFailure.CatalogueMismatch, "catalogue"), (result.Cause, result.Detail));
    }

    private static async Task WriteAsOnceAsync(MemoryArchive archive, SealedPack pack)
    {
        ClinicId id = archive.Clinic.Id;
        IReadOnlyList<Row> packed = [.. (await AllAsync(archive.Rows, id)).Where(row => row.Key.StartsWith("k:", StringComparison.Ordinal) || row.Key.StartsWith("o:", StringComparison.Ordinal))];
        Assert.True(await archive.Rows.TryDeleteAsync(RowTable.Catalog, id.Value, [.. packed.Where(row => row.Key.Contains(pack.Opened.Pack.ToString(), StringComparison.Ordinal))], Cancel));
        await archive.Rows.SubmitAsync(
            RowTable.Catalog, id.Value, [.. pack.Sidecar.Instances.SelectMany(i => CatalogRows.ForInstanceOnce(pack.Sidecar, i)).Select(row => new RowWrite.Upsert(row.Key, row.Values))], Cancel);
    }

    private static IEnumerable<InstanceResponse> Responses(SealedPack pack) => pack.Sidecar.Instances.Select(i =>
        new InstanceResponse(i.SopInstance, i.Sha256, i.Length, pack.Sidecar.Study, i.SopClass, i.Series, i.Modality, i.TransferSyntax, pack.Opened.Pack));

    private static async IAsyncEnumerable<InstanceResponse> PagesAsync(CatalogReader reader, ClinicId clinic, Uid? study, int take)
    {
        string? after = null;
        do
        {
            Page<InstanceResponse> page = await reader.ListInstancesAsync(clinic, study, after, take, Cancel);
            Assert.InRange(page.Items.Count, 0, take);
            foreach (InstanceResponse instance in page.Items)
            {
                yield return instance;
            }

            after = page.Next;
        }
        while (after is not null);
    }

    private static Task<IReadOnlyList<Row>> AllAsync(IRowStore rows, ClinicId clinic) => rows.QueryAsync(RowTable.Catalog, clinic.Value, "!", "~", 1000, Cancel);

    private static SidecarInstance[] InSeries(int count) => [.. Enumerable.Range(0, count).Select(i => Instance(Uid.Parse($"1.2.840.113619.2.55.{i % 3}.{i}"), i))];

    private static SidecarInstance Instance(Uid sop, int number) =>
        new(sop, Uid.Parse(TestFile.SopClass), Uid.Parse("1.2.3.9"), "CT", Uid.Parse("1.2.840.10008.1.2.1"), 525_000 + number, Sha256Digest.Of(BitConverter.GetBytes(number)));

    private static async Task<(MemoryRowStore Rows, CatalogReader Reader, Sidecar Sidecar)> CatalogueAsync(SidecarInstance[] instances)
    {
        MemoryRowStore rows = new();
        PackId pack = PackId.New(TimeProvider.System);
        Format.Sealing.WrappedContentKey key = new("key", new byte[384], "RSA-OAEP-256");
        Sidecar sidecar = new(
            Sidecar.CurrentFormat, TestClinic.NewId(), pack, TestClinic.NewStudy(), TimeProvider.System.GetUtcNow(), 1000, Sha256Digest.Of([1]), 900,
            Format.Sealing.BlobEncryption.For(key), key, InstancesRoot.Of(instances), instances, "20260102");
        CatalogPack entry = CatalogPack.For(sidecar, "v1", TimeProvider.System.GetUtcNow(), TimeProvider.System.GetUtcNow());
        await new CatalogWriter(rows).AddAsync(entry, sidecar, Cancel);
        return (rows, new CatalogReader(rows), sidecar);
    }
}
