using System.Security.Cryptography;
using System.Text;
using CloudArchive.Core.Catalog;
using CloudArchive.Core.Clinics;
using CloudArchive.Core.Restores;
using CloudArchive.Core.Retention;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Tests.Retention;
using CloudArchive.Core.Tests.Support;
using CloudArchive.Format;
using CloudArchive.Format.Signing;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Tests.Clinics;

/// <summary>Patient IDs in another encoding than their files declare: the agent hashes their bytes, a person types their text.</summary>
public sealed class UndecodableIdentifierTests(SharedStorage shared)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_restore_finds_the_text_in_the_bytes_of_the_common_encodings_and_nobody_elses()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared, requireApproval: false);
        PackId[] hers = [(await ArchivedAsync(archive, "Müller1", "latin1")).Opened.Pack, (await ArchivedAsync(archive, "Müller1", "ibm850")).Opened.Pack, (await archive.BackUpAsync(patientId: "Müller1")).Opened.Pack];
        await ArchivedAsync(archive, "Möller1", "latin1");
        await archive.BackUpAsync(patientId: "M\uFFFDller1"); // as an older agent hashed either

        Assert.Equal(hers.ToHashSet(), (await RestoreAsync(archive, "Müller1")).ToHashSet());
        RefusedException nothing = await Assert.ThrowsAsync<RefusedException>(() => RestoreAsync(archive, "Mäller1"));
        Assert.Equal(Refusal.NothingToRestore, nothing.Refusal);
    }

    [Fact]
    public async Task A_hold_keeps_what_was_archived_under_bytes_under_the_text_and_by_older_agents()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        SealedPack bytes = await ArchivedAsync(archive, "Müller1", "latin1");
        SealedPack text = await archive.BackUpAsync(patientId: "Müller1");
        SealedPack older = await archive.BackUpAsync(patientId: "M\uFFFDller1");
        SealedPack other = await ArchivedAsync(archive, "Möller1", "latin1");
        (IdentifierHmacs? patient, _) = await archive.Core.Identifiers.HmacAsync(archive.Clinic.Id, "Müller1", null, Cancel);
        Hold hold = await archive.Core.Holds.SetAsync(archive.Clinic.Id, null, patient!.All, "Letter of 2026-03-01", Archive.Admin, Cancel);
        Assert.Equal(hold.Id, (await archive.Core.Holds.SetAsync(archive.Clinic.Id, null, patient.All, "Letter of 2026-03-01", Archive.Admin, Cancel)).Id);
        await archive.RunAsync(alsoPlan: false);

        Assert.True(IsHeld(archive, bytes));
        Assert.True(IsHeld(archive, text));
        Assert.True(IsHeld(archive, older));
        Assert.False(IsHeld(archive, other));
        Assert.Equal(3, (await archive.Core.Catalog.StudiesOfAsync(archive.Clinic.Id, hold.Patients!, Cancel)).Count);
    }

    [Fact]
    public async Task A_listing_goes_on_from_one_spelling_to_the_next_and_names_a_study_of_two_spellings_once()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        SealedPack text = await archive.BackUpAsync(patientId: "Müller1");
        await archive.BackUpAsync(study: text.Sidecar.Study, patient: Bytes(archive, "Müller1", "latin1"));
        List<Uid> all = [text.Sidecar.Study];
        for (int i = 0; i < 5; i++)
        {
            all.Add((await ArchivedAsync(archive, "Müller1", i % 2 == 0 ? "latin1" : "ibm850")).Sidecar.Study);
        }

        (IdentifierHmacs? patient, _) = await archive.Core.Identifiers.HmacAsync(archive.Clinic.Id, "Müller1", null, Cancel);
        HashSet<Uid> found = [];
        string? after = null;
        int pages = 0;
        do
        {
            Page<StudyResponse> page = await archive.Core.Catalog.ListStudiesAsync(archive.Clinic.Id, new StudyFilter(Patient: patient!.Own), after, 2, Cancel);
            found.UnionWith(page.Items.Select(study => study.Study));
            after = page.Next;
        }
        while (after is not null && ++pages < 50);
        Assert.Equal(all.ToHashSet(), found);
        Page<StudyResponse> one = await archive.Core.Catalog.ListStudiesAsync(archive.Clinic.Id, new StudyFilter(Patient: patient!.Own), null, 100, Cancel);
        Assert.Equal(all.Count, one.Items.Count);
        Assert.Equal(all.ToHashSet(), one.Items.Select(study => study.Study).ToHashSet());
    }

    [Fact]
    public async Task An_ID_of_plain_letters_has_one_HMAC()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared);
        (IdentifierHmacs? patient, IdentifierHmacs? accession) = await archive.Core.Identifiers.HmacAsync(archive.Clinic.Id, "PID-7 ", " \0 ", Cancel);
        Assert.Equal([archive.Clinic.Secret.Hmac("PID-7")!.Value], patient!.All);
        Assert.Null(accession);
    }

    private static Task<SealedPack> ArchivedAsync(MemoryArchive archive, string patientId, string encoding) =>
        archive.BackUpAsync(patient: Bytes(archive, patientId, encoding));

    private static Sha256Digest Bytes(MemoryArchive archive, string patientId, string encoding) =>
        archive.Clinic.Secret.Hmac((CodePagesEncodingProvider.Instance.GetEncoding(encoding) ?? Encoding.GetEncoding(encoding)).GetBytes(patientId))!.Value;

    private static async Task<IReadOnlyList<PackId>> RestoreAsync(MemoryArchive archive, string patientId)
    {
        using RSA key = RSA.Create(2048);
        RestoreRequest request = new(JwkKeys.FromRsa(key), "Letter of 2026-03-01", "Dr. Beispiel", PatientId: patientId);
        Restore restore = await archive.Core.Restores.RequestAsync(archive.Clinic.Id, request, Archive.Admin, Cancel);
        return [.. (await archive.Core.Results.ReadAsync(archive.Clinic.Id, restore.Id, null, Archive.Admin, Cancel)).Items.Select(pack => pack.Pack)];
    }

    private static bool IsHeld(MemoryArchive archive, SealedPack pack) =>
        archive.Vault.All(VaultArea.Packs).Single(blob => blob.Name == BlobName.Pack(archive.Clinic.Id, pack.Opened.Pack)).State.LegalHold;
}
