using System.Net;
using CloudArchive.Api.Tests.Support;
using CloudArchive.Core.Audit;
using CloudArchive.Format.Audit;
using CloudArchive.Format.Wire;
using Microsoft.Extensions.Time.Testing;

namespace CloudArchive.Api.Tests;

/// <summary>Limits that instances share, and quotas, over HTTP.</summary>
public sealed class RateLimitTests(SharedStorage shared)
{
    private const string Service = "one-service";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Two_instances_share_one_allowance_by_agent_by_clinic_and_by_address_and_the_next_minute_has_another()
    {
        FakeTimeProvider clock = new(new DateTimeOffset(2030, 3, 4, 5, 6, 0, TimeSpan.Zero));
        RequestLimits limits = new(TokensPerAddress: 10, OpensPerAgent: 3, AgentsOfClinic: 2);
        string service = Service + Guid.NewGuid().ToString("N");
        await using ApiHost one = await ApiHost.StartAsync(shared, new ApiHostOptions { Limits = limits, Service = service, Clock = clock });
        await using ApiHost two = await ApiHost.StartAsync(shared, new ApiHostOptions { Limits = limits, Service = service, Clock = clock });
        ApiAgent first = await ApiAgent.CreateAsync(one), second = await ApiAgent.EnrollAsync(one, first.Enrolled.Clinic), third = await ApiAgent.EnrollAsync(one, first.Enrolled.Clinic);
        string[] tokens = [await first.TokenAsync(), await second.TokenAsync(), await third.TokenAsync()];
        async Task<int> OpenAsync(ApiHost host, int agent) => (await host.PostAsync(first.Packs, tokens[agent], new OpenPackRequest(ApiAgent.NewStudy(), 1))).Status;

        // Three an agent, whichever instance it asks; six the clinic, whichever agent asks.
        int[] ofFirst = [await OpenAsync(one, 0), await OpenAsync(two, 0), await OpenAsync(one, 0), await OpenAsync(two, 0), await OpenAsync(one, 0)];
        int[] ofSecond = [await OpenAsync(two, 1), await OpenAsync(one, 1), await OpenAsync(two, 1)];
        int[] ofThird = [await OpenAsync(one, 2), await OpenAsync(two, 2)];
        Assert.Equal([201, 201, 201, 429, 429], ofFirst);
        Assert.Equal([201, 201, 201], ofSecond);
        Assert.Equal([429, 429], ofThird);
        Answer refused = await two.PostAsync(first.Packs, tokens[0], new OpenPackRequest(ApiAgent.NewStudy(), 1));
        Assert.Equal((429, "too-many-requests", TimeSpan.FromSeconds(60)), (refused.Status, refused.Problem, refused.Headers.RetryAfter!.Delta));
        clock.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal(201, await OpenAsync(two, 2));

        // Seven more tokens of the ten of this minute's address, whatever it says that it is.
        clock.Advance(TimeSpan.FromMinutes(1));
        List<int> answers = [];
        for (int i = 0; i < 12; i++)
        {
            using HttpRequestMessage request = new(HttpMethod.Post, "/v1/token") { Content = new FormUrlEncodedContent([]) };
            request.Headers.TryAddWithoutValidation("X-Forwarded-For", $"203.0.113.{i}");
            using HttpResponseMessage answer = await (i % 2 == 0 ? one : two).Http.SendAsync(request, Cancel);
            answers.Add((int)answer.StatusCode);
        }

        Assert.Equal(2, answers.Count(status => status == 429));
        Assert.All(answers.TakeLast(2), status => Assert.Equal(429, status));
    }

