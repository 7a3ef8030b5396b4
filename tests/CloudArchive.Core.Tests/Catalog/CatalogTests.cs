using CloudArchive.Core.Catalog;
using CloudArchive.Core.Tests.Support;
using CloudArchive.Format;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Wire;

namespace CloudArchive.Core.Tests.Catalog;

public sealed class CatalogTests(SharedStorage shared)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_study_is_the_sum_of_its_packs_however_many_commit_at_once()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        Uid study = TestClinic.NewStudy();
        SealedPack[] packs = [.. await Task.WhenAll(Enumerable.Range(0, 5).Select(i => Task.Run(() => clinic.SealAsync(study, files: 3, modality: i == 0 ? "CT" : "IO"))))];
        await Task.WhenAll(packs.Select(pack => TestClinic.UploadAsync(pack)));
        await Task.WhenAll(packs.Select(pack => Task.Run(() => clinic.CommitAsync(pack))));
        StudyResponse found = (await clinic.Archive.Catalog.FindStudyAsync(clinic.Id, study, Cancel))!;
        Assert.Equal((5, 15, packs.Sum(pack => pack.Sidecar.Length)), (found.Packs, found.Instances, found.Bytes));
        Assert.Equal(["CT", "IO"], found.Modalities);
        Assert.Equal(("20260102", clinic.Secret.Hmac("PID-7")), (found.StudyDate, found.PatientHmac));
    }

    [Fact]
    public async Task Studies_are_found_by_patient_visit_date_and_uid_and_never_in_another_clinic()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        TestClinic other = await TestClinic.CreateAsync(clinic.Archive);
        (SealedPack anna, _) = await clinic.BackUpAsync(studyDate: "20250101", patientId: "anna");
        (SealedPack anna2, _) = await clinic.BackUpAsync(studyDate: "20260630", patientId: "anna");
        (SealedPack bert, _) = await clinic.BackUpAsync(studyDate: null, patientId: "bert");
        await other.BackUpAsync(studyDate: "20250101", patientId: "anna");

        Assert.Equal(Order(anna, anna2), await FindAsync(new StudyFilter(Patient: [clinic.Secret.Hmac("anna")!.Value])));
        Assert.Equal(Order(bert), await FindAsync(new StudyFilter(Patient: [clinic.Secret.Hmac("bert")!.Value])));
        Assert.Equal(Order(anna), await FindAsync(new StudyFilter(Accession: [clinic.Secret.Hmac("ACC-" + anna.Sidecar.Study)!.Value])));
        Assert.Equal(Order(anna), await FindAsync(new StudyFilter(From: "20250101", To: "20250101")));
        Assert.Equal(Order(anna, anna2), await FindAsync(new StudyFilter(From: "20240101")));
        Assert.Equal(Order(anna), await FindAsync(new StudyFilter(To: "20260629")));
        Assert.Equal(Order(anna2), await FindAsync(new StudyFilter(Patient: [clinic.Secret.Hmac("anna")!.Value], From: "20260101")));
        Assert.Equal(Order(), await FindAsync(new StudyFilter(Patient: [clinic.Secret.Hmac("bert")!.Value], From: "20260101")));
        Assert.Equal(Order(), await FindAsync(new StudyFilter(From: "20260701", To: "20250101")));
        Assert.Equal(Order(anna, anna2, bert), await FindAsync(new StudyFilter()));
        Assert.Equal(Order(bert), await FindAsync(new StudyFilter(Study: bert.Sidecar.Study)));
        Assert.Equal(Order(), await FindAsync(new StudyFilter(Study: bert.Sidecar.Study, Patient: [clinic.Secret.Hmac("anna")!.Value])));
        Assert.Equal(Order(), await FindAsync(new StudyFilter(Patient: [other.Secret.Hmac("anna")!.Value])));

        async Task<string[]> FindAsync(StudyFilter filter) =>
            [.. (await clinic.Archive.Catalog.ListStudiesAsync(clinic.Id, filter, null, 100, Cancel)).Items.Select(s => s.Study.Value).Order(StringComparer.Ordinal)];
        static string[] Order(params SealedPack[] packs) => [.. packs.Select(pack => pack.Sidecar.Study.Value).Order(StringComparer.Ordinal)];
    }

    [Theory]
    [InlineData("all")]
    [InlineData("date")]
    [InlineData("patient")]
    public async Task Pages_of_studies_have_each_once(string by)
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        List<string> studies = [];
        for (int i = 0; i < 5; i++)
        {
            // UIDs of which one begins like another: what pages must not confuse.
            Uid study = Uid.Parse("1.2." + new string('3', i + 1));
            studies.Add(study.Value);
            await clinic.BackUpAsync(study, files: 1, studyDate: $"2026010{(i % 2) + 1}");
            await clinic.BackUpAsync(study, files: 1, studyDate: $"2026010{(i % 2) + 1}");
        }

        StudyFilter filter = by switch
        {
            "date" => new StudyFilter(From: "20260101", To: "20261231"),
            "patient" => new StudyFilter(Patient: [clinic.Secret.Hmac("PID-7")!.Value]),
            _ => new StudyFilter(),
        };
        List<string> listed = [];
        string? after = null;
        do
        {
            Page<StudyResponse> page = await clinic.Archive.Catalog.ListStudiesAsync(clinic.Id, filter, after, 2, Cancel);
            Assert.All(page.Items, study => Assert.Equal(2, study.Packs));
            listed.AddRange(page.Items.Select(study => study.Study.Value));
            after = page.Next;
        }
        while (after is not null);
        Assert.Equal(studies.Order(StringComparer.Ordinal), listed.Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Instances_receipts_and_packs_come_in_pages_with_each_once()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        (SealedPack one, string first) = await clinic.BackUpAsync(files: 3);
        (SealedPack two, string second) = await clinic.BackUpAsync(files: 4);
        List<InstanceResponse> all = [];
        string? after = null;
        do
        {
            Page<InstanceResponse> page = await clinic.Archive.Catalog.ListInstancesAsync(clinic.Id, null, after, 2, Cancel);
            all.AddRange(page.Items);
            after = page.Next;
        }
        while (after is not null);
        InstanceResponse[] expected = [.. new[] { one, two }.SelectMany(pack => pack.Sidecar.Instances.Select(i =>
            new InstanceResponse(i.SopInstance, i.Sha256, i.Length, pack.Sidecar.Study, i.SopClass, i.Series, i.Modality, i.TransferSyntax, pack.Opened.Pack)))];
        Assert.Equal(expected.Length, all.Count);
        Assert.Equal(expected.ToHashSet(), [.. all]);

        Page<InstanceResponse> ofOne = await clinic.Archive.Catalog.ListInstancesAsync(clinic.Id, one.Sidecar.Study, null, 100, Cancel);
        Assert.Equal(3, ofOne.Items.Count);
        (IReadOnlyList<CatalogPack> packs, PackId? next, _) = await clinic.Archive.Catalog.ListPacksAsync(clinic.Id, null, 1, Cancel);
        Assert.Equal((one.Opened.Pack, first), (packs[0].Pack, packs[0].Receipt));
        (packs, next, _) = await clinic.Archive.Catalog.ListPacksAsync(clinic.Id, next, 1, Cancel);
        Assert.Equal((two.Opened.Pack, second), (packs[0].Pack, packs[0].Receipt));
        (packs, next, _) = await clinic.Archive.Catalog.ListPacksAsync(clinic.Id, next, 1, Cancel);
        Assert.Equal((0, null), (packs.Count, next));
    }

    [Theory]
    [InlineData("1.2.3' or '1' eq '1")]
    [InlineData("../other")]
    [InlineData("~")]
    public async Task A_page_token_of_somebodys_making_is_refused(string token)
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        Assert.Equal(Refusal.RequestInvalid, (await Assert.ThrowsAsync<RefusedException>(() => clinic.Archive.Catalog.ListStudiesAsync(clinic.Id, new StudyFilter(), token, 10, Cancel))).Refusal);
        Assert.Equal(Refusal.RequestInvalid, (await Assert.ThrowsAsync<RefusedException>(() => clinic.Archive.Catalog.ListInstancesAsync(clinic.Id, null, token, 10, Cancel))).Refusal);
    }

    [Fact]
    public async Task A_page_token_cannot_lead_out_of_the_study_that_is_listed()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        (SealedPack pack, _) = await clinic.BackUpAsync();
        await clinic.BackUpAsync();
        foreach (string token in (string[])["0", "9.9.9:9", pack.Sidecar.Study.Value])
        {
            Page<InstanceResponse> page = await clinic.Archive.Catalog.ListInstancesAsync(clinic.Id, pack.Sidecar.Study, token, 100, Cancel);
            Assert.All(page.Items, instance => Assert.Equal(pack.Sidecar.Study, instance.Study));
        }
    }
}
