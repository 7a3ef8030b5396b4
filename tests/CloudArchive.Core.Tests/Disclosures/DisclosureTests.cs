using System.Security.Cryptography;
using System.Text.Json;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Disclosures;
using CloudArchive.Core.Restores;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Tests.Retention;
using CloudArchive.Core.Tests.Support;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Signing;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Tests.Disclosures;

public sealed class DisclosureTests(SharedStorage shared)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_was_handed_out_of_a_patients_is_listed_with_when_to_whom_and_why_and_what_was_only_asked_for_is_not()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared), requireApproval: false);
        (SealedPack annas, _) = await clinic.BackUpAsync(files: 3, patientId: "anna");
        (SealedPack annasOther, _) = await clinic.BackUpAsync(files: 2, patientId: "anna");
        (SealedPack berts, _) = await clinic.BackUpAsync(patientId: "bert");

        Restore whole = await RequestAsync(clinic, "Second opinion", "Dr. Weber", studies: [annas.Sidecar.Study, berts.Sidecar.Study]);
        DateTimeOffset first = clinic.Archive.Clock.GetUtcNow();
        await ReadAsync(clinic, whole);
        clinic.Archive.Clock.Advance(TimeSpan.FromHours(1));
        await ReadAsync(clinic, whole);
        await clinic.Archive.Restores.ReportAsync(clinic.Id, whole.Id, new RestoreReport(5, 0, 0, 1000), Archive.Admin, Cancel);
        Restore part = await RequestAsync(clinic, "Insurance", "Example Health", instances: [annasOther.Sidecar.Instances[0].SopInstance]);
        await ReadAsync(clinic, part);
        await RequestAsync(clinic, "Never fetched", "Nobody", studies: [annas.Sidecar.Study]);

        DisclosuresResponse anna = await FindAsync(clinic, " anna ");
        Assert.Equal(["Insurance", "Second opinion"], anna.Items.Select(item => item.Purpose));
        DisclosureResponse opinion = anna.Items[1];
        Assert.Equal(("Dr. Weber", "ada", whole.Id.ToString(), first), (opinion.Recipient, opinion.RequestedBy, opinion.Restore, opinion.ReleasedAt));
        Assert.Equal(new DisclosedStudy(annas.Sidecar.Study, 1, 3), Assert.Single(opinion.Studies));
        Assert.Equal(5, opinion.Report!.Restored);
        Assert.Equal(new DisclosedStudy(annasOther.Sidecar.Study, 1, 1), Assert.Single(anna.Items[0].Studies));
        Assert.Equal(new DisclosedStudy(berts.Sidecar.Study, 1, 2), Assert.Single(Assert.Single((await FindAsync(clinic, "bert")).Items).Studies));
        Assert.Empty((await FindAsync(clinic, "nobody")).Items);
    }

    [Fact]
    public async Task A_snapshot_is_named_as_one_and_plain_files_which_are_of_no_known_patient_are_counted()
    {
        MemoryArchive archive = await MemoryArchive.CreateAsync(shared, requireApproval: false);
        SealedPack study = await archive.BackUpAsync(patientId: "anna");
        SealedPack folder = await archive.BackUpFolderAsync("Lindqvist", PlainSets.Plain("Lindqvist.jpg", "photo"));
        SealedPack snapshot = await archive.BackUpSnapshotAsync([(study.Files[0], study.Opened.Pack)]);
        await ReadAsync(archive.Clinic, await RequestAsync(archive.Clinic, "After an attack", "The practice", snapshot: snapshot.Opened.Pack));
        DisclosuresResponse anna = await FindAsync(archive.Clinic, "anna");
        DisclosureResponse one = Assert.Single(anna.Items);
        Assert.Equal((snapshot.Opened.Pack, study.Sidecar.Study), (one.Snapshot!.Value, Assert.Single(one.Studies).Study));
        Assert.Equal(1, anna.OfNobody); // the snapshot's own pack
        await ReadAsync(archive.Clinic, await RequestAsync(archive.Clinic, "A photo", "The practice", studies: [folder.Sidecar.Study]));
        await RequestAsync(archive.Clinic, "Never fetched", "Nobody", studies: [folder.Sidecar.Study]);
        Assert.Equal((0, 2), (await FindAsync(archive.Clinic, "bert") is var bert ? bert.Items.Count : -1, bert.OfNobody));
        archive.Clock.Advance(TimeSpan.FromDays(366 * 6));
        Assert.Equal(0, (await FindAsync(archive.Clinic, "anna")).OfNobody);
    }

    [Fact]
    public async Task It_reaches_six_years_back_and_what_ends_restores_takes_nothing_from_it()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        (SealedPack pack, _) = await clinic.BackUpAsync(patientId: "anna");
        DateTimeOffset day = clinic.Archive.Clock.GetUtcNow();
        await ReadAsync(clinic, await RequestAsync(clinic, "Moved away", "New dentist", studies: [pack.Sidecar.Study]));

        // It was never reported: it expires, and its plan is deleted. So is everything else that housekeeping deletes.
        clinic.Archive.Clock.SetUtcNow(day.AddYears(6).AddMinutes(-1));
        await clinic.Archive.Restores.SweepAsync(clinic.Id, Archive.Admin, Cancel);
        await clinic.Archive.Restores.SweepAsync(clinic.Id, Archive.Admin, Cancel);
        Assert.Empty(await shared.Storage.Rows.QueryAsync(RowTable.Work, clinic.Id.Value, RowRange.Prefix("restore-pack:"), 10, Cancel));
        Assert.Equal("New dentist", Assert.Single((await FindAsync(clinic, "anna")).Items).Recipient);

        clinic.Archive.Clock.SetUtcNow(day.AddYears(6).AddMinutes(1));
        Assert.Empty((await FindAsync(clinic, "anna")).Items);
    }

    [Fact]
    public async Task Neither_the_patient_nor_purpose_and_recipient_are_in_the_log()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        (SealedPack pack, _) = await clinic.BackUpAsync(patientId: "MUSTER-7");
        await ReadAsync(clinic, await RequestAsync(clinic, "PURPOSE-7", "RECIPIENT-7", studies: [pack.Sidecar.Study]));
        await FindAsync(clinic, "MUSTER-7");
        IReadOnlyList<AuditEntry> log = await clinic.LogAsync();
        AuditEntry looked = Assert.Single(log, entry => entry.Action == AuditActions.DisclosuresQueried);
        Assert.Equal("1", looked.Details!["disclosures"]);
        string all = JsonSerializer.Serialize(log, FormatJson.Options);
        Assert.All((string[])["MUSTER-7", "PURPOSE-7", "RECIPIENT-7", pack.Sidecar.PatientHmac!.Value.Hex], secret => Assert.DoesNotContain(secret, all, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("", "Dr. Weber")]
    [InlineData(" ", "Dr. Weber")]
    [InlineData("Opinion", "")]
    [InlineData("Opin\nion", "Dr. Weber")]
    public async Task A_restore_without_purpose_or_recipient_is_refused(string purpose, string recipient)
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        (SealedPack pack, _) = await clinic.BackUpAsync();
        RefusedException refused = await Assert.ThrowsAsync<RefusedException>(() => RequestAsync(clinic, purpose, recipient, studies: [pack.Sidecar.Study]));
        Assert.Equal(Refusal.RequestInvalid, refused.Refusal);
        Assert.Equal(Refusal.RequestInvalid, (await Assert.ThrowsAsync<RefusedException>(() => RequestAsync(clinic, new string('x', 501), "Dr. Weber", studies: [pack.Sidecar.Study]))).Refusal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("   ")]
    [InlineData("12345678901234567890123456789012345678901234567890123456789012345")]
    public async Task What_is_no_patient_ID_is_refused(string patientId)
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        Assert.Equal(Refusal.RequestInvalid, (await Assert.ThrowsAsync<RefusedException>(() => FindAsync(clinic, patientId))).Refusal);
    }

    private static Task<DisclosuresResponse> FindAsync(TestClinic clinic, string patientId)
    {
        Archive archive = clinic.Archive;
        return new DisclosureLog(archive.Rows, archive.Identifiers, archive.Restores, archive.Log, archive.Clock).FindAsync(clinic.Id, patientId, Archive.Admin, Cancel);
    }

    private static Task<RestorePage> ReadAsync(TestClinic clinic, Restore restore) => clinic.Archive.Results.ReadAsync(clinic.Id, restore.Id, null, Archive.Admin, Cancel);

    private static async Task<Restore> RequestAsync(TestClinic clinic, string purpose, string recipient, IReadOnlyList<Uid>? studies = null, IReadOnlyList<Uid>? instances = null, PackId? snapshot = null)
    {
        using RSA key = RSA.Create(2048);
        return await clinic.Archive.Restores.RequestAsync(clinic.Id, new RestoreRequest(JwkKeys.FromRsa(key), purpose, recipient, studies, instances, Snapshot: snapshot), Archive.Admin, Cancel);
    }
}
