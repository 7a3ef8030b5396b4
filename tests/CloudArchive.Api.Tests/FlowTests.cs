using System.Security.Cryptography;
using System.Text.Json;
using CloudArchive.Api.Tests.Support;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Evidence;
using CloudArchive.Format.Packs;
using CloudArchive.Format.Sealing;
using CloudArchive.Format.Signing;
using CloudArchive.Format.Wire;

namespace CloudArchive.Api.Tests;

public sealed class FlowTests(SharedStorage shared)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_backup_over_http_ends_in_a_receipt_that_verifies_with_the_published_keys()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        string token = await agent.TokenAsync();
        (OpenPackResponse opened, byte[] ciphertext, Sidecar sidecar) = await agent.SealAsync(token);
        Assert.Equal((agent.Enrolled.WrappingKey, agent.Enrolled.EscrowKey), (opened.WrappingKey, opened.EscrowKey));
        UploadUrlResponse renewed = (await host.PostAsync($"{agent.Packs}/{opened.Pack}/upload-url", token)).As<UploadUrlResponse>();
        await ApiAgent.UploadAsync(renewed.UploadUrl, ciphertext, sidecar);
        string commit = $"{agent.Packs}/{opened.Pack}/commit";
        string jws = (await host.PostAsync(commit, token, new CommitPackRequest(sidecar))).As<ReceiptResponse>().Receipt;
        Assert.Equal(jws, (await host.PostAsync(commit, token, new CommitPackRequest(sidecar))).As<ReceiptResponse>().Receipt);

        JwkSet keys = (await host.GetAsync("/v1/keys", null)).As<JwkSet>();
        Receipt receipt = Receipts.Verify(jws, keys);
        Assert.Equal((opened.Pack, sidecar.Sha256, agent.Enrolled.Clinic), (receipt.Pack, receipt.Sha256, receipt.Clinic));
        string clinic = $"/v1/clinics/{agent.Enrolled.Clinic}";
        Assert.Equal(jws, Assert.Single((await host.GetAsync($"{clinic}/receipts?take=1", token)).As<Page<ReceiptResponse>>().Items).Receipt);
        Assert.Equal(sidecar.Instances[0].Sha256, Assert.Single((await host.GetAsync($"{clinic}/instances?study={sidecar.Study}", token)).As<Page<InstanceResponse>>().Items).Sha256);
        Assert.Equal(receipt.VersionId, (await host.GetAsync($"{agent.Packs}/{opened.Pack}", token)).As<PackResponse>().VersionId);
        Assert.Equal(opened.Pack, Assert.Single((await host.GetAsync(agent.Packs, token)).As<Page<PackResponse>>().Items).Pack);
        Assert.NotNull((await host.GetAsync(clinic, host.Staff("admin"))).As<ClinicResponse>().LastCommitAt);
    }

    [Fact]
    public async Task An_agent_learns_what_became_of_packs_and_checks_its_receipt_against_the_log()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        string token = await agent.TokenAsync();
        (Sidecar sidecar, string jws) = await agent.BackUpAsync(token);
        Receipt receipt = Receipts.Verify(jws, (await host.GetAsync("/v1/keys", null)).As<JwkSet>());
        string clinic = $"/v1/clinics/{agent.Enrolled.Clinic}";
        ChangesResponse changes = (await host.GetAsync($"{clinic}/changes", token)).As<ChangesResponse>();
        ArchiveChange change = Assert.Single(changes.Items);
        Assert.Equal((sidecar.Pack, receipt.AuditIndex, jws), (change.Pack, change.Index, change.Archived!.Receipt));
        Assert.Equal(sidecar.Instances, change.Archived.Instances);
        ChangesResponse later = (await host.GetAsync($"{clinic}/changes?after={changes.Next}", token)).As<ChangesResponse>();
        Assert.Equal((0, false), (later.Items.Count, later.More));

        string size = (receipt.AuditIndex + 1).ToString(System.Globalization.CultureInfo.InvariantCulture);
        CommitEntryResponse[] commits = (await host.GetAsync($"{clinic}/audit/commits?size={size}&index={receipt.AuditIndex}&index=0", token)).As<CommitEntryResponse[]>();
        Assert.Contains(sidecar.Pack.ToString(), commits[0].Entry, StringComparison.Ordinal);
        Assert.Null(commits[1].Entry);
        foreach (string wrong in (string[])["changes?after=-2", "changes?take=0", $"audit/commits?size={size}", $"audit/commits?size={size}&index={size}", "audit/commits?size=999999&index=0", $"audit/commits?size={size}{string.Concat(Enumerable.Repeat("&index=0", 101))}"])
        {
            Assert.Equal((400, "request-invalid"), (await host.GetAsync($"{clinic}/{wrong}", token)) is var answer ? (answer.Status, answer.Problem) : default);
        }
    }

    [Fact]
    public async Task A_pack_that_is_not_what_was_said_is_a_422_and_gone()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        string token = await agent.TokenAsync();
        (OpenPackResponse opened, byte[] ciphertext, Sidecar sidecar) = await agent.SealAsync(token);
        ciphertext[100] ^= 1;
        await ApiAgent.UploadAsync(opened.UploadUrl, ciphertext, sidecar);
        Answer answer = await host.PostAsync($"{agent.Packs}/{opened.Pack}/commit", token, new CommitPackRequest(sidecar));
        Assert.Equal((422, "pack-mismatch"), (answer.Status, answer.Problem));
        Assert.Null(await shared.Storage.Vault.FindAsync(BlobName.Pack(agent.Enrolled.Clinic, opened.Pack), Cancel));
    }

    [Fact]
    public async Task A_restore_over_http_from_request_to_report()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        string token = await agent.TokenAsync();
        (Sidecar one, _) = await agent.BackUpAsync(token, patientId: "anna");
        await agent.BackUpAsync(token, patientId: "anna");
        string restores = $"/v1/clinics/{agent.Enrolled.Clinic}/restores";
        using RSA mine = RSA.Create(2048);
        RestoreRequest request = new(JwkKeys.FromRsa(mine), "Moves away", "Patient", PatientId: "anna");
        Answer asked = await host.PostAsync(restores, host.Staff("admin"), request);
        RestoreResponse restore = asked.As<RestoreResponse>();
        string path = $"{restores}/{restore.Id}";
        Assert.Equal((202, RestoreStatus.PendingApproval, path), (asked.Status, restore.Status, asked.Headers.GetValues("Operation-Location").Single()));
        Assert.Equal((2, 2), (restore.Studies, restore.Packs));

        Answer early = await host.GetAsync($"{path}/result", host.Staff("admin"));
        Assert.Equal((409, "approval-missing"), (early.Status, early.Problem));
        Answer self = await host.PostAsync($"{path}/approve", host.Staff("admin"));
        Assert.Equal((403, "approval-by-requester"), (self.Status, self.Problem));
        Assert.Equal(RestoreStatus.Ready, (await host.PostAsync($"{path}/approve", host.Staff("admin", subject: "bert"))).As<RestoreResponse>().Status);
        Answer notMine = await host.GetAsync($"{path}/result", host.Staff("admin", subject: "bert"));
        Assert.Equal((403, "restore-of-another"), (notMine.Status, notMine.Problem));

        Answer result = await host.GetAsync($"{path}/result", host.Staff("admin"));
        Assert.Equal("no-store", result.Headers.CacheControl!.ToString());
        RestorePack pack = result.As<Page<RestorePack>>().Items.Single(p => p.Pack == one.Pack);
        using HttpClient http = new();
        byte[] ciphertext = await http.GetByteArrayAsync(new Uri(pack.Url), Cancel);
        using ContentKey key = KeyWrapping.Unwrap(pack.ContentKey, mine);
        await using PackReader reader = await PackReader.OpenAsync(new MemoryStream(ciphertext), key, PackIdentity.Of(one), Cancel);
        using MemoryStream content = new();
        await reader.ExtractAsync(reader.Manifest.Instances[0], content, Cancel);
        Assert.Equal(one.Instances[0].Sha256, Sha256Digest.Of(content.ToArray()));

        RestoreReport report = new(2, 0, 0, 6000);
        Assert.Equal(RestoreStatus.Reported, (await host.PostAsync($"{path}/report", host.Staff("admin"), report)).As<RestoreResponse>().Status);
        Answer over = await host.GetAsync($"{path}/result", host.Staff("admin"));
        Assert.Equal((409, "restore-over"), (over.Status, over.Problem));
        RestoreResponse listed = Assert.Single((await host.GetAsync(restores, host.Staff("compliance"))).As<Page<RestoreResponse>>().Items);
        Assert.Equal((report, ApiHost.Id("bert"), "Moves away"), (listed.Report, listed.ApprovedBy, listed.Purpose));
    }

    [Fact]
    public async Task Studies_are_searched_by_identifiers_in_a_body_and_never_in_a_url()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        (Sidecar sidecar, _) = await agent.BackUpAsync(await agent.TokenAsync(), patientId: "anna");
        string studies = $"/v1/clinics/{agent.Enrolled.Clinic}/studies";
        string admin = host.Staff("admin");
        string compliance = host.Staff("compliance");
        Assert.Equal(sidecar.Study, Assert.Single((await host.PostAsync($"{studies}/search", admin, new StudySearchRequest("anna "))).As<Page<StudyResponse>>().Items).Study);
        Assert.Single((await host.PostAsync($"{studies}/search", admin, new StudySearchRequest(Accession: $"ACC-{sidecar.Study}"))).As<Page<StudyResponse>>().Items);
        Assert.Empty((await host.PostAsync($"{studies}/search", admin, new StudySearchRequest("bert"))).As<Page<StudyResponse>>().Items);
        Assert.Single((await host.GetAsync($"{studies}?from=20260101&to=20260131", admin)).As<Page<StudyResponse>>().Items);
        Assert.Single((await host.GetAsync($"{studies}?patientHmac={sidecar.PatientHmac}", admin)).As<Page<StudyResponse>>().Items);
        Assert.Equal((400, "request-invalid"), Of(await host.GetAsync($"{studies}?patientId=anna", admin)));
        Assert.Equal((400, "request-invalid"), Of(await host.GetAsync($"{studies}?from=yesterday", admin)));
        Assert.Equal((404, "study-unknown"), Of(await host.GetAsync($"{studies}/1.2.3", admin)));

        // Compliance sees that a study is there, and not whose it is.
        StudyResponse seen = (await host.GetAsync($"{studies}/{sidecar.Study}", compliance)).As<StudyResponse>();
        Assert.Equal((null, null, 1), (seen.PatientHmac, seen.AccessionHmac, seen.Packs));
        Assert.Null(Assert.Single((await host.GetAsync(studies, compliance)).As<Page<StudyResponse>>().Items).PatientHmac);
        Assert.Equal((403, "forbidden"), Of(await host.GetAsync($"{studies}?patientHmac={sidecar.PatientHmac}", compliance)));
        Assert.Contains(await host.LogAsync(agent.Enrolled.Clinic.Value), entry => entry.Action == AuditActions.StudiesQueried && entry.Details!["by"] == "patient");
    }

    [Fact]
    public async Task A_restore_test_and_a_rebuild_can_be_asked_for()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        await agent.BackUpAsync(await agent.TokenAsync());
        string clinic = $"/v1/clinics/{agent.Enrolled.Clinic}";
        RebuildResponse rebuilt = (await host.PostAsync($"{clinic}/catalog/rebuild", host.Staff("admin"))).As<RebuildResponse>();
        Assert.Equal((1, 1, null), (rebuilt.Packs, rebuilt.Instances, rebuilt.Next));
        Answer asked = await host.PostAsync($"{clinic}/restore-tests", host.Staff("admin"), new RestoreTestRequest(5));
        string path = asked.Headers.GetValues("Operation-Location").Single();
        Assert.Equal(202, asked.Status);
        RestoreTestResponse run;
        do
        {
            run = (await host.GetAsync(path, host.Staff("compliance"))).As<RestoreTestResponse>();
        }
        while (run.Status == RestoreTestStatus.Running);

        // These packs hold no DICOM, which a restore test must find out.
        Assert.Equal((RestoreTestStatus.Failed, PackFailure.DicomInvalid), (run.Status, run.Packs![0].Result!.Cause));
        Assert.Equal(run.Id, Assert.Single((await host.GetAsync($"{clinic}/restore-tests", host.Staff("compliance"))).As<Page<RestoreTestResponse>>().Items).Id);
    }

    [Fact]
    public async Task Settings_change_and_retention_is_not_lowered()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        string path = $"/v1/clinics/{agent.Enrolled.Clinic}/settings";
        ClinicResponse changed = (await host.SendAsync("PUT", path, host.Staff("admin"), new ClinicSettingsRequest(15, false))).As<ClinicResponse>();
        Assert.Equal((15, false), (changed.RetentionYears, changed.RequireApproval));
        Assert.Equal((422, "retention-lowered"), Of(await host.SendAsync("PUT", path, host.Staff("admin"), new ClinicSettingsRequest(10))));
        Assert.Equal((403, "forbidden"), Of(await host.SendAsync("PUT", path, host.Staff("admin", agent.Enrolled.Clinic.Value), new ClinicSettingsRequest(20))));
        Assert.Equal((409, "clinic-exists"), Of(await host.PostAsync("/v1/clinics", host.Staff("admin"), new CreateClinicRequest(agent.Enrolled.Clinic, "Other"))));
    }

    [Fact]
    public async Task The_openapi_document_describes_every_endpoint()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        Answer answer = await host.GetAsync("/openapi/v1.json", null);
        Assert.Equal(200, answer.Status);
        JsonElement document = JsonDocument.Parse(answer.Body).RootElement;
        foreach (var endpoint in host.Endpoints.Where(endpoint => endpoint.RoutePattern.RawText!.StartsWith("/v1", StringComparison.Ordinal)))
        {
            string method = endpoint.Metadata.GetMetadata<Microsoft.AspNetCore.Routing.HttpMethodMetadata>()!.HttpMethods[0].ToLowerInvariant();
            Assert.True(document.GetProperty("paths").TryGetProperty(endpoint.RoutePattern.RawText!, out JsonElement path) && path.TryGetProperty(method, out _), $"{method} {endpoint.RoutePattern.RawText}");
        }

        JsonElement open = document.GetProperty("paths").GetProperty("/v1/clinics/{clinic}/packs").GetProperty("post");
        Assert.True(open.TryGetProperty("security", out _));
        Assert.Equal("^[a-z0-9-]{3,40}$", open.GetProperty("parameters")[0].GetProperty("schema").GetProperty("pattern").GetString());
        Assert.False(document.GetProperty("paths").GetProperty("/v1/token").GetProperty("post").TryGetProperty("security", out _));
    }

    private static (int, string?) Of(Answer answer) => (answer.Status, answer.Problem);
}
