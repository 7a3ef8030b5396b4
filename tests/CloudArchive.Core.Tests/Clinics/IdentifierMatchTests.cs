using System.Security.Cryptography;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Catalog;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Disclosures;
using CloudArchive.Core.Restores;
using CloudArchive.Core.Retention;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Tests.Retention;
using CloudArchive.Core.Tests.Support;
using CloudArchive.Format;
using CloudArchive.Format.Signing;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Tests.Clinics;

/// <summary>Which spellings of an identifier are one is the clinic's choice, made when somebody looks: whatever it was when a pack was archived.</summary>
public sealed class IdentifierMatchTests(SharedStorage shared)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(IdentifierMatch.Exact, "aB 12", "aB 12")]
    [InlineData(IdentifierMatch.Spelling, "ab12", "aB 12", "AB12")]
    [InlineData(IdentifierMatch.Zeros, "ab12", "aB 12", "AB12", "00ab12")]
    [InlineData(IdentifierMatch.Exact, "12", "12")]
    [InlineData(IdentifierMatch.Spelling, "12 ", "12")]
    [InlineData(IdentifierMatch.Zeros, "12", "12", "0012")]
    [InlineData(IdentifierMatch.Zeros, "0000012", "12", "0012")]
    [InlineData(IdentifierMatch.Spelling, "müller 1", "MÜLLER1")]
    public async Task A_search_and_a_restore_find_what_the_clinic_takes_for_the_same_and_nobody_else(IdentifierMatch match, string typed, params string[] expected)
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared, requireApproval: false);
        Dictionary<Uid, string> ids = await BackUpAsync(archive, "aB 12", "AB12", "00ab12", "AB 120", "12", "0012", "112", "MÜLLER1", "0");
        await MatchAsync(archive, match);

        Assert.Equal(expected.Order(StringComparer.Ordinal), await SearchAsync(archive, ids, typed));
        using RSA key = RSA.Create(2048);
        Restore restore = await archive.Core.Restores.RequestAsync(archive.Clinic.Id, new RestoreRequest(JwkKeys.FromRsa(key), "treatment", "Dr. Lee", PatientId: typed), Archive.Admin, Cancel);
        IReadOnlyList<RestorePack> packs = (await archive.Core.Results.ReadAsync(archive.Clinic.Id, restore.Id, null, Archive.Admin, Cancel)).Items;
        Assert.Equal(expected.Order(StringComparer.Ordinal), packs.Select(pack => ids[pack.Study]).Order(StringComparer.Ordinal));

        // What was handed out is accounted for under every spelling that counts.
        DisclosuresResponse told = await DisclosuresAsync(archive, expected[^1]);
        Assert.Equal((match, expected.Length), (told.IdentifierMatch, Assert.Single(told.Items).Studies.Count));
    }

    [Fact]
    public async Task What_was_handed_out_is_accounted_for_under_another_spelling_though_it_is_destroyed()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared, requireApproval: false);
        await MatchAsync(archive, IdentifierMatch.Zeros);
        SealedPack pack = await archive.BackUpAsync(patientId: "0012");
        archive.Clock.Advance(TimeSpan.FromDays(366 * 40));
        using RSA key = RSA.Create(2048);
        Restore restore = await archive.Core.Restores.RequestAsync(archive.Clinic.Id, new RestoreRequest(JwkKeys.FromRsa(key), "treatment", "Dr. Lee", PatientId: "12"), Archive.Admin, Cancel);
        Assert.Single((await archive.Core.Results.ReadAsync(archive.Clinic.Id, restore.Id, null, Archive.Admin, Cancel)).Items);
        for (int day = 0; day < 40; day++)
        {
            await archive.RunAsync();
            await archive.ApproveAllAsync();
        }

        Assert.Empty(await archive.Core.Catalog.PacksOfAsync(archive.Clinic.Id, pack.Sidecar.Study, Cancel));
        Assert.Equal("Dr. Lee", Assert.Single((await DisclosuresAsync(archive, "012")).Items).Recipient);
        Assert.Empty((await DisclosuresAsync(archive, "13")).Items);
    }

    [Fact]
    public async Task A_spelling_is_known_until_the_last_study_under_it_is_destroyed()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        await MatchAsync(archive, IdentifierMatch.Spelling);
        SealedPack first = await archive.BackUpAsync(patientId: "aB 12"), second = await archive.BackUpAsync(patientId: "aB 12");
        Dictionary<Uid, string> ids = new() { [first.Sidecar.Study] = "first", [second.Sidecar.Study] = "second" };
        await DestroyAsync(first);
        Assert.Equal(["second"], await SearchAsync(archive, ids, "Ab1 2")); // like none of the likely spellings
        await DestroyAsync(second);
        Assert.Empty(await archive.Rows.ReadAllAsync(RowTable.Catalog, archive.Clinic.Id.Value, RowRange.All, Cancel).ToListAsync(Cancel));

        Task DestroyAsync(SealedPack pack) => new CatalogRemoval(archive.Rows).RunAsync(archive.Clinic.Id, pack.Sidecar.Study, new HashSet<PackId> { pack.Opened.Pack }, Cancel);
    }

    [Fact]
    public async Task Changing_the_choice_loses_nothing_and_takes_back_what_was_too_much()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        Dictionary<Uid, string> ids = [];
        foreach ((IdentifierMatch match, string id) in (IEnumerable<(IdentifierMatch, string)>)[(IdentifierMatch.Zeros, "0012"), (IdentifierMatch.Exact, "12"), (IdentifierMatch.Spelling, "012")])
        {
            await MatchAsync(archive, match);
            ids[(await archive.BackUpAsync(patientId: id)).Sidecar.Study] = id;
        }

        Assert.Equal(["12"], await SearchAsync(archive, ids, "12")); // 0012, archived while zeros did not count, is another patient's now
        await MatchAsync(archive, IdentifierMatch.Zeros);
        Assert.Equal(["0012", "012", "12"], await SearchAsync(archive, ids, "012"));
        await MatchAsync(archive, IdentifierMatch.Exact);
        Assert.Equal(["0012"], await SearchAsync(archive, ids, "0012"));
        Assert.Equal("exact", (await archive.Clinic.LogAsync()).Last(entry => entry.Action == AuditActions.ClinicSettingsChanged).Details!["identifierMatch"]);
    }

    [Fact]
    public async Task What_older_agents_archived_is_found_in_its_likely_spellings()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        Dictionary<Uid, string> ids = [];
        foreach (string id in (string[])["AB 12", "ab12", "aB12", "0000012", "12"])
        {
            ids[(await OlderAsync(archive, id)).Sidecar.Study] = id;
        }

        await MatchAsync(archive, IdentifierMatch.Spelling);
        Assert.Equal(["AB 12", "ab12"], await SearchAsync(archive, ids, "ab 12")); // and not aB12, of which nobody noted what it is a spelling of
        Assert.Equal(["aB12", "ab12"], await SearchAsync(archive, ids, "aB12"));
        await MatchAsync(archive, IdentifierMatch.Zeros);
        Assert.Equal(["0000012", "12"], await SearchAsync(archive, ids, "0012"));
    }

    [Fact]
    public async Task A_hold_keeps_every_spelling_that_counted_when_it_was_set_archived_before_or_after_and_no_other()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        await MatchAsync(archive, IdentifierMatch.Zeros);
        SealedPack before = await archive.BackUpAsync(patientId: "00ab 12"), other = await archive.BackUpAsync(patientId: "AB13");
        Hold hold = await HoldAsync(archive, "AB12");
        Assert.Equal((IdentifierMatch.Zeros, hold.Id), (hold.Match, (await HoldAsync(archive, "AB12")).Id));
        Assert.Equal(IdentifierMatch.Zeros, hold.ToResponse().IdentifierMatch);
        await archive.RunAsync(alsoPlan: false);
        Assert.True(IsHeld(archive, before));
        Assert.Equal(1, (await archive.Core.Holds.GetAsync(archive.Clinic.Id, hold.Id, Cancel)).Packs);

        // The hold goes on as it was set; a new spelling is held as it is committed, and nothing of it can be destroyed.
        await MatchAsync(archive, IdentifierMatch.Exact);
        SealedPack after = await archive.BackUpAsync(patientId: "0aB12"), another = await archive.BackUpAsync(patientId: "0AB13");
        Assert.True(IsHeld(archive, after));
        Assert.False(IsHeld(archive, other));
        Assert.False(IsHeld(archive, another));
        Assert.Equal(2, (await archive.Core.Holds.ActiveAsync(archive.Clinic.Id, Cancel)).Single().Archived.Count);
        RefusedException kept = await Assert.ThrowsAsync<RefusedException>(() => archive.Core.Destruction.RemoveAsync(archive.Clinic.Id, after.Sidecar.Study, after.Opened.Pack, after.Sidecar.PatientHmac, Cancel));
        Assert.Contains("A legal hold keeps pack", kept.Message, StringComparison.Ordinal);
        archive.Clock.Advance(TimeSpan.FromDays(366 * 40));
        Assert.Equal([RetentionAction.Keep, RetentionAction.Keep], (await archive.Core.Planner.PlanAsync(archive.Clinic.Id, Cancel)).Where(line => line.Study == before.Sidecar.Study || line.Study == after.Sidecar.Study).Select(line => line.Action));

        await archive.Core.Holds.ClearAsync(archive.Clinic.Id, hold.Id, Archive.Admin, Cancel);
        await archive.Core.Holds.ApproveClearAsync(archive.Clinic.Id, hold.Id, Archive.OtherAdmin, Cancel);
        await archive.RunAsync(alsoPlan: false);
        Assert.False(IsHeld(archive, before));
        Assert.False(IsHeld(archive, after));
    }

    [Fact]
    public async Task A_rebuilt_catalogue_knows_the_spellings_and_a_patient_ID_that_is_the_accession_number_is_catalogued()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        await MatchAsync(archive, IdentifierMatch.Spelling);
        Uid study = TestClinic.NewStudy();
        SealedPack pack = await archive.BackUpAsync(study: study, patientId: "acc-" + study); // its accession number in small letters
        Uid uid = TestClinic.NewStudy();
        SealedPack same = await archive.BackUpAsync(study: uid, patientId: "ACC-" + uid);
        Dictionary<Uid, string> ids = new() { [pack.Sidecar.Study] = "one", [same.Sidecar.Study] = "two" };
        Assert.Equal(["one"], await SearchAsync(archive, ids, "Acc-" + study));
        foreach (Row row in await archive.Rows.ReadAllAsync(RowTable.Catalog, archive.Clinic.Id.Value, RowRange.All, Cancel).ToListAsync(Cancel))
        {
            await archive.Rows.SubmitAsync(RowTable.Catalog, archive.Clinic.Id.Value, [new RowWrite.Delete(row.Key, row.ETag!)], Cancel);
        }

        Assert.Empty(await SearchAsync(archive, ids, "Acc-" + study));
        Assert.Empty((await archive.Core.Rebuild.RunAsync(archive.Clinic.Id, null, 100, Archive.Admin, Cancel)).Problems);
        Assert.Equal(["one"], await SearchAsync(archive, ids, "Acc-" + study));
        Assert.Equal(["two"], await SearchAsync(archive, ids, "acc-" + uid));
    }

    private static async Task<Dictionary<Uid, string>> BackUpAsync(MemoryArchive archive, params string[] patientIds)
    {
        Dictionary<Uid, string> ids = [];
        foreach (string id in patientIds)
        {
            ids[(await archive.BackUpAsync(patientId: id)).Sidecar.Study] = id;
        }

        return ids;
    }

    /// <summary>As agents of before did: the HMAC of the text as it stands, and nothing that other spellings share.</summary>
    private static async Task<SealedPack> OlderAsync(MemoryArchive archive, string patientId)
    {
        SealedPack pack = await archive.Clinic.SealAsync(files: 1, patientId: patientId);
        pack = pack with { Sidecar = pack.Sidecar with { PatientForms = null, AccessionForms = null } };
        await archive.Vault.WriteNewAsync(BlobName.Pack(archive.Clinic.Id, pack.Opened.Pack), pack.Ciphertext, "application/octet-stream", MemoryArchive.Metadata(pack.Sidecar), Cancel);
        await archive.Clinic.CommitAsync(pack);
        return pack;
    }

    private static async Task MatchAsync(MemoryArchive archive, IdentifierMatch match) =>
        Assert.Equal(match, (await archive.Core.Clinics.ChangeAsync(archive.Clinic.Id, null, null, Archive.Admin, Cancel, identifierMatch: match)).IdentifierMatch);

    private static async Task<string[]> SearchAsync(MemoryArchive archive, Dictionary<Uid, string> ids, string typed)
    {
        (IdentifierHmacs? patient, _) = await archive.Core.Identifiers.HmacAsync(archive.Clinic.Id, typed, null, Cancel);
        Page<StudyResponse> page = await archive.Core.Catalog.ListStudiesAsync(archive.Clinic.Id, new StudyFilter(Patient: patient!.Own), null, 100, Cancel);
        return [.. page.Items.Select(study => ids[study.Study]).Order(StringComparer.Ordinal)];
    }

    private static async Task<Hold> HoldAsync(MemoryArchive archive, string patientId)
    {
        (IdentifierHmacs? patient, _) = await archive.Core.Identifiers.HmacAsync(archive.Clinic.Id, patientId, null, Cancel);
        return await archive.Core.Holds.SetAsync(archive.Clinic.Id, null, patient!.Named, "Letter of 2026-03-01", Archive.Admin, Cancel, patient.Match, patient.Form);
    }

    private static Task<DisclosuresResponse> DisclosuresAsync(MemoryArchive archive, string patientId) =>
        new DisclosureLog(archive.Rows, archive.Core.Identifiers, archive.Core.Restores, archive.Core.Log, archive.Clock).FindAsync(archive.Clinic.Id, patientId, Archive.Admin, Cancel);

    private static bool IsHeld(MemoryArchive archive, SealedPack pack) =>
        archive.Vault.All(VaultArea.Packs).Single(blob => blob.Name == BlobName.Pack(archive.Clinic.Id, pack.Opened.Pack)).State.LegalHold;
}