    [Fact]
    public async Task Commits_and_upload_urls_are_limited_too_each_by_itself()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, new ApiHostOptions { Limits = new RequestLimits(UploadUrlsPerAgent: 2, CommitsPerAgent: 2) });
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        string token = await agent.TokenAsync();
        OpenPackResponse open = (await host.PostAsync(agent.Packs, token, new OpenPackRequest(ApiAgent.NewStudy(), 1))).As<OpenPackResponse>();
        foreach (string path in (string[])[$"{agent.Packs}/{open.Pack}/upload-url", $"{agent.Packs}/{open.Pack}/commit"])
        {
            int[] answers = [(await host.PostAsync(path, token)).Status, (await host.PostAsync(path, token)).Status, (await host.PostAsync(path, token)).Status];
            Assert.DoesNotContain(429, answers[..2]);
            Assert.Equal(429, answers[2]);
        }
    }

    [Fact]
    public async Task While_the_table_of_allowances_is_away_requests_go_on_and_each_instance_counts_by_itself()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared, new ApiHostOptions { Limits = new RequestLimits(OpensPerAgent: 2), AllowanceRows = _ => new NoRows() });
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        string token = await agent.TokenAsync();
        int[] answers = [.. await Task.WhenAll(Enumerable.Range(0, 4).Select(async _ => (await host.PostAsync(agent.Packs, token, new OpenPackRequest(ApiAgent.NewStudy(), 1))).Status))];
        Assert.Equal([201, 201, 429, 429], answers.Order());
        Assert.Contains(host.Logged.Lines, line => line.Contains("does not answer", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_used_quota_is_a_refusal_of_its_own_kind_with_one_entry_and_an_admin_of_all_clinics_raises_it()
    {
        await using ApiHost host = await ApiHost.StartAsync(shared);
        ApiAgent agent = await ApiAgent.CreateAsync(host);
        string token = await agent.TokenAsync(), clinic = agent.Enrolled.Clinic.Value, settings = $"/v1/clinics/{clinic}/settings";
        Assert.Equal((500_000_000_000, 50_000), Quota((await host.GetAsync($"/v1/clinics/{clinic}", host.Staff("compliance"))).As<ClinicResponse>()));
        Assert.Equal(403, (await host.SendAsync("PUT", settings, host.Staff("admin", clinic), new ClinicSettingsRequest(DailyPacks: 100))).Status);
        Assert.Equal((500_000_000_000, 1), Quota((await host.SendAsync("PUT", settings, host.Staff("admin"), new ClinicSettingsRequest(DailyPacks: 1))).As<ClinicResponse>()));
        await agent.BackUpAsync(token);

        Answer refused = await host.PostAsync(agent.Packs, token, new OpenPackRequest(ApiAgent.NewStudy(), 1));
        Assert.Equal((403, "quota-used-up"), (refused.Status, refused.Problem));
        Assert.InRange(refused.Headers.RetryAfter!.Delta!.Value, TimeSpan.FromSeconds(1), TimeSpan.FromDays(1));
        AuditEntry entry = Assert.Single(await host.EntriesOfAsync(refused, clinic), entry => entry.Outcome == AuditOutcome.Refused);
        Assert.Equal((AuditActions.PackOpened, "quota-used-up"), (entry.Action, entry.Reason));

        (await host.SendAsync("PUT", settings, host.Staff("admin"), new ClinicSettingsRequest(DailyPacks: 2))).As<ClinicResponse>();
        Assert.Equal(201, (await host.PostAsync(agent.Packs, token, new OpenPackRequest(ApiAgent.NewStudy(), 1))).Status);
    }

    [Theory]
    [InlineData("203.0.113.9", "address 203.0.113.9")]
    [InlineData("::ffff:203.0.113.9", "address 203.0.113.9")]
    [InlineData("2001:db8:1:2:3:4:5:6", "address 2001:db8:1:2::/64")]
    [InlineData("2001:db8:1:2::9", "address 2001:db8:1:2::/64")]
    [InlineData(null, "address unknown")]
    public void An_address_is_one_of_version_4_or_the_network_of_a_site(string? address, string expected)
    {
        Microsoft.AspNetCore.Http.DefaultHttpContext context = new();
        context.Connection.RemoteIpAddress = address is null ? null : IPAddress.Parse(address);
        Assert.Equal(expected, RateLimits.AddressOf(context));
    }

    private static (long Bytes, int Packs) Quota(ClinicResponse clinic) => (clinic.DailyBytes, clinic.DailyPacks);

    private sealed class NoRows : Core.Storage.IRowStore
    {
        public Task EnsureReadyAsync(CancellationToken cancellationToken) => throw new IOException("Tables answer HTTP 500.");

        public Task<Core.Storage.Row?> FindAsync(Core.Storage.RowTable table, string partition, string key, CancellationToken cancellationToken) => throw new IOException("Tables answer HTTP 500.");

        public Task<IReadOnlyList<Core.Storage.Row>> QueryAsync(Core.Storage.RowTable table, string partition, string from, string to, int take, CancellationToken cancellationToken) =>
            throw new IOException("Tables answer HTTP 500.");

        public IAsyncEnumerable<string> PartitionsAsync(Core.Storage.RowTable table, CancellationToken cancellationToken) => throw new IOException("Tables answer HTTP 500.");

        public Task<IReadOnlyList<string>> SubmitAsync(Core.Storage.RowTable table, string partition, IReadOnlyList<Core.Storage.RowWrite> writes, CancellationToken cancellationToken) =>
            throw new IOException("Tables answer HTTP 500.");
    }
}
