using System.Net;
using System.Security.Cryptography;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Restores;
using CloudArchive.Core.Storage;
using CloudArchive.Core.Tests.Support;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Sealing;
using CloudArchive.Format.Signing;
using CloudArchive.Format.Wire;
using Microsoft.Extensions.Time.Testing;

namespace CloudArchive.Core.Tests.Restores;

public sealed class RestoreTests(SharedStorage shared)
{
    private static readonly RSA _mine = RSA.Create(2048);
    private static readonly HttpClient _http = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_study_comes_back_byte_for_byte()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        (SealedPack pack, _) = await clinic.BackUpAsync(files: 3);
        await clinic.BackUpAsync();
        Restore restore = await RequestAsync(clinic, Request(studies: [pack.Sidecar.Study]));
        Assert.Equal((RestoreStatus.Ready, 1, 1, 3), (restore.Status, restore.Totals.Studies, restore.Totals.Packs, restore.Totals.Instances));
        RestorePack released = Assert.Single((await clinic.Archive.Results.ReadAsync(clinic.Id, restore.Id, null, Archive.Admin, Cancel)).Items);
        Assert.Null(released.Wanted);
        Assert.Equal(pack.Files.Select(file => Sha256Digest.Of(file.Content)), await OpenAsync(released));
    }

    [Fact]
    public async Task Packs_in_the_archive_tier_are_asked_back_all_at_once_and_handed_out_when_they_are_there()
    {
        Tiers tiers = new(shared.Storage.Vault);
        TestClinic clinic = await TestClinic.CreateAsync(new Archive(shared.Storage.Rows, tiers, shared.Keys, shared.Keys, shared.Keys, new FakeTimeProvider(DateTimeOffset.UtcNow)), requireApproval: false);
        PackId[] packs = [.. (await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => clinic.BackUpAsync(files: 1)))).Select(backup => backup.Pack.Opened.Pack)];
        tiers.Archived.UnionWith(packs.Skip(1).Select(pack => BlobName.Pack(clinic.Id, pack)));
        Restore restore = await RequestAsync(clinic, Request(everything: true));
        for (int i = 0; i < 2; i++)
        {
            RefusedException refused = await Assert.ThrowsAsync<RefusedException>(() => clinic.Archive.Results.ReadAsync(clinic.Id, restore.Id, null, Archive.Admin, Cancel));
            Assert.Equal(Refusal.PacksArchived, refused.Refusal);
            Assert.StartsWith("Packs of this page (2 of 3)", refused.Message, StringComparison.Ordinal);
        }

        // Asked for once each, by name, by who restores; and nothing was handed out yet.
        IReadOnlyList<AuditEntry> log = await clinic.LogAsync();
        Assert.Equal(packs.Skip(1).Select(pack => pack.ToString()).Order(StringComparer.Ordinal), log.Where(entry => entry.Action == AuditActions.RehydrationRequested).Select(entry => entry.Subject.Pack!).Order(StringComparer.Ordinal));
        Assert.DoesNotContain(log, entry => entry.Action == AuditActions.RestoreResultRead && entry.Outcome == AuditOutcome.Success);

        Assert.Equal(2, await clinic.Archive.Rehydration.RunAsync(clinic.Id, Requester.System("reconciler", "test"), Cancel));
        Assert.Equal(3, (await clinic.Archive.Results.ReadAsync(clinic.Id, restore.Id, null, Archive.Admin, Cancel)).Items.Count);
    }

    [Fact]
    public async Task Instances_a_patient_and_everything_come_back()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared), requireApproval: false);
        (SealedPack one, _) = await clinic.BackUpAsync(patientId: "anna");
        (SealedPack two, _) = await clinic.BackUpAsync(patientId: "anna");
        (SealedPack three, _) = await clinic.BackUpAsync(patientId: "bert");

        RestorePage instances = await ResultAsync(clinic, Request(instances: [one.Sidecar.Instances[1].SopInstance, three.Sidecar.Instances[0].SopInstance]));
        Assert.Equal([one.Sidecar.Instances[1].Sha256], instances.Items.Single(pack => pack.Pack == one.Opened.Pack).Wanted);
        Assert.Equal([three.Sidecar.Instances[0].Sha256], instances.Items.Single(pack => pack.Pack == three.Opened.Pack).Wanted);
        RestorePage patient = await ResultAsync(clinic, Request(patientId: " anna "));
        Assert.Equal([one.Opened.Pack, two.Opened.Pack], patient.Items.Select(pack => pack.Pack));
        RestorePage everything = await ResultAsync(clinic, Request(everything: true));
        Assert.Equal([one.Opened.Pack, two.Opened.Pack, three.Opened.Pack], everything.Items.Select(pack => pack.Pack));
    }

    [Fact]
    public async Task An_instance_in_two_packs_comes_once_and_each_of_its_versions_comes()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        Uid study = TestClinic.NewStudy();
        TestFile file = TestFile.Create(study, 1);
        TestFile changed = TestFile.Create(study, 1);
        foreach (TestFile[] files in (TestFile[][])[[file], [file, changed]])
        {
            clinic.Archive.Clock.Advance(TimeSpan.FromMilliseconds(1));
            SealedPack pack = await clinic.SealAsync(await clinic.Archive.Intake.OpenAsync(clinic.Agent, study, 1, clinic.AsAgent, Cancel), study, files);
            await TestClinic.UploadAsync(pack);
            await clinic.CommitAsync(pack);
        }

        RestorePage page = await ResultAsync(clinic, Request(instances: [file.Instance.SopInstance]));
        Assert.Equal([file.Instance.Sha256, changed.Instance.Sha256], page.Items.SelectMany(pack => pack.Wanted!));
    }

    [Fact]
    public async Task More_than_one_study_waits_for_another_admin()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        await clinic.BackUpAsync();
        await clinic.BackUpAsync();
        Restore restore = await RequestAsync(clinic, Request(everything: true));
        Assert.Equal(RestoreStatus.PendingApproval, restore.Status);
        await AssertRefusedAsync(Refusal.ApprovalMissing, () => clinic.Archive.Results.ReadAsync(clinic.Id, restore.Id, null, Archive.Admin, Cancel));
        await AssertRefusedAsync(Refusal.ApprovalMissing, () => clinic.Archive.Restores.ReportAsync(clinic.Id, restore.Id, new RestoreReport(1, 0, 0, 1), Archive.Admin, Cancel));
        await AssertRefusedAsync(Refusal.ApprovalByRequester, () => clinic.Archive.Restores.ApproveAsync(clinic.Id, restore.Id, Archive.Admin, Cancel));
        await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => Task.Run(() => clinic.Archive.Restores.ApproveAsync(clinic.Id, restore.Id, Archive.OtherAdmin, Cancel))));
        await AssertRefusedAsync(Refusal.RestoreOfAnother, () => clinic.Archive.Results.ReadAsync(clinic.Id, restore.Id, null, Archive.OtherAdmin, Cancel));
        Assert.Equal(2, (await clinic.Archive.Results.ReadAsync(clinic.Id, restore.Id, null, Archive.Admin, Cancel)).Items.Count);
        IReadOnlyList<AuditEntry> log = await clinic.LogAsync();
        Assert.Single(log, entry => entry.Action == AuditActions.RestoreApproved && entry.Actor.Id == Archive.OtherAdmin.Actor.Id);
        Assert.Single(log, entry => entry.Action == AuditActions.RestoreResultRead);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_restore_that_waits_is_declined_by_another_admin_or_taken_back_and_is_over(bool byOther)
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        (SealedPack one, _) = await clinic.BackUpAsync();
        (SealedPack two, _) = await clinic.BackUpAsync();
        Restore restore = await RequestAsync(clinic, Request(everything: true));
        Assert.Equal(RestoreStatus.PendingApproval, restore.Status);
        Assert.Equal([one.Sidecar.Study, two.Sidecar.Study], await clinic.Archive.Restores.FirstSetsAsync(restore, 5, Cancel));
        Assert.Equal([one.Sidecar.Study], await clinic.Archive.Restores.FirstSetsAsync(restore, 1, Cancel));

        Requester who = byOther ? Archive.OtherAdmin : Archive.Admin;
        Restore declined = await clinic.Archive.Restores.DeclineAsync(clinic.Id, restore.Id, who, Cancel);
        Assert.Equal((RestoreStatus.Expired, who.Actor.Id), (clinic.Archive.Restores.StatusOf(declined), declined.DeclinedBy));
        Assert.Equal(who.Actor.Id, (await clinic.Archive.Restores.DeclineAsync(clinic.Id, restore.Id, who, Cancel)).DeclinedBy);
        await AssertRefusedAsync(Refusal.RestoreOver, () => clinic.Archive.Restores.ApproveAsync(clinic.Id, restore.Id, Archive.OtherAdmin, Cancel));
        await Assert.ThrowsAsync<RefusedException>(() => clinic.Archive.Results.ReadAsync(clinic.Id, restore.Id, null, Archive.Admin, Cancel));
    }

    [Fact]
    public async Task What_was_approved_is_not_declined_any_more()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        await clinic.BackUpAsync();
        await clinic.BackUpAsync();
        Restore restore = await RequestAsync(clinic, Request(everything: true));
        await clinic.Archive.Restores.ApproveAsync(clinic.Id, restore.Id, Archive.OtherAdmin, Cancel);
        await AssertRefusedAsync(Refusal.ApprovalNotNeeded, () => clinic.Archive.Restores.DeclineAsync(clinic.Id, restore.Id, Archive.OtherAdmin, Cancel));
    }

    [Fact]
    public async Task What_was_approved_is_what_is_released_even_if_more_was_archived_since()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        (SealedPack one, _) = await clinic.BackUpAsync();
        (SealedPack two, _) = await clinic.BackUpAsync();
        Restore restore = await RequestAsync(clinic, Request(everything: true));
        await clinic.BackUpAsync(one.Sidecar.Study);
        await clinic.Archive.Restores.ApproveAsync(clinic.Id, restore.Id, Archive.OtherAdmin, Cancel);
        RestorePage page = await clinic.Archive.Results.ReadAsync(clinic.Id, restore.Id, null, Archive.Admin, Cancel);
        Assert.Equal([one.Opened.Pack, two.Opened.Pack], page.Items.Select(pack => pack.Pack));
    }

    [Fact]
    public async Task A_content_key_is_released_for_the_requests_key_alone()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        await clinic.BackUpAsync();
        RestorePack released = Assert.Single((await ResultAsync(clinic, Request(everything: true))).Items);
        Assert.Equal(JwkKeys.Thumbprint(JwkKeys.FromRsa(_mine)), released.ContentKey.KeyId);
        using RSA other = RSA.Create(2048);
        Assert.Throws<PackException>(() => KeyWrapping.Unwrap(released.ContentKey, other));
        using ContentKey key = KeyWrapping.Unwrap(released.ContentKey, _mine);
    }

    [Fact]
    public async Task A_request_that_is_repeated_finds_its_restore()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        await clinic.BackUpAsync();
        RestoreRequest request = Request(everything: true);
        Restore[] restores = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() => RequestAsync(clinic, request))));
        Assert.Single(restores.Select(restore => restore.Id).Distinct());
        Assert.Single(await clinic.LogAsync(), entry => entry.Action == AuditActions.RestoreRequested);
        await AssertRefusedAsync(Refusal.KeyInvalid, () => clinic.Archive.Restores.RequestAsync(clinic.Id, request, Archive.OtherAdmin, Cancel));
    }

    [Fact]
    public async Task Purpose_recipient_and_patient_id_are_not_in_the_log_but_what_was_stated_is_proven()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        await clinic.BackUpAsync(patientId: "secret-patient");
        Restore restore = await RequestAsync(clinic, Request(patientId: "secret-patient") with { Purpose = "Moves to Hamburg", Recipient = "Anna Muster" });
        await clinic.Archive.Results.ReadAsync(clinic.Id, restore.Id, null, Archive.Admin, Cancel);
        string log = string.Join('\n', (await clinic.LogAsync()).Select(entry => System.Text.Json.JsonSerializer.Serialize(entry, FormatJson.Options)));
        foreach (string phi in (string[])["secret-patient", "Hamburg", "Anna", "Muster", clinic.Secret.Hmac("secret-patient")!.Value.Hex])
        {
            Assert.DoesNotContain(phi, log, StringComparison.OrdinalIgnoreCase);
        }

        Assert.Contains(Sha256Digest.Of([.. restore.Salt, .. "Moves to Hamburg\nAnna Muster"u8]).Hex, log, StringComparison.Ordinal);
        List<string> rows = [];
        await foreach (Row row in clinic.Archive.Rows.ReadAllAsync(RowTable.Work, clinic.Id.Value, new RowRange("a", "~"), Cancel))
        {
            rows.Add(string.Join(' ', row.Values.Values));
        }

        Assert.DoesNotContain(rows, row => row.Contains("secret-patient", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_report_ends_a_restore_and_only_who_asked_reports()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        await clinic.BackUpAsync();
        Restore restore = await RequestAsync(clinic, Request(everything: true));
        RestoreReport report = new(2, 0, 1, 4000);
        await AssertRefusedAsync(Refusal.RestoreOfAnother, () => clinic.Archive.Restores.ReportAsync(clinic.Id, restore.Id, report, Archive.OtherAdmin, Cancel));
        await AssertRefusedAsync(Refusal.RequestInvalid, () => clinic.Archive.Restores.ReportAsync(clinic.Id, restore.Id, report with { Failed = -1 }, Archive.Admin, Cancel));
        await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => Task.Run(() => clinic.Archive.Restores.ReportAsync(clinic.Id, restore.Id, report, Archive.Admin, Cancel))));
        await AssertRefusedAsync(Refusal.RestoreOver, () => clinic.Archive.Restores.ReportAsync(clinic.Id, restore.Id, report with { Failed = 0 }, Archive.Admin, Cancel));
        await AssertRefusedAsync(Refusal.RestoreOver, () => clinic.Archive.Results.ReadAsync(clinic.Id, restore.Id, null, Archive.Admin, Cancel));
        AuditEntry entry = Assert.Single(await clinic.LogAsync(), e => e.Action == AuditActions.RestoreReported);
        Assert.Equal((AuditOutcome.Failure, "1"), (entry.Outcome, entry.Details!["failed"]));
    }

    [Fact]
    public async Task A_restore_expires_and_its_plan_is_swept()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        await clinic.BackUpAsync();
        Restore restore = await RequestAsync(clinic, Request(everything: true));
        clinic.Archive.Clock.Advance(RestoreDesk.Lifetime);
        Assert.Equal(RestoreStatus.Expired, clinic.Archive.Restores.StatusOf(restore));
        await AssertRefusedAsync(Refusal.RestoreOver, () => clinic.Archive.Results.ReadAsync(clinic.Id, restore.Id, null, Archive.Admin, Cancel));
        await AssertRefusedAsync(Refusal.RestoreOver, () => clinic.Archive.Restores.ApproveAsync(clinic.Id, restore.Id, Archive.OtherAdmin, Cancel));
        Requester timer = Requester.System("housekeeping", "test");
        while (await clinic.Archive.Restores.SweepAsync(clinic.Id, timer, Cancel) == 0)
        {
            // First it is marked, then its plan goes.
        }

        Assert.Equal(RestoreStatus.Expired, (await clinic.Archive.Restores.GetAsync(clinic.Id, restore.Id, Cancel)).Status);
        Assert.Empty(await clinic.Archive.Rows.QueryAsync(RowTable.Work, clinic.Id.Value, RowRange.Prefix("restore-pack:"), 10, Cancel));
        Assert.Empty(await clinic.Archive.Rows.QueryAsync(RowTable.Work, clinic.Id.Value, RowRange.Prefix("restore-open:"), 10, Cancel));
        Assert.Single(await clinic.LogAsync(), entry => entry.Action == AuditActions.RestoreExpired);
    }

    [Fact]
    public async Task A_request_that_dies_after_any_call_leaves_one_restore_with_one_entry_or_nothing()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        await clinic.BackUpAsync();
        for (int call = 1; ; call++)
        {
            Doom doom = new(call);
            using RSA key = RSA.Create(2048);
            RestoreRequest request = Request(everything: true) with { PublicKey = JwkKeys.FromRsa(key) };
            Archive doomed = new(new DoomedRows(shared.Storage.Rows, doom), shared.Storage.Vault, shared.Keys, shared.Keys, shared.Keys, clinic.Archive.Clock);
            try
            {
                await doomed.Restores.RequestAsync(clinic.Id, request, Archive.Admin, Cancel);
            }
            catch (DeadException)
            {
                // As it should.
            }

            Restore restore = await RequestAsync(clinic, request);
            Assert.Single((await clinic.Archive.Results.ReadAsync(clinic.Id, restore.Id, null, Archive.Admin, Cancel)).Items);
            await clinic.Archive.Outbox.DrainAsync(RowTable.Work, clinic.Id.Value, TimeSpan.FromSeconds(-1), Cancel);
            string?[] recorded = [.. (await clinic.LogAsync()).Where(entry => entry.Action == AuditActions.RestoreRequested).Select(entry => entry.Subject.Other)];
            Assert.Equal((await clinic.Archive.Restores.ListAsync(clinic.Id, null, 1000, Cancel)).Select(r => r.Id.ToString()).Order(), recorded.Order());
            if (!doom.Struck)
            {
                break;
            }
        }

        // Markers and plans of requests that died are swept.
        clinic.Archive.Clock.Advance(RestoreDesk.Idle);
        await clinic.Archive.Restores.SweepAsync(clinic.Id, Requester.System("housekeeping", "test"), Cancel);
        await clinic.Archive.Restores.SweepAsync(clinic.Id, Requester.System("housekeeping", "test"), Cancel);
        Assert.Empty(await clinic.Archive.Rows.QueryAsync(RowTable.Work, clinic.Id.Value, RowRange.Prefix("restore-pack:"), 10, Cancel));
    }

    [Fact]
    public async Task Requests_that_break_a_rule_are_refused()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        (SealedPack pack, _) = await clinic.BackUpAsync();
        Uid study = pack.Sidecar.Study;
        using RSA small = RSA.Create(1024);
        RSAParameters parameters = small.ExportParameters(false);
        Jwk weak = new("RSA", N: System.Buffers.Text.Base64Url.EncodeToString(parameters.Modulus), E: "AQAB");
        (Refusal Refusal, RestoreRequest Request)[] bad =
        [
            (Refusal.RequestInvalid, Request()),
            (Refusal.RequestInvalid, Request(studies: [study], everything: true)),
            (Refusal.RequestInvalid, Request(studies: [])),
            (Refusal.RequestInvalid, Request(studies: [.. Enumerable.Range(0, 1001).Select(i => Uid.Parse($"1.{i}"))])),
            (Refusal.RequestInvalid, Request(everything: true) with { Purpose = " " }),
            (Refusal.RequestInvalid, Request(everything: true) with { Recipient = "" }),
            (Refusal.RequestInvalid, Request(everything: true) with { Purpose = new string('x', 501) }),
            (Refusal.RequestInvalid, Request(patientId: " ")),
            (Refusal.KeyInvalid, Request(everything: true) with { PublicKey = weak }),
            (Refusal.KeyInvalid, Request(everything: true) with { PublicKey = new Jwk("EC") }),
            (Refusal.NothingToRestore, Request(studies: [Uid.Parse("1.2.3")])),
            (Refusal.NothingToRestore, Request(studies: [study, Uid.Parse("1.2.3")])),
            (Refusal.NothingToRestore, Request(instances: [Uid.Parse("1.2.3")])),
            (Refusal.NothingToRestore, Request(patientId: "nobody")),
        ];
        foreach ((Refusal refusal, RestoreRequest request) in bad)
        {
            await AssertRefusedAsync(refusal, () => RequestAsync(clinic, request));
        }

        Assert.Empty(await clinic.Archive.Restores.ListAsync(clinic.Id, null, 10, Cancel));
    }

    [Fact]
    public async Task A_url_opens_the_one_version_for_reading_only()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        await clinic.BackUpAsync();
        RestorePack released = Assert.Single((await ResultAsync(clinic, Request(everything: true))).Items);
        using HttpResponseMessage put = await _http.PutAsync(new Uri(released.Url), new ByteArrayContent([1]), Cancel);
        Assert.NotEqual(HttpStatusCode.Created, put.StatusCode);
        using HttpResponseMessage delete = await _http.DeleteAsync(new Uri(released.Url), Cancel);
        Assert.NotEqual(HttpStatusCode.Accepted, delete.StatusCode);
        using HttpResponseMessage get = await _http.GetAsync(new Uri(released.Url), Cancel);
        Assert.Equal(HttpStatusCode.OK, get.StatusCode);
    }

    [Fact]
    public async Task Results_come_in_pages_and_each_page_is_in_the_log()
    {
        TestClinic clinic = await TestClinic.CreateAsync(Archive.On(shared));
        Uid study = TestClinic.NewStudy();
        for (int i = 0; i < RestoreResults.PacksPerPage + 1; i++)
        {
            await clinic.BackUpAsync(study, files: 1);
        }

        Restore restore = await RequestAsync(clinic, Request(studies: [study]));
        RestorePage first = await clinic.Archive.Results.ReadAsync(clinic.Id, restore.Id, null, Archive.Admin, Cancel);
        RestorePage second = await clinic.Archive.Results.ReadAsync(clinic.Id, restore.Id, PackId.Parse(first.Next!), Archive.Admin, Cancel);
        Assert.Equal((RestoreResults.PacksPerPage, 1, null), (first.Items.Count, second.Items.Count, second.Next));
        Assert.Equal(restore.Totals.Packs, first.Items.Concat(second.Items).Select(pack => pack.Pack).Distinct().Count());
        Assert.Equal(["32", "1"], (await clinic.LogAsync()).Where(entry => entry.Action == AuditActions.RestoreResultRead).Select(entry => entry.Details!["packs"]));
    }

    private static RestoreRequest Request(IReadOnlyList<Uid>? studies = null, IReadOnlyList<Uid>? instances = null, string? patientId = null, bool everything = false) =>
        new(JwkKeys.FromRsa(_mine), "Treatment elsewhere", "Dr. Beispiel", studies, instances, patientId, everything);

    private static Task<Restore> RequestAsync(TestClinic clinic, RestoreRequest request) => clinic.Archive.Restores.RequestAsync(clinic.Id, request, Archive.Admin, Cancel);

    private static async Task<RestorePage> ResultAsync(TestClinic clinic, RestoreRequest request)
    {
        // A key of its own for each: one key is one restore. The shared one stands in where a test asks once.
        Restore restore = (await clinic.Archive.Restores.ListAsync(clinic.Id, null, 1, Cancel)).Count == 0 ? await RequestAsync(clinic, request) : await RequestAsync(clinic, request with { PublicKey = NewKey() });
        return await clinic.Archive.Results.ReadAsync(clinic.Id, restore.Id, null, Archive.Admin, Cancel);
    }

    private static Jwk NewKey()
    {
        using RSA key = RSA.Create(2048);
        return JwkKeys.FromRsa(key);
    }

    private static async Task AssertRefusedAsync(Refusal refusal, Func<Task> act) => Assert.Equal(refusal, (await Assert.ThrowsAsync<RefusedException>(act)).Refusal);

    /// <summary>Fetches and opens a pack as the admin's computer does; the hashes of what was inside.</summary>
    private static async Task<IEnumerable<Sha256Digest>> OpenAsync(RestorePack released)
    {
        byte[] ciphertext = await _http.GetByteArrayAsync(new Uri(released.Url), Cancel);
        using ContentKey key = KeyWrapping.Unwrap(released.ContentKey, _mine);
        await using PackReader reader = await PackReader.OpenAsync(new MemoryStream(ciphertext), key, new PackIdentity(Pack: released.Pack, Study: released.Study, Length: released.Length, Sha256: released.Sha256), Cancel);
        List<Sha256Digest> hashes = [];
        foreach (ManifestInstance instance in reader.Manifest.Instances)
        {
            using MemoryStream content = new();
            await reader.ExtractAsync(instance, content, Cancel);
            hashes.Add(Sha256Digest.Of(content.ToArray()));
        }

        return hashes;
    }

    /// <summary>Storage of which some blobs lie in the archive tier until they are asked back.</summary>
    private sealed class Tiers(IBlobVault inner) : VaultDecorator(inner)
    {
        public HashSet<BlobName> Archived { get; } = [];

        public override async Task<BlobState?> FindAsync(BlobName name, string versionId, CancellationToken cancellationToken) =>
            await base.FindAsync(name, versionId, cancellationToken) is { } state ? state with { Archived = Archived.Contains(name) } : null;

        public override Task RehydrateAsync(BlobName name, string versionId, CancellationToken cancellationToken)
        {
            Archived.Remove(name);
            return Task.CompletedTask;
        }
    }
}
