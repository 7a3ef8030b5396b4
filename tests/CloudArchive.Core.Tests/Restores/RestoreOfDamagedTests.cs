using System.Security.Cryptography;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Restores;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Tests.Audit;
using CloudArchive.Core.Tests.Retention;
using CloudArchive.Core.Tests.Support;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Evidence;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Sealing;
using CloudArchive.Format.Signing;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Tests.Restores;

/// <summary>Restores of an archive of which something is altered, lost or failing: that item's failure, and the others come.</summary>
public sealed class RestoreOfDamagedTests(SharedStorage shared)
{
    private static readonly RSA _mine = RSA.Create(2048);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static TheoryData<string, object?> Alterations => new()
    {
        { "length", "a text" },
        { "study", null },
        { "sha256", new string('0', 64) },
        { "versionId", "2000-01-01T00:00:00.0000000Z" },
        { "instances", 7L },
        { "wrappedKey", new byte[384] },
        { "keyId", "https://keys.example/keys/other/00000000000000000000000000000000" },
        { "receipt", "not.a.receipt" },
    };

    [Theory]
    [MemberData(nameof(Alterations), DisableDiscoveryEnumeration = true)]
    public async Task An_altered_row_of_the_catalogue_keeps_nothing_from_coming_back(string name, object? value)
    {
        Setting s = await Setting.CreateAsync(shared);
        await s.Rows.AlterAsync(RowTable.Catalog, s.Clinic.Id.Value, $"p:{s.Packs[1].Opened.Pack}", (name, value));
        Restore restore = await s.RequestAsync(s.Request(everything: true));
        Assert.Equal((3, false), (restore.Totals.Packs, restore.CatalogueOnly));
        RestorePage page = await s.ReadAsync(restore);
        Assert.Null(page.Failed);
        await s.AssertOpenAsync(page, s.Packs);
    }

    [Fact]
    public async Task A_content_key_that_somebody_put_into_the_catalogue_is_not_released()
    {
        Setting s = await Setting.CreateAsync(shared);
        using ContentKey other = ContentKey.Create();
        WrappedContentKey forged = KeyWrapping.Wrap(other, await shared.Keys.GetCurrentAsync(s.Clinic.Id, Cancel));
        await s.Rows.AlterAsync(RowTable.Catalog, s.Clinic.Id.Value, $"p:{s.Packs[0].Opened.Pack}", ("wrappedKey", forged.EncryptedKey));
        await s.AssertOpenAsync(await s.ReadAsync(await s.RequestAsync(s.Request(everything: true))), s.Packs);
    }

    [Fact]
    public async Task What_is_gone_from_the_catalogue_comes_back_from_its_sidecar_however_it_is_asked_for()
    {
        Setting s = await Setting.CreateAsync(shared);
        await s.Rows.EraseAsync(s.Clinic.Id, s.Packs[1].Opened.Pack);
        s.Settle();
        foreach (RestoreRequest request in (RestoreRequest[])
            [s.Request(studies: [s.Packs[1].Sidecar.Study]), s.Request(patientId: "patient-1"), s.Request(instances: [s.Packs[1].Sidecar.Instances[0].SopInstance])])
        {
            RestorePage page = await s.ReadAsync(await s.RequestAsync(request));
            await s.AssertOpenAsync(page, [s.Packs[1]]);
        }

        await s.AssertOpenAsync(await s.ReadAsync(await s.RequestAsync(s.Request(everything: true))), s.Packs);
    }

