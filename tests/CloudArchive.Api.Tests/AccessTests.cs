using CloudArchive.Api.Identity;
using CloudArchive.Api.Portal;
using CloudArchive.Api.Tests.Support;
using CloudArchive.Core.Audit;
using CloudArchive.Core.Storage;
using CloudArchive.Format;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Wire;
using CloudArchive.Testing;
using Microsoft.AspNetCore.Routing;

namespace CloudArchive.Api.Tests;

public sealed class AccessTests(SharedStorage shared)
{
    /// <summary>Who may call what, stated a second time: a policy that is loosened by mistake is found here.</summary>
    private static readonly Dictionary<string, Roles> _allowed = new(StringComparer.Ordinal)
    {
        ["GET /v1/health"] = Roles.None,
        ["GET /v1/keys"] = Roles.None,
        ["POST /v1/enrollments"] = Roles.None,
        ["POST /v1/token"] = Roles.None,
        ["GET /openapi/{documentName}.json"] = Roles.None,
        ["POST /v1/clinics"] = Roles.Admin,
        ["GET /v1/clinics"] = Roles.Admin | Roles.Compliance,
        ["GET /v1/clinics/{clinic}"] = Roles.Admin | Roles.Compliance,
        ["PUT /v1/clinics/{clinic}/settings"] = Roles.Admin,
        ["POST /v1/clinics/{clinic}/enrollments"] = Roles.Admin,
        ["GET /v1/clinics/{clinic}/agents"] = Roles.Admin | Roles.Compliance,
        ["POST /v1/clinics/{clinic}/agents/{agent}/revoke"] = Roles.Admin,
        ["POST /v1/clinics/{clinic}/agents/{agent}/key"] = Roles.Agent,
        ["GET /v1/clinics/{clinic}/keys"] = Roles.Agent,
        ["GET /v1/access"] = Roles.Admin | Roles.Compliance,
        ["POST /v1/access/reviews"] = Roles.Admin,
        ["GET /v1/access/reviews"] = Roles.Admin | Roles.Compliance,
        ["GET /v1/access/reviews/{review}"] = Roles.Admin | Roles.Compliance,
        ["POST /v1/access/{subject}/block"] = Roles.Admin,
        ["POST /v1/access/{subject}/unblock"] = Roles.Admin,
        ["GET /v1/clinics/{clinic}/access"] = Roles.Admin | Roles.Compliance,
        ["POST /v1/clinics/{clinic}/access/reviews"] = Roles.Admin,
        ["GET /v1/clinics/{clinic}/access/reviews"] = Roles.Admin | Roles.Compliance,
        ["GET /v1/clinics/{clinic}/access/reviews/{review}"] = Roles.Admin | Roles.Compliance,
        ["POST /v1/clinics/{clinic}/packs"] = Roles.Agent,
        ["POST /v1/clinics/{clinic}/packs/{pack}/upload-url"] = Roles.Agent,
        ["POST /v1/clinics/{clinic}/packs/{pack}/commit"] = Roles.Agent,
        ["GET /v1/clinics/{clinic}/packs"] = Roles.Agent | Roles.Admin | Roles.Compliance,
        ["GET /v1/clinics/{clinic}/packs/{pack}"] = Roles.Agent | Roles.Admin | Roles.Compliance,
        ["GET /v1/clinics/{clinic}/receipts"] = Roles.Agent | Roles.Admin | Roles.Compliance,
        ["GET /v1/clinics/{clinic}/studies"] = Roles.Admin | Roles.Compliance,
        ["POST /v1/clinics/{clinic}/studies/search"] = Roles.Admin,
        ["GET /v1/clinics/{clinic}/studies/{study}"] = Roles.Admin | Roles.Compliance,
        ["GET /v1/clinics/{clinic}/instances"] = Roles.Agent | Roles.Admin,
        ["POST /v1/clinics/{clinic}/catalog/rebuild"] = Roles.Admin,
        ["GET /v1/doctor"] = Roles.Admin,
        ["POST /v1/clinics/{clinic}/keys/rewrap"] = Roles.Admin,
        ["POST /v1/clinics/{clinic}/restores"] = Roles.Admin,
        ["GET /v1/clinics/{clinic}/restores"] = Roles.Admin | Roles.Compliance,
        ["GET /v1/clinics/{clinic}/restores/{restore}"] = Roles.Admin | Roles.Compliance,
        ["POST /v1/clinics/{clinic}/restores/{restore}/approve"] = Roles.Admin,
        ["GET /v1/clinics/{clinic}/restores/{restore}/result"] = Roles.Admin,
        ["POST /v1/clinics/{clinic}/restores/{restore}/report"] = Roles.Admin,
        ["POST /v1/clinics/{clinic}/restore-tests"] = Roles.Admin,
        ["GET /v1/clinics/{clinic}/restore-tests"] = Roles.Admin | Roles.Compliance,
        ["POST /v1/clinics/{clinic}/disclosures/search"] = Roles.Admin,
        ["GET /v1/clinics/{clinic}/alerts"] = Roles.Admin | Roles.Compliance,
        ["POST /v1/clinics/{clinic}/alerts/{alert}/retry"] = Roles.Admin,
        ["GET /v1/alerts"] = Roles.Admin | Roles.Compliance,
        ["POST /v1/alerts/{alert}/retry"] = Roles.Admin,
        ["GET /v1/clinics/{clinic}/restore-tests/{run}"] = Roles.Admin | Roles.Compliance,
        ["GET /v1/clinics/{clinic}/restore-test-budget"] = Roles.Admin | Roles.Compliance,
        ["PUT /v1/clinics/{clinic}/restore-test-budget"] = Roles.Admin,
        ["GET /v1/clinics/{clinic}/reports/{period}.csv"] = Roles.Admin | Roles.Compliance,
        ["GET /v1/clinics/{clinic}/reports/{period}.pdf"] = Roles.Admin | Roles.Compliance,
        ["GET /v1/clinics/{clinic}/retention"] = Roles.Admin | Roles.Compliance,
        ["PUT /v1/clinics/{clinic}/retention"] = Roles.Admin,
        ["GET /v1/clinics/{clinic}/retention/plan"] = Roles.Admin | Roles.Compliance,
        ["POST /v1/clinics/{clinic}/holds"] = Roles.Admin,
        ["GET /v1/clinics/{clinic}/holds"] = Roles.Admin | Roles.Compliance,
        ["GET /v1/clinics/{clinic}/holds/{hold}"] = Roles.Admin | Roles.Compliance,
        ["POST /v1/clinics/{clinic}/holds/{hold}/clear"] = Roles.Admin,
        ["POST /v1/clinics/{clinic}/holds/{hold}/approve"] = Roles.Admin,
        ["POST /v1/clinics/{clinic}/destructions"] = Roles.Admin,
        ["GET /v1/clinics/{clinic}/destructions"] = Roles.Admin | Roles.Compliance,
        ["GET /v1/clinics/{clinic}/destructions/{destruction}"] = Roles.Admin | Roles.Compliance,
        ["POST /v1/clinics/{clinic}/destructions/{destruction}/approve"] = Roles.Admin,
        ["POST /v1/clinics/{clinic}/destructions/{destruction}/reject"] = Roles.Admin,
        ["GET /v1/clinics/{clinic}/destructions/{destruction}/certificate"] = Roles.Admin | Roles.Compliance,
        ["GET /v1/clinics/{clinic}/evidence"] = Roles.Admin | Roles.Compliance,
        ["GET /v1/clinics/{clinic}/evidence/{run}/{file}"] = Roles.Admin | Roles.Compliance,
    };

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Every_endpoint_has_the_policy_that_it_should_have()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        foreach (RouteEndpoint endpoint in host.Endpoints.Where(IsApi))
        {
            EndpointPolicy policy = endpoint.Metadata.GetMetadata<EndpointPolicy>() ?? throw new InvalidOperationException($"{endpoint.DisplayName} has no policy.");
            if (_allowed.TryGetValue(Name(endpoint), out Roles roles))
            {
                Assert.Equal((Name(endpoint), roles), (Name(endpoint), policy.Roles));
            }
            else
            {
                // The audit log's endpoints have their own tests; what is new has to be stated above.
                Assert.Contains("/audit/", Name(endpoint), StringComparison.Ordinal);
            }
        }

