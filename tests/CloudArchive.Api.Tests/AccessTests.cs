using CloudArchive.Api.Identity;
using CloudArchive.Api.Portal;
using CloudArchive.Api.Tests.Support;
using CloudArchive.Core;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Wire;
using CloudArchive.Testing;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace CloudArchive.Api.Tests;

/// <summary>Who gets what beyond what <see cref="AccessMatrixTests"/> states: what is in reach, what a refusal leaves, how many are answered.</summary>
public sealed class AccessTests(SharedStorage shared)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_list_of_clinics_holds_those_in_reach()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        ApiAgent one = await ApiAgent.CreateAsync(host);
        ApiAgent two = await ApiAgent.CreateAsync(host);
        Page<ClinicResponse> page = (await host.GetAsync("/v1/clinics", host.Staff("compliance", $"{one.Enrolled.Clinic} unknown-clinic"))).As<Page<ClinicResponse>>();
        Assert.Equal([one.Enrolled.Clinic], page.Items.Select(clinic => clinic.Clinic));
        List<ClinicId> all = [];
        string? after = null;
        do
        {
            page = (await host.GetAsync("/v1/clinics?take=2" + (after is null ? "" : $"&after={after}"), host.Staff("admin"))).As<Page<ClinicResponse>>();
            all.AddRange(page.Items.Select(clinic => clinic.Clinic));
            after = page.Next;
        }
        while (after is not null);
        Assert.Contains(one.Enrolled.Clinic, all);
        Assert.Contains(two.Enrolled.Clinic, all);
        Assert.Equal(all.Count, all.Distinct().Count());
    }

    [Fact]
    public async Task The_ingest_host_has_no_way_to_read_and_works_without_the_right_to_unwrap()
    {
        await using ApiHost recovery = await ApiHost.StartAsync(shared, new ApiHostOptions { Role = ArchiveRole.Recovery });
        await using ApiHost ingest = await ApiHost.StartAsync(shared, new ApiHostOptions { Role = ArchiveRole.Ingest, WithUnwrapper = false });
        string[] recoveryOnly = [.. ingest.Endpoints.Select(Name).Where(name => name.Contains("restore", StringComparison.Ordinal) || name.Contains("studies", StringComparison.Ordinal) || name == "POST /v1/clinics")];
        Assert.Empty(recoveryOnly);
        string[] ingestOnly = [.. recovery.Endpoints.Select(Name).Where(name => name is "POST /v1/token" or "POST /v1/enrollments" || name.EndsWith("/commit", StringComparison.Ordinal) || name == "POST /v1/clinics/{clinic}/packs")];
        Assert.Empty(ingestOnly);

        ApiAgent agent = await ApiAgent.CreateAsync(recovery, enrollAt: ingest);
        string token = await agent.TokenAsync();
        (_, string receipt) = await agent.BackUpAsync(token);
        Page<ReceiptResponse> receipts = (await recovery.GetAsync($"/v1/clinics/{agent.Enrolled.Clinic}/receipts", recovery.Staff("admin"))).As<Page<ReceiptResponse>>();
        Assert.Equal(receipt, Assert.Single(receipts.Items).Receipt);
        Assert.Equal((421, "other-host"), Kind(await ingest.GetAsync($"/v1/clinics/{agent.Enrolled.Clinic}/studies", recovery.Staff("admin"))));
    }

    [Theory]
    [InlineData(ArchiveRole.Ingest, "GET", "/v1/clinics", "https://recovery.test/")]
    [InlineData(ArchiveRole.Ingest, "POST", "/v1/clinics/smith-dental/restores", "https://recovery.test/")]
    [InlineData(ArchiveRole.Ingest, "POST", "/v1/clinics/smith-dental/enrollments", "https://recovery.test/")]
    [InlineData(ArchiveRole.Ingest, "POST", "/v1/clinics/smith-dental/holds", "https://recovery.test/")]
    [InlineData(ArchiveRole.Recovery, "POST", "/v1/enrollments", "https://archive.test/")]
    [InlineData(ArchiveRole.Recovery, "POST", "/v1/token", "https://archive.test/")]
    [InlineData(ArchiveRole.Recovery, "POST", "/v1/clinics/smith-dental/packs", "https://archive.test/")] // here it is listed, and not opened
    public async Task Whoever_asks_the_wrong_host_is_told_the_right_address_and_nothing_is_done(ArchiveRole role, string method, string path, string right)
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, new ApiHostOptions { Role = role, WithUnwrapper = role == ArchiveRole.Recovery });
        foreach (string? token in new[] { null, host.Staff("admin") })
        {
            Answer answer = await host.SendAsync(method, path, token, raw: method == "GET" ? null : "{}");
            Assert.Equal((421, "other-host"), Kind(answer));
            Assert.Contains(right, answer.Body, StringComparison.Ordinal);
        }

        Assert.Equal((404, "not-found"), Kind(await host.GetAsync("/v1/nowhere", null)));
        Assert.Equal((405, "method-not-allowed"), Kind(await host.SendAsync("DELETE", "/v1/health", null)));
    }

    [Fact]
    public async Task A_host_with_both_roles_knows_no_other_and_one_with_one_role_must()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        Assert.Equal((404, "not-found"), Kind(await host.GetAsync("/v1/nowhere", null)));
        ArgumentException e = Assert.Throws<ArgumentException>(() => new ServiceCollection().AddCloudArchive(new CloudArchiveOptions { Role = ArchiveRole.Ingest }));
        Assert.Contains("must know where the other one is", e.Message, StringComparison.Ordinal);
    }

    private static (int Status, string? Problem) Kind(Answer answer) => (answer.Status, answer.Problem);

    [Fact]
    public async Task Names_of_endpoints_that_are_elsewhere_are_in_no_description()
    {
        await using ApiHost ingest = await ApiHost.StartAsync(shared, new ApiHostOptions { Role = ArchiveRole.Ingest, WithUnwrapper = false });
        Assert.DoesNotContain("/restores", (await ingest.GetAsync("/openapi/v1.json", null)).Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Restores_ask_for_a_second_factor()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        string path = $"/v1/clinics/{agent.Enrolled.Clinic}/restores";
        Answer answer = await host.PostAsync(path, host.Staff("admin", mfa: false));
        Assert.Equal((403, "mfa-needed"), (answer.Status, answer.Problem));
        Assert.Equal(200, (await host.GetAsync(path, host.Staff("admin", mfa: false))).Status);
    }

    [Fact]
    public async Task Every_refusal_has_one_entry_in_the_log_where_it_belongs()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        ApiAgent other = await ApiAgent.CreateAsync(host);
        string clinic = agent.Enrolled.Clinic.Value;
        string token = await agent.TokenAsync();
        (OpenPackResponse opened, byte[] ciphertext, Format.Packs.Sidecar sidecar) = await agent.SealAsync(token);
        string commit = $"{agent.Packs}/{opened.Pack}/commit";

        await AssertOneAsync(await host.GetAsync($"/v1/clinics/{clinic}/receipts", null), 401, "token-invalid", AuditEntry.SystemLog, "anonymous", AuditActions.RequestRefused);
        await AssertOneAsync(await host.PostAsync($"/v1/clinics/{clinic}/restores", token), 403, "forbidden", clinic, "agent", AuditActions.RestoreRequested);
        await AssertOneAsync(await host.GetAsync($"/v1/clinics/{clinic}/receipts", await other.TokenAsync()), 403, "forbidden", AuditEntry.SystemLog, "agent", AuditActions.RequestRefused);
        await AssertOneAsync(await host.PostAsync(commit, token, new CommitPackRequest(sidecar)), 409, "pack-not-uploaded", clinic, "agent", AuditActions.PackCommitted);
        await AssertOneAsync(await host.PostAsync(commit, token, new CommitPackRequest(sidecar with { Study = ApiAgent.NewStudy() })), 422, "sidecar-invalid", clinic, "agent", AuditActions.PackCommitted);
        await AssertOneAsync(await host.PostAsync("/v1/enrollments", null, new EnrollRequest("nonsense", "pc", agent.Enrolled.SigningKeys.Keys[0], null)), 403, "enrollment-code-invalid", AuditEntry.SystemLog, "anonymous", AuditActions.AgentEnrolled);
        await ApiAgent.UploadAsync(opened.UploadUrl, [.. ciphertext, 0], sidecar);
        await AssertOneAsync(await host.PostAsync(commit, token, new CommitPackRequest(sidecar)), 422, "pack-mismatch", clinic, "agent", AuditActions.PackCommitted);
        await AssertOneAsync(await host.PostAsync(commit, token, new CommitPackRequest(sidecar)), 422, "pack-mismatch", clinic, "agent", AuditActions.PackCommitted);

        // What was only malformed, or is not there, is no refusal: it is a look that found nothing (LookTests).
        foreach (Answer miss in (Answer[])[await host.SendAsync("POST", agent.Packs, token, raw: "{"), await host.GetAsync($"{agent.Packs}/{PackId.New(TimeProvider.System)}", token)])
        {
            AuditEntry entry = Assert.Single(await host.EntriesOfAsync(miss, clinic));
            Assert.Equal((AuditActions.RecordRead, AuditOutcome.Failure, miss.Problem), (entry.Action, entry.Outcome, entry.Reason));
        }

        async Task AssertOneAsync(Answer answer, int status, string problem, string log, string role, string action)
        {
            Assert.Equal((status, problem), (answer.Status, answer.Problem));
            AuditEntry entry = Assert.Single(await host.EntriesOfAsync(answer, clinic, other.Enrolled.Clinic.Value));
            Assert.Equal((log, role, action, AuditOutcome.Refused, problem), (entry.Log, entry.Actor.Role, entry.Action, entry.Outcome, entry.Reason));
        }
    }

    [Fact]
    public async Task A_flood_of_refusals_is_answered_with_429_and_the_log_stays_small()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, new ApiHostOptions { Limits = new RequestLimits(RefusalsPerAddress: 5, RefusalsOfAnonymous: 100, RefusalsPerCaller: 3) });
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        string token = await agent.TokenAsync();
        string clinic = agent.Enrolled.Clinic.Value;
        List<Answer> answers = [];
        for (int i = 0; i < 40; i++)
        {
            answers.Add(await host.GetAsync($"/v1/clinics/{clinic}/receipts", null));
        }

        int refused = answers.Count(answer => answer.Status == 401);
        Assert.Equal(5, refused);
        Assert.Equal(40 - refused, answers.Count(answer => answer is { Status: 429, Problem: "too-many-requests" }));
        HashSet<string> ids = [.. answers.Select(answer => answer.CorrelationId)];
        Assert.Equal(refused, (await host.LogAsync(AuditEntry.SystemLog)).Count(entry => ids.Contains(entry.Origin.CorrelationId)));

        // Whoever has a right to something is not kept from it by others' noise.
        Assert.Equal(200, (await host.GetAsync($"/v1/clinics/{clinic}/receipts", token)).Status);
        Assert.Equal(403, (await host.PostAsync($"/v1/clinics/{clinic}/restores", token)).Status);
    }

    [Fact]
    public async Task Enrollment_and_tokens_are_limited_by_address_and_opening_by_agent()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, new ApiHostOptions { Limits = new RequestLimits(TokensPerAddress: 4, EnrollmentsPerAddress: 2, OpensPerAgent: 2) });
        ApiAgent one = await ApiAgent.CreateAsync(host);
        ApiAgent two = await ApiAgent.EnrollAsync(host, one.Enrolled.Clinic);
        string first = await one.TokenAsync();
        string second = await two.TokenAsync();
        int[] opened = [.. (await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => host.PostAsync(one.Packs, first, new OpenPackRequest(ApiAgent.NewStudy(), 1))))).Select(answer => answer.Status)];
        Assert.Equal((true, true), (opened.Contains(201), opened.Contains(429)));
        Assert.Equal(201, (await host.PostAsync(two.Packs, second, new OpenPackRequest(ApiAgent.NewStudy(), 1))).Status);
        int[] tokens = [.. (await Task.WhenAll(Enumerable.Range(0, 12).Select(_ => one.AskTokenAsync(one.Assertion())))).Select(answer => answer.Status)];
        Assert.Equal((true, true), (tokens.Contains(200), tokens.Contains(429)));
        int[] codes = [.. (await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => host.PostAsync("/v1/enrollments", null, new EnrollRequest("x", "pc", one.Enrolled.SigningKeys.Keys[0], null))))).Select(answer => answer.Status)];
        Assert.Contains(429, codes);
    }

    [Fact]
    public async Task The_documentation_lists_every_endpoint_and_every_problem()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        string docs = await File.ReadAllTextAsync(System.IO.Path.Combine(Repository.Root, "docs", "api.md"), Cancel);
        string[] missing =
        [
            .. host.Endpoints.Where(IsApi).Select(Name).Select(name => name.Replace("{documentName}", "v1", StringComparison.Ordinal)).Where(name => !docs.Contains($"`{name}`", StringComparison.Ordinal)),
            .. Problems.Slugs.Where(slug => !docs.Contains($"`{slug}`", StringComparison.Ordinal)),
        ];
        Assert.Empty(missing);
    }

    // The portal's take no token: PortalMatrixTests.
    private static bool IsApi(RouteEndpoint endpoint) => endpoint.Metadata.GetMetadata<PortalSurface>() is null;

    private static string Name(RouteEndpoint endpoint) => $"{endpoint.Metadata.GetMetadata<HttpMethodMetadata>()!.HttpMethods[0]} {endpoint.RoutePattern.RawText}";
}