    /// <summary>An agent that was killed in its commit learns of the receipt from the log at its next run, and calls the files safe.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_pack_whose_commit_was_cut_off_after_its_receipt_comes_back_at_once(bool rowIsGone)
    {
        Setting s = await Setting.CreateAsync(shared);
        SealedPack pack = s.Packs[1];
        await (rowIsGone
            ? s.Rows.EraseAsync(s.Clinic.Id, pack.Opened.Pack)
            : s.Rows.AlterAsync(RowTable.Catalog, s.Clinic.Id.Value, $"p:{pack.Opened.Pack}", ("receipt", null)));
        foreach (RestoreRequest request in (RestoreRequest[])
            [s.Request(studies: [pack.Sidecar.Study]), s.Request(patientId: "patient-1"), s.Request(instances: [pack.Sidecar.Instances[0].SopInstance])])
        {
            await s.AssertOpenAsync(await s.ReadAsync(await s.RequestAsync(request)), [pack]);
        }

        await s.AssertOpenAsync(await s.ReadAsync(await s.RequestAsync(s.Request(everything: true))), s.Packs);

        // That the catalogue lacks it is no fault yet: a restore test takes it when it has had an hour to be finished.
        Assert.Equal(2, (await s.Archive.Population.ReadAsync(s.Clinic.Id, Cancel)).Count);
        s.Settle();
        Assert.Equal(3, (await s.Archive.Population.ReadAsync(s.Clinic.Id, Cancel)).Count);
    }

    [Fact]
    public async Task Of_a_pack_without_row_and_receipt_or_without_row_and_sidecar_the_other_is_enough()
    {
        Setting s = await Setting.CreateAsync(shared);
        await s.Rows.EraseAsync(s.Clinic.Id, s.Packs[0].Opened.Pack);
        await s.Rows.EraseAsync(s.Clinic.Id, s.Packs[1].Opened.Pack);
        s.Vault.Lost.Add(BlobName.Receipt(s.Clinic.Id, s.Packs[0].Opened.Pack));
        s.Vault.Lost.Add(BlobName.Sidecar(s.Clinic.Id, s.Packs[1].Opened.Pack));
        s.Settle();
        await s.AssertOpenAsync(await s.ReadAsync(await s.RequestAsync(s.Request(everything: true))), s.Packs);
    }

    [Fact]
    public async Task What_only_the_log_knows_is_named_as_missing_with_its_files_and_the_others_come()
    {
        Setting s = await Setting.CreateAsync(shared);
        PackId gone = s.Packs[1].Opened.Pack;
        await s.Rows.EraseAsync(s.Clinic.Id, gone);
        s.Vault.Lost.UnionWith([BlobName.Pack(s.Clinic.Id, gone), BlobName.Sidecar(s.Clinic.Id, gone), BlobName.Receipt(s.Clinic.Id, gone)]);
        s.Settle();
        Restore restore = await s.RequestAsync(s.Request(everything: true));
        Assert.Equal((3, 3, 3), (restore.Totals.Studies, restore.Totals.Packs, restore.Totals.Instances));
        RestorePage page = await s.ReadAsync(restore);
        Assert.Equal(new RestorePackFailure(gone, s.Packs[1].Sidecar.Study, PackFailure.Missing, 1, Passing: false), Assert.Single(page.Failed!));
        await s.AssertOpenAsync(page, [s.Packs[0], s.Packs[2]]);
        AuditEntry read = Assert.Single(await s.Clinic.LogAsync(), entry => entry.Action == AuditActions.RestoreResultRead);
        Assert.Equal(("2", "1"), (read.Details!["packs"], read.Details["failed"]));
    }