        Assert.Empty(_allowed.Keys.Except(host.Endpoints.Select(Name)));
    }

    [Fact]
    public async Task No_endpoint_answers_a_role_or_a_clinic_that_it_is_not_for()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        ApiAgent mine = await ApiAgent.CreateAsync(host);
        ApiAgent other = await ApiAgent.CreateAsync(host);
        string clinic = mine.Enrolled.Clinic.Value;
        Dictionary<Roles, string> tokens = new() { [Roles.Agent] = await mine.TokenAsync(), [Roles.Admin] = host.Staff("admin", clinic), [Roles.Compliance] = host.Staff("compliance", clinic) };
        Dictionary<Roles, string> foreign = new()
        {
            [Roles.Agent] = await other.TokenAsync(),
            [Roles.Admin] = host.Staff("admin", other.Enrolled.Clinic.Value),
            [Roles.Compliance] = host.Staff("compliance", other.Enrolled.Clinic.Value),
        };
        foreach (RouteEndpoint endpoint in host.Endpoints.Where(endpoint => IsApi(endpoint) && _allowed.GetValueOrDefault(Name(endpoint)) != Roles.None))
        {
            string method = Name(endpoint).Split(' ')[0];
            string path = Path(endpoint, clinic, $"{clinic}.0000000000000000");
            Answer anonymous = await host.SendAsync(method, path, null);
            Assert.Equal((401, "token-invalid", "Bearer"), (anonymous.Status, anonymous.Problem, anonymous.Headers.WwwAuthenticate.ToString()));
            foreach ((Roles role, string token) in tokens)
            {
                Answer answer = await host.SendAsync(method, path, token);
                bool allowed = (_allowed[Name(endpoint)] & role) != Roles.None && !NeedsAllClinics(endpoint);
                Assert.True(allowed == (answer.Problem != "forbidden"), $"{Name(endpoint)} as {role}: {answer.Status} {answer.Body}");
            }

            foreach ((Roles role, string token) in foreign)
            {
                Answer answer = await host.SendAsync(method, path, token);
                bool own = endpoint.Metadata.GetMetadata<EndpointPolicy>()!.Reach == Reach.Own && role != Roles.Agent;
                Assert.True(own || answer is { Status: 403, Problem: "forbidden" }, $"{Name(endpoint)} as foreign {role}: {answer.Status} {answer.Body}");
            }
        }
    }

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
        Assert.Equal(404, (await ingest.GetAsync($"/v1/clinics/{agent.Enrolled.Clinic}/studies", recovery.Staff("admin"))).Status);
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

        // What was only malformed, or is not there, is no refusal.
        Assert.Empty(await host.EntriesOfAsync(await host.SendAsync("POST", agent.Packs, token, raw: "{"), clinic));
        Assert.Empty(await host.EntriesOfAsync(await host.GetAsync($"{agent.Packs}/{PackId.New(TimeProvider.System)}", token), clinic));

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
        Assert.InRange(refused, 10, 20);
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

    private static bool NeedsAllClinics(RouteEndpoint endpoint) => endpoint.Metadata.GetMetadata<EndpointPolicy>()!.Reach == Reach.AllClinics;

    private static string Name(RouteEndpoint endpoint) => $"{endpoint.Metadata.GetMetadata<HttpMethodMetadata>()!.HttpMethods[0]} {endpoint.RoutePattern.RawText}";

    private static string Path(RouteEndpoint endpoint, string clinic, string agent) => endpoint.RoutePattern.RawText!
        .Replace("{clinic}", clinic, StringComparison.Ordinal)
        .Replace("{agent}", agent, StringComparison.Ordinal)
        .Replace("{subject}", "nobody", StringComparison.Ordinal)
        .Replace("{review}", "01890a5d-ac96-774b-bcce-b302099a8057", StringComparison.Ordinal)
        .Replace("{alert}", "20261126-0123456789abcdef0123456789abcdef", StringComparison.Ordinal)
        .Replace("{study}", "1.2.3", StringComparison.Ordinal)
        .Replace("{pack}", "01890a5d-ac96-774b-bcce-b302099a8057", StringComparison.Ordinal)
        .Replace("{restore}", "01890a5d-ac96-774b-bcce-b302099a8057", StringComparison.Ordinal)
        .Replace("{run}", "01890a5d-ac96-774b-bcce-b302099a8057", StringComparison.Ordinal);
}