    [Fact]
    public async Task A_study_that_was_destroyed_is_not_missed()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared, requireApproval: false);
        await archive.BackUpAsync();
        archive.Clock.Advance(TimeSpan.FromDays(4020));
        await archive.RunAsync();
        await archive.RunAsync();
        SealedPack kept = await archive.BackUpAsync();
        Restore restore = await archive.Core.Restores.RequestAsync(archive.Clinic.Id, new RestoreRequest(JwkKeys.FromRsa(_mine), "Why", "Who", Everything: true), Archive.Admin, Cancel);
        RestorePage page = await archive.Core.Results.ReadAsync(archive.Clinic.Id, restore.Id, null, Archive.Admin, Cancel);
        Assert.Equal([kept.Opened.Pack], page.Items.Select(pack => pack.Pack));
        Assert.Null(page.Failed);
    }

    [Fact]
    public async Task A_blob_that_storage_fails_at_is_told_as_one_to_ask_for_again_and_comes_when_it_is_well()
    {
        Setting s = await Setting.CreateAsync(shared);
        BlobName failing = BlobName.Pack(s.Clinic.Id, s.Packs[2].Opened.Pack);
        s.Vault.Failing.Add(failing);
        Restore restore = await s.RequestAsync(s.Request(everything: true));
        RestorePage page = await s.ReadAsync(restore);
        RestorePackFailure failure = Assert.Single(page.Failed!);
        Assert.Equal((s.Packs[2].Opened.Pack, PackFailure.TimedOut, true), (failure.Pack, failure.Cause, failure.Passing));
        await s.AssertOpenAsync(page, s.Packs[..2]);
        s.Vault.Failing.Remove(failing);
        await s.AssertOpenAsync(await s.ReadAsync(restore), s.Packs);
    }

    [Fact]
    public async Task Where_the_log_cannot_be_read_the_restore_is_of_the_catalogue_and_says_so()
    {
        Setting s = await Setting.CreateAsync(shared);
        await s.Rows.AlterAsync(RowTable.Catalog, s.Clinic.Id.Value, $"p:{s.Packs[0].Opened.Pack}", ("length", "a text"));
        string partition = s.Clinic.Id.Value;
        s.Rows.Fails = (table, of, from) => table == RowTable.Audit && of == partition && from.StartsWith('e') && from.EndsWith('0');
        Restore restore = await s.RequestAsync(s.Request(everything: true));
        s.Rows.Fails = (_, _, _) => false;
        Assert.True(restore.CatalogueOnly);
        Assert.True(restore.ToResponse(s.Archive.Clock.GetUtcNow()).CatalogueOnly);
        await s.AssertOpenAsync(await s.ReadAsync(restore), s.Packs);
        AuditEntry entry = Assert.Single(await s.Clinic.LogAsync(), entry => entry.Action == AuditActions.RestoreRequested);
        Assert.Equal("true", entry.Details!["catalogueOnly"]);
    }

    [Fact]
    public async Task A_stray_whose_sidecar_is_gone_may_be_the_patient_s_and_that_is_said()
    {
        Setting s = await Setting.CreateAsync(shared);
        await s.Rows.EraseAsync(s.Clinic.Id, s.Packs[1].Opened.Pack);
        s.Vault.Lost.Add(BlobName.Sidecar(s.Clinic.Id, s.Packs[1].Opened.Pack));
        s.Settle();
        Restore restore = await s.RequestAsync(s.Request(patientId: "patient-0"));
        Assert.Equal((1, true), (restore.Totals.Packs, restore.CatalogueOnly));
    }

    [Fact]
    public async Task A_study_of_more_packs_than_a_query_has_rows_is_whole()
    {
        MemoryRowStore rows = new();
        ClinicId clinic = TestClinic.NewId();
        Uid study = TestClinic.NewStudy();
        Dictionary<string, object> share = new() { ["instances"] = 1L, ["length"] = 1L, ["committedAt"] = DateTimeOffset.UnixEpoch, ["immutableUntil"] = DateTimeOffset.UnixEpoch, ["modalities"] = "" };
        PackId[] packs = [.. Enumerable.Range(0, 1234).Select(_ => PackId.Parse(Guid.CreateVersion7(DateTimeOffset.UnixEpoch).ToString()))];
        foreach (PackId[] some in packs.Chunk(100))
        {
            await rows.SubmitAsync(RowTable.Catalog, clinic.Value, [.. some.Select(pack => new RowWrite.Insert($"s:{study}:{pack}", share))], Cancel);
        }

        Core.Catalog.CatalogReader catalog = new(rows);
        Assert.Equal(packs.Length, (await catalog.PacksOfAsync(clinic, study, Cancel)).Count);
        Assert.Equal(packs.Length, (await catalog.FindStudyAsync(clinic, study, Cancel))!.Instances);
    }

    /// <summary>A clinic with three packs of three studies and patients, on storage that can be made to fail.</summary>
    private sealed class Setting
    {
        private Setting(Archive archive, TroubledRows rows, TroubledVault vault, TestClinic clinic, SealedPack[] packs) =>
            (Archive, Rows, Vault, Clinic, Packs) = (archive, rows, vault, clinic, packs);

        public Archive Archive { get; }

        public TroubledRows Rows { get; }

        public TroubledVault Vault { get; }

        public TestClinic Clinic { get; }

        public SealedPack[] Packs { get; }

        public static async Task<Setting> CreateAsync(SharedStorage shared)
        {
            Microsoft.Extensions.Time.Testing.FakeTimeProvider clock = new(DateTimeOffset.UtcNow);
            MemoryVault memory = new(clock);
            TroubledRows rows = new(new MemoryRowStore());
            TroubledVault vault = new(memory);
            Archive archive = new(rows, vault, shared.Keys, shared.Keys, shared.Keys, clock);
            TestClinic clinic = await TestClinic.CreateAsync(archive, requireApproval: false);
            List<SealedPack> packs = [];
            for (int i = 0; i < 3; i++)
            {
                SealedPack pack = await clinic.SealAsync(files: 1, patientId: $"patient-{i}");
                Dictionary<string, string> metadata = new()
                {
                    [BlobEncryption.MetadataName] = BlobEncryption.ToMetadata(pack.Sidecar.Encryption),
                    [BlobEncryption.EscrowMetadataName] = BlobEncryption.ToMetadata(BlobEncryption.For(pack.Sidecar.Escrow)),
                };
                await memory.WriteNewAsync(BlobName.Pack(clinic.Id, pack.Opened.Pack), pack.Ciphertext, "application/octet-stream", metadata, Cancel);
                await clinic.CommitAsync(pack);
                packs.Add(pack);
            }

            return new Setting(archive, rows, vault, clinic, [.. packs]);
        }

        /// <summary>What the catalogue does not know may be a commit that is under way, for an hour.</summary>
        public void Settle() => Archive.Clock.Advance(TimeSpan.FromHours(2));

        public RestoreRequest Request(IReadOnlyList<Uid>? studies = null, IReadOnlyList<Uid>? instances = null, string? patientId = null, bool everything = false) =>
            new(JwkKeys.FromRsa(_mine), "Treatment elsewhere", "Dr. Beispiel", studies, instances, patientId, everything);

        public async Task<Restore> RequestAsync(RestoreRequest request)
        {
            // One key is one restore: the one that is there is ended first.
            foreach (Restore before in await Archive.Restores.ListAsync(Clinic.Id, null, 10, Cancel))
            {
                if (await Archive.Rows.FindAsync(RowTable.Work, Clinic.Id.Value, "restore-key:" + JwkKeys.Thumbprint(JwkKeys.FromRsa(_mine)), Cancel) is { } key)
                {
                    await Archive.Rows.TryDeleteAsync(RowTable.Work, Clinic.Id.Value, [key], Cancel);
                }
            }

            return await Archive.Restores.RequestAsync(Clinic.Id, request, Support.Archive.Admin, Cancel);
        }

        public Task<RestorePage> ReadAsync(Restore restore) => Archive.Results.ReadAsync(Clinic.Id, restore.Id, null, Support.Archive.Admin, Cancel);

        /// <summary>Opens what a page hands out as the caller does: these packs, whole, and no others.</summary>
        public async Task AssertOpenAsync(RestorePage page, IReadOnlyList<SealedPack> expected)
        {
            Assert.Equal(expected.Select(pack => pack.Opened.Pack), page.Items.Select(pack => pack.Pack));
            foreach ((RestorePack released, SealedPack pack) in page.Items.Zip(expected))
            {
                using ContentKey key = KeyWrapping.Unwrap(released.ContentKey, _mine);
                PackIdentity identity = new(Clinic.Id, released.Pack, released.Study, released.Length, released.Sha256);
                await using PackReader reader = await PackReader.OpenAsync(new MemoryStream(pack.Ciphertext), key, identity, Cancel);
                Assert.Equal(pack.Files.Select(file => file.Instance.Sha256), reader.Manifest.Instances.Select(instance => instance.Instance.Sha256));
                Assert.EndsWith($"{Clinic.Id}/{released.Pack}", new Uri(released.Url).AbsolutePath, StringComparison.Ordinal);
            }
        }
    }
}
